//! Owns the tally of an answer's tokens: what the server's counts say of each event, and which of them to believe.
//!
//! Counts are believed in this order. Of a running count the largest stands: one that shrinks is no running count. A
//! count of 0 beside text says nothing. What is negative, not whole, or no number is ignored. Where anything was
//! ignored, the exchange says so ([`Exchange::usage_odd`]).
//!
//! A token of a text has at least one byte. Where text is shown, a total is explained by its bytes, by reasoning tokens
//! that the server itemises, and by [`UNSHOWN`] tokens of templates and stops. A larger total that the request allows
//! may be true: the rest counts as hidden. One that also exceeds what was asked is odd, and ignored.

use super::delta::{Counts, Delta};
use crate::record::{Counting, Exchange};
use crate::units::Offset;

/// Tokens of templates, channels and stops, which no text shows, in one answer at most. No template has more.
const UNSHOWN: u32 = 16;

/// What the counts of an answer have said so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The largest count.
    counted: u32,
    /// The count at the last token-bearing event.
    shown: u32,
    events: Events,
    /// Events in which the count grew, before the finish reason.
    grown: u32,
    /// How it grew.
    span: Option<Counting>,
    /// By how much it grew in events without text.
    hidden: u32,
    /// Tokens of reasoning, by the details of the count.
    reasoning: u32,
    /// Bytes of text that were shown.
    bytes: u64,
    /// Reasoning was shown.
    reasoned: bool,
    odd: bool,
    shrank: bool,
}

/// What the counts of token-bearing events are.
#[derive(Debug, Default)]
enum Events {
    /// A running count: the differences are the tokens of each event, and stand in the exchange.
    #[default]
    Running,
    /// Perhaps each event's own count: to be believed where they add up to the final one.
    Own(Vec<u32>),
    /// Neither.
    Unknown,
}

impl Tally {
    /// Takes what an event read at `at` says, once its text is noted in `exchange`. `finished` where it or an event
    /// before it has a finish reason: what the server counts from then on is a total, or an end token.
    pub(super) fn note(&mut self, delta: &Delta, finished: bool, at: Offset, exchange: &mut Exchange) {
        self.reasoned |= delta.reasoning;
        self.bytes = self.bytes.saturating_add(delta.bytes);
        if let Some(counts) = delta.usage {
            self.keep(counts, exchange);
            if let Some(count) = counts.output {
                self.grow(count, finished, delta.has_token(), at, exchange);
            }
        }
        if delta.has_token() {
            self.note_event(delta.usage.and_then(|counts| counts.output).filter(|count| *count > 0), exchange);
        }
    }

    fn keep(&mut self, counts: Counts, exchange: &mut Exchange) {
        self.odd |= counts.odd;
        self.reasoning = self.reasoning.max(counts.reasoning.unwrap_or(0));
        if counts.input.is_none() && counts.output.is_none() {
            return;
        }
        let usage = exchange.usage.get_or_insert_default();
        usage.output_tokens = usage.output_tokens.max(counts.output.unwrap_or(0));
        usage.input_tokens = counts.input.filter(|count| *count > 0).unwrap_or(usage.input_tokens);
        usage.cached_tokens = counts.cached.or(usage.cached_tokens);
    }

    fn grow(&mut self, count: u32, finished: bool, shows: bool, at: Offset, exchange: &mut Exchange) {
        self.shrank |= count < self.counted && count > 0;
        if count <= self.counted {
            return;
        }
        let more = count - self.counted;
        self.counted = count;
        if finished {
            return;
        }
        self.grown += 1;
        let start = Counting { first: at, first_tokens: count, last: at, last_tokens: count };
        let span = self.span.get_or_insert(start);
        (span.last, span.last_tokens) = (at, count);
        if !shows {
            self.hidden += more;
        }
        // One count in the middle of an answer is no running count.
        if self.grown >= 2 && self.hidden > 0 {
            exchange.counting = Some(*span);
            exchange.hidden_tokens = self.hidden;
        }
    }

    fn note_event(&mut self, count: Option<u32>, exchange: &mut Exchange) {
        if exchange.events == 1 {
            exchange.first_event_tokens = count.filter(|count| *count > 1);
        }
        self.events = match (std::mem::take(&mut self.events), count) {
            (Events::Running, Some(count)) if count > self.shown => {
                exchange.event_tokens.push(count - self.shown);
                self.shown = count;
                Events::Running
            }
            (Events::Running, count) => {
                let tokens = std::mem::take(&mut exchange.event_tokens);
                match count {
                    Some(count) => {
                        exchange.first_event_tokens = None;
                        let mut sum = 0;
                        let mut own: Vec<u32> = Vec::with_capacity(tokens.len() + 1);
                        for difference in tokens {
                            sum += difference;
                            own.push(sum);
                        }
                        own.push(count);
                        Events::Own(own)
                    }
                    None => Events::Unknown,
                }
            }
            (Events::Own(mut own), Some(count)) => {
                own.push(count);
                Events::Own(own)
            }
            (Events::Own(_) | Events::Unknown, _) => Events::Unknown,
        };
    }

    /// Decides what to believe, at the end of an answer that showed a token or (`shown`) not, and for which
    /// `asked_tokens` were asked (0: no limit).
    pub(super) fn settle(mut self, shown: bool, asked_tokens: u32, exchange: &mut Exchange) {
        let explained = self.bytes.saturating_add(u64::from(self.reasoning)).saturating_add(u64::from(UNSHOWN));
        let unexplained = |total: u32| shown && u64::from(total) > explained;
        if let Some(usage) = &mut exchange.usage
            && unexplained(usage.output_tokens)
            && asked_tokens > 0
            && usage.output_tokens > asked_tokens.saturating_add(UNSHOWN)
        {
            usage.output_tokens = 0;
            (self.odd, self.events, self.reasoning) = (true, Events::Unknown, 0);
            (exchange.event_tokens, exchange.first_event_tokens) = (Vec::new(), None);
            (exchange.counting, exchange.hidden_tokens) = (None, 0);
        }
        let total = exchange.server_output_tokens();
        let own = match self.events {
            Events::Own(own) if total.map(u64::from) == Some(own.iter().map(|count| u64::from(*count)).sum()) => {
                Some(own)
            }
            _ => None,
        };
        let is_own = own.is_some();
        if let Some(own) = own {
            exchange.first_event_tokens = own.first().copied().filter(|count| *count > 1);
            exchange.event_tokens = own;
        }
        let silent = exchange.usage.is_some_and(|usage| usage.input_tokens == 0 || (usage.output_tokens == 0 && shown));
        exchange.usage_odd = self.odd || silent || (self.shrank && !is_own);
        match total {
            Some(total) if !shown => exchange.hidden_tokens = total,
            Some(total) if exchange.counting.is_none() => {
                let reasoning = if self.reasoned || self.reasoning >= total { 0 } else { self.reasoning };
                let rest = if unexplained(total) {
                    total.saturating_sub(u32::try_from(self.bytes).unwrap_or(u32::MAX))
                } else {
                    0
                };
                let hidden = reasoning.max(rest);
                exchange.hidden_tokens = hidden;
                // Reasoning that is not sent comes before the first text. A running count of the first event has it.
                if hidden > 0 && exchange.events > 0 && exchange.first_event_tokens.is_none_or(|first| first <= hidden)
                {
                    let first = hidden.saturating_add(exchange.first_event_tokens.unwrap_or(1));
                    exchange.first_event_tokens = Some(first.min(total));
                }
            }
            _ => {}
        }
        exchange.one_read = exchange.events >= 2 && exchange.first_token == exchange.last_token;
    }
}
