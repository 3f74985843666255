//! Owns `Message`: one message of a request, in parts.

use std::borrow::Cow;

use crate::workload::Image;

/// The author of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The operator of the service: instructions before the conversation.
    System,
    /// The user.
    User,
    /// The model: an earlier answer.
    Assistant,
}

impl Role {
    /// The role's name in a request.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessagePart {
    /// Text.
    Text(String),
    /// An image.
    Image(Image),
}

impl MessagePart {
    /// The text of the part; empty if the part is not text.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Image(_) => "",
        }
    }
}

/// A list that mostly has one item: one item needs no allocation for the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Few<T> {
    /// One item.
    One(T),
    /// Any number of items.
    Many(Vec<T>),
}

impl<T> std::ops::Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::One(item) => std::slice::from_ref(item),
            Self::Many(items) => items,
        }
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        match self {
            Self::One(item) => vec![item],
            Self::Many(items) => items,
        }
        .into_iter()
    }
}

impl<T> From<T> for Few<T> {
    fn from(item: T) -> Self {
        Self::One(item)
    }
}

/// One message of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The author of the message.
    pub role: Role,
    /// The content of the message.
    pub parts: Few<MessagePart>,
}

impl Message {
    /// A message of `role` with one part, a text.
    #[must_use]
    pub const fn new(role: Role, text: String) -> Self {
        Self { role, parts: Few::One(MessagePart::Text(text)) }
    }

    /// A message of the user with one part, a text.
    #[must_use]
    pub const fn user(text: String) -> Self {
        Self::new(Role::User, text)
    }
}

/// The separator between two texts that are joined to one prompt.
const BETWEEN_TEXTS: &str = "\n";

/// The texts of `messages` joined in their order, with a line break between any two, and without their images. A single
/// text is borrowed.
#[must_use]
pub fn joined_text(messages: &[Message]) -> Cow<'_, str> {
    let parts = messages.iter().flat_map(|message| message.parts.iter());
    let mut texts = parts.filter(|part| matches!(part, MessagePart::Text(_))).map(MessagePart::text);
    let (first, second) = (texts.next().unwrap_or(""), texts.next());
    let Some(second) = second else { return Cow::Borrowed(first) };
    let mut joined = [first, BETWEEN_TEXTS, second].concat();
    for text in texts {
        joined.push_str(BETWEEN_TEXTS);
        joined.push_str(text);
    }
    Cow::Owned(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_is_borrowed_and_several_are_joined_in_their_order() {
        let text = |text: &str| MessagePart::Text(text.to_owned());
        let one = [Message::user("a".to_owned())];
        assert!(matches!(joined_text(&one), Cow::Borrowed("a")));
        let many = [
            Message::new(Role::System, "be brief".to_owned()),
            Message {
                role: Role::User,
                parts: Few::Many(vec![text("a"), MessagePart::Image(Image::default()), text("b")]),
            },
            Message { role: Role::Assistant, parts: Few::Many(Vec::new()) },
        ];
        assert_eq!(joined_text(&many), "be brief\na\nb");
        assert_eq!(joined_text(&[]), "");
    }
}
