//! Owns the tests of the verbs `replay` and `trace` as a user runs them, on a trace written here.

use std::fmt::Write as _;

use serde_json::Value;

use crate::cli::{all_refused, run, text};

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|why| panic!("{why}: {}", text(bytes)))
}

/// A folder with a conversation of 40 rows, two rows every 500 ms (two rows without output tokens, one with a long
/// input), and an Azure file of one row.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rows = String::new();
    for row in 0u32..40 {
        let input = if row == 30 { 5_000 } else { 600 + row };
        let ids: Vec<u32> =
            (0..input.div_ceil(512)).map(|block| if block == 0 { 0 } else { 100 * row + block }).collect();
        let output = if row % 25 == 7 { 0 } else { 3 };
        writeln!(
            rows,
            "{{\"timestamp\": {}, \"input_length\": {input}, \"output_length\": {output}, \"hash_ids\": {ids:?}}}",
            row / 2 * 500
        )
        .expect("a string");
    }
    std::fs::write(folder.path().join("chat.jsonl"), rows).expect("a file");
    std::fs::write(folder.path().join("one.csv"), "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,4,1")
        .expect("a file");
    folder
}

#[test]
fn a_replay_sends_the_trace_and_its_configuration_repeats_it() {
    let folder = folder();
    let words =
        ["replay", "chat.jsonl", "--time-scale", "10", "--window", "1s..8s", "--max-input", "4000", "--out", "out"];
    let output = run(folder.path(), &words);
    let (said, shown) = (text(&output.stderr), text(&output.stdout));
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("chat.jsonl: 40 rows of mooncake over 9.50 s, 4.21/s, times read as milliseconds"), "{said}");
    let books =
        "40 rows read = 26 scheduled + 12 outside the window + 1 with 0 input or output tokens + 1 above --max-input";
    assert!(said.contains(books), "{said}");
    assert!(shown.contains("open loop: replay of chat.jsonl at 37.1/s for 700 ms"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let result = json(&std::fs::read(folder.path().join("out/result.json")).expect("a result"));
    let trial = &result["trials"][0];
    let load = &trial["load"];
    assert_eq!((&load["kind"], &load["origin"]), (&Value::from("replay"), &Value::from("planned")));
    let trace = &load["trace"];
    assert_eq!((&trace["file"], &trace["format"]), (&Value::from("chat.jsonl"), &Value::from("mooncake")));
    assert_eq!(
        (&trace["rows"], &trace["scheduled"], &trace["time_scale"]),
        (&Value::from(40), &Value::from(26), &Value::from(10.0))
    );
    assert_eq!(trace["dropped"], serde_json::json!({"window": 12, "empty": 1, "max_input": 1}));
    assert_eq!(trace["window"], serde_json::json!({"start_s": 1.0, "end_s": 8.0}));
    assert_eq!((&trial["requests"]["planned"], &trial["requests"]["completed"]), (&Value::from(26), &Value::from(26)));
    assert_eq!(trial["label"], "replay");
    assert_eq!(trial["window"], serde_json::json!({"start_s": 0.0, "end_s": 0.7}));

    assert_eq!(
        text(&run(folder.path(), &["report", "out"]).stdout),
        shown,
        "a second rendering must give the same text"
    );
    let again = json(&run(folder.path(), &["replay", "-c", "out/config.yaml", "--out", "two", "--json"]).stdout);
    for key in ["plan_fingerprint", "body_fingerprint", "config"] {
        assert_eq!(again[key], result[key], "{key}");
    }
    let faster = run(
        folder.path(),
        &["replay", "one.csv", "-c", "out/config.yaml", "--window", "0s..1s", "--out", "three", "--json"],
    );
    assert_eq!(
        json(&faster.stdout)["trials"][0]["load"]["trace"]["file"],
        "one.csv",
        "the file on the command line must override the stored one"
    );
}

#[test]
fn what_was_done_to_a_trace_is_in_the_books_the_notes_and_the_stored_configuration() {
    let folder = folder();
    let words = [
        "replay",
        "chat.jsonl",
        "--spread",
        "even",
        "--gap-cap",
        "200ms",
        "--sample",
        "90%",
        "--loop",
        "2",
        "--rate-scale",
        "1.5",
    ];
    let output = run(
        folder.path(),
        &[
            &words[..],
            &["--time-scale", "50", "--seed", "5", "--sim", "delay:ttft=1ms,itl=1ms", "--out", "out", "--json"],
        ]
        .concat(),
    );
    let result = json(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let trace = &result["trials"][0]["load"]["trace"];
    let number = |key: &str| trace[key].as_u64().unwrap_or_else(|| panic!("{key}: {trace}"));
    let dropped: u64 = trace["dropped"].as_object().expect("reasons").values().filter_map(Value::as_u64).sum();
    assert_eq!(
        (number("rows") + number("copies"), trace["dropped"]["empty"].as_u64()),
        (number("scheduled") + dropped, Some(2))
    );
    assert!(trace["dropped"]["sample"].as_u64() > Some(0), "{trace}");
    assert_eq!(
        trace["changes"].as_array().expect("sentences").len(),
        6,
        "gap cap, spread, sample, loop, rate scale, and what changed"
    );
    let notes = result["notes"].to_string();
    for wanted in [
        "copies = ",
        "outside the sample",
        "gap cap 200 ms",
        "spread even: the recorder's clock ticks every 500 ms",
        "loop 2",
        "rate scale 1.5",
    ] {
        assert!(notes.contains(wanted), "{wanted}: {notes}");
    }
    assert!(result["trials"][0]["requests"]["planned"].as_u64() == Some(number("scheduled")));
    let again = json(&run(folder.path(), &["replay", "-c", "out/config.yaml", "--out", "two", "--json"]).stdout);
    assert_eq!((&again["plan_fingerprint"], &again["config"]), (&result["plan_fingerprint"], &result["config"]));
    let other = json(&run(folder.path(), &[&words[..], &["--plan-only", "--seed", "6", "--json"]].concat()).stdout);
    assert_ne!(other["fingerprint"], result["plan_fingerprint"], "another seed must select other rows");
}

#[test]
fn plan_only_is_plan_for_a_replay() {
    let folder = folder();
    let words = ["replay", "chat.jsonl", "--plan-only", "--time-scale", "2", "--export", "t.csv"];
    let output = run(folder.path(), &words);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    insta::assert_snapshot!("replay_plan_only", text(&output.stdout));
    let table = std::fs::read_to_string(folder.path().join("t.csv")).expect("a table");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        lines[..4],
        [
            "id,scheduled_ns,input_tokens,output_tokens,class,session",
            "0,0,600,3,default,",
            "1,0,601,3,default,",
            "2,250000000,602,3,default,"
        ]
    );
    let described = json(&run(folder.path(), &["replay", "chat.jsonl", "--plan-only", "--json"]).stdout);
    assert_eq!((&described["planned"], &described["dropped"]), (&Value::from(38), &serde_json::json!({"empty": 2})));
    let keys: Vec<&str> = described.as_object().expect("an object").keys().map(String::as_str).collect();
    let mut wanted = ["planned", "span_s", "rate_per_s", "gap", "dispersion", "law", "fingerprint", "dropped"];
    wanted.sort_unstable();
    assert_eq!(keys, wanted);
    assert!(!folder.path().join("results").exists(), "no request may be sent");
}

#[test]
fn the_shards_of_a_replay_are_its_rows_in_turn() {
    let folder = folder();
    let replay =
        ["replay", "chat.jsonl", "--time-scale", "40", "--max-input", "4000", "--quiet", "--workers", "1", "--out"];
    for (out, more) in
        [("whole", &["--salt", "seed-17"][..]), ("one", &["--shard", "1/2"]), ("two", &["--shard", "2/2"])]
    {
        let done = run(folder.path(), &[&replay[..], &[out], more].concat());
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    }
    let merged = json(&run(folder.path(), &["report", "one", "two", "--json"]).stdout);
    let whole = json(&run(folder.path(), &["report", "whole", "--json"]).stdout);
    for key in ["plan_fingerprint", "body_fingerprint"] {
        assert_eq!(merged[key], whole[key], "{key}");
    }
    assert_eq!(merged["trials"][0]["requests"], whole["trials"][0]["requests"]);
    assert_eq!(merged["trials"][0]["load"]["trace"], whole["trials"][0]["load"]["trace"]);
    let words = ["replay", "chat.jsonl", "--plan-only", "--shard", "2/2", "--export", "t.csv"];
    let shown = text(&run(folder.path(), &words).stdout);
    assert!(shown.contains("shard        2/2: "), "{shown}");
    let table = std::fs::read_to_string(folder.path().join("t.csv")).expect("a table");
    assert!(
        table.lines().skip(1).all(|row| row
            .split(',')
            .next()
            .and_then(|id| id.parse::<u64>().ok())
            .is_some_and(|id| id % 2 == 1))
    );
}

#[test]
fn inspect_shows_what_it_found_and_says_it_as_json() {
    let folder = folder();
    let output = run(folder.path(), &["trace", "inspect", "chat.jsonl"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    insta::assert_snapshot!("trace_inspect", shown);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let found = json(&run(folder.path(), &["trace", "inspect", "chat.jsonl", "--json"]).stdout);
    let mut keys = vec![
        "format",
        "rows",
        "dropped",
        "span_s",
        "rate_per_s",
        "gap_cv",
        "max_gap_s",
        "dispersion_1s",
        "distinct_times",
    ];
    keys.extend(["max_tie", "out_of_order", "peak", "input_tokens", "output_tokens", "anomalies", "anomaly_kinds"]);
    keys.sort_unstable();
    let object = found.as_object().expect("an object");
    assert_eq!(object.keys().map(String::as_str).collect::<Vec<_>>(), keys);
    assert_eq!(
        (&found["rows"], &found["dropped"], &found["peak"]["1s"]["fixed"]),
        (&Value::from(40), &serde_json::json!({}), &Value::from(4))
    );
    let skipped = json(&run(folder.path(), &["trace", "inspect", "chat.jsonl", "--json", "--on-empty", "skip"]).stdout);
    assert_eq!(
        (&skipped["rows"], &skipped["dropped"], &skipped["output_tokens"]["zeros"]),
        (&Value::from(40), &serde_json::json!({"empty": 2}), &Value::from(0))
    );
    let alone = json(&run(folder.path(), &["trace", "inspect", "one.csv", "--json"]).stdout);
    assert_eq!(
        (&alone["span_s"], &alone["rate_per_s"], &alone["gap_cv"]),
        (&Value::from(0.0), &Value::Null, &Value::Null),
        "an undefined value must be null"
    );
}

#[test]
fn what_a_trace_says_itself_is_refused() {
    let folder = folder();
    std::fs::write(folder.path().join("rate.yaml"), "file: chat.jsonl\nrate: 5/s\n").expect("a file");
    std::fs::write(folder.path().join("list.jsonl"), "5\n").expect("a file");
    std::fs::write(folder.path().join("broken.jsonl"), "{\"timestamp\": 0, \"input_length\": 1}\n").expect("a file");
    std::fs::write(
        folder.path().join("weeks.csv"),
        "Timestamp,Request tokens,Response tokens\n0,1,1\n9999,1,1\n0,1,1\n",
    )
    .expect("a file");
    let cases: &[(&[&str], &[&str])] = &[
        (&["replay"], &["FILE", "tonnage replay trace.csv"]),
        (&["replay", "none.csv"], &["none.csv", "cannot be opened"]),
        (&["replay", "broken.jsonl"], &["broken.jsonl:1", "output_length"]),
        (&["replay", "weeks.csv"], &["weeks.csv:4", "2 recordings in one file"]),
        (&["replay", "one.csv", "--format", "burstgpt"], &["one.csv:1", "Request tokens", "--format"]),
        (&["replay", "one.csv", "--format", "weka"], &["one.csv:1", "is not a valid conversation of a Weka trace"]),
        (&["replay", "one.csv", "--format", "parquet"], &["--format", "azure, burstgpt, mooncake, bailian"]),
        (&["replay", "chat.jsonl", "--session-rate", "1/s"], &["--session-rate", "the trace says itself"]),
        (&["replay", "chat.jsonl", "--columns", "time=a"], &["--columns", "time=NAME"]),
        (&["replay", "chat.jsonl", "--time-unit", "s"], &["chat.jsonl:1", "needs its columns named"]),
        (&["replay", "chat.jsonl", "--rate-scale", "0"], &["--rate-scale", "0.001"]),
        (&["replay", "chat.jsonl", "--rate-scale", "-1"], &["--rate-scale", "`-1`", "0.001"]),
        (&["replay", "chat.jsonl", "--gap-cap", "-1s"], &["--gap-cap", "-1s"]),
        (&["replay", "chat.jsonl", "--loop", "0"], &["--loop", "a whole number from 1 to 65535"]),
        (&["replay", "chat.jsonl", "--max-input", "0"], &["--max-input", "a whole number from 1"]),
        (
            &["replay", "list.jsonl", "--format", "mooncake"],
            &["list.jsonl:1", "invalid type: integer `5`, expected an object"],
        ),
        (&["replay", "chat.jsonl", "--start-at", "2999-01-01T00:00:00Z"], &["--start-at", "within the next 30 days"]),
        (&["replay", "chat.jsonl", "--sample", "1.5"], &["--sample", "0.1 or 10%"]),
        (&["replay", "chat.jsonl", "--spread", "wide"], &["--spread", "even or random"]),
        (
            &["replay", "chat.jsonl", "--loop", "60000", "--rate-scale", "2"],
            &["--rate-scale", "more than are held", "--loop"],
        ),
        (&["replay", "chat.jsonl", "--window", "1h..2h"], &["chat.jsonl", "none of its 40 rows", "--window"]),
        (&["replay", "chat.jsonl", "--window", "5"], &["--window", "0s..300s"]),
        (&["replay", "chat.jsonl", "--time-scale", "0"], &["--time-scale", "0.001"]),
        (&["replay", "chat.jsonl", "--on-empty", "fail"], &["chat.jsonl:8", "--on-empty"]),
        (&["replay", "chat.jsonl", "--on-empty", "maybe"], &["--on-empty", "skip, min1 or fail"]),
        (&["replay", "chat.jsonl", "--export", "t.csv"], &["--plan-only"]),
        (&["replay", "chat.jsonl", "--rate", "5"], &["--rate", "--time-scale"]),
        (&["replay", "-c", "rate.yaml"], &["--rate", "--time-scale"]),
        (&["replay", "chat.jsonl", "--process", "even"], &["--process", "tonnage run"]),
        (&["replay", "chat.jsonl", "--load", "synchronous"], &["--load", "tonnage run --load"]),
        (&["replay", "chat.jsonl", "--duration", "5s"], &["--duration", "--window"]),
        (&["replay", "chat.jsonl", "--requests", "5"], &["--requests", "--window"]),
        (&["replay", "chat.jsonl", "--input-tokens", "128"], &["--input-tokens", "the length of each request"]),
        (&["replay", "chat.jsonl", "--output-tokens", "64"], &["--output-tokens", "the length of each request"]),
        (&["replay", "chat.jsonl", "--warmup", "1s"], &["--warmup", "before its first row"]),
        (&["replay", "chat.jsonl", "--cooldown", "1s"], &["--cooldown", "after its last row"]),
        (&["trace", "inspect", "none.csv"], &["none.csv", "cannot be opened"]),
        (&["trace", "convert", "chat.jsonl"], &["--to", "--out"]),
    ];
    all_refused(folder.path(), cases);
}

/// Regression: sorted rows were reported before a run, but not for `--plan-only`.
#[test]
fn a_plan_says_how_many_rows_were_out_of_order() {
    let folder = tempfile::tempdir().unwrap();
    // Such a file looks like two recordings, so the message says how far back the rows stood.
    let rows = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.0,5,5\n2023-11-16 \
        18:15:48.0,5,5\n2023-11-16 18:15:47.0,5,5\n";
    std::fs::write(folder.path().join("t.csv"), rows).unwrap();
    let shown = text(&run(folder.path(), &["replay", "t.csv", "--plan-only"]).stdout);
    assert!(shown.contains("sorted       1 rows were out of order, by up to 1.00 s"), "{shown}");
}

#[test]
fn a_trace_of_bodies_is_sent_as_it_is() {
    let folder = folder();
    let body = |tokens: u32| {
        format!(
            "{{\"model\": \"tonnage-sim\",  \"messages\": [{{\"role\": \"user\", \"content\": \"hi\"}}], \
             \"max_tokens\": {tokens}, \"stream\": true, \"stream_options\": {{\"include_usage\": true}}}}"
        )
    };
    let mut rows = format!("{{\"timestamp\": \"2026-01-05T09:00:00Z\", \"body\": {}}}\n", body(3));
    for place in 1..10u32 {
        writeln!(
            rows,
            "{{\"timestamp\": {}.5, \"headers\": {{\"a\": \"b\"}}, \"body\": {}}}",
            1_767_603_600 + place,
            body(3 + place)
        )
        .expect("a string");
    }
    std::fs::write(folder.path().join("w.jsonl"), &rows).expect("a file");
    let sim = ["--sim", "delay:ttft=2ms,itl=1ms", "--time-scale", "20"];
    let output = run(folder.path(), &[&["replay", "w.jsonl", "--out", "out"], &sim[..]].concat());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("10 rows of bodies over 9.50 s"), "{said}");
    assert!(
        said.contains("bodies are sent as they are") && said.contains("9 rows have headers of their own"),
        "{said}"
    );
    let result = json(&std::fs::read(folder.path().join("out/result.json")).expect("a result"));
    let trial = &result["trials"][0];
    assert_eq!(trial["run_totals"]["completed"], 10, "{said}");
    // Bodies ask for 3 to 12 tokens.
    assert_eq!(trial["tokens"]["output"]["server"], 7.5, "{trial}");
    let again = run(folder.path(), &["replay", "-c", "out/config.yaml", "--out", "two"]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    let again = json(&std::fs::read(folder.path().join("two/result.json")).expect("a result"));
    assert_eq!(again["body_fingerprint"], result["body_fingerprint"], "a stored configuration repeats the bytes");
    let other = rows.replace("\"hi\"", "\"ho\"");
    std::fs::write(folder.path().join("other.jsonl"), &other).expect("a file");
    let print = |file: &str| {
        json(&run(folder.path(), &["replay", file, "--plan-only", "--json"]).stdout)["fingerprint"].clone()
    };
    assert_ne!(print("w.jsonl"), print("other.jsonl"), "the fingerprint covers the bodies");
    std::fs::write(folder.path().join("whole.jsonl"), rows.replacen("\"stream\": true", "\"stream\": false", 3))
        .expect("a file");
    all_refused(
        folder.path(),
        &[
            (&["replay", "w.jsonl", "--temperature", "0"], &["--temperature", "the bodies of the trace"]),
            (&["replay", "w.jsonl", "--salt", "x"], &["--salt", "the bodies of the trace"]),
            (&["replay", "w.jsonl", "--ignore-eos"], &["--ignore-eos", "the bodies of the trace"]),
            (&["replay", "w.jsonl", "--no-stream"], &["w.jsonl:1", "answers are read whole; drop --no-stream"]),
            (&["replay", "whole.jsonl"], &["whole.jsonl:1", "without `\"stream\": true`", "--no-stream"]),
        ],
    );
}
