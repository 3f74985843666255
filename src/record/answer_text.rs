//! Owns `AnswerText`: the text of an answer, kept until a tokenizer has counted it.

/// The text of an answer as received, and where each token-bearing event ended in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnswerText {
    /// The text: reasoning, content, refusals and tool arguments in order of arrival. UTF-8, except for characters
    /// that the server cut in half.
    pub bytes: Vec<u8>,
    /// The end of each token-bearing event in `bytes`; empty if the answer was not streamed.
    pub event_ends: Vec<u32>,
}
