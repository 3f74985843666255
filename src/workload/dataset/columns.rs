//! Owns `DataColumns`: which columns of a table, or keys of an object, hold the parts of a request.

use std::fmt;
use std::str::FromStr;

use crate::error::Refusal;

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The user's question.
    Prompt,
    /// A text in front of the question.
    Context,
    /// The instructions of the operator.
    System,
    /// The number of output tokens.
    Output,
    /// A recorded answer.
    Answer,
}

impl Part {
    const ALL: [Self; 5] = [Self::Prompt, Self::Context, Self::System, Self::Output, Self::Answer];

    const fn name(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Context => "context",
            Self::System => "system",
            Self::Output => "output",
            Self::Answer => "answer",
        }
    }

    /// The names under which the part is looked for, the first found wins. An answer has none: a column of that name
    /// may hold a label.
    pub(super) const fn usual(self) -> &'static [&'static str] {
        match self {
            Self::Prompt => &["prompt", "question", "text", "text_input", "query", "instruction", "input"],
            Self::Context => &["context"],
            Self::System => &["system", "system_prompt"],
            Self::Output => &["output_tokens", "output_length", "output_len", "max_tokens", "max_completion_tokens"],
            Self::Answer => &[],
        }
    }
}

/// The columns of a data set, as `prompt=question,output=length`. A key of JSON may be a pointer: `prompt=/turn/text`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DataColumns {
    given: Vec<(Part, String)>,
}

/// Compares by place in [`Part::ALL`], so that two ways to write the same columns are equal.
fn place(part: Part) -> usize {
    Part::ALL.iter().position(|other| *other == part).unwrap_or(0)
}

impl DataColumns {
    /// The column that was given for `part`.
    pub(super) fn given(&self, part: Part) -> Option<&str> {
        self.given.iter().find(|(other, _)| *other == part).map(|(_, name)| name.as_str())
    }

    /// Whether no column was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.given.is_empty()
    }
}

impl FromStr for DataColumns {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let accepted = "accepted is PART=NAME[,PART=NAME…] with the parts prompt, context, system, output (a number of \
            tokens) and answer (a text)";
        let mut given: Vec<(Part, String)> = Vec::new();
        for pair in text.split(',') {
            let split = pair.split_once('=').map(|(part, name)| (part.trim(), name.trim()));
            let Some((part, name)) = split.filter(|(_, name)| !name.is_empty()) else {
                return Err(Refusal::new(format!("`{pair}` names no column"), accepted));
            };
            let Some(part) = Part::ALL.into_iter().find(|known| known.name() == part) else {
                return Err(Refusal::new(format!("`{part}` is no part of a request"), accepted));
            };
            if given.iter().any(|(other, _)| *other == part) {
                return Err(Refusal::new(format!("`{}` is given twice", part.name()), "name one column for it"));
            }
            given.push((part, name.to_owned()));
        }
        given.sort_by_key(|(part, _)| place(*part));
        Ok(Self { given })
    }
}

impl fmt::Display for DataColumns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (part, name)) in self.given.iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            write!(f, "{comma}{}={name}", part.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_as_they_are_shown() {
        let columns: DataColumns = "output=len, prompt = question".parse().unwrap();
        assert_eq!(columns.to_string(), "prompt=question,output=len");
        assert_eq!(columns.to_string().parse::<DataColumns>().unwrap(), columns);
        assert_eq!((columns.given(Part::Prompt), columns.given(Part::System)), (Some("question"), None));
        for (text, words) in [
            ("question", "`question` names no column"),
            ("prompt=", "names no column"),
            ("", "names no column"),
            ("body=x", "`body` is no part of a request"),
            ("prompt=a,prompt=b", "`prompt` is given twice"),
        ] {
            let refusal = text.parse::<DataColumns>().unwrap_err().to_string();
            assert!(refusal.contains(words), "{text}: {refusal}");
        }
    }
}
