//! Owns sessions of agents with their texts, as SGLang's benchmark reads them: lists of turns, each with the messages
//! that it adds to the conversation.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::chats::{Spoken, few, message};
use super::row::DataRow;
use super::values::what_of;
use crate::workload::Role;

/// One turn. Other keys, such as `prompt_tokens`, are ignored.
#[derive(Deserialize)]
struct Turn {
    #[serde(default)]
    messages: Vec<Spoken>,
    output_length: Option<u32>,
    max_tokens: Option<u32>,
}

/// The turns of one session; none if no turn has a message. A tool's output is sent as the user's text: a message of a
/// tool has no meaning without the model's own call.
pub(super) fn session(text: &str) -> Result<Vec<DataRow>, String> {
    let unlike =
        |why: serde_json::Error| format!("is no list of turns ({}); a turn is {{\"messages\": […]}}", what_of(&why));
    let turns: Vec<&RawValue> = serde_json::from_str(text).map_err(unlike)?;
    let mut rows = Vec::with_capacity(turns.len());
    for turn in turns {
        let turn: Turn = serde_json::from_str(turn.get()).map_err(unlike)?;
        let mut said = Vec::with_capacity(turn.messages.len());
        for mut spoken in turn.messages {
            if matches!(spoken.role.as_str(), "tool" | "function") {
                Role::User.name().clone_into(&mut spoken.role);
            }
            said.push(message(spoken)?);
        }
        let row = DataRow::of(few(said));
        if !row.counted_text().trim().is_empty() {
            let output_tokens = turn.output_length.or(turn.max_tokens).filter(|tokens| *tokens > 0);
            rows.push(DataRow { output_tokens, ..row });
        }
    }
    Ok(rows)
}

/// The request of one session: its first turn.
pub(super) fn first(text: &str) -> Result<Option<DataRow>, String> {
    Ok(session(text)?.into_iter().next())
}
