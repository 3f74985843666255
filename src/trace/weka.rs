//! Owns the reading of Weka's agentic sessions: one JSON object per conversation, request times in seconds from its
//! start, and nested agents.

use std::borrow::Cow;

use serde::Deserialize;

use crate::trace::json::{Figure, parse, tokens_or_none};
use crate::trace::number::{scaled_decimal, shown};
use crate::trace::parser::Parser;
use crate::trace::rows::{Pending, RawRow};

/// Tokens in one block when the file does not give `block_size`.
pub(crate) const BLOCK_TOKENS: u32 = 64;
/// Maximum nesting depth of agents. A file with deeper nesting is considered broken.
const MOST_DEEP: u32 = 8;

/// Reads conversations.
pub(crate) struct Weka;

#[derive(Deserialize)]
struct Conversation<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    block_size: Option<u32>,
    #[serde(borrow)]
    hash_id_scope: Option<Cow<'a, str>>,
    #[serde(borrow)]
    requests: Vec<Entry<'a>>,
}

/// A request, or an agent with its own requests.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    t: Figure<'a>,
    #[serde(borrow, rename = "in")]
    input: Option<Figure<'a>>,
    #[serde(borrow, rename = "out")]
    output: Option<Figure<'a>>,
    #[serde(default)]
    hash_ids: Vec<u64>,
    /// Time until the response ended, in seconds; may be missing.
    #[serde(borrow)]
    api_time: Option<Figure<'a>>,
    /// Pause before the request, in seconds; may be missing.
    #[serde(borrow)]
    think_time: Option<Figure<'a>>,
    /// Time until the agent ended, in milliseconds; may be missing.
    #[serde(borrow)]
    duration_ms: Option<Figure<'a>>,
    #[serde(borrow)]
    requests: Option<Vec<Entry<'a>>>,
}

impl Parser for Weka {
    fn take(&mut self, text: &str, pending: &mut Pending) -> Result<(), String> {
        let conversation: Conversation<'_> = parse(text, "conversation of a Weka trace")?;
        pending.block_tokens(conversation.block_size.unwrap_or(BLOCK_TOKENS))?;
        pending.relative();
        // Ids of scope `local` are valid only inside one conversation, so the conversation number is added to them.
        let number = pending.session(&conversation.id);
        let apart = if conversation.hash_id_scope.as_deref() == Some("local") { u64::from(number) << 32 } else { 0 };
        let mut walk = Walk { pending, session: &conversation.id, apart, ids: Vec::new() };
        walk.entries(&conversation.requests, 0, 0)
    }
}

struct Walk<'a> {
    pending: &'a mut Pending,
    session: &'a str,
    apart: u64,
    ids: Vec<u64>,
}

impl Walk<'_> {
    /// Takes the entries of a list that starts `start_ns` nanoseconds after the conversation.
    fn entries(&mut self, entries: &[Entry<'_>], start_ns: i64, depth: u32) -> Result<(), String> {
        if depth > MOST_DEEP {
            return Err(format!("has agents inside agents more than {MOST_DEEP} levels deep; check the file"));
        }
        for (place, entry) in entries.iter().enumerate() {
            let time = entry.t.text();
            let at_ns = scaled_decimal(time, 9)
                .and_then(|at_ns| at_ns.checked_add(start_ns))
                .ok_or_else(|| format!("t {} is not a number of seconds", shown(time)))?;
            if let Some(inner) = &entry.requests {
                // The `t` of an agent is its end, although the recorder's documents say otherwise. Its requests count
                // from its start. An agent without a length was only started: its `t` is its start.
                let length = entry.duration_ms.map_or("0", Figure::text);
                let length_ns = scaled_decimal(length, 6)
                    .ok_or_else(|| format!("duration_ms {} is not a number", shown(length)))?;
                self.entries(inner, at_ns.saturating_sub(length_ns).max(start_ns), depth + 1)?;
                continue;
            }
            let input_tokens = tokens_or_none("in", entry.input)?;
            let row = RawRow { at_ns, input_tokens, output_tokens: tokens_or_none("out", entry.output)? };
            self.ids.clear();
            for id in &entry.hash_ids {
                let local = u32::try_from(*id).ok().filter(|_| self.apart > 0).map(u64::from);
                self.ids.push(local.map_or(*id, |id| self.apart | id));
            }
            self.pending.answered_in(answered_in(entry, entries.get(place + 1)));
            self.pending.push(row, &self.ids, Some(self.session))?;
        }
        Ok(())
    }
}

/// The time until the response of `entry` ended, in nanoseconds: its `api_time`, or else the time from `entry` to
/// `next` minus the think time of `next`. `None` when neither is recorded.
fn answered_in(entry: &Entry<'_>, next: Option<&Entry<'_>>) -> Option<i64> {
    let seconds = |figure: Option<Figure<'_>>| scaled_decimal(figure?.text(), 9);
    seconds(entry.api_time).or_else(|| {
        let next = next.filter(|next| next.requests.is_none())?;
        seconds(Some(next.t))?.checked_sub(seconds(Some(entry.t))?)?.checked_sub(seconds(next.think_time)?)
    })
}
