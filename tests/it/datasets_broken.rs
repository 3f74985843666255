//! Owns the tests of data sets that cannot be read: of every format a broken row, a missing key, another encoding, and
//! the separators of tables.

use std::path::Path;

use tonnage::workload::{DataFormat, DataReading, DataSet};

/// Of each format: two good rows, a broken row, a row that lacks what it needs, and what is said of that row.
const ROWS: [(DataFormat, [&str; 2], &str, &str, &str); 10] = [
    (DataFormat::Text, ["one", "two"], "", "", ""),
    (
        DataFormat::Pairs,
        [r#"{"context": "c", "prompt": "p"}"#, r#"{"context": "é", "prompt": "q"}"#],
        r#"{"context": "c", "prompt": 7}"#,
        r#"{"frage": "c", "prompt": "p"}"#,
        "has no column context; it has frage, prompt",
    ),
    (
        DataFormat::ShareGpt,
        [r#"{"conversations": [{"from": "human", "value": "a"}]}"#, r#"{"conversation": [{"human": "b"}]}"#],
        r#"{"conversations": [{"from": "human", "value": 7}]}"#,
        r#"{"turns": [], "id": 1}"#,
        "has no key conversations; it has id, turns",
    ),
    (
        DataFormat::Messages,
        [r#"{"messages": [{"role": "user", "content": "a"}]}"#, r#"[{"role": "user", "content": "b"}]"#],
        r#"{"messages": [{"role": 7}]}"#,
        r#"{"dialog": [], "id": 1}"#,
        "has no key messages; it has dialog, id",
    ),
    (DataFormat::Csv, ["prompt,output_tokens", "a,3"], "b,x", "c", "has 1 fields, and the header has 2"),
    (
        DataFormat::Jsonl,
        [r#"{"prompt": "a"}"#, r#""b""#],
        r#"{"prompt": "a", "output_tokens": "x"}"#,
        r#"{"frage": "c", "id": 1}"#,
        "has no column prompt, question, text, text_input, query, instruction, input; it has frage, id",
    ),
    (DataFormat::Bodies, [r#"{"a": 1}"#, r#"{"body": {}}"#], "[1]", r#"{"max_tokens": "x"}"#, "is no request body"),
    (
        DataFormat::Lines,
        ["one", r#"{"prompt": "p"}"#],
        r#"{"max_tokens": "x"}"#,
        r#"[{"id": 1}]"#,
        "missing field `role`",
    ),
    (
        DataFormat::Agentic,
        ["", ""],
        r#"{"conversations": [[7]]}"#,
        r#"{"turns": []}"#,
        "has no key conversations; it has turns",
    ),
    (
        DataFormat::Trie,
        [
            r#"{"input_prompt_length": 1, "num_turns": 0, "assistant_response_length": [], "tool_call_output_length": [],
"tool_call_latency": [], "final_assistant_response_length": 1}"#,
            "",
        ],
        r#"{"input_prompt_length": -1}"#,
        r#"{"input_prompt_length": 1}"#,
        "missing field `num_turns`",
    ),
];

fn read(bytes: Vec<u8>, format: DataFormat) -> Result<DataSet, String> {
    let reading = DataReading { format: Some(format), ..DataReading::default() };
    DataSet::read(bytes, Path::new("d"), &reading).map_err(|error| error.to_string())
}

#[test]
fn every_reader_names_the_line_of_a_broken_row_and_what_a_row_has_instead() {
    for (format, good, broken, lacking, words) in ROWS {
        let good = good.map(|row| row.replace('\n', " "));
        let lines: Vec<&str> = good.iter().map(String::as_str).filter(|row| !row.is_empty()).collect();
        let above = lines.len() + 1;
        for (row, words) in [(broken, ""), (lacking, words)] {
            if row.is_empty() {
                continue;
            }
            // A blank line in front of the row is counted, too.
            let text = format!("{}\n\n{row}\n", lines.join("\n"));
            let text = if lines.is_empty() { format!("\n{row}\n") } else { text };
            let line = if lines.is_empty() { 2 } else { above + 1 };
            let error = read(text.clone().into_bytes(), format).expect_err(&text);
            assert!(error.starts_with(&format!("d:{line}: ")) && error.contains(words), "{format}: {text}: {error}");
        }
    }
}

#[test]
fn every_reader_names_another_encoding() {
    for (format, good, ..) in ROWS {
        let first = good[0].replace('\n', " ");
        let latin = [first.as_bytes(), b"\nM\xfcller\n"].concat();
        let error = read(latin, format).expect_err("Latin-1");
        assert!(error.starts_with("d:2: is not UTF-8: byte 0xFC is `ü` in Latin-1"), "{format}: {error}");
        let utf_16: Vec<u8> = "\u{feff}prompt\nx\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let error = read(utf_16, format).expect_err("UTF-16");
        assert!(
            error.starts_with("d:1: is UTF-16 (little-endian) text") && error.contains("iconv"),
            "{format}: {error}"
        );
    }
}

#[test]
fn tables_may_have_any_of_four_separators() {
    for separator in [',', ';', '\t', '|'] {
        let text = format!("id{separator}prompt{separator}output_tokens\n1{separator}\"a{separator} b\"{separator}7\n");
        let set = read(text.clone().into_bytes(), DataFormat::Csv).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!((set.len(), set.has_output_lengths()), (1, true), "{text}");
        let broken = format!("{text}2{separator}x\n");
        let error = read(broken.into_bytes(), DataFormat::Csv).expect_err("two fields");
        assert!(error.starts_with("d:3: has 2 fields, and the header has 3"), "{error}");
        let other = text.replace("prompt", "frage");
        let error = read(other.into_bytes(), DataFormat::Csv).expect_err("no prompt");
        assert!(
            error.starts_with("d:1: has no column prompt, ") && error.contains("it has id, frage, output_tokens"),
            "{error}"
        );
    }
}

#[test]
fn a_trace_in_another_encoding_is_named_too() {
    let read = |bytes: &[u8]| {
        let reading = tonnage::trace::Reading::default();
        tonnage::trace::Trace::read(bytes, Path::new("t"), &reading).expect_err("no UTF-8").to_string()
    };
    let table = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
    let utf_16: Vec<u8> = table.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, words) in [
        ([&[0xff, 0xfe], &utf_16[..]].concat(), "t:1: is UTF-16 (little-endian) text"),
        (utf_16, "t:1: is UTF-16 (without a byte-order mark) text"),
        (
            [table.as_bytes(), b"2023-11-16 18:15:46,4,1,M\xfcller\n"].concat(),
            "t:2: is not UTF-8: byte 0xFC is `ü` in Latin-1",
        ),
        (b"[\n{\"a\": \"M\xfcller\"}]\n".to_vec(), "t:2: is not UTF-8: byte 0xFC"),
    ] {
        let error = read(&bytes);
        assert!(error.starts_with(words), "{error}");
    }
}
