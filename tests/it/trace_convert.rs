//! Owns the tests of `trace convert` and `trace fit`: a round trip keeps what the format can hold and reports the
//! rest, and fitted laws are usable.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use proptest::prelude::*;
use serde_json::Value;
use tonnage::trace::{Format, Reading, Trace, write};

fn read(bytes: &[u8], format: Option<Format>) -> Result<Trace, String> {
    Trace::read(bytes, Path::new("t"), &format.map(Reading::from).unwrap_or_default())
        .map_err(|error| error.to_string())
}

type Seen = (u64, u32, u32, Option<String>, Vec<u64>);

fn rows(trace: &Trace) -> Vec<Seen> {
    let session = |place| trace.sessions().of(place).map(|number| trace.sessions().name(number).to_owned());
    let row = |row: &tonnage::trace::Row| {
        (
            row.at.as_nanos(),
            row.input_tokens,
            row.output_tokens,
            session(row.place),
            trace.blocks().ids(row.place).to_vec(),
        )
    };
    trace.rows().iter().map(row).collect()
}

/// `trace` written as `format` and read again, and the message about lost data.
fn there_and_back(trace: &Trace, format: Format) -> (Trace, String) {
    let mut text = Vec::new();
    let lost = write(trace, format, &mut text).unwrap();
    let back =
        read(&text, Some(format)).unwrap_or_else(|why| panic!("{format}: {why}\n{}", String::from_utf8_lossy(&text)));
    (back, lost.join("; "))
}

proptest! {
    #[test]
    fn what_a_format_can_hold_comes_back_and_the_rest_is_said(
        times_ns in prop::collection::vec(prop_oneof![0u64..10, 0u64..4_000_000_000_000], 1..20),
        lengths in prop::collection::vec((1u32..5_000, 0u32..900, prop::option::of("[a-z\", \
            \\\\]{1,5}"), prop::collection::vec(0u64..1000, 0..4)), 20),
        first_s in 0u64..1_700_000_000, block in prop::sample::select(vec![16u32, 64, 512]),
    ) {
        // The input is Mooncake, Bailian or Weka lines, because their block sizes differ.
        let first_ns = first_s * 1_000_000_000;
        let decimal = |ns: u64, digits: u32| format!("{}.{:0width$}", ns / 10u64.pow(digits), ns % 10u64.pow(digits),
            width = digits as usize);
        let mut text = String::new();
        for (at, (input, output, session, ids)) in times_ns.iter().zip(&lengths) {
            let ids: Vec<u64> = ids.iter().copied().take(input.div_ceil(block) as usize).collect();
            let session = session.as_ref().map_or_else(String::new, |name| format!(", \"session_id\": \
                {}", Value::from(name.as_str())));
            let line = match block {
                512 => format!("{{\"timestamp\": {}, \"input_length\": {input}, \"output_length\": {output}, \
                    \"hash_ids\": {ids:?}{session}}}\n", decimal(first_ns + at, 6)),
                16 => format!("{{\"timestamp\": {}, \"input_length\": {input}, \"output_length\": {output}, \
                    \"hash_ids\": {ids:?}}}\n", decimal(first_ns + at, 9)),
                _ => format!("{{\"id\": \"one\", \"block_size\": 64, \"requests\": [{{\"t\": {}, \"in\": {input}, \
                    \"out\": {output}, \"hash_ids\": {ids:?}}}]}}\n", decimal(first_ns + at, 9)),
            };
            text.push_str(&line);
        }
        let from = match block { 512 => Format::Mooncake, 16 => Format::Bailian, _ => Format::Weka };
        let trace = read(text.as_bytes(), Some(from)).unwrap();
        // If a format counts times from the start of its recording, a step back of more than five minutes starts
        // another recording.
        let wanted = rows(&trace);
        for format in Format::ALL {
            let (back, lost) = there_and_back(&trace, format);
            let found = rows(&back);
            prop_assert_eq!(found.len(), wanted.len());
            if format == Format::Weka && !trace.has_relative_sessions() {
                // Conversations start at their own time 0, so only the lengths can be compared.
                let said = lost.contains("the start of each session") || lost.contains("without a session");
                prop_assert!(said, "{}", lost);
                continue;
            }
            for (one, two) in wanted.iter().zip(&found) {
                let unit = match format { Format::RagPulse => 1_000_000_000, Format::AiBrix => 1_000_000, _ => 1 };
                if unit > 1 {
                    prop_assert!(one.0.abs_diff(two.0) < unit && (one.0 % unit == 0
                        && first_ns % unit == 0 || lost.contains("times below")) , "{} {}", format, lost);
                    continue;
                }
                prop_assert_eq!((one.0, one.1, one.2), (two.0, two.1, two.2), "{}", format);
                prop_assert!(one.3 == two.3 || lost.contains("sessions") || (one.3.is_none()
                    && format == Format::Bailian), "{} {:?} {:?}: {}", format, one, two, lost);
                prop_assert!(one.4 == two.4 || lost.contains("prefix blocks"), "{} {}", format, lost);
            }
        }
    }
}

fn run(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tonnage"));
    crate::cli::alone(&mut command).current_dir(folder).env("NO_COLOR", "1").stdin(Stdio::null());
    command.args(words).output().expect("the binary runs")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// 2,000 rows of a known load: Poisson gaps, a rate that doubles in the middle, lognormal inputs, two kinds of
/// outputs.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let words = [
        "plan",
        "--rate",
        "10/s",
        "--requests",
        "2000",
        "--process",
        "gamma:2",
        "--input-tokens",
        "lognormal:800,0.9",
        "--export",
        "plan.csv",
    ];
    let planned = run(folder.path(), &words);
    assert_eq!(planned.status.code(), Some(0), "{}", said(&planned));
    let path = folder.path().join("plan.csv");
    (folder, path)
}

#[test]
fn a_plan_that_was_exported_is_a_trace_and_its_laws_are_found_again() {
    let (folder, _) = folder();
    let fitted = run(folder.path(), &["trace", "fit", "plan.csv", "--json", "--out", "fit"]);
    assert_eq!(fitted.status.code(), Some(0), "{}", said(&fitted));
    let fit: Value = serde_json::from_slice(&fitted.stdout).unwrap();
    assert_eq!(fit["rows"], 2000);
    let process = fit["arrivals"]["process"].as_str().unwrap();
    let cv: f64 = process.strip_prefix("gamma:").unwrap_or_else(|| panic!("{process}")).parse().unwrap();
    assert!((cv - 2.0).abs() < 0.25, "{process}");
    assert!(fit["arrivals"]["ks_distance"].as_f64() < fit["arrivals"]["ks_critical"].as_f64(), "{fit}");
    let law = fit["input_tokens"]["law"].as_str().unwrap();
    let (mean, sigma) =
        law.strip_prefix("lognormal:").and_then(|rest| rest.split_once(',')).unwrap_or_else(|| panic!("{law}"));
    // Four standard errors of 2,000 draws.
    assert!((mean.parse::<f64>().unwrap() - 800.0).abs() < 4.0 * 800.0 * 0.95 / 2_000f64.sqrt(), "{law}");
    assert!((sigma.parse::<f64>().unwrap() - 0.9).abs() < 4.0 * 0.9 / 4_000f64.sqrt(), "{law}");
    assert_eq!(fit["output_tokens"]["law"], "64");
    assert!(fit["input_tokens"]["quantile_errors"]["p50"].as_f64().unwrap().abs() < 0.1, "{fit}");
    let knots = fit["profile"]["knots"].as_array().unwrap();
    let profile = std::fs::read_to_string(folder.path().join("fit/profile.csv")).unwrap();
    assert!(profile.starts_with("t_s,rate\n0.000000,") && profile.lines().count() == knots.len() + 1);
    let number = |value: &Value| value.as_f64().unwrap();
    let area: f64 = knots
        .windows(2)
        .map(|pair| 0.5 * (number(&pair[0][1]) + number(&pair[1][1])) * (number(&pair[1][0]) - number(&pair[0][0])))
        .sum();
    assert!((area - 2_000.0).abs() < 1e-6, "the integral of the rate must be the number of rows: {area}");
    // The fitted files work from any folder.
    let planned = run(&folder.path().join("fit"), &["plan", "-c", "fit.yaml", "--json"]);
    assert_eq!(planned.status.code(), Some(0), "{}", said(&planned));
    let planned: Value = serde_json::from_slice(&planned.stdout).unwrap();
    let yaml = std::fs::read_to_string(folder.path().join("fit/fit.yaml")).unwrap();
    assert!(yaml.contains("/fit/profile.csv") && !yaml.contains("rate:"), "{yaml}");
    let other = run(folder.path(), &["plan", "-c", "fit/fit.yaml", "--rate", "5/s", "--requests", "20"]);
    assert!(said(&other).contains("--rate replaces `profile` in fit/fit.yaml"), "{}", said(&other));
    // Dispersion of a gamma process of CV 2 is about 4.
    assert!((number(&planned["planned"]) - 2_000.0).abs() < 4.0 * (4.0 * 2_000f64).sqrt(), "{planned}");
    let shown = said(&run(folder.path(), &["trace", "fit", "plan.csv"]));
    assert!(
        shown.contains("process: gamma:") && shown.contains("input-tokens: lognormal:") && shown.contains("distance"),
        "{shown}"
    );
}

#[test]
fn lengths_that_no_law_is_near_to_are_read_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<String> =
        (0..400).map(|row| format!("{}.5,{},{}\n", row, if row % 2 == 0 { 10 } else { 9_000 }, 1 + row % 7)).collect();
    std::fs::write(
        folder.path().join("t.csv"),
        format!("arrived_at,num_prefill_tokens,num_decode_tokens\n{}", lines.concat()),
    )
    .unwrap();
    let fitted = run(folder.path(), &["trace", "fit", "t.csv", "-o", "fit"]);
    assert!(
        said(&fitted).contains("/fit/input.txt") && said(&fitted).contains("A distance above 0.1 is a poor fit"),
        "{}",
        said(&fitted)
    );
    let planned = run(folder.path(), &["plan", "-c", "fit/fit.yaml", "--export", "again.csv"]);
    assert_eq!(planned.status.code(), Some(0), "{}", said(&planned));
    let again = std::fs::read_to_string(folder.path().join("again.csv")).unwrap();
    assert!(again.lines().skip(1).all(|line| line.contains(",10,") || line.contains(",9000,")));
    assert!(said(&fitted).contains("process: even"), "{}", said(&fitted));
    // Poisson arrivals must be recognised as Poisson.
    run(folder.path(), &["plan", "--rate", "7/s", "--requests", "3000", "--export", "p.csv"]);
    let fitted = run(folder.path(), &["trace", "fit", "p.csv"]);
    assert!(said(&fitted).contains("process: poisson"), "{}", said(&fitted));
    // Three rows every third second: the fit must report the recorder's clock tick.
    let ticks: Vec<String> = (0..300).map(|row| format!("{},{},5\n", row / 3 * 3, 100 + row)).collect();
    std::fs::write(
        folder.path().join("t.csv"),
        format!("arrived_at,num_prefill_tokens,num_decode_tokens\n{}", ticks.concat()),
    )
    .unwrap();
    let fitted = run(folder.path(), &["trace", "fit", "t.csv"]);
    assert!(said(&fitted).contains("clock ticks every 3.00 s"), "{}", said(&fitted));
}

#[test]
fn convert_writes_every_format_and_says_what_is_lost() {
    let (folder, _) = folder();
    let first = run(folder.path(), &["trace", "convert", "plan.csv", "--to", "azure", "-o", "azure.csv.gz"]);
    assert_eq!(first.status.code(), Some(0), "{}", said(&first));
    assert_eq!(said(&first), "2 000 rows of csv written as azure to azure.csv.gz\n");
    let packed = std::fs::read(folder.path().join("azure.csv.gz")).unwrap();
    assert!(packed.starts_with(&[0x1f, 0x8b]));
    let wanted = read(&std::fs::read(folder.path().join("plan.csv")).unwrap(), None).unwrap();
    assert_eq!(
        rows(&read(&packed, None).unwrap()),
        rows(&wanted),
        "rows must be equal to the nanosecond, also with dates and compression"
    );
    let apart = "{\"id\": \"a\", \"block_size\": 64, \"requests\": [{\"t\": 0, \"in\": 1, \"out\": 1}]}\n";
    std::fs::write(folder.path().join("w.jsonl"), apart.to_owned() + &apart.replace("\"a\"", "\"b\"")).unwrap();
    let together = run(folder.path(), &["trace", "convert", "w.jsonl", "--to", "csv", "-o", "w.csv"]);
    assert!(said(&together).contains("as if all began at once"), "{}", said(&together));
    let coarse = run(folder.path(), &["trace", "convert", "azure.csv.gz", "--to", "aibrix", "-o", "a.jsonl"]);
    assert!(said(&coarse).contains("lost: times below a millisecond"), "{}", said(&coarse));
    for (words, wanted) in [
        (&["trace", "convert", "plan.csv", "-o", "x"][..], "--to"),
        (&["trace", "convert", "plan.csv", "--to", "parquet", "-o", "x"], "azure, burstgpt"),
        (&["trace", "convert", "plan.csv", "--to", "azure", "-o", "none/x"], "none/x"),
        (&["trace", "convert", "none.csv", "--to", "azure", "-o", "x"], "cannot be opened"),
        (&["trace", "fit", "none.csv"], "cannot be opened"),
    ] {
        let refused = run(folder.path(), words);
        assert!(refused.status.code() == Some(2) && said(&refused).contains(wanted), "{}", said(&refused));
    }
    assert!(!folder.path().join("x").exists());
}

#[test]
fn the_samples_of_this_repository_are_made_by_the_commands_beside_them() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("traces")).unwrap();
    let page = std::fs::read_to_string(own.join("README.md")).unwrap();
    let mut seen = Vec::new();
    for command in page.lines().filter_map(|line| line.strip_prefix("tonnage ")) {
        let words: Vec<&str> = command.split_whitespace().collect();
        let made = run(folder.path(), &words);
        assert_eq!(made.status.code(), Some(0), "{command}: {}", said(&made));
        let file = words.last().unwrap();
        let (wanted, found) =
            (std::fs::read(own.join("..").join(file)).unwrap(), std::fs::read(folder.path().join(file)).unwrap());
        assert_eq!(String::from_utf8_lossy(&wanted), String::from_utf8_lossy(&found), "{command}");
        let trace = read(&found, None).unwrap_or_else(|why| panic!("{file} is not recognised: {why}"));
        if let Some(format) = Format::ALL.into_iter().find(|format| file.contains(&format!("sample_{format}."))) {
            assert_eq!((trace.format(), trace.rows().len()), (format, 40));
            seen.push(format);
        }
    }
    assert_eq!(seen.len(), Format::ALL.len(), "there must be one sample per format");
    let listed = std::fs::read_dir(&own).unwrap().count();
    assert_eq!(listed, Format::ALL.len() + 2, "the folder may hold only the samples, the page and the timeline");
}
