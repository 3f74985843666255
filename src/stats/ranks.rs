//! Owns the ranks of the order statistics that enclose a quantile.

use statrs::function::beta::beta_reg;

/// The two-sided confidence interval of the `share` quantile (0 < share < 1) after `effective` independent
/// observations: (low, high) as shares of the sorted sample, each 0 to 1.
///
/// F(X₍ᵣ₎) ~ Beta(r, n + 1 − r). `low` is the largest rank ÷ n that lies above the quantile with at most its part of
/// the risk 1 − confidence. `high` is the smallest rank ÷ n that lies below the quantile with at most its part. Ranks
/// are real-valued, because `effective` = n/φ is real-valued.
///
/// Each side gets half the risk. If the extreme observation on one side has more than half, that side gets the risk
/// of this observation, and the other side gets the rest. `None` if the rest is less than a tenth of the risk (p99 at
/// 95 %: fewer than 309 observations; with equal halves it would be 367).
#[must_use]
pub fn quantile_interval(share: f64, effective: f64, confidence: f64) -> Option<(f64, f64)> {
    let risk = 1.0 - confidence;
    if !(share > 0.0 && share < 1.0 && effective >= 1.0 && risk > 0.0) {
        return None;
    }
    // Probability that the observation of this rank lies below the quantile; falls as the rank rises.
    let below = |rank: f64| beta_reg(rank, effective + 1.0 - rank, share);
    let (least_high, least_low) = (below(effective), 1.0 - below(1.0));
    if least_high.max(least_low) > 0.9 * risk || least_high + least_low > risk {
        return None;
    }
    let high_risk = (risk / 2.0).max(least_high).min(risk - least_low);
    let rank_where = |level: f64| {
        let (mut low, mut high) = (1.0, effective);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if below(middle) > level { low = middle } else { high = middle }
        }
        (low, high)
    };
    Some((rank_where(1.0 - (risk - high_risk)).0 / effective, rank_where(high_risk).1 / effective))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ranks_of_p99_are_those_of_the_binomial_law() {
        // Order statistics that enclose the quantile by the binomial distribution, to the next whole rank.
        for (n, low, high) in [(1_000, 983, 997), (5_000, 4_936, 4_964), (50_000, 49_456, 49_544)] {
            let (from, until) = quantile_interval(0.99, f64::from(n), 0.95).unwrap();
            let (from, until) = ((from * f64::from(n)).floor() as i32, (until * f64::from(n)).ceil() as i32);
            assert!((from - low).abs() <= 1 && (until - high).abs() <= 1, "{n}: {from} {until}");
        }
    }

    #[test]
    fn too_few_observations_have_no_upper_rank() {
        assert!(quantile_interval(0.99, 308.0, 0.95).is_none());
        assert!(quantile_interval(0.99, 310.0, 0.95).is_some());
        assert!(quantile_interval(0.5, 3.0, 0.95).is_none());
    }
}
