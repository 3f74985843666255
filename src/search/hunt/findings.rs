//! Owns what a search has found, in numbers and in words: the `search` object of `result.json`, from which `--resume` goes on.

use serde::{Deserialize, Serialize};

use crate::search::hunt::{Aim, Certificate, Conclusion, Journal, Kept, Purpose};
use crate::search::step::{Answer, Bracket, Capacity, Certified, Count, Doubt, End, Finding, Picture, Probe, Question, Spent, price};
use crate::units::{count, per_second, seconds};

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The interval is as narrow as was asked.
    Found,
    /// The highest rate that may be sent meets the objectives.
    MaxRateReached,
    /// The budget is spent: the interval is what it bought.
    BudgetSpent,
    /// The unloaded service misses an objective, or the lowest rate of interest does.
    Infeasible,
    /// The service stopped answering.
    TargetLost,
    /// The generator could not do what was planned, several loads in a row.
    GeneratorUnfit,
}

/// The `search` object of `result.json`. Rates are requests per second.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SearchFindings {
    /// How it ended; `null` while it has not, or when the user ended it.
    pub finished: Option<Outcome>,
    /// The headline: the lower bound. `null` where no rate meets the objectives, and before the first probe.
    pub safe_rate_per_s: Option<f64>,
    /// The best estimate.
    pub best_rate_per_s: Option<f64>,
    /// The interval; without an upper end where the highest rate that may be sent meets the objectives.
    pub interval_per_s: Option<[Option<f64>; 2]>,
    /// How probable it is that the rate lies inside.
    pub confidence: f64,
    /// The objective that limits the rate; `max_rate` where none does.
    pub limited_by: Option<String>,
    /// What does not fit: with doubts the answer is inconclusive.
    pub doubts: Vec<Doubt>,
    /// The arrivals that it holds for: other arrivals, another answer.
    pub process: String,
    /// What was asked for: half the relative width of the interval.
    pub precision: f64,
    /// The objectives that were searched for, in the order of the counts below.
    pub objectives: Vec<String>,
    /// The probes that are evidence, in order of time.
    pub probes: Vec<Probe>,
    /// Every request sent, but for those of the certificate.
    pub requests: u64,
    /// Independent requests that the probes near the answer are worth, for the objective that limits.
    pub effective_requests: Option<f64>,
    /// Seconds of the service's time.
    pub spent_s: f64,
    /// The fresh run at the lower bound, where one was asked for and played.
    pub certificate: Option<Certificate>,
    /// All that in words, with advice.
    pub sentences: Vec<String>,
    /// The unloaded service.
    pub floor: Option<Vec<Count>>,
    /// Mean time in the system of the unloaded service.
    pub unloaded_s: Option<f64>,
    /// The saturated service.
    pub capacity: Option<Capacity>,
    /// What the first steps took, and what was thrown away.
    pub overhead: Spent,
    /// Loads begun.
    pub begun: usize,
    /// Loads in a row that the generator spoilt.
    pub spoilt: u32,
    /// One for each of `trials`, in the same order.
    pub loads: Vec<Load>,
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
    pub fn of(aim: &Aim, journal: &Journal, process: String, loads: Vec<Load>, conclusion: Option<&Conclusion>) -> Self {
        let (history, spent) = (&journal.history, journal.history.spent());
        let question = journal.question(aim);
        let mut findings = Self {
            confidence: Question::CONFIDENCE,
            process,
            precision: question.precision(),
            objectives: aim.asked().iter().map(|asked| asked.text.clone()).collect(),
            probes: history.probes.clone(),
            requests: spent.requests,
            spent_s: spent.seconds,
            floor: history.floor.clone(),
            unloaded_s: journal.unloaded_s,
            capacity: history.capacity,
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
            findings.bracketed(picture.bracket(), question.most_per_s());
            findings.limited_by = Some(aim.text(picture.limited_by()).to_owned());
        }
        findings.sentences = findings.words();
        findings
    }

    /// What the search goes on from.
    #[must_use]
    pub fn journal(&self) -> Journal {
        Journal {
            history: crate::search::step::History {
                floor: self.floor.clone(),
                capacity: self.capacity,
                probes: self.probes.clone(),
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
            Finding::MostReached => Outcome::MaxRateReached,
            Finding::Infeasible => Outcome::Infeasible,
        });
        self.limited_by = Some(aim.text(answer.limited_by).to_owned());
        self.doubts.clone_from(&answer.doubts);
        if self.certificate.as_ref().is_some_and(|certificate| certificate.result == Certified::Fail) {
            self.doubts.push(Doubt::Certificate);
        }
        self.effective_requests = Some(answer.effective_requests);
        if let Some(bracket) = answer.bracket.filter(|_| !self.probes.is_empty()) {
            self.bracketed(bracket, question.most_per_s());
        }
        if answer.finding == Finding::MostReached {
            self.limited_by = Some("max_rate".to_owned());
        }
    }

    /// Nothing beyond the most is tried: no more than that is claimed.
    fn bracketed(&mut self, Bracket { low, best, high }: Bracket, most: Option<f64>) {
        let most = most.unwrap_or(f64::INFINITY);
        self.safe_rate_per_s = Some(low.min(most));
        self.best_rate_per_s = Some(best.min(most));
        self.interval_per_s = Some([Some(low.min(most)), Some(high).filter(|high| *high <= most)]);
    }

    fn words(&self) -> Vec<String> {
        let mut sentences = vec![self.headline()];
        let limits = self.limited_by.as_deref().unwrap_or_default();
        match (self.finished, self.capacity) {
            (Some(Outcome::Infeasible), _) if self.probes.is_empty() => sentences.push(format!(
                "{} already when nothing else is asked of the service: no rate can meet that; loosen the objective, or mend the \
                 service (what it answered stands in points/01)",
                self.unloaded()
            )),
            (Some(Outcome::Infeasible), _) => sentences.push(format!(
                "the lowest rate of interest (--min-rate, else 4 % of what it completes) does not meet {limits}: look for what it misses \
                 without load"
            )),
            (Some(Outcome::MaxRateReached), Some(Capacity::Above(per_s))) => sentences.push(format!(
                "the service keeps up with {}, and nothing faster was offered: how much more it carries, a higher --max-rate tells",
                per_second(per_s)
            )),
            (Some(Outcome::MaxRateReached), _) => {
                sentences.push("no objective limits it up to there: a higher --max-rate tells how much more it carries".to_owned());
            }
            (Some(Outcome::BudgetSpent), _) => {
                sentences.push("the budget is spent, and this is what it bought; --resume with a larger --budget goes on".to_owned());
            }
            (Some(Outcome::TargetLost), _) => {
                sentences.push("the service stopped answering; look at it, then go on with --resume".to_owned());
            }
            (Some(Outcome::GeneratorUnfit), _) => sentences.push(
                "this machine could not send what was planned, several loads in a row (see the warnings); use more --workers or a faster \
                 machine, then go on with --resume"
                    .to_owned(),
            ),
            (Some(Outcome::Found) | None, _) => {}
        }
        match self.capacity {
            Some(Capacity::Reached(per_s)) => sentences.push(format!(
                "it completes {} when given more{}",
                per_second(per_s),
                self.best_rate_per_s
                    .map_or_else(String::new, |best| format!(": the best estimate is {:.0} % of that", 100.0 * best / per_s))
            )),
            Some(Capacity::Above(per_s)) => sentences.push(format!("it was not saturated by {}", per_second(per_s))),
            None => {}
        }
        sentences.extend(self.certificate.as_ref().map(|certificate| self.certificate_text(certificate)));
        if self.best_rate_per_s.is_some() {
            sentences.push(format!("other arrivals than {} ones, another answer: the burstier they are, the lower the rate", self.process));
        }
        sentences.extend(self.doubts.iter().map(|doubt| doubt.sentence().to_owned()));
        let thrown = |kept: Kept| self.loads.iter().filter(|load| load.kept == kept).count();
        for (kept, why) in [
            (Kept::Spoilt, "the generator did not do what was planned (see the warnings)"),
            (Kept::Lost, "the service stopped answering"),
            (Kept::CutShort, "they were cut short"),
        ] {
            let number = thrown(kept);
            if number > 0 {
                sentences.push(format!("thrown away: {number} of {} loads, as {why}", self.loads.len()));
            }
        }
        sentences
    }

    /// The answer in one sentence: never a bare number, no digit finer than the interval.
    #[must_use]
    pub fn headline(&self) -> String {
        let took = format!(
            "{} arrivals; {} requests{}; {} probe{}, {}",
            self.process,
            count(self.requests),
            self.effective_requests
                .filter(|_| !self.probes.is_empty())
                .map_or_else(String::new, |effective| { format!(", effective {}", count(libm::round(effective).max(0.0) as u64)) }),
            self.probes.len(),
            if self.probes.len() == 1 { "" } else { "s" },
            seconds(self.spent_s)
        );
        let by = self.limited_by.as_deref().filter(|by| *by != "max_rate").map_or_else(String::new, |by| format!("; limited by {by}"));
        let confidence = format!("with {:.0} % confidence", 100.0 * self.confidence);
        let (doubted, certified) = match self.certificate.as_ref().map(|certificate| certificate.result) {
            Some(Certified::Fail) => ("DOUBTED, the certificate failed: ", ""),
            Some(Certified::Pass) => ("", ", certified by a fresh run"),
            Some(Certified::Undecided) => ("", ", not certified: the fresh run decided nothing"),
            None => ("", ""),
        };
        match (self.finished, self.safe_rate_per_s.zip(self.best_rate_per_s), self.interval_per_s.and_then(|[_, high]| high)) {
            (Some(Outcome::Infeasible), _, _) if self.probes.is_empty() => {
                format!("INFEASIBLE: the unloaded service misses {}; {took}", self.limited_by.as_deref().unwrap_or_default())
            }
            (_, Some((low, best)), Some(high)) => {
                let [low, best, high] = rounded(low, best, high);
                let verb = if self.finished == Some(Outcome::Infeasible) { "INFEASIBLE: carries no more than" } else { "carries at least" };
                let bound = if self.finished == Some(Outcome::Infeasible) { &high } else { &low };
                format!("{doubted}{verb} {bound}/s {confidence}{certified}; best estimate {best}, interval {low}–{high}{by}; {took}")
            }
            (_, Some((low, _)), None) => {
                let low = per_second(no_more_than(low));
                format!("{doubted}carries at least {low} {confidence}{certified}, and possibly far more: --max-rate ends it; {took}")
            }
            _ => format!("no answer yet; {took}"),
        }
    }

    fn certificate_text(&self, Certificate { result, run }: &Certificate) -> String {
        let each = run.counts.iter().zip(&self.objectives).map(|(counted, text)| format!("{:.2} % miss {text}", 100.0 * counted.share()));
        let comes_to = match result {
            Certified::Pass => "it passes by itself".to_owned(),
            Certified::Fail => "that is too many for certain".to_owned(),
            Certified::Undecided if run.end == End::Overloaded => "an overload ended it before it was decided".to_owned(),
            Certified::Undecided => format!("neither met nor missed for certain; a longer `tonnage run --rate {}` tells", run.rate_per_s),
        };
        let (requests, rate) = (count(run.spent.requests), per_second(run.rate_per_s));
        format!("certificate: of {requests} fresh requests at {rate}, {}: {comes_to}", each.collect::<Vec<_>>().join(", "))
    }

    /// How often the unloaded service misses what it misses.
    fn unloaded(&self) -> String {
        let place = self.objectives.iter().position(|text| Some(text) == self.limited_by.as_ref());
        let counted = place.and_then(|place| self.floor.as_ref()?.get(place));
        counted.map_or_else(String::new, |floor| {
            format!("{} of {} requests miss {}", count(floor.misses), count(floor.decided), self.limited_by.as_deref().unwrap_or_default())
        })
    }

    /// About how many requests are left, by the price of the answer; none before the first probe.
    #[must_use]
    pub fn left(&self, question: &Question) -> Option<u64> {
        let (best, capacity) = (self.best_rate_per_s?, self.capacity?);
        let per_s = match capacity {
            Capacity::Reached(per_s) => per_s,
            // As the step assumes.
            Capacity::Above(per_s) => 1.5 * per_s,
        };
        let spent = self.requests;
        // At the wall a quarter of the precision is enough.
        let share = (best / per_s).min(1.0 - question.precision() / 4.0);
        let left = price(question, share).saturating_sub(spent);
        Some(question.budget().requests.map_or(left, |most| left.min(most.saturating_sub(spent))))
    }
}

/// Three rates with no digit finer than a fifth of what lies between the outer two: the lower rounded down, the upper up.
#[must_use]
pub fn rounded(low: f64, best: f64, high: f64) -> [String; 3] {
    let fifth = (high - low) / 5.0;
    let digits = if fifth > 0.0 { -libm::floor(libm::log10(fifth)) } else { 3.0 };
    let unit = libm::pow(10.0, -digits);
    let decimals = digits.clamp(0.0, 9.0) as usize;
    // A rounding error must not take a unit away from what is whole.
    let down = libm::floor(low / unit + 1e-9) * unit;
    let up = libm::ceil(high / unit - 1e-9) * unit;
    [down, libm::round(best / unit) * unit, up].map(|rate| format!("{rate:.decimals$}"))
}

/// The lower bound as it is printed; nothing beyond `most` is claimed.
pub(super) fn claimed(Bracket { low, best, high }: Bracket, most: Option<f64>) -> f64 {
    let most = most.unwrap_or(f64::INFINITY);
    if high > most {
        return no_more_than(low.min(most));
    }
    let [printed, ..] = rounded(low, best, high);
    // Of an interval that is wide enough nothing is left.
    printed.parse().ok().filter(|printed| *printed > 0.0).unwrap_or(low)
}

/// A rate with three digits, rounded down.
fn no_more_than(per_s: f64) -> f64 {
    let unit = libm::pow(10.0, libm::floor(libm::log10(per_s)) - 2.0);
    libm::floor(per_s / unit + 1e-9) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_claimed_is_what_is_printed_and_no_more_than_may_be_sent() {
        let bracket = |low, best, high| Bracket { low, best, high };
        for (found, most, expected) in [
            (bracket(7.84, 8.43, 9.06), None, 7.8),
            (bracket(29.41, 32.45, 35.18), Some(40.0), 29.0),
            (bracket(512.6, 530.0, 600.0), Some(550.0), 512.0),
            (bracket(512.6, 530.0, 600.0), Some(500.0), 500.0),
            (bracket(0.4, 3.0, 10.0), None, 0.4),
        ] {
            assert!((claimed(found, most) - expected).abs() < 1e-9, "{found:?}: {}", claimed(found, most));
        }
    }

    #[test]
    fn no_digit_is_finer_than_the_interval() {
        for ([low, best, high], expected) in [
            ([7.84, 8.43, 9.06], ["7.8", "8.4", "9.1"]),
            ([29.41, 32.45, 35.18], ["29", "32", "36"]),
            ([124.6, 131.2, 138.0], ["124", "131", "138"]),
            ([1_204.0, 1_310.0, 1_398.0], ["1200", "1310", "1400"]),
            ([0.0512, 0.0561, 0.0603], ["0.051", "0.056", "0.061"]),
        ] {
            assert_eq!(rounded(low, best, high), expected);
        }
    }
}
