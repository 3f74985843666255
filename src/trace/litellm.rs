//! Owns `LiteLLM`'s logs: JSON lines of its callbacks (times in seconds since 1970) and rows of its spend table (dates).

use serde::Deserialize;

use crate::trace::format::Parser;
use crate::trace::json::{Figure, parse, tokens_or_none};
use crate::trace::number::{date_ns, scaled_decimal, shown, tokens};
use crate::trace::rows::{Pending, RawRow};
use crate::trace::table;

/// The keys or columns it is known by.
pub(crate) const KEYS: [&str; 3] = ["startTime", "prompt_tokens", "completion_tokens"];

/// Reads entries of either kind; a table's columns stand at `places`.
pub(crate) struct LiteLlm {
    table: Option<([usize; 3], Option<usize>)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
struct Line<'a> {
    #[serde(borrow, rename = "startTime")]
    start_time: Figure<'a>,
    #[serde(borrow)]
    prompt_tokens: Option<Figure<'a>>,
    #[serde(borrow)]
    completion_tokens: Option<Figure<'a>>,
    #[serde(borrow)]
    session_id: Option<Figure<'a>>,
}

impl LiteLlm {
    /// For a file that starts with `line`: an object, or a header.
    pub(crate) fn new(line: &str) -> Result<Self, String> {
        let table = if line.starts_with('{') { None } else { Some((table::places(line, KEYS)?, table::column(line, "session_id"))) };
        Ok(Self { table })
    }
}

impl Parser for LiteLlm {
    fn take(&mut self, text: &str, pending: &mut Pending) -> Result<(), String> {
        let refuse = |time: &str| format!("startTime is `{}`, neither a date and time nor a number of seconds since 1970", shown(time));
        if let Some((places, session)) = &self.table {
            let [time, input, output] = table::pick(text, places)?;
            let at_ns = date_ns(time).or_else(|| scaled_decimal(time, 9)).ok_or_else(|| refuse(time))?;
            let row = RawRow { at_ns, input_tokens: tokens(KEYS[1], input)?, output_tokens: tokens(KEYS[2], output)? };
            let session = session.map(|place| table::pick(text, &[place])).transpose()?.map(|[session]| session);
            return pending.push(row, &[], session.filter(|session| !session.is_empty()));
        }
        let line: Line<'_> = parse(text, "entry of a LiteLLM log")?;
        let time = line.start_time.text();
        let at_ns = if line.start_time.is_text() { date_ns(time) } else { None };
        let at_ns = at_ns.or_else(|| scaled_decimal(time, 9)).ok_or_else(|| refuse(time))?;
        let row = RawRow {
            at_ns,
            input_tokens: tokens_or_none(KEYS[1], line.prompt_tokens)?,
            output_tokens: tokens_or_none(KEYS[2], line.completion_tokens)?,
        };
        pending.push(row, &[], line.session_id.and_then(Figure::name).as_deref())
    }
}
