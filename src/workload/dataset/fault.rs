//! Owns `Fault`: a row of a data set that cannot be used, with its line.

/// Why a row cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The line of the row, from 1.
    pub(super) line: u64,
    /// What is wrong, and what to do next.
    pub(super) why: String,
}

impl Fault {
    pub(super) fn new(line: u64, why: impl Into<String>) -> Self {
        Self { line, why: why.into() }
    }
}

/// At most 60 characters of `text`, for messages.
pub(super) fn shown(text: &str) -> String {
    let mut characters = text.chars().map(|next| if next.is_control() { ' ' } else { next });
    let start: String = characters.by_ref().take(60).collect();
    if characters.next().is_some() { format!("{start}…") } else { start }
}
