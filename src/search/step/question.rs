//! Owns `Question`: what a search is asked, checked once.

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::search::{Axis, Pass};

/// One objective as a search sees it: a share of requests that may miss it. Everything of the grammar but a mean is
/// one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demand {
    allowed: f64,
    limit_s: Option<f64>,
}

impl Demand {
    /// At most the share `allowed` (between 0 and 1, both outside) of the requests may miss. `limit_s` is the limit
    /// in seconds where a queue drives what is limited (ttft, ttfo, e2e): an overload of δ shows only after about
    /// limit ÷ δ seconds. Leave it out for per-token limits and for failures.
    pub fn new(allowed: f64, limit_s: Option<f64>) -> Result<Self, Refusal> {
        if !(allowed > 0.0 && allowed < 1.0) {
            let accepted = "accepted is a quantile below p100 and above p0: a search needs misses to count";
            return Err(Refusal::new(
                format!("an objective that allows {allowed} of the requests to miss cannot be searched for"),
                accepted,
            ));
        }
        if limit_s.is_some_and(|limit_s| !(limit_s > 0.0 && limit_s.is_finite())) {
            return Err(Refusal::new("a limit of no time cannot be searched for", "accepted is a limit above 0"));
        }
        Ok(Self { allowed, limit_s })
    }

    /// The share of requests that may miss.
    #[must_use]
    pub const fn allowed(&self) -> f64 {
        self.allowed
    }

    /// The limit, where queueing drives it.
    #[must_use]
    pub const fn limit_s(&self) -> Option<f64> {
        self.limit_s
    }
}

/// What a probe took: everything sent, what was discarded included.
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

/// What may be spent; none is without bound.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Budget {
    /// Requests, those discarded and those of the first two steps included.
    pub requests: Option<u64>,
    /// Seconds of the service's time.
    pub seconds: Option<f64>,
}

impl Budget {
    /// What is left of it after `spent`; [`u64::MAX`] requests and infinite seconds where it has no bound.
    #[must_use]
    pub fn left(&self, spent: Spent) -> Spent {
        Spent {
            requests: self.requests.map_or(u64::MAX, |most| most.saturating_sub(spent.requests)),
            seconds: self.seconds.map_or(f64::INFINITY, |most| (most - spent.seconds).max(0.0)),
        }
    }

    /// Whether it is enough for all of this.
    #[must_use]
    pub fn holds(&self, all: Spent) -> bool {
        self.requests.is_none_or(|requests| all.requests <= requests)
            && self.seconds.is_none_or(|seconds| all.seconds <= seconds)
    }
}

/// What a search is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    axis: Axis,
    /// Of a replay: the trace whose time scale is varied.
    pass: Option<Pass>,
    demands: Vec<Demand>,
    precision: f64,
    arrival_cv2: f64,
    least: Option<f64>,
    most: Option<f64>,
    budget: Budget,
}

impl Question {
    /// The credible interval that is printed, and whose lower end is the headline.
    pub const CONFIDENCE: f64 = 0.95;

    /// The highest rate that meets all of `demands`, to within ± `precision` (0.01 to 0.5). Poisson arrivals, any
    /// rate, no budget.
    pub fn new(demands: Vec<Demand>, precision: f64) -> Result<Self, Refusal> {
        if demands.is_empty() {
            return Err(Refusal::new(
                "there is nothing to search for",
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
            demands,
            precision,
            arrival_cv2: 1.0,
            least: None,
            most: None,
            budget: Budget::default(),
        })
    }

    /// The same of closed loops: the most requests in flight, each sent when another is answered.
    #[must_use]
    pub fn in_flight(self) -> Self {
        Self { axis: Axis::Concurrency, pass: None, ..self }
    }

    /// The same of a recorded trace: how many times as fast it may come.
    #[must_use]
    pub fn replaying(self, pass: Pass) -> Self {
        Self { axis: Axis::TimeScale, pass: Some(pass), ..self }
    }

    /// The same for arrivals whose gaps have the squared coefficient of variation `cv2`: 0 even, 1 Poisson, CV² gamma.
    #[must_use]
    pub fn arriving(self, cv2: f64) -> Self {
        Self { arrival_cv2: cv2.max(0.0), ..self }
    }

    /// The same between two levels, in the unit of what is searched over: below `least` nobody is interested, above
    /// `most` nothing is sent.
    pub fn between(self, least: Option<f64>, most: Option<f64>) -> Result<Self, Refusal> {
        let above_zero = |level: Option<f64>| level.is_none_or(|level| level > 0.0 && level.is_finite());
        if !above_zero(least) || !above_zero(most) || least.zip(most).is_some_and(|(least, most)| least >= most) {
            return Err(Refusal::new("these bounds enclose nothing", "accepted is a least above 0 and below the most"));
        }
        Ok(Self { least, most, ..self })
    }

    /// The same within a budget: when it is spent, what is known by then is the answer.
    #[must_use]
    pub fn within(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// What is varied.
    #[must_use]
    pub const fn over(&self) -> Axis {
        self.axis
    }

    /// The trace whose time scale is varied; none elsewhere.
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

    pub(super) const fn arrival_cv2(&self) -> f64 {
        self.arrival_cv2
    }

    /// Below this nobody is interested.
    #[must_use]
    pub const fn least(&self) -> Option<f64> {
        self.least
    }

    /// Above this nothing is sent.
    #[must_use]
    pub fn most(&self) -> Option<f64> {
        self.most.or_else(|| self.over().most())
    }

    /// What may be spent.
    #[must_use]
    pub const fn budget(&self) -> Budget {
        self.budget
    }

    /// The longest limit that queueing drives, in seconds; 0 without one.
    pub(super) fn longest_limit_s(&self) -> f64 {
        self.demands.iter().filter_map(Demand::limit_s).fold(0.0, f64::max)
    }
}
