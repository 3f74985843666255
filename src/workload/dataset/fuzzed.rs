//! Owns the tests of all readers together: broken bytes never panic, and files read as their makers write them.

use std::path::Path;

use proptest::prelude::*;

use super::{DataFormat, DataReading, DataSet};
use crate::error::Error;

/// The files of `datasets/`, each with its format.
const FILES: [(DataFormat, &str, &[u8]); 10] = [
    (DataFormat::Text, "short.txt", include_bytes!("../../../datasets/short.txt")),
    (DataFormat::Pairs, "long_context.json", include_bytes!("../../../datasets/long_context.json")),
    (DataFormat::ShareGpt, "chats.json", include_bytes!("../../../datasets/chats.json")),
    (DataFormat::Messages, "code.jsonl", include_bytes!("../../../datasets/code.jsonl")),
    (DataFormat::Csv, "chinese.csv", include_bytes!("../../../datasets/chinese.csv")),
    (DataFormat::Jsonl, "prompts.jsonl", b"{\"prompt\": \"a\", \"output_tokens\": 3}\n\"b\"\n{\"text\": \"c\"}\n"),
    (DataFormat::Bodies, "bodies.jsonl", include_bytes!("../../../datasets/bodies.jsonl")),
    (DataFormat::Lines, "lines.txt", include_bytes!("../../../datasets/lines.txt")),
    (DataFormat::Agentic, "agentic.json", include_bytes!("../../../datasets/agentic.json")),
    (DataFormat::Trie, "trie.jsonl", include_bytes!("../../../datasets/trie.jsonl")),
];

fn read(bytes: Vec<u8>, format: Option<DataFormat>, columns: &str) -> Result<DataSet, Error> {
    let columns = if columns.is_empty() { super::DataColumns::default() } else { columns.parse().unwrap() };
    DataSet::read(bytes, Path::new("set"), &DataReading { format, columns, streamed: None, sessions: false })
}

/// Reads `bytes` in every way. Whatever they are, each reader answers with rows or with a message, and a second reading
/// gives the same.
fn try_all(bytes: &[u8]) {
    for format in DataFormat::ALL.into_iter().map(Some).chain([None]) {
        for columns in ["", "prompt=a,answer=/b/0"] {
            let seen = || match read(bytes.to_vec(), format, columns) {
                Ok(set) => {
                    assert!(!set.is_empty());
                    Ok(set.digest().to_owned())
                }
                Err(error) => Err(error.to_string()),
            };
            let first = seen();
            assert_eq!(first, seen());
            if let Err(message) = first {
                assert!(message.starts_with("set"), "{message}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        try_all(&bytes);
    }

    #[test]
    fn arbitrary_text_is_read_or_refused(text in r#"[\[\]{}",;:\n\t a-c01é你\\|]{0,80}"#) {
        try_all(text.as_bytes());
    }

    #[test]
    fn broken_files_are_read_or_refused(
        file in 0..FILES.len(),
        start in 0usize..2000,
        length in 0usize..1500,
        changes in prop::collection::vec((0usize..1500, any::<u8>()), 0..4),
    ) {
        let bytes = FILES[file].2;
        let start = start.min(bytes.len());
        let mut cut = bytes[start..bytes.len().min(start + length)].to_vec();
        for (place, byte) in changes {
            if let Some(there) = cut.get_mut(place) {
                *there = byte;
            }
        }
        try_all(&cut);
    }
}

#[test]
fn the_files_of_datasets_are_recognised_and_read() {
    for (format, name, bytes) in FILES {
        let columns = if format == DataFormat::Csv { "prompt=问题,output=字数" } else { "" };
        let reading = DataReading {
            sessions: false,
            format: None,
            columns: if columns.is_empty() { super::DataColumns::default() } else { columns.parse().unwrap() },
            streamed: Some(true),
        };
        let set = DataSet::read(bytes.to_vec(), Path::new(name), &reading).unwrap();
        assert_eq!(set.format(), format, "{name}");
        assert!(set.len() >= 2, "{name}: {}", set.sentence());
    }
}
