//! Owns the curve: the share of requests that miss an objective as a function of the level, with three parameters.
//!
//! share(r) = f + (1 − f) e^−y(r), y(r) = ln(1/a) (d(r) / d(R))^b. R is the answer, at which the share equals the
//! allowed share. f is the share of misses that load does not cause. a is the rest of the allowed share. b is the
//! bend. d is the distance to the wall, 1 − ρ. With f = 0 and b = 1 this is the sojourn time of M/M/1. The curve
//! proposes the next probe and weighs probes near the answer.

/// Whether the axis has a wall: a level at which every request misses, whatever the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The wall is the rate that the saturated service completes. d is the distance to it.
    Wall,
    /// Closed loops and traces; rates of a service that refuses requests, or that has a higher throughput when it
    /// is not saturated. d is 1/level.
    Open,
}

/// Utilisation above which the distance to the wall decays exponentially and does not reach 0 at the wall, because
/// the capacity is an estimate.
pub(super) const MOST_BUSY: f64 = 0.985;
/// Bounds of y, so that no share is taken for certain.
const LEAST_DEPTH: f64 = 0.02;
const MOST_DEPTH: f64 = 14.0;
/// Floors of the grid, as parts of the allowed share; the first is no floor.
const FLOORS: [f64; 11] = [0.0, 0.12, 0.25, 0.4, 0.55, 0.7, 0.82, 0.91, 0.96, 0.985, 0.995];
/// Prior probability that load causes all misses.
const NO_FLOOR: f64 = 0.7;
/// Without a floor, the unloaded service misses this part of the allowed share: hardly ever.
const HARDLY: f64 = 1e-3;
/// Floors whose weight, by the prior, the unloaded service and the moderate probes alone, is below this part of the
/// largest weight are left out.
const UNLIKELY: f64 = 1e-6;
/// Median of the prior of the bend, and the standard deviations of its logarithm below and above the median. M/M/1
/// has bend 1, and other light-tailed queues nearly 1. Heavy-tailed services have 0.3, because their misses rise
/// slowly with the rate. Engines with limits on the time between tokens have up to 3.
const BEND: f64 = 1.1;
const BEND_SPREADS: [f64; 2] = [0.55, 0.4];
/// The prior of the bend without a wall, for closed loops and traces.
const OPEN_BEND: f64 = 4.0;
const OPEN_BEND_SPREADS: [f64; 2] = [0.9, 0.9];
/// Points of the grid over the bend, in standard deviations from the median.
const BEND_SIGMAS: [f64; 11] = [-2.4, -1.8, -1.3, -0.9, -0.45, 0.0, 0.45, 0.9, 1.4, 1.9, 2.5];

/// One bend of the grid with the logarithm of its prior weight.
pub(super) fn bends(shape: Shape) -> Vec<(f64, f64)> {
    let (median, spreads) = if shape == Shape::Wall { (BEND, BEND_SPREADS) } else { (OPEN_BEND, OPEN_BEND_SPREADS) };
    let of = |sigma: f64| (median * libm::exp(sigma * spreads[usize::from(sigma > 0.0)]), -sigma * sigma / 2.0);
    BEND_SIGMAS.into_iter().map(of).collect()
}

/// The median of the bend's prior.
pub(super) const fn median_bend(shape: Shape) -> f64 {
    if matches!(shape, Shape::Wall) { BEND } else { OPEN_BEND }
}

/// The distance of a utilisation to the wall.
fn distance(busy: f64) -> f64 {
    let least = 1.0 - MOST_BUSY;
    if busy < MOST_BUSY { 1.0 - busy } else { least * libm::exp(-(busy - MOST_BUSY) / least) }
}

/// ln d at a level (given as a logarithm).
pub(super) fn reach(shape: Shape, level: f64, end: f64) -> f64 {
    match shape {
        Shape::Wall => libm::log(distance(libm::exp(level) / end)),
        Shape::Open => -level,
    }
}

/// A share of misses that load does not cause, with the logarithms of share(y) and 1 − share(y).
pub(super) struct Floor {
    /// f, the share of all requests that miss whatever the load.
    pub(super) share: f64,
    /// y at the answer: ln(1/a).
    pub(super) depth: f64,
    /// Logarithm of the prior weight times the likelihood of the misses of the unloaded service and of moderate
    /// probes, relative to the largest.
    pub(super) log_weight: f64,
    table: Vec<[f64; 2]>,
}

impl Floor {
    const CELLS: usize = 1_024;
    const PER_ROOT: f64 = Self::CELLS as f64 / 3.75;

    /// The floors worth considering if the share `allowed` may miss. They are judged by the misses of the unloaded
    /// service and by those of probes at moderate levels: (misses, decided), in effective requests. A loaded
    /// service refutes a floor above its share of misses, but not one below it.
    pub(super) fn all(allowed: f64, unloaded: (f64, f64), moderate: &[(f64, f64)]) -> Vec<Self> {
        let others = (1.0 - NO_FLOOR) / (FLOORS.len() - 1) as f64;
        let of = |(misses, decided): (f64, f64), share: f64| {
            misses * libm::log(share) + (decided - misses) * libm::log(1.0 - share)
        };
        let weighed = FLOORS.into_iter().map(|part| {
            let share = allowed * part.max(HARDLY);
            // If all requests missed, no floor is too high.
            let at_most = |seen: &(f64, f64)| of(*seen, share.max(seen.0 / seen.1.max(1.0)).min(1.0 - HARDLY));
            let likelihood = of(unloaded, share) + moderate.iter().map(at_most).sum::<f64>();
            (allowed * part, likelihood + libm::log(if part > 0.0 { others } else { NO_FLOOR }))
        });
        let weighed: Vec<(f64, f64)> = weighed.collect();
        let most = weighed.iter().map(|(_, weight)| *weight).fold(f64::NEG_INFINITY, f64::max);
        let likely = weighed.into_iter().filter(|(_, weight)| *weight > most + libm::log(UNLIKELY));
        likely.map(|(share, weight)| Self::new(share, allowed, weight - most)).collect()
    }

    fn new(share: f64, allowed: f64, log_weight: f64) -> Self {
        let at = |cell: usize| {
            let root = cell as f64 / Self::PER_ROOT;
            let missed = share + (1.0 - share) * libm::exp(-(root * root).max(LEAST_DEPTH));
            [libm::log(missed), libm::log(1.0 - missed)]
        };
        let depth = -libm::log((allowed - share) / (1.0 - share));
        Self { share, depth, log_weight, table: (0..=Self::CELLS + 1).map(at).collect() }
    }

    /// ln share and ln(1 − share) at depth y.
    pub(super) fn logs(&self, depth: f64) -> [f64; 2] {
        let place = libm::sqrt(depth.clamp(LEAST_DEPTH, MOST_DEPTH)) * Self::PER_ROOT;
        let cell = place as usize;
        let part = place - cell as f64;
        let ([miss, met], [next_miss, next_met]) = (self.table[cell], self.table[cell + 1]);
        [miss + part * (next_miss - miss), met + part * (next_met - met)]
    }
}

/// The share of misses by a curve with floor `floor` and bend `bend`, if `shift` is ln d(r) − ln d(R).
pub(super) fn share(allowed: f64, floor: f64, bend: f64, shift: f64) -> f64 {
    let floor = floor.clamp(0.0, 0.996 * allowed);
    let depth = -libm::log((allowed - floor) / (1.0 - floor)) * libm::exp(bend * shift);
    floor + (1.0 - floor) * libm::exp(-depth.clamp(LEAST_DEPTH, MOST_DEPTH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_answer_the_allowed_share_misses_whatever_the_floor_and_the_bend() {
        for floor in [0.0, 0.004, 0.0095] {
            for bend in [0.3, 1.0, 3.0] {
                assert!((share(0.01, floor, bend, 0.0) - 0.01).abs() < 1e-9, "{floor} {bend}");
                assert!(share(0.01, floor, bend, -0.5) > 0.01 && share(0.01, floor, bend, 0.5) < 0.01);
                assert!(share(0.01, floor, bend, 5.0) >= floor);
            }
        }
    }

    #[test]
    fn the_table_gives_what_the_formula_gives() {
        for floor in Floor::all(0.01, (1.0, 300.0), &[]) {
            for depth in [0.03, 0.2, 1.0, 4.6, 9.0, 13.0] {
                let missed = floor.share + (1.0 - floor.share) * libm::exp(-depth);
                let [miss, met] = floor.logs(depth);
                assert!(
                    (miss - libm::log(missed)).abs() < 1e-3 && (met - libm::log(1.0 - missed)).abs() < 1e-2,
                    "{depth}: {miss} {met}"
                );
            }
        }
    }

    #[test]
    fn floors_that_the_unloaded_service_refutes_are_not_weighed() {
        assert_eq!(Floor::all(0.01, (0.0, 100_000.0), &[]).len(), 1);
        assert_eq!(Floor::all(0.01, (0.0, 30.0), &[(0.0, 100_000.0)]).len(), 1, "by a moderate load");
        assert!(
            !Floor::all(0.5, (0.0, 600.0), &[(40.0, 40.0), (0.0, 0.0)]).is_empty(),
            "a moderate load of which all missed"
        );
        assert!(Floor::all(0.01, (80.0, 10_000.0), &[]).iter().all(|floor| floor.share > 0.005));
    }
}
