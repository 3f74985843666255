//! Owns `RequestSpec`: one request of a plan, its numbers first and its prompt where it is made.

use std::sync::Arc;

/// What is known of a request without making its prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Its number in the plan, from 0.
    pub id: u64,
    /// Its class; `default` without a mix.
    pub class: Arc<str>,
    /// Its session, where it has one.
    pub session: Option<u64>,
    /// Its turn in the session.
    pub turn: Option<u32>,
    /// Input tokens asked for.
    pub input_tokens: u32,
    /// Output tokens asked for; 0 where none are.
    pub output_tokens: u32,
}

/// What a prompt begins with: blocks of text that stand in other prompts too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prefix {
    /// The blocks in order; equal ids mean equal text. The last may be cut.
    pub ids: Vec<u64>,
    /// Tokens of each.
    pub block_tokens: u32,
}

/// A request ready to be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestSpec {
    /// Its numbers.
    pub outline: Outline,
    /// The prompt text.
    pub prompt: String,
    /// Tokens of the prompt text as the plan's tokenizer counts it, special tokens not added; none without a tokenizer.
    pub counted_tokens: Option<u32>,
}
