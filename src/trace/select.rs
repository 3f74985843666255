//! Owns the selection of rows: a window of trace time, a policy for empty rows, a maximum input. Every row left out is
//! counted.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Refusal};
use crate::trace::Trace;
use crate::units::{Offset, Window, parse_duration};

/// The policy for a row with 0 input or 0 output tokens. No request can have 0 of either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnEmpty {
    /// Leave the row out and count it.
    #[default]
    Skip,
    /// Replace 0 by 1 token and count the row.
    Min1,
    /// Refuse the whole trace.
    Fail,
}

impl OnEmpty {
    /// The name that users write.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Min1 => "min1",
            Self::Fail => "fail",
        }
    }
}

impl fmt::Display for OnEmpty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for OnEmpty {
    type Err = Refusal;

    /// Reads `skip`, `min1`, `fail`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        [Self::Skip, Self::Min1, Self::Fail].into_iter().find(|policy| policy.name() == text.trim()).ok_or_else(|| {
            Refusal::new(format!("`{text}` is not a policy for empty rows"), "accepted is skip, min1 or fail")
        })
    }
}

/// Why a row was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovalReason {
    /// The row is outside the window.
    Window,
    /// The row has 0 input or 0 output tokens.
    Empty,
    /// The row has more input tokens than the given maximum.
    MaxInput,
    /// The row belongs to another recording in the same file.
    Segment,
    /// The row is not in the sample.
    Sample,
    /// The row was thinned out to reach a lower rate.
    RateScale,
}

impl RemovalReason {
    /// The reason as a phrase for the screen.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Window => "outside the window",
            Self::Empty => "with 0 input or output tokens",
            Self::MaxInput => "above the option max-input",
            Self::Segment => "in another segment",
            Self::Sample => "outside the sample",
            Self::RateScale => "thinned by the option rate-scale",
        }
    }
}

/// Which rows to take. A row left out is counted under the first reason that applies, in the order window, empty,
/// input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Choice {
    /// Span of trace time. Rows inside are taken, with instants counted from its start. `None`: the whole trace.
    pub window: Option<Window>,
    /// The policy for empty rows; `None`: they are kept unchanged.
    pub on_empty: Option<OnEmpty>,
    /// Maximum number of input tokens; `None`: no maximum.
    pub max_input: Option<u32>,
}

/// The rows taken from a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// The trace with only the rows taken. Their instants are counted from the start of the window.
    pub trace: Trace,
    /// The window that was asked for; `None` when none was.
    pub window: Option<Window>,
    /// Rows read.
    pub read: u64,
    /// Time from the first row read to the last, before any selection.
    pub read_span: Offset,
    /// Number of rows left out, by reason. Reasons without rows are not listed.
    pub dropped: BTreeMap<RemovalReason, u64>,
    /// Number of rows in which a 0 was replaced by 1.
    pub raised: u64,
    /// Copies of rows, added by a loop or by a rate scale: read + copies = rows in `trace` + rows left out.
    pub copies: u64,
    /// The duration of the load, when the rows do not define it: the length of the window, or the length before rows
    /// were left out or added.
    pub length: Option<Duration>,
    /// One sentence for each change made to the rows.
    pub changes: Vec<String>,
}

impl Trace {
    /// Takes the rows that `choice` asks for. Fails when `choice` refuses empty rows and there is one; the error names
    /// `path`, the file of this trace, and the line.
    pub fn select(mut self, choice: &Choice, path: &Path) -> Result<Selection, Error> {
        let read = self.rows().len() as u64 + self.other_segments();
        let read_span = self.rows().last().map_or(Offset::ZERO, |row| row.at);
        let mut dropped = BTreeMap::new();
        if self.other_segments() > 0 {
            dropped.insert(RemovalReason::Segment, self.other_segments());
        }
        let (mut raised, mut refused) = (0, None);
        let (rows, bodies) = self.rows_and_bodies();
        rows.retain_mut(|row| {
            let mut leave_out = |reason| {
                *dropped.entry(reason).or_insert(0) += 1;
                false
            };
            if let Some(window) = choice.window {
                if !window.contains(row.at) {
                    return leave_out(RemovalReason::Window);
                }
                row.at = Offset::from(row.at.since(window.start));
            }
            // A body is sent as it is, whatever is known of its lengths.
            let is_empty = row.input_tokens == 0 || row.output_tokens == 0;
            if is_empty && bodies.of(row.place).is_none() {
                match choice.on_empty {
                    None => {}
                    Some(OnEmpty::Skip) => return leave_out(RemovalReason::Empty),
                    Some(OnEmpty::Min1) => {
                        raised += 1;
                        row.input_tokens = row.input_tokens.max(1);
                        row.output_tokens = row.output_tokens.max(1);
                    }
                    Some(OnEmpty::Fail) => refused = refused.or(Some(*row)),
                }
            }
            if choice.max_input.is_some_and(|most| row.input_tokens > most) {
                return leave_out(RemovalReason::MaxInput);
            }
            true
        });
        if let Some(row) = refused {
            let why = format!(
                "has {} input and {} output tokens, which the option on-empty fail refuses; skip leaves empty rows \
                 out, min1 sends them with 1 token",
                row.input_tokens, row.output_tokens
            );
            return Err(Error::input_at(path, self.line_of(&row), why));
        }
        let length = choice.window.map(|window| window.end.since(window.start));
        Ok(Selection {
            trace: self,
            window: choice.window,
            read,
            read_span,
            dropped,
            raised,
            copies: 0,
            length,
            changes: Vec::new(),
        })
    }
}

/// Reads a span of trace time such as `0s..300s`. Both ends need a unit, and the second end is not part of the span.
pub fn parse_window(text: &str) -> Result<Window, Refusal> {
    let accepted = "accepted is START..END in trace time, as in 0s..300s or 5m..1h";
    let refuse = |why: String| Refusal::new(why, accepted);
    let (start, end) = text.split_once("..").ok_or_else(|| refuse(format!("`{text}` is not a window")))?;
    let end_of = |text: &str| parse_duration(text).map(Offset::from).map_err(|refusal| refuse(refusal.why));
    let window = Window { start: end_of(start)?, end: end_of(end)? };
    if window.start < window.end { Ok(window) } else { Err(refuse(format!("`{text}` ends before it begins"))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Reading;

    fn trace() -> Trace {
        let rows = "0,A,10,5\n1,A,0,0\n2,A,20,0\n3,A,5000,7\n4,A,1,1\n";
        let text = format!("Timestamp,Model,Request tokens,Response tokens\n{rows}");
        Trace::read(text.as_bytes(), Path::new("t.csv"), &Reading::default()).unwrap()
    }

    fn choice(window: Option<&str>, on_empty: OnEmpty, max_input: Option<u32>) -> Choice {
        Choice { window: window.map(|text| parse_window(text).unwrap()), on_empty: Some(on_empty), max_input }
    }

    #[test]
    fn rows_read_are_rows_taken_and_rows_left_out_by_reason() {
        let select = |choice: Choice| trace().select(&choice, Path::new("t.csv")).unwrap();
        let all = select(Choice::default());
        assert_eq!(
            (all.read, all.trace.rows().len(), all.dropped.len()),
            (5, 5, 0),
            "no row may be left out without being asked for"
        );
        let some = select(choice(Some("1s..4s"), OnEmpty::Skip, Some(1_000)));
        assert_eq!(
            some.dropped,
            BTreeMap::from([(RemovalReason::Window, 2), (RemovalReason::Empty, 2), (RemovalReason::MaxInput, 1)])
        );
        assert_eq!((some.read, some.trace.rows().len()), (5, 0));
        let raised = select(choice(Some("1s..3s"), OnEmpty::Min1, None));
        let lengths: Vec<_> = raised
            .trace
            .rows()
            .iter()
            .map(|row| (row.at.as_nanos(), row.input_tokens, row.output_tokens, raised.trace.line_of(row)))
            .collect();
        assert_eq!((lengths, raised.raised), (vec![(0, 1, 1, 3), (1_000_000_000, 20, 1, 4)], 2));
    }

    #[test]
    fn an_empty_row_can_be_refused_with_its_line() {
        let refused = trace().select(&choice(None, OnEmpty::Fail, None), Path::new("t.csv")).unwrap_err().to_string();
        assert!(
            refused.starts_with("t.csv:3: has 0 input and 0 output tokens") && refused.contains("skip"),
            "{refused}"
        );
        assert!(
            trace().select(&choice(Some("3s..9s"), OnEmpty::Fail, None), Path::new("t.csv")).is_ok(),
            "outside the window"
        );
    }

    #[test]
    fn windows_are_half_open_and_have_units() {
        let window = parse_window("5m..1h").unwrap();
        assert_eq!((window.start.as_secs(), window.end.as_secs()), (300.0, 3600.0));
        for text in ["", "300s", "0..300", "3s..2s", "3s..3s", "-1s..3s", "a..b", "..", "1s.."] {
            let refusal = parse_window(text).unwrap_err();
            assert!(refusal.accepted.contains("0s..300s"), "{text}");
        }
    }
}
