//! Owns `Recovery`: how long after a step of the rate an objective holds again, for people who test autoscalers.
//!
//! The measured window is cut at the steps of the rate. From each step on, stretches of [`STRETCH_S`] seconds of
//! scheduled time are looked at, one beginning at each second (or slot of the samples, in long runs). A stretch is
//! broken where the share of requests beyond the limit is surely larger than the objective allows (one-sided,
//! [`SURE`]). The objective holds again from the first instant after which no stretch until the next step is broken.

use serde::{Deserialize, Serialize};

use crate::metrics::sample::Sample;
use crate::metrics::series::Series;
use crate::metrics::slo::{Objective, Statistic};
use crate::schedule::RateStep;
use crate::stats::proportion::exceeds;
use crate::units::Window;

/// The length of the stretches, in seconds of scheduled time.
const STRETCH_S: f64 = 10.0;
/// The confidence with which a stretch is called broken. Many stretches are looked at, so it is high.
const SURE: f64 = 0.999;

/// An objective after a step of the rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// The step.
    pub step: RateStep,
    /// The objective as typed.
    pub objective: String,
    /// The length of the stretches in which it must hold, in seconds.
    pub stretch_s: f64,
    /// How long the load went on before the next step or the end of the window, in seconds.
    pub followed_s: f64,
    /// Whether any stretch was broken.
    pub broken: bool,
    /// Seconds from the step until the objective holds again; 0 if it was never broken. `None`: it did not hold again
    /// before the next step, or, unless `broken`, the time before the next step is shorter than a stretch.
    pub recovered_after_s: Option<f64>,
}

/// The share of requests that `objective` allows beyond its limit; `None` if it limits no share.
fn allowed_share(objective: &Objective) -> Option<f64> {
    match objective {
        Objective::Latency(limit) => match limit.statistic {
            Statistic::Quantile(quantile) => Some(1.0 - quantile.share()),
            Statistic::Max => Some(0.0),
            Statistic::Mean | Statistic::EachRequest => None,
        },
        Objective::ErrorRate(share) => Some(share.share()),
        Objective::Attainment(share) => Some(1.0 - share.share()),
        Objective::Goodput(_) => None,
    }
}

/// The recoveries of `objectives` after each of `steps` inside `window`.
pub(super) fn recoveries(
    samples: &Series<Sample>,
    objectives: &[Objective],
    steps: &[RateStep],
    window: Window,
) -> Vec<Recovery> {
    let inside = |step: &&RateStep| step.at_s > window.start.as_secs() && step.at_s < window.end.as_secs();
    let steps: Vec<&RateStep> = steps.iter().filter(inside).collect();
    let ends = steps.iter().skip(1).map(|step| step.at_s).chain([window.end.as_secs()]);
    let judged: Vec<_> = objectives
        .iter()
        .enumerate()
        .filter_map(|(place, objective)| Some((place, objective, allowed_share(objective)?)))
        .collect();
    let after = |(step, end_s): (&&RateStep, f64)| {
        let of_each = judged.iter().map(|(place, objective, allowed)| {
            let (stretch_s, broken, recovered_after_s) = after_step(samples, *place, *allowed, step.at_s, end_s);
            Recovery {
                step: **step,
                objective: objective.to_string(),
                stretch_s,
                followed_s: end_s - step.at_s,
                broken,
                recovered_after_s,
            }
        });
        of_each.collect::<Vec<_>>()
    };
    steps.iter().zip(ends).flat_map(after).collect()
}

/// The length of the stretches, whether one was broken, and the seconds until the objective holds again.
fn after_step(
    samples: &Series<Sample>,
    place: usize,
    allowed: f64,
    step_s: f64,
    end_s: f64,
) -> (f64, bool, Option<f64>) {
    let width_s = samples.width_ns() as f64 / 1e9;
    let slots = samples.slots();
    let long = libm::ceil(STRETCH_S / width_s - 1e-9).max(1.0) as usize;
    let stretch_s = long as f64 * width_s;
    // Slots that lie whole between the step and the end.
    let first = libm::ceil(step_s / width_s - 1e-9) as usize;
    let last = (libm::floor(end_s / width_s + 1e-9) as usize).min(slots.len());
    if first + long > last {
        return (stretch_s, false, None);
    }
    let is_broken = |start: &usize| {
        let (mut met, mut missed) = (0, 0);
        for slot in &slots[*start..start + long] {
            let [of_met, of_missed] = slot.towards(place);
            met += of_met;
            missed += of_missed;
        }
        exceeds(missed as f64, (met + missed) as f64, allowed, SURE)
    };
    let final_start = last - long;
    match (first..=final_start).rev().find(is_broken) {
        None => (stretch_s, false, Some(0.0)),
        Some(start) if start == final_start => (stretch_s, true, None),
        Some(start) => (stretch_s, true, Some((start + 1) as f64 * width_s - step_s)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Objectives;
    use crate::units::Offset;

    /// Slots of 1 s with 20 requests each, of which those in `bad` seconds miss.
    fn samples(seconds: u64, bad: &[(u64, u64)], of_them: u64) -> Series<Sample> {
        let mut samples = Series::<Sample>::new(1_000_000_000, 1_000);
        for second in 0..seconds {
            let missed = if bad.iter().any(|(from, to)| (*from..*to).contains(&second)) { of_them } else { 0 };
            let slot = samples.at(second * 1_000_000_000);
            (0..20 - missed).for_each(|_| slot.reach(0, true));
            (0..missed).for_each(|_| slot.reach(0, false));
        }
        samples
    }

    fn found(samples: &Series<Sample>, slo: &str, steps: &[f64], end_s: f64) -> Vec<(bool, Option<f64>)> {
        let objectives = Objectives::parse(&[slo], None, None).unwrap();
        let steps: Vec<RateStep> =
            steps.iter().map(|at_s| RateStep { at_s: *at_s, from_per_s: 5.0, to_per_s: 20.0 }).collect();
        let window = Window { start: Offset::ZERO, end: Offset::from_secs(end_s) };
        let found = recoveries(samples, objectives.items(), &steps, window);
        found.into_iter().map(|one| (one.broken, one.recovered_after_s)).collect()
    }

    #[test]
    fn an_objective_holds_again_when_no_later_stretch_is_broken() {
        for (bad, of_them, slo, steps, end_s, expected) in [
            // Nothing misses.
            (&[][..], 20, "p99 ttft<=1s", vec![30.0], 90.0, vec![(false, Some(0.0))]),
            // All miss for 17 s after the step.
            (&[(30, 47)][..], 20, "p99 ttft<=1s", vec![30.0], 90.0, vec![(true, Some(17.0))]),
            // Two spells: the second one counts.
            (&[(30, 35), (50, 52)][..], 20, "p99 ttft<=1s", vec![30.0], 90.0, vec![(true, Some(22.0))]),
            // One in twenty misses: too many for p99, not for p90.
            (&[(30, 90)][..], 1, "p99 ttft<=1s", vec![30.0], 90.0, vec![(true, None)]),
            (&[(30, 90)][..], 1, "p90 ttft<=1s", vec![30.0], 90.0, vec![(false, Some(0.0))]),
            // Until the next step it does not hold again; after that at once.
            (&[(30, 60)][..], 20, "error_rate<=1%", vec![30.0, 60.0], 90.0, vec![(true, None), (false, Some(0.0))]),
            // The step lies inside a slot: the whole slots count.
            (&[(30, 40)][..], 20, "max ttft<=1s", vec![29.5], 90.0, vec![(true, Some(10.5))]),
            // Too short for a stretch; a mean limits no share.
            (&[][..], 20, "p99 ttft<=1s", vec![85.0], 90.0, vec![(false, None)]),
            (&[(30, 90)][..], 20, "mean ttft<=1s", vec![30.0], 90.0, vec![]),
            // A step outside the window.
            (&[(30, 90)][..], 20, "p99 ttft<=1s", vec![95.0], 90.0, vec![]),
        ] {
            let samples = samples(90, bad, of_them);
            assert_eq!(found(&samples, slo, &steps, end_s), expected, "{bad:?} {of_them} {slo} {steps:?}");
        }
    }

    #[test]
    fn a_share_of_misses_as_large_as_allowed_breaks_nothing() {
        // One request in a hundred misses, in a regular order.
        let mut samples = Series::<Sample>::new(1_000_000_000, 1_000);
        for request in 0..20 * 90u64 {
            samples.at(request / 20 * 1_000_000_000).reach(0, !request.is_multiple_of(100));
        }
        assert_eq!(found(&samples, "p99 ttft<=1s", &[10.0], 90.0), [(false, Some(0.0))]);
    }
}
