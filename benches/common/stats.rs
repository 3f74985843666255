//! Owns the statistics that the benches print.

/// The q-quantile of `values` (nearest rank); NaN for none.
pub(crate) fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1).min(sorted.len().wrapping_sub(1))).copied().unwrap_or(f64::NAN)
}

/// The median; the mean of the two middle values for an even number of values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match (sorted.get(half), sorted.len() % 2) {
        (None, _) => f64::NAN,
        (Some(middle), 1) => *middle,
        (Some(upper), _) => f64::midpoint(*upper, sorted[half - 1]),
    }
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Standard deviation ÷ mean.
pub(crate) fn variation(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() as f64 - 1.0)).sqrt() / mean
}

/// Differences between neighbours of the sorted `instants`.
pub(crate) fn gaps(instants: &[u64]) -> Vec<f64> {
    let mut sorted = instants.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect()
}

/// The Kolmogorov–Smirnov distance of `gaps` from the exponential law of the same mean.
pub(crate) fn exponential_distance(gaps: &[f64]) -> f64 {
    let mut sorted = gaps.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (n, mean) = (sorted.len() as f64, mean(&sorted));
    let distance = |(index, gap): (usize, &f64)| {
        let law = 1.0 - (-gap / mean).exp();
        (law - index as f64 / n).max((index as f64 + 1.0) / n - law)
    };
    sorted.iter().enumerate().map(distance).fold(0.0, f64::max)
}
