//! Owns the reading of Bailian's JSONL (Qwen): Mooncake's keys, but times in seconds, blocks of 16 tokens, and
//! conversations linked by parent chat.

use std::collections::HashMap;

use serde::Deserialize;

use crate::trace::json::{Figure, parse};
use crate::trace::number::{scaled_decimal, shown, tokens};
use crate::trace::parser::Parser;
use crate::trace::rows::{Pending, RawRow};

/// Tokens in one block.
pub(crate) const BLOCK_TOKENS: u32 = 16;

/// Reads rows. `roots` maps each chat to the first chat of its conversation.
#[derive(Default)]
pub(crate) struct Bailian {
    roots: HashMap<i64, i64>,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    timestamp: Figure<'a>,
    #[serde(borrow)]
    input_length: Figure<'a>,
    #[serde(borrow)]
    output_length: Figure<'a>,
    chat_id: Option<i64>,
    parent_chat_id: Option<i64>,
    #[serde(default)]
    hash_ids: Vec<u64>,
}

impl Parser for Bailian {
    fn take(&mut self, text: &str, pending: &mut Pending) -> Result<(), String> {
        let line: Line<'_> = parse(text, "row of a Bailian trace")?;
        let time = line.timestamp.text();
        let at_ns =
            scaled_decimal(time, 9).ok_or_else(|| format!("timestamp {} is not a number of seconds", shown(time)))?;
        let input_tokens = tokens("input_length", line.input_length.text())?;
        let row = RawRow { at_ns, input_tokens, output_tokens: tokens("output_length", line.output_length.text())? };
        let session = line.chat_id.map(|chat| {
            // A parent that is not in the file still names the conversation.
            let root = match line.parent_chat_id.filter(|parent| *parent >= 0) {
                Some(parent) => self.roots.get(&parent).copied().unwrap_or(parent),
                None => chat,
            };
            self.roots.insert(chat, root);
            root.to_string()
        });
        pending.block_tokens(BLOCK_TOKENS)?;
        pending.push(row, &line.hash_ids, session.as_deref())
    }
}
