//! Owns the long fuzzing of the readers of data sets and of client pools: damaged files of `datasets/`, each read in
//! every way.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use tonnage::seed::Seed;
use tonnage::trace::ClientPool;
use tonnage::units::{Offset, Window};
use tonnage::workload::{DataFormat, DataReading, DataSet, requests_of_pool};

/// Pieces that often break readers, beside single bytes.
const PIECES: [&str; 16] = [
    "null",
    "true",
    "-1",
    "1e308",
    "99999999999999999999",
    "\"\"",
    "\\u0000",
    "\\ud800",
    "[[[[[[",
    "{\"a\":",
    "\u{feff}",
    "\r\n\n",
    "é",
    "\"messages\": [",
    "{1: 0.5, 2: 0.5}",
    "nan",
];

fn below(generator: &mut ChaCha8Rng, bound: usize) -> usize {
    (generator.next_u64() % bound.max(1) as u64) as usize
}

/// A part of `bytes`, or all of it, with up to five changes.
fn damaged(bytes: &[u8], generator: &mut ChaCha8Rng) -> Vec<u8> {
    let whole = below(generator, 2) == 0;
    let start = if whole { 0 } else { below(generator, bytes.len()) };
    let length = if whole { 4_000 } else { below(generator, 2_000) };
    let mut cut = bytes[start..bytes.len().min(start + length)].to_vec();
    for _ in 0..below(generator, 6) {
        if cut.is_empty() {
            break;
        }
        let place = below(generator, cut.len());
        match below(generator, 5) {
            0 => cut[place] = below(generator, 256) as u8,
            1 => _ = cut.remove(place),
            2 => cut.insert(place, b"\"{}[],:\n\\"[below(generator, 9)]),
            3 => _ = cut.splice(place..place, PIECES[below(generator, PIECES.len())].bytes()),
            _ => {
                let part = cut[place..place + below(generator, (cut.len() - place).min(60))].to_vec();
                cut.splice(place..place, part);
            }
        }
    }
    cut
}

/// Reads damaged files of `format` until `done`; returns the number of inputs, and how many readings gave rows.
fn fuzz(format: DataFormat, seed: u64, done: impl Fn(u64) -> bool) -> (u64, u64) {
    let name = match format {
        DataFormat::Text => "short.txt",
        DataFormat::Pairs => "long_context.json",
        DataFormat::ShareGpt => "chats.json",
        DataFormat::Messages | DataFormat::Jsonl => "code.jsonl",
        DataFormat::Csv => "chinese.csv",
        DataFormat::Bodies => "bodies.jsonl",
        DataFormat::Lines => "lines.txt",
        DataFormat::Agentic => "agentic.json",
        DataFormat::Trie => "trie.jsonl",
    };
    let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets").join(name)).expect("a file");
    let bytes = match format {
        // Objects with a prompt.
        DataFormat::Jsonl => b"{\"prompt\": \"a\", \"output_tokens\": 3}\n\"b\"\n{\"text\": \"c\"}\n".to_vec(),
        _ => bytes,
    };
    let mut generator = Seed::new(seed).stream(format.name()).sequence();
    let (mut inputs, mut taken) = (0, 0);
    while !done(inputs) {
        let cut = damaged(&bytes, &mut generator);
        for format in [Some(format), None] {
            let ways = [
                ("prompt=prompt", false, Some(true)),
                ("prompt=/messages/0/content,answer=问题", true, Some(false)),
                ("prompt=问题,output=字数", true, None),
                ("", true, Some(true)),
            ];
            for (columns, sessions, streamed) in ways {
                let columns = columns.parse().unwrap_or_default();
                let reading = DataReading { format, columns, streamed, sessions };
                match DataSet::read(cut.clone(), Path::new("set"), &reading) {
                    Ok(set) => {
                        taken += 1;
                        assert!(!set.is_empty() && set.units() > 0 && set.bodies() <= set.len());
                    }
                    Err(error) => assert!(error.to_string().starts_with("set"), "{error}"),
                }
            }
        }
        inputs += 1;
    }
    (inputs, taken)
}

/// Reads a pool whose two files are damaged until `done`.
fn fuzz_pool(seed: u64, done: impl Fn(u64) -> bool) -> (u64, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let table = b"0,1.5,2,Gamma,0.25,6\r\n600,0,0,,0,0\r\n1200,0.5,2,Weibull,0.5,1\r\n";
    let lengths = br#"{"0": {"input_tokens": "{100: 0.25, 200: 0.75}", "output_tokens": "{7: 0.5, 9: 0.5}"}}"#;
    let mut generator = Seed::new(seed).stream("pool").sequence();
    let (mut inputs, mut taken) = (0, 0);
    while !done(inputs) {
        for (name, bytes) in [("chunk-0-trace.csv", &table[..]), ("chunk-0-dataset.json", lengths)] {
            let bytes = if below(&mut generator, 3) == 0 { bytes.to_vec() } else { damaged(bytes, &mut generator) };
            std::fs::write(folder.path().join(name), bytes).expect("a file");
        }
        let span = Window { start: Offset::ZERO, end: Offset::from_secs(2_000.0) };
        if let Ok(pool) = ClientPool::read(folder.path(), Some(span)) {
            taken += 1;
            // A damaged rate may mean more requests than anyone draws; the command refuses those.
            if pool.expected(0.0, pool.span_s()) < 10_000.0 {
                let (trace, _) = requests_of_pool(&pool, span, 1.0, Seed::new(1));
                assert!(trace.is_none_or(|trace| trace.rows().is_sorted_by_key(|row| row.at)));
            }
        }
        inputs += 1;
    }
    (inputs, taken)
}

#[test]
fn no_reader_breaks_on_damaged_files() {
    for format in DataFormat::ALL {
        let (_, taken) = fuzz(format, 1, |inputs| inputs >= 100);
        assert!(taken > 0, "{format}: every input was refused, so only the first check was tested");
    }
    assert!(fuzz_pool(1, |inputs| inputs >= 100).1 > 0);
}

/// `cargo test --test it -- --ignored --nocapture every_data_reader`; `TONNAGE_FUZZ_SECONDS` (default 300) per reader,
/// `TONNAGE_FUZZ_SEED` (default 1), two readers at a time.
#[test]
#[ignore = "five minutes a reader"]
#[expect(clippy::disallowed_methods, reason = "lasts as long as it is told to, and decides nothing by the clock")]
fn every_data_reader_survives_five_minutes_of_damaged_files() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (seconds, seed) = (number("TONNAGE_FUZZ_SECONDS", 300), number("TONNAGE_FUZZ_SEED", 1));
    let everyone: Vec<Option<DataFormat>> = DataFormat::ALL.into_iter().map(Some).chain([None]).collect();
    for group in everyone.chunks(2) {
        std::thread::scope(|scope| {
            for format in group {
                scope.spawn(move || {
                    let end = Instant::now() + Duration::from_secs(seconds);
                    let late = |_| Instant::now() >= end;
                    let (inputs, taken) =
                        format.map_or_else(|| fuzz_pool(seed, late), |format| fuzz(format, seed, late));
                    let name = format.map_or("servegen", DataFormat::name);
                    let _ = writeln!(
                        std::io::stderr(),
                        "{name}: {inputs} inputs in {seconds} s, {taken} readings gave rows"
                    );
                });
            }
        });
    }
}
