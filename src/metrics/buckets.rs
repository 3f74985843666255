//! Owns `Buckets`, counts by logarithmic class: the layout of `HdrHistogram`, with only the classes between the
//! smallest and the largest value.

use std::ops::AddAssign;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer as V2Deserializer, Serializer as _, V2Serializer};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Counts of whole numbers in classes that are 2^−BITS wide relative to their value. BITS 10 gives 3 significant
/// digits, the classes of an `HdrHistogram` of 3 digits; BITS 6 gives 2 digits. Each number below 2^(BITS + 1) has a
/// class of its own. `C` is the counter, `u32` or `u64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Buckets<const BITS: u32, C> {
    first: usize,
    counts: Vec<C>,
}

impl<const BITS: u32, C> Default for Buckets<BITS, C> {
    fn default() -> Self {
        Self { first: 0, counts: Vec::new() }
    }
}

/// The class of `value`.
fn class_of<const BITS: u32>(value: u64) -> usize {
    let shift = (value | 1).ilog2().saturating_sub(BITS);
    ((shift as usize) << BITS) + (value >> shift) as usize
}

impl<const BITS: u32, C: Copy + Default + AddAssign + From<u32> + Into<u64>> Buckets<BITS, C> {
    /// Counts `value` once.
    pub(super) fn add_one(&mut self, value: u64) {
        let class = class_of::<BITS>(value);
        *self.count_mut(class) += C::from(1);
    }

    fn count_mut(&mut self, class: usize) -> &mut C {
        if self.counts.is_empty() {
            self.first = class;
        } else if class < self.first {
            // The first class rarely moves down, so reserve half an octave more than needed.
            let first = class.saturating_sub(1 << (BITS - 1));
            self.counts.splice(0..0, std::iter::repeat_n(C::default(), self.first - first));
            self.first = first;
        }
        let place = class - self.first;
        if place >= self.counts.len() {
            self.counts.resize(place + 1, C::default());
        }
        &mut self.counts[place]
    }

    /// Adds every count of `other`.
    pub(super) fn merge(&mut self, other: &Self) {
        for (class, count) in other.iter() {
            *self.count_mut(class) += count;
        }
    }

    /// The classes with a count above 0 and their counts, in ascending order.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (usize, C)> {
        let first = self.first;
        let seen = |(_, count): &(usize, C)| (*count).into() > 0;
        self.counts.iter().enumerate().map(move |(place, count)| (first + place, *count)).filter(seen)
    }

    /// Bytes held.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.counts.capacity() * size_of::<C>()
    }

    /// How many numbers were counted.
    pub(super) fn len(&self) -> u64 {
        self.counts.iter().map(|count| (*count).into()).sum()
    }

    /// How many numbers were counted in classes above `class`.
    pub(super) fn above(&self, class: usize) -> u64 {
        let from = (class + 1).saturating_sub(self.first).min(self.counts.len());
        self.counts[from..].iter().map(|count| (*count).into()).sum()
    }

    /// The largest number of `class`.
    pub(super) fn highest(class: usize) -> u64 {
        if class < 2 << BITS {
            return class as u64;
        }
        let shift = (class >> BITS) - 1;
        let sub = (class - (shift << BITS)) as u64;
        ((sub + 1) << shift) - 1
    }
}

impl<const BITS: u32> Buckets<BITS, u64> {
    /// Counts `value` this many `times`.
    pub(super) fn add(&mut self, value: u64, times: u64) {
        *self.count_mut(class_of::<BITS>(value)) += times;
    }
}

/// Significant digits of the histogram that counts are written as: its classes are those of 10 bits, and parts of
/// those of 6 bits.
const DIGITS: u8 = 3;

/// As an `HdrHistogram` in V2 bytes and base64; an empty text without counts.
impl<const BITS: u32, C: Copy + Default + AddAssign + From<u32> + Into<u64>> Serialize for Buckets<BITS, C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut histogram = Histogram::<u64>::new(DIGITS).map_err(S::Error::custom)?;
        for (class, count) in self.iter() {
            histogram.record_n(Self::highest(class), count.into()).map_err(S::Error::custom)?;
        }
        let mut bytes = Vec::new();
        if !histogram.is_empty() {
            V2Serializer::new().serialize(&histogram, &mut bytes).map_err(S::Error::custom)?;
        }
        serializer.serialize_str(&STANDARD.encode(bytes))
    }
}

impl<'de, const BITS: u32, C> Deserialize<'de> for Buckets<BITS, C>
where
    C: Copy + Default + AddAssign + From<u32> + Into<u64> + TryFrom<u64>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)?;
        let mut buckets = Self::default();
        if bytes.is_empty() {
            return Ok(buckets);
        }
        let histogram: Histogram<u64> =
            V2Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(D::Error::custom)?;
        for value in histogram.iter_recorded() {
            let count = C::try_from(value.count_at_value()).map_err(|_| D::Error::custom("a count is too large"))?;
            *buckets.count_mut(class_of::<BITS>(value.value_iterated_to())) += count;
        }
        Ok(buckets)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn classes_are_those_of_hdr_histogram() {
        let hdr = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 3_600_000_000, 3).unwrap();
        for value in [0, 1, 2_047, 2_048, 2_049, 4_095, 4_096, 4_099, 1_000_000, 123_456_789, 3_600_000_000] {
            let class = class_of::<10>(value);
            assert_eq!(Buckets::<10, u64>::highest(class), hdr.highest_equivalent(value), "{value}");
        }
    }

    proptest! {
        #[test]
        fn counts_survive_their_text(values in prop::collection::vec((0u64..1 << 54, 1u64..9), 0..30)) {
            let (mut fine, mut rough) = (Buckets::<10, u64>::default(), Buckets::<6, u32>::default());
            for (value, times) in values {
                fine.add(value, times);
                rough.add_one(value);
            }
            let text = serde_json::to_string(&(&fine, &rough)).unwrap();
            let (fine_again, rough_again): (Buckets<10, u64>, Buckets<6, u32>) = serde_json::from_str(&text).unwrap();
            prop_assert!(fine.iter().eq(fine_again.iter()) && rough.iter().eq(rough_again.iter()), "{}", text);
        }

        #[test]
        fn a_number_lies_in_its_class(value in 0u64..1 << 50) {
            let class = class_of::<6>(value);
            let highest = Buckets::<6, u32>::highest(class);
            prop_assert!(value <= highest && highest as f64 <= value as f64 * 1.016, "{value} {highest}");
            prop_assert!(class == 0 || Buckets::<6, u32>::highest(class - 1) < value);
        }

        #[test]
        fn counts_are_kept_whatever_the_order(mut values in prop::collection::vec(0u64..1 << 40, 1..60),
            from in 0u64..1 << 40) {
            let count = |values: &[u64]| {
                let mut buckets = Buckets::<6, u32>::default();
                for value in values {
                    buckets.add_one(*value);
                }
                buckets
            };
            let forward = count(&values);
            let class = class_of::<6>(from);
            prop_assert_eq!(forward.above(class), values.iter().filter(|value| **value > Buckets::<6,
                u32>::highest(class)).count() as u64);
            let (left, right) = values.split_at(values.len() / 2);
            let mut merged = count(right);
            merged.merge(&count(left));
            values.reverse();
            prop_assert!(forward.iter().eq(count(&values).iter()) && forward.iter().eq(merged.iter()));
            prop_assert_eq!(forward.len(), values.len() as u64);
        }
    }
}
