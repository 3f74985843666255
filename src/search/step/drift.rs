//! Owns the check whether the service changed during the search: earlier probes against later ones.
//!
//! Four things are compared: the answers of the probes; the times of requests that find the service calm, which
//! hardly depend on the rate and are known to a few per cent from each probe; whether the service kept up; and the
//! throughput of the saturated service, at first and when there is an answer.

use crate::search::step::{End, History, Picture, Probe, Question};

/// Shares of the probes after which earlier and later ones are compared.
const SPLITS: [f64; 5] = [0.25, 0.33, 0.5, 0.67, 0.75];
/// Two answers differ if they are more than this many standard deviations apart. With 3, none of 2 000 searches
/// over steady queues and none of 240 over engines is doubted. With 2.5, two of the searches over engines are.
const APART: f64 = 3.0;
/// Times of calm requests differ if they are more than this many standard errors apart, and by more than the least
/// relative change.
const CALM_APART: f64 = 4.0;
const LEAST_CHANGE: f64 = 0.05;
/// Growth of the number in flight, in standard errors: above `GREW` the service does not keep up with the rate, up
/// to `CARRIED` it does. A rate is well below another below this part of it.
const GREW: f64 = 4.0;
const CARRIED: f64 = 1.5;
const WELL_BELOW: f64 = 0.9;
/// With fewer probes than this, a side of a split has no answer.
const LEAST_PROBES: usize = 2;
/// Probes with fewer calm requests than this do not show their time.
const LEAST_CALM: u64 = 30;

/// Whether the service changed during the search. Only for rates: a search over users begins at a very low level,
/// and its first probes do not know the end of the axis.
pub(super) fn has_drifted(question: &Question, history: &History) -> bool {
    question.over().is_open()
        && (answers_differ(question, history)
            || calm_times_differ(history)
            || growth_contradicts(history)
            || history.has_lost_capacity())
}

/// Whether the earlier probes alone give another answer than the later ones. Isotonic regression does not see time.
/// A service that became slower makes its probes short, so each has little weight; together they have an answer.
fn answers_differ(question: &Question, history: &History) -> bool {
    let probes = &history.probes;
    let answered = |probes: &[Probe]| {
        let bracket = Picture::of(question, &History { probes: probes.to_vec(), ..history.clone() })?.bracket();
        // Between the 2.5 % and the 97.5 % quantile lie 3.92 standard deviations.
        Some((libm::log(bracket.best), libm::log(bracket.high / bracket.low) / 3.92))
    };
    let differ = |split: usize| {
        let (early, late) = probes.split_at(split);
        let apart = |(early, late): ((f64, f64), (f64, f64))| {
            libm::fabs(early.0 - late.0) > APART * libm::hypot(early.1, late.1)
        };
        answered(early).zip(answered(late)).is_some_and(apart)
    };
    splits(probes.len()).any(differ)
}

/// The places at which `count` probes are split.
fn splits(count: usize) -> impl Iterator<Item = usize> {
    let at = move |share: &f64| (share * count as f64) as usize;
    let splits = SPLITS.iter().map(at);
    splits.filter(move |split| *split >= LEAST_PROBES && count - split >= LEAST_PROBES)
}

/// Whether the backlog grew beyond doubt at a rate well below a rate with which the service kept up.
fn growth_contradicts(history: &History) -> bool {
    let level = |probe: &Probe| probe.level.value();
    let is_carried =
        |probe: &&Probe| probe.end == End::Full && probe.growth.is_some_and(|growth| !growth.exceeds(CARRIED));
    let carried = history.probes.iter().filter(is_carried).map(level).reduce(f64::max);
    let is_overloaded =
        |probe: &&Probe| probe.end == End::Overloaded && probe.growth.is_some_and(|growth| growth.exceeds(GREW));
    let overloaded = history.probes.iter().filter(is_overloaded).map(level).reduce(f64::min);
    carried.zip(overloaded).is_some_and(|(carried, overloaded)| overloaded < WELL_BELOW * carried)
}

/// One probe: the logarithm of the mean number in flight that calm requests find, including themselves; the
/// logarithm of their mean time; and the relative standard error of the mean time.
#[derive(Debug, Clone, Copy)]
struct DriftPoint {
    company: f64,
    time: f64,
    error: f64,
}

/// Whether the times of calm requests differ before and after some split: ln time = a + b ln (in flight + 1) + c
/// [after], by weighted least squares. c is compared with its standard error, which is raised if the points scatter
/// more than their own errors predict.
fn calm_times_differ(history: &History) -> bool {
    let point = |probe: &Probe| {
        let calm = probe.calm;
        let count = calm.count as f64;
        let mean_s = calm.sum_s / count;
        let variance = (calm.squares / count - mean_s * mean_s).max(0.0);
        let is_fit = probe.end == End::Full && calm.count >= LEAST_CALM && mean_s > 0.0;
        // The relative error of a time is at least 0.01, because the relation to the number in flight is not
        // exactly a straight line.
        let error = libm::sqrt(variance / count) / mean_s;
        is_fit.then(|| DriftPoint {
            company: libm::log1p(calm.in_flight as f64 / count),
            time: libm::log(mean_s),
            error: libm::hypot(error, 0.01),
        })
    };
    let points: Vec<DriftPoint> = history.probes.iter().filter_map(point).collect();
    splits(points.len()).any(|split| {
        change(&points, split)
            .is_some_and(|(change, error)| libm::fabs(change) > (CALM_APART * error).max(LEAST_CHANGE))
    })
}

/// c of the model above and its standard error; `None` if the points do not determine it.
fn change(points: &[DriftPoint], split: usize) -> Option<(f64, f64)> {
    // The step and the time, each minus its regression on the constant and on the number in flight (Frisch, Waugh
    // and Lovell 1963).
    let weight = |point: &DriftPoint| 1.0 / (point.error * point.error);
    let step = |place: usize| if place >= split { 1.0 } else { 0.0 };
    let total: f64 = points.iter().map(weight).sum();
    let mean = |of: &dyn Fn(usize) -> f64| {
        points.iter().enumerate().map(|(place, point)| weight(point) * of(place)).sum::<f64>() / total
    };
    let rate = |place: usize| points[place].company;
    let time = |place: usize| points[place].time;
    let (mean_rate, mean_time, mean_step) = (mean(&rate), mean(&time), mean(&step));
    let spread = mean(&|place| (rate(place) - mean_rate) * (rate(place) - mean_rate));
    let slope = |of: &dyn Fn(usize) -> f64| {
        if spread > 1e-12 { mean(&|place| (rate(place) - mean_rate) * of(place)) / spread } else { 0.0 }
    };
    let (of_time, of_step) = (slope(&|place| time(place) - mean_time), slope(&|place| step(place) - mean_step));
    let time_rest = |place: usize| time(place) - mean_time - of_time * (rate(place) - mean_rate);
    let step_rest = |place: usize| step(place) - mean_step - of_step * (rate(place) - mean_rate);
    let square = mean(&|place| step_rest(place) * step_rest(place));
    let degrees = points.len().checked_sub(3).filter(|degrees| *degrees > 0)? as f64;
    if square < 1e-6 {
        return None;
    }
    let found = mean(&|place| step_rest(place) * time_rest(place)) / square;
    let left = total
        * mean(&|place| (time_rest(place) - found * step_rest(place)) * (time_rest(place) - found * step_rest(place)));
    Some((found, libm::sqrt((left / degrees).max(1.0) / (total * square))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(times: impl Fn(usize, f64) -> f64) -> Vec<DriftPoint> {
        let rate = |place: usize| 0.02 * ((place * 7 % 11) as f64 - 5.0);
        let point = |place: usize| DriftPoint { company: rate(place), time: times(place, rate(place)), error: 0.03 };
        (0..20).map(point).collect()
    }

    /// Noise without a trend, between −0.01 and 0.02.
    fn ripple(place: usize) -> f64 {
        if place.is_multiple_of(3) { 0.02 } else { -0.01 }
    }

    #[test]
    fn a_service_that_got_slower_is_told_from_one_that_is_slower_at_higher_rates() {
        let slower = points(|place, rate| 0.5 * rate + ripple(place) + if place >= 10 { 0.22 } else { 0.0 });
        let (found, error) = change(&slower, 10).unwrap();
        assert!((found - 0.22).abs() < 0.02 && found > CALM_APART * error, "{found} ± {error}");
        let steady = points(|place, rate| 0.5 * rate + ripple(place));
        let (found, error) = change(&steady, 10).unwrap();
        assert!(found.abs() < error, "{found} ± {error}");
        assert!(change(&steady[..3], 1).is_none(), "three points and three unknowns");
    }

    #[test]
    fn both_sides_of_a_split_have_two_probes() {
        assert_eq!(splits(3).count(), 0);
        assert!(splits(8).all(|split| (2..=6).contains(&split)) && splits(8).count() > 3);
    }
}
