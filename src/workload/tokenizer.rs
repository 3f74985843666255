//! Owns `Tokenizer`: it counts the tokens of a text as a model's own `tokenizer.json` does, without special tokens.

use std::fmt;
use std::sync::OnceLock;

use tokenizers::ModelWrapper;

use crate::error::Refusal;
use crate::workload::chat_template::Around;
use crate::workload::guarded::guarded;
use crate::workload::pieces::Pieces;
use crate::workload::{ChatTemplate, Message, joined_text};

/// Number of corpora of natural text.
pub(super) const CORPORA: usize = 5;

/// A chat template, with what it puts around the message of a first turn and of a later one.
struct Templated {
    template: ChatTemplate,
    first: Frame,
    later: Option<Frame>,
}

/// What a chat template puts around a message of the user.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) around: Around,
    /// The tokens of the text before the message and of the text after it together.
    pub(super) tokens: u32,
}

/// What is accepted, for refusals.
const ACCEPTED: &str = "accepted is the `tokenizer.json` of a Hugging Face model, or a folder that holds one";

/// A tokenizer read from a `tokenizer.json`. Shared read-only by all threads.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    name: String,
    digest: String,
    pub(super) pieces: Pieces,
    template: Option<Templated>,
    /// For each corpus of natural text, the tokens before each of its pieces, measured when they are first needed.
    pub(super) passages: [OnceLock<Vec<u32>>; CORPORA],
}

impl Tokenizer {
    /// Reads the bytes of a `tokenizer.json`; `name` is its name in reports. Refused if the bytes are not a
    /// tokenizer, if its counts cannot be repeated, or if it cannot encode the words that prompts are made of.
    pub fn from_json(bytes: &[u8], name: &str) -> Result<Self, Refusal> {
        let refuse = |why: String| Refusal::new(format!("{name} {why}"), ACCEPTED);
        let read = of_library(|| tokenizers::Tokenizer::from_bytes(bytes).map_err(|why| why.to_string()));
        let mut inner = read.and_then(|read| read).map_err(|why| refuse(format!("is not a tokenizer ({why})")))?;
        if let ModelWrapper::BPE(model) = inner.get_model()
            && model.dropout.is_some_and(|share| share > 0.0)
        {
            return Err(refuse(
                "drops merges at random (`model.dropout`), so its counts cannot be repeated".to_owned(),
            ));
        }
        // A stored limit or padding would change the counts.
        let unlimited = of_library(|| inner.with_truncation(None).map(|_| ()).map_err(|why| why.to_string()));
        unlimited.and_then(|done| done).map_err(|why| refuse(format!("cannot be used ({why})")))?;
        inner.with_padding(None);
        let count = |text: &str| count_with(&inner, text);
        let pieces = Pieces::measured(count)
            .ok_or_else(|| refuse("cannot encode the words that prompts are made of".to_owned()))?;
        Ok(Self {
            inner,
            name: name.to_owned(),
            digest: blake3::hash(bytes).to_hex()[..16].to_owned(),
            pieces,
            template: None,
            passages: Default::default(),
        })
    }

    /// The same for prompts that a server puts into `template`: lengths of prompts then include it. Refused if the
    /// template does not repeat a message of the user as it stands.
    pub fn templated(self, template: ChatTemplate) -> Result<Self, Refusal> {
        let first = self.framed(template.around(&[])?);
        let later = template.around_later().map(|around| self.framed(around));
        Ok(Self { template: Some(Templated { template, first, later }), ..self })
    }

    /// The chat template that lengths of prompts include.
    #[must_use]
    pub fn template(&self) -> Option<&ChatTemplate> {
        self.template.as_ref().map(|templated| &templated.template)
    }

    fn framed(&self, around: Around) -> Frame {
        let tokens = self.count(&around.with(""));
        Frame { around, tokens }
    }

    /// What stands around the message of a first turn, or of a later one; `None` without a template.
    pub(super) fn frame(&self, is_later: bool) -> Option<&Frame> {
        let templated = self.template.as_ref()?;
        if is_later { templated.later.as_ref() } else { Some(&templated.first) }
    }

    /// What stands around a message of the user after `before`; `None` without a template.
    pub(super) fn frame_after(&self, before: &[Message]) -> Option<Frame> {
        self.template().and_then(|template| template.around(before).ok()).map(|around| self.framed(around))
    }

    /// Tokens of `text` within `frame`.
    pub(super) fn count_within(&self, frame: Option<&Frame>, text: &str) -> u32 {
        frame.map_or_else(|| self.count(text), |frame| self.count(&frame.around.with(text)))
    }

    /// Tokens of a prompt of `messages`, with the chat template if there is one. Of a later turn of a conversation,
    /// which `is_later` says, only those are counted that come after the answer before it. Messages that the template
    /// refuses count without it.
    #[must_use]
    pub(super) fn count_messages(&self, messages: &[Message], is_later: bool) -> u32 {
        let text = joined_text(messages);
        match self.template() {
            Some(template) if !is_later => self.count(template.render(messages).as_deref().unwrap_or(&text)),
            _ => self.count_within(self.frame(is_later), &text),
        }
    }

    /// The tokenizer's name in reports.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tokenizer's name, the first 16 hexadecimal digits of the BLAKE3 hash of its file, and the chat template, if
    /// there is one.
    #[must_use]
    pub fn label(&self) -> String {
        let template = self.template().map(|template| format!(", in the chat template of {}", template.name()));
        format!("{} (blake3 {}){}", self.name, self.digest, template.unwrap_or_default())
    }

    /// Tokens of `text`, without special tokens. Zero if the tokenizer cannot encode the text at all, which is a
    /// defect of its file.
    #[must_use]
    pub fn count(&self, text: &str) -> u32 {
        count_with(&self.inner, text).unwrap_or(0)
    }

    /// Tokens of each piece of `text`, without special tokens. `ends` are the ends of the pieces in bytes, in order;
    /// the last is the end of the text. The whole text is encoded once, so the counts add up to [`Tokenizer::count`].
    /// A token belongs to the piece that holds its last byte. (Encoding each piece alone would cut tokens that span
    /// two pieces; encoding every prefix would take quadratic time.)
    #[must_use]
    pub fn count_by_piece(&self, text: &str, ends: &[u32]) -> Vec<u32> {
        let mut counts = vec![0; ends.len()];
        let Some(last) = ends.len().checked_sub(1) else { return counts };
        let Ok(Ok(encoding)) = guarded(|| self.inner.encode(text, false)) else { return counts };
        for (_, end) in encoding.get_offsets() {
            let piece = ends.partition_point(|piece_end| (*piece_end as usize) < *end);
            counts[piece.min(last)] += 1;
        }
        counts
    }
}

/// Calls the library; a panic becomes an error.
fn of_library<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    guarded(call).map_err(|why| format!("the tokenizer library failed on it: {why}"))
}

/// Tokens of `text`; `None` if it cannot be encoded.
fn count_with(tokenizer: &tokenizers::Tokenizer, text: &str) -> Option<u32> {
    let encoding = guarded(|| tokenizer.encode_fast(text, false)).ok()?.ok()?;
    Some(u32::try_from(encoding.len()).unwrap_or(u32::MAX))
}

impl PartialEq for Tokenizer {
    /// Whether both come from the same file, and put the same around a prompt.
    fn eq(&self, other: &Self) -> bool {
        let around = |tokenizer: &Self| tokenizer.frame(false).map(|frame| frame.around.clone());
        self.digest == other.digest && around(self) == around(other)
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokenizer({})", self.label())
    }
}
