//! Owns how single values of another tool's JSON are read.

use serde_json::Value;

use crate::foreign::tool::ForeignStats;

/// The number at `path`, whose keys are separated by `/`.
pub(super) fn number(row: &Value, path: &str) -> Option<f64> {
    path.split('/').try_fold(row, |value, key| value.get(key))?.as_f64().filter(|value| value.is_finite())
}

/// The text at `path`, whose keys are separated by `/`. An empty text is none.
pub(super) fn text(row: &Value, path: &str) -> Option<String> {
    let found = path.split('/').try_fold(row, |value, key| value.get(key))?.as_str()?;
    (!found.is_empty()).then(|| found.to_owned())
}

/// The share of a percentile that is named as `p99`, `p99.9`, `p999` (three nines) or `99%`.
pub(super) fn share(name: &str) -> Option<f64> {
    if name == "median" {
        return Some(0.5);
    }
    let digits = name.strip_prefix('p').or_else(|| name.strip_suffix('%'))?;
    let percent = if digits == "999" { 99.9 } else { digits.parse::<f64>().ok()? };
    (percent > 0.0 && percent < 100.0).then_some(percent / 100.0)
}

/// Statistics of a mean, a largest value and (share, value) pairs, all × `factor`; `None` without any value.
pub(super) fn stats(
    mean: Option<f64>,
    max: Option<f64>,
    quantiles: Vec<(f64, f64)>,
    factor: f64,
) -> Option<ForeignStats> {
    let mut quantiles: Vec<(f64, f64)> = quantiles.into_iter().map(|(share, value)| (share, value * factor)).collect();
    quantiles.sort_by(|one, other| one.0.total_cmp(&other.0));
    quantiles.dedup_by(|one, other| libm::fabs(one.0 - other.0) < 1e-9);
    (mean.is_some() || !quantiles.is_empty()).then(|| ForeignStats {
        mean: mean.map(|value| value * factor),
        max: max.map(|value| value * factor),
        quantiles,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_known_by_each_tools_name() {
        for (name, expected) in [
            ("p99", Some(0.99)),
            ("p99.9", Some(0.999)),
            ("p999", Some(0.999)),
            ("median", Some(0.5)),
            ("25%", Some(0.25)),
            ("max", None),
            ("p0", None),
            ("p100", None),
            ("mean", None),
        ] {
            let found = share(name);
            assert_eq!(found.map(|share| (share * 1e6).round()), expected.map(|share: f64| share * 1e6), "{name}");
        }
    }
}
