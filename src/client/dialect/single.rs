//! Owns the reading of objects with one answer and no `choices`: an endpoint says where its text and its other facts
//! are, and this file makes a delta of them.

use crate::client::delta::{Counts, Delta};
use crate::client::shape::Fragment;
use crate::client::value::Raw;

/// What an object says beside text.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// Token counts.
    pub(super) usage: Option<Counts>,
    /// Why the model has finished.
    pub(super) finish: Option<Box<str>>,
    /// The message of an error.
    pub(super) error: Option<String>,
}

/// Reads an object: `visit` hands its fragments of text to its second argument, and returns the rest. The error says
/// why the object is malformed.
pub(super) fn read(
    object: &str,
    visit: impl Fn(Raw<'_>, &mut dyn FnMut(Fragment<'_>)) -> Aside,
) -> Result<Delta, String> {
    let object = parsed(object)?;
    let mut delta = Delta::default();
    let aside = visit(object, &mut |fragment| {
        let bytes = match fragment {
            Fragment::Answer(text) => {
                delta.answer |= !text.is_empty();
                text.len() as u64
            }
            Fragment::Reasoning(text) => {
                delta.reasoning |= !text.is_empty();
                text.len() as u64
            }
            Fragment::Opaque => {
                delta.answer = true;
                u64::MAX
            }
        };
        delta.bytes = delta.bytes.saturating_add(bytes);
    });
    delta.of_choices = u64::from(delta.has_token());
    delta.ends_choices = u64::from(aside.finish.is_some());
    Ok(Delta { usage: aside.usage, finish_reason: aside.finish, error: aside.error, ..delta })
}

/// Hands each fragment of text in an object to `each`; returns `false` when the object is malformed.
pub(super) fn for_each_fragment(
    object: &str,
    visit: impl Fn(Raw<'_>, &mut dyn FnMut(Fragment<'_>)) -> Aside,
    each: &mut dyn FnMut(Fragment<'_>),
) -> bool {
    let Ok(object) = parsed(object) else { return false };
    visit(object, each);
    true
}

fn parsed(object: &str) -> Result<Raw<'_>, String> {
    serde_json::from_str(object).map_err(|error| error.to_string())
}

/// Hands the text of `value` to `each` as answer text, if it has any.
pub(super) fn answer(value: Raw<'_>, each: &mut dyn FnMut(Fragment<'_>)) {
    let text = value.text();
    if !text.is_empty() {
        each(Fragment::Answer(&text));
    }
}

/// Hands the text of `value` to `each` as reasoning, if it has any.
pub(super) fn reasoning(value: Raw<'_>, each: &mut dyn FnMut(Fragment<'_>)) {
    let text = value.text();
    if !text.is_empty() {
        each(Fragment::Reasoning(&text));
    }
}

/// Hands `value` to `each` as answer text: a text as it is, an object or a list as its JSON. An empty one has none.
pub(super) fn arguments(value: Raw<'_>, each: &mut dyn FnMut(Fragment<'_>)) {
    if !value.is_object() && !value.is_list() {
        answer(value, each);
    } else if !value.is_empty() {
        each(Fragment::Answer(value.as_str().as_bytes()));
    }
}
