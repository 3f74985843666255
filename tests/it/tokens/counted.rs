//! Owns the tests of the second pass: responses counted after the run, through the binary as a user runs it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::file_into;
use crate::cli::{Simulated, json, run, text};

/// A run of 40 requests with the tokenizer, into `out`.
fn counted(folder: &Path, more: &[&str]) -> Output {
    let words = [
        "run",
        "--rate",
        "100",
        "--requests",
        "40",
        "--input-tokens",
        "24..48",
        "--output-tokens",
        "12",
        "--out",
        "out",
    ];
    run(folder, &[&words, &["--tokenizer", "."][..], more].concat())
}

/// A machine that is too busy to send in time makes the verdict inconclusive (4); this is not tested here.
fn assert_played(output: &Output) {
    assert!(matches!(output.status.code(), Some(0 | 4)), "{}", text(&output.stderr));
}

fn records(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("out/records.jsonl")).expect("records");
    text.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn asked_counted_and_server_stand_side_by_side() {
    let folder = tempfile::tempdir().expect("a folder");
    file_into(folder.path());
    let output = counted(folder.path(), &[]);
    assert_played(&output);
    let shown = text(&output.stdout);
    let has = |part: &str| shown.contains(part);
    assert!(has("tokens of a request  asked  counted  server") && has("\noutput                  12 "), "{shown}");
    assert!(shown.contains("prompt tokens are counted by") && shown.contains("tokenizer.json (blake3 "), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let result = json(&folder.path().join("out/result.json"));
    let tokens = &result["trials"][0]["tokens"];
    assert_eq!(tokens["input"]["asked"], tokens["input"]["counted"]);
    assert_eq!(
        (&tokens["input"]["counted_not_as_asked"], &tokens["output"]["server"]),
        (&Value::from(0), &Value::from(12.0))
    );
    for record in records(folder.path()) {
        assert_eq!(record["counted_input_tokens"], record["asked_input_tokens"]);
        let events: u64 =
            record["event_tokens"].as_array().expect("tokens of events").iter().filter_map(Value::as_u64).sum();
        assert_eq!(record["counted_output_tokens"], events);
    }
    assert!(!folder.path().join("out/.answers.spool").exists());
    assert_eq!(
        text(&run(folder.path(), &["report", "out"]).stdout),
        shown,
        "a report from the records must give the same text"
    );

    let repeated = run(folder.path(), &["run", "-c", "out/config.yaml", "--out", "two", "--json"]);
    let repeated: Value = serde_json::from_slice(&repeated.stdout).expect("nothing but JSON");
    assert_eq!(repeated["body_fingerprint"], result["body_fingerprint"]);
}

#[test]
fn answers_without_usage_are_counted_after_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    file_into(folder.path());
    let server = Simulated::start(
        folder.path(),
        &["--fault", "no-usage", "--fault", "coalesce:3", "--sim", "delay:ttft=20ms,itl=5ms"],
    );
    let words = ["--target", &server.url];
    let output = counted(folder.path(), &words);
    assert_played(&output);
    let trial = &json(&folder.path().join("out/result.json"))["trials"][0];
    let count = |metric: &str| trial["metrics"][metric]["completed_only"]["count"].as_u64().expect("a count");
    assert_eq!((count("tpot"), count("ntpot"), count("output_tokens")), (40, 40, 40));
    assert!(count("tbt") > 40, "{}", trial["metrics"]["tbt"]);
    assert_eq!(
        (&trial["health"]["usage_missing"], &trial["health"]["usage_counted"]),
        (&Value::from(40), &Value::from(40))
    );
    assert_eq!(trial["tokens"]["output"]["server"], Value::Null);
    let counted_mean = trial["tokens"]["output"]["counted"].as_f64().expect("a mean");
    assert!(
        counted_mean >= 12.0 && trial["metrics"]["output_tokens"]["value"]["mean"] == counted_mean,
        "{}",
        trial["tokens"]
    );
    assert!(text(&output.stdout).contains("output tokens in their text"), "{}", text(&output.stdout));
    assert_eq!(
        text(&run(folder.path(), &["report", "out"]).stdout),
        text(&output.stdout),
        "a report from the records must give the same text"
    );

    // With any record detail, the figures are there.
    for detail in ["compact", "off"] {
        let output = counted(folder.path(), &[&words[..], &["--records", detail, "--force"]].concat());
        assert_played(&output);
        let trial = &json(&folder.path().join("out/result.json"))["trials"][0];
        assert!(trial["metrics"]["tbt"]["completed_only"]["count"].as_u64() > Some(40), "{detail}");
        let left: Vec<_> = std::fs::read_dir(folder.path().join("out"))
            .expect("a folder")
            .map(|entry| entry.expect("a file").file_name())
            .collect();
        assert_eq!(left.len(), if detail == "off" { 2 } else { 3 }, "{left:?}");
    }
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn a_whole_answer_is_counted_too() {
    let folder = tempfile::tempdir().expect("a folder");
    file_into(folder.path());
    let server = Simulated::start(folder.path(), &["--fault", "no-usage"]);
    let output = counted(folder.path(), &["--target", &server.url, "--no-stream"]);
    assert_played(&output);
    for record in records(folder.path()) {
        assert!(record["counted_output_tokens"].as_u64() >= Some(12), "{record}");
    }
}

#[test]
fn lengths_that_cannot_be_reached_and_files_that_are_no_tokenizer_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("tokenizer.json"), "{}").expect("written");
    for (path, why) in [(".", "is not a tokenizer"), ("missing.json", "cannot be read")] {
        let output = run(folder.path(), &["run", "--tokenizer", path]);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
    // Every letter is doubled: no text has an odd number of tokens.
    let doubled = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":{"type":"Replace","pattern":{"Regex":"(.)"},"content":"ab"},
        "pre_tokenizer":null,"post_processor":null,"decoder":null,"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,
        "end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":{"a":0,"b":1},"merges":[]}}"#;
    std::fs::write(folder.path().join("tokenizer.json"), doubled).expect("written");
    let output = run(folder.path(), &["run", "--tokenizer", ".", "--input-tokens", "33"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("--input-tokens: prompt") && text(&output.stderr).contains("the nearest has"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_killed_run_leaves_its_records() {
    let folder = tempfile::tempdir().expect("a folder");
    file_into(folder.path());
    let mut child = crate::cli::alone(&mut Command::new(env!("CARGO_BIN_EXE_tonnage")))
        .current_dir(folder.path())
        .args(["run", "--tokenizer", ".", "--duration", "10m", "--out", "out", "--quiet"])
        .stdin(Stdio::null())
        .spawn()
        .expect("the binary runs");
    while !folder.path().join("out/records.jsonl").exists() {
        std::thread::yield_now();
    }
    child.kill().expect("killed");
    child.wait().expect("it ends");
    assert!(folder.path().join("out/records.jsonl").exists());
}

#[test]
fn the_prompts_of_a_sweep_and_of_a_search_have_exactly_the_length_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    file_into(folder.path());
    let load =
        ["--tokenizer", ".", "--input-tokens", "24..48", "--output-tokens", "2", "--sim", "delay:ttft=2ms,itl=1ms"];
    for (verb, more) in [
        ("sweep", &["--rates", "40,80", "--duration", "500ms", "--warmup", "0s"][..]),
        ("search", &["--slo", "p90 ttft<=1s", "--max-rate", "100/s", "--budget", "4s"]),
    ] {
        let output = run(folder.path(), &[&[verb][..], &load, more, &["--out", verb]].concat());
        let result = json(&folder.path().join(verb).join("result.json"));
        let trials = result["trials"].as_array().expect("trials");
        assert!(trials.len() >= 2, "{verb}: {}", text(&output.stderr));
        for trial in trials {
            let input = &trial["tokens"]["input"];
            assert!(input["counted"].is_number() && input["counted"] == input["asked"], "{verb}: {input}");
            assert_eq!(input["counted_not_as_asked"], 0, "{verb}");
        }
    }
}
