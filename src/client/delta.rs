//! Owns `Delta`: what one event of an answer says, whatever the endpoint.

/// What one event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// `[DONE]`: nothing follows.
    Done,
    /// A well-formed object, or an event without data, which says nothing.
    Delta(Delta),
    /// Not an event: why.
    Malformed(String),
}

/// What one JSON object of an answer says; a whole unstreamed answer reads the same way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Delta {
    /// Non-empty `content`, `text` (of a completion), `refusal`, or name or arguments of a tool call.
    pub(crate) answer: bool,
    /// Non-empty `reasoning` or `reasoning_content`, or a part of the content whose type is thinking.
    pub(crate) reasoning: bool,
    /// `finish_reason`: of the first choice that gives the request up, else of the first that has one.
    pub(crate) finish_reason: Option<Box<str>>,
    /// Token counts, where the event carries any.
    pub(crate) usage: Option<Counts>,
    /// The message of an error object.
    pub(crate) error: Option<String>,
    /// Bytes of its text; `u64::MAX` where it brings what is no text.
    pub(crate) bytes: u64,
    /// The choices that it brings tokens of: one bit each, by their index.
    pub(crate) of_choices: u64,
    /// The choices that it has a finish reason of.
    pub(crate) ends_choices: u64,
}

/// What a `usage` object says. A count that is absent, or that is no count, is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// `prompt_tokens`, or `input_tokens`.
    pub(crate) input: Option<u32>,
    /// `completion_tokens`, or `output_tokens`.
    pub(crate) output: Option<u32>,
    /// `cached_tokens` of the prompt's details.
    pub(crate) cached: Option<u32>,
    /// `reasoning_tokens` of the answer's details.
    pub(crate) reasoning: Option<u32>,
    /// Something stood where a count belongs, and was none.
    pub(crate) odd: bool,
}

impl Delta {
    /// Whether it brings any token.
    #[must_use]
    pub(crate) const fn has_token(&self) -> bool {
        self.answer || self.reasoning
    }
}
