//! Owns how messages are written into a request, and read from it, where endpoints share it.

use serde_json::Value;

use super::kind::quote;
use super::served::PromptPart;
use super::written::push_all;
use crate::workload::{Message, MessagePart};

/// Appends `messages` as a list of objects with a role and a content, which `write_content` writes.
pub(super) fn write_messages<'a>(
    body: &mut Vec<u8>,
    messages: impl Iterator<Item = &'a Message>,
    write_content: impl Fn(&mut Vec<u8>, &Message),
) {
    body.push(b'[');
    for (place, message) in messages.enumerate() {
        let comma = if place > 0 { "," } else { "" };
        push_all(body, &[comma, r#"{"role":""#, message.role.name(), r#"","content":"#]);
        write_content(body, message);
        body.push(b'}');
    }
    body.push(b']');
}

/// The names and places of the parts of a message, which differ between endpoints.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartNames {
    /// The type of a text.
    pub(super) text: &'static str,
    /// What stands before the Base64 of an image, and after it.
    pub(super) image: (&'static str, &'static str),
}

/// Appends a single text as a string, anything else as a list of parts.
pub(super) fn write_parts<'a>(
    body: &mut Vec<u8>,
    parts: impl Iterator<Item = &'a MessagePart> + Clone,
    names: PartNames,
) {
    let mut first = parts.clone();
    if let (Some(MessagePart::Text(text)), None) = (first.next(), first.next()) {
        return quote(body, text);
    }
    body.push(b'[');
    for (place, part) in parts.enumerate() {
        let comma = if place > 0 { "," } else { "" };
        match part {
            MessagePart::Text(text) => {
                push_all(body, &[comma, r#"{"type":""#, names.text, r#"","text":"#]);
                quote(body, text);
                body.push(b'}');
            }
            MessagePart::Image(image) => push_all(body, &[comma, names.image.0, image.base64(), names.image.1]),
        }
    }
    body.push(b']');
}

/// Hands the role and the texts of each message in `messages` to `each`.
pub(super) fn for_each_in_messages(messages: &Value, each: &mut dyn FnMut(PromptPart<'_>)) {
    for message in messages.as_array().into_iter().flatten() {
        each(PromptPart::Role(message["role"].as_str().unwrap_or("")));
        for_each_in_content(&message["content"], each);
    }
}

/// Hands the texts of `content` to `each`: one text, or a list of parts.
pub(super) fn for_each_in_content(content: &Value, each: &mut dyn FnMut(PromptPart<'_>)) {
    if let Some(text) = content.as_str() {
        each(PromptPart::Text(text));
    }
    let parts = content.as_array().into_iter().flatten();
    parts.filter_map(|part| part["text"].as_str()).for_each(|text| each(PromptPart::Text(text)));
}
