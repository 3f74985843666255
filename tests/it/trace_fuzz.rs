//! Owns the fuzzing of trace readers without cargo-fuzz: randomly damaged samples of `traces/`, through the entry
//! points of `tests/fuzz`.

#[path = "../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "public for the fuzz targets, which are another package")]
mod entry;

use std::path::Path;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use tonnage::seed::Seed;
use tonnage::trace::Format;

/// Inputs that often break readers: edge cases of numbers, text and structure.
const PIECES: &[&str] = &[
    "-1",
    "0",
    "1e308",
    "1e-9",
    "-0.0",
    "9223372036854775807",
    "99999999999999999999",
    "10000000",
    "null",
    "true",
    "\"\"",
    "\"\\u0000\"",
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\n",
    "\r\n",
    "\n\n",
    "\u{feff}",
    ".",
    "NaN",
    " ",
    "\t",
    "é",
    "2024-02-30 00:00:00",
    "1677-09-21 00:12:43.145224192",
    "2262-04-11 23:47:16.854775807Z",
    "[[[[[[[[",
    "{\"a\":",
    "\"hash_ids\": [0]",
    "\"requests\": [",
    "\"t\": -5",
    "\"timestamp\": \"1\"",
    "\"spans\": [",
];

fn samples() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("sample")));
    // A few lines are enough to damage, and quick to read.
    let start =
        |bytes: Vec<u8>| bytes.split_inclusive(|byte| *byte == b'\n').take(6).flatten().copied().take(6_000).collect();
    names.into_iter().map(|path| start(std::fs::read(path).unwrap())).collect()
}

fn below(generator: &mut ChaCha8Rng, bound: usize) -> usize {
    (generator.next_u64() % bound.max(1) as u64) as usize
}

/// One to eight changes of `bytes`: flipped bits, cuts, repeats, inserted pieces, parts of `other`.
fn broken(bytes: &[u8], other: &[u8], generator: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    // Half of the inputs have one change, so that some pass the first check.
    for _ in 0..=generator.next_u32().trailing_zeros().min(7) {
        let at = below(generator, bytes.len() + 1);
        let until = at + below(generator, (bytes.len() - at).min(40) + 1);
        match below(generator, 7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << below(generator, 8),
            1 => drop(bytes.drain(at..until)),
            2 => {
                let part = bytes[at..until].to_vec();
                bytes.splice(at..at, part);
            }
            3 => drop(bytes.splice(at..until, PIECES[below(generator, PIECES.len())].bytes())),
            4 => drop(bytes.splice(at..at, PIECES[below(generator, PIECES.len())].bytes())),
            5 => {
                let from = below(generator, other.len() + 1);
                let part = other[from..(from + below(generator, 200)).min(other.len())].to_vec();
                bytes.splice(at..at, part);
            }
            _ => bytes.truncate(at.max(8)),
        }
    }
    bytes
}

/// Feeds damaged samples to the reader of `format` until `done`; returns the number of inputs, and the number of
/// inputs that were still read.
fn fuzz(format: Option<Format>, seed: u64, done: impl Fn(u64) -> bool) -> (u64, u64) {
    let samples = samples();
    let mut generator = Seed::new(seed).stream(format.map_or("any", Format::name)).sequence();
    let (mut inputs, mut read) = (0, 0);
    // The format's own samples first: hardly any other sample is read.
    let own: Vec<&Vec<u8>> = samples.iter().filter(|sample| entry::exercise(sample, format)).collect();
    assert!(!own.is_empty());
    while !done(inputs) {
        let one = own[below(&mut generator, own.len())];
        let two = &samples[below(&mut generator, samples.len())];
        let bytes = if inputs % 50 == 49 {
            (0..below(&mut generator, 300)).map(|_| generator.next_u32() as u8).collect()
        } else {
            broken(one, two, &mut generator)
        };
        let outcome = std::panic::catch_unwind(|| entry::exercise(&bytes, format));
        let survived = outcome.unwrap_or_else(|_| panic!("{format:?} breaks on {:?}", String::from_utf8_lossy(&bytes)));
        (inputs, read) = (inputs + 1, read + u64::from(survived));
    }
    (inputs, read)
}

fn everyone() -> impl Iterator<Item = Option<Format>> {
    std::iter::once(None).chain(Format::ALL.into_iter().map(Some))
}

#[test]
fn no_reader_breaks_on_broken_samples() {
    for format in everyone() {
        let (_, read) = fuzz(format, 1, |inputs| inputs >= 300);
        assert!(read > 0, "{format:?}: every input was refused, so only the first check was tested");
    }
}

/// `cargo test --test it -- --ignored --nocapture every_reader_survives`; `TONNAGE_FUZZ_SECONDS` (default 300) per
/// reader, `TONNAGE_FUZZ_SEED` (default 1), four readers at a time.
#[test]
#[ignore = "five minutes a reader"]
#[expect(clippy::disallowed_methods, reason = "lasts as long as it is told to, and decides nothing by the clock")]
fn every_reader_survives_five_minutes_of_broken_input() {
    use std::io::Write as _;
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (seconds, seed) = (number("TONNAGE_FUZZ_SECONDS", 300), number("TONNAGE_FUZZ_SEED", 1));
    for group in everyone().collect::<Vec<_>>().chunks(4) {
        std::thread::scope(|scope| {
            for format in group {
                scope.spawn(move || {
                    let end = Instant::now() + Duration::from_secs(seconds);
                    let (inputs, read) = fuzz(*format, seed, |_| Instant::now() >= end);
                    let name = format.map_or("any", Format::name);
                    let _ = writeln!(std::io::stderr(), "{name}: {inputs} inputs in {seconds} s, {read} of them read");
                });
            }
        });
    }
}
