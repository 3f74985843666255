//! Owns the reading of Mooncake's JSONL: times in milliseconds, lengths in tokens, ids of prefix blocks of 512 tokens.

use serde::Deserialize;

use crate::trace::json::{Figure, parse};
use crate::trace::number::{scaled_decimal, shown, tokens};
use crate::trace::parser::Parser;
use crate::trace::rows::{Pending, RawRow};

/// The keys by which the format is recognised. Related formats have these keys too.
pub(crate) const KEYS: [&str; 3] = ["timestamp", "input_length", "output_length"];

/// Reads rows. Times with a fraction are read only when the user named the format, because they may be in seconds.
pub(crate) struct Mooncake {
    /// Whether the user named the format.
    pub(crate) named: bool,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    timestamp: Figure<'a>,
    #[serde(borrow)]
    input_length: Figure<'a>,
    #[serde(borrow)]
    output_length: Figure<'a>,
    #[serde(default)]
    hash_ids: Vec<u64>,
    #[serde(borrow)]
    session_id: Option<Figure<'a>>,
}

impl Parser for Mooncake {
    fn take(&mut self, text: &str, pending: &mut Pending) -> Result<(), String> {
        let line: Line<'_> = parse(text, "row of a Mooncake trace")?;
        let time = line.timestamp.text();
        if !self.named && time.contains(['.', 'e', 'E']) {
            return Err(format!(
                "timestamp {} has a fraction, so it may be in seconds; if it is in milliseconds, give the option \
                 format mooncake",
                shown(time)
            ));
        }
        let at_ns =
            scaled_decimal(time, 6).ok_or_else(|| format!("timestamp {} is not in milliseconds", shown(time)))?;
        let row = RawRow {
            at_ns,
            input_tokens: tokens(KEYS[1], line.input_length.text())?,
            output_tokens: tokens(KEYS[2], line.output_length.text())?,
        };
        pending.push(row, &line.hash_ids, line.session_id.and_then(Figure::name).as_deref())
    }
}
