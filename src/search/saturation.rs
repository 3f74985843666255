//! Owns `Saturation`: the rate at which an overloaded service completes requests, from the loads of a sweep.

use serde::{Deserialize, Serialize};

use crate::search::{CompletionRate, PointFindings, Stability};

/// Least half interval of an estimate, as a share of the estimate. Batch means of few batches can give smaller
/// values by chance.
const LEAST_ERROR: f64 = 0.005;
/// Half intervals whose ratio is at most this may differ by chance only: each is a standard error with 7 degrees of
/// freedom.
const ALIKE: f64 = 2.5;
/// Degrees of freedom of a half interval.
const BATCH_DEGREES: f64 = 7.0;
/// If a stable rate exceeds the saturation rate by more than this factor, the saturation rate is called a lower
/// bound.
const HELD_ABOVE: f64 = 1.05;

/// Whether the saturation rate was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// An open load offered more than this rate and saturated, and this rate was completed.
    Measured,
    /// This rate was completed, in a stable open load or in a closed loop, and no open load saturated below it.
    AtLeast,
}

/// The saturation rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saturation {
    /// The best estimate in requests per second: the precision-weighted mean of the completion rates of those
    /// saturating loads that agree with the highest.
    pub per_s: f64,
    /// The 95 % confidence interval, in requests per second.
    pub interval95_per_s: [f64; 2],
    /// Whether the saturation rate was reached.
    pub bound: Bound,
    /// The labels of the trials from which it was computed.
    pub from: Vec<String>,
}

/// The saturation rate that `points` show; `None` without a stable or saturated load.
pub(super) fn saturation(points: &[PointFindings]) -> Option<Saturation> {
    let rate = |point: &PointFindings| point.completion.map_or(0.0, |rate| rate.per_s);
    let best = |kind: &dyn Fn(&&PointFindings) -> bool| {
        points.iter().filter(kind).max_by(|one, other| rate(one).total_cmp(&rate(other)))
    };
    let is_saturated = |point: &&PointFindings| point.stability == Some(Stability::Saturated);
    let is_closed = |point: &&PointFindings| point.concurrency.is_some_and(|in_flight| in_flight > 1);
    let held = best(&|point| point.stability == Some(Stability::Stable));
    // A closed loop alone does not prove saturation, because it may limit itself. If an open load saturates, a
    // closed loop is the best measure of the capacity.
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

/// The mean of the rates that agree with `best`. If the half intervals are alike, all rates have equal weight,
/// because half intervals from few batches are estimates themselves. Otherwise the weights are 1 ÷ (half
/// interval)², and the half interval of the mean is widened for the estimated weights (P. Meier, "Variance of a
/// weighted mean", Biometrics 9, 1953).
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

/// Decides the rates whose windows alone were too short, by what the service completed under overload. A rate below
/// that (below its interval, and below what each overloaded load completed) is stable. A rate above the interval is
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
