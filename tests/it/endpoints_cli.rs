//! Owns the tests of the endpoints as a user asks for them: `--endpoint` and the options beside it.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tonnage::client::Endpoint;

use crate::cli::{Simulated, all_refused, folder, json, run, text};
use crate::keeping::{Echo, events_of, http};

/// A short load on the embedded server, with `words`.
const SHORT: [&str; 10] =
    ["run", "--rate", "200", "--requests", "10", "--process", "even", "--sim", "delay:ttft=5ms,itl=1ms", "--seed=3"];

fn result_of(words: &[&str]) -> (String, Value) {
    let folder = folder();
    let output = run(folder.path(), &[words, &["--out", "out"]].concat());
    assert_eq!(output.status.code(), Some(0), "{words:?}: {}", text(&output.stderr));
    (text(&output.stdout), json(&folder.path().join("out/result.json")))
}

#[test]
fn every_endpoint_runs_with_nothing_to_type_but_its_name() {
    for endpoint in Endpoint::ALL {
        let (shown, result) = result_of(&[&SHORT[..], &["--endpoint", endpoint.name()]].concat());
        let trial = &result["trials"][0];
        assert_eq!(trial["run_totals"]["completed"], 10, "{endpoint}: {shown}");
        let can = endpoint.capabilities();
        let observed = |metric: &str| trial["metrics"][metric]["completed_only"]["count"] != 0;
        assert!(observed("e2e"), "{endpoint}");
        assert_eq!(observed("ttft"), can.streams, "{endpoint}");
        assert_eq!(observed("ntpot"), can.output_tokens, "{endpoint}");
        assert_eq!(shown.contains("\nttft "), can.streams, "{endpoint}: {shown}");
        assert_eq!(shown.contains("items/s"), endpoint.texts(1).is_some(), "{endpoint}: {shown}");
        assert_eq!(shown.contains("out tok/s"), can.output_tokens, "{endpoint}: {shown}");
        assert!(!shown.contains("WARNING"), "{endpoint}: {shown}");
        // So short a load ends before it is steady.
        let usual = |note: &Value| {
            let uncounted = !can.token_counts && note["kind"] == "input_as_asked";
            uncounted || ["tail_unloaded", "unsteady"].iter().any(|kind| note["kind"] == *kind)
        };
        let notes = trial["health"]["note_kinds"].as_array().expect("a list");
        assert!(notes.iter().all(usual), "{endpoint}: {notes:?}");
    }
}

#[test]
fn a_batch_has_its_items_its_tokens_and_its_rate() {
    let batch = ["--endpoint", "embeddings", "--batch-size", "4", "--input-tokens", "32", "--salt", "off"];
    let (shown, result) = result_of(&[&SHORT[..], &batch].concat());
    let trial = &result["trials"][0];
    assert_eq!(trial["metrics"]["input_tokens"]["value"]["mean"], 128.0, "{shown}");
    assert_eq!(trial["tokens"]["input"]["server"], 128.0);
    let (requests, items) = (&trial["throughput"]["requests_per_s"], &trial["throughput"]["items_per_s"]);
    assert_eq!(items.as_f64(), requests.as_f64().map(|rate| rate * 4.0));
    assert_eq!((&result["config"]["batch-size"], &result["config"]["output-tokens"]), (&Value::from(4), &Value::Null));

    // The stored configuration repeats the plan and the bytes, and a report from the records repeats the page.
    let folder = folder();
    let output = run(folder.path(), &[&SHORT[..], &batch, &["--out", "out"]].concat());
    assert_eq!(text(&run(folder.path(), &["report", "out"]).stdout), text(&output.stdout));
    let again = run(folder.path(), &["run", "-c", "out/config.yaml", "--out", "two", "--json"]);
    let again: Value = serde_json::from_slice(&again.stdout).expect("JSON");
    for key in ["plan_fingerprint", "body_fingerprint", "config"] {
        assert_eq!(again[key], result[key], "{key}");
    }

    let ranked = ["--endpoint", "rerank", "--batch-size", "3", "--input-tokens", "32"];
    let (_, result) = result_of(&[&SHORT[..], &ranked].concat());
    let tokens = &result["trials"][0]["tokens"]["input"];
    assert_eq!((&tokens["asked"], &tokens["server"]), (&Value::from(128.0), &Value::from(192.0)), "3 × (32 + 32)");
}

#[test]
fn what_an_endpoint_does_not_know_is_refused_with_what_it_knows() {
    let folder = folder();
    std::fs::write(folder.path().join("raw.yaml"), "body: '{{promt}}'\ntext: /a\n").expect("a file");
    all_refused(
        folder.path(),
        &[
            (
                &["run", "--endpoint", "embeddings", "--slo", "p99 ttft<=1s"],
                &["--slo", "the endpoint embeddings has no ttft", "accepted is e2e, error_rate"],
            ),
            (&["search", "--endpoint", "rerank", "--slo", "p99 tpot<=1s"], &["has no tpot", "accepted is e2e"]),
            (&["sweep", "--endpoint", "score", "--slo", "ntpot<=1s"], &["has no ntpot"]),
            (&["run", "--no-stream", "--slo", "p99 ttft<=1s"], &["needs streamed answers", "drop --no-stream"]),
            (
                &["run", "--target", "http://127.0.0.1:9/embed"],
                &["--target", "is the URL of the endpoint tei-embed", "add --endpoint tei-embed"],
            ),
            (&["run", "--batch-size", "2"], &["--batch-size", "embeddings, rerank, score"]),
            (&["run", "--endpoint", "score", "--output-tokens", "3"], &["--output-tokens", "writes no tokens"]),
            (&["run", "--endpoint", "messages", "--ignore-eos"], &["--ignore-eos", "--extra-body"]),
            (&["run", "--endpoint", "ollama-chat", "--continuous-usage"], &["--continuous-usage"]),
            (&["run", "--endpoint", "responses", "--output-field", "max_tokens"], &["max_output_tokens alone"]),
            (&["run", "--endpoint", "responses", "--stop", "x"], &["--stop", "no field for stop texts"]),
            (&["run", "--endpoint", "raw", "--extra-body", "{}"], &["--extra-body", "the body of --raw"]),
            (&["run", "--endpoint", "raw", "--raw", "raw.yaml"], &["raw.yaml", "`{{promt}}` is no placeholder"]),
            (&["run", "--raw", "raw.yaml"], &["--raw", "add --endpoint raw"]),
            (&["run", "--temperature", "0", "--extra-body", "{\"temperature\": 1}"], &["--temperature", "drop one"]),
            (&["run", "--omit", "top_p", "--top-p", "0.5"], &["--omit", "`top_p`"]),
            (&["run", "--auth-header", "a b"], &["--auth-header", "is not the name of a header"]),
            (&["run", "--endpoint", "audio"], &["accepted is chat, completions"]),
            (&["run", "--api-key-command", "exit 3"], &["--api-key-command", "exit status: 3", "run it by hand"]),
            (&["run", "--api-key-command", "echo a", "--api-key", "b"], &["cannot be combined with --api-key"]),
            (&["run", "--client-cert", "c.pem"], &["--client-cert", "add --client-key FILE"]),
        ],
    );
}

#[test]
fn a_raw_endpoint_is_read_by_the_pointers_of_its_file() {
    let folder = folder();
    let file = folder.path().join("raw.yaml");
    let body = r#"{"inputs": "{{prompt}}", "max_tokens": {{max_tokens}}, "stream": {{stream}}, "n": "{{id}}"}"#;
    let raw = format!("body: '{body}'\nframing: sse\ntext: /text\noutput-tokens: /usage/completion_tokens\n");
    std::fs::write(&file, raw).expect("a file");
    let file = file.to_string_lossy().into_owned();
    let words = ["--endpoint", "raw", "--raw", &file, "--output-tokens", "6"];
    let (shown, result) = result_of(&[&SHORT[..], &words].concat());
    let trial = &result["trials"][0];
    assert_eq!((&trial["run_totals"]["completed"], &result["target"]["model"]), (&10.into(), &"unnamed".into()));
    assert_eq!(trial["tokens"]["output"]["server"], 6.0, "{shown}");
}

#[test]
fn a_key_is_sent_in_the_header_of_the_endpoint_or_of_the_user() {
    let folder = folder();
    let server = Simulated::start(folder.path(), &["--api-key", "right", "--sim", "delay:ttft=5ms,itl=1ms"]);
    std::fs::write(folder.path().join("key"), "right\n").expect("a file");
    let load = ["--rate", "200", "--requests", "5", "--output-tokens", "4", "--quiet", "--json"];
    for words in [
        vec!["--endpoint", "messages"],
        vec!["--endpoint", "messages", "--auth-header", "authorization"],
        vec!["--auth-header", "api-key"],
        vec!["--endpoint", "ollama-chat"],
        vec!["--api-key-command", "cat key", "--endpoint", "messages"],
    ] {
        let target = ["run", "--target", &server.url, "--out", "out", "--force"];
        let key: &[&str] = if words[0] == "--api-key-command" { &[] } else { &["--api-key", "right"] };
        let output = run(folder.path(), &[&target[..], &load, &words, key].concat());
        let result: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        assert_eq!(result["trials"][0]["run_totals"]["completed"], 5, "{words:?}: {}", text(&output.stderr));
        let stored = std::fs::read_to_string(folder.path().join("out/config.yaml")).expect("a configuration");
        assert!(!stored.contains("right"), "{stored}");
        if let Some(header) = words.iter().position(|word| *word == "--auth-header") {
            assert!(stored.contains(&format!("auth-header: {}", words[header + 1])), "{stored}");
        }
    }
    let full = format!("{}/v1/chat/completions?api-version=1", server.url);
    let rest = ["--out", "full", "--api-key", "right"];
    let output = run(folder.path(), &[&["run", "--target", &full][..], &load, &rest].concat());
    let result: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(result["trials"][0]["run_totals"]["completed"], 5, "{}", text(&output.stderr));
}

#[test]
fn a_key_that_the_server_refuses_is_renewed_while_the_load_runs() {
    let folder = folder();
    // The first key is good for three requests; later ones need another, which the command prints when it runs again.
    let asked = AtomicU64::new(0);
    let server = Echo::start(move |request| {
        let first = asked.fetch_add(1, Ordering::Relaxed) < 3 && request.contains("Bearer key-number-one");
        if first || request.contains("Bearer key-number-two") {
            let answer = serde_json::json!({"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]});
            http("200 OK", "text/event-stream", &format!("{}data: [DONE]\n\n", events_of(&[answer])))
        } else {
            http("401 Unauthorized", "application/json", r#"{"error":{"message":"the key has expired"}}"#)
        }
    });
    let command = "if [ -e used ]; then echo key-number-two; else touch used; echo key-number-one; fi";
    let target = ["run", "--target", &server.url, "--model", "m", "--no-preflight", "--api-key-command", command];
    let load = ["--rate", "2/s", "--requests", "16", "--process", "even", "--output-tokens", "1", "--out", "out"];
    let output = run(folder.path(), &[&target[..], &load].concat());
    let records = std::fs::read_to_string(folder.path().join("out/records.jsonl")).expect("records");
    let ended = |line: &str| serde_json::from_str::<Value>(line).expect("a record")["status"].as_u64();
    let statuses: Vec<Option<u64>> = records.lines().skip(1).map(ended).collect();
    let refused = statuses.iter().filter(|status| **status == Some(401)).count();
    assert_eq!((statuses.first(), statuses.last()), (Some(&Some(200)), Some(&Some(200))), "{}", text(&output.stderr));
    assert!((1..=10).contains(&refused), "refused between the end of one key and the next renewal: {statuses:?}");
    assert!(!records.contains("key-number"), "a key is stored");
}

#[test]
fn help_endpoints_has_a_page() {
    let page = text(&run(folder().path(), &["help", "endpoints"]).stdout);
    for endpoint in Endpoint::ALL {
        assert!(page.contains(&format!("\n{} ", endpoint.name())), "{page}");
    }
    assert!(page.contains("--batch-size") && page.contains("{{prompt}}"), "{page}");
}
