//! Owns what a search has found, in numbers: the `search` object of `result.json`, from which `--resume`
//! goes on.

use serde::{Deserialize, Serialize};

use crate::search::hunt::figures::Figures;
use crate::search::hunt::{Aim, Certificate, Conclusion, Journal, Outcome, Purpose};
use crate::search::step::{
    Answer, Capacity, Certified, Count, Demand, Direct, Doubt, End, Finding, History, Picture, Probe, Question,
    Saturation, Spent, price,
};
use crate::search::{Axis, Kept};

/// A share of misses that load does not cause is told of from this part of the allowed share on.
const WORTH_SAYING: f64 = 0.2;

/// The share of its capacity at which a service is taken to be probed, where its answer is not known.
const PRICED_AT: f64 = 0.8;

/// What limits where no objective does, but the rate that the service carries at all.
const CAPACITY: &str = "capacity";

/// The `search` object of `result.json`. Rates are requests per second.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SearchFindings {
    /// How it ended; `null` while it has not, or when the user ended it.
    pub finished: Option<Outcome>,
    /// The answer: `over`, and `safe_rate_per_s`, `best_rate_per_s` and `interval_per_s`, or `safe_concurrency`,
    /// `safe_time_scale` and so on.
    #[serde(flatten)]
    pub figures: Figures,
    /// Of closed loops, the requests completed per second in the probes near the lower bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safe_completed_per_s: Option<f64>,
    /// Of a trace, the mean rate that the lower bound means, and that over the busiest minute of the trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safe_mean_rate_per_s: Option<f64>,
    /// The latter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safe_peak_rate_per_s: Option<f64>,
    /// How probable it is that the answer lies inside.
    pub confidence: f64,
    /// The objective that limits the load; `max_rate` or the like where none does.
    pub limited_by: Option<String>,
    /// What does not fit: with doubts the answer is inconclusive.
    pub doubts: Vec<Doubt>,
    /// The arrivals that it holds for: other arrivals, another answer. `closed loop` where there are none, `recorded`
    /// where they are a trace's.
    pub process: String,
    /// What was asked for: half the relative width of the interval.
    pub precision: f64,
    /// The objectives that were searched for, in the order of the counts below.
    pub objectives: Vec<String>,
    /// For each of them that limits a mean, the seconds that one miss stands for: the share of misses times this is
    /// the mean. Absent without means.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mean_whole_s: Vec<Option<f64>>,
    /// The probes that are evidence, in order of time.
    pub probes: Vec<Probe>,
    /// Every request sent, but for those of the certificate.
    pub requests: u64,
    /// Independent requests that the probes near the answer are worth, for the objective that limits.
    pub effective_requests: Option<f64>,
    /// Independent episodes of misses near the answer, for the objective that limits: fewer than about ten are no
    /// claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub episodes: Option<f64>,
    /// The share of requests that miss it whatever the load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unloaded_share: Option<f64>,
    /// Whether the times of the calm service have a heavy tail.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_heavy_tailed: bool,
    /// What the probes say by themselves, with no curve between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct: Option<Direct>,
    /// Seconds of the service's time.
    pub spent_s: f64,
    /// The fresh run at the lower bound, where one was asked for and played.
    pub certificate: Option<Certificate>,
    /// All that in words, with advice: empty until `report` makes them.
    pub sentences: Vec<String>,
    /// Where the budget does not hold a single probe: what is left of it, and what the answer takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short_of: Option<Shortfall>,
    /// The unloaded service.
    pub floor: Option<Vec<Count>>,
    /// Mean time in the system of the unloaded service.
    pub unloaded_s: Option<f64>,
    /// Squared coefficient of variation of that time.
    pub unloaded_cv2: Option<f64>,
    /// The saturated service.
    pub capacity: Option<Capacity>,
    /// How that was measured, and what it came to again at the end.
    pub saturation: Option<Saturation>,
    /// What the first steps took, and what was thrown away.
    pub overhead: Spent,
    /// Loads begun.
    pub begun: usize,
    /// Loads in a row that the generator spoilt.
    pub spoilt: u32,
    /// One for each of `trials`, in the same order.
    pub loads: Vec<Load>,
}

/// A budget that does not hold a single probe.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Shortfall {
    /// Requests that are left of it; absent where the budget bounds time.
    pub left_requests: Option<u64>,
    /// Seconds that are left of it; absent where the budget bounds requests alone.
    pub left_s: Option<f64>,
    /// Seconds that an answer of the precision that was asked takes, about; absent where the speed of the service is
    /// not known.
    pub needed_s: Option<f64>,
}

/// One load of a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Its number, from 1: its records are in `points/01` and so on.
    pub point: usize,
    /// What it was for.
    pub purpose: Purpose,
    /// What became of it.
    pub kept: Kept,
    /// Hash of its plan.
    pub plan_fingerprint: String,
}

impl SearchFindings {
    /// What `journal` comes to, after these loads; the search ended so, if it has.
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
                Axis::Rate => process,
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
                // How far it goes is not known before something fails.
                Some(Capacity::Above(level)) if question.over() != Axis::Rate => Some(level),
                _ => question.most(),
            };
            findings.figures = Figures::of(question.over(), picture.bracket(), tried);
            findings.limited_by = Some(aim.text(picture.limited_by()).to_owned());
        }
        findings.safe_completed_per_s = findings.completed_per_s();
        if let Some((pass, safe)) = question.pass().zip(findings.figures.safe) {
            findings.safe_mean_rate_per_s = Some(pass.mean_per_s(safe));
            findings.safe_peak_rate_per_s = Some(pass.peak_per_s(safe));
        }
        findings
    }

    /// What the search goes on from.
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
            // A resumption is another try.
            spoilt: 0,
            certificate: self.certificate.clone(),
        }
    }

    fn answered(&mut self, aim: &Aim, question: &Question, answer: &Answer) {
        self.finished = Some(match answer.finding {
            Finding::Found => Outcome::Found,
            Finding::BudgetSpent => Outcome::BudgetSpent,
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
        // The unloaded service has a mean, too, and no share of misses.
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

    /// What is left of the budget, and what an answer takes.
    fn shortfall(&self, question: &Question) -> Shortfall {
        let left = question.budget().left(Spent { requests: self.requests, seconds: self.spent_s });
        let left_s = Some(left.seconds).filter(|left_s| left_s.is_finite());
        let needed_s = self.capacity.map(|capacity| {
            let (Capacity::Reached(per_s) | Capacity::Above(per_s) | Capacity::Refuses(per_s)) = capacity;
            price(question, PRICED_AT) as f64 / (PRICED_AT * per_s)
        });
        Shortfall { left_requests: left_s.is_none().then_some(left.requests), left_s, needed_s }
    }

    /// What closed loops near the lower bound completed per second, probes weighted by their requests.
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

    /// What `counted` of objective number `place` comes to, where that limits a mean, in seconds.
    #[must_use]
    pub fn mean_s(&self, place: usize, counted: &Count) -> Option<f64> {
        self.mean_whole_s.get(place).copied().flatten().map(|whole_s| whole_s * counted.share())
    }

    /// About how many requests are left, by the price of the answer; none before the first probe.
    #[must_use]
    pub fn left(&self, question: &Question) -> Option<u64> {
        let (best, spent) = (self.figures.best?, self.requests);
        let left = match (self.figures.over, self.capacity) {
            (Axis::Rate, Some(capacity)) => {
                let per_s = match capacity {
                    Capacity::Reached(per_s) => per_s,
                    // As the step assumes.
                    Capacity::Above(per_s) => 1.5 * per_s,
                    Capacity::Refuses(_) => 1.3 * best,
                };
                // At the wall a quarter of the precision is enough.
                let share = (best / per_s).min(1.0 - question.precision() / 4.0);
                price(question, share).saturating_sub(spent)
            }
            (Axis::Concurrency | Axis::TimeScale, _) => {
                // The width falls with the root of what is spent.
                let [low, high] = self.figures.interval?;
                let wide = (high? / low?.max(1e-3) - 1.0) / (2.0 * question.precision());
                (spent as f64 * (wide * wide - 1.0).clamp(0.0, 99.0)) as u64
            }
            (Axis::Rate, None) => return None,
        };
        Some(question.budget().requests.map_or(left, |most| left.min(most.saturating_sub(spent))))
    }
}
