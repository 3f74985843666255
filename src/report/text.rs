//! Owns `Text`, a text of a page in English and in Chinese, and `Lang`, the language of a page.
//!
//! Charts, sections and tables take a `Text` or a `Said`, never a plain string. So nothing can be added to a page
//! without its translation.

/// The language of a page in HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// English.
    #[default]
    English,
    /// Simplified Chinese. Sentences that are made from the findings of a result stay English.
    Chinese,
}

impl Lang {
    /// The value of the attribute `lang` in HTML.
    pub(super) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }
}

/// A fixed text in both languages: a row of the tables in `words`. `{}` stands for a part that is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) en: &'static str,
    pub(super) zh: &'static str,
}

impl Said {
    /// The text in `lang`.
    pub(super) const fn of(self, lang: Lang) -> &'static str {
        match lang {
            Lang::English => self.en,
            Lang::Chinese => self.zh,
        }
    }

    /// The text with `parts` in place of each `{}`, in order.
    pub(super) fn with<const N: usize>(self, parts: [Text; N]) -> Text {
        let (mut en, mut zh) = (self.en.to_owned(), self.zh.to_owned());
        for part in parts {
            en = en.replacen("{}", &part.en, 1);
            zh = zh.replacen("{}", &part.zh, 1);
        }
        Text { en, zh }
    }
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Text {
    en: String,
    zh: String,
}

impl Text {
    /// A name, a number or a term that is alike in both languages.
    pub(super) fn data(text: impl Into<String>) -> Self {
        let en: String = text.into();
        Self { zh: en.clone(), en }
    }

    /// The text with the sentence `more` after it.
    pub(super) fn and(mut self, more: &Self) -> Self {
        self.en.extend([" ", &more.en]);
        self.zh.push_str(&more.zh);
        self
    }

    /// The text in `lang`.
    pub(super) fn of(&self, lang: Lang) -> &str {
        match lang {
            Lang::English => &self.en,
            Lang::Chinese => &self.zh,
        }
    }
}

impl From<Said> for Text {
    fn from(said: Said) -> Self {
        Self { en: said.en.to_owned(), zh: said.zh.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_filled_in_in_order_in_both_languages() {
        const OF: Said = Said { en: "{} of {}", zh: "{}（{}）" };
        let text = OF.with([Text::data("3"), Text::from(Said { en: "all", zh: "全部" })]);
        assert_eq!((text.of(Lang::English), text.of(Lang::Chinese)), ("3 of all", "3（全部）"));
    }
}
