//! Owns the reading of `AIBrix`'s workload JSONL: instants in milliseconds, each with a list of requests. The lengths
//! of the requests have old keys or new keys.

use serde::Deserialize;

use crate::trace::json::{Figure, parse, tokens_or_none};
use crate::trace::number::{scaled_decimal, shown};
use crate::trace::parser::Parser;
use crate::trace::rows::{Pending, RawRow};

/// Reads one instant per line.
pub(crate) struct AiBrix;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    timestamp: Figure<'a>,
    #[serde(borrow)]
    requests: Vec<Request<'a>>,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow, alias = "Prompt Length")]
    prompt_length: Option<Figure<'a>>,
    /// Output tokens; `null` when they were not recorded.
    #[serde(borrow, alias = "Output Length")]
    output_length: Option<Figure<'a>>,
    #[serde(borrow)]
    session_id: Option<Figure<'a>>,
}

impl Parser for AiBrix {
    fn take(&mut self, text: &str, pending: &mut Pending) -> Result<(), String> {
        let line: Line<'_> = parse(text, "row of an AIBrix workload")?;
        let time = line.timestamp.text();
        let at_ns =
            scaled_decimal(time, 6).ok_or_else(|| format!("timestamp {} is not in milliseconds", shown(time)))?;
        for request in line.requests {
            let row = RawRow {
                at_ns,
                input_tokens: tokens_or_none("prompt_length", request.prompt_length)?,
                output_tokens: tokens_or_none("output_length", request.output_length)?,
            };
            pending.push(row, &[], request.session_id.and_then(Figure::name).as_deref())?;
        }
        Ok(())
    }
}
