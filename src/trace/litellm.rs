//! Owns the reading of `LiteLLM`'s logs: JSON lines of its callbacks (times in seconds since 1970) and rows of its
//! spend table (dates).

use serde::Deserialize;

use crate::trace::json::{Figure, parse, tokens_or_none};
use crate::trace::number::{date_ns, scaled_decimal, shown};
use crate::trace::parser::Parser;
use crate::trace::rows::{Pending, RawRow};
use crate::trace::table::{self, cell_tokens};

/// The keys or columns by which the format is recognised.
pub(crate) const KEYS: [&str; 3] = ["startTime", "prompt_tokens", "completion_tokens"];

/// Reads entries of either kind. `table` is `None` for JSON lines.
pub(crate) struct LiteLlm {
    table: Option<Table>,
}

/// The positions of the columns of a table.
struct Table {
    places: [usize; 3],
    session: Option<usize>,
    end: Option<usize>,
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
    #[serde(borrow, rename = "endTime")]
    end_time: Option<Figure<'a>>,
}

impl LiteLlm {
    /// A parser for a file whose first line is `line`: an object, or a header.
    pub(crate) fn new(line: &str) -> Result<Self, String> {
        let table = (!line.starts_with('{')).then(|| {
            let column = |name| table::column(line, name);
            Ok::<_, String>(Table {
                places: table::places(line, KEYS)?,
                session: column("session_id")?,
                end: column("endTime")?,
            })
        });
        let table = table.transpose()?;
        Ok(Self { table })
    }
}

impl Parser for LiteLlm {
    fn take(&mut self, text: &str, pending: &mut Pending) -> Result<(), String> {
        let refuse = |time: &str| {
            format!("startTime is `{}`, neither a date and time nor a number of seconds since 1970", shown(time))
        };
        let instant = |text: &str| date_ns(text).or_else(|| scaled_decimal(text, 9));
        if let Some(Table { places, session, end }) = &self.table {
            let [time, input, output] = table::pick(text, places)?;
            let at_ns = instant(time).ok_or_else(|| refuse(time))?;
            let row = RawRow {
                at_ns,
                input_tokens: cell_tokens(KEYS[1], input)?,
                output_tokens: cell_tokens(KEYS[2], output)?,
            };
            let field = |place: Option<usize>| place.map(|place| table::pick(text, &[place])).transpose();
            pending.answered_in(field(*end)?.and_then(|[end]| instant(end)).map(|end_ns| end_ns.saturating_sub(at_ns)));
            return pending.push(
                row,
                &[],
                field(*session)?.map(|[session]| session).filter(|session| !session.is_empty()),
            );
        }
        let line: Line<'_> = parse(text, "entry of a LiteLLM log")?;
        let of = |figure: Figure<'_>| {
            if figure.is_text() { instant(figure.text()) } else { scaled_decimal(figure.text(), 9) }
        };
        let at_ns = of(line.start_time).ok_or_else(|| refuse(line.start_time.text()))?;
        let row = RawRow {
            at_ns,
            input_tokens: tokens_or_none(KEYS[1], line.prompt_tokens)?,
            output_tokens: tokens_or_none(KEYS[2], line.completion_tokens)?,
        };
        pending.answered_in(line.end_time.and_then(of).map(|end_ns| end_ns.saturating_sub(at_ns)));
        pending.push(row, &[], line.session_id.and_then(Figure::name).as_deref())
    }
}
