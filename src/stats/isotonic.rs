//! Owns isotonic regression: the rising levels closest to a series.

/// The rising levels closest to the (share, weight) points, which come in order (pool adjacent violators).
#[must_use]
pub fn isotonic(points: impl Iterator<Item = (f64, f64)>) -> Vec<f64> {
    // (sum of weight × share, weight, points) of each level.
    let mut levels: Vec<(f64, f64, usize)> = Vec::new();
    for (share, weight) in points {
        levels.push((weight * share, weight, 1));
        while let [.., before, last] = levels.as_mut_slice()
            && before.0 * last.1 > last.0 * before.1
        {
            *before = (before.0 + last.0, before.1 + last.1, before.2 + last.2);
            levels.pop();
        }
    }
    levels.iter().flat_map(|(sum, weight, count)| std::iter::repeat_n(sum / weight, *count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn isotonic_levels_rise_and_keep_the_mean() {
        for (shares, levels) in [
            (vec![0.1, 0.2, 0.3], vec![0.1, 0.2, 0.3]),
            (vec![0.3, 0.2, 0.1], vec![0.2, 0.2, 0.2]),
            (vec![0.0, 0.4, 0.2, 0.5], vec![0.0, 0.3, 0.3, 0.5]),
            (vec![], vec![]),
        ] {
            let found = isotonic(shares.iter().map(|share| (*share, 100.0)));
            assert!(
                found.len() == levels.len() && found.iter().zip(&levels).all(|(a, b)| (a - b).abs() < 1e-12),
                "{found:?}"
            );
        }
    }
}
