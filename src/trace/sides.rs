//! Owns the optional properties of a row, stored by the row's place: prefix blocks, bodies, sessions, response times,
//! and line numbers.

use serde::{Deserialize, Serialize};

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The prefix block ids of all rows, one list after another. Equal ids stand for equal text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockPool {
    block_tokens: u32,
    /// By place, the start of the row's list in `words`; empty until a row has blocks.
    starts: Vec<u32>,
    /// For each list its length, then its ids. The empty list comes first.
    words: Vec<u64>,
}

impl Default for BlockPool {
    fn default() -> Self {
        Self { block_tokens: Self::USUAL_TOKENS, starts: Vec::new(), words: vec![0] }
    }
}

impl BlockPool {
    /// Tokens in one block, unless a format gives another size.
    pub const USUAL_TOKENS: u32 = 512;

    /// Tokens in one block. The last block of a request may be partial.
    #[must_use]
    pub fn block_tokens(&self) -> u32 {
        self.block_tokens
    }

    /// Whether no row has blocks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.len() <= 1
    }

    /// The block ids of the row at `place`; empty when it has none.
    #[must_use]
    pub fn ids(&self, place: u32) -> &[u64] {
        let start = self.starts.get(place as usize).copied().unwrap_or(0) as usize;
        let length = self.words.get(start).copied().unwrap_or(0) as usize;
        self.words.get(start + 1..start + 1 + length).unwrap_or(&[])
    }

    /// Sets the block size to `tokens`. Refused for 0, and when blocks of another size exist.
    pub(crate) fn sized(&mut self, tokens: u32) -> Result<(), String> {
        if tokens == 0 || (!self.is_empty() && tokens != self.block_tokens) {
            return Err(format!(
                "has blocks of {tokens} tokens after blocks of {}; split the file by block size",
                self.block_tokens
            ));
        }
        self.block_tokens = tokens;
        Ok(())
    }

    /// Stores the blocks of the row at `place`, which must be the next row. Refused when the pool already holds 2^32
    /// words, or the row has more blocks than its tokens can fill.
    pub(crate) fn push(&mut self, place: u32, ids: &[u64], input_tokens: u32) -> Result<(), String> {
        let most = input_tokens.div_ceil(self.block_tokens) as usize;
        if ids.len() > most {
            return Err(format!(
                "has {} hash_ids for {input_tokens} tokens, and blocks of {} tokens make at most {most}; blocks of 512 \
                 tokens are mooncake's, of 16 bailian's, of 64 weka's: check the option format",
                ids.len(),
                self.block_tokens
            ));
        }
        if ids.is_empty() && self.starts.is_empty() {
            return Ok(());
        }
        self.starts.resize(place as usize, 0);
        let start =
            u32::try_from(self.words.len()).map_err(|_| "brings the blocks above the maximum 4294967295; split it")?;
        if ids.is_empty() {
            self.starts.push(0);
        } else {
            self.starts.push(start);
            self.words.push(ids.len() as u64);
            self.words.extend_from_slice(ids);
        }
        Ok(())
    }
}

/// The request bodies of all rows that have one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Bodies {
    /// By place; empty until a row has a body.
    of: Vec<Option<Arc<str>>>,
    /// Number of rows with headers of their own, which are not kept.
    with_headers: u64,
}

impl Bodies {
    /// The number of rows with a body.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.of.iter().flatten().count() as u64
    }

    /// The body of the row at `place`, if it has one.
    #[must_use]
    pub fn of(&self, place: u32) -> Option<&str> {
        self.of.get(place as usize)?.as_deref()
    }

    /// Number of rows with headers of their own, which are not kept.
    #[must_use]
    pub fn with_headers(&self) -> u64 {
        self.with_headers
    }

    /// Stores the body of the row at `place`, which must be the next row.
    pub(crate) fn push(&mut self, place: u32, body: Option<Arc<str>>, has_headers: bool) {
        self.with_headers += u64::from(has_headers);
        if body.is_none() && self.of.is_empty() {
            return;
        }
        self.of.resize(place as usize, None);
        self.of.push(body);
    }
}

/// Which rows are turns of one conversation, and the name of that conversation in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sessions {
    /// By place, the session from 1, or 0 for none; empty until a row has a session.
    of: Vec<u32>,
    names: Vec<Box<str>>,
}

impl Sessions {
    /// The number of sessions.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.names.len() as u32
    }

    /// The session of the row at `place`, from 0; `None` when the row has none.
    #[must_use]
    pub fn of(&self, place: u32) -> Option<u32> {
        self.of.get(place as usize).copied().unwrap_or(0).checked_sub(1)
    }

    /// The name of session `number` in the file; empty for an unknown number.
    #[must_use]
    pub fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", |name| name)
    }
}

/// The sessions of a trace while it is read.
#[derive(Debug, Default)]
pub(crate) struct NewSessions {
    sessions: Sessions,
    known: HashMap<Box<str>, u32>,
}

impl NewSessions {
    /// The number of the session `name`, from 0. A new name gets the next number.
    pub(crate) fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.known.get(name) {
            return *number;
        }
        let number = self.sessions.names.len() as u32;
        self.sessions.names.push(name.into());
        self.known.insert(name.into(), number);
        number
    }

    /// Stores the session of the row at `place`, which must be the next row.
    pub(crate) fn push(&mut self, place: u32, name: Option<&str>) {
        let of = &mut self.sessions.of;
        if name.is_none() && of.is_empty() {
            return;
        }
        of.resize(place as usize, 0);
        let number = name.map_or(0, |name| self.number(name) + 1);
        self.sessions.of.push(number);
    }

    pub(crate) fn finish(self) -> Sessions {
        self.sessions
    }
}

/// By place, the recorded response time in whole milliseconds; empty until one is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct AnswerTimes {
    ms: Vec<u32>,
}

impl AnswerTimes {
    const UNKNOWN: u32 = u32::MAX;

    /// Stores the response time `ns` (nanoseconds) of the row at `place`, which must be the next row. A time below 0 or
    /// above 2^32 ms (about 50 days) counts as unknown.
    pub(crate) fn push(&mut self, place: u32, ns: Option<i64>) {
        let ms = ns.filter(|ns| *ns >= 0).and_then(|ns| u32::try_from(ns.saturating_add(500_000) / 1_000_000).ok());
        if ms.is_none() && self.ms.is_empty() {
            return;
        }
        self.ms.resize(place as usize, Self::UNKNOWN);
        self.ms.push(ms.unwrap_or(Self::UNKNOWN));
    }

    /// Whether no response time is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.ms.is_empty()
    }

    /// The response time of the row at `place`; `None` when it is unknown.
    pub(crate) fn of(&self, place: u32) -> Option<Duration> {
        let ms = self.ms.get(place as usize).filter(|ms| **ms != Self::UNKNOWN)?;
        Some(Duration::from_millis(u64::from(*ms)))
    }
}

/// The line of each place, stored as runs of consecutive lines. A file without blank lines has one run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LineRuns {
    /// The first place and the first line of each run.
    runs: Vec<(u32, u64)>,
}

impl LineRuns {
    /// Stores the `line` of the row at `place`, which must be the next row.
    pub(crate) fn push(&mut self, place: u32, line: u64) {
        if self.of(place) != line {
            self.runs.push((place, line));
        }
    }

    /// The line of the row at `place`, from 1; 0 when no row is stored.
    pub(crate) fn of(&self, place: u32) -> u64 {
        let next = self.runs.partition_point(|(start, _)| *start <= place);
        next.checked_sub(1).map_or(0, |run| self.runs[run].1 + u64::from(place - self.runs[run].0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_empty_until_a_row_needs_it() {
        let (mut pool, mut new, mut lines) = (BlockPool::default(), NewSessions::default(), LineRuns::default());
        for (place, ids, name, line) in [
            (0, &[][..], None, 2),
            (1, &[], None, 3),
            (2, &[7, 8], Some("a"), 5),
            (3, &[], None, 6),
            (4, &[9], Some("b"), 6),
        ] {
            pool.push(place, ids, 1_024).unwrap();
            new.push(place, name);
            lines.push(place, line);
            assert_eq!((pool.is_empty(), new.sessions.of.is_empty()), (place < 2, place < 2));
        }
        let sessions = new.finish();
        assert_eq!(
            [0, 1, 2, 3, 4, 5].map(|place| pool.ids(place).to_vec()),
            [vec![], vec![], vec![7, 8], vec![], vec![9], vec![]]
        );
        assert_eq!([1, 2, 3, 4, 5].map(|place| sessions.of(place)), [None, Some(0), None, Some(1), None]);
        assert_eq!((sessions.name(1), sessions.name(9), sessions.number()), ("b", "", 2));
        assert_eq!(([0, 1, 2, 3, 4].map(|place| lines.of(place)), lines.runs.len()), ([2, 3, 5, 6, 6], 3));
    }
}
