//! Owns the checks of the answer: probes against the fitted curve, and against each other.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Gamma};

use crate::search::Axis;
use crate::search::step::drift::has_drifted;
use crate::search::step::evidence::Weighed;
use crate::search::step::overdispersion::NEAR_PASSES;
use crate::search::step::{Bracket, Demand, End, Growth, History, Picture, Probe, Question};
use crate::stats::isotonic::isotonic;
use crate::stats::proportion::{exceeds, is_at_most};

/// Significance level of a doubt. φ is an estimate too, so a larger level would raise false alarms.
const LEVEL: f64 = 1e-3;
/// Probes further from the answer than this, in the logarithm of the rate, are not compared with the curve.
const NEAR: f64 = 0.3;
/// Significance level at which probes below the capacity that limits the answer are said to miss an objective.
const MISSED: f64 = 0.01;
/// Misses that load does not cause are too close to the allowed share unless the requests at moderate levels show, at
/// this confidence, that they are less than this part of it.
const FLOOR_CONFIDENCE: f64 = 0.9;
const MOST_FLOOR: f64 = 0.85;
/// A probe at this part of the upper end of the interval is a probe at that end.
const AT_THE_END: f64 = 0.99;
/// Probes from the best estimate to this many times the upper end show whether the objective is missed there. If they
/// miss less than this part of the allowed share, the curve does not hold.
const BESIDE_THE_END: f64 = 1.05;
const HARDLY_LESS: f64 = 0.8;

/// In a probe with which the service kept up, the number in flight grew by at most this many standard errors; in one
/// during which it collapsed, by this many more.
const KEPT_UP: f64 = 2.0;
const COLLAPSED: f64 = 4.0;

/// What does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// Isotonic regression over the probes, which assumes only that more load means more misses, fits far better than
    /// the curve; or the probes above the best estimate do not fail, as the curve predicts; or probes below the
    /// capacity that limits the answer miss an objective.
    Curve,
    /// No rising curve fits, or earlier probes have another answer than later ones: similar rates showed different
    /// shares of misses. The service changed during the search.
    Drift,
    /// The share of requests that miss whatever the load may be nearly the allowed share, so the answer depends on a
    /// share that load does not change.
    Floor,
    /// Misses cluster, and too few such episodes were seen near the answer: the next one may be of another kind.
    Episodes,
    /// The service fell behind at a rate below one with which it kept up in another probe: it collapses when it holds
    /// too many requests, or it changed.
    Collapse,
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
    let is_over_rates = question.over().is_open();
    if claims
        && is_over_rates
        && !picture.is_limited_by_capacity()
        && is_end_tried(question, history, picture.bracket())
        && !fails_above(question, history, picture)
    {
        found.push(Doubt::Curve);
    }
    if claims && is_over_rates && picture.is_limited_by_capacity() && misses_below_capacity(question, history, picture)
    {
        found.push(Doubt::Curve);
    }
    if has_drifted(question, history) {
        found.push(Doubt::Drift);
    }
    if is_over_rates && collapses(history) > 0 {
        found.push(Doubt::Collapse);
    }
    if claims && is_over_rates && !picture.has_enough_episodes() {
        found.push(Doubt::Episodes);
    }
    if claims && is_over_rates && !picture.is_limited_by_capacity() && may_be_floor(question, history, picture) {
        found.push(Doubt::Floor);
    }
    found.sort_by_key(|doubt| *doubt as u8);
    found.dedup();
    found
}

/// The number of probes during which the service fell behind for good, although it kept up with a rate at least as high
/// in another probe: there, the number in flight certainly grew less.
pub(super) fn collapses(history: &History) -> usize {
    let grown = |probe: &Probe| probe.growth.map(|growth| (probe.level.value(), growth));
    let rates: Vec<(f64, Growth)> = history.probes.iter().filter_map(grown).collect();
    let is_contradicted = |(level, more): (f64, Growth)| {
        rates.iter().any(|(other, less)| {
            let error = libm::hypot(more.error_per_s, less.error_per_s);
            *other >= level && !less.exceeds(KEPT_UP) && more.per_s - less.per_s > COLLAPSED * error
        })
    };
    rates.iter().filter(|probe| probe.1.exceeds(COLLAPSED) && is_contradicted(**probe)).count()
}

/// Whether as many requests as are allowed may miss the limiting demand at moderate levels already. Then hardly any
/// misses of load decide where the allowed share is reached, and a curve fitted to them says little.
fn may_be_floor(question: &Question, history: &History, picture: &Picture) -> bool {
    let place = picture.limited_by();
    let (misses, decided) = picture.at_moderate_levels(history, place);
    !is_at_most(misses, decided, MOST_FLOOR * question.demands()[place].allowed(), FLOOR_CONFIDENCE)
}

/// Whether the probes inside an interval that only the capacity limits, up to its best estimate, missed an objective. φ
/// is that of their own misses: near the capacity, queueing theory expects so large a φ that hardly any miss counts.
fn misses_below_capacity(question: &Question, history: &History, picture: &Picture) -> bool {
    let Bracket { low, best, .. } = picture.bracket();
    let is_inside = |probe: &&Probe| {
        let level = probe.level.value();
        probe.end != End::Overloaded && level >= low && level <= best
    };
    let fails = |(place, demand): (usize, &Demand)| {
        let counts = history.probes.iter().filter(is_inside).filter_map(|probe| probe.counts.get(place));
        let (misses, decided) = counts.fold((0.0, 0.0), |(misses, decided), count| {
            let phi = count.clusters.map_or(1.0, |clusters| clusters.phi);
            (misses + count.misses as f64 / phi, decided + count.decided as f64 / phi)
        });
        exceeds(misses, decided, demand.allowed(), 1.0 - MISSED)
    };
    question.demands().iter().enumerate().any(fails)
}

/// Whether a probe ran at the upper end of the interval or above it, so that the end is not only an extrapolation of
/// the curve. Needed over rates, where the curve has a wall.
pub(super) fn is_end_tried(question: &Question, history: &History, Bracket { high, .. }: Bracket) -> bool {
    let end = AT_THE_END * high.min(question.most().unwrap_or(f64::INFINITY));
    !question.over().is_open() || history.probes.iter().any(|probe| probe.level.value() >= end)
}

/// Whether the probes from the best estimate to a little above the upper end failed: one was overloaded, or together
/// they missed about as much as is allowed, or more. The curve predicts it.
fn fails_above(question: &Question, history: &History, picture: &Picture) -> bool {
    let Bracket { best, high, .. } = picture.bracket();
    if question.most().is_some_and(|most| high >= most) {
        return true;
    }
    let beside = |level: f64| level >= best && level <= BESIDE_THE_END * high;
    let overloaded = |probe: &Probe| probe.end == End::Overloaded && beside(probe.level.value());
    let fails = |(place, demand): (usize, &Demand)| {
        let points = history.weighed(place, |_| 1.0).into_iter().filter(|point| beside(point.level));
        let (misses, decided) = points.fold((0.0, 0.0), |sum, point| (sum.0 + point.misses, sum.1 + point.decided));
        misses > HARDLY_LESS * demand.allowed() * decided
    };
    history.probes.iter().any(overloaded) || question.demands().iter().enumerate().any(fails)
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
    use crate::search::Level;

    #[test]
    fn a_service_that_falls_behind_below_a_rate_with_which_it_kept_up_has_collapsed() {
        let probe = |per_s: f64, growth_per_s: f64, error_per_s: f64| Probe {
            growth: Some(Growth { per_s: growth_per_s, error_per_s }),
            ..Probe::new(Level::RatePerS(per_s), End::Full)
        };
        let steady = || probe(8.0, 0.01, 0.05);
        for (what, probes, expected) in [
            ("it kept up with the higher rate", vec![steady(), probe(7.0, 1.0, 0.1)], 1),
            ("both times", vec![probe(7.0, 1.0, 0.1), steady(), probe(6.0, 1.0, 0.1)], 2),
            ("the higher rate was too much as well", vec![probe(8.0, 0.5, 0.1), probe(7.0, 1.0, 0.1)], 0),
            ("the short probe at the higher rate shows nothing", vec![probe(8.0, 0.1, 0.4), probe(7.0, 1.0, 0.1)], 0),
            ("a higher rate is too much", vec![steady(), probe(9.0, 1.0, 0.1)], 0),
            ("its growth is unknown", vec![steady(), Probe::new(Level::RatePerS(7.0), End::Overloaded)], 0),
        ] {
            assert_eq!(collapses(&History { probes, ..History::default() }), expected, "{what}");
        }
    }

    #[test]
    fn a_deviance_is_large_where_the_table_says_so() {
        // 0.999 points of χ²: 10.83 with 1 degree of freedom, 18.47 with 4.
        for (degrees, point) in [(1.0, 10.83), (4.0, 18.47)] {
            assert!(!is_large(point - 0.1, degrees) && is_large(point + 0.1, degrees), "{degrees}");
        }
        assert!(!is_large(1e9, 0.0), "nothing to hold against anything");
    }
}
