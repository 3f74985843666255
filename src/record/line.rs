//! Owns one line of the records file: its keys, and the way from and to `Record`.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::record::{Counting, Exchange, Failure, Origin, Outcome, OutcomeName, Record, Usage};
use crate::units::{Offset, is_unsaid};

/// A record as written. Absent values are left out, never `null`: this halves the bytes, and JSON readers treat both
/// alike.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line<'a> {
    id: u64,
    #[serde(borrow)]
    class: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    turn: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    turns: Option<u32>,
    origin: Origin,
    scheduled_s: Offset,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    built_late_s: Option<Offset>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sent_s: Option<Offset>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connected_s: Option<Offset>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    written_s: Option<Offset>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    headers_s: Option<Offset>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_event_s: Option<Offset>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_token_s: Option<Offset>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_answer_s: Option<Offset>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_token_s: Option<Offset>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_s: Option<Offset>,
    #[serde(default, skip_serializing_if = "<[u32]>::is_empty")]
    event_gaps_us: Cow<'a, [u32]>,
    #[serde(default, skip_serializing_if = "<[u32]>::is_empty")]
    event_tokens: Cow<'a, [u32]>,
    events: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_event_tokens: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counting: Option<CountingLine>,
    #[serde(default, skip_serializing_if = "is_unsaid")]
    hidden_tokens: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wake_lag_s: Option<Offset>,
    #[serde(default, skip_serializing_if = "is_unsaid")]
    one_read: bool,
    #[serde(default, skip_serializing_if = "is_unsaid")]
    usage_odd: bool,
    #[serde(default, skip_serializing_if = "is_unsaid")]
    retried: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cached_tokens: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counted_input_tokens: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counted_output_tokens: Option<u32>,
    asked_input_tokens: u32,
    asked_output_tokens: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancel_after_s: Option<Offset>,
    outcome: OutcomeName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<Cow<'a, Failure>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    finish_reason: Option<Cow<'a, str>>,
    #[serde(borrow)]
    target: Cow<'a, str>,
    #[serde(borrow)]
    model: Cow<'a, str>,
}

/// [`Counting`] as written.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CountingLine {
    first_s: Offset,
    first_tokens: u32,
    last_s: Offset,
    last_tokens: u32,
}

impl From<Counting> for CountingLine {
    fn from(of: Counting) -> Self {
        let Counting { first, first_tokens, last, last_tokens } = of;
        Self { first_s: first, first_tokens, last_s: last, last_tokens }
    }
}

impl From<CountingLine> for Counting {
    fn from(line: CountingLine) -> Self {
        let CountingLine { first_s, first_tokens, last_s, last_tokens } = line;
        Self { first: first_s, first_tokens, last: last_s, last_tokens }
    }
}

impl<'a> Line<'a> {
    /// The line of `record`, with the two lists if `full`.
    pub(super) fn of(record: &'a Record, full: bool) -> Self {
        let exchange = &record.exchange;
        let list = |list: &'a [u32]| Cow::Borrowed(if full { list } else { &[] });
        let failure =
            if let Outcome::Failed(failure) = &exchange.outcome { Some(Cow::Borrowed(failure)) } else { None };
        Self {
            id: record.id,
            class: Cow::Borrowed(&record.class),
            session: record.session,
            turn: record.turn,
            turns: record.turns,
            origin: record.origin,
            scheduled_s: record.scheduled,
            sent_s: exchange.sent,
            connected_s: exchange.connected,
            written_s: exchange.written,
            headers_s: exchange.headers,
            first_event_s: exchange.first_event,
            first_token_s: exchange.first_token,
            first_answer_s: exchange.first_answer,
            last_token_s: exchange.last_token,
            ended_s: exchange.ended,
            event_gaps_us: list(&exchange.event_gaps_us),
            event_tokens: list(&exchange.event_tokens),
            events: exchange.events,
            first_event_tokens: exchange.first_event_tokens,
            counting: exchange.counting.map(CountingLine::from),
            hidden_tokens: exchange.hidden_tokens,
            built_late_s: exchange.built_late.map(Offset::from),
            wake_lag_s: exchange.wake_lag.map(Offset::from),
            one_read: exchange.one_read,
            usage_odd: exchange.usage_odd,
            retried: exchange.retried,
            input_tokens: exchange.usage.map(|usage| usage.input_tokens),
            output_tokens: exchange.usage.map(|usage| usage.output_tokens),
            cached_tokens: exchange.usage.and_then(|usage| usage.cached_tokens),
            counted_input_tokens: exchange.counted_input_tokens,
            counted_output_tokens: exchange.counted_output_tokens,
            asked_input_tokens: record.asked_input_tokens,
            asked_output_tokens: record.asked_output_tokens,
            cancel_after_s: record.cancel_after.map(Offset::from),
            outcome: OutcomeName::from(&exchange.outcome),
            failure,
            status: exchange.status,
            finish_reason: exchange.finish_reason.as_deref().map(Cow::Borrowed),
            target: Cow::Borrowed(&record.target),
            model: Cow::Borrowed(&record.model),
        }
    }

    /// The record of this line; `names` keeps one copy of repeated names.
    pub(super) fn into_record(self, names: &mut Names) -> Result<Record, String> {
        let usage = match (self.input_tokens, self.output_tokens) {
            (Some(input_tokens), Some(output_tokens)) => {
                Some(Usage { input_tokens, output_tokens, cached_tokens: self.cached_tokens })
            }
            (None, None) if self.cached_tokens.is_none() => None,
            _ => return Err("`input_tokens` and `output_tokens` must both be present or both be absent".to_owned()),
        };
        let outcome = match (self.outcome, self.failure) {
            (OutcomeName::Failed, Some(failure)) => Outcome::Failed(failure.into_owned()),
            (OutcomeName::Failed, None) => return Err("the outcome is `failed` without a failure".to_owned()),
            (_, Some(_)) => return Err("there is a failure, but the outcome is not `failed`".to_owned()),
            (OutcomeName::Completed, None) => Outcome::Completed,
            (OutcomeName::TimedOut, None) => Outcome::TimedOut,
            (OutcomeName::Unresolved, None) => Outcome::Unresolved,
            (OutcomeName::Shed, None) => Outcome::Shed,
            (OutcomeName::Cancelled, None) => Outcome::Cancelled,
            (OutcomeName::Skipped, None) => Outcome::Skipped,
            (OutcomeName::Abandoned, None) => Outcome::Abandoned,
        };
        Ok(Record {
            id: self.id,
            class: names.shared(0, &self.class),
            session: self.session,
            turn: self.turn,
            turns: self.turns,
            origin: self.origin,
            scheduled: self.scheduled_s,
            asked_input_tokens: self.asked_input_tokens,
            asked_output_tokens: self.asked_output_tokens,
            cancel_after: self.cancel_after_s.map(|after| after.since(Offset::ZERO)),
            target: names.shared(1, &self.target),
            model: names.shared(2, &self.model),
            exchange: Exchange {
                sent: self.sent_s,
                connected: self.connected_s,
                written: self.written_s,
                headers: self.headers_s,
                first_event: self.first_event_s,
                first_token: self.first_token_s,
                first_answer: self.first_answer_s,
                last_token: self.last_token_s,
                ended: self.ended_s,
                events: self.events,
                event_gaps_us: self.event_gaps_us.into_owned(),
                event_tokens: self.event_tokens.into_owned(),
                first_event_tokens: self.first_event_tokens,
                counting: self.counting.map(Counting::from),
                hidden_tokens: self.hidden_tokens,
                built_late: self.built_late_s.map(|late| late.since(Offset::ZERO)),
                wake_lag: self.wake_lag_s.map(|lag| lag.since(Offset::ZERO)),
                one_read: self.one_read,
                usage_odd: self.usage_odd,
                retried: self.retried,
                usage,
                counted_input_tokens: self.counted_input_tokens,
                counted_output_tokens: self.counted_output_tokens,
                text: None,
                failed_response: None,
                status: self.status,
                finish_reason: self.finish_reason.map(|reason| Box::from(reason.as_ref())),
                outcome,
            },
        })
    }
}

/// The last class, target and model read: records that repeat them share one copy.
#[derive(Debug, Default)]
pub(super) struct Names([Option<Arc<str>>; 3]);

impl Names {
    fn shared(&mut self, place: usize, name: &str) -> Arc<str> {
        match &self.0[place] {
            Some(last) if **last == *name => last.clone(),
            _ => self.0[place].insert(Arc::from(name)).clone(),
        }
    }
}
