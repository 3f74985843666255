//! Owns the body of a completion request around its prompt: `POST /completions`, which knows no chat template.

use super::length_field::LengthField;
use crate::error::Error;

pub(super) const PATH: &str = "completions";
pub(super) const BEFORE_PROMPT: &str = r#""prompt":"#;
pub(super) const AFTER_PROMPT: &str = "";

/// The field that asks for the output length: this endpoint has one only, and servers ignore the other in silence.
pub(super) fn length_key(asked: Option<LengthField>) -> Result<&'static str, Error> {
    match asked {
        None | Some(LengthField::MaxTokens) => Ok(LengthField::MaxTokens.name()),
        Some(LengthField::MaxCompletionTokens) => Err(Error::usage(
            "--output-field",
            "the completions endpoint knows no max_completion_tokens",
            "drop it, or give --output-field max_tokens",
        )),
    }
}
