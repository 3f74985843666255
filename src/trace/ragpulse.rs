//! Owns `RAGPulse`'s JSONL: whole seconds as text, sessions, prefix ids in groups whose lengths stand in other files.

use serde::Deserialize;

use crate::trace::json::{Figure, parse};
use crate::trace::number::{scaled_decimal, shown, tokens};
use crate::trace::parser::Parser;
use crate::trace::rows::{Pending, RawRow};

/// Reads rows. Its prefix ids are left out: how many tokens each stands for is not in the file.
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
            scaled_decimal(time, 9).ok_or_else(|| format!("timestamp `{}` is no number of seconds", shown(time)))?;
        let input_tokens = tokens("input_length", line.input_length.text())?;
        let row = RawRow { at_ns, input_tokens, output_tokens: tokens("output_length", line.output_length.text())? };
        pending.push(row, &[], line.session_id.and_then(Figure::name).as_deref())
    }
}
