//! Owns the reading of `RAGPulse`'s JSONL: whole seconds as text, sessions, and groups of prefix ids whose lengths are
//! in other files.

use serde::Deserialize;

use crate::trace::json::{Figure, parse};
use crate::trace::number::{scaled_decimal, shown, tokens};
use crate::trace::parser::Parser;
use crate::trace::rows::{Pending, RawRow};

/// Reads rows. The prefix ids are ignored, because the file does not give the number of tokens of an id.
pub(crate) struct RagPulse;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    timestamp: Figure<'a>,
    #[serde(borrow)]
    input_length: Figure<'a>,
    #[serde(borrow)]
    output_length: Figure<'a>,
    #[serde(borrow)]
    session_id: Option<Figure<'a>>,
}

impl Parser for RagPulse {
    fn take(&mut self, text: &str, pending: &mut Pending) -> Result<(), String> {
        let line: Line<'_> = parse(text, "row of a RAGPulse trace")?;
        let time = line.timestamp.text();
        let at_ns =
            scaled_decimal(time, 9).ok_or_else(|| format!("timestamp `{}` is not a number of seconds", shown(time)))?;
        let input_tokens = tokens("input_length", line.input_length.text())?;
        let row = RawRow { at_ns, input_tokens, output_tokens: tokens("output_length", line.output_length.text())? };
        pending.push(row, &[], line.session_id.and_then(Figure::name).as_deref())
    }
}
