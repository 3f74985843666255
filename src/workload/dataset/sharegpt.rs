//! Owns conversations in the form of `ShareGPT`: turns with `from` and `value`.

use serde::Deserialize;
use serde_json::Value;

use super::chats::asked;
use super::fault::{Fault, shown};
use super::row::DataRow;
use super::values::Placed;
use crate::workload::{Message, Role};

/// One conversation. Other keys, such as `id`, are ignored.
#[derive(Deserialize)]
struct Conversation {
    #[serde(alias = "conversation")]
    conversations: Option<Vec<Turn>>,
}

/// One turn, or a pair of turns (`human` and `assistant`) as `evalscope` writes them.
#[derive(Deserialize)]
struct Turn {
    from: Option<String>,
    value: Option<String>,
    human: Option<String>,
    assistant: Option<String>,
}

/// The rows of `values`, and the number of conversations that were left out because they do not begin with a question.
/// As in vLLM and SGLang, the request is the first question, and the answer to it gives the output length.
pub(super) fn read(values: &[Placed<'_>]) -> Result<(Vec<DataRow>, u64), Fault> {
    let mut left_out = 0;
    let mut rows = Vec::with_capacity(values.len());
    for (line, value) in values {
        match conversation(value.get()).map_err(|why| Fault::new(*line, why))? {
            Some(row) => rows.push(row),
            None => left_out += 1,
        }
    }
    Ok((rows, left_out))
}

fn conversation(text: &str) -> Result<Option<DataRow>, String> {
    let read: Conversation = serde_json::from_str(text).map_err(|why| {
        let said = why.to_string();
        let what = said.split(" at line ").next().unwrap_or(&said);
        format!("is no conversation ({what}); a turn is {{\"from\": \"human\", \"value\": …}}")
    })?;
    let Some(turns) = read.conversations else {
        let there: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
        let there = there.keys().map(|name| shown(name)).collect::<Vec<_>>().join(", ");
        return Err(format!("has no key conversations; it has {there}: give the option dataset-format"));
    };
    let mut said: Vec<Message> = Vec::new();
    for turn in turns {
        for message in messages(turn)? {
            let is_answer = message.role == Role::Assistant;
            let begins = said.iter().all(|before| before.role == Role::System);
            if is_answer && begins {
                return Ok(None);
            }
            said.push(message);
            if is_answer {
                return Ok(asked(said).filter(is_filled));
            }
        }
    }
    // Two questions in a row without an answer: the first of them is the request.
    let first = said.iter().position(|message| message.role == Role::User);
    said.truncate(first.map_or(0, |first| first + 1));
    Ok(asked(said).filter(is_filled))
}

fn is_filled(row: &DataRow) -> bool {
    !row.counted_text().trim().is_empty()
}

/// The messages of a turn: one, or two of a pair.
fn messages(turn: Turn) -> Result<Vec<Message>, String> {
    if turn.from.is_none() && (turn.human.is_some() || turn.assistant.is_some()) {
        let human = turn.human.map(Message::user);
        return Ok(human.into_iter().chain(turn.assistant.map(|text| Message::new(Role::Assistant, text))).collect());
    }
    let (Some(from), Some(value)) = (turn.from, turn.value) else {
        return Err("has a turn without `from` and `value`; complete it, or remove the row".to_owned());
    };
    let role = match from.as_str() {
        "human" | "user" => Role::User,
        "gpt" | "assistant" | "chatgpt" | "bing" | "bard" | "model" => Role::Assistant,
        "system" => Role::System,
        other => return Err(format!("has a turn from `{}`; known are human, gpt and system", shown(other))),
    };
    Ok(vec![Message::new(role, value)])
}
