//! Owns `Endpoint` and the table of the supported kinds of endpoint.

use std::fmt;

use super::chat::Chat;
use super::completions::Completions;
use super::kind::{Capabilities, Dialect};
use crate::error::Refusal;

/// A kind of endpoint: how its requests are written and its responses read.
#[derive(Clone, Copy)]
pub struct Endpoint(&'static dyn Dialect);

impl Endpoint {
    /// Every kind; the first is the default.
    pub const ALL: &'static [Self] = &[
        // /v1/chat/completions: takes messages; the server puts them into its chat template.
        Self(&Chat),
        // /v1/completions: takes a bare prompt and returns text.
        Self(&Completions),
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Its path below the versioned base.
    #[must_use]
    pub fn path(self) -> &'static str {
        self.0.path()
    }

    /// What it can do; this decides which metrics are defined for it.
    #[must_use]
    pub fn capabilities(self) -> Capabilities {
        self.0.capabilities()
    }

    /// An endpoint that is not in the table.
    #[cfg(test)]
    pub(super) const fn of(dialect: &'static dyn Dialect) -> Self {
        Self(dialect)
    }

    /// Its dialect.
    pub(crate) fn dialect(self) -> &'static dyn Dialect {
        self.0
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self::ALL[0]
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Endpoint {}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Endpoint {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let found = Self::ALL.iter().copied().find(|endpoint| endpoint.name() == text);
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|endpoint| endpoint.name()).collect();
            Refusal::new(format!("`{text}` is not an endpoint"), format!("accepted is {}", names.join(" or ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::workload::Message;

    #[test]
    fn every_row_of_the_table_can_be_named_and_told_from_the_others() {
        for endpoint in Endpoint::ALL {
            assert_eq!(endpoint.name().parse(), Ok(*endpoint));
        }
        let distinct = |of: fn(&Endpoint) -> &'static str| Endpoint::ALL.iter().map(of).collect::<BTreeSet<_>>().len();
        assert_eq!(distinct(|endpoint| endpoint.name()), Endpoint::ALL.len());
        assert_eq!(distinct(|endpoint| endpoint.path()), Endpoint::ALL.len());
        let refusal = "embeddings".parse::<Endpoint>().unwrap_err().to_string();
        assert!(refusal.contains("accepted is chat or completions"), "{refusal}");
    }

    #[test]
    fn what_an_endpoint_writes_its_server_reads() {
        for endpoint in Endpoint::ALL {
            let dialect = endpoint.dialect();
            let mut body = format!(r#"{{"{}":"#, dialect.prompt_key()).into_bytes();
            dialect.write_prompt(&mut body, &[Message::user("three short words".to_owned())]);
            if let Some(key) = dialect.length_key(None).unwrap() {
                body.extend_from_slice(format!(r#","{key}":7}}"#).as_bytes());
            }
            let asked = dialect.read_request(&body).unwrap();
            assert_eq!((asked.prompt_tokens, asked.output_tokens), (Ok(3), Some(7)), "{endpoint}");
        }
    }
}
