//! Owns the reading of an object with `choices`, for chat and completions: only the places of the text differ.

use crate::client::counts::counts_of;
use crate::client::delta::Delta;
use crate::client::finish::{gives_up, reason_of};
use crate::client::said::words_in;
use crate::client::shape::{AnswerObject, Fragment, Place};

/// Reads an object in one typed pass. Unknown keys are checked and skipped, and no tree is built. The error says why
/// the object is malformed.
pub(super) fn read(object: &str, places: &[Place]) -> Result<Delta, String> {
    let object = AnswerObject::read(object).map_err(|error| error.to_string())?;
    let mut delta = Delta { usage: counts_of(object.usage), error: object.failure(), ..Delta::default() };
    for candidate in object.candidates() {
        candidate.for_each_fragment(places, &mut |fragment| {
            let bytes = match fragment {
                Fragment::Answer(text) => {
                    delta.answer = true;
                    text.len() as u64
                }
                Fragment::Reasoning(text) => {
                    delta.reasoning = true;
                    text.len() as u64
                }
                Fragment::Opaque => {
                    delta.answer = true;
                    u64::MAX
                }
            };
            delta.bytes = delta.bytes.saturating_add(bytes);
            delta.of_choices |= candidate.bit();
        });
        delta.error = delta.error.or_else(|| candidate.failure().map(words_in));
        let reason = reason_of(candidate.finish_reason);
        delta.ends_choices |= if reason.is_some() { candidate.bit() } else { 0 };
        if delta.finish_reason.is_none() || reason.as_deref().is_some_and(gives_up) {
            delta.finish_reason = reason.or(delta.finish_reason);
        }
        delta.usage = delta.usage.or_else(|| counts_of(candidate.usage));
    }
    Ok(delta)
}

/// Hands each fragment of text in an object to `each`; returns `false` when the object is malformed.
pub(super) fn for_each_fragment(object: &str, places: &[Place], each: &mut dyn FnMut(Fragment<'_>)) -> bool {
    let Ok(object) = AnswerObject::read(object) else { return false };
    for candidate in object.candidates() {
        candidate.for_each_fragment(places, &mut |fragment| each(fragment));
    }
    true
}
