//! Owns the sentences on how a search ended and on what is in doubt, with advice.

use crate::search::Axis;
use crate::search::hunt::{Outcome, SearchFindings};
use crate::search::step::{Capacity, Doubt, MOST_PROBES, Question, Spent, price};
use crate::units::{count, per_second, seconds};

/// The share of its capacity at which a service is taken to be probed, where its answer is not known.
const PRICED_AT: f64 = 0.8;

impl SearchFindings {
    /// Why it ended and what to do; none where it found its answer, or goes on.
    pub(super) fn end_words(&self, question: &Question) -> Option<String> {
        let (limits, over) = (self.limited_by.as_deref().unwrap_or_default(), self.figures.over);
        let (noun, [min, max]) = (over.noun(), over.bounds());
        Some(match (self.finished?, self.capacity) {
            (Outcome::Infeasible, _) if self.probes.is_empty() => format!(
                "{} already when nothing else is asked of the service: no {noun} can meet that; loosen the objective, \
                 or mend the service (what it answered \
                 stands in points/01)",
                self.unloaded()
            ),
            (Outcome::Infeasible, _) => {
                let least = match over {
                    Axis::Rate | Axis::TimeScale => "4 % of what it completes",
                    Axis::Concurrency => "1",
                };
                format!(
                    "the lowest {noun} of interest ({min}, else {least}) does not meet {limits}: look for what it \
                    misses without load"
                )
            }
            (Outcome::MostReached(Axis::Rate), Some(Capacity::Above(per_s))) => format!(
                "the service keeps up with {}, and nothing faster was offered: how much more it carries, a higher \
                 {max} tells",
                per_second(per_s)
            ),
            (Outcome::MostReached(_), _) => {
                format!("no objective limits it up to there: a higher {max} tells how much more it carries")
            }
            (Outcome::BudgetSpent, capacity) if self.probes.is_empty() => {
                let takes = capacity.map_or_else(String::new, |capacity| {
                    let (Capacity::Reached(per_s) | Capacity::Above(per_s) | Capacity::Refuses(per_s)) = capacity;
                    let requests = price(question, PRICED_AT) as f64;
                    format!(
                        "; ±{:.0} % takes about \
                        {}",
                        100.0 * self.precision,
                        seconds(requests / (PRICED_AT * per_s))
                    )
                });
                let left = question.budget().left(Spent { requests: self.requests, seconds: self.spent_s });
                let left = if left.seconds.is_finite() {
                    seconds(left.seconds)
                } else {
                    format!(
                        "{} \
                    requests",
                        count(left.requests)
                    )
                };
                format!(
                    "no probe fits into the {left} that are left of the budget: the first two steps took {}{takes}; \
                     give a larger --budget",
                    seconds(self.overhead.seconds)
                )
            }
            (Outcome::BudgetSpent, _) if self.probes.len() >= MOST_PROBES => format!(
                "{MOST_PROBES} probes, the most of one search, did not narrow it to ±{:.0} %: search between closer \
                 bounds ({min}, {max}), or ask for a wider \
                 --precision",
                100.0 * self.precision
            ),
            (Outcome::BudgetSpent, _) => {
                "the budget is spent, and this is what it bought; --resume with a larger --budget goes on".to_owned()
            }
            (Outcome::TargetLost, _) => "the service stopped answering; look at it, then go on with \
                --resume"
                .to_owned(),
            (Outcome::GeneratorUnfit, _) => {
                "this machine could not send what was planned, several loads in a row (see the warnings); use more \
                 --workers or a \
                                             faster machine, then go on with --resume"
                    .to_owned()
            }
            (Outcome::Found, _) => return None,
        })
    }
    /// What does not fit, with advice; none before a probe, where nothing can fit or not.
    pub(super) fn doubt_words(&self, doubt: Doubt) -> Option<String> {
        let over = self.figures.over;
        let has_misses = self.probes.iter().any(|probe| probe.counts.iter().any(|count| count.misses > 0));
        match doubt {
            _ if self.probes.is_empty() => None,
            Doubt::Episodes if !has_misses => Some(format!(
                "INCONCLUSIVE: no request has missed at any {}, and too few were asked to say how many would; search \
                 again with a larger --budget",
                over.noun()
            )),
            _ => Some(doubt.sentence(over)),
        }
    }
}
