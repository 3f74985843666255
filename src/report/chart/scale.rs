//! Owns `Scale`, the placement of values along an axis, with round ticks.

/// How values are placed along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Kind {
    /// Equal distances for equal differences, from 0.
    Linear,
    /// Like `Linear`, but only as wide as the values need.
    Near,
    /// Like `Linear`, for whole numbers: no tick lies between two of them.
    Whole,
    /// Equal distances for equal ratios.
    Log,
    /// For shares of requests: equal distances for equal ratios of the share above, so that p50, p90, p99 and p99.9
    /// are about equally far apart.
    Tail,
}

/// About how many ticks a linear axis has.
const TICKS: f64 = 6.0;
/// The least width of a `Near` axis, as a share of its values: closer ticks would look alike.
const LEAST_WIDTH: f64 = 0.05;
/// The share of requests at which an axis of shares ends: p99.99.
const TAIL_END: f64 = 0.9999;
/// The ticks of an axis of shares.
const TAIL_TICKS: [f64; 6] = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999];

/// The values at both ends of an axis, and how the values between are placed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    kind: Kind,
    low: f64,
    high: f64,
}

impl Scale {
    /// The scale that holds `values`. `Linear` begins at 0 unless a value is negative; a logarithmic scale ends at 1, 2
    /// or 5 times a power of ten, and ignores values that are not positive.
    pub(super) fn over(kind: Kind, values: impl Iterator<Item = f64>) -> Self {
        let wanted = |value: &f64| value.is_finite() && (kind != Kind::Log || *value > 0.0);
        let (low, high) = values
            .filter(wanted)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        match kind {
            Kind::Tail => {
                let end = TAIL_TICKS.into_iter().find(|tick| *tick >= high).unwrap_or(TAIL_END);
                Self { kind, low: 0.0, high: end.max(0.5) }
            }
            Kind::Log if low > high => Self { kind, low: 0.1, high: 1.0 },
            Kind::Log => {
                let (low, high) = (below(low), above(high));
                Self { kind, low, high: if high > low { high } else { above(high * 1.5) } }
            }
            Kind::Linear | Kind::Near | Kind::Whole if low > high => Self { kind, low: 0.0, high: 1.0 },
            Kind::Linear | Kind::Near | Kind::Whole => {
                let least = LEAST_WIDTH * libm::fabs(low).max(libm::fabs(high));
                let (low, high) = match kind {
                    Kind::Near if high - low < least => {
                        let middle = f64::midpoint(low, high);
                        (middle - least / 2.0, middle + least / 2.0)
                    }
                    Kind::Near => (low, high),
                    _ => (low.min(0.0), high),
                };
                let high = if high > low { high } else { low + 1.0 };
                let step = step(kind, high - low);
                Self { kind, low: libm::floor(low / step) * step, high: libm::ceil(high / step - 1e-9) * step }
            }
        }
    }

    /// The place of `value`, from 0 at the low end to 1 at the high end. Values beyond an end are placed at the end.
    pub(super) fn place(&self, value: f64) -> f64 {
        let place =
            (self.stretched(value) - self.stretched(self.low)) / (self.stretched(self.high) - self.stretched(self.low));
        if place.is_nan() { 0.0 } else { place.clamp(0.0, 1.0) }
    }

    fn stretched(&self, value: f64) -> f64 {
        match self.kind {
            Kind::Linear | Kind::Near | Kind::Whole => value,
            Kind::Log => libm::log10(value.max(self.low)),
            Kind::Tail => -libm::log10(1.0 - value.clamp(0.0, TAIL_END)),
        }
    }

    /// The values to write at the axis, ascending.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let inside = |tick: &f64| *tick >= self.low * (1.0 - 1e-9) && *tick <= self.high * (1.0 + 1e-9);
        match self.kind {
            Kind::Tail => TAIL_TICKS.into_iter().skip(1).filter(inside).collect(),
            Kind::Linear | Kind::Near | Kind::Whole => {
                let step = step(self.kind, self.high - self.low);
                let number = libm::round((self.high - self.low) / step) as usize;
                let first = libm::round(self.low / step);
                (0..=number).map(|place| (first + place as f64) * step).collect()
            }
            Kind::Log => {
                let decades = libm::log10(self.high / self.low);
                let each: &[f64] = if decades > 3.5 {
                    &[1.0]
                } else if decades > 0.9 {
                    &[1.0, 2.0, 5.0]
                } else {
                    &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0]
                };
                let first = libm::floor(libm::log10(self.low)) as i32;
                let last = libm::ceil(libm::log10(self.high)) as i32;
                (first..=last)
                    .flat_map(|exponent| each.iter().map(move |factor| factor * libm::pow(10.0, f64::from(exponent))))
                    .filter(inside)
                    .collect()
            }
        }
    }
}

/// The distance of the ticks over `width`: 1, 2 or 5 times a power of ten.
fn step(kind: Kind, width: f64) -> f64 {
    let rough = width / TICKS;
    let power = libm::pow(10.0, libm::floor(libm::log10(rough)));
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough * 0.999).unwrap_or(10.0);
    let step = factor * power;
    if kind == Kind::Whole { step.max(1.0) } else { step }
}

/// The largest value at most `value` that is 1, 2 or 5 times a power of ten.
fn below(value: f64) -> f64 {
    let power = libm::pow(10.0, libm::floor(libm::log10(value) + 1e-9));
    [5.0, 2.0, 1.0].into_iter().map(|factor| factor * power).find(|end| *end <= value * (1.0 + 1e-9)).unwrap_or(power)
}

/// The smallest value at least `value` that is 1, 2 or 5 times a power of ten.
fn above(value: f64) -> f64 {
    let power = libm::pow(10.0, libm::floor(libm::log10(value) + 1e-9));
    let ends = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power);
    ends.into_iter().find(|end| *end >= value * (1.0 - 1e-9)).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_every_value() {
        for (kind, values, expected) in [
            (Kind::Linear, vec![0.0, 61.0], vec![0.0, 20.0, 40.0, 60.0, 80.0]),
            (Kind::Near, vec![32.0, 51.0], vec![30.0, 35.0, 40.0, 45.0, 50.0, 55.0]),
            (Kind::Linear, vec![3.0], vec![0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]),
            (Kind::Near, vec![100.0, 100.1], vec![97.0, 98.0, 99.0, 100.0, 101.0, 102.0, 103.0]),
            (Kind::Whole, vec![3.0], vec![0.0, 1.0, 2.0, 3.0]),
            (Kind::Linear, vec![], vec![0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
            (Kind::Log, vec![0.03, 1.4], vec![0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0]),
            (Kind::Log, vec![1e-5, 0.0, 30.0], vec![1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0]),
            (Kind::Tail, vec![0.2, 0.997], vec![0.5, 0.9, 0.99, 0.999]),
        ] {
            let scale = Scale::over(kind, values.iter().copied());
            let ticks = scale.ticks();
            let alike = |one: &f64, other: &f64| libm::fabs(one - other) <= 1e-9 * other.abs().max(1e-12);
            assert!(
                ticks.len() == expected.len() && ticks.iter().zip(&expected).all(|(one, other)| alike(one, other)),
                "{kind:?} {values:?}: {ticks:?}"
            );
            assert!(values.iter().all(|value| (0.0..=1.0).contains(&scale.place(*value))));
        }
    }

    #[test]
    fn places_rise_with_values_and_stay_inside() {
        for kind in [Kind::Linear, Kind::Near, Kind::Whole, Kind::Log, Kind::Tail] {
            let values = [0.01, 0.2, 0.5, 0.9, 0.99];
            let scale = Scale::over(kind, values.into_iter());
            let places = values.map(|value| scale.place(value));
            assert!(places.is_sorted() && places[0] < places[4], "{kind:?}: {places:?}");
            assert_eq!((scale.place(-1.0), scale.place(1e12)), (0.0, 1.0), "{kind:?}");
        }
    }
}
