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
            place.and_then(|place| words.strip_suffix(&place).map(str::to_owned)).unwrap_or(words)
        }
    }
}
