//! Owns a small synthetic recording that shows what a format looks like: conversations with growing contexts and
//! shared prefixes.

use crate::seed::{Seed, exponential, open_unit};
use crate::trace::rows::{MadeUp, Pending, RawRow};
use crate::trace::{Format, Trace};

/// Length of the common prefix of all conversations, in tokens.
const SYSTEM_TOKENS: u32 = 1_024;
/// Start of a recording with dates, in nanoseconds since 1970: 5 January 2026, 09:00 UTC.
const DATE_NS: i64 = 1_767_603_600_000_000_000;
/// Mean time between the starts of two conversations, in milliseconds.
const START_MS: f64 = 2_000.0;
/// Mean time between two turns of a conversation, in milliseconds.
const TURN_MS: f64 = 5_000.0;

/// A recording of `requests` requests, drawn from `seed`, with the block size of `format` and its dates or its own
/// clock. Conversations of one to four turns start as a Poisson process. Each turn has the context of the turns before
/// it. Times are whole milliseconds. `None` when `requests` is 0.
#[must_use]
pub(crate) fn made_up(requests: u32, format: Format, seed: Seed) -> Option<Trace> {
    let (block_tokens, partial) = match format {
        Format::Bailian => (16, true),
        Format::Weka => (64, false),
        _ => (512, true),
    };
    let clock_ns = if matches!(format, Format::Azure | Format::Otel | Format::LiteLlm) { DATE_NS } else { 0 };
    let mut generator = seed.stream("made_up_trace").sequence();
    let mut rows = Vec::new();
    let (mut start_ms, mut session) = (0.0, 0u64);
    while rows.len() < requests as usize {
        let turns = 1 + (open_unit(&mut generator) * 4.0) as u32;
        let (mut at_ms, mut context) = (start_ms, SYSTEM_TOKENS);
        for _ in 0..turns.min(requests - rows.len() as u32) {
            let input_tokens = context + 20 + (exponential(&mut generator) * 200.0) as u32;
            let output_tokens = 1 + (exponential(&mut generator) * 120.0) as u32;
            let blocks = if partial { input_tokens.div_ceil(block_tokens) } else { input_tokens / block_tokens };
            // All conversations share the first blocks. The later blocks belong to one conversation.
            let ids = (0..blocks).map(|block| {
                u64::from(block) + if block < SYSTEM_TOKENS / block_tokens { 0 } else { 10_000 * (session + 1) }
            });
            let at_ns = clock_ns + (libm::round(at_ms) as i64) * 1_000_000;
            let row = RawRow { at_ns, input_tokens, output_tokens };
            let body = (format == Format::Bodies).then(|| body_of(session, output_tokens).into());
            rows.push(MadeUp { row, ids: ids.collect(), session: format!("conversation-{session}"), body });
            context = input_tokens + output_tokens;
            at_ms += TURN_MS * exponential(&mut generator);
        }
        start_ms += START_MS * exponential(&mut generator);
        session += 1;
    }
    rows.sort_by_key(|row| row.row.at_ns);
    Pending::of(format, block_tokens, rows)
}

/// A small body for `/v1/chat/completions`, as a recorder keeps it. It is no part of the conversations.
fn body_of(session: u64, output_tokens: u32) -> String {
    format!(
        "{{\"model\": \"model\", \"messages\": [{{\"role\": \"user\", \"content\": \"Question {session} about this \
         text.\"}}], \"max_tokens\": {output_tokens}, \"stream\": true}}"
    )
}
