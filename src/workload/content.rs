//! Owns `Content`: a user's own source of messages, instead of synthetic prompts.

use std::fmt;
use std::sync::Arc;

use serde::Serializer;
use serde::ser::Error as _;

use crate::workload::{Few, Message, Outline};

/// Makes the messages of requests. It must be a pure function of (content, outline): requests are made before their
/// instant, in any order, on several threads, and made again for the list of failed requests.
pub trait Content: fmt::Debug + Send + Sync {
    /// The messages of the request of `outline`.
    fn messages(&self, outline: &Outline) -> Few<Message>;

    /// A text that differs between any two contents that make different messages, such as a hash of a data set and
    /// its version. It is part of the plan's fingerprint.
    fn fingerprint(&self) -> String;
}

/// A content from the user of the library. Two contents are equal if their fingerprints are equal.
#[derive(Debug, Clone)]
pub struct OwnContent(Arc<dyn Content>);

impl OwnContent {
    /// Wraps `content`.
    #[must_use]
    pub fn new(content: impl Content + 'static) -> Self {
        Self(Arc::new(content))
    }
}

impl std::ops::Deref for OwnContent {
    type Target = dyn Content;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for OwnContent {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint() == other.fingerprint()
    }
}

/// Refuses to write what exists in this process alone.
#[expect(clippy::ref_option, reason = "serde hands out references")]
pub(super) fn stays_here<T, S: Serializer>(_: &Option<T>, _: S) -> Result<S::Ok, S::Error> {
    Err(S::Error::custom(
        "a tokenizer, and a content of the caller's own, cannot be sent to another process; play this plan here",
    ))
}
