//! Owns `TextKind`: what synthetic prompts are made of.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use crate::error::Refusal;
use crate::workload::corpus::Corpus;
use crate::workload::{ESTIMATE_NAME, TEXT_ESTIMATE_NAME};

/// What synthetic prompts are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextKind {
    /// Passages of English prose, joined from many places of several books.
    Text,
    /// Words drawn one by one. Their number is exact without a tokenizer, and no text is sent twice.
    #[default]
    Words,
    /// Passages of an English novel.
    English,
    /// Passages of source code.
    Code,
    /// Passages of a Chinese novel.
    Chinese,
    /// Lines of Shakespeare's sonnets from many places.
    Sonnet,
}

impl TextKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [Self::Text, Self::Words, Self::English, Self::Code, Self::Chinese, Self::Sonnet];

    /// The kind of prompts that are made without being asked for another one (the option `content`). A [`Workload`]
    /// that is built by hand has words.
    ///
    /// [`Workload`]: crate::workload::Workload
    pub const USUAL: Self = Self::Text;

    /// The name of the kind.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Words => "words",
            Self::English => "english",
            Self::Code => "code",
            Self::Chinese => "chinese",
            Self::Sonnet => "sonnet",
        }
    }

    /// The estimate that counts its tokens without a tokenizer.
    #[must_use]
    pub const fn estimate_name(self) -> &'static str {
        match self {
            Self::Words => ESTIMATE_NAME,
            Self::Text | Self::English | Self::Code | Self::Chinese | Self::Sonnet => TEXT_ESTIMATE_NAME,
        }
    }

    /// The corpus of the kind; `None` for words.
    pub(super) fn corpus(self) -> Option<&'static Corpus> {
        static TEXT: LazyLock<Corpus> = LazyLock::new(|| Corpus::of_blocks(include_str!("../../datasets/text.txt"), 3));
        static ENGLISH: LazyLock<Corpus> =
            LazyLock::new(|| Corpus::of_words(include_str!("../../datasets/english.txt"), 0, true));
        static CODE: LazyLock<Corpus> =
            LazyLock::new(|| Corpus::of_words(include_str!("../../datasets/code.txt"), 1, false));
        static CHINESE: LazyLock<Corpus> =
            LazyLock::new(|| Corpus::of_characters(include_str!("../../datasets/chinese.txt"), 2));
        static SONNET: LazyLock<Corpus> =
            LazyLock::new(|| Corpus::of_lines(include_str!("../../datasets/sonnet.txt"), 4));
        match self {
            Self::Words => None,
            Self::Text => Some(&TEXT),
            Self::English => Some(&ENGLISH),
            Self::Code => Some(&CODE),
            Self::Chinese => Some(&CHINESE),
            Self::Sonnet => Some(&SONNET),
        }
    }
}

impl fmt::Display for TextKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TextKind {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::name).join(", ");
            Refusal::new(format!("`{text}` is no content"), format!("accepted is {all}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_by_its_name_and_another_is_refused_with_all_of_them() {
        for kind in TextKind::ALL {
            assert_eq!(kind.to_string().parse::<TextKind>().unwrap(), kind);
        }
        assert!(
            "prose"
                .parse::<TextKind>()
                .unwrap_err()
                .to_string()
                .contains("text, words, english, code, chinese, sonnet")
        );
    }
}
