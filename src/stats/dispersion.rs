//! Owns overdispersion: how much more the counts of dependent requests vary than the counts of independent requests.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Hits and trials of one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Batch {
    /// Requests that showed the event.
    pub hits: u64,
    /// Requests.
    pub trials: u64,
}

/// Minimum number of hits, and of non-hits, for an estimate: fewer say nothing about how they cluster.
pub const LEAST_HITS: u64 = 10;

/// Minimum number of batches for an estimate of a variance.
pub const LEAST_BATCHES: usize = 8;

/// The estimate of φ from batches. φ is the variance of a count of hits ÷ its variance under independent trials.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dispersion {
    /// The largest batch-means φ over the batch sizes, at least 1.
    pub plain: f64,
    /// How many batches carry the hits: (Σ k)² / Σ k², from 1 (one episode) to the number of batches (evenly spread).
    pub episodes: f64,
}

/// φ from contiguous batches in order of time. `None` with fewer than 10 hits, 10 non-hits, or 8 batches that hold
/// requests.
///
/// Batch means: φ = Σ (kᵦ − p nᵦ)² / (p (1 − p) Σ nᵦ) · B/(B − 1), p the overall share. This formula cannot see
/// dependence longer than a batch. So it is applied to batches of each size (`spreads`), and the result is the largest
/// φ, at least 1.
#[must_use]
pub fn dispersion(batches: &[Batch]) -> Option<Dispersion> {
    let hits: u64 = batches.iter().map(|batch| batch.hits).sum();
    let trials: u64 = batches.iter().map(|batch| batch.trials).sum();
    if hits < LEAST_HITS || trials.saturating_sub(hits) < LEAST_HITS {
        return None;
    }
    let share = hits as f64 / trials as f64;
    let episodes = square(hits as f64) / batches.iter().map(|batch| square(batch.hits as f64)).sum::<f64>();
    let portions: Vec<Portion> =
        batches.iter().map(|batch| Portion { sum: batch.hits as f64, count: batch.trials }).collect();
    let phis = spreads(&portions)
        .into_iter()
        .map(|Spread { held, squares }| squares / (share * (1.0 - share) * trials as f64) * held / (held - 1.0));
    phis.reduce(f64::max).map(|phi| Dispersion { plain: phi.max(1.0), episodes })
}

/// The 95 % point of the standard normal distribution.
const NORMAL_95: f64 = 1.644_853_626_951_472_7;

fn square(value: f64) -> f64 {
    value * value
}

/// How the batches of one size scatter around the overall ratio.
pub(super) struct Spread {
    /// Batches that hold a count, at least 8.
    pub(super) held: f64,
    /// Σ (sum − r count)² over the batches, r the overall Σ sum ÷ Σ count.
    pub(super) squares: f64,
}

/// The spread of `portions`, then that of batches of two, four and more neighbours, while at least 8 batches hold a
/// count: batches do not show dependence that is longer than a batch.
pub(super) fn spreads(portions: &[Portion]) -> Vec<Spread> {
    let whole = joined(portions);
    let ratio = whole.sum / whole.count.max(1) as f64;
    let (mut portions, mut found) = (portions.to_vec(), Vec::new());
    loop {
        let held = portions.iter().filter(|portion| portion.count > 0).count();
        if held < LEAST_BATCHES {
            return found;
        }
        let squares = portions.iter().map(|portion| square(portion.sum - ratio * portion.count as f64)).sum();
        found.push(Spread { held: held as f64, squares });
        portions = portions.chunks(2).map(joined).collect();
    }
}

/// All portions as one.
pub(super) fn joined(portions: &[Portion]) -> Portion {
    portions.iter().fold(Portion::default(), |a, b| Portion { sum: a.sum + b.sum, count: a.count + b.count })
}

/// Degrees of freedom above which Student's law is taken as the normal law: its 99.9 % points differ by 10⁻⁵, and its
/// inverse takes minutes to compute there.
const NORMAL_DEGREES: f64 = 1e5;

/// The `share` point of Student's t distribution with `degrees` (≥ 1) of freedom.
#[must_use]
pub fn student_point(share: f64, degrees: f64) -> f64 {
    if degrees > NORMAL_DEGREES {
        return Normal::new(0.0, 1.0).map_or(f64::INFINITY, |law| law.inverse_cdf(share));
    }
    StudentsT::new(0.0, 1.0, degrees.max(1.0)).map_or(f64::INFINITY, |law| law.inverse_cdf(share))
}

/// Sum and count of one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Portion {
    /// Sum of the values.
    pub sum: f64,
    /// Number of values.
    pub count: u64,
}

/// φ of a mean: the variance of the mean of `portions` ÷ the variance of the mean of as many independent values, each
/// of variance `variance`. Estimated by batch means (ratio estimator) as in [`dispersion`]; at least 1. Each estimate
/// is multiplied by (t/z)² of the 95 % points, because it comes from few batches. `None` with fewer than 8 portions
/// that hold values.
#[must_use]
pub fn mean_dispersion(portions: &[Portion], variance: f64) -> Option<f64> {
    let count = joined(portions).count;
    let phis = spreads(portions).into_iter().map(|Spread { held, squares }| {
        let degrees = held - 1.0;
        let widened = square(student_point(0.95, degrees) / NORMAL_95);
        if variance > 0.0 { squares / (variance * count as f64) * held / degrees * widened } else { 1.0 }
    });
    phis.reduce(f64::max).map(|phi| phi.max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(hits: impl Iterator<Item = u64>, trials: u64) -> Vec<Batch> {
        hits.map(|hits| Batch { hits, trials }).collect()
    }

    #[test]
    fn counts_that_vary_like_independent_ones_have_phi_near_one() {
        // Binomial(100, 1/2) has standard deviation 5. Half the batches lie 5 above the mean, half 5 below, in an
        // order without waves.
        let counts = batches((0..64u64).map(|i| if (i * 37 + i / 8).is_multiple_of(2) { 45 } else { 55 }), 100);
        let found = dispersion(&counts).unwrap();
        assert!((1.0..1.6).contains(&found.plain), "{found:?}");
        assert!(found.episodes > 63.0, "{found:?}");
    }

    #[test]
    fn one_burst_has_a_large_phi_and_one_episode() {
        let found = dispersion(&batches((0..64u64).map(|i| if i == 20 { 50 } else { 0 }), 100)).unwrap();
        assert!(found.plain > 49.0 && found.episodes < 1.001, "{found:?}");
    }

    #[test]
    fn dependence_longer_than_a_block_is_found_by_merging() {
        // Eight blocks high, eight low: 64 single blocks give φ = 25, merged blocks of 8 give eight times as much.
        let found = dispersion(&batches((0..64u64).map(|i| if (i / 8) % 2 == 0 { 75 } else { 25 }), 100)).unwrap();
        assert!(found.plain > 190.0, "{found:?}");
    }

    #[test]
    fn too_little_data_gives_no_phi() {
        assert_eq!(dispersion(&batches((0..64u64).map(|i| u64::from(i < 9)), 100)), None, "nine hits");
        assert_eq!(dispersion(&batches((0..64u64).map(|_| 100), 100)), None, "nothing but hits");
        assert_eq!(dispersion(&batches((0..7u64).map(|_| 50), 100)), None, "seven batches");
        assert_eq!(dispersion(&[]), None);
    }

    #[test]
    fn the_dispersion_of_a_mean_rises_with_the_length_of_its_waves() {
        let portions = |period: u64| -> Vec<Portion> {
            (0..64u64)
                .map(|i| Portion { sum: if (i / period).is_multiple_of(2) { 110.0 } else { 90.0 }, count: 100 })
                .collect()
        };
        let (quick, slow) = (mean_dispersion(&portions(1), 1.0).unwrap(), mean_dispersion(&portions(8), 1.0).unwrap());
        assert!((1.0..1.2).contains(&quick) && slow > 8.0, "{quick} {slow}");
        assert_eq!(mean_dispersion(&portions(1)[..7], 1.0), None);
    }
}
