//! Owns the sentences about how a search ended and what is in doubt, with advice.

use crate::search::Axis;
use crate::search::maximum::{Outcome, SearchFindings};
use crate::search::step::{Capacity, Doubt, MOST_PROBES};
use crate::units::{count, seconds};

/// The two flags that bound the level of a search, the lower bound first.
#[must_use]
pub(crate) const fn bounds_of(over: Axis) -> [&'static str; 2] {
    match over {
        Axis::Rate | Axis::Sessions => ["--min-rate", "--max-rate"],
        Axis::Concurrency => ["--min-concurrency", "--max-concurrency"],
        Axis::TimeScale => ["--min-time-scale", "--max-time-scale"],
    }
}

/// Why the search ended and what to do; `None` if it found its answer or has not finished.
pub(super) fn end_of(found: &SearchFindings) -> Option<String> {
    let (limits, over) = (found.limited_by.as_deref().unwrap_or_default(), found.figures.over);
    let (noun, [min, max]) = (over.noun(), bounds_of(over));
    Some(match (found.finished?, found.capacity) {
        (Outcome::Infeasible, _) if found.probes.is_empty() => format!(
            "{} even without other load: no {noun} can meet that; loosen the objective, or fix the service (its \
             answers are in points/01)",
            unloaded(found)
        ),
        (Outcome::Infeasible, _) => {
            let least = match over {
                Axis::Rate | Axis::Sessions | Axis::TimeScale => "4 % of the rate that it completes",
                Axis::Concurrency => "1",
            };
            format!(
                "the lowest {noun} searched ({min}, by default {least}) does not meet {limits}: look at what the \
                 service misses without load"
            )
        }
        (Outcome::MostReached(Axis::Rate | Axis::Sessions), Some(Capacity::Above(per_s))) => format!(
            "the service keeps up with {}, and no higher rate was offered: a higher {max} shows how much more it \
             carries",
            found.figures.over.per_s(per_s)
        ),
        (Outcome::MostReached(_), _) => {
            format!("no objective limits it up to that {noun}: a higher {max} shows how much more it carries")
        }
        (Outcome::BudgetSpent, _) if found.probes.is_empty() => {
            let short = found.short_of.unwrap_or_default();
            let takes = short.needed_s.map_or_else(String::new, |needed_s| {
                format!("; ±{:.0} % takes about {}", 100.0 * found.precision, seconds(needed_s))
            });
            let left = match (short.left_s, short.left_requests) {
                (Some(left_s), _) => seconds(left_s),
                (None, left) => format!("{} requests", count(left.unwrap_or(0))),
            };
            format!(
                "no probe fits into the remaining budget, {left}: the first two steps took {}{takes}; give a larger \
                 --budget",
                seconds(found.overhead.seconds)
            )
        }
        (Outcome::Unsettled, _) if found.doubts.contains(&Doubt::Collapse) => {
            "more probes would not narrow the interval, because the service collapsed several times".to_owned()
        }
        (Outcome::Unsettled, _) => unsettled(found),
        // Earlier versions called this a spent budget.
        (Outcome::BudgetSpent, _) if found.probes.len() >= MOST_PROBES => unsettled(found),
        (Outcome::BudgetSpent, _) => {
            "the budget is spent, and this is the answer so far; continue with --resume and a larger --budget"
                .to_owned()
        }
        (Outcome::TargetLost, _) => "the service stopped answering; look at it, then continue with --resume".to_owned(),
        (Outcome::GeneratorUnfit, _) => {
            "this machine could not send the planned requests of several loads in a row (see the warnings); use more \
             --workers or a faster machine, then continue with --resume"
                .to_owned()
        }
        (Outcome::Found, _) => return None,
    })
}

/// What to do after a search with as many probes or requests as a search may take.
fn unsettled(found: &SearchFindings) -> String {
    let [min, max] = bounds_of(found.figures.over);
    format!(
        "{} probes with {} requests, the most that one search takes, did not narrow the interval to ±{:.0} %: search \
         between closer bounds ({min}, {max}), or ask for a wider --precision",
        found.probes.len(),
        count(found.requests),
        100.0 * found.precision
    )
}

/// What is in doubt, with advice; `None` before the first probe, when nothing can be in doubt.
pub(super) fn doubt_of(found: &SearchFindings, doubt: Doubt) -> Option<String> {
    let over = found.figures.over;
    let has_misses = found.probes.iter().any(|probe| probe.counts.iter().any(|count| count.misses > 0));
    match doubt {
        _ if found.probes.is_empty() => None,
        Doubt::Episodes if !has_misses => Some(format!(
            "INCONCLUSIVE: no request missed at any {}, and too few were sent to estimate how many would miss; search \
             again with a larger --budget",
            over.noun()
        )),
        _ => Some(doubt_text(doubt, over)),
    }
}

/// How often the unloaded service misses the limiting objective, or its mean if the objective is on a mean.
pub(super) fn unloaded(found: &SearchFindings) -> String {
    let place = found.objectives.iter().position(|text| Some(text) == found.limited_by.as_ref());
    let counted = place.and_then(|place| found.floor.as_ref()?.get(place));
    let limits = found.limited_by.as_deref().unwrap_or_default();
    counted.zip(place).map_or_else(String::new, |(floor, place)| match found.mean_s(place, floor) {
        Some(mean_s) => {
            format!("{} requests take {} on average, and {limits} is asked", count(floor.decided), seconds(mean_s))
        }
        None => format!("{} of {} requests miss {limits}", count(floor.misses), count(floor.decided)),
    })
}

/// What `doubt` means for a search over `over`, with advice.
fn doubt_text(doubt: Doubt, over: Axis) -> String {
    let (noun, [least, most]) = (over.noun(), bounds_of(over));
    match doubt {
        Doubt::Curve => format!(
            "INCONCLUSIVE: misses do not rise with the {noun} as the fitted curve does; look at the probes, and search \
             again between closer bounds ({least}, {most})"
        ),
        Doubt::Drift => format!(
            "INCONCLUSIVE: loads at one {noun} had different shares of misses: the service changed during the search; \
             look for warm-up, scaling or throttling, and search again"
        ),
        Doubt::Floor => format!(
            "INCONCLUSIVE: at a moderate {noun} nearly as many requests may miss as the objective allows, so the \
             answer depends on requests that are slow at every {noun}; fix the slow requests, or allow more misses"
        ),
        Doubt::Collapse => format!(
            "INCONCLUSIVE: the service fell behind at a {noun} below one with which it had kept up: it collapses when \
             it holds many requests (look for preemptions and retries), or it changed; the safe {noun} is below every \
             {noun} at which it fell behind"
        ),
        Doubt::Episodes => format!(
            "INCONCLUSIVE: misses come in groups, and too few groups were seen near this {noun} to estimate how often \
             they come; search again with a larger --budget, or for a lower percentile"
        ),
        Doubt::Certificate => {
            "INCONCLUSIVE: the certificate failed, so the interval is in doubt: the service may have changed since, or \
             this is one of the few intervals that miss the true value; search again"
                .to_owned()
        }
    }
}
