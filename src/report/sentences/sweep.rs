//! Owns the sentences of a sweep: saturation, knee, the evidence for both, and the rate that meets the objectives.

use crate::figures::{ObjectiveView, TrialView};
use crate::metrics::{Known, Objective, VerdictResult};
use crate::report::sentences::growth::{failing, growth};
use crate::report::sentences::stages::stage_sentences;
use crate::search::{Bound, Finished, Knee, Level, PointFindings, Sign, Stability, SweepFindings, is_unanswered};
use crate::units::{count, plain};

/// The sentences for what `found` says about `trials`, with advice.
#[must_use]
pub fn sweep_sentences(found: &SweepFindings, trials: &[TrialView]) -> Vec<String> {
    let mut sentences = if found.points.iter().any(|point| point.rate_per_s.is_some()) {
        rates_sentences(found, trials).into_iter().chain(failing(trials)).collect()
    } else {
        stage_sentences(trials)
    };
    sentences.extend(growth(trials));
    sentences.extend(leftovers(trials));
    sentences
}

/// The sentences for the open loads of a sweep.
fn rates_sentences(found: &SweepFindings, trials: &[TrialView]) -> Vec<String> {
    let mut sentences = Vec::new();
    if let (Some(Finished::NoAnswer), Some(trial)) = (found.finished, trials.iter().find(|trial| is_unanswered(trial)))
    {
        sentences.push(format!(
            "the sweep stopped at {}: none of its requests was answered. The target is lost, or still busy with \
             earlier requests; look at it, then continue with --resume",
            trial.label
        ));
    }
    if let Some(saturation) = &found.saturation {
        let [low, high] = saturation.interval95_per_s;
        let (figure, from) = (found.over.per_s(saturation.per_s), saturation.from.join(", "));
        sentences.push(match saturation.bound {
            Bound::Measured => {
                format!(
                    "saturates at {figure} ({}–{}): the rate that it completes when more is offered (from {from})",
                    plain(low),
                    plain(high)
                )
            }
            Bound::AtLeast if found.points.iter().any(|point| point.stability == Some(Stability::Saturated)) => {
                format!(
                    "completes at least {figure} (from {from}), but one load looks saturated: measure that load again, \
                     longer"
                )
            }
            Bound::AtLeast => {
                format!(
                    "completes at least {figure} (from {from}), and no offered rate saturated the service; offer \
                     higher --rates"
                )
            }
        });
    }
    sentences.extend(found.knee.as_ref().map(|knee| knee_text(found, knee)));
    sentences.extend(found.points.iter().filter_map(evidence));
    if let Some(met) = found.met_per_s {
        sentences.push(format!(
            "the objectives were met up to {}, the highest measured rate that met them",
            found.over.per_s(met)
        ));
    } else if trials.iter().any(|trial| trial.verdict.result != VerdictResult::None) {
        sentences.push(undecided(found, trials));
    }
    if found.finished == Some(Finished::Saturated) {
        sentences.push("the higher rates were not offered".to_owned());
    }
    sentences
}

/// The sentence that places the knee, with advice.
fn knee_text(found: &SweepFindings, knee: &Knee) -> String {
    let points = &found.points;
    let list = knee.undecided_per_s.iter().map(|per_s| found.over.per_s(*per_s)).collect::<Vec<_>>().join(", ");
    let longer = knee.tells_in_s.map_or_else(String::new, |window_s| format!("; --duration {window_s}s would tell"));
    let open =
        if list.is_empty() { String::new() } else { format!("; its window is too short to tell at {list}{longer}") };
    let raised = points.iter().any(|point| point.stability == Some(Stability::Saturated));
    match (knee.low_per_s, knee.high_per_s) {
        (Some(low), Some(high)) if list.is_empty() => {
            let above = if raised { "the service does not carry" } else { "the service never completed" };
            format!(
                "knee at {}: the highest stable rate; {above} {} or more",
                found.over.per_s(low),
                found.over.per_s(high)
            )
        }
        (Some(low), Some(high)) => {
            format!("knee at least {} (stable), and below {}{open}", found.over.per_s(low), found.over.per_s(high))
        }
        (Some(low), None) => {
            format!("knee at least {}: stable, and no higher rate saturates the service{open}", found.over.per_s(low))
        }
        (None, _) if knee.undecided_per_s.is_empty() => {
            let lowest = points.iter().filter_map(|point| point.rate_per_s).fold(f64::INFINITY, f64::min);
            format!(
                "no knee: the lowest rate, {}, already shows signs of saturation; try lower --rates",
                found.over.per_s(lowest)
            )
        }
        (None, Some(high)) => format!("knee not known, but below {}{open}", found.over.per_s(high)),
        (None, None) => format!("knee not known{open}"),
    }
}

/// The raised signs of a strained or saturated point, with advice; `None` for any other point.
fn evidence(point: &PointFindings) -> Option<String> {
    let stability =
        point.stability.filter(|stability| matches!(stability, Stability::Strained | Stability::Saturated))?;
    let raised = point.signs.iter().filter(|reading| reading.raised);
    let seen: Vec<String> = raised
        .map(|reading| {
            let show = |value: f64| {
                if reading.sign == Sign::Trend { format!("{value:.2} s a second") } else { percent(value) }
            };
            format!("{} ({}, chance stays below {})", reading.sign.name(), show(reading.value), show(reading.limit))
        })
        .collect();
    let fills = point.signs.iter().any(|reading| reading.sign == Sign::Deficit && reading.raised)
        && stability == Stability::Strained;
    let advice = if fills {
        "; latency hardly rises: answers may last longer than the discarded warm-up; try a longer --warmup"
    } else {
        ""
    };
    Some(format!("{} at {}: {}{advice}", stability.name(), point.label, seen.join("; ")))
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 10.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// Why no rate certainly met the objectives, and the largest rate whose observed figures met them.
fn undecided(found: &SweepFindings, trials: &[TrialView]) -> String {
    let within = |objective: &ObjectiveView| {
        // Attainment and goodput have a lower limit; they are ignored here.
        let most = matches!(objective.asked(), Some(Objective::Latency(_) | Objective::ErrorRate(_)));
        most && matches!(objective.observed, Some(Known::At(value)) if value <= objective.limit)
    };
    let met = |trial: &&TrialView| {
        let deciding = || trial.slo.objectives.iter().filter(|objective| objective.decides);
        trial.verdict.result == VerdictResult::Inconclusive && deciding().next().is_some() && deciding().all(within)
    };
    let largest = trials.iter().filter(met).filter_map(|trial| Level::of(&trial.load)?.rate_per_s()).reduce(f64::max);
    match largest {
        Some(per_s) => format!(
            "no rate was decided: each window has too few requests to be sure. The observed figures met the objectives \
             up to {} (uncertified); try a longer --duration",
            found.over.per_s(per_s)
        ),
        None => "no rate measured met the objectives for sure; try lower --rates or a longer --duration".to_owned(),
    }
}

/// One sentence for each load that began while the service may still have held unresolved requests of the load before.
fn leftovers(trials: &[TrialView]) -> Vec<String> {
    let pairs = trials.windows(2).filter(|pair| pair[0].run_totals.unresolved > 0);
    pairs
        .map(|pair| {
            format!(
                "{} requests of {} were unresolved when its drain ended, and the service may still have held them \
                 during {}; give a longer --drain",
                count(pair[0].run_totals.unresolved),
                pair[0].label,
                pair[1].label
            )
        })
        .collect()
}
