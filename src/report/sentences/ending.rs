//! Owns the sentences on how a search ended and on what is in doubt, with advice.

use crate::search::Axis;
use crate::search::hunt::{Outcome, SearchFindings};
use crate::search::step::{Capacity, Doubt, MOST_PROBES};
use crate::units::{count, per_second, seconds};

/// The flags that bound what a search varies, the lower one first.
#[must_use]
pub const fn bounds_of(over: Axis) -> [&'static str; 2] {
    match over {
        Axis::Rate => ["--min-rate", "--max-rate"],
        Axis::Concurrency => ["--min-concurrency", "--max-concurrency"],
        Axis::TimeScale => ["--min-time-scale", "--max-time-scale"],
    }
}

/// Why it ended and what to do; none where it found its answer, or goes on.
pub(super) fn end_of(found: &SearchFindings) -> Option<String> {
    let (limits, over) = (found.limited_by.as_deref().unwrap_or_default(), found.figures.over);
    let (noun, [min, max]) = (over.noun(), bounds_of(over));
    Some(match (found.finished?, found.capacity) {
        (Outcome::Infeasible, _) if found.probes.is_empty() => format!(
            "{} already when nothing else is asked of the service: no {noun} can meet that; loosen the objective, \
             or mend the service (what it answered stands in points/01)",
            unloaded(found)
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
                "no probe fits into the {left} that are left of the budget: the first two steps took {}{takes}; \
                 give a larger --budget",
                seconds(found.overhead.seconds)
            )
        }
        (Outcome::BudgetSpent, _) if found.probes.len() >= MOST_PROBES => format!(
            "{MOST_PROBES} probes, the most of one search, did not narrow it to ±{:.0} %: search between closer \
             bounds ({min}, {max}), or ask for a wider --precision",
            100.0 * found.precision
        ),
        (Outcome::BudgetSpent, _) => {
            "the budget is spent, and this is what it bought; --resume with a larger --budget goes on".to_owned()
        }
        (Outcome::TargetLost, _) => "the service stopped answering; look at it, then go on with --resume".to_owned(),
        (Outcome::GeneratorUnfit, _) => {
            "this machine could not send what was planned, several loads in a row (see the warnings); use more \
             --workers or a faster machine, then go on with --resume"
                .to_owned()
        }
        (Outcome::Found, _) => return None,
    })
}

/// What does not fit, with advice; none before a probe, where nothing can fit or not.
pub(super) fn doubt_of(found: &SearchFindings, doubt: Doubt) -> Option<String> {
    let over = found.figures.over;
    let has_misses = found.probes.iter().any(|probe| probe.counts.iter().any(|count| count.misses > 0));
    match doubt {
        _ if found.probes.is_empty() => None,
        Doubt::Episodes if !has_misses => Some(format!(
            "INCONCLUSIVE: no request has missed at any {}, and too few were asked to say how many would; search \
             again with a larger --budget",
            over.noun()
        )),
        _ => Some(doubt_text(doubt, over)),
    }
}

/// How often the unloaded service misses what it misses.
pub(super) fn unloaded(found: &SearchFindings) -> String {
    let place = found.objectives.iter().position(|text| Some(text) == found.limited_by.as_ref());
    let counted = place.and_then(|place| found.floor.as_ref()?.get(place));
    let limits = found.limited_by.as_deref().unwrap_or_default();
    counted.zip(place).map_or_else(String::new, |(floor, place)| match found.mean_s(place, floor) {
        Some(mean_s) => {
            format!("{} requests take {} in the mean where {limits} is asked", count(floor.decided), seconds(mean_s))
        }
        None => format!("{} of {} requests miss {limits}", count(floor.misses), count(floor.decided)),
    })
}

/// What `doubt` means for a search over `over`, with advice.
fn doubt_text(doubt: Doubt, over: Axis) -> String {
    let (noun, [least, most]) = (over.noun(), bounds_of(over));
    match doubt {
        Doubt::Curve => format!(
            "INCONCLUSIVE: misses do not rise with the {noun} as the curve behind this answer does; look at the \
             probes, and search again between closer bounds ({least}, {most})"
        ),
        Doubt::Drift => format!(
            "INCONCLUSIVE: one {noun} showed unlike shares of misses: the service changed while it was asked; look \
             for what warms up, scales or throttles there, and search again"
        ),
        Doubt::Floor => format!(
            "INCONCLUSIVE: without load the service already uses nearly all that the objective allows, so that the \
             answer hangs on what no {noun} moves; mend the slow requests, or allow more"
        ),
        Doubt::Episodes => format!(
            "INCONCLUSIVE: misses come in groups, and too few groups were seen near this {noun} to say how often \
             they come; search again with a larger --budget, or for a lower percentile"
        ),
        Doubt::Certificate => {
            "INCONCLUSIVE: the certificate failed, so that the interval is in doubt: the service may have changed \
             since, or the interval is one of those few that miss; search again"
                .to_owned()
        }
    }
}
