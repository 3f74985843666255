//! Owns the one-sample Kolmogorov–Smirnov test: its statistic, its critical value.

/// The Kolmogorov–Smirnov distance between the sample `sorted` (ascending) and the law `cdf`, 0 to 1; 0 for an empty
/// sample.
///
/// D = max over i of max(i/n − F(xᵢ), F(xᵢ) − (i − 1)/n). If each value is known only to ±`rounding`, the result is
/// the smallest distance that an unrounded sample could have: i/n is compared with F(xᵢ + rounding), (i − 1)/n with
/// F(xᵢ − rounding).
pub fn ks_distance(sorted: &[f64], rounding: f64, cdf: impl Fn(f64) -> f64) -> f64 {
    let n = sorted.len() as f64;
    let mut largest = 0.0_f64;
    for (i, x) in sorted.iter().enumerate() {
        let above = (i + 1) as f64 / n - cdf(x + rounding);
        let below = cdf(x - rounding) - i as f64 / n;
        largest = largest.max(above).max(below);
    }
    largest
}

/// The distance that a sample of `n` from the true law exceeds with probability `alpha` (0 < α < 1); infinite for n =
/// 0.
///
/// K / (√n + 0.12 + 0.11/√n), where K is the upper quantile of Kolmogorov's limit law: Stephens, "EDF statistics for
/// goodness of fit", JASA 69 (1974) 730–737, table 1A.
#[must_use]
pub fn ks_critical(n: u64, alpha: f64) -> f64 {
    if n == 0 {
        return f64::INFINITY;
    }
    let root = libm::sqrt(n as f64);
    kolmogorov_quantile(alpha) / (root + 0.12 + 0.11 / root)
}

/// P(K > x) of Kolmogorov's limit law: 2 Σ (−1)^(j−1) exp(−2 j² x²).
fn kolmogorov_tail(x: f64) -> f64 {
    let mut sum = 0.0;
    let mut sign = 1.0;
    for j in 1..=100 {
        let j = f64::from(j);
        let term = libm::exp(-2.0 * j * j * x * x);
        sum += sign * term;
        sign = -sign;
        if term < 1e-18 {
            break;
        }
    }
    2.0 * sum
}

/// The x with P(K > x) = `alpha`, by bisection between 0.2 and 7, where the tail falls from 1 to below 1e-40.
fn kolmogorov_quantile(alpha: f64) -> f64 {
    let (mut low, mut high) = (0.2, 7.0);
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if kolmogorov_tail(middle) > alpha {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_the_limit_law_match_the_published_table() {
        // Smirnov, "Table for estimating the goodness of fit of empirical distributions", Ann. Math. Stat. 19 (1948).
        for (alpha, published) in [(0.10, 1.2238), (0.05, 1.3581), (0.01, 1.6276), (0.001, 1.9495)] {
            assert!((kolmogorov_quantile(alpha) - published).abs() < 1e-4, "α = {alpha}");
        }
        // From 2·exp(−2x²) = α, exact here to 17 digits.
        assert!((kolmogorov_quantile(1e-4) - (0.5 * (2e4_f64).ln()).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn critical_values_match_the_exact_finite_ones() {
        // Exact: Miller, "Table of percentage points of Kolmogorov statistics", JASA 51 (1956).
        for (n, alpha, exact) in
            [(10, 0.05, 0.409_25), (20, 0.05, 0.294_08), (100, 0.05, 0.134_03), (100, 0.01, 0.160_81)]
        {
            let critical = ks_critical(n, alpha);
            assert!((critical - exact).abs() < 0.005 * exact, "n = {n}: {critical} against {exact}");
        }
        assert!(ks_critical(0, 0.05).is_infinite());
    }

    #[test]
    fn the_distance_is_the_largest_step_from_the_law() {
        let uniform = |x: f64| x.clamp(0.0, 1.0);
        assert!((ks_distance(&[0.25, 0.75], 0.0, uniform) - 0.25).abs() < 1e-15);
        assert!((ks_distance(&[0.9], 0.0, uniform) - 0.9).abs() < 1e-15);
        assert!(ks_distance(&[], 0.0, uniform).abs() < 1e-300);
    }

    #[test]
    fn rounding_is_never_counted_against_the_law() {
        // A fine uniform sample rounded to tenths: without the allowance, the ties look like a deviation from the
        // law.
        let rounded: Vec<f64> = (0..1000).map(|i| (f64::from(i) / 100.0).round() / 10.0).collect();
        let uniform = |x: f64| x.clamp(0.0, 1.0);
        assert!(ks_distance(&rounded, 0.0, uniform) > 0.04);
        assert!(ks_distance(&rounded, 0.05, uniform) < 0.002);
    }
}
