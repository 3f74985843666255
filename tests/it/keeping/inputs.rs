//! Owns the tests of input files that are too large, cut short, compression bombs, or quoted in unusual ways.

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tonnage::trace::{Reading, Trace};
use tonnage::workload::Tokenizer;

use crate::cli::{folder, run, text};

fn read(bytes: &[u8], reading: &Reading) -> Result<Trace, String> {
    Trace::read(bytes, Path::new("t"), reading).map_err(|error| error.to_string())
}

fn named() -> Reading {
    Reading {
        columns: Some("time=time,input=input,output=output".parse().expect("columns")),
        time_unit: Some("s".parse().expect("a unit")),
        ..Reading::default()
    }
}

fn rows(trace: &Trace) -> Vec<(f64, u32, u32)> {
    trace.rows().iter().map(|row| (row.at.as_secs(), row.input_tokens, row.output_tokens)).collect()
}

#[test]
fn a_line_break_within_quotes_is_text_of_its_field() {
    let text = "time,input,output,prompt\n0.0,10,5,\"I said:\n1.0,77,9,\"\n0.5,20,6,one\n";
    for ending in ["\n", "\r\n"] {
        let trace = read(text.replace('\n', ending).as_bytes(), &named()).expect("rows");
        assert_eq!(rows(&trace), [(0.0, 10, 5), (0.5, 20, 6)]);
    }
    // Lines inside quotes are counted, so that a message names the right line.
    let refused = read(format!("{text}0.7,x,1,\n").as_bytes(), &named()).expect_err("no number");
    assert!(refused.starts_with("t:5: input is `x`"), "{refused}");
    // An unclosed quote would include all later rows in its field: refused with the line where the quote opens.
    let refused = read(b"time,input,output,prompt\n0,1,1,\n0.0,10,5,\"I said:\n1.0,77,9,\n0.5,20,6,one\n", &named())
        .expect_err("open");
    assert!(refused.starts_with("t:3: has a quote that is not closed"), "{refused}");
    // Two unclosed quotes must not merge two rows into one.
    let refused = read(b"time,input,output,prompt\n0,1,1,\"a\n1,2,2,\"b\n2,3,3,c\n", &named()).expect_err("broken");
    assert!(refused.starts_with("t:2: has a quote that is closed in line 3"), "{refused}");
    // A quote within a field is a character.
    let trace = read(b"time,input,output,prompt\n0,1,2,5\" disk\n1,3,4,say \"x\n", &named()).expect("rows");
    assert_eq!(rows(&trace), [(0.0, 1, 2), (1.0, 3, 4)]);
    // Doubled quotes at both ends of a field: text that contains separators and line breaks.
    let trace = read(b"prompt,time,input,output\n\"a \"\"b\"\",\n9,9,9\",0,1,2\n\"\",1,3,4\n", &named()).expect("rows");
    assert_eq!(rows(&trace), [(0.0, 1, 2), (1.0, 3, 4)]);
    // The header may be quoted too.
    let trace = read(b"\"two\nlines\",time,input,output\n x,0,1,2\n", &named()).expect("rows");
    assert_eq!(rows(&trace), [(0.0, 1, 2)]);
}

#[test]
fn other_separators_are_recognised_or_asked_for_and_never_make_a_wrong_number() {
    for delimiter in [';', '\t', '|'] {
        let text = "time;input;output\n0.0;10;5\n0.5;20;6\n1.0;30;7\n".replace(';', &delimiter.to_string());
        let trace = read(text.as_bytes(), &named()).expect("rows");
        assert_eq!((rows(&trace), trace.delimiter()), (vec![(0.0, 10, 5), (0.5, 20, 6), (1.0, 30, 7)], delimiter));
        let asked = read(text.as_bytes(), &Reading { delimiter: Some(delimiter), ..named() }).expect("rows");
        assert_eq!(rows(&asked), rows(&trace));
        assert!(
            read(text.as_bytes(), &Reading { delimiter: Some(','), ..named() }).is_err(),
            "the requested separator must be used"
        );
        let declared = "time_s;input_tokens;output_tokens\n0;1;2\n".replace(';', &delimiter.to_string());
        assert_eq!(rows(&read(declared.as_bytes(), &Reading::default()).expect("rows")), [(0.0, 1, 2)]);
    }
    // A decimal comma is not a separator, and a number with one is not read.
    let refused = read(b"time;input;output\n0,0;10;5\n0,5;20;6\n", &named()).expect_err("no number");
    assert!(refused.starts_with("t:2: time is `0,0`"), "{refused}");
    // Empty fields at the end of a line remain fields.
    let trace = read(b"time\tinput\toutput\n0\t1\t\n1\t2\t3\n", &named()).expect("rows");
    assert_eq!(rows(&trace), [(0.0, 1, 0), (1.0, 2, 3)]);
    let folder = folder();
    std::fs::write(folder.path().join("s.csv"), "time;input;output\n0.0;10;5\n0.5;20;6\n1.0;30;7\n").expect("written");
    let words =
        ["trace", "inspect", "s.csv", "--columns", "time=time,input=input,output=output", "--time-unit", "s", "--json"];
    let output = run(folder.path(), &words);
    assert!(text(&output.stderr).contains("separated by `;`"), "{}", text(&output.stderr));
    let seen: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&seen["rows"], &seen["input_tokens"]["sum"]), (&3.into(), &60.into()));
    let output = run(folder.path(), &[&words[..], &["--delimiter", ";"]].concat());
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "a requested separator must not be reported: {}",
        text(&output.stderr)
    );
}

#[test]
fn a_missing_cell_is_an_empty_request_and_counted() {
    let folder = folder();
    let table = "time,input,output\n0.0,10,5\n0.5,,6\n1.0,null,7\n1.5,NaN,7\n2.0,30,7\n";
    std::fs::write(folder.path().join("n.csv"), table).expect("written");
    let named = ["--columns", "time=time,input=input,output=output", "--time-unit", "s"];
    let seen = |more: &[&str]| {
        let output = run(folder.path(), &[&["trace", "inspect", "n.csv", "--json"][..], &named, more].concat());
        (
            output.status.code(),
            serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_default(),
            text(&output.stderr),
        )
    };
    let (code, plain, said) = seen(&[]);
    assert_eq!((code, &plain["rows"], &plain["input_tokens"]["zeros"]), (Some(0), &5.into(), &3.into()), "{said}");
    let (_, skipped, _) = seen(&["--on-empty", "skip"]);
    assert_eq!(
        skipped["dropped"]
            .as_object()
            .map(|dropped| dropped.values().filter_map(serde_json::Value::as_u64).sum::<u64>()),
        Some(3)
    );
    let (code, _, said) = seen(&["--on-empty", "fail"]);
    assert!(code == Some(2) && said.contains("n.csv:3"), "{said}");
    // A row without a time has no instant: refused with its line.
    assert!(read(b"time,input,output\n0,1,1\n,1,1\n", &self::named()).expect_err("no time").starts_with("t:3: "));
    let planned = run(folder.path(), &[&["replay", "n.csv", "--plan-only", "--on-empty", "min1"][..], &named].concat());
    assert!(text(&planned.stdout).contains("5 requests"), "{}", text(&planned.stdout));
}

/// `pieces`, each compressed separately: a file of several gzip members unpacks to all of them.
fn packed(pieces: &[(&[u8], usize)]) -> Vec<u8> {
    let pack = |piece: &[u8]| {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(piece).expect("packed");
        packer.finish().expect("packed")
    };
    pieces.iter().flat_map(|(piece, times)| pack(piece).repeat(*times)).collect()
}

#[test]
fn a_compressed_bomb_is_refused_and_a_trace_that_packs_well_is_read() {
    // 300 MiB of blanks, lines of them or one byte compress to 300 KiB: blank lines, one line, one field, one document.
    let header: (&[u8], usize) = (b"time_s,input_tokens,output_tokens\n0,1,1\n", 1);
    let mebibyte = |byte: u8| vec![byte; 1 << 20];
    let lines = [vec![b' '; 1_023], vec![b'\n']].concat().repeat(1_024);
    for (what, bomb, wanted) in [
        ("blank lines", packed(&[header, (&lines, 300)]), "100 times its size"),
        ("one line", packed(&[header, (&mebibyte(b'0'), 300)]), "longer than 64 MiB"),
        ("one quoted field", packed(&[header, (b"0,1,1,\"", 1), (&lines, 300)]), "not closed within 64 MiB"),
        ("one document", packed(&[(b"[\n", 1), (&mebibyte(b' '), 300)]), "100 times its size"),
    ] {
        let refused = read(&bomb, &Reading::default()).expect_err(what);
        assert!(refused.contains(wanted), "{what}: {refused}");
    }
    // 200 000 equal rows compress to a thousandth, and are small.
    let trace = packed(&[header, (&b"1,1,1\n".repeat(200_000), 1)]);
    assert_eq!(read(&trace, &Reading::default()).expect("rows").rows().len(), 200_001);
    // Cut at any byte, the file gives an error or its rows, never a panic.
    let small = packed(&[(b"time_s,input_tokens,output_tokens\n0,1,1\n1,2,2\n", 1)]);
    for cut in 0..small.len() {
        assert!(read(&small[..cut], &Reading::default()).is_err(), "cut at {cut}");
    }
}

#[test]
fn files_above_a_stated_size_are_refused() {
    let folder = folder();
    // Sparse files take no disk space.
    let large = |name: &str, bytes: u64| {
        std::fs::File::create(folder.path().join(name)).and_then(|file| file.set_len(bytes)).expect("written");
    };
    large("c.yaml", (8 << 20) + 1);
    large("tokenizer.json", (256 << 20) + 1);
    large("result.json", (512 << 20) + 1);
    large("profile.csv", (64 << 20) + 1);
    large("profile.yaml", (64 << 20) + 1);
    large("lengths.txt", (64 << 20) + 1);
    large("key", (64 << 10) + 1);
    for (words, what) in [
        (&["run", "-c", "c.yaml"][..], "8 MiB"),
        (&["run", "--tokenizer", "tokenizer.json"], "256 MiB"),
        (&["report", "result.json"], "512 MiB"),
        (&["size", "result.json", "--demand", "5/s"], "512 MiB"),
        (&["run", "--profile", "profile.csv"], "64 MiB"),
        (&["run", "--profile", "profile.yaml"], "64 MiB"),
        (&["run", "--input-tokens", "file:lengths.txt"], "64 MiB"),
        (&["run", "--api-key-file", "key"], "64 KiB"),
        // A file without an end and without a size to check.
        (&["run", "-c", "/dev/zero"], "8 MiB"),
        (&["run", "--api-key-file", "/dev/zero"], "64 KiB"),
        (&["run", "--profile", "/dev/zero"], "/dev/zero"),
        (&["trace", "inspect", "/dev/zero"], "64 MiB"),
    ] {
        let output = run(folder.path(), words);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(what), "{words:?}: {said}");
        assert!(said.len() < 10_000, "{words:?} floods");
    }
}

/// Files on which the tokenizer library panics, and other broken tokenizer files.
const BROKEN: [&str; 3] = [
    r#"{"decoder":{"#,
    r#"{"normalizer":{"type":"Precompiled","precompiled_charsmap":"x"}"#,
    r###"{"model":{"type":"BPE","continuing_subword_prefix":"##","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}"###,
];

#[test]
fn a_tokenizer_that_panics_is_an_input_error_with_its_path() {
    let folder = folder();
    for broken in BROKEN {
        std::fs::write(folder.path().join("tokenizer.json"), broken).expect("written");
        for path in [".", "tokenizer.json"] {
            let output = run(folder.path(), &["run", "--tokenizer", path]);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{broken}: {said}");
            assert!(
                said.contains("tokenizer.json is not a tokenizer") && said.lines().count() == 1,
                "{broken}: {said}"
            );
            assert!(!said.contains("panicked") && !said.contains("RUST_BACKTRACE"), "{broken}: {said}");
        }
    }
}

/// A complete tokenizer, as `tokenizers` writes it.
const WHOLE: &str = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":9,"content":"<s>","single_word":false,
"lstrip":false,"rstrip":false,"normalized":false,"special":true}],"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},
{"type":"Replace","pattern":{"Regex":"(a+)+$"},"content":"b"}]},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,
"trim_offsets":true,"use_regex":true},"post_processor":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true},
"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},"model":{"type":"BPE","dropout":null,
"unk_token":null,"continuing_subword_prefix":"","end_of_word_suffix":"","fuse_unk":false,"byte_fallback":false,"ignore_merges":false,
"vocab":{"a":0,"b":1,"c":2,"ab":3,"Ġ":4,"d":5},"merges":[["a","b"]]}}"#;

#[test]
fn a_tokenizer_cut_at_any_byte_is_an_input_error() {
    for file in BROKEN.iter().chain(&[WHOLE]) {
        for cut in 0..file.len() {
            if let Ok(tokenizer) = Tokenizer::from_json(&file.as_bytes()[..cut], "t") {
                panic!("cut at {cut}, the tokenizer was still read: {tokenizer:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_tokenizer_with_bytes_changed_never_panics(place in 0..WHOLE.len(), byte in any::<u8>(), gone in 0usize..12,
        texts in any::<[String; 2]>()) {
        let mut bytes = WHOLE.as_bytes().to_vec();
        bytes[place] = byte;
        bytes.drain(place..(place + gone).min(bytes.len()));
        if let Ok(tokenizer) = Tokenizer::from_json(&bytes, "t") {
            for text in &texts {
                let _ = tokenizer.count(text);
                let _ = tokenizer.count_by_piece(text, &[text.len() as u32 / 2, text.len() as u32]);
            }
        }
    }

    #[test]
    fn no_table_makes_the_reader_panic(text in "[\"',;|\t\n\r0-9a-z. \
        ]{0,120}", delimiter in prop_oneof![Just(None), Just(Some(';')), Just(Some('\t'))]) {
        let table = format!("time,input,output\n{text}");
        for bytes in [table.as_bytes(), text.as_bytes()] {
            let _ = read(bytes, &Reading { delimiter, ..named() });
        }
    }
}

#[test]
fn yaml_that_unfolds_without_end_is_refused() {
    let folder = folder();
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, before) in ('b'..='k').zip('a'..) {
        let item = format!("*{before}, ");
        bomb.extend([
            name.to_string(),
            format!(": &{name} ["),
            item.repeat(10).trim_end_matches(", ").to_owned(),
            "]\n".to_owned(),
        ]);
    }
    std::fs::write(folder.path().join("c.yaml"), bomb).expect("written");
    std::fs::write(folder.path().join("deep.yaml"), "[".repeat(100_000)).expect("written");
    for file in ["c.yaml", "deep.yaml"] {
        for words in [&["run", "-c", file][..], &["run", "--profile", file]] {
            let output = run(folder.path(), words);
            assert_eq!(output.status.code(), Some(2), "{words:?}: {}", text(&output.stderr));
        }
    }
}

#[test]
fn records_and_results_cut_at_any_byte_are_input_errors() {
    let folder = folder();
    let words = [
        "run",
        "--requests",
        "2",
        "--rate",
        "200/s",
        "--process",
        "even",
        "--output-tokens",
        "2",
        "--out",
        "out",
        "--quiet",
    ];
    assert_eq!(run(folder.path(), &words).status.code(), Some(0));
    let records = std::fs::read(folder.path().join("out/records.jsonl")).expect("a file");
    for cut in 0..records.len() {
        let path = Path::new("records.jsonl");
        let read: Result<Vec<_>, _> = tonnage::record::Reader::new(&records[..cut], path).and_then(Iterator::collect);
        if let Ok(read) = read {
            let whole = records[..cut].split(|byte| *byte == b'\n').count() - 1;
            assert!(read.len() <= whole, "cut at {cut}: {} records", read.len());
        }
    }
    let result = std::fs::read(folder.path().join("out/result.json")).expect("a file");
    std::fs::remove_file(folder.path().join("out/records.jsonl")).expect("removed");
    for cut in (0..result.len() - 2).step_by(result.len() / 20) {
        std::fs::write(folder.path().join("out/result.json"), &result[..cut]).expect("written");
        let output = run(folder.path(), &["report", "out"]);
        assert_eq!(output.status.code(), Some(2), "cut at {cut}: {}", text(&output.stderr));
    }
}
