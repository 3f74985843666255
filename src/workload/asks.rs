//! Owns `Workload`: what requests ask for.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::workload::content::stays_here;
use crate::workload::{
    Cancel, Images, LengthSpec, OwnContent, Prefixes, Recording, Salt, SessionSpec, SourceSpec, TEXT_ESTIMATE_NAME,
    TextKind, Tokenizer,
};

/// What requests ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// The tokens and the session of each request.
    pub source: SourceSpec,
    /// What synthetic prompts are made of.
    #[serde(default, skip_serializing_if = "is_words")]
    pub text: TextKind,
    /// What prompts share. Requests of a trace, batches of texts and a content of the user's own share nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefixes: Option<Prefixes>,
    /// The salt in front of each prompt.
    pub salt: Salt,
    /// The tokenizer that counts the tokens of prompts; without one, an estimate does. It cannot be sent to another
    /// process.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none", serialize_with = "stays_here")]
    pub tokenizer: Option<Arc<Tokenizer>>,
    /// The user's own source of messages. With one, `salt` and `tokenizer` have no effect on what is sent. Without
    /// one, prompts are synthetic, with exactly the requested length. It cannot be sent to another process.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none", serialize_with = "stays_here")]
    pub content: Option<OwnContent>,
    /// Texts in each request, each of the drawn length: the items of a batch.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub texts: u32,
    /// Whether no output tokens are asked for, whatever the source says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_output: bool,
    /// Images in each request, beside its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Images>,
    /// Answers to each request. Each may have the drawn number of output tokens.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub choices: u32,
    /// The sessions of drawn requests: each arrival begins one. `None`: each arrival is a request of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<SessionSpec>,
    /// The requests that are cancelled some time after their send; a class of a mix may have its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Cancel>,
}

const fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
const fn is_one(number: &u32) -> bool {
    *number == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_words(kind: &TextKind) -> bool {
    *kind == TextKind::Words
}

impl Workload {
    /// Requests of `input` and `output` tokens, without a salt.
    #[must_use]
    pub const fn new(input: LengthSpec, output: LengthSpec) -> Self {
        Self::of(SourceSpec::Drawn { input, output: Some(output) })
    }

    /// The lengths and prefix blocks of a trace, without a salt.
    #[must_use]
    pub fn recorded(recording: Recording) -> Self {
        Self::of(SourceSpec::Recorded(Arc::new(recording)))
    }

    /// The requests of `source` with synthetic prompts, without a salt.
    #[must_use]
    pub const fn of(source: SourceSpec) -> Self {
        Self {
            source,
            text: TextKind::Words,
            prefixes: None,
            salt: Salt::Off,
            tokenizer: None,
            content: None,
            texts: 1,
            no_output: false,
            images: None,
            choices: 1,
            sessions: None,
            cancel: None,
        }
    }

    /// What counts the tokens of prompts before they are sent: the tokenizer, else an estimate.
    #[must_use]
    pub fn counter(&self) -> String {
        match &self.tokenizer {
            Some(tokenizer) => tokenizer.label(),
            None if self.source.listed().is_some() => TEXT_ESTIMATE_NAME.to_owned(),
            None => self.text.estimate_name().to_owned(),
        }
    }

    /// The workload with `salt`.
    #[must_use]
    pub fn salted(self, salt: Salt) -> Self {
        Self { salt, ..self }
    }

    /// The same with prompts of exactly the length that `tokenizer` counts.
    #[must_use]
    pub fn counted_by(self, tokenizer: Arc<Tokenizer>) -> Self {
        Self { source: self.source.counted_by(&tokenizer), tokenizer: Some(tokenizer), ..self }
    }

    /// The workload with `texts` texts in each request, and without output tokens if `no_output`.
    #[must_use]
    pub fn of_texts(self, texts: u32, no_output: bool) -> Self {
        Self { texts: texts.max(1), no_output, ..self }
    }

    /// The workload with synthetic prompts made of `text`.
    #[must_use]
    pub fn made_of(self, text: TextKind) -> Self {
        Self { text, ..self }
    }

    /// The workload with `prefixes`.
    #[must_use]
    pub fn sharing_prefixes(self, prefixes: Option<Prefixes>) -> Self {
        Self { prefixes, ..self }
    }

    /// The workload with `images` in each request, and with `choices` answers to each.
    #[must_use]
    pub fn of_images(self, images: Option<Images>, choices: u32) -> Self {
        Self { images, choices: choices.max(1), ..self }
    }

    /// The workload with some requests cancelled.
    #[must_use]
    pub fn cancelling(self, cancel: Option<Cancel>) -> Self {
        Self { cancel, ..self }
    }

    /// The workload in sessions of `sessions`, if there are any: each arrival then begins a session, and the lengths
    /// are those of each turn.
    #[must_use]
    pub fn in_sessions(self, sessions: Option<SessionSpec>) -> Self {
        Self { sessions, ..self }
    }

    /// The workload with messages made by `content`.
    #[must_use]
    pub fn saying(self, content: OwnContent) -> Self {
        Self { content: Some(content), ..self }
    }
}

impl Default for Workload {
    /// 128 input tokens, 64 output tokens, no salt.
    fn default() -> Self {
        Self::new(LengthSpec::DEFAULT_INPUT, LengthSpec::DEFAULT_OUTPUT)
    }
}
