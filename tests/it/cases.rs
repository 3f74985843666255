//! Owns the tests of servers that were seen to mislead a client: each small answer, with the counts and the words that
//! are right for it.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json as json_of};

use crate::cli::{folder, json, run, text};
use crate::keeping::{Echo, events_of, http, models};

/// Events of a stream, and how it ends.
fn stream(events: &[Value], end: &str) -> Vec<u8> {
    let events = events_of(events);
    http("200 OK", "text/event-stream", &format!("{events}{end}"))
}

const DONE: &str = "data: [DONE]\n\n";

fn delta(delta: &Value, finish: &Value) -> Value {
    json_of!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

fn tokens(count: usize) -> Vec<Value> {
    (0..count).map(|_| delta(&json_of!({"content": " a"}), &Value::Null)).collect()
}

fn usage(usage: &Value) -> Value {
    json_of!({"choices": [], "usage": usage})
}

fn counted(output: usize) -> Value {
    usage(&json_of!({"prompt_tokens": 10, "completion_tokens": output}))
}

/// A whole answer of `count` tokens with this finish reason.
fn answer(count: usize, finish: &str) -> Vec<u8> {
    stream(&[tokens(count), vec![delta(&json_of!({}), &finish.into()), counted(count)]].concat(), DONE)
}

/// An answer that breaks after `events`: its length says that more would come.
fn broken(events: &[Value]) -> Vec<u8> {
    let events = events_of(events);
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9999\r\n\r\n{events}").into_bytes()
}

/// What a run against a server must give.
struct Right {
    code: i32,
    completed: u64,
    /// Texts on the page or on standard error.
    says: &'static [&'static str],
}

/// 12 requests of 10 input and 4 output tokens to a server that gives `answers` in turn to the requests that the load
/// sends.
fn played(
    what: &str,
    answer: impl Fn(usize, &str) -> Vec<u8> + Send + Sync + 'static,
    more: &[&str],
    right: &Right,
) -> Value {
    let asked = AtomicUsize::new(0);
    let server = Echo::start(move |request| {
        if request.starts_with("GET") { models("m") } else { answer(asked.fetch_add(1, Ordering::Relaxed), request) }
    });
    let folder = folder();
    let load = ["run", "--target", &server.url, "--requests", "12", "--rate", "100/s", "--process", "even"];
    let sizes = ["--input-tokens", "10", "--output-tokens", "4", "--out", "out"];
    let output = run(folder.path(), &[&load[..], &sizes, more].concat());
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(right.code), "{what}: {said}");
    for part in right.says {
        assert!(said.contains(part), "{what} lacks `{part}`: {said}");
    }
    let path = folder.path().join("out/result.json");
    if !path.exists() {
        return Value::Null;
    }
    let result = json(&path);
    assert_eq!(result["trials"][0]["run_totals"]["completed"], right.completed, "{what}: {said}");
    result
}

const LOAD_ALONE: &[&str] = &["--no-preflight"];

#[test]
fn a_finish_reason_that_says_nothing_completes_no_broken_answer() {
    let right = Right { code: 3, completed: 0, says: &["no request completed"] };
    let answer = |number: usize, _: &str| {
        let empty = ["", "null"][number % 2];
        let token = |_| delta(&json_of!({"content": " a"}), &empty.into());
        broken(&(0..3).map(token).collect::<Vec<_>>())
    };
    let result = played("finish_empty_cut", answer, LOAD_ALONE, &right);
    let failures = result["trials"][0]["requests"]["failures"].as_object().expect("classes").clone();
    assert!(failures.keys().all(|class| ["reset", "truncated"].contains(&class.as_str())), "{failures:?}");
}

#[test]
fn an_answer_that_was_given_up_failed_and_one_that_was_filtered_completed() {
    let right = Right { code: 0, completed: 4, says: &["finish reasons: abort 4 · content_filter 4 · error 4"] };
    let given_up = |number: usize, _: &str| answer(3, ["abort", "error", "content_filter"][number % 3]);
    played("finish_abort", given_up, LOAD_ALONE, &right);
}

#[test]
fn an_error_inside_a_stream_is_told_in_the_servers_words() {
    let flat = json_of!({"object": "error", "message": "engine gave up", "code": 500}).to_string();
    for (what, end) in [
        ("error_event_comment", "event: error\n: engine gave up\n\ndata: [DONE]\n\n".to_owned()),
        (
            "error_event_data",
            "event: error\ndata: {\"message\": \"engine gave up\", \"code\": 500}\n\ndata: [DONE]\n\n".to_owned(),
        ),
        ("error_flat_envelope", format!("data: {flat}\n\ndata: [DONE]\n\n")),
    ] {
        let says: &[&str] = if what == "error_event_comment" { &["stream error"] } else { &["engine gave up"] };
        let right = Right { code: 3, completed: 0, says };
        let answer = move |_: usize, _: &str| stream(&tokens(3), &end);
        played(what, answer, LOAD_ALONE, &right);
    }
}

#[test]
fn what_a_healthy_server_writes_oddly_is_no_failure() {
    let healthy = Right { code: 0, completed: 12, says: &[] };
    let falsy = |number: usize, _: &str| {
        let nothing = [json_of!(""), json_of!({}), json_of!([]), json_of!(0), json_of!(false), Value::Null];
        let mut events = [tokens(4), vec![delta(&json_of!({}), &"stop".into()), counted(4)]].concat();
        for event in &mut events {
            event["error"] = nothing[number % 6].clone();
        }
        stream(&events, DONE)
    };
    played("error_falsy", falsy, LOAD_ALONE, &healthy);

    let numbers = |_: usize, _: &str| {
        let texts = [json_of!(" price"), json_of!(":"), json_of!(6), json_of!(" dollars")];
        let mut events: Vec<Value> =
            texts.iter().map(|text| delta(&json_of!({"content": text}), &Value::Null)).collect();
        events.extend([delta(&json_of!({}), &"stop".into()), counted(4)]);
        stream(&events, DONE)
    };
    let result = played("number_content", numbers, LOAD_ALONE, &healthy);
    assert_eq!(result["trials"][0]["tokens"]["output"]["server"], 4.0);

    let odd = |number: usize, _: &str| {
        let counts = [
            json_of!({"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": -1}}),
            json_of!({"prompt_tokens": "10", "completion_tokens": "4"}),
            json_of!({"prompt_tokens": -1, "completion_tokens": 4}),
            json_of!({"prompt_tokens": 10, "completion_tokens": 4.5}),
            json_of!({"completion_tokens": 4}),
            json_of!([]),
        ];
        let end = vec![delta(&json_of!({}), &"stop".into()), usage(&counts[number % 6])];
        stream(&[tokens(4), end].concat(), DONE)
    };
    let right = Right { says: &["invalid token counts"], ..healthy };
    let result = played("usage_odd", odd, LOAD_ALONE, &right);
    assert_eq!(result["trials"][0]["metrics"]["output_tokens"]["value"]["mean"], 4.0);

    let twice = |_: usize, _: &str| {
        let token = json_of!({"choices": [{"index": 0, "text": "a", "delta": {"content": "a"}}]});
        let end = delta(&json_of!({"content": ""}), &"length".into());
        stream(&[vec![token; 4], vec![end]].concat(), DONE)
    };
    let healthy = Right { code: 0, completed: 12, says: &[] };
    let result = played("text_and_content", twice, LOAD_ALONE, &healthy);
    assert_eq!(result["trials"][0]["metrics"]["output_tokens"]["value"]["mean"], 4.0);
}

#[test]
fn reasoning_that_is_not_sent_is_told_for_what_it_is() {
    let hidden = |_: usize, _: &str| {
        let counts = json_of!({"prompt_tokens": 10, "completion_tokens": 64,
            "completion_tokens_details": {"reasoning_tokens": 64}});
        stream(&[delta(&json_of!({}), &"length".into()), usage(&counts)], DONE)
    };
    let says = &["12 answers show no text: the server counts 768 tokens", "preflight: the answer shows no text"];
    played("hidden_reasoning", hidden, &[], &Right { code: 0, completed: 12, says });
}

#[test]
fn the_advice_for_a_length_that_is_ignored_makes_it_obeyed() {
    let knows_one = |_: usize, request: &str| {
        let body: Value =
            request.split_once("\r\n\r\n").map_or(Value::Null, |(_, body)| serde_json::from_str(body).expect("a body"));
        answer(body["max_tokens"].as_u64().unwrap_or(40) as usize, "length")
    };
    let says = &["40 tokens where 4 were asked for", "--output-field max_tokens"];
    played("ignores_length", knows_one, &[], &Right { code: 0, completed: 12, says });
    let obeyed = Right { code: 0, completed: 12, says: &[] };
    let result = played("ignores_length", knows_one, &["--output-field", "max_tokens"], &obeyed);
    assert_eq!(result["trials"][0]["tokens"]["output"]["server"], 4.0);
    assert_eq!(result["preflight"]["answers"][0]["finding_kinds"], json_of!([]));
}

#[test]
fn a_strict_server_is_reached_by_following_the_advice() {
    const KNOWN: [&str; 6] = ["model", "messages", "prompt", "max_tokens", "stream", "temperature"];
    let strict = |_: usize, request: &str| {
        let body = request.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let fields: serde_json::Map<String, Value> = serde_json::from_str(body).expect("a body");
        let Some(extra) = fields.keys().find(|field| !KNOWN.contains(&field.as_str())) else {
            return answer(4, "stop");
        };
        let words = format!("Extra inputs are not permitted, field: '{extra}'");
        http("400 Bad Request", "application/json", &json_of!({"error": {"message": words}}).to_string())
    };
    let first = Right { code: 3, completed: 0, says: &["'max_completion_tokens'", "give --output-field max_tokens"] };
    played("strict_fields", strict, &[], &first);
    let field = ["--output-field", "max_tokens"];
    let second = Right { code: 3, completed: 0, says: &["'stream_options'", "--omit stream_options leaves it out"] };
    played("strict_fields", strict, &field, &second);
    let omit = [&field[..], &["--omit", "stream_options"]].concat();
    played("strict_fields", strict, &omit, &Right { code: 0, completed: 12, says: &[] });
}

#[test]
fn refusals_redirects_and_bare_objects_come_first_on_the_screen_and_no_load_is_sent() {
    let length = json_of!({"object": "error", "message": "maximum context length is 4096 tokens", "code": 400});
    let redirect = "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/v1/\r\ncontent-length: 0\r\n\r\n";
    let bare = json_of!({"error": {"code": 400, "message": "request exceeds the context (4096 tokens)"}});
    for (what, bytes, says) in [
        (
            "ctx_400",
            http("400 Bad Request", "application/json", &length.to_string()),
            &["400 Bad Request: maximum context length is 4096 tokens", "lower --input-tokens"][..],
        ),
        (
            "redirect_307",
            redirect.as_bytes().to_vec(),
            &["307 Temporary Redirect: it redirects to http://127.0.0.1:1/v1/", "with --target"],
        ),
        (
            "bare_json_line",
            http("200 OK", "application/json", &format!("{bare}\n")),
            &["request exceeds the context (4096 tokens)", "lower --input-tokens"],
        ),
    ] {
        let served = bytes.clone();
        let right = Right { code: 3, completed: 0, says: &["the load was not sent"] };
        let result = played(what, move |_, _| served.clone(), &[], &right);
        assert_eq!(result, Value::Null, "{what}");
        let right = Right { code: 3, completed: 0, says };
        let served = bytes.clone();
        played(what, move |_, _| served.clone(), &[], &right);
        played(what, move |_, _| bytes.clone(), LOAD_ALONE, &right);
    }
}

#[test]
fn the_full_url_of_an_endpoint_is_asked_as_given_with_its_query() {
    let server = Echo::start(|request| if request.starts_with("GET") { models("m") } else { answer(4, "stop") });
    for path in [
        "/v1beta/openai/chat/completions",
        "/openai/deployments/d1/chat/completions?api-version=2024-10-21",
        "/chat/completions",
    ] {
        let folder = folder();
        server.seen.lock().expect("a lock").clear();
        // Without a scheme, as a user may type it.
        let target = format!("{}{path}", server.url.strip_prefix("http://").expect("a scheme"));
        let load = ["run", "--target", &target, "--requests", "3", "--rate", "100/s", "--output-tokens", "4"];
        let output = run(folder.path(), &[&load[..], &["--out", "out", "--model", "m"]].concat());
        assert_eq!(output.status.code(), Some(0), "{path}: {}", text(&output.stderr));
        let seen = server.seen.lock().expect("a lock").clone();
        assert_eq!(seen.matches(&format!("POST {path} HTTP/1.1")).count(), 4, "{path}: the preflight, and the load");
    }
}
