//! Owns the option that chooses the language of a page in HTML.

use clap::{Args, ValueEnum};

use crate::error::Error;
use crate::report::Lang;

/// The language of a page.
#[derive(Debug, Args)]
pub(in crate::cli) struct LanguageOption {
    /// The language of the page in HTML: headings, tables, charts and explanations. Sentences that are made from the
    /// findings (answer, warnings, advice) are in English in either
    #[arg(long, value_name = "LANGUAGE")]
    lang: Option<Language>,
}

/// A language of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    En,
    Zh,
}

impl LanguageOption {
    /// The language; English where none is given. Refused where no page is in HTML (`has_html`).
    pub(in crate::cli) fn lang(&self, has_html: bool) -> Result<Lang, Error> {
        match self.lang {
            Some(_) if !has_html => {
                Err(Error::usage("--lang", "has no meaning here: only HTML has languages", "add --to html, or drop it"))
            }
            Some(Language::Zh) => Ok(Lang::Chinese),
            Some(Language::En) | None => Ok(Lang::English),
        }
    }
}
