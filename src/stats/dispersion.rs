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

/// φ ≥ 1, the variance of the count of hits over that of independent trials, from contiguous batches in order of time.
///
/// Batch means: φ = Σ (kᵦ − p nᵦ)² / (p (1 − p) Σ nᵦ) · B/(B − 1), p the overall share. Dependence longer than a batch is
/// invisible to it, so neighbours are merged pairwise while at least 8 batches remain, and the largest φ counts; each is
/// widened by (t/z)², t the 97.5 % point of Student's law with B − 1 degrees of freedom and z the normal one, because it is itself
/// estimated from B numbers. `None` with fewer than 10 hits, 10 non-hits, or 8 batches that hold requests.
#[must_use]
pub fn overdispersion(batches: &[Batch]) -> Option<f64> {
    let hits: u64 = batches.iter().map(|batch| batch.hits).sum();
    let trials: u64 = batches.iter().map(|batch| batch.trials).sum();
    if hits < LEAST_HITS || trials - hits < LEAST_HITS {
        return None;
    }
    let share = hits as f64 / trials as f64;
    let mut batches = batches.to_vec();
    let mut largest: Option<f64> = None;
    loop {
        let held = batches.iter().filter(|batch| batch.trials > 0).count();
        if held < LEAST_BATCHES {
            return largest;
        }
        let spread: f64 = batches.iter().map(|batch| square(batch.hits as f64 - share * batch.trials as f64)).sum();
        let degrees = held as f64 - 1.0;
        let phi = spread / (share * (1.0 - share) * trials as f64) * held as f64 / degrees;
        let widened = phi * square(student_point(0.975, degrees) / NORMAL_975);
        largest = Some(largest.unwrap_or(1.0).max(widened));
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
/// over batch sizes as in [`overdispersion`]. `None` with fewer than 8 batches that hold values.
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
