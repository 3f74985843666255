//! Owns `Flow`, the completions and tokens that arrived inside the window, and the time that requests spent in the
//! system.

use serde::{Deserialize, Serialize};

use crate::metrics::value::{output_tokens, sent_input_tokens};
use crate::record::{Outcome, Record};
use crate::units::{Offset, Window};

/// Completions and tokens that arrived inside the window, whenever their request was sent, and time in flight. Whole
/// numbers, so that the order of adding has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Flow {
    /// Requests that completed inside the window.
    pub requests: u64,
    /// Input tokens of requests whose first token came inside the window.
    pub input_tokens: u64,
    /// Output tokens that came inside the window, in millionths.
    pub output_microtokens: u128,
    /// Output tokens of good requests that came inside the window, in millionths.
    pub good_output_microtokens: u128,
    /// Σ of the overlaps of [sent, ended) with the window.
    pub window_flight_ns: u128,
    /// Σ (ended − sent) of the cohort.
    pub cohort_flight_ns: u128,
    /// The part of `cohort_flight_ns` after the planned load ended.
    pub tail_flight_ns: u128,
    /// Σ (ended − sent) of all requests, for the check of Little's law against the engine's own count.
    pub total_flight_ns: u128,
}

impl Flow {
    /// Adds the time in flight of one request.
    pub(super) fn add_flight(&mut self, record: &Record, window: Window, load_end: Offset, in_cohort: bool) {
        let (Some(sent), Some(ended)) = (record.exchange.sent, record.exchange.ended) else { return };
        let overlap = |from: Offset, until: Offset| u128::from(until.as_nanos().saturating_sub(from.as_nanos()));
        let whole = overlap(sent, ended);
        self.total_flight_ns += whole;
        self.window_flight_ns += overlap(sent.max(window.start), ended.min(window.end));
        if in_cohort {
            self.cohort_flight_ns += whole;
            self.tail_flight_ns += overlap(sent.max(load_end), ended);
        }
    }

    /// Adds the arrivals of one request; `output_microtokens` are its output tokens inside the window, in millionths.
    pub(super) fn add_arrivals(&mut self, record: &Record, window: Window, output_microtokens: u128, good: bool) {
        let exchange = &record.exchange;
        let inside = |at: Option<Offset>| at.is_some_and(|at| window.contains(at));
        if exchange.outcome == Outcome::Completed && inside(exchange.ended) {
            self.requests += 1;
        }
        let completed_whole = if exchange.outcome == Outcome::Completed { exchange.ended } else { None };
        if inside(exchange.first_token.or(completed_whole)) {
            self.input_tokens += u64::from(exchange.server_input_tokens().unwrap_or_else(|| sent_input_tokens(record)));
        }
        self.output_microtokens += output_microtokens;
        if good {
            self.good_output_microtokens += output_microtokens;
        }
    }

    /// Adds everything of `other`.
    pub(super) fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.input_tokens += other.input_tokens;
        self.output_microtokens += other.output_microtokens;
        self.good_output_microtokens += other.good_output_microtokens;
        self.window_flight_ns += other.window_flight_ns;
        self.cohort_flight_ns += other.cohort_flight_ns;
        self.tail_flight_ns += other.tail_flight_ns;
        self.total_flight_ns += other.total_flight_ns;
    }
}

/// The most events over which the tokens of a compact record are spread.
const MOST_SPREAD: u32 = 4_096;

/// whole · part / parts, part < parts.
fn portion(whole: u64, part: u64, parts: u64) -> u64 {
    match whole.checked_mul(part) {
        Some(product) => product / parts,
        None => (u128::from(whole) * u128::from(part) / u128::from(parts)) as u64,
    }
}

/// Calls `each` with the instant and the millionths of tokens of every token-bearing event. Where the tokens of an
/// event are unknown, the request's tokens are spread evenly over its events. In a record without gaps (compact) the
/// events are spread evenly from first to last token. An answer that was not streamed arrives when it ends.
pub(super) fn for_each_arrival(record: &Record, mut each: impl FnMut(Offset, u64)) {
    let exchange = &record.exchange;
    if exchange.is_malformed() {
        return;
    }
    let Some(tokens) = output_tokens(record).filter(|tokens| *tokens > 0) else { return };
    let (Some(first), Some(last)) = (exchange.first_token, exchange.last_token) else {
        if let (Outcome::Completed, Some(ended)) = (&exchange.outcome, exchange.ended) {
            each(ended, tokens * 1_000_000);
        }
        return;
    };
    let known = exchange.event_tokens.len() as u64 == u64::from(exchange.events) && !exchange.event_tokens.is_empty();
    let gapped = exchange.event_gaps_us.len() as u64 + 1 == u64::from(exchange.events);
    let most = if known || gapped { u32::MAX } else { MOST_SPREAD };
    let events = u64::from(exchange.events.clamp(1, most));
    let total: u64 = if known { exchange.event_tokens.iter().map(|k| u64::from(*k)).sum() } else { events };
    // Each event takes a share of the remaining tokens, so that rounding never loses a token.
    let (mut weight_left, mut left) = (total.max(1), tokens * 1_000_000);
    let mut since_first_us = 0u64;
    for event in 0..events {
        let at = if gapped {
            if event > 0 {
                since_first_us += u64::from(exchange.event_gaps_us[event as usize - 1]);
            }
            Offset::from_nanos(first.as_nanos().saturating_add(since_first_us.saturating_mul(1_000)))
        } else {
            let span = u128::from(last.as_nanos().saturating_sub(first.as_nanos()));
            Offset::from_nanos(first.as_nanos() + (span * u128::from(event) / u128::from((events - 1).max(1))) as u64)
        };
        let weight = if known { u64::from(exchange.event_tokens[event as usize]) } else { 1 };
        let share = if weight >= weight_left { left } else { portion(left, weight, weight_left) };
        left -= share;
        weight_left -= weight.min(weight_left);
        if share > 0 {
            each(at, share);
        }
    }
}
