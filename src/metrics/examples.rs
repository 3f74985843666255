//! Owns the example records for the tests of this folder and of `figures`.

use std::sync::Arc;

use crate::metrics::{Frame, Objectives, Summary};
use crate::record::{Counting, Exchange, Failure, FailureClass, Origin, Outcome, Record, Usage};
use crate::seed::{Seed, exponential, open_unit};
use crate::units::{Offset, Window};

pub(crate) fn at(seconds: f64) -> Offset {
    Offset::from_secs(seconds)
}

/// A streamed request: sent 1 ms late, first token `ttft_s` after its planned instant, then `tokens` − 1 gaps of
/// `gap_s`.
pub(crate) fn streamed(id: u64, scheduled_s: f64, ttft_s: f64, tokens: u32, gap_s: f64) -> Record {
    let mut exchange =
        Exchange { sent: Some(at(scheduled_s + 0.001)), outcome: Outcome::Completed, ..Exchange::default() };
    for token in 0..tokens {
        exchange.note_token_event(at(scheduled_s + ttft_s + f64::from(token) * gap_s), true);
        exchange.event_tokens.push(1);
    }
    exchange.ended = exchange.last_token;
    exchange.first_event = exchange.first_token;
    exchange.status = Some(200);
    exchange.usage = Some(Usage { input_tokens: 100, output_tokens: tokens, cached_tokens: None });
    Record {
        id,
        class: Arc::from("default"),
        session: None,
        turn: None,
        turns: None,
        origin: Origin::Planned,
        scheduled: at(scheduled_s),
        asked_input_tokens: 100,
        asked_output_tokens: tokens,
        cancel_after: None,
        target: Arc::from("http://server"),
        model: Arc::from("m"),
        exchange,
    }
}

/// `record` with `outcome`, ended at `ended_s`: it keeps only the events up to that instant.
pub(crate) fn cut(mut record: Record, outcome: Outcome, ended_s: f64) -> Record {
    let whole = std::mem::take(&mut record.exchange);
    let mut exchange = Exchange { sent: whole.sent, outcome, ended: Some(at(ended_s)), ..Exchange::default() };
    let mut stamp_us = whole.first_token.map_or(0, |first| first.as_nanos() / 1_000);
    for event in 0..whole.events as usize {
        stamp_us += if event > 0 { u64::from(whole.event_gaps_us[event - 1]) } else { 0 };
        if stamp_us <= at(ended_s).as_nanos() / 1_000 {
            exchange.note_token_event(Offset::from_nanos(stamp_us * 1_000), true);
        }
    }
    record.exchange = exchange;
    record
}

pub(crate) fn shed(mut record: Record) -> Record {
    record.exchange = Exchange { outcome: Outcome::Shed, ended: Some(record.scheduled), ..Exchange::default() };
    record
}

pub(crate) fn status(record: Record, status: u16, ended_s: f64) -> Record {
    let mut record = cut(record, Outcome::Failed(Failure::new(FailureClass::Status, "no")), ended_s);
    record.exchange.status = Some(status);
    record
}

/// `record` with `more` additional tokens in its first event.
pub(crate) fn bundled(mut record: Record, more: u32) -> Record {
    let exchange = &mut record.exchange;
    exchange.event_tokens[0] += more;
    exchange.first_event_tokens = Some(1 + more);
    exchange.usage = exchange.usage.map(|usage| Usage { output_tokens: usage.output_tokens + more, ..usage });
    record
}

/// `record` with `hidden` tokens before its first text, one every 10 ms, each in the server's running count.
pub(crate) fn hiding(record: Record, hidden: u32) -> Record {
    let mut record = bundled(record, hidden);
    let exchange = &mut record.exchange;
    let first = exchange.first_token.unwrap().as_nanos().saturating_sub(u64::from(hidden) * 10_000_000);
    exchange.hidden_tokens = hidden;
    exchange.counting = Some(Counting {
        first: Offset::from_nanos(first),
        first_tokens: 1,
        last: exchange.last_token.unwrap(),
        last_tokens: exchange.usage.unwrap().output_tokens,
    });
    record
}

/// `count` requests with every kind of outcome, at 50/s, drawn from `seed`.
pub(crate) fn mixture(seed: u64, count: u64) -> Vec<Record> {
    let stream = Seed::new(seed).stream("test/mixture");
    (0..count)
        .map(|id| {
            let mut draw = stream.at(id);
            let scheduled_s = id as f64 / 50.0;
            let tokens = 1 + (open_unit(&mut draw) * 30.0) as u32;
            let mut record = streamed(id, scheduled_s, 0.002 + 0.1 * exponential(&mut draw), tokens, 0.02);
            let cut_at = scheduled_s + 0.2;
            match (open_unit(&mut draw) * 40.0) as u32 {
                0 => shed(record),
                1 => cut(record, Outcome::TimedOut, cut_at),
                2 => status(record, 429, cut_at),
                3 => cut(record, Outcome::Unresolved, cut_at),
                4 => cut(record, Outcome::Cancelled, cut_at),
                5 => {
                    record.exchange = Exchange { outcome: Outcome::Skipped, ..Exchange::default() };
                    record.origin = Origin::Released;
                    record
                }
                6 => {
                    record.exchange.usage = None;
                    record.exchange.event_tokens.clear();
                    record
                }
                7 => bundled(record, 7),
                8 => hiding(record, 9),
                9 => {
                    record.exchange.finish_reason = Some(format!("reason {}", id % 5).into());
                    record.exchange.usage_odd = true;
                    record.exchange.one_read = id % 2 == 0;
                    record
                }
                _ => record,
            }
        })
        .collect()
}

pub(crate) fn objectives(text: &str) -> Arc<Objectives> {
    let texts: &[&str] = if text.is_empty() { &[] } else { &[text] };
    Arc::new(Objectives::parse(texts, None, None).unwrap())
}

pub(crate) fn frame(start_s: f64, end_s: f64) -> Frame {
    Frame { window: Window { start: at(start_s), end: at(end_s) }, load_end: at(end_s), streamed: true }
}

pub(crate) fn folded<'a>(frame: Frame, text: &str, records: impl IntoIterator<Item = &'a Record>) -> Summary {
    let mut summary = Summary::new(frame, objectives(text));
    records.into_iter().for_each(|record| summary.add(record));
    summary
}
