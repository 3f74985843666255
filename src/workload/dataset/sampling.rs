//! Owns `Sampling`: which row of a data set a request takes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rand_chacha::rand_core::Rng;

use crate::error::Refusal;
use crate::seed::{Seed, Stream};

/// The order in which requests take rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sampling {
    /// In the order of the file. After the last row the first follows again.
    #[default]
    Sequential,
    /// In an order drawn from the seed. Each row is taken once before any is taken again.
    Shuffled,
    /// Each request draws a row, whatever the others drew.
    WithReplacement,
}

impl Sampling {
    /// All orders.
    pub const ALL: [Self; 3] = [Self::Sequential, Self::Shuffled, Self::WithReplacement];

    /// The name of the order.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::Shuffled => "shuffled",
            Self::WithReplacement => "with-replacement",
        }
    }
}

impl fmt::Display for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Sampling {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::ALL.into_iter().find(|order| order.name() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::name).join(", ");
            Refusal::new(format!("`{text}` is no order of rows"), format!("accepted is {all}"))
        })
    }
}

/// A [`Sampling`] with its seed. The row of a request is a pure function of (order, id).
#[derive(Debug, Clone, PartialEq)]
pub(in crate::workload) enum Order {
    /// The row of the first request, and the number of rows.
    Sequential(u64, u64),
    /// The rows in their drawn order.
    Shuffled(Arc<[u32]>),
    /// The draws, and the number of rows.
    Drawn(Stream, u64),
}

impl Order {
    /// The order of `rows` rows by the stream `rows` of `seed`; `start` is the row of the first request if they are
    /// taken in sequence.
    pub(in crate::workload) fn new(sampling: Sampling, rows: u32, start: u64, seed: Seed) -> Self {
        let stream = seed.stream("rows");
        match sampling {
            Sampling::Sequential => Self::Sequential(start, u64::from(rows)),
            Sampling::WithReplacement => Self::Drawn(stream, u64::from(rows)),
            Sampling::Shuffled => {
                let mut order: Vec<u32> = (0..rows).collect();
                let mut generator = stream.sequence();
                for last in (1..order.len()).rev() {
                    order.swap(last, below(&mut generator, last as u64 + 1) as usize);
                }
                Self::Shuffled(order.into())
            }
        }
    }

    /// The row of request `id`.
    pub(in crate::workload) fn row(&self, id: u64) -> usize {
        match self {
            Self::Sequential(start, rows) => (start.wrapping_add(id) % (*rows).max(1)) as usize,
            Self::Shuffled(order) => {
                order.get((id % order.len().max(1) as u64) as usize).copied().unwrap_or_default() as usize
            }
            Self::Drawn(stream, rows) => below(&mut stream.at(id), *rows) as usize,
        }
    }
}

/// A number below `bound`, uniform up to one part in 2³². The same on every machine.
fn below(generator: &mut impl Rng, bound: u64) -> u64 {
    ((u128::from(generator.next_u64()) * u128::from(bound)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn orders_take_the_rows_that_they_say() {
        let rows = |sampling, ids: std::ops::Range<u64>| {
            ids.map(|id| Order::new(sampling, 50, 0, Seed::new(7)).row(id)).collect::<Vec<_>>()
        };
        assert_eq!(rows(Sampling::Sequential, 48..52), [48, 49, 0, 1]);
        let shuffled = rows(Sampling::Shuffled, 0..50);
        assert_eq!(shuffled.iter().collect::<BTreeSet<_>>().len(), 50, "each row once");
        assert!(!shuffled.is_sorted());
        assert_eq!(rows(Sampling::Shuffled, 50..100), shuffled, "and in the same order again");
        let drawn = rows(Sampling::WithReplacement, 0..50);
        let distinct = drawn.iter().collect::<BTreeSet<_>>().len();
        assert!((20..45).contains(&distinct), "{distinct}");
        assert_eq!(Order::new(Sampling::Sequential, 50, 49, Seed::new(7)).row(1), 0, "from another row");
        let other: Vec<usize> = (0..50).map(|id| Order::new(Sampling::Shuffled, 50, 0, Seed::new(8)).row(id)).collect();
        assert_ne!(other, shuffled);
    }
}
