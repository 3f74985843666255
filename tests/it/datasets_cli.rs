//! Owns the tests of data sets as a user gives them: `--dataset` and the options beside it, in every verb.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::{all_refused, folder, json, run, text};

/// A short load on the embedded server.
const SHORT: [&str; 9] =
    ["--rate", "200", "--requests", "10", "--process", "even", "--sim", "delay:ttft=5ms,itl=1ms", "--seed=3"];

/// The model that the embedded server serves, as bodies name it.
const MODEL: &str = r#""model": "tonnage-sim""#;

fn set(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets").join(name).to_string_lossy().into_owned()
}

fn played(words: &[&str]) -> (String, Value) {
    let folder = folder();
    let output = run(folder.path(), &[&["run"], &SHORT[..], words, &["--out", "out"]].concat());
    assert_eq!(output.status.code(), Some(0), "{words:?}: {}", text(&output.stderr));
    (text(&output.stderr), json(&folder.path().join("out/result.json")))
}

#[test]
fn every_file_of_datasets_runs_with_its_name_alone() {
    let columns = ["--dataset-columns", "prompt=问题,output=字数"];
    for (name, more, completed, said) in [
        ("short.txt", &[][..], 10, "32 rows of text (recognised), taken in the order sequential"),
        ("long_context.json", &[], 10, "8 rows of pairs"),
        ("chats.json", &[], 10, "6 rows of sharegpt"),
        ("code.jsonl", &[], 10, "8 rows of messages"),
        ("chinese.csv", &columns, 10, "12 rows of csv"),
        ("agentic.json", &[], 10, "2 rows of agentic"),
        ("agentic.json", &["--sessions"], 25, "2 conversations with 5 turns, in the format agentic"),
        ("trie.jsonl", &["--sessions"], 21, "3 conversations with 6 turns, in the format trie (recognised)"),
        ("lines.txt", &[], 10, "1 of 4 rows are whole bodies, sent as they are; what they lack of model"),
    ] {
        let (stderr, result) = played(&[&["--dataset", &set(name)], more].concat());
        assert_eq!(result["trials"][0]["run_totals"]["completed"], completed, "{name}: {stderr}");
        assert!(stderr.contains(said), "{name}: {stderr}");
        assert_eq!(result["config"]["input-tokens"], Value::Null, "{name}: the data set has the lengths");
    }
}

#[test]
fn bodies_arrive_as_they_are() {
    let folder = folder();
    let bodies = fs::read_to_string(set("bodies.jsonl")).expect("a file").replace("\"model\": \"model\"", MODEL);
    fs::write(folder.path().join("b.jsonl"), &bodies).expect("a file");
    let words = ["--dataset", "b.jsonl", "--dataset-format", "bodies", "--show-sample", "--out", "out"];
    let output = run(folder.path(), &[&["run"], &SHORT[..], &words].concat());
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let said = "7 requests repeat a row that was sent before (the data set has 3)";
    assert!(stderr.contains(said), "{stderr}");
    let result = json(&folder.path().join("out/result.json"));
    assert_eq!(result["trials"][0]["run_totals"]["completed"], 10, "{stderr}");
    // Of ten requests four ask for 8 tokens, three for 16 and three for 12.
    assert_eq!(result["trials"][0]["tokens"]["output"]["server"], 11.6, "{stderr}");
}

#[test]
fn a_stored_configuration_repeats_the_bytes() {
    let folder = folder();
    fs::copy(set("short.txt"), folder.path().join("s.txt")).expect("a file");
    let words = ["--dataset", "s.txt", "--dataset-order", "shuffled", "--output-tokens", "5", "--out", "one"];
    let first = run(folder.path(), &[&["run"], &SHORT[..], &words].concat());
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    let first = json(&folder.path().join("one/result.json"));
    let again = run(folder.path(), &["run", "-c", "one/config.yaml", "--out", "two"]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    let again = json(&folder.path().join("two/result.json"));
    for key in ["plan_fingerprint", "body_fingerprint", "config"] {
        assert_eq!(first[key], again[key], "{key}");
    }
    fs::write(folder.path().join("s.txt"), "another prompt\n").expect("a file");
    let other = run(folder.path(), &["run", "-c", "one/config.yaml", "--out", "three"]);
    assert_eq!(other.status.code(), Some(0), "{}", text(&other.stderr));
    assert_ne!(json(&folder.path().join("three/result.json"))["plan_fingerprint"], first["plan_fingerprint"]);
}

#[test]
fn a_plan_shows_the_data_set_and_how_often_rows_repeat() {
    let folder = folder();
    let short = set("short.txt");
    let words = ["plan", "--rate", "10", "--requests", "40", "--process", "even", "--dataset", &short];
    let shown = text(&run(folder.path(), &words).stdout);
    assert!(shown.contains("data set short.txt: 32 rows of text (recognised)"), "{shown}");
    let data = run(folder.path(), &[&words[..], &["--json"]].concat());
    let data: Value = serde_json::from_slice(&data.stdout).expect("JSON");
    assert_eq!((&data["data"]["rows"], &data["data"]["repeated"]), (&Value::from(32), &Value::from(8)));
}

#[test]
fn sweep_and_search_take_a_data_set_too() {
    let folder = folder();
    let chats = set("chats.json");
    let sim = ["--sim", "delay:ttft=5ms,itl=1ms", "--dataset", &chats, "--seed=3"];
    let sweep = ["sweep", "--rates", "20,40", "--duration", "1s", "--warmup", "0s", "--out", "sweep"];
    let output = run(folder.path(), &[&sweep[..], &sim].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("data set chats.json: 6 rows"), "{}", text(&output.stderr));
    let result = json(&folder.path().join("sweep/result.json"));
    assert_eq!(result["config"]["dataset"], Value::from(chats.as_str()));
    let search = ["search", "--slo", "p50 ttft<=1s", "--max-rate", "100", "--budget", "500", "--precision", "50%"];
    let output = run(folder.path(), &[&search[..], &sim, &["--out", "search"]].concat());
    assert!(folder.path().join("search/result.json").exists(), "{}", text(&output.stderr));
}

#[test]
fn what_cannot_go_with_a_data_set_is_refused() {
    let folder = folder();
    fs::write(folder.path().join("b.jsonl"), "{\"body\": {\"stream\": true}}\n").expect("a file");
    fs::write(folder.path().join("u.txt"), b"\xff\xfeH\0i\0").expect("a file");
    let (short, trie, lines) = (set("short.txt"), set("trie.jsonl"), set("lines.txt"));
    let weka = set("../traces/sample_weka.jsonl");
    all_refused(
        folder.path(),
        &[
            (&["run", "--dataset", &short, "--input-tokens", "5"], &["--input-tokens", "lengths of their own"]),
            (&["run", "--dataset-order", "shuffled"], &["--dataset-order", "add --dataset FILE"]),
            (&["run", "--dataset", "none.txt"], &["none.txt", "check --dataset"]),
            (
                &["run", "--dataset", "openai/gsm8k"],
                &["openai/gsm8k: is not a file", "hf download openai/gsm8k --repo-type dataset"],
            ),
            (
                &["run", "--dataset", &weka],
                &["is a trace in the format weka", "tonnage replay", "--think after-completion"],
            ),
            (&["run", "--dataset", "hf://datasets/a/b/x.jsonl"], &["hf download a/b"]),
            (&["run", "--dataset", "data/none.jsonl"], &["data/none.jsonl", "check --dataset"]),
            (&["run", "--dataset", "u.txt"], &["u.txt:1", "UTF-16 (little-endian)", "iconv -f UTF-16"]),
            (
                &["run", "--dataset", &short, "--dataset-format", "json"],
                &["`json` is no format", "text, pairs, sharegpt"],
            ),
            (
                &["run", "--dataset", &short, "--dataset-format", "csv"],
                &["short.txt:1", "--dataset-columns prompt=NAME"],
            ),
            (&["run", "--dataset", "b.jsonl", "--temperature", "0"], &["--temperature", "sent as they are"]),
            (&["run", "--dataset", &trie], &["--dataset", "holds sessions of agents", "add --sessions"]),
            (
                &["run", "--dataset", &trie, "--sessions", "--think-time", "1s"],
                &["--think-time", "the time that each tool took"],
            ),
            (&["run", "--dataset", &lines, "--temperature", "0"], &["--temperature", "sent as they are"]),
            (&["run", "--dataset", &lines, "--sessions"], &["--sessions", "lines rows", "agentic or trie"]),
            (&["run", "--dataset", "b.jsonl", "--no-stream"], &["b.jsonl:1", "answers are read whole", "--no-stream"]),
            (&["replay", "t.csv", "--dataset", &short], &["--dataset", "the trace brings"]),
        ],
    );
}

#[test]
fn a_sweep_is_not_resumed_with_other_rows() {
    let folder = folder();
    fs::write(folder.path().join("s.txt"), "one\ntwo\nthree\n").expect("a file");
    let words = ["--rates", "20,40", "--duration", "500ms", "--warmup", "0s", "--dataset", "s.txt", "--quiet"];
    let output =
        run(folder.path(), &[&["sweep", "--sim", "delay:ttft=2ms,itl=1ms", "--out", "out"], &words[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    // The sweep as it was before its last load.
    let path = folder.path().join("out/result.json");
    let mut result = json(&path);
    assert_eq!(result["data_digest"].as_str().map(str::len), Some(32));
    result["sweep"]["finished"] = Value::Null;
    result["plan_fingerprint"] = Value::from("");
    for list in ["/trials", "/sweep/points"] {
        result.pointer_mut(list).and_then(Value::as_array_mut).expect("a list").pop();
    }
    fs::write(&path, result.to_string()).expect("a file");
    fs::write(folder.path().join("s.txt"), "one\ntwo\nfour\n").expect("a file");
    let refused = run(folder.path(), &["sweep", "--resume", "out"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("--resume: the data set is not the one that the sweep began with"), "{said}");
}

#[test]
fn the_data_sets_of_other_tools_are_options_that_give_their_lengths() {
    let folder = folder();
    let topic = text(&run(folder.path(), &["help", "datasets"]).stdout).replace("\\\n  ", "");
    // Of each mapping: its options as `help datasets` has them, and the least and most input and output tokens.
    for (options, input, output) in [
        ("--content words --input-tokens 1024 --output-tokens 128", 1024..=1024, 128..=128),
        ("--content words --input-tokens vllm:1024,0.5 --output-tokens vllm:128,0.5", 512..=1536, 64..=192),
        ("--content words --input-tokens sglang:1024,0.5 --output-tokens sglang:128,0.5", 512..=1024, 64..=128),
        ("--content sonnet --prefix-tokens 200 --input-tokens 550 --output-tokens 150", 550..=550, 150..=150),
        ("--prefix-groups 10 --prefix-tokens 256 --input-tokens 512 --output-tokens 128", 512..=512, 128..=128),
        ("--prefix-groups 64 --prefix-tokens 2048 --input-tokens 2176 --output-tokens 256", 2176..=2176, 256..=256),
    ] {
        assert!(topic.contains(&format!("  {options}\n")), "{options}: {topic}");
        let words: Vec<&str> =
            ["plan", "--requests", "300", "--export", "-"].into_iter().chain(options.split(' ')).collect();
        let planned = run(folder.path(), &words);
        assert_eq!(planned.status.code(), Some(0), "{options}: {}", text(&planned.stderr));
        let rows = text(&planned.stdout);
        let lengths: Vec<(u32, u32)> = rows
            .lines()
            .skip(1)
            .map(|row| {
                let fields: Vec<&str> = row.split(',').collect();
                (fields[2].parse().expect("tokens"), fields[3].parse().expect("tokens"))
            })
            .collect();
        assert_eq!(lengths.len(), 300, "{rows}");
        let inside = lengths.iter().all(|(of_input, of_output)| input.contains(of_input) && output.contains(of_output));
        assert!(inside, "{options}: {lengths:?}");
        let both_ends = |range: &std::ops::RangeInclusive<u32>, seen: &dyn Fn(&(u32, u32)) -> u32| {
            let middle = u32::midpoint(*range.start(), *range.end());
            lengths.iter().any(|row| seen(row) <= middle) && lengths.iter().any(|row| seen(row) >= middle)
        };
        assert!(both_ends(&input, &|row| row.0) && both_ends(&output, &|row| row.1), "{options}: {lengths:?}");
    }
}

#[test]
fn lines_of_sonnets_share_the_prefix_of_vllms_sonnet() {
    let words = ["--content", "sonnet", "--prefix-tokens", "200", "--input-tokens", "550", "--show-sample"];
    let (said, result) = played(&words);
    assert!(said.contains("sample prompt: "), "{said}");
    assert_eq!(result["trials"][0]["tokens"]["input"]["asked"], 550.0, "{said}");
}
