//! Owns the words for what is wrong with a YAML text.

/// Why a text is no YAML of the kind that is wanted, without the line, which stands before it.
pub(crate) fn yaml_words(error: &serde_saphyr::Error) -> String {
    match error.without_snippet() {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("`{key}` stands twice; keep one of them")
        }
        serde_saphyr::Error::DuplicateMappingKey { key: None, .. } => "a key stands twice; keep one of them".to_owned(),
        other => {
            let words = other.to_string();
            let place = other.location().map(|place| format!(" at line {}, column {}", place.line(), place.column()));
            place.and_then(|place| words.strip_suffix(&place).map(str::to_owned)).unwrap_or(words)
        }
    }
}
