//! Owns `Shard`: which of the N parts of a plan one machine sends.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;

/// Part `number` of `of`, counted from 1, written `2/4`. It holds the requests with index mod `of` = number − 1. The
/// parts together hold each request of the plan exactly once, whatever law its arrivals follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    number: u32,
    of: u32,
}

impl Shard {
    /// Maximum number of parts of one plan.
    pub const MOST: u32 = 10_000;

    /// Part `number` of `of`; refused outside 1 to `of`, and beyond 10 000 parts.
    pub fn new(number: u32, of: u32) -> Result<Self, Refusal> {
        if (1..=of).contains(&number) && of <= Self::MOST {
            Ok(Self { number, of })
        } else {
            Err(Refusal::new(
                format!("there is no shard {number}/{of}"),
                "accepted is i/N with i from 1 to N and N up to 10000, as in 1/2",
            ))
        }
    }

    /// Which part, from 1.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.number
    }

    /// How many parts there are.
    #[must_use]
    pub const fn of(self) -> u32 {
        self.of
    }

    /// Whether the request of this index (from 0) belongs to the part.
    #[must_use]
    pub const fn takes(self, index: u64) -> bool {
        index % self.of as u64 == self.number as u64 - 1
    }
}

impl std::str::FromStr for Shard {
    type Err = Refusal;

    /// Reads `i/N`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refuse =
            || Refusal::new(format!("`{text}` is not a shard"), "accepted is i/N, as in 1/2 and 2/2 for two machines");
        let (number, of) = text.trim().split_once('/').ok_or_else(refuse)?;
        Self::new(number.trim().parse().map_err(|_| refuse())?, of.trim().parse().map_err(|_| refuse())?)
    }
}

impl TryFrom<String> for Shard {
    type Error = Refusal;
    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shards_are_read_as_they_are_shown() {
        for text in ["1/1", "1/2", "2/2", "10000/10000"] {
            assert_eq!(text.parse::<Shard>().unwrap().to_string(), text);
        }
        for text in ["", "1", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "1/10001", "a/b"] {
            let refusal = text.parse::<Shard>().unwrap_err();
            assert!(refusal.accepted.contains("i/N"), "{text}: {refusal}");
        }
    }

    proptest! {
        #[test]
        fn every_request_belongs_to_exactly_one_part(of in 1u32..100, index in any::<u64>()) {
            let takers = (1..=of).filter(|number| Shard::new(*number, of).unwrap().takes(index)).count();
            prop_assert_eq!(takers, 1);
        }
    }
}
