//! Owns one-sided bounds of the mean of a skewed quantity from few effective observations.

use statrs::function::gamma::gamma_lr;

/// The factor from the observed mean of `effective` (e) independent exponential values to its upper `confidence`
/// bound: e ÷ the (1 − confidence) point of a gamma distribution of shape e. At 95 %: 19.5 for 1 value, 1.84 for 10,
/// 1.19 for 100.
#[must_use]
pub fn mean_factor(effective: f64, confidence: f64) -> f64 {
    effective / gamma_point(effective, 1.0 - confidence)
}

/// The factor from the observed mean to its lower `confidence` bound: e ÷ the `confidence` point of the gamma
/// distribution.
#[must_use]
pub fn mean_factor_down(effective: f64, confidence: f64) -> f64 {
    effective / gamma_point(effective, confidence)
}

/// The `share` point of the gamma distribution of this shape and scale 1, by bisection.
fn gamma_point(shape: f64, share: f64) -> f64 {
    let mut high = shape + 1.0;
    while gamma_lr(shape, high) < share {
        high *= 2.0;
    }
    let mut low = 0.0;
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if gamma_lr(shape, middle.max(1e-300)) < share { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_those_of_the_chi_square_tables() {
        // 2e ÷ χ²(2e): χ² with 2 degrees has its 5 % point at 0.102587, with 20 at 10.851, its 95 % point at 31.410.
        for (effective, expected) in [(1.0, 2.0 / 0.102_587), (10.0, 20.0 / 10.851)] {
            assert!((mean_factor(effective, 0.95) / expected - 1.0).abs() < 1e-4, "{effective}");
        }
        assert!((mean_factor_down(10.0, 0.95) / (20.0 / 31.410) - 1.0).abs() < 1e-4);
    }
}
