//! Owns `ServedDialect`: how a server of a kind of endpoint reads requests and writes answers. The simulated server
//! is one.

use std::borrow::Cow;

use serde::Deserialize;

/// What the answer to a request depends on, read from its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServedRequest<'a> {
    /// The model that is asked; none where the body names none.
    pub(crate) model: Option<Cow<'a, str>>,
    /// Tokens of the prompt; the error says why the prompt cannot be answered. One word of white-space-separated text
    /// counts as one token (`words-v1`): a documented estimate, equal for every client.
    pub(crate) prompt_tokens: Result<u32, &'static str>,
    /// Output tokens asked for.
    pub(crate) output_tokens: Option<u32>,
    /// Candidates asked for (`n`).
    pub(crate) candidates: Option<u32>,
    /// Whether the answer is to be streamed.
    pub(crate) streamed: bool,
    /// Whether a stream is to end with token counts.
    pub(crate) usage_at_end: bool,
    /// Whether each event is to carry token counts.
    pub(crate) usage_in_each: bool,
}

/// One part of a prompt, as a prefix cache tells prompts apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PromptPart<'a> {
    /// A message begins, of this role.
    Role(&'a str),
    /// Text.
    Text(&'a str),
    /// A token id.
    TokenId(String),
}

/// What tells one answer from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AnswerIdentity<'a> {
    /// The number of the request, from 0.
    pub(crate) sequence: u64,
    /// Seconds since 1970.
    pub(crate) created_s: u64,
    /// The model's name as it stands between the quotes of a JSON text.
    pub(crate) model_json: &'a str,
}

/// Token counts of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AnswerUsage {
    /// Tokens of the prompt.
    pub(crate) prompt: u32,
    /// Tokens of the answer so far.
    pub(crate) output: u32,
    /// Tokens of the prompt that a prefix cache held; none where the server does not say.
    pub(crate) cached: Option<u32>,
}

/// What a server says in one step of an answer. Texts stand as they do between the quotes of a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says<'a> {
    /// The stream begins, and no token has come.
    Opening,
    /// Tokens of the reasoning, then of the answer; either may be empty.
    Tokens {
        /// Text of the reasoning.
        reasoning: &'a str,
        /// Text of the answer.
        text: &'a str,
    },
    /// The model has finished, for this reason.
    Finish(&'a str),
    /// The token counts of a stream, after its end.
    Counts,
    /// The stream is over.
    End,
    /// A whole answer that is not streamed.
    Whole {
        /// Text of the reasoning.
        reasoning: &'a str,
        /// Text of the answer.
        text: &'a str,
        /// Why the model has finished.
        finish: &'a str,
    },
}

/// How a server of a kind of endpoint reads requests and writes answers.
pub(crate) trait ServedDialect {
    /// Reads a request; the error says what is wrong with its JSON.
    fn read_request<'a>(&self, body: &'a [u8]) -> Result<ServedRequest<'a>, serde_json::Error>;

    /// Hands each part of the prompt of a request to `each`, in order; nothing where there is no prompt.
    fn for_each_prompt_part(&self, body: &serde_json::Value, each: &mut dyn FnMut(PromptPart<'_>));

    /// What all events of one answer begin with, or with `streamed` false a whole answer. Made once, and handed to
    /// [`ServedDialect::write`].
    fn beginning(&self, identity: AnswerIdentity<'_>, streamed: bool) -> Vec<u8>;

    /// Appends the events that say `says`: one, none, or several. `usage` where token counts stand beside it.
    fn write(&self, out: &mut Vec<u8>, beginning: &[u8], says: Says<'_>, usage: Option<AnswerUsage>);
}

/// The key `stream_options` of a request.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct StreamOptions {
    include_usage: Option<bool>,
    continuous_usage_stats: Option<bool>,
}

impl StreamOptions {
    /// Whether a stream ends with token counts, and whether each event carries them.
    pub(super) fn usage(options: Option<Self>) -> (bool, bool) {
        let at_end = options.and_then(|options| options.include_usage).unwrap_or(false);
        (at_end, at_end && options.and_then(|options| options.continuous_usage_stats).unwrap_or(false))
    }
}

/// Words of `text`, parted by white space.
pub(super) fn word_count(text: &str) -> u32 {
    u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX)
}
