//! Owns `Delta`: the content of one event of a response, independent of the endpoint.

/// The meaning of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// `[DONE]`: nothing follows.
    Done,
    /// A well-formed object; or an event without data, as an empty delta.
    Delta(Delta),
    /// Not a valid event; holds the reason.
    Malformed(String),
}

/// The content of one JSON object of a response: an event, or a whole unstreamed response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Delta {
    /// Whether it has a non-empty `content`, `text` (of a completion), `refusal`, or name or arguments of a tool call.
    pub(crate) answer: bool,
    /// Whether it has a non-empty `reasoning` or `reasoning_content`, or a content part whose type is thinking.
    pub(crate) reasoning: bool,
    /// The `finish_reason` of the last choice whose reason gives up the request, or else of the first choice with a
    /// reason.
    pub(crate) finish_reason: Option<Box<str>>,
    /// Token counts, if the event carries any.
    pub(crate) usage: Option<Counts>,
    /// The message of an error object.
    pub(crate) error: Option<String>,
    /// Bytes of its text; `u64::MAX` when it holds something that is not text.
    pub(crate) bytes: u64,
    /// The choices for which it has tokens, one bit each, by index.
    pub(crate) of_choices: u64,
    /// The choices for which it has a finish reason, one bit each, by index.
    pub(crate) ends_choices: u64,
}

/// The counts of a `usage` object. A count that is absent or invalid is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// `prompt_tokens`, or `input_tokens`.
    pub(crate) input: Option<u32>,
    /// `completion_tokens`, or `output_tokens`.
    pub(crate) output: Option<u32>,
    /// `cached_tokens` of the prompt's details.
    pub(crate) cached: Option<u32>,
    /// `reasoning_tokens` of the output's details.
    pub(crate) reasoning: Option<u32>,
    /// Whether a value in the place of a count was not a valid count.
    pub(crate) odd: bool,
}

impl Delta {
    /// Whether it has any token.
    #[must_use]
    pub(crate) const fn has_token(&self) -> bool {
        self.answer || self.reasoning
    }
}
