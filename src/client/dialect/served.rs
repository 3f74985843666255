//! Owns `ServedDialect`: how a server (for example the simulated one) reads requests and writes responses for one kind
//! of endpoint.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use crate::workload::estimate_text;

/// The content of a request body on which the response depends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServedRequest<'a> {
    /// The requested model; `None` when the body names none.
    pub(crate) model: Option<Cow<'a, str>>,
    /// Tokens of the prompt by the estimate `text-v1`, the same for every client: a short common word is one token. The
    /// error says why the server cannot serve the prompt.
    pub(crate) prompt_tokens: Result<u32, &'static str>,
    /// Output tokens asked for.
    pub(crate) output_tokens: Option<u32>,
    /// Choices asked for (`n`).
    pub(crate) candidates: Option<u32>,
    /// Whether the response must be streamed.
    pub(crate) streamed: bool,
    /// Whether a stream must end with token counts.
    pub(crate) usage_at_end: bool,
    /// Whether each event must carry token counts.
    pub(crate) usage_in_each: bool,
    /// Items of a batch: the texts to embed, the documents to rank. 1 for an endpoint without batches.
    pub(crate) items: u32,
    /// Tokens of each prompt of a list of prompts; empty for a single prompt.
    pub(crate) each_prompt: Vec<u32>,
    /// The texts at which the model stops.
    pub(crate) stops: Vec<String>,
}

impl ServedRequest<'_> {
    /// The request in `body`, without batches or choices, of an endpoint that streams only on demand and reports token
    /// counts with its events. `output_tokens` is the value of the key that asks for the output length.
    pub(super) fn of(body: &Value, prompt_tokens: Result<u32, &'static str>, output_tokens: &Value) -> Self {
        Self {
            model: body["model"].as_str().map(|model| model.to_owned().into()),
            prompt_tokens,
            output_tokens: output_tokens.as_u64().map(|tokens| u32::try_from(tokens).unwrap_or(u32::MAX)),
            candidates: None,
            streamed: body["stream"] == true,
            usage_at_end: false,
            usage_in_each: true,
            items: 1,
            each_prompt: Vec::new(),
            stops: Vec::new(),
        }
    }
}

/// What a response has said before a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SoFar {
    /// Tokens so far.
    pub(crate) tokens: u32,
    /// Whether any reasoning has come.
    pub(crate) reasoned: bool,
    /// Whether any text of the answer has come.
    pub(crate) answered: bool,
}

/// One part of a prompt, as a prefix cache compares prompts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PromptPart<'a> {
    /// The next prompt of a list of prompts begins.
    Next,
    /// A message with this role begins.
    Role(&'a str),
    /// Text.
    Text(&'a str),
    /// A token id.
    TokenId(String),
}

impl PromptPart<'_> {
    /// Its tokens: those of its text by the estimate `text-v1`; a token id is one.
    pub(super) fn tokens(&self) -> u32 {
        match self {
            Self::Text(text) => estimate_text(text),
            Self::TokenId(_) => 1,
            Self::Next | Self::Role(_) => 0,
        }
    }
}

/// What identifies a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AnswerIdentity<'a> {
    /// Number of the request, from 0.
    pub(crate) sequence: u64,
    /// Seconds since 1970.
    pub(crate) created_s: u64,
    /// The model's name, escaped for JSON, without the quotes.
    pub(crate) model_json: &'a str,
    /// Index of the choice whose events begin so; 0 for an endpoint without choices.
    pub(crate) choice: u32,
}

/// Token counts of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AnswerUsage {
    /// Tokens of the prompt.
    pub(crate) prompt: u32,
    /// Output tokens so far.
    pub(crate) output: u32,
    /// Tokens of the prompt that a prefix cache held; `None` when the server does not report them.
    pub(crate) cached: Option<u32>,
}

/// What a server says in one step of a response. Texts are escaped for JSON, without the quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says<'a> {
    /// The stream begins, before the first token.
    Opening,
    /// Reasoning tokens, then answer tokens; either text may be empty.
    Tokens {
        /// Text of the reasoning.
        reasoning: &'a str,
        /// Text of the answer.
        text: &'a str,
        /// What was said before.
        so_far: SoFar,
    },
    /// The model has finished.
    Finish {
        /// Why the model has finished: `length` or `stop`.
        reason: &'a str,
        /// The text at which the model stopped; `None` when it met none.
        stop: Option<&'a str>,
        /// Text of the whole reasoning; empty unless [`ServedDialect::repeats_text`].
        reasoning: &'a str,
        /// Text of the whole answer; empty unless [`ServedDialect::repeats_text`].
        text: &'a str,
        /// What was said before.
        so_far: SoFar,
    },
    /// The server gives up, with this message. The stream is over.
    Failure(&'a str),
    /// An event that is malformed.
    Broken,
    /// The token counts of a stream, after its last token.
    Counts,
    /// The stream is over.
    End,
    /// A whole response that is not streamed.
    Whole {
        /// Text of the reasoning.
        reasoning: &'a str,
        /// Text of the answer.
        text: &'a str,
        /// Why the model has finished: `length` or `stop`.
        finish: &'a str,
        /// The text at which the model stopped; `None` when it met none.
        stop: Option<&'a str>,
        /// Items of a batch that are answered; 0 for a response without content.
        items: u32,
    },
}

/// One choice of a whole response. Texts are escaped for JSON, without the quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WholeChoice<'a> {
    /// Text of the reasoning.
    pub(crate) reasoning: &'a str,
    /// Text of the answer.
    pub(crate) text: &'a str,
    /// Why the model has finished: `length` or `stop`.
    pub(crate) finish: &'a str,
    /// The text at which the model stopped; `None` when it met none.
    pub(crate) stop: Option<&'a str>,
}

/// How a server reads requests and writes responses for one kind of endpoint.
pub(crate) trait ServedDialect {
    /// Reads a request; the error says what is wrong with its JSON.
    fn read_request<'a>(&self, body: &'a [u8]) -> Result<ServedRequest<'a>, serde_json::Error>;

    /// Hands each part of a request's prompt to `each`, in order; does nothing when there is no prompt.
    fn for_each_prompt_part(&self, body: &Value, each: &mut dyn FnMut(PromptPart<'_>));

    /// Whether the end of a stream repeats its whole text.
    fn repeats_text(&self) -> bool {
        false
    }

    /// The bytes with which all events of one response, or of one of its choices, begin; with `streamed` false, the
    /// bytes with which a whole response begins. They are made once and passed to [`ServedDialect::write`].
    fn beginning(&self, identity: AnswerIdentity<'_>, streamed: bool) -> Vec<u8>;

    /// Appends the events that say `says`: none, one, or several. They carry the token counts `usage`, if given.
    fn write(&self, out: &mut Vec<u8>, beginning: &[u8], says: Says<'_>, usage: Option<AnswerUsage>);

    /// Appends a whole response of several choices. An endpoint without choices writes the first one.
    fn write_choices(
        &self,
        out: &mut Vec<u8>,
        beginning: &[u8],
        choices: &[WholeChoice<'_>],
        usage: Option<AnswerUsage>,
    ) {
        if let Some(&WholeChoice { reasoning, text, finish, stop }) = choices.first() {
            self.write(out, beginning, Says::Whole { reasoning, text, finish, stop, items: 1 }, usage);
        }
    }
}

/// The key `stop` of a request: one text or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum StopTexts {
    One(String),
    Many(Vec<String>),
}

impl StopTexts {
    /// The texts, without empty ones.
    pub(super) fn listed(stop: Option<Self>) -> Vec<String> {
        let mut texts = match stop {
            None => Vec::new(),
            Some(Self::One(text)) => vec![text],
            Some(Self::Many(texts)) => texts,
        };
        texts.retain(|text| !text.is_empty());
        texts
    }
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
