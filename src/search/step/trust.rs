//! Owns the checks of the answer: probes against the fitted curve, and against each other.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Gamma};

use crate::search::Axis;
use crate::search::step::drift::has_drifted;
use crate::search::step::evidence::Weighed;
use crate::search::step::overdispersion::NEAR_PASSES;
use crate::search::step::{Demand, History, Picture, Question};
use crate::stats::isotonic::isotonic;

/// Significance level of a doubt. φ is an estimate too, so a larger level would raise false alarms.
const LEVEL: f64 = 1e-3;
/// Probes further from the answer than this, in the logarithm of the rate, are not compared with the curve.
const NEAR: f64 = 0.3;
/// A share of misses that load does not cause is too close to the allowed share if it exceeds this part of it.
const MOST_FLOOR: f64 = 0.88;

/// What does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// Isotonic regression over the probes fits far better than the curve. It assumes only that more load means
    /// more misses.
    Curve,
    /// No rising curve fits, or earlier probes have another answer than later ones: similar rates showed different
    /// shares of misses. The service changed during the search.
    Drift,
    /// The share of requests that miss whatever the load is nearly the allowed share, so the answer depends on a
    /// share that load does not change.
    Floor,
    /// Misses cluster, and too few such episodes were seen near the answer: the next one may be of another kind.
    Episodes,
    /// A fresh run at the lower bound missed an objective by itself. Only the certificate finds this, no step does.
    Certificate,
}

/// What does not fit, over all demands. If the answer `claims` an interval, enough episodes of misses are needed,
/// and a floor well below the allowed share.
pub(super) fn doubts(question: &Question, history: &History, picture: &Picture, claims: bool) -> Vec<Doubt> {
    let mut found = Vec::new();
    for place in 0..question.demands().len() {
        let points = history.weighed(place, |level| picture.phi_within(question, place, level));
        let rising = isotonic(points.iter().map(|point| (point.share(), point.decided)));
        let answer = libm::log(picture.bracket_of(place).best);
        let curve = |level: f64| picture.share_at(question, place, level);
        let width = if question.over() == Axis::TimeScale { NEAR_PASSES } else { NEAR };
        let near = |point: &&(Weighed, f64)| point.0.is_whole && libm::fabs(libm::log(point.0.level) - answer) <= width;
        let pairs: Vec<(Weighed, f64)> = points.into_iter().zip(rising).collect();
        let against_curve: f64 = pairs
            .iter()
            .filter(near)
            .map(|(point, level)| deviance(*point, *level) - deviance(*point, curve(point.level)))
            .sum();
        let count = pairs.iter().filter(near).count();
        if is_large(-against_curve, count as f64) {
            found.push(Doubt::Curve);
        }
        let levels = 1 + pairs.windows(2).filter(|pair| pair[0].1 < pair[1].1).count();
        let against_any: f64 = pairs.iter().map(|(point, level)| deviance(*point, *level)).sum();
        if pairs.len() > levels && is_large(against_any, (pairs.len() - levels) as f64) {
            found.push(Doubt::Drift);
        }
    }
    if has_drifted(question, history) {
        found.push(Doubt::Drift);
    }
    if claims && question.over() == Axis::Rate && !picture.has_enough_episodes() {
        found.push(Doubt::Episodes);
    }
    let hangs = |(place, demand): (usize, &Demand)| picture.floor_of(place) > MOST_FLOOR * demand.allowed();
    if claims && question.over() == Axis::Rate && question.demands().iter().enumerate().any(hangs) {
        found.push(Doubt::Floor);
    }
    found.sort_by_key(|doubt| *doubt as u8);
    found.dedup();
    found
}

/// The deviance of a point at `level`: twice the log likelihood that it loses against its own share.
fn deviance(point: Weighed, level: f64) -> f64 {
    let part = |seen: f64, fitted: f64| if seen > 0.0 { seen * libm::log(seen / fitted.max(1e-12)) } else { 0.0 };
    2.0 * point.decided * (part(point.share(), level) + part(1.0 - point.share(), 1.0 - level))
}

/// Whether a deviance is too large to be chance, with this many degrees of freedom.
fn is_large(deviance: f64, degrees: f64) -> bool {
    degrees > 0.0 && Gamma::new(degrees / 2.0, 0.5).is_ok_and(|law| 1.0 - law.cdf(deviance.max(0.0)) < LEVEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deviance_is_large_where_the_table_says_so() {
        // 0.999 points of χ²: 10.83 with 1 degree of freedom, 18.47 with 4.
        for (degrees, point) in [(1.0, 10.83), (4.0, 18.47)] {
            assert!(!is_large(point - 0.1, degrees) && is_large(point + 0.1, degrees), "{degrees}");
        }
        assert!(!is_large(1e9, 0.0), "nothing to hold against anything");
    }
}
