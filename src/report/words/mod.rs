//! Owns the tables of fixed texts of the HTML pages, in English and in Chinese.

/// A table of fixed texts: `NAME: English, Chinese;`.
macro_rules! words {
    ($($name:ident: $en:expr, $zh:expr;)*) => {
        $(pub(in crate::report) const $name: crate::report::text::Said =
            crate::report::text::Said { en: $en, zh: $zh };)*

        /// Every row of the table, for the tests.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, crate::report::text::Said)] = &[$((stringify!($name), $name)),*];
    };
}

pub(super) mod charts;
pub(super) mod grids;
pub(super) mod page;
pub(super) mod terms;

#[cfg(test)]
mod tests {
    use crate::report::text::Said;
    use crate::report::words::{charts, grids, page, terms};

    fn is_chinese(text: &str) -> bool {
        text.chars().any(|character| ('\u{4e00}'..='\u{9fff}').contains(&character))
    }

    fn sound(name: &str, said: Said) {
        assert!(is_chinese(said.zh), "{name} has no Chinese text: {}", said.zh);
        assert!(!is_chinese(said.en), "{name}: {}", said.en);
        assert_eq!(said.en.matches("{}").count(), said.zh.matches("{}").count(), "{name}: parts to fill in");
    }

    #[test]
    fn every_text_of_the_tables_has_both_languages_and_the_same_parts() {
        for (name, said) in charts::ALL.iter().chain(page::ALL) {
            sound(name, *said);
        }
        for said in grids::HEADINGS.iter().chain(grids::CELLS) {
            sound(said.en, *said);
        }
        for term in terms::TERMS {
            sound(term.name.en, term.meaning);
            assert!(!term.name.zh.is_empty());
        }
    }

    #[test]
    fn no_text_stands_twice_in_a_table_with_two_translations() {
        for table in [grids::HEADINGS, grids::CELLS] {
            for (place, said) in table.iter().enumerate() {
                assert!(table[..place].iter().all(|other| other.en != said.en), "{}", said.en);
            }
        }
    }
}
