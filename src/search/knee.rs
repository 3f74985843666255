//! Owns `Knee`: the rates between which a service stops keeping up, and the window that would narrow them.

use serde::{Deserialize, Serialize};

use crate::search::signs::knee;
use crate::search::{Bound, PointFindings, Saturation, Stability};

/// Where the knee lies. Rates are requests per second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Knee {
    /// The highest stable rate below the lowest rate that saturates; `null` if no rate is stable.
    pub low_per_s: Option<f64>,
    /// The lowest rate above `low_per_s` that saturates, or the upper bound of the saturation rate if that is
    /// lower; `null` if neither is known.
    pub high_per_s: Option<f64>,
    /// Rates between the two ends that were measured and could not be decided, ascending.
    pub undecided_per_s: Vec<f64>,
    /// The approximate window in seconds (`--duration`) that would decide these rates; `null` if there are none, or
    /// if no window would decide them.
    pub tells_in_s: Option<f64>,
}

impl Knee {
    /// The knee that `points` show; `None` without an answered open load.
    pub(super) fn of(points: &[PointFindings], saturation: Option<&Saturation>) -> Option<Self> {
        let tried: Vec<(f64, Stability)> =
            points.iter().filter_map(|point| point.rate_per_s.zip(point.stability)).collect();
        if tried.is_empty() {
            return None;
        }
        let low = knee(&tried);
        let above = |per_s: &f64| low.is_none_or(|low| *per_s > low);
        let saturated =
            tried.iter().filter(|(_, stability)| *stability == Stability::Saturated).map(|(per_s, _)| *per_s);
        let bound = saturation
            .filter(|saturation| saturation.bound == Bound::Measured)
            .map(|saturation| saturation.interval95_per_s[1]);
        let high = saturated.chain(bound).filter(above).reduce(f64::min);
        let open = |point: &&PointFindings| {
            let between = point.rate_per_s.is_some_and(|per_s| above(&per_s) && high.is_none_or(|high| per_s < high));
            between && matches!(point.stability, Some(Stability::TooShort | Stability::Strained))
        };
        let mut undecided: Vec<f64> = points.iter().filter(open).filter_map(|point| point.rate_per_s).collect();
        undecided.sort_by(f64::total_cmp);
        let tells = points.iter().filter(open).filter_map(|point| point.steadiness?.tells_in_s).reduce(f64::max);
        Some(Self { low_per_s: low, high_per_s: high, undecided_per_s: undecided, tells_in_s: tells.map(rounded_up) })
    }
}

/// Rounds up to two significant digits.
fn rounded_up(value: f64) -> f64 {
    let unit = libm::pow(10.0, libm::floor(libm::log10(value.max(1e-3))) - 1.0);
    let rounded = libm::ceil(value / unit - 1e-9) * unit;
    libm::round(rounded * 1e4) / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::Steadiness;

    fn point(rate_per_s: f64, stability: Stability, tells_in_s: Option<f64>) -> PointFindings {
        PointFindings {
            label: format!("{rate_per_s}/s"),
            plan_fingerprint: String::new(),
            rate_per_s: Some(rate_per_s),
            concurrency: None,
            stability: Some(stability),
            signs: Vec::new(),
            steadiness: Some(Steadiness { range: 9.0, limit: 7.0, steady: false, tells_in_s }),
            completion: None,
            generator_healthy: true,
        }
    }

    #[test]
    fn the_knee_has_two_ends_and_the_window_that_would_decide_between_them() {
        use Stability::{Saturated, Stable, Strained, TooShort};
        let (one, two) = (Some(81.3), Some(120.0));
        for (points, ends, undecided, tells) in [
            (vec![point(1.0, Stable, None), point(2.0, Saturated, None)], (Some(1.0), Some(2.0)), vec![], None),
            (
                vec![
                    point(1.0, Stable, None),
                    point(2.0, TooShort, one),
                    point(3.0, Strained, two),
                    point(4.0, Saturated, None),
                ],
                (Some(1.0), Some(4.0)),
                vec![2.0, 3.0],
                Some(120.0),
            ),
            (vec![point(1.0, TooShort, one), point(2.0, Stable, None)], (Some(2.0), None), vec![], None),
            (vec![point(1.0, TooShort, one)], (None, None), vec![1.0], Some(82.0)),
            (vec![point(1.0, Saturated, None)], (None, Some(1.0)), vec![], None),
        ] {
            let knee = Knee::of(&points, None).unwrap();
            assert_eq!((knee.low_per_s, knee.high_per_s), ends);
            assert_eq!((&knee.undecided_per_s, knee.tells_in_s), (&undecided, tells));
        }
        assert_eq!(Knee::of(&[], None), None);
    }
}
