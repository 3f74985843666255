//! Owns conversations in the form of `ShareGPT`: turns with `from` and `value`.

use serde::Deserialize;

use super::chats::{asked, turns_of};
use super::fault::shown;
use super::row::DataRow;
use super::values::{what_of, without_key};
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

/// The request of one conversation; `None` if it does not begin with a question. As in vLLM and SGLang, the request is
/// the first question, and the answer to it gives the output length.
pub(super) fn conversation(text: &str) -> Result<Option<DataRow>, String> {
    let turns = turns(text)?;
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

/// The turns of one conversation up to the first empty one; none if it does not begin with a question.
pub(super) fn session(text: &str) -> Result<Vec<DataRow>, String> {
    let mut said: Vec<Message> = Vec::new();
    for turn in turns(text)? {
        said.extend(messages(turn)?);
    }
    Ok(turns_of(said).into_iter().take_while(is_filled).collect())
}

/// What a conversation holds, turn by turn.
fn turns(text: &str) -> Result<Vec<Turn>, String> {
    let read: Conversation = serde_json::from_str(text).map_err(|why| {
        format!("is no conversation ({}); a turn is {{\"from\": \"human\", \"value\": …}}", what_of(&why))
    })?;
    read.conversations.ok_or_else(|| without_key("conversations", text))
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
