//! Owns conversations in OpenAI's form: lists of messages with a role and a content.

use serde::Deserialize;
use serde_json::Value;

use super::fault::shown;
use super::row::DataRow;
use super::values::{what_of, without_key};
use crate::workload::{Few, Message, MessagePart, Role};

/// A conversation with the settings of its request. Other keys are ignored.
#[derive(Deserialize)]
struct Conversation {
    messages: Option<Vec<Spoken>>,
    max_completion_tokens: Option<u32>,
    max_tokens: Option<u32>,
    output_tokens: Option<u32>,
    output_length: Option<u32>,
}

/// One message.
#[derive(Deserialize)]
pub(super) struct Spoken {
    pub(super) role: String,
    #[serde(default)]
    content: Value,
}

/// The request of one conversation; `None` if the user says nothing in it.
pub(super) fn conversation(text: &str) -> Result<Option<DataRow>, String> {
    let (said, output_tokens) = spoken(text)?;
    Ok(asked(said).map(|row| DataRow { output_tokens, ..row }))
}

/// The turns of one conversation; none if the user says nothing in it.
pub(super) fn session(text: &str) -> Result<Vec<DataRow>, String> {
    let (said, output_tokens) = spoken(text)?;
    Ok(turns_of(said).into_iter().map(|row| DataRow { output_tokens, ..row }).collect())
}

/// The messages of one conversation, and the output length that it asks for.
fn spoken(text: &str) -> Result<(Vec<Message>, Option<u32>), String> {
    let (spoken, output_tokens) = if text.starts_with('[') {
        (serde_json::from_str::<Vec<Spoken>>(text).map_err(|why| unlike(&why))?, None)
    } else {
        let read: Conversation = serde_json::from_str(text).map_err(|why| unlike(&why))?;
        let output = read.max_completion_tokens.or(read.max_tokens).or(read.output_tokens).or(read.output_length);
        let Some(messages) = read.messages else {
            return Err(without_key("messages", text));
        };
        (messages, output)
    };
    let said = spoken.into_iter().map(message).collect::<Result<Vec<Message>, String>>()?;
    Ok((said, output_tokens.filter(|tokens| *tokens > 0)))
}

fn unlike(why: &serde_json::Error) -> String {
    format!("is no conversation ({}); a message is {{\"role\": …, \"content\": …}}", what_of(why))
}

/// The message of `spoken`. Refused with a role or a part that is not read.
pub(super) fn message(spoken: Spoken) -> Result<Message, String> {
    let role = match spoken.role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        other => {
            let why = format!("has a message of `{}`; the roles are system, user and assistant", shown(other));
            return Err(format!("{why}: send such requests with the option dataset-format bodies"));
        }
    };
    let parts = match spoken.content {
        Value::Null => Few::One(MessagePart::Text(String::new())),
        Value::String(text) => Few::One(MessagePart::Text(text)),
        Value::Array(parts) => Few::Many(parts.into_iter().map(part).collect::<Result<_, _>>()?),
        other => return Err(format!("has the content `{}`, where a text is needed", shown(&other.to_string()))),
    };
    Ok(Message { role, parts })
}

fn part(part: Value) -> Result<MessagePart, String> {
    match part {
        Value::Object(mut part) => {
            if let Some(Value::String(text)) = part.remove("text") {
                return Ok(MessagePart::Text(text));
            }
            let kind = part.get("type").and_then(Value::as_str).unwrap_or("unknown");
            let why = format!("has a part of the type `{}`; only texts are read", shown(kind));
            Err(format!("{why}: send such requests with the option dataset-format bodies"))
        }
        Value::String(text) => Ok(MessagePart::Text(text)),
        other => Err(format!("has the part `{}`, where a text is needed", shown(&other.to_string()))),
    }
}

/// The request of a conversation: everything up to the user's last message. What the model said then is its recorded
/// answer. `None` without a message of the user.
pub(super) fn asked(mut said: Vec<Message>) -> Option<DataRow> {
    let last = said.iter().rposition(|message| message.role == Role::User)?;
    let answer = said.get(last + 1).filter(|after| after.role == Role::Assistant);
    let answer = answer.map(|after| crate::workload::joined_text(std::slice::from_ref(after)).into_owned());
    said.truncate(last + 1);
    let messages = match said.pop() {
        Some(only) if said.is_empty() => Few::One(only),
        Some(last) => {
            said.push(last);
            Few::Many(said)
        }
        None => return None,
    };
    let answer = answer.filter(|answer| !answer.is_empty()).map(String::into_boxed_str);
    Some(DataRow { answer, ..DataRow::of(messages) })
}

/// The turns of a conversation: each holds what is said since the answer before it, and its recorded answer. None if
/// the user says nothing, or if the model begins: a turn cannot follow an answer that nobody asked for.
pub(super) fn turns_of(said: Vec<Message>) -> Vec<DataRow> {
    let (mut turns, mut own): (Vec<DataRow>, Vec<Message>) = (Vec::new(), Vec::new());
    let is_asked = |own: &[Message]| own.iter().any(|message| message.role == Role::User);
    for message in said {
        if message.role != Role::Assistant {
            own.push(message);
        } else if is_asked(&own) {
            let answer = crate::workload::joined_text(std::slice::from_ref(&message)).into_owned();
            let answer = Some(answer).filter(|answer| !answer.is_empty()).map(String::into_boxed_str);
            turns.push(DataRow { answer, ..DataRow::of(few(std::mem::take(&mut own))) });
        } else if turns.is_empty() {
            return Vec::new();
        }
    }
    if is_asked(&own) {
        turns.push(DataRow::of(few(own)));
    }
    turns
}

/// `messages`, held as one where there is one.
pub(super) fn few(mut messages: Vec<Message>) -> Few<Message> {
    match messages.pop() {
        Some(only) if messages.is_empty() => Few::One(only),
        last => {
            messages.extend(last);
            Few::Many(messages)
        }
    }
}
