//! Owns the memory of a time series: its effective sample size, its growth, and how a quantity depends on it.

/// The effective sample size of a time series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixing {
    /// Number of independent samples with the same information as the series: best estimate.
    pub effective: f64,
    /// Lower 95 % bound of the effective sample size; 0 if the series may never return to its mean.
    pub effective_low: f64,
}

/// Minimum number of points for an estimate.
const LEAST_POINTS: usize = 16;
/// Lag-1 autocorrelation, no unit: the fit uses the coarsest spacing at which neighbours have at least this
/// correlation.
const ALIKE: f64 = 0.6;
/// Divisor of the lower bound, no unit: queues have a longer memory than the autoregression fitted to them. Measured:
/// the long-run variance of misses is 1.2 to 1.6 times what the fit gives (M/M/1, M/M/8, M/D/1, lognormal service).
const MEMORY: f64 = 1.6;
/// Normal 95 % point.
const NORMAL_95: f64 = 1.644_853_626_951_472_7;

/// The effective sample size of `series` (evenly spaced). `None` with fewer than 16 points, or if the series never
/// changes.
///
/// An AR(1) process is fitted at the coarsest spacing at which neighbours have a correlation of at least 0.6, or at
/// the finest spacing if there is none. With G steps between points and an estimate â, x = G (1 − â) estimates c, the
/// number of relaxation times in the series. In short series x overestimates c: without any return to the mean (c =
/// 0), x exceeds 14 in 5 % of series (Dickey and Fuller, 1979). The lower bound is the c at which x is the 95 %
/// point: x₉₅(c) = c + 4 + 1.645 √(c (2 − c/G) + 37). This gives 14 at c = 0 and the normal limit at large c (bias
/// 4/G of â, variance (1 − a²)/G: Marriott and Pope, 1954). The effective sample size is −G ln(a)/2. Its lower bound
/// is divided by 1.6, for memory that is longer than the fit.
#[must_use]
pub fn mixing(series: &[f64]) -> Option<Mixing> {
    let mut step = 1;
    while series.len() / (step * 2) >= LEAST_POINTS {
        step *= 2;
    }
    loop {
        let points: Vec<f64> = series.iter().step_by(step).copied().collect();
        // At a coarse spacing, a series that seldom changes may show no change at all.
        let alike = autoregression(&points);
        if step == 1 || alike.is_some_and(|alike| alike >= ALIKE) {
            return alike.map(|alike| bounded(alike, points.len() as f64 - 1.0));
        }
        step /= 2;
    }
}

fn bounded(alike: f64, length: f64) -> Mixing {
    let seen = length * (1.0 - alike);
    let beyond = |c: f64| c + 4.0 + NORMAL_95 * libm::sqrt((c * (2.0 - c / length)).max(0.0) + 37.0);
    let (mut low, mut high) = (0.0, length);
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        if beyond(middle) <= seen { low = middle } else { high = middle }
    }
    // A series of this length cannot show a smaller correlation.
    let least = 1.0 / libm::sqrt(length);
    let worth = |correlation: f64| (-0.5 * length * libm::log(correlation.clamp(least, 1.0))).max(0.0);
    Mixing { effective: worth(alike + 4.0 / length), effective_low: worth(1.0 - low / length) / MEMORY }
}

/// The least-squares coefficient of each point on the previous point, with an intercept. `None` with fewer than 16
/// points, or if they do not vary.
fn autoregression(points: &[f64]) -> Option<f64> {
    if points.len() < LEAST_POINTS {
        return None;
    }
    let (before, after) = (&points[..points.len() - 1], &points[1..]);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_before, mean_after) = (mean(before), mean(after));
    let (mut along, mut square) = (0.0, 0.0);
    for (one, next) in before.iter().zip(after) {
        along += (one - mean_before) * (next - mean_after);
        square += (one - mean_before) * (one - mean_before);
    }
    (square > 0.0).then(|| along / square)
}

/// The observations of a quantity in one state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Response {
    /// The state.
    pub state: f64,
    /// Mean of the quantity.
    pub mean: f64,
    /// Number of values in the mean.
    pub weight: f64,
}

/// The t value of the weighted least-squares slope of the quantity on the state: how certain it is that the quantity
/// rises with the state. 0 with fewer than 4 responses, or if the state or the quantity never changes.
#[must_use]
pub fn slope_t(responses: &[Response]) -> f64 {
    let weight: f64 = responses.iter().map(|one| one.weight).sum();
    let mean = |of: fn(&Response) -> f64| responses.iter().map(|one| of(one) * one.weight).sum::<f64>() / weight;
    let (state, quantity) = (mean(|one| one.state), mean(|one| one.mean));
    let sum = |of: &dyn Fn(&Response) -> f64| responses.iter().map(|one| one.weight * of(one)).sum::<f64>();
    let state_square = sum(&|one| (one.state - state) * (one.state - state));
    let square = sum(&|one| (one.mean - quantity) * (one.mean - quantity));
    let product = sum(&|one| (one.state - state) * (one.mean - quantity));
    if !(responses.len() > 3 && state_square > 0.0 && square > 0.0) {
        return 0.0;
    }
    let correlation = product / libm::sqrt(state_square * square);
    correlation * libm::sqrt((responses.len() as f64 - 2.0) / (1.0 - correlation * correlation).max(1e-12))
}

/// The t value of the mean step of `series` over 16 equal parts: how certain it is that the series grows. 0 with
/// fewer than 9 points.
#[must_use]
pub fn growth_t(series: &[f64]) -> f64 {
    let parts = 16.min(series.len().saturating_sub(1));
    if parts < 8 {
        return 0.0;
    }
    let at = |part: usize| series[part * (series.len() - 1) / parts];
    let steps: Vec<f64> = (0..parts).map(|part| at(part + 1) - at(part)).collect();
    let mean = steps.iter().sum::<f64>() / parts as f64;
    let variance = steps.iter().map(|step| (step - mean) * (step - mean)).sum::<f64>() / (parts as f64 - 1.0);
    if variance > 0.0 {
        mean / libm::sqrt(variance / parts as f64)
    } else if mean > 0.0 {
        f64::INFINITY
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uniform draws from a seed (`SplitMix64`), because this layer has no generator.
    fn uniform(seed: u64) -> impl FnMut() -> f64 {
        let mut state = (seed + 1).wrapping_mul(0xD134_2543_DE82_EF95);
        move || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (((mixed ^ (mixed >> 31)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
        }
    }

    /// An AR(1) series of normal steps that keeps `memory` of its last value.
    fn series(memory: f64, count: usize, seed: u64) -> Vec<f64> {
        let mut draw = uniform(seed);
        let mut value = 0.0;
        let mut next = || {
            let normal = libm::sqrt(-2.0 * libm::log(draw())) * libm::cos(std::f64::consts::TAU * draw());
            value = memory * value + libm::sqrt(1.0 - memory * memory) * normal;
            value
        };
        (0..2_000).for_each(|_| {
            next();
        });
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn a_series_is_worth_what_its_memory_leaves() {
        // 1 000 points with correlation e^(−1/τ) have 1 000 / 2τ independent samples. The bound is below that in
        // nearly all series.
        for (tau, least) in [(2.0, 60.0), (10.0, 10.0), (40.0, 1.0)] {
            let truth = 1_000.0 / (2.0 * tau);
            let found: Vec<Mixing> =
                (0..40).map(|seed| mixing(&series(libm::exp(-1.0 / tau), 1_000, seed)).unwrap()).collect();
            let above = found.iter().filter(|found| found.effective_low > truth).count();
            let median = {
                let mut lows: Vec<f64> = found.iter().map(|found| found.effective_low).collect();
                lows.sort_unstable_by(f64::total_cmp);
                lows[20]
            };
            assert!(above <= 2 && median > least, "{tau}: {above} above {truth}, median {median}");
        }
    }

    #[test]
    fn a_series_that_never_returns_is_worth_nothing_in_nearly_all_runs() {
        let worth = (0..40).filter(|seed| mixing(&series(0.999_9, 500, *seed)).unwrap().effective_low > 2.0).count();
        assert!(worth <= 3, "{worth} of 40");
    }

    #[test]
    fn what_never_changes_has_no_memory() {
        assert_eq!(mixing(&[3.0; 100]), None);
        assert_eq!(mixing(&[1.0, 2.0]), None);
    }

    #[test]
    fn a_slope_is_seen_where_there_is_one() {
        let of = |slope: f64| {
            let state = series(0.9, 200, 1);
            let noise = series(0.0, 200, 2);
            let responses = state.iter().zip(&noise).map(|(state, noise)| Response {
                state: *state,
                mean: slope * state + noise,
                weight: 1.0,
            });
            slope_t(&responses.collect::<Vec<_>>())
        };
        assert!(of(1.0) > 8.0 && of(0.0).abs() < 2.0, "{} {}", of(1.0), of(0.0));
    }

    #[test]
    fn growth_is_told_from_coming_and_going() {
        let ramp: Vec<f64> = (0..200).map(|i| f64::from(i) + 3.0 * f64::from(i % 3)).collect();
        let wave: Vec<f64> = (0..200).map(|i| f64::from(i % 40)).collect();
        assert!(growth_t(&ramp) > 5.0 && growth_t(&wave).abs() < 1.0, "{} {}", growth_t(&ramp), growth_t(&wave));
        assert!(growth_t(&[1.0; 3]).abs() < 1e-12);
    }
}
