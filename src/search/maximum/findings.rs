//! Owns the results of a search in numbers: the `search` object of `result.json`, from which `--resume` continues.

use serde::{Deserialize, Serialize};

use crate::search::maximum::course::SearchCourse;
use crate::search::maximum::figures::Figures;
use crate::search::maximum::{Aim, Certificate, Conclusion, Journal, Outcome, Purpose};
use crate::search::step::{
    Answer, Capacity, Certified, Count, Demand, Direct, Doubt, End, Finding, History, Picture, Probe, Question,
    Saturation, Spent, price,
};
use crate::search::{Axis, Kept};

/// A share of misses that load does not cause is reported if it is at least this part of the allowed share.
const WORTH_SAYING: f64 = 0.2;

/// Assumed answer, as a share of the capacity, for the price of a search whose answer is not known.
const PRICED_AT: f64 = 0.8;

/// The value of `limited_by` if no objective limits the rate, but the highest rate that the service keeps up with.
const CAPACITY: &str = "capacity";

/// The `search` object of `result.json`. Rates are requests per second; if `over` is `sessions`, levels and the
/// capacity are sessions per second.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SearchFindings {
    /// How the search ended; `null` while it is running, or if the user ended it.
    pub finished: Option<Outcome>,
    /// The answer: `over`, and `safe_rate_per_s`, `best_rate_per_s` and `interval_per_s`, or `safe_sessions_per_s`,
    /// `safe_concurrency`, `safe_time_scale` and so on.
    #[serde(flatten)]
    pub figures: Figures,
    /// For sessions: the mean number of turns of a session, so requests for each session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns_mean: Option<f64>,
    /// For closed loops: the requests completed per second in the probes near the lower bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safe_completed_per_s: Option<f64>,
    /// For a trace: the mean rate at the lower bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safe_mean_rate_per_s: Option<f64>,
    /// For a trace: the rate at the lower bound over the busiest minute of the trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safe_peak_rate_per_s: Option<f64>,
    /// The probability that the answer lies inside the interval.
    pub confidence: f64,
    /// The objective that limits the load; `max_rate` or a similar name if none does.
    pub limited_by: Option<String>,
    /// What does not fit. An answer with doubts is inconclusive.
    pub doubts: Vec<Doubt>,
    /// The arrival process for which the answer holds; another process has another answer. `closed loop` for a
    /// closed loop, `recorded` for a trace.
    pub process: String,
    /// The precision that was asked for: half the relative width of the interval.
    pub precision: f64,
    /// The objectives of the search, in the order of the counts below.
    pub objectives: Vec<String>,
    /// For each objective that limits a mean, the seconds that one miss stands for: the share of misses times this
    /// value is the mean. Absent without means.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mean_whole_s: Vec<Option<f64>>,
    /// The probes that are evidence, in order of time.
    pub probes: Vec<Probe>,
    /// All requests sent, except the requests of the certificate.
    pub requests: u64,
    /// Effective sample size of the probes near the answer, for the objective that limits: the number of
    /// independent requests that carry the same information.
    pub effective_requests: Option<f64>,
    /// Independent episodes of misses near the answer, for the objective that limits. Fewer than about ten do not
    /// support a claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub episodes: Option<f64>,
    /// The share of requests that miss the limiting objective whatever the load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unloaded_share: Option<f64>,
    /// Whether the service times have a heavy tail, seen in requests that found the service calm.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_heavy_tailed: bool,
    /// The interval that the probes show without a fitted curve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct: Option<Direct>,
    /// How the search came to its answer; absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub course: Option<SearchCourse>,
    /// Seconds of the service's time that the search took.
    pub spent_s: f64,
    /// The fresh run at the lower bound, if one was asked for and run.
    pub certificate: Option<Certificate>,
    /// The findings in words, with advice: empty until `report` writes them.
    pub sentences: Vec<String>,
    /// If the budget has no room for a single probe: what is left of it, and what the answer costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short_of: Option<Shortfall>,
    /// The counts of the unloaded service.
    pub floor: Option<Vec<Count>>,
    /// Mean time in the system of the unloaded service, in seconds.
    pub unloaded_s: Option<f64>,
    /// Squared coefficient of variation of the time in the system of the unloaded service.
    pub unloaded_cv2: Option<f64>,
    /// The capacity by the saturated service.
    pub capacity: Option<Capacity>,
    /// How the capacity was measured, and the result of the repeated measurement at the end.
    pub saturation: Option<Saturation>,
    /// Requests and time of the first steps and of the loads that were thrown away.
    pub overhead: Spent,
    /// Number of loads begun.
    pub begun: usize,
    /// Number of loads in a row that the generator spoilt.
    pub spoilt: u32,
    /// The purpose and outcome of each load, in the order of `trials`.
    pub loads: Vec<Load>,
}

/// A budget that has no room for a single probe.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Shortfall {
    /// Requests left of the budget; absent if the budget limits time.
    pub left_requests: Option<u64>,
    /// Seconds left of the budget; absent if the budget limits requests alone.
    pub left_s: Option<f64>,
    /// Approximate seconds that an answer of the requested precision takes; absent if the speed of the service is
    /// not known.
    pub needed_s: Option<f64>,
}

/// One load of a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// The number of the load, from 1: its records are in `points/01` and so on.
    pub point: usize,
    /// The purpose of the load.
    pub purpose: Purpose,
    /// Whether the load was kept.
    pub kept: Kept,
    /// Hash of its plan.
    pub plan_fingerprint: String,
}

impl SearchFindings {
    /// The findings of `journal` after these loads, with the conclusion of the search if it has ended.
    #[must_use]
    pub fn of(
        aim: &Aim,
        journal: &Journal,
        process: String,
        loads: Vec<Load>,
        conclusion: Option<&Conclusion>,
    ) -> Self {
        let (history, spent) = (&journal.history, journal.history.spent());
        let question = journal.question(aim);
        let mut findings = Self {
            figures: Figures { over: question.over(), ..Figures::default() },
            confidence: Question::CONFIDENCE,
            process: match question.over() {
                Axis::Rate | Axis::Sessions => process,
                Axis::Concurrency => "closed loop".to_owned(),
                Axis::TimeScale => "recorded".to_owned(),
            },
            precision: question.precision(),
            objectives: aim.asked().iter().map(|asked| asked.text.clone()).collect(),
            mean_whole_s: aim.wholes_s(),
            probes: history.probes.clone(),
            is_heavy_tailed: history.is_heavy_tailed(),
            requests: spent.requests,
            spent_s: spent.seconds,
            floor: history.floor.clone(),
            unloaded_s: journal.unloaded_s,
            unloaded_cv2: history.unloaded_cv2,
            capacity: history.capacity,
            saturation: history.saturation,
            overhead: history.overhead,
            begun: journal.begun,
            spoilt: journal.spoilt,
            certificate: journal.certificate.clone(),
            loads,
            ..Self::default()
        };
        match conclusion {
            Some(Conclusion::Answered(answer)) => findings.answered(aim, &question, answer),
            Some(Conclusion::Lost) => findings.finished = Some(Outcome::TargetLost),
            Some(Conclusion::Spoilt) => findings.finished = Some(Outcome::GeneratorUnfit),
            Some(Conclusion::Halted) | None => {}
        }
        if !matches!(conclusion, Some(Conclusion::Answered(_)))
            && !history.probes.is_empty()
            && let Some(picture) = Picture::of(&question, history)
        {
            let tried = match history.end(&question) {
                // Before a probe fails, the upper end is not known.
                Some(Capacity::Above(level)) if !question.over().is_open() => Some(level),
                _ => question.most(),
            };
            findings.figures = Figures::of(question.over(), picture.bracket(), tried);
            findings.limited_by = Some(aim.text(picture.limited_by()).to_owned());
        }
        findings.course = conclusion.and_then(|_| SearchCourse::of(&question, history));
        findings.safe_completed_per_s = findings.completed_per_s();
        findings.turns_mean = (question.over() == Axis::Sessions).then(|| question.requests_each());
        if let Some((pass, safe)) = question.pass().zip(findings.figures.safe) {
            findings.safe_mean_rate_per_s = Some(pass.mean_per_s(safe));
            findings.safe_peak_rate_per_s = Some(pass.peak_per_s(safe));
        }
        findings
    }

    /// The journal from which the search continues.
    #[must_use]
    pub fn journal(&self) -> Journal {
        Journal {
            history: History {
                floor: self.floor.clone(),
                capacity: self.capacity,
                probes: self.probes.clone(),
                unloaded_cv2: self.unloaded_cv2,
                saturation: self.saturation,
                overhead: self.overhead,
            },
            unloaded_s: self.unloaded_s,
            begun: self.begun,
            // A resumed search starts with a new count.
            spoilt: 0,
            certificate: self.certificate.clone(),
        }
    }

    fn answered(&mut self, aim: &Aim, question: &Question, answer: &Answer) {
        self.finished = Some(match answer.finding {
            Finding::Found => Outcome::Found,
            Finding::BudgetSpent => Outcome::BudgetSpent,
            Finding::Unsettled => Outcome::Unsettled,
            Finding::MostReached if self.is_cut_by_budget(aim, question) => Outcome::BudgetSpent,
            Finding::MostReached => Outcome::MostReached(question.over()),
            Finding::Infeasible => Outcome::Infeasible,
        });
        self.short_of =
            (answer.finding == Finding::BudgetSpent && self.probes.is_empty()).then(|| self.shortfall(question));
        self.limited_by = Some(aim.text(answer.limited_by).to_owned());
        if answer.is_limited_by_capacity {
            self.limited_by = Some(CAPACITY.to_owned());
        }
        self.doubts.clone_from(&answer.doubts);
        if self.certificate.as_ref().is_some_and(|certificate| certificate.result == Certified::Fail) {
            self.doubts.push(Doubt::Certificate);
        }
        self.effective_requests = Some(answer.effective_requests);
        self.episodes = Some(answer.episodes).filter(|episodes| episodes.is_finite());
        let allowed = question.demands().get(answer.limited_by).map_or(1.0, Demand::allowed);
        // For an objective on a mean, the unloaded service has a mean too, and this value is not a share of misses.
        let is_share = self.mean_whole_s.get(answer.limited_by).copied().flatten().is_none();
        self.unloaded_share = Some(answer.unloaded_share).filter(|share| is_share && *share >= WORTH_SAYING * allowed);
        self.direct = Some(answer.direct).filter(|direct| direct.passes.or(direct.fails).is_some());
        if let Some(bracket) = answer.bracket.filter(|_| !self.probes.is_empty()) {
            self.figures = Figures::of(question.over(), bracket, question.most());
        }
        if answer.finding == Finding::MostReached {
            self.limited_by = Some(question.over().limit().to_owned());
        }
    }

    /// Whether the highest rate that may be sent is only what a small budget allowed to offer: nobody asked for a
    /// bound, and what is left of the budget does not pay for an answer.
    fn is_cut_by_budget(&self, aim: &Aim, question: &Question) -> bool {
        let Shortfall { left_requests, left_s, needed_s } = self.shortfall(question);
        let price = price(question, PRICED_AT);
        let is_short = left_requests.is_some_and(|left| left < price)
            || left_s.zip(needed_s).is_some_and(|(left_s, needed_s)| left_s < needed_s);
        question.over().is_open() && aim.question.most().is_none() && is_short
    }

    /// What is left of the budget, and what an answer costs.
    fn shortfall(&self, question: &Question) -> Shortfall {
        let left = question.budget().left(Spent { requests: self.requests, seconds: self.spent_s });
        let left_s = Some(left.seconds).filter(|left_s| left_s.is_finite());
        let needed_s = self.capacity.map(|capacity| {
            let (Capacity::Reached(per_s) | Capacity::Above(per_s) | Capacity::Refuses(per_s)) = capacity;
            price(question, PRICED_AT) as f64 / (PRICED_AT * per_s * question.requests_each())
        });
        Shortfall { left_requests: left_s.is_none().then_some(left.requests), left_s, needed_s }
    }

    /// The completions per second of closed loops near the lower bound, averaged over probes with their requests as
    /// weights.
    fn completed_per_s(&self) -> Option<f64> {
        let safe = self.figures.safe.filter(|_| self.figures.over == Axis::Concurrency)?;
        let is_near =
            |level: f64| libm::fabs(libm::log(level / safe)) <= 2.0 * self.precision || libm::fabs(level - safe) <= 1.0;
        let near = self.probes.iter().filter(|probe| probe.end != End::Overloaded && is_near(probe.level.value()));
        let rates = near.filter_map(|probe| Some((probe.spent.requests as f64, probe.completed_per_s?)));
        let (weights, sum) =
            rates.fold((0.0, 0.0), |(weights, sum), (weight, per_s)| (weights + weight, sum + weight * per_s));
        (weights > 0.0).then(|| sum / weights)
    }

    /// The mean in seconds that the counts `counted` of objective number `place` stand for; `None` if the objective
    /// does not limit a mean.
    #[must_use]
    pub fn mean_s(&self, place: usize, counted: &Count) -> Option<f64> {
        self.mean_whole_s.get(place).copied().flatten().map(|whole_s| whole_s * counted.share())
    }

    /// The approximate number of requests left, by the price of the answer; `None` before the first probe.
    #[must_use]
    pub fn left(&self, question: &Question) -> Option<u64> {
        let (best, spent) = (self.figures.best?, self.requests);
        let left = match (self.figures.over, self.capacity) {
            (Axis::Rate | Axis::Sessions, Some(capacity)) => {
                let per_s = match capacity {
                    Capacity::Reached(per_s) => per_s,
                    // The same assumption as in the step.
                    Capacity::Above(per_s) => 1.5 * per_s,
                    Capacity::Refuses(_) => 1.3 * best,
                };
                // Near the capacity a quarter of the precision is enough.
                let share = (best / per_s).min(1.0 - question.precision() / 4.0);
                price(question, share).saturating_sub(spent)
            }
            (Axis::Concurrency | Axis::TimeScale, _) => {
                // The width of the interval is proportional to 1 ÷ √(requests spent).
                let [low, high] = self.figures.interval?;
                let wide = (high? / low?.max(1e-3) - 1.0) / (2.0 * question.precision());
                (spent as f64 * (wide * wide - 1.0).clamp(0.0, 99.0)) as u64
            }
            (Axis::Rate | Axis::Sessions, None) => return None,
        };
        Some(question.budget().requests.map_or(left, |most| left.min(most.saturating_sub(spent))))
    }
}
