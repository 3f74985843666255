//! Owns `Question`: the question of a search, checked once.

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::search::{Axis, Level, Pass};
use crate::workload::{SessionLaw, TurnMoments};

/// One objective as a search sees it: a share of requests that may miss it. Every objective of the grammar becomes
/// one, except maxima and goodput.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demand {
    allowed: f64,
    limit_s: Option<f64>,
    is_of_mean: bool,
}

impl Demand {
    /// At most the share `allowed` of the requests may miss (between 0 and 1, both excluded). `limit_s` is the
    /// limit in seconds if the metric depends on the queue (ttft, ttfo, e2e): an overload of δ shows only after
    /// about limit ÷ δ seconds. It is `None` for per-token limits and for failures.
    pub fn new(allowed: f64, limit_s: Option<f64>) -> Result<Self, Refusal> {
        if !(allowed > 0.0 && allowed < 1.0) {
            let accepted = "accepted is a quantile below p100 and above p0: a search needs misses to count";
            return Err(Refusal::new(
                format!("an objective that allows {allowed} of the requests to miss cannot be searched for"),
                accepted,
            ));
        }
        if limit_s.is_some_and(|limit_s| !(limit_s > 0.0 && limit_s.is_finite())) {
            return Err(Refusal::new("a limit must be longer than 0 s", "accepted is a limit above 0"));
        }
        Ok(Self { allowed, limit_s, is_of_mean: false })
    }

    /// The demand as that of a mean: its misses are parts of a sum over all requests
    /// ([`crate::metrics::Sequence::MEAN_WHOLE`]), and none of them is an event of its own.
    #[must_use]
    pub const fn of_mean(self) -> Self {
        Self { is_of_mean: true, ..self }
    }

    /// Whether the demand is that of a mean.
    #[must_use]
    pub const fn is_of_mean(&self) -> bool {
        self.is_of_mean
    }

    /// The share of requests that may miss.
    #[must_use]
    pub const fn allowed(&self) -> f64 {
        self.allowed
    }

    /// The limit in seconds; `None` if the metric does not depend on the queue.
    #[must_use]
    pub const fn limit_s(&self) -> Option<f64> {
        self.limit_s
    }
}

/// What a probe took: everything sent, including what was discarded.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Spent {
    /// Requests.
    pub requests: u64,
    /// Seconds of the service's time.
    pub seconds: f64,
}

impl Spent {
    pub(super) fn plus(self, other: Self) -> Self {
        Self { requests: self.requests + other.requests, seconds: self.seconds + other.seconds }
    }
}

/// What may be spent; `None` means no bound.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Budget {
    /// Requests, including the discarded ones and those of the first two steps.
    pub requests: Option<u64>,
    /// Seconds of the service's time.
    pub seconds: Option<f64>,
}

impl Budget {
    /// What is left of the budget after `spent`; [`u64::MAX`] requests and infinite seconds if there is no bound.
    #[must_use]
    pub fn left(&self, spent: Spent) -> Spent {
        Spent {
            requests: self.requests.map_or(u64::MAX, |most| most.saturating_sub(spent.requests)),
            seconds: self.seconds.map_or(f64::INFINITY, |most| (most - spent.seconds).max(0.0)),
        }
    }

    /// Whether the budget is enough for all of this.
    #[must_use]
    pub fn holds(&self, all: Spent) -> bool {
        self.requests.is_none_or(|requests| all.requests <= requests)
            && self.seconds.is_none_or(|seconds| all.seconds <= seconds)
    }
}

/// The question of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    axis: Axis,
    /// For a replay: the trace whose time scale is varied.
    pass: Option<Pass>,
    /// For a rate of sessions: their turns.
    sessions: Option<SessionLaw>,
    demands: Vec<Demand>,
    precision: f64,
    arrival_cv2: f64,
    least: Option<f64>,
    most: Option<f64>,
    budget: Budget,
}

impl Question {
    /// The probability of the credible interval that is printed, whose lower end is the headline.
    pub const CONFIDENCE: f64 = 0.95;

    /// Asks for the highest rate that meets all of `demands`, to within ± `precision` (0.01 to 0.5): Poisson
    /// arrivals, any rate, no budget.
    pub fn new(demands: Vec<Demand>, precision: f64) -> Result<Self, Refusal> {
        if demands.is_empty() {
            return Err(Refusal::new(
                "the search has no objective",
                "give an objective, as in the option slo 'p99 ttft<=200ms'",
            ));
        }
        if !(0.01..=0.5).contains(&precision) {
            return Err(Refusal::new(
                format!("a precision of {:.3}% is out of range", precision * 100.0),
                "accepted is 1% to 50%",
            ));
        }
        Ok(Self {
            axis: Axis::Rate,
            pass: None,
            sessions: None,
            demands,
            precision,
            arrival_cv2: 1.0,
            least: None,
            most: None,
            budget: Budget::default(),
        })
    }

    /// The question for closed loops: the most requests in flight, each sent when another one has completed.
    #[must_use]
    pub fn in_flight(self) -> Self {
        Self { axis: Axis::Concurrency, pass: None, sessions: None, ..self }
    }

    /// The question for a recorded trace: the highest multiple of its recorded speed.
    #[must_use]
    pub fn replaying(self, pass: Pass) -> Self {
        Self { axis: Axis::TimeScale, pass: Some(pass), sessions: None, ..self }
    }

    /// The question for sessions: the highest rate of new sessions. `sessions` are those of the workload.
    #[must_use]
    pub fn beginning(self, sessions: SessionLaw) -> Self {
        Self { axis: Axis::Sessions, pass: None, sessions: Some(sessions), ..self }
    }

    /// The question for arrivals whose gaps have the squared coefficient of variation `cv2`: 0 even, 1 Poisson, CV²
    /// gamma.
    #[must_use]
    pub fn arriving(self, cv2: f64) -> Self {
        Self { arrival_cv2: cv2.max(0.0), ..self }
    }

    /// The question between two levels, in the unit of the axis. Levels below `least` are of no interest; nothing
    /// is sent above `most`.
    pub fn between(self, least: Option<f64>, most: Option<f64>) -> Result<Self, Refusal> {
        let above_zero = |level: Option<f64>| level.is_none_or(|level| level > 0.0 && level.is_finite());
        if !above_zero(least) || !above_zero(most) || least.zip(most).is_some_and(|(least, most)| least >= most) {
            return Err(Refusal::new(
                "no level lies between these bounds",
                "accepted is a lowest level above 0 and below the highest",
            ));
        }
        Ok(Self { least, most, ..self })
    }

    /// The question within a budget: when it is spent, the answer is what is known by then.
    #[must_use]
    pub fn within(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// The axis that is varied.
    #[must_use]
    pub const fn over(&self) -> Axis {
        self.axis
    }

    /// The trace whose time scale is varied; `None` on other axes.
    #[must_use]
    pub const fn pass(&self) -> Option<&Pass> {
        self.pass.as_ref()
    }

    /// The objectives, all of which must be met.
    #[must_use]
    pub fn demands(&self) -> &[Demand] {
        &self.demands
    }

    /// Half the relative width of the interval asked for.
    #[must_use]
    pub const fn precision(&self) -> f64 {
        self.precision
    }

    /// The turns of a session, in numbers; a single request is a session of one turn.
    #[must_use]
    pub fn turns(&self) -> TurnMoments {
        self.sessions.as_ref().map_or(TurnMoments::SINGLE, SessionLaw::moments)
    }

    /// Requests for each arrival: the mean number of turns of a session, or 1.
    #[must_use]
    pub fn requests_each(&self) -> f64 {
        self.turns().turns_mean
    }

    /// The requests per second of an open load at `level`.
    #[must_use]
    pub fn requests_per_s(&self, level: Level) -> f64 {
        level.value() * self.requests_each()
    }

    /// How long the load of new sessions grows, in seconds, if an answer takes `in_system_s` seconds: 0 for single
    /// requests.
    #[must_use]
    pub fn settles_s(&self, in_system_s: f64) -> f64 {
        self.sessions.as_ref().map_or(0.0, |sessions| sessions.settles_s(in_system_s))
    }

    /// The variance of arrivals and service for each request; see [`TurnMoments::variability`].
    pub(super) fn variability(&self, service_cv2: f64) -> f64 {
        self.turns().variability(self.arrival_cv2, service_cv2)
    }

    /// The lowest level of interest.
    #[must_use]
    pub const fn least(&self) -> Option<f64> {
        self.least
    }

    /// The highest level that may be sent.
    #[must_use]
    pub fn most(&self) -> Option<f64> {
        self.most.or_else(|| self.over().most())
    }

    /// The budget of the search.
    #[must_use]
    pub const fn budget(&self) -> Budget {
        self.budget
    }

    /// The longest limit of a metric that depends on the queue, in seconds; 0 without one.
    pub(super) fn longest_limit_s(&self) -> f64 {
        self.demands.iter().filter_map(Demand::limit_s).fold(0.0, f64::max)
    }
}
