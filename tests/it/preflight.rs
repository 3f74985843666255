//! Owns the tests of the preflight: the small request before the load, what it shows, and when the load is not sent.

use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json as json_of};
use tonnage::client::Endpoint;
use tonnage::workload::estimate_text;

use crate::cli::{Simulated, folder, json, run, text};
use crate::keeping::{Echo, events_of, http, models};

/// A load of 6 requests of 4 output tokens.
const LOAD: [&str; 14] = [
    "run",
    "--rate",
    "100/s",
    "--requests",
    "6",
    "--process",
    "even",
    "--input-tokens",
    "10",
    "--output-tokens",
    "4",
    "--out",
    "out",
    "--force",
];

fn played(folder: &Path, url: &str, more: &[&str]) -> Output {
    run(folder, &[&LOAD[..], &["--target", url], more].concat())
}

/// What was said on standard error, on one line.
fn said(output: &Output) -> String {
    text(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn result(folder: &Path) -> Value {
    json(&folder.join("out/result.json"))
}

/// A server that lists the model `m` and answers request number i, from 0, with `answer(i)`.
fn server(answer: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static) -> Echo {
    let asked = AtomicU64::new(0);
    Echo::start(
        move |request| {
            if request.starts_with("GET") { models("m") } else { answer(asked.fetch_add(1, Ordering::Relaxed)) }
        },
    )
}

/// How many times the server was asked for an answer.
fn asked(server: &Echo) -> usize {
    server.seen.lock().expect("a lock").matches("POST /v1/chat/completions").count()
}

/// A stream of `tokens` events with the server's counts, if any.
fn stream(tokens: usize, usage: Option<Value>) -> Vec<u8> {
    let mut events: Vec<Value> = (0..tokens).map(|_| json_of!({"choices": [{"delta": {"content": "a "}}]})).collect();
    events.push(json_of!({"choices": [{"delta": {}, "finish_reason": "stop"}]}));
    events.extend(usage.map(|usage| json_of!({"choices": [], "usage": usage})));
    let events = events_of(&events);
    http("200 OK", "text/event-stream", &format!("{events}data: [DONE]\n\n"))
}

/// A stream of `tokens` tokens, counted.
fn counted(tokens: usize) -> Vec<u8> {
    stream(tokens, Some(json_of!({"prompt_tokens": 10, "completion_tokens": tokens})))
}

#[test]
fn each_class_of_a_mix_is_tried_and_one_that_is_refused_stops_the_load() {
    let folder = folder();
    let server = Echo::start(|request| match request {
        _ if request.starts_with("GET") => models("m"),
        _ if request.contains("\"model\":\"big\"") => {
            let body = json_of!({"error": {"message": "no such model: big"}}).to_string();
            http("404 Not Found", "application/json", &body)
        }
        _ => counted(4),
    });
    let mix = "{a: {weight: 98}, b: {weight: 1}, c: {weight: 1, model: big}}";
    let output = played(folder.path(), &server.url, &["--mix", mix]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("no such model: big"), "{}", said(&output));
    assert_eq!(server.seen.lock().expect("a lock").matches("\"model\":\"m\"").count(), 2, "a and b, and no load");
    let healthy = played(folder.path(), &server.url, &["--mix", "{a: {weight: 98}, b: {weight: 1}}"]);
    assert_eq!(healthy.status.code(), Some(0), "{}", said(&healthy));
    assert_eq!(result(folder.path())["preflight"]["requests"], 2);
}

#[test]
fn a_refused_preflight_stops_every_verb_and_the_servers_words_come_first() {
    let folder = folder();
    std::fs::write(folder.path().join("t.csv"), "arrived_at,num_prefill_tokens,num_decode_tokens\n0,4,4\n0.1,4,4\n")
        .expect("written");
    let verbs: [&[&str]; 4] = [
        &["run", "--requests", "3"],
        &["replay", "t.csv"],
        &["sweep", "--rates", "20,40", "--duration", "200ms"],
        &["search", "--slo", "p99 ttft<=1s", "--budget", "5s"],
    ];
    for (status, words, tries, advice) in [
        ("400 Bad Request", "Extra inputs are not permitted: stream_options", 3, "--omit stream_options"),
        ("401 Unauthorized", "wrong key", 1, "--api-key"),
        ("500 Internal Server Error", "out of memory", 3, "look at the server's log"),
    ] {
        for verb in verbs {
            let body = json_of!({"error": {"message": words}}).to_string();
            let server = server(move |_| http(status, "application/json", &body));
            let output = run(folder.path(), &[verb, &["--target", &server.url, "--out", "out"]].concat());
            let said = said(&output);
            assert_eq!(output.status.code(), Some(3), "{verb:?}: {said}");
            let first = format!("error: target {}: {status}: {words}", server.url);
            assert!(said.starts_with(&first) && said.contains(advice), "{verb:?}: {said}");
            assert!(said.contains("the load was not sent") && said.contains("--no-preflight"), "{verb:?}: {said}");
            assert_eq!(asked(&server), tries, "{verb:?}: {status}");
            assert!(!folder.path().join("out").exists() && output.stdout.is_empty(), "{verb:?}");
        }
    }
}

#[test]
fn what_the_preflight_shows_is_stored_by_its_kind_and_shown_with_the_option_that_helps() {
    let odd = || Some(json_of!({"prompt_tokens": -1, "completion_tokens": "many"}));
    for (what, answer, kinds, part) in [
        ("as asked", counted(4), &[][..], ""),
        ("too long", counted(7), &["longer"], "give --output-field max_tokens"),
        ("too short", counted(2), &["shorter"], "--ignore-eos"),
        ("without counts", stream(4, None), &["usage_missing"], "--tokenizer"),
        ("odd counts", stream(4, odd()), &["usage_odd"], "cannot be true"),
        (
            "several tokens an event",
            stream(2, Some(json_of!({"prompt_tokens": 10, "completion_tokens": 4}))),
            &["bundled"],
            "4 tokens came in 2 events",
        ),
        (
            "another tokenizer",
            stream(4, Some(json_of!({"prompt_tokens": 60, "completion_tokens": 4}))),
            &["prompt_tokens_apart"],
            "60 input tokens where 10 were sent",
        ),
    ] {
        let folder = folder();
        let server = server(move |_| answer.clone());
        let output = played(folder.path(), &server.url, &[]);
        assert_eq!(output.status.code(), Some(0), "{what}: {}", text(&output.stderr));
        let result = result(folder.path());
        let answers = result["preflight"]["answers"].as_array().expect("answers");
        assert_eq!((answers.len(), &result["preflight"]["requests"]), (1, &Value::from(1)), "{what}");
        let found = answers[0]["finding_kinds"].as_array().expect("kinds");
        let found: Vec<&str> = found.iter().filter_map(|finding| finding["kind"].as_str()).collect();
        assert_eq!(found, kinds, "{what}: {}", answers[0]);
        let sentences = answers[0]["findings"].as_array().expect("sentences");
        assert_eq!(sentences.len(), kinds.len(), "{what}");
        assert!(kinds.is_empty() || text(&output.stdout).contains("note: preflight: "), "{what}");
        for shown in [&output.stdout, &output.stderr] {
            assert!(text(shown).contains(part), "{what}: {}", text(shown));
        }
        assert_eq!(text(&run(folder.path(), &["report", "out"]).stdout), text(&output.stdout), "{what}");
    }
}

#[test]
fn the_request_before_the_load_is_in_no_figure_and_changes_no_fingerprint() {
    let folder = folder();
    let server = Simulated::start(folder.path(), &["--sim", "delay:ttft=1ms,itl=1ms", "--truth", "truth.jsonl"]);
    let more = ["--salt", "s", "--model", "tonnage-sim"];
    let mut prints = Vec::new();
    for (tries, sent) in [(&["--no-preflight"][..], None), (&[], Some(1))] {
        let output = played(folder.path(), &server.url, &[&more[..], tries].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let result = result(folder.path());
        assert_eq!(result["preflight"]["requests"].as_u64(), sent);
        assert_eq!(result["trials"][0]["run_totals"]["planned"], 6);
        let records = std::fs::read_to_string(folder.path().join("out/records.jsonl")).expect("records");
        assert_eq!(records.lines().count(), 7, "a header and 6 records");
        prints.push((result["plan_fingerprint"].clone(), result["body_fingerprint"].clone()));
    }
    assert_eq!(prints[0], prints[1]);
    assert_eq!(server.end().0, Some(0));
    let truth = std::fs::read_to_string(folder.path().join("truth.jsonl")).expect("truth");
    assert_eq!(truth.lines().count(), 13, "the server's log holds both loads and the request before the second");
}

#[test]
fn the_embedded_server_is_tried_for_a_sample_alone() {
    for (more, sent) in [(&[][..], None), (&["--show-sample"], Some(1))] {
        let folder = folder();
        let output = run(folder.path(), &[&LOAD[..], &["--sim", "delay:ttft=1ms,itl=1ms"], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(result(folder.path())["preflight"]["requests"].as_u64(), sent, "{more:?}");
        assert_eq!(text(&output.stderr).contains("sample prompt: "), sent.is_some(), "{more:?}");
    }
}

#[test]
fn a_server_that_still_loads_its_model_is_awaited_until_a_small_request_succeeds() {
    let loading = || http("503 Service Unavailable", "application/json", r#"{"error":"Loading model"}"#);
    let folder = folder();
    let busy = server(move |number| if number < 4 { loading() } else { counted(4) });
    let output = played(folder.path(), &busy.url, &["--wait-ready", "1m"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(said(&output).contains("waiting for the service, up to "), "{}", said(&output));
    let waited = result(folder.path());
    assert_eq!(waited["trials"][0]["run_totals"]["failed"], 0);
    assert_eq!((waited["preflight"]["requests"].as_u64(), asked(&busy)), (Some(5), 11));
    assert_eq!(waited["preflight"]["answers"][0]["finding_kinds"], json_of!([]));

    // It lists its model and never answers: the wait ends, and nothing was sent but the tries.
    let never = server(move |_| loading());
    let output = played(folder.path(), &never.url, &["--wait-ready", "1s"]);
    let said_then = said(&output);
    assert_eq!(output.status.code(), Some(3), "{said_then}");
    assert!(said_then.contains("503 Service Unavailable: Loading model; the service was not ready within"));

    // Without --wait-ready an overload is a finding, and the load is sent.
    let output = played(folder.path(), &never.url, &[]);
    assert_eq!(output.status.code(), Some(3), "no request completes: {}", said(&output));
    let limited = &result(folder.path())["preflight"]["answers"][0];
    assert_eq!((&limited["finding_kinds"][0]["kind"], &limited["status"]), (&Value::from("limited"), &503.into()));
    assert_eq!(result(folder.path())["trials"][0]["run_totals"]["failures"]["status_503"], 6);
}

#[test]
fn a_buffer_is_found_by_two_answers_in_one_piece() {
    // Whole answers of 16 events after 60 ms: all events come at once, as from a proxy that buffers.
    let served = counted(16);
    let server = server(move |_| {
        std::thread::sleep(std::time::Duration::from_millis(60));
        served.clone()
    });
    let folder = folder();
    let output = played(folder.path(), &server.url, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let preflight = &result(folder.path())["preflight"];
    assert_eq!((preflight["requests"].as_u64(), preflight["output_tokens"].as_u64()), (Some(2), Some(32)));
    let found = &preflight["answers"][0]["finding_kinds"][1];
    assert_eq!(found, &json_of!({"kind": "buffered", "events": 16, "pieces": 1}));
    assert!(text(&output.stdout).contains("16 events came in one piece"), "{}", text(&output.stdout));
}

#[test]
fn one_failure_by_chance_does_not_stop_the_load() {
    let folder = folder();
    let failing = || http("500 Internal Server Error", "application/json", r#"{"error":"by chance"}"#);
    let server = server(move |number| if number < 2 { failing() } else { counted(4) });
    let output = played(folder.path(), &server.url, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(said(&output).contains("2 tries failed before the answer: 500 Internal Server Error: by chance"));
    let result = result(folder.path());
    assert_eq!(result["preflight"]["answers"][0]["finding_kinds"][0]["kind"], "tried");
    assert_eq!(result["trials"][0]["run_totals"]["failed"], 0);
}

#[test]
fn each_target_and_each_model_is_tried_once() {
    let folder = folder();
    let servers = [server(|_| counted(4)), server(|_| stream(4, None))];
    let urls = format!("{},{}", servers[0].url, servers[1].url);
    let output = played(folder.path(), &urls, &["--model", "a,b,c"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let result = result(folder.path());
    let answers = result["preflight"]["answers"].as_array().expect("answers");
    let tried: Vec<(&str, &str)> = answers
        .iter()
        .map(|answer| (answer["target"].as_str().expect("a target"), answer["model"].as_str().expect("a model")))
        .collect();
    let (one, two) = (servers[0].url.as_str(), servers[1].url.as_str());
    assert_eq!(tried, [(one, "a"), (two, "b"), (one, "c")]);
    assert!(said(&output).contains(&format!("preflight: b at {two}: the answer came without token counts")));
}

#[test]
fn a_sample_is_shown_on_one_line_without_escapes() {
    let folder = folder();
    let event = json_of!({"choices": [{"delta": {"content": "\u{1b}[2Jred\nblue"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 4}});
    let server = server(move |_| http("200 OK", "text/event-stream", &format!("data: {event}\n\ndata: [DONE]\n\n")));
    let output = played(folder.path(), &server.url, &["--show-sample", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stderr);
    assert!(shown.contains("sample answer: \\x1b[2Jred\\nblue\n"), "{shown:?}");
    let prompt = shown.lines().find_map(|line| line.strip_prefix("sample prompt: ")).expect("a prompt");
    assert_eq!(estimate_text(&prompt.replace("\\n", "\n")), 10, "{prompt}");
    serde_json::from_slice::<Value>(&output.stdout).expect("standard output is the result alone");
    let refused = played(folder.path(), &server.url, &["--show-sample", "--no-preflight"]);
    assert!(refused.status.code() == Some(2) && said(&refused).starts_with("error: --show-sample:"));
}

#[test]
fn a_resumed_sweep_is_tried_again_and_counts_both() {
    let folder = folder();
    let server = Simulated::start(folder.path(), &["--sim", "delay:ttft=1ms,itl=1ms"]);
    let words = ["sweep", "--target", &server.url, "--rates", "20,40", "--duration", "200ms", "--warmup", "0s"];
    let output = run(folder.path(), &[&words[..], &["--output-tokens", "2", "--out", "out"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let path = folder.path().join("out/result.json");
    let mut unfinished = json(&path);
    unfinished["plan_fingerprint"] = "".into();
    std::fs::write(&path, unfinished.to_string()).expect("written");
    let output = run(folder.path(), &["sweep", "--resume", "out"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let preflight = &json(&path)["preflight"];
    assert_eq!((preflight["requests"].as_u64(), preflight["answers"].as_array().map(Vec::len)), (Some(2), Some(1)));
}

#[test]
fn every_endpoint_is_tried_with_a_request_of_its_own() {
    let folder = folder();
    let server = Simulated::start(folder.path(), &["--sim", "delay:ttft=1ms,itl=1ms"]);
    for endpoint in Endpoint::ALL {
        let load = ["run", "--target", &server.url, "--requests", "2", "--rate", "100/s", "--out", "out", "--force"];
        let own = ["--endpoint", endpoint.name(), "--input-tokens", "10"];
        let length: &[&str] = if endpoint.capabilities().output_tokens { &["--output-tokens", "4"] } else { &[] };
        let batch: &[&str] = if endpoint.texts(1).is_some() { &["--batch-size", "3"] } else { &[] };
        let output = run(folder.path(), &[&load[..], &own, length, batch].concat());
        assert_eq!(output.status.code(), Some(0), "{endpoint}: {}", text(&output.stderr));
        let preflight = &result(folder.path())["preflight"];
        assert_eq!(preflight["requests"], 1, "{endpoint}: {preflight}");
        assert_eq!(preflight["answers"][0]["finding_kinds"], json_of!([]), "{endpoint}: {preflight}");
    }
}
