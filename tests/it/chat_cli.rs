//! Owns the tests of what a chat request may hold and give beside one text: images, several choices, tools, a schema.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json as json_of};
use tonnage::workload::estimate_text;

use crate::cli::{all_refused, folder, json, run, text};
use crate::keeping::{Echo, events_of, http, models};

/// A server that answers every request with these events.
fn server(events: &[Value]) -> Echo {
    let events = events_of(events);
    let whole = http("200 OK", "text/event-stream", &format!("{events}data: [DONE]\n\n"));
    Echo::start(move |request| if request.starts_with("GET") { models("m") } else { whole.clone() })
}

fn choice(index: u32, delta: &Value, finish: &Value) -> Value {
    json_of!({"choices": [{"index": index, "delta": delta, "finish_reason": finish}]})
}

fn usage(output: u32) -> Value {
    json_of!({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": output}})
}

/// One answer of 4 tokens.
fn four() -> Vec<Value> {
    let token = choice(0, &json_of!({"content": "a"}), &Value::Null);
    [vec![token; 4], vec![choice(0, &json_of!({}), &"length".into()), usage(4)]].concat()
}

const LOAD: [&str; 13] = [
    "run",
    "--requests",
    "3",
    "--rate",
    "100/s",
    "--process",
    "even",
    "--input-tokens",
    "10",
    "--output-tokens",
    "4",
    "--out",
    "out",
];

/// The bodies that `server` received.
fn bodies(server: &Echo) -> Vec<Value> {
    let seen = server.seen.lock().expect("a lock").clone();
    let after_head = seen.split("POST ").skip(1).filter_map(|request| request.split_once("\r\n\r\n"));
    after_head
        .map(|(_, body)| {
            serde_json::Deserializer::from_str(body).into_iter().next().expect("a body").expect("a JSON body")
        })
        .collect()
}

#[test]
fn images_of_the_size_asked_for_stand_before_the_text_and_the_seed_repeats_them() {
    let more = ["--images", "2", "--image-size", "64x48", "--salt", "s", "--no-preflight"];
    let mut sent = Vec::new();
    for _ in 0..2 {
        let (folder, server) = (folder(), server(&four()));
        let output = run(folder.path(), &[&LOAD[..], &["--target", &server.url], &more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let result = json(&folder.path().join("out/result.json"));
        assert_eq!((&result["config"]["images"], &result["config"]["image-size"]), (&2.into(), &"64x48".into()));
        let mut bodies = bodies(&server);
        bodies.sort_by_key(ToString::to_string);
        sent.push((bodies, result["plan_fingerprint"].clone(), result["body_fingerprint"].clone()));
    }
    assert_eq!(sent[0], sent[1]);
    let mut urls = BTreeSet::new();
    for body in &sent[0].0 {
        let parts = body["messages"][0]["content"].as_array().expect("parts");
        let kinds: Vec<&str> = parts.iter().filter_map(|part| part["type"].as_str()).collect();
        assert_eq!(kinds, ["image_url", "image_url", "text"]);
        assert_eq!(parts[2]["text"].as_str().map(estimate_text), Some(10));
        for part in &parts[..2] {
            let url = part["image_url"]["url"].as_str().expect("a URL");
            let png =
                BASE64_STANDARD.decode(url.strip_prefix("data:image/png;base64,").expect("a PNG")).expect("bytes");
            assert_eq!((&png[..8], &png[16..24]), (&b"\x89PNG\r\n\x1a\n"[..], &[0, 0, 0, 64, 0, 0, 0, 48][..]));
            urls.insert(url.to_owned());
        }
    }
    assert_eq!(urls.len(), 6, "no two images are the same");
}

#[test]
fn each_api_that_takes_images_is_given_them_in_its_own_way() {
    for (endpoint, pointer, start) in [
        ("chat", "/messages/0/content/0/image_url/url", "data:image/png;base64,"),
        ("responses", "/input/0/content/0/image_url", "data:image/png;base64,"),
        ("messages", "/messages/0/content/0/source/data", "iVBOR"),
    ] {
        let (folder, server) = (folder(), server(&four()));
        let own = ["--target", &server.url, "--endpoint", endpoint, "--images", "1", "--no-preflight"];
        run(folder.path(), &[&LOAD[..], &own].concat());
        let body = bodies(&server).remove(0);
        let image = body.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{endpoint}: {body}"));
        assert!(image.starts_with(start), "{endpoint}: {image:.60}");
    }
}

#[test]
fn several_choices_are_counted_together_and_each_must_end() {
    let token = |index| choice(index, &json_of!({"content": "a"}), &Value::Null);
    let end = |index| choice(index, &json_of!({}), &"length".into());
    let mut both: Vec<Value> = (0..4).flat_map(|_| [token(0), token(1)]).collect();
    both.extend([end(0), end(1), usage(8)]);
    let mut one_open: Vec<Value> = (0..4).flat_map(|_| [token(0), token(1)]).collect();
    one_open.extend([end(0), usage(8)]);
    for option in [["--choices", "2"], ["--extra-body", r#"{"n":2}"#]] {
        let (folder, served) = (folder(), server(&both));
        let output = run(folder.path(), &[&LOAD[..], &["--target", &served.url], &option].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(bodies(&served).iter().all(|body| body["n"] == 2 && body["max_completion_tokens"] == 4));
        let result = json(&folder.path().join("out/result.json"));
        let trial = &result["trials"][0];
        assert_eq!(
            (&trial["tokens"]["output"]["asked"], &trial["tokens"]["output"]["server"]),
            (&8.0.into(), &8.0.into())
        );
        assert_eq!(trial["run_totals"]["completed"], 3);
        let notes = trial["health"]["note_kinds"].as_array().expect("notes");
        assert!(notes.iter().all(|note| note["kind"] != "length_mismatch" && note["kind"] != "answers_longer"));
        assert_eq!(result["preflight"]["answers"][0]["finding_kinds"], json_of!([]));
    }
    let (folder, served) = (folder(), server(&one_open));
    let own = ["--target", &served.url, "--choices", "2", "--no-preflight"];
    let output = run(folder.path(), &[&LOAD[..], &own].concat());
    assert_eq!(output.status.code(), Some(0), "[DONE] ends every choice: {}", text(&output.stderr));
    // A server that knows no `n` gives one choice of 4 tokens, which is half of what was asked for.
    let served = server(&four());
    let own = ["--target", &served.url, "--choices", "2", "--force"];
    let output = run(folder.path(), &[&LOAD[..], &own].concat());
    assert!(text(&output.stdout).contains("the answer has 4 of the 8 tokens asked for"), "{}", text(&output.stdout));
}

#[test]
fn tools_and_a_schema_are_sent_as_given_and_a_call_is_an_answer() {
    let call = json_of!({"tool_calls": [{"index": 0, "id": "t", "type": "function", "function": {"name": "now"}}]});
    let more = json_of!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"zone\":1}"}}]});
    let ends = choice(0, &json_of!({}), &"tool_calls".into());
    let served = server(&[choice(0, &call, &Value::Null), choice(0, &more, &Value::Null), ends, usage(4)]);
    let folder = folder();
    let tools = json_of!({
        "tools": [{"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}],
        "tool_choice": "required",
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
    });
    let own = ["--target", &served.url, "--extra-body", &tools.to_string()];
    let output = run(folder.path(), &[&LOAD[..], &own].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let trial = &json(&folder.path().join("out/result.json"))["trials"][0];
    assert_eq!(
        (&trial["run_totals"]["completed"], &trial["requests"]["finish_reasons"]["tool_calls"]),
        (&3.into(), &3.into())
    );
    for body in bodies(&served) {
        for key in ["tools", "tool_choice", "response_format"] {
            assert_eq!(body[key], tools[key], "{key}");
        }
    }
}

#[test]
fn images_and_choices_are_refused_where_there_are_none() {
    let folder = folder();
    all_refused(
        folder.path(),
        &[
            (&["run", "--endpoint", "completions", "--images", "1"], &["--images", "use chat, responses, messages"]),
            (&["run", "--image-size", "64x64"], &["--image-size", "add --images 1"]),
            (&["run", "--images", "1", "--image-size", "64"], &["--image-size", "as in 512x512"]),
            (&["run", "--endpoint", "responses", "--choices", "2"], &["--choices", "gives one answer"]),
            (&["run", "--choices", "2", "--extra-body", r#"{"n":3}"#], &["--choices", "drop one of them"]),
        ],
    );
}
