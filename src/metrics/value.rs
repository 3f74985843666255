//! Owns the extractors: the value of one metric for one record, by the definitions that `help metrics` prints.

use std::time::Duration;

use crate::metrics::{Metric, OriginOf};
use crate::record::{ONLY_CLASS, Outcome, Record};
use crate::units::Offset;

/// The value of one metric for one record, in ticks of the metric's unit ([`crate::metrics::Unit`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// The value was observed.
    Defined(u64),
    /// The metric does not exist for this request (TPOT at n = 1).
    Undefined,
    /// The request failed, timed out, was shed or abandoned: +∞, or 0 where higher is better.
    Miss,
    /// The request was cut off by our drain or cancelled by the plan. The value is at least this (at most this, where
    /// higher is better).
    Censored(u64),
}

/// How an outcome counts in a metric for which a failed request is a miss.
enum Fate {
    Complete,
    Miss,
    /// Followed until this instant.
    Censored(Offset),
    /// Never asked of the server.
    Absent,
}

/// The latest instant of the record: for a request that did not end, the instant at which it was cut off.
fn last_known(record: &Record) -> Offset {
    let exchange = &record.exchange;
    exchange.ended.or(exchange.last_token).or(exchange.first_event).or(exchange.sent).unwrap_or(record.scheduled)
}

fn fate(record: &Record) -> Fate {
    // A request that the plan cancels is load, even if it ended in time: only fast ones do.
    if record.cancel_after.is_some() {
        return Fate::Absent;
    }
    match record.exchange.outcome {
        Outcome::Completed => Fate::Complete,
        Outcome::Failed(_) | Outcome::TimedOut | Outcome::Shed | Outcome::Abandoned => Fate::Miss,
        Outcome::Unresolved | Outcome::Cancelled => Fate::Censored(last_known(record)),
        Outcome::Skipped => Fate::Absent,
    }
}

/// The generator's own error: from the planned instant until the send began, and from there until the first byte was
/// written. Opening a connection in between belongs to the service. `None` if the send did not begin.
pub(crate) fn send_lag(record: &Record) -> Option<Duration> {
    let exchange = &record.exchange;
    let sent = exchange.sent?;
    let ready = exchange.connected.map_or(sent, |connected| connected.max(sent));
    let written = exchange.written.map_or(Duration::ZERO, |written| written.since(ready));
    Some(sent.since(record.scheduled) + written)
}

fn ticks_between(from: Offset, until: Offset) -> u64 {
    until.as_nanos().saturating_sub(from.as_nanos())
}

/// Output tokens: the server's count, else our tokenizer's count, else the number of token-bearing events, else the
/// number asked for if the answer completed and ended at its length limit, else the server's `usage`. `None` where none
/// of them is known.
#[must_use]
pub fn output_tokens(record: &Record) -> Option<u64> {
    let exchange = &record.exchange;
    // A text in which the tokenizer finds no token still came in events.
    let counted = exchange.counted_output_tokens.filter(|tokens| *tokens > 0);
    let events = Some(exchange.events).filter(|events| *events > 0);
    let planned = || {
        let at_limit = exchange.finish_reason.as_deref() == Some("length") && exchange.outcome == Outcome::Completed;
        Some(record.asked_output_tokens).filter(|asked| at_limit && *asked > 0)
    };
    let known = exchange.server_output_tokens().or(counted).or(events).or_else(planned);
    known.or(exchange.usage.map(|usage| usage.output_tokens)).map(u64::from)
}

/// Input tokens: the server's count; else, for a completed request, our tokenizer's count, else the plan's. `None`
/// where none of them is known.
#[must_use]
pub fn input_tokens(record: &Record) -> Option<u64> {
    let completed = record.exchange.outcome == Outcome::Completed;
    let known = record.exchange.server_input_tokens().or(completed.then(|| sent_input_tokens(record)));
    known.map(u64::from)
}

/// Tokens in the first token-bearing event; 1 where that is not known.
fn tokens_of_first_event(record: &Record) -> u64 {
    let exchange = &record.exchange;
    exchange.first_event_tokens.or(exchange.event_tokens.first().copied()).map_or(1, |tokens| tokens.max(1)).into()
}

/// A stretch of a streamed answer and the tokens in it, from which time per token and output speed are computed.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    ticks: u64,
    tokens: u64,
}

/// The stretch from the first to the last token-bearing event, with the tokens after the first event. Where the
/// server's count grew in events without text, the stretch from the first to the last growth of the count. `None` where
/// no time passed (a burst that is read at once has no speed) or no token came after the first event.
fn stretch(record: &Record) -> Option<Stretch> {
    let exchange = &record.exchange;
    let (from, until, tokens) = if let Some(counting) = exchange.counting {
        (counting.first, counting.last, counting.last_tokens.saturating_sub(counting.first_tokens).into())
    } else {
        let tokens = output_tokens(record)?.saturating_sub(tokens_of_first_event(record));
        (exchange.first_token?, exchange.last_token?, tokens)
    };
    let ticks = ticks_between(from, until);
    (ticks > 0 && tokens > 0).then_some(Stretch { ticks, tokens })
}

/// Tokens of the prompt that was sent: by our tokenizer's count, else by the plan.
pub(super) fn sent_input_tokens(record: &Record) -> u32 {
    record.exchange.counted_input_tokens.unwrap_or(record.asked_input_tokens)
}

impl Metric {
    /// The value of this metric for `record`, counted from `origin`. For `itl` and `tbt` it is the request's mean gap,
    /// on which objectives are decided; [`Metric::for_each_gap`] gives their pooled samples.
    #[must_use]
    pub fn value(self, record: &Record, origin: OriginOf) -> Value {
        let exchange = &record.exchange;
        if !self.exists_for(record) {
            return Value::Undefined;
        }
        match self {
            Self::SendLag => send_lag(record).map_or(Value::Undefined, |lag| Value::Defined(lag.as_nanos() as u64)),
            Self::WakeLag => exchange.wake_lag.map_or(Value::Undefined, |lag| Value::Defined(lag.as_nanos() as u64)),
            Self::InputTokens => input_tokens(record).map_or(Value::Undefined, Value::Defined),
            Self::OutputTokens => output_tokens(record).map_or(Value::Undefined, Value::Defined),
            _ => {
                let start = match origin {
                    OriginOf::Scheduled => record.scheduled,
                    OriginOf::Service => exchange.sent.unwrap_or(record.scheduled),
                };
                match fate(record) {
                    Fate::Complete => self.of_completed(record, start).map_or(Value::Undefined, Value::Defined),
                    Fate::Miss => Value::Miss,
                    Fate::Censored(until) => self.of_censored(record, start, until),
                    Fate::Absent => Value::Undefined,
                }
            }
        }
    }

    /// Whether it exists for the class of `record`: where a mix has classes that write no tokens beside classes that
    /// do, a failed request of the former is no miss of a metric of tokens.
    fn exists_for(self, record: &Record) -> bool {
        record.asked_output_tokens > 0 || *record.class == *ONLY_CLASS || self.is_defined(true, false)
    }

    /// The value of a completed request; `None` where it is undefined.
    fn of_completed(self, record: &Record, start: Offset) -> Option<u64> {
        let exchange = &record.exchange;
        let e2e = || exchange.last_token.or(exchange.ended).map(|last| ticks_between(start, last));
        // A stretch of 0 is a burst that was read at once, which has no speed: the value is undefined, never 0.
        let streaming = || Some(ticks_between(exchange.first_token?, exchange.last_token?)).filter(|ticks| *ticks > 0);
        let tokens = output_tokens(record).unwrap_or(0);
        match self {
            Self::Ttft => exchange.first_token.map(|at| ticks_between(start, at)),
            Self::Ttfo => exchange.first_answer.map(|at| ticks_between(start, at)),
            Self::E2e => e2e(),
            Self::Tpot => stretch(record).map(|Stretch { ticks, tokens }| divide(ticks, tokens)),
            Self::OutputSpeed => stretch(record).map(|Stretch { ticks, tokens }| milli_per_second(tokens, ticks)),
            Self::Ntpot if tokens >= 1 => e2e().map(|ticks| divide(ticks, tokens)),
            Self::Itl if exchange.events >= 2 => streaming().map(|ticks| divide(ticks, u64::from(exchange.events) - 1)),
            Self::Tbt => {
                let later: u64 = exchange.event_tokens.iter().skip(1).map(|k| u64::from(*k)).sum();
                streaming().filter(|_| later > 0).map(|ticks| divide(ticks, later))
            }
            Self::Stall => exchange.event_gaps_us.iter().max().map(|gap_us| u64::from(*gap_us) * 1_000),
            _ => None,
        }
    }

    /// The value, or its bound, of a request that was followed until `until`.
    fn of_censored(self, record: &Record, start: Offset, until: Offset) -> Value {
        let exchange = &record.exchange;
        let age = ticks_between(start, until);
        let tokens = u64::from(record.asked_output_tokens).max(output_tokens(record).unwrap_or(0));
        let since_first = exchange.first_token.map(|first| ticks_between(first, until));
        match self {
            Self::Ttft => {
                exchange.first_token.map_or(Value::Censored(age), |at| Value::Defined(ticks_between(start, at)))
            }
            Self::Ttfo => {
                exchange.first_answer.map_or(Value::Censored(age), |at| Value::Defined(ticks_between(start, at)))
            }
            Self::E2e => Value::Censored(age),
            Self::Ntpot => Value::Censored(age / tokens.max(1)),
            Self::Stall => {
                let open = exchange.last_token.map_or(0, |last| ticks_between(last, until));
                let longest_us = exchange.event_gaps_us.iter().max().copied().unwrap_or(0);
                Value::Censored(open.max(u64::from(longest_us) * 1_000))
            }
            Self::OutputSpeed => match since_first {
                Some(ticks) if ticks > 0 => Value::Censored(milli_per_second(tokens.max(2) - 1, ticks)),
                // No token yet: nothing bounds the speed of later tokens.
                _ => Value::Censored(u64::MAX),
            },
            // Tpot, itl and tbt: (`until` − first token) ÷ the number of later tokens asked for or seen.
            _ => {
                let later = tokens.saturating_sub(tokens_of_first_event(record)).max(1);
                Value::Censored(since_first.map_or(0, |ticks| ticks / later))
            }
        }
    }

    /// Calls `each` with the pooled gaps of `itl` or `tbt` as (ticks, number of samples); never for other metrics. Gaps
    /// count whatever the outcome, except for a malformed answer (for example a flood of events), which has no gaps
    /// between tokens.
    pub fn for_each_gap(self, record: &Record, mut each: impl FnMut(u64, u64)) {
        let exchange = &record.exchange;
        if exchange.is_malformed() || record.cancel_after.is_some() {
            return;
        }
        match self {
            Self::Itl => exchange.event_gaps_us.iter().for_each(|gap_us| each(u64::from(*gap_us) * 1_000, 1)),
            Self::Tbt => {
                // An event that completes no token (half a character) lengthens the gap before the next event that
                // does.
                let mut since_token_us = 0;
                for (gap_us, tokens) in exchange.event_gaps_us.iter().zip(exchange.event_tokens.iter().skip(1)) {
                    since_token_us += u64::from(*gap_us);
                    if *tokens > 0 {
                        each(divide(since_token_us * 1_000, u64::from(*tokens)), u64::from(*tokens));
                        since_token_us = 0;
                    }
                }
            }
            _ => {}
        }
    }
}

/// `ticks` ÷ `parts` (above 0), rounded to the tick.
fn divide(ticks: u64, parts: u64) -> u64 {
    (ticks + parts / 2) / parts
}

/// The speed of `tokens` in `nanos` nanoseconds (above 0), in thousandths of a token per second.
fn milli_per_second(tokens: u64, nanos: u64) -> u64 {
    u64::try_from(u128::from(tokens) * 1_000_000_000_000 / u128::from(nanos)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::examples::{at, streamed};

    #[test]
    fn send_lag_is_what_we_delayed_and_connecting_is_not() {
        let lag_ms = |sent_s: f64, connected_s: Option<f64>, written_s: Option<f64>| {
            let mut record = streamed(0, 1.0, 0.5, 4, 0.01);
            let exchange = &mut record.exchange;
            (exchange.sent, exchange.connected, exchange.written) =
                (Some(at(sent_s)), connected_s.map(at), written_s.map(at));
            send_lag(&record).map(|lag| lag.as_millis())
        };
        assert_eq!(lag_ms(1.002, None, Some(1.002)), Some(2), "sent late, written at once");
        assert_eq!(lag_ms(1.002, None, Some(1.302)), Some(302), "an open connection, and we wrote late");
        assert_eq!(lag_ms(1.002, Some(1.2), Some(1.203)), Some(5), "the server took 198 ms to accept");
        assert_eq!(lag_ms(1.002, Some(0.9), Some(1.004)), Some(4), "connected ahead");
        assert_eq!(lag_ms(1.002, Some(1.4), Some(1.003)), Some(2), "retried: the first write counts");
        assert_eq!(lag_ms(1.002, None, None), Some(2));
    }
}
