//! Owns overdispersion: by how much the counts of dependent requests vary more than those of independent ones.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Hits and trials of one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Batch {
    /// Requests that showed the event.
    pub hits: u64,
    /// Requests.
    pub trials: u64,
}

/// Fewer events than this say nothing about how they cluster.
pub const LEAST_HITS: u64 = 10;

/// Batches below which no variance is estimated.
const LEAST_BATCHES: usize = 8;

/// What batches say about φ, the variance of a count of hits over that of independent trials.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dispersion {
    /// The largest batch-means φ over the batch sizes, at least 1.
    pub plain: f64,
    /// The same, each widened for having been estimated from few batches.
    pub widened: f64,
    /// How many batches carry the hits: (Σ k)² / Σ k², from 1 (one episode) to the number of batches (evenly spread).
    pub episodes: f64,
}

impl Dispersion {
    /// How many episodes the prior is worth.
    const PRIOR_EPISODES: f64 = 6.0;

    /// φ to be used: the widened estimate, shrunk towards the plain one of a more frequent event of the same service (`prior`),
    /// the more the fewer episodes it saw: (φ · e + 6 φ₀) / (e + 6). Alone it would be low exactly when the episodes that make the
    /// tail have not been seen, and intervals would be printed exactly then.
    #[must_use]
    pub fn shrunk(self, prior: Option<Self>) -> f64 {
        match prior {
            None => self.widened,
            Some(prior) => (self.widened * self.episodes + Self::PRIOR_EPISODES * prior.plain) / (self.episodes + Self::PRIOR_EPISODES),
        }
    }
}

/// φ from contiguous batches in order of time. `None` with fewer than 10 hits, 10 non-hits, or 8 batches that hold requests.
///
/// Batch means: φ = Σ (kᵦ − p nᵦ)² / (p (1 − p) Σ nᵦ) · B/(B − 1), p the overall share. Dependence longer than a batch is
/// invisible to it, so neighbours are merged pairwise while at least 8 batches remain, and the largest φ counts, at least 1.
/// Widened is each by (t/z)², t the 97.5 % point of Student's law with B − 1 degrees of freedom and z the normal one.
///
/// With [`Dispersion::shrunk`] towards the exceedances of p90 and [`crate::stats::ranks::quantile_interval`], the 95 % interval of
/// the p99 of M/M/1 sojourn times covers the closed form; measured figures: `metrics/coverage.rs`.
#[must_use]
pub fn dispersion(batches: &[Batch]) -> Option<Dispersion> {
    let hits: u64 = batches.iter().map(|batch| batch.hits).sum();
    let trials: u64 = batches.iter().map(|batch| batch.trials).sum();
    if hits < LEAST_HITS || trials.saturating_sub(hits) < LEAST_HITS {
        return None;
    }
    let share = hits as f64 / trials as f64;
    let episodes = square(hits as f64) / batches.iter().map(|batch| square(batch.hits as f64)).sum::<f64>();
    let mut batches = batches.to_vec();
    let mut largest: Option<Dispersion> = None;
    loop {
        let held = batches.iter().filter(|batch| batch.trials > 0).count();
        if held < LEAST_BATCHES {
            return largest;
        }
        let spread: f64 = batches.iter().map(|batch| square(batch.hits as f64 - share * batch.trials as f64)).sum();
        let degrees = held as f64 - 1.0;
        let phi = spread / (share * (1.0 - share) * trials as f64) * held as f64 / degrees;
        let widened = phi * square(student_point(0.975, degrees) / NORMAL_975);
        let so_far = largest.unwrap_or(Dispersion { plain: 1.0, widened: 1.0, episodes });
        largest = Some(Dispersion { plain: so_far.plain.max(phi), widened: so_far.widened.max(widened), episodes });
        batches = batches.chunks(2).map(joined).collect();
    }
}

/// The 97.5 % point of the standard normal law.
const NORMAL_975: f64 = 1.959_963_984_540_054;

fn square(value: f64) -> f64 {
    value * value
}

fn joined(batches: &[Batch]) -> Batch {
    batches.iter().fold(Batch::default(), |sum, batch| Batch { hits: sum.hits + batch.hits, trials: sum.trials + batch.trials })
}

/// The `share` point of Student's law with `degrees` (≥ 1) of freedom.
#[must_use]
pub fn student_point(share: f64, degrees: f64) -> f64 {
    StudentsT::new(0.0, 1.0, degrees.max(1.0)).map_or(f64::INFINITY, |law| law.inverse_cdf(share))
}

/// Sum and count of one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Portion {
    /// Sum of the values.
    pub sum: f64,
    /// How many.
    pub count: u64,
}

/// The half-width of the one-sided `confidence` interval of a mean by batch means (ratio estimator, Student's t), the largest
/// over batch sizes as in [`dispersion`]. `None` with fewer than 8 batches that hold values.
#[must_use]
pub fn mean_half_width(portions: &[Portion], confidence: f64) -> Option<f64> {
    let count: u64 = portions.iter().map(|portion| portion.count).sum();
    let mean = portions.iter().map(|portion| portion.sum).sum::<f64>() / count as f64;
    let mut portions = portions.to_vec();
    let mut largest: Option<f64> = None;
    loop {
        let held = portions.iter().filter(|portion| portion.count > 0).count();
        if held < LEAST_BATCHES {
            return largest;
        }
        let spread: f64 = portions.iter().map(|portion| square(portion.sum - mean * portion.count as f64)).sum();
        let degrees = held as f64 - 1.0;
        let error = libm::sqrt(spread * held as f64 / degrees) / count as f64;
        largest = Some(largest.unwrap_or(0.0).max(error * student_point(confidence, degrees)));
        let sum = |pair: &[Portion]| pair.iter().fold(Portion::default(), |a, b| Portion { sum: a.sum + b.sum, count: a.count + b.count });
        portions = portions.chunks(2).map(sum).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(hits: impl Iterator<Item = u64>, trials: u64) -> Vec<Batch> {
        hits.map(|hits| Batch { hits, trials }).collect()
    }

    #[test]
    fn counts_that_vary_like_independent_ones_have_phi_near_one() {
        // Binomial(100, 1/2) has standard deviation 5: half the batches 5 above the mean, half 5 below, in an order without waves.
        let counts = batches((0..64u64).map(|i| if (i * 37 + i / 8).is_multiple_of(2) { 45 } else { 55 }), 100);
        let found = dispersion(&counts).unwrap();
        assert!((1.0..1.6).contains(&found.plain), "{found:?}");
        assert!(found.widened > found.plain && found.episodes > 63.0, "{found:?}");
    }

    #[test]
    fn one_burst_has_a_large_phi_and_one_episode() {
        let found = dispersion(&batches((0..64u64).map(|i| if i == 20 { 50 } else { 0 }), 100)).unwrap();
        assert!(found.plain > 49.0 && found.episodes < 1.001, "{found:?}");
    }

    #[test]
    fn dependence_longer_than_a_block_is_found_by_merging() {
        // Eight blocks high, eight low: 64 single blocks see 25, the blocks of 8 see eight times as much.
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
    fn few_episodes_lean_on_the_prior_and_many_do_not() {
        let of = |widened, episodes| Dispersion { plain: widened, widened, episodes };
        assert!((of(2.0, 1.0).shrunk(Some(of(30.0, 60.0))) - 26.0).abs() < 1e-9);
        assert!(of(2.0, 60.0).shrunk(Some(of(30.0, 60.0))) < 5.0);
        assert!((of(2.0, 1.0).shrunk(None) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn the_interval_of_a_mean_widens_with_dependence() {
        let portions = |period: u64| -> Vec<Portion> {
            (0..64u64).map(|i| Portion { sum: if (i / period).is_multiple_of(2) { 110.0 } else { 90.0 }, count: 100 }).collect()
        };
        let (quick, slow) = (mean_half_width(&portions(1), 0.95).unwrap(), mean_half_width(&portions(8), 0.95).unwrap());
        assert!(slow > 2.5 * quick, "{quick} {slow}");
        assert_eq!(mean_half_width(&portions(1)[..7], 0.95), None);
    }
}
