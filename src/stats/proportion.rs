//! Owns the interval of a proportion: Clopper–Pearson with real-valued counts, so that overdispersed counts can be
//! divided by φ.

use statrs::function::beta::beta_reg;

/// One-sided upper confidence bound of a proportion after `hits` of `trials` (both real, 0 ≤ hits ≤ trials): the p at
/// which at most `hits` hits have probability 1 − `confidence`. Clopper and Pearson 1934; `I_p(hits + 1, trials −
/// hits) = confidence`. 1 without trials, or if every trial hit.
#[must_use]
pub fn upper_bound(hits: f64, trials: f64, confidence: f64) -> f64 {
    if !(trials > 0.0 && hits < trials) {
        return 1.0;
    }
    let hits = hits.max(0.0);
    solve(|share| beta_reg(hits + 1.0, trials - hits, share) < confidence)
}

/// One-sided lower confidence bound of a proportion after `hits` of `trials`: `I_p(hits, trials − hits + 1) = 1 −
/// confidence`. 0 without trials or without hits.
#[must_use]
pub fn lower_bound(hits: f64, trials: f64, confidence: f64) -> f64 {
    if !(trials > 0.0 && hits > 0.0) {
        return 0.0;
    }
    let hits = hits.min(trials);
    solve(|share| beta_reg(hits, trials - hits + 1.0, share) < 1.0 - confidence)
}

/// Whether [`upper_bound`] is no higher than `limit`: decided by one value of the incomplete beta function, where the
/// bound itself takes sixty.
#[must_use]
pub fn is_at_most(hits: f64, trials: f64, limit: f64, confidence: f64) -> bool {
    if !(trials > 0.0 && hits < trials) || limit >= 1.0 {
        return limit >= 1.0;
    }
    let hits = hits.max(0.0);
    limit >= 0.0 && beta_reg(hits + 1.0, trials - hits, limit) >= confidence
}

/// Whether [`lower_bound`] exceeds `limit`: decided by one value of the incomplete beta function.
#[must_use]
pub fn exceeds(hits: f64, trials: f64, limit: f64, confidence: f64) -> bool {
    if !(trials > 0.0 && hits > 0.0) || limit >= 1.0 {
        return limit < 0.0;
    }
    let hits = hits.min(trials);
    limit < 0.0 || beta_reg(hits, trials - hits + 1.0, limit) < 1.0 - confidence
}

/// The sample size that certifies `allowed` if the proportion stays at `share`: the trials at which
/// `upper_bound(share · trials, trials)` falls to `allowed`. `None` if no sample is large enough (`share` ≥
/// `allowed`, or beyond 10¹²).
#[must_use]
pub fn trials_to_certify(share: f64, allowed: f64, confidence: f64) -> Option<f64> {
    if !(share >= 0.0 && share < allowed && allowed < 1.0) {
        return None;
    }
    smallest(|trials| is_at_most(share * trials, trials, allowed, confidence))
}

/// The sample size that refutes `allowed` if the proportion stays at `share`: the trials at which `lower_bound(share
/// · trials, trials)` exceeds `allowed`. `None` if no sample is large enough (`share` ≤ `allowed`, or beyond 10¹²).
#[must_use]
pub fn trials_to_refute(share: f64, allowed: f64, confidence: f64) -> Option<f64> {
    if !(share > allowed && share <= 1.0 && allowed >= 0.0) {
        return None;
    }
    smallest(|trials| exceeds(share * trials, trials, allowed, confidence))
}

/// The smallest number of trials at which `enough` holds, to one part in 1 000. `enough` must hold for all larger
/// numbers. `None` beyond 10¹².
fn smallest(enough: impl Fn(f64) -> bool) -> Option<f64> {
    let mut high = 1.0;
    while !enough(high) {
        high *= 2.0;
        if high > 1e12 {
            return None;
        }
    }
    let mut low = high / 2.0;
    while high - low > 1e-3 * high {
        let middle = f64::midpoint(low, high);
        if enough(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

/// The share in [0, 1] where `below` turns false, by bisection to the last bits.
#[must_use]
pub fn solve(below: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if below(middle) { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_percent_is_certified_by_the_published_sample_sizes() {
        // The least n whose Clopper–Pearson upper bound is 1 % with k misses, at 95 % and 99 % confidence.
        for (misses, at_95, at_99) in
            [(0, 299, 459), (1, 473, 662), (2, 628, 838), (10, 1_693, 2_010), (50, 6_323, 6_898)]
        {
            for (needed, confidence) in [(at_95, 0.95), (at_99, 0.99)] {
                let bound = |n: i32| upper_bound(f64::from(misses), f64::from(n), confidence);
                assert!(bound(needed) <= 0.01 && bound(needed - 1) > 0.01, "{misses} of {needed} at {confidence}");
            }
        }
    }

    #[test]
    fn the_bounds_are_those_of_the_textbook() {
        // 10 of 100, two one-sided 97.5 % bounds (R: binom.test(10, 100)).
        assert!((lower_bound(10.0, 100.0, 0.975) - 0.049_004_69).abs() < 1e-7);
        assert!((upper_bound(10.0, 100.0, 0.975) - 0.176_222_6).abs() < 1e-7);
    }

    #[test]
    fn the_requests_still_needed_are_enough_and_barely_so() {
        let trials = trials_to_certify(0.0, 0.01, 0.95).unwrap();
        assert!((298.0..300.0).contains(&trials), "{trials}");
        assert!(trials_to_certify(0.02, 0.01, 0.95).is_none());
        let trials = trials_to_refute(0.02, 0.01, 0.95).unwrap();
        assert!(
            lower_bound(0.02 * trials, trials, 0.95) > 0.01 && lower_bound(0.018 * trials, trials * 0.9, 0.95) <= 0.01
        );
    }

    proptest! {
        #[test]
        fn a_decision_is_the_comparison_with_the_bound(
            trials in 0.0f64..1e5, share in 0.0f64..=1.0, limit in 0.0f64..=1.0, confidence in 0.8f64..0.999
        ) {
            let hits = trials * share;
            let (low, high) = (lower_bound(hits, trials, confidence), upper_bound(hits, trials, confidence));
            // Within the last bits of a bound both decisions are right.
            if (high - limit).abs() > 1e-9 {
                prop_assert_eq!(is_at_most(hits, trials, limit, confidence), high <= limit);
            }
            if (low - limit).abs() > 1e-9 {
                prop_assert_eq!(exceeds(hits, trials, limit, confidence), low > limit);
            }
        }

        #[test]
        fn the_bounds_enclose_the_observed_share(trials in 0.01f64..1e6, share in 0.0f64..=1.0) {
            let hits = trials * share;
            let (low, high) = (lower_bound(hits, trials, 0.95), upper_bound(hits, trials, 0.95));
            prop_assert!(low <= share + 1e-9 && share <= high + 1e-9, "{low} {share} {high}");
        }
    }
}
