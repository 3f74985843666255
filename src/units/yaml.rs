//! Owns the messages about invalid YAML.

/// Why a text is not the expected YAML. The line number is left out, because it stands before the message.
pub(crate) fn yaml_words(error: &serde_saphyr::Error) -> String {
    match error.without_snippet() {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("`{key}` appears twice; keep one of them")
        }
        serde_saphyr::Error::DuplicateMappingKey { key: None, .. } => {
            "a key appears twice; keep one of them".to_owned()
        }
        other => {
            let words = other.to_string();
            let place = other.location().map(|place| format!(" at line {}, column {}", place.line(), place.column()));
            let words = place.and_then(|place| words.strip_suffix(&place).map(str::to_owned)).unwrap_or(words);
            plainly(&words)
        }
    }
}

/// `words` of the parser, in those of a user where they speak of the parser's own steps.
fn plainly(words: &str) -> String {
    let rows = [
        ("found a tab", "a tab stands where YAML takes only blanks; replace it"),
        ("did not find expected key", "a line is indented unlike the lines around it, or lacks its colon"),
        ("did not find expected '-'", "a line is indented unlike the items of the list around it"),
        ("expected mapping start", "no `key: value` stands here, but another value"),
        ("mapping values are not allowed", "a second colon stands in a value; put the value in quotes"),
    ];
    rows.iter().find(|(theirs, _)| words.contains(theirs)).map_or(words, |(_, plain)| *plain).to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_parser_speaks_of_what_the_user_wrote() {
        for (text, words) in [
            ("a:\n  b: 1\n c: 2\n", "indented unlike"),
            ("a:\t1\n\tb: 2\n", "a tab stands"),
            ("- a\n", "no `key: value` stands here"),
            ("a: b: c\n", "a second colon"),
            ("a: 1\na: 2\n", "`a` appears twice"),
        ] {
            let error = serde_saphyr::from_str::<std::collections::BTreeMap<String, serde_json::Value>>(text);
            let said = super::yaml_words(&error.unwrap_err());
            assert!(said.contains(words), "{text:?}: {said}");
        }
    }
}
