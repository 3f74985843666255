//! Owns `Saturation`: the rate at which a service completes requests when it is given more, from the loads of a sweep.

use serde::{Deserialize, Serialize};

use crate::search::{CompletionRate, PointFindings, Stability};

/// An estimate's half interval is never taken for smaller than this share: batch means of few batches can be.
const LEAST_ERROR: f64 = 0.005;
/// Half intervals within this ratio may be the same but for chance: each is a standard error of 7 degrees of freedom.
const ALIKE: f64 = 2.5;
/// Degrees of freedom of a half interval.
const BATCH_DEGREES: f64 = 7.0;
/// A rate that was held may lie above the saturation rate by this share before the latter is called a lower bound.
const HELD_ABOVE: f64 = 1.05;

/// Whether a rate was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// An open load offered more than this, was seen to saturate, and this was completed.
    Measured,
    /// This was completed, in an open load that was held or in a closed loop, and no open load was seen to saturate
    /// below it.
    AtLeast,
}

/// The saturation rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saturation {
    /// The best estimate: completion rates of the loads that saturate, those that agree with the highest, weighted by
    /// their precision.
    pub per_s: f64,
    /// Its 95 % interval.
    pub interval95_per_s: [f64; 2],
    /// Whether it was reached.
    pub bound: Bound,
    /// The trials it is from.
    pub from: Vec<String>,
}

/// The saturation rate that `points` show; none without a rate that was held or is saturated.
pub(super) fn saturation(points: &[PointFindings]) -> Option<Saturation> {
    let rate = |point: &PointFindings| point.completion.map_or(0.0, |rate| rate.per_s);
    let best = |kind: &dyn Fn(&&PointFindings) -> bool| {
        points.iter().filter(kind).max_by(|one, other| rate(one).total_cmp(&rate(other)))
    };
    let is_saturated = |point: &&PointFindings| point.stability == Some(Stability::Saturated);
    let is_closed = |point: &&PointFindings| point.concurrency.is_some_and(|in_flight| in_flight > 1);
    let held = best(&|point| point.stability == Some(Stability::Stable));
    // A closed loop alone proves no saturation: it may be its own limit. Where an open load saturates, it tells the
    // capacity best.
    if let Some(full) = best(&|point| is_saturated(point) || is_closed(point))
        && points.iter().any(|point| is_saturated(&point))
        && held.is_none_or(|held| held.rate_per_s.unwrap_or(0.0) <= rate(full) * HELD_ABOVE)
    {
        let agreeing: Vec<&PointFindings> =
            points.iter().filter(|point| is_saturated(point) || is_closed(point)).collect();
        return pooled(&agreeing, full.completion?);
    }
    let most = best(&|point| point.stability == Some(Stability::Stable) || is_closed(point))?;
    let CompletionRate { per_s, interval95_per_s } = most.completion?;
    Some(Saturation { per_s, interval95_per_s, bound: Bound::AtLeast, from: vec![most.label.clone()] })
}

/// The mean of those rates that agree with `best`: each as much as the others, where their half intervals are alike,
/// as these are estimates from few batches themselves; else weighted by 1 ÷ (half interval)², with the half interval
/// of the mean widened for that (P. Meier, "Variance of a weighted mean", Biometrics 9, 1953).
fn pooled(full: &[&PointFindings], best: CompletionRate) -> Option<Saturation> {
    let least_per_s = best.interval95_per_s[0].min(best.per_s * (1.0 - LEAST_ERROR));
    let agreeing: Vec<(&PointFindings, CompletionRate)> = full
        .iter()
        .filter_map(|point| Some((*point, point.completion?)))
        .filter(|(_, rate)| rate.interval95_per_s[1] >= least_per_s)
        .collect();
    let halves: Vec<f64> = agreeing
        .iter()
        .map(|(_, rate)| ((rate.interval95_per_s[1] - rate.interval95_per_s[0]) / 2.0).max(LEAST_ERROR * rate.per_s))
        .collect();
    let (least, most) =
        halves.iter().fold((f64::INFINITY, 0.0_f64), |(least, most), half| (least.min(*half), most.max(*half)));
    let alike = most <= ALIKE * least;
    let weights: Vec<f64> = halves.iter().map(|half| if alike { 1.0 } else { 1.0 / (half * half) }).collect();
    let sum: f64 = weights.iter().sum();
    let per_s = agreeing.iter().zip(&weights).map(|((_, rate), weight)| weight * rate.per_s).sum::<f64>() / sum;
    let variance =
        halves.iter().zip(&weights).map(|(half, weight)| weight * weight * half * half).sum::<f64>() / (sum * sum);
    let chosen = weights.iter().map(|weight| weight / sum * (1.0 - weight / sum)).sum::<f64>() * 4.0 / BATCH_DEGREES;
    let half = libm::sqrt(variance * if alike { 1.0 } else { 1.0 + chosen });
    let from = agreeing.iter().map(|(point, _)| point.label.clone()).collect();
    let interval95_per_s = [(per_s - half).max(0.0), per_s + half];
    (sum > 0.0).then_some(Saturation { per_s, interval95_per_s, bound: Bound::Measured, from })
}

/// Calls the rates that the windows alone were too short for by what the service completed when given more. A rate
/// below that (below its interval, and below what each overloaded load completed) is stable. One above the interval is
/// not.
pub(super) fn compare(points: &mut [PointFindings], saturation: Option<&Saturation>) {
    let Some(saturation) = saturation else { return };
    let [low, high] = saturation.interval95_per_s;
    let full = |point: &&PointFindings| {
        point.stability == Some(Stability::Saturated)
            || point.concurrency.is_some_and(|in_flight| saturation.from.contains(&point.label) && in_flight > 1)
    };
    let least =
        points.iter().filter(full).filter_map(|point| Some(point.completion?.interval95_per_s[1])).fold(low, f64::min);
    for point in points {
        let Some(per_s) = point.rate_per_s else { continue };
        match point.stability {
            Some(Stability::TooShort) if per_s < least => point.stability = Some(Stability::Stable),
            Some(Stability::Stable) if per_s > high && saturation.bound == Bound::Measured => {
                point.stability = Some(Stability::TooShort);
            }
            _ => {}
        }
    }
}
