//! Owns `Error`: what can go wrong in tonnage itself, sorted by who can fix it. A request's failure is data, never an
//! `Error`.

use std::path::{Path, PathBuf};

/// Why tonnage could not do what it was asked. Every message ends with what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command line or configuration asks for something impossible. Exit code 2.
    #[error("{option}: {why}; {accepted}")]
    Usage {
        /// The option at fault, by its name in a configuration file (`rate`). The command line says what was typed.
        option: String,
        /// What is wrong, quoting the value.
        why: String,
        /// What is accepted, or what to do next.
        accepted: String,
    },
    /// An input file cannot be used. Exit code 2.
    #[error("{}{}: {why}", path.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
    Input {
        /// The file.
        path: PathBuf,
        /// The line at fault, counted from 1; absent if no single line is.
        line: Option<u64>,
        /// What is wrong and what to do next.
        why: String,
    },
    /// The target cannot be used at all: nothing answered. Exit code 3.
    #[error("target {url}: {why}")]
    Target {
        /// The base URL.
        url: String,
        /// What is wrong and what to do next.
        why: String,
    },
    /// A result cannot be written. Exit code 2.
    #[error("cannot write {}: {why}", path.display())]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong and what to do next.
        why: String,
    },
    /// A defect in tonnage, or a failure of the machine it runs on. Exit code 3.
    #[error("internal: {0}; please report this with the command line")]
    Internal(String),
}

impl Error {
    /// A usage error of `option`, with what is wrong and what is accepted.
    pub fn usage(option: impl Into<String>, why: impl Into<String>, accepted: impl Into<String>) -> Self {
        Self::Usage { option: option.into(), why: why.into(), accepted: accepted.into() }
    }

    /// An input error for `path`, without a line.
    pub fn input(path: impl AsRef<Path>, why: impl Into<String>) -> Self {
        Self::Input { path: path.as_ref().to_owned(), line: None, why: why.into() }
    }

    /// An input error for `path` at `line` (from 1).
    pub fn input_at(path: impl AsRef<Path>, line: u64, why: impl Into<String>) -> Self {
        Self::Input { path: path.as_ref().to_owned(), line: Some(line), why: why.into() }
    }

    /// A target error for `url`.
    pub fn target(url: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Target { url: url.into(), why: why.into() }
    }

    /// An output error for `path`.
    pub fn output(path: impl AsRef<Path>, why: impl Into<String>) -> Self {
        Self::Output { path: path.as_ref().to_owned(), why: why.into() }
    }
}

/// Why a parser refuses a value, and what it accepts. The reader of the value adds the name of its option.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}; {accepted}")]
pub struct Refusal {
    /// What is wrong, quoting the value.
    pub why: String,
    /// What is accepted.
    pub accepted: String,
}

impl Refusal {
    /// A refusal: what is wrong, and what is accepted.
    pub fn new(why: impl Into<String>, accepted: impl Into<String>) -> Self {
        Self { why: why.into(), accepted: accepted.into() }
    }

    /// This refusal as a usage error of `option`.
    pub fn at(self, option: impl Into<String>) -> Error {
        Error::Usage { option: option.into(), why: self.why, accepted: self.accepted }
    }
}
