//! Owns the tally of a response's tokens: what the server counts for each event, and which counts to believe.
//!
//! The largest count is used; a count that shrinks is not a running count. A count of 0 beside text means nothing. A
//! count that is negative, not whole or not a number is ignored. When anything was ignored, the exchange says so
//! ([`Exchange::usage_odd`]).
//!
//! A token of a text has at least one byte. When text was shown, a total can be explained by the bytes of the text, by
//! the reasoning tokens that the server itemises, and by [`UNSHOWN`] tokens of templates and stops. A larger total may
//! be true if the request allows it: the rest counts as hidden tokens. A total that also exceeds the tokens asked for
//! is odd and ignored.

use super::delta::{Counts, Delta};
use crate::record::{Counting, Exchange};
use crate::units::Offset;

/// Most tokens of templates, channels and stops in one response. No text shows them, and no template has more.
const UNSHOWN: u32 = 16;

/// The counts of a response so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The largest output token count so far.
    counted: u32,
    /// The output token count at the last token-bearing event.
    shown: u32,
    events: Events,
    /// Events in which the count grew, before the finish reason.
    grown: u32,
    /// The first and the last of these events, with their counts.
    span: Option<Counting>,
    /// Tokens by which the count grew in events without text, before the finish reason.
    hidden: u32,
    /// Reasoning tokens, from the details of the count.
    reasoning: u32,
    /// Bytes of text that were shown.
    bytes: u64,
    /// Whether reasoning text was shown.
    reasoned: bool,
    odd: bool,
    shrank: bool,
}

/// What the counts in token-bearing events mean.
#[derive(Debug, Default)]
enum Events {
    /// A running count: the differences are the tokens of each event, kept in the exchange.
    #[default]
    Running,
    /// Perhaps the tokens of each event alone: believed if they add up to the final count.
    Own(Vec<u32>),
    /// Neither of the two.
    Unknown,
}

impl Tally {
    /// Takes the counts of an event read at `at`; its text must already be noted in `exchange`. `finished`: this event
    /// or an earlier one has a finish reason. From then on the server counts a total or an end token.
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
        // A single count in the middle of a response is not a running count.
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

    /// Decides at the end of a response which counts to believe. `shown`: the response showed a token. `asked_tokens`:
    /// the output tokens asked for (0: no limit).
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
                // Reasoning that is not shown comes before the first text. A running count at the first event includes
                // it already.
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
