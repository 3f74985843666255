//! Owns the body of a chat request around its prompt: `POST /chat/completions`.

use super::length_field::LengthField;

pub(super) const PATH: &str = "chat/completions";
pub(super) const BEFORE_PROMPT: &str = r#""messages":[{"role":"user","content":"#;
pub(super) const AFTER_PROMPT: &str = "}]";

/// The field that asks for the output length.
pub(super) fn length_key(asked: Option<LengthField>) -> &'static str {
    asked.unwrap_or_default().name()
}
