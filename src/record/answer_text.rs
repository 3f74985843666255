//! Owns `AnswerText`: the text of an answer, kept until a tokenizer has counted it or the next turn carries it.

/// The text of an answer as received, and where each token-bearing event ended in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnswerText {
    /// The text: reasoning, content, refusals and tool arguments in order of arrival. UTF-8, except for characters
    /// that the server cut in half.
    pub bytes: Vec<u8>,
    /// The end of each token-bearing event in `bytes`; empty if the answer was not streamed.
    pub event_ends: Vec<u32>,
    /// Where the first text that is not reasoning begins in `bytes`; absent before it. It is not kept in files.
    pub answer_from: Option<usize>,
}

impl AnswerText {
    /// The text after the reasoning, as a conversation carries it on; empty if there is only reasoning.
    #[must_use]
    pub fn answer(&self) -> &[u8] {
        self.answer_from.and_then(|from| self.bytes.get(from..)).unwrap_or_default()
    }
}
