//! Owns `LengthField`: the field of a request that asks for an output length.

/// The field that asks for an output length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LengthField {
    /// `max_completion_tokens`: OpenAI's current field. vLLM and SGLang read it, and their own benchmarks send it.
    #[default]
    MaxCompletionTokens,
    /// `max_tokens`: deprecated by OpenAI, but the only field that older servers know.
    MaxTokens,
}

impl LengthField {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::MaxTokens => "max_tokens",
        }
    }
}
