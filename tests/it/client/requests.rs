//! Owns the tests of the bytes that are sent: headers, body, and targets and models in turn.

use serde_json::{Value, json};
use tonnage::client::{Client, Encoder, HttpClient, LengthField, RequestOptions, Secret, Target};

use super::Step::{Hold, Request, Write};
use super::{Bench, good, on_a_true_clock, paused, spec};

fn options() -> RequestOptions {
    RequestOptions::new(vec![Target::parse("http://a:1").unwrap()], vec!["m\"1".to_owned()])
}

fn body(options: &RequestOptions, id: u64) -> Value {
    serde_json::from_slice(HttpClient::body(&HttpClient::prepare(&Encoder::new(options).unwrap(), spec(id)))).unwrap()
}

#[test]
fn the_body_is_what_vllm_reads() {
    let expected = json!({
        "model": "m\"1", "messages": [{"role": "user", "content": "say \"7\"\n"}],
        "max_completion_tokens": 8, "stream": true, "stream_options": {"include_usage": true},
    });
    assert_eq!(body(&options(), 7), expected);
}

#[test]
fn options_show_in_the_body() {
    let mut options = options();
    options.length_field = Some(LengthField::MaxTokens);
    options.ignore_eos = true;
    options.min_tokens = true;
    options.stream = false;
    options.extra_body = json!({"temperature": 0, "top_k": [1, 2], "ignore_eos": null}).as_object().unwrap().clone();
    let expected = json!({
        "model": "m\"1", "messages": [{"role": "user", "content": "say \"7\"\n"}],
        "max_tokens": 8, "min_tokens": 8, "stream": false, "temperature": 0, "top_k": [1, 2],
    });
    assert_eq!(body(&options, 7), expected);
}

#[test]
fn stream_options_are_joined_not_replaced() {
    let mut options = options();
    options.extra_body = json!({"stream_options": {"continuous_usage_stats": true}}).as_object().unwrap().clone();
    assert_eq!(body(&options, 0)["stream_options"], json!({"include_usage": true, "continuous_usage_stats": true}));
}

#[test]
fn null_leaves_a_field_out() {
    let mut options = options();
    let null = json!({"stream_options": null, "max_completion_tokens": null, "model": null, "stream": null});
    options.extra_body = null.as_object().unwrap().clone();
    assert_eq!(body(&options, 7), json!({"messages": [{"role": "user", "content": "say \"7\"\n"}]}));
    options.extra_body = json!({"stream_options": {"include_usage": null}}).as_object().unwrap().clone();
    assert_eq!(body(&options, 7)["stream_options"], json!({}));
    options.extra_body = json!({"messages": null}).as_object().unwrap().clone();
    assert!(Encoder::new(&options).unwrap_err().to_string().contains("`messages` is decided"));
}

#[test]
fn keys_that_other_options_decide_are_refused() {
    for key in ["model", "messages", "prompt", "stream", "max_tokens", "max_completion_tokens"] {
        let mut options = options();
        options.extra_body.insert(key.to_owned(), json!(1));
        let error = Encoder::new(&options).unwrap_err().to_string();
        assert!(error.starts_with("extra-body: ") && error.contains(key), "{error}");
    }
}

#[test]
fn headers_that_cannot_be_sent_are_refused() {
    for header in ["no colon", "bad name: x", "content-length: 5", "x: a\nb"] {
        let mut options = options();
        options.headers.push(header.to_owned());
        let error = Encoder::new(&options).unwrap_err().to_string();
        assert!(error.starts_with("header: "), "{header}: {error}");
    }
}

#[test]
fn a_secret_is_never_shown() {
    let mut options = options();
    options.api_key = Some(Secret::new("sk-42"));
    options.headers.push("Authorization: Bearer sk-43".to_owned());
    let encoder = Encoder::new(&options).unwrap();
    let call = HttpClient::prepare(&encoder, spec(0));
    assert_eq!(call.headers()["authorization"], "Bearer sk-43");
    assert!(!format!("{:?}{encoder:?}{call:?}", options.api_key).contains("sk-4"));
}

#[test]
fn every_model_meets_every_target() {
    let mut options = options();
    options.targets = Target::parse_list("http://a,http://b").unwrap();
    options.models = vec!["m".to_owned(), "n".to_owned()];
    let encoder = Encoder::new(&options).unwrap();
    let routes: Vec<String> = (0..5)
        .map(|id| HttpClient::route(&HttpClient::prepare(&encoder, spec(id))))
        .map(|route| format!("{} {}", route.target, route.model))
        .collect();
    assert_eq!(routes, ["http://a m", "http://b m", "http://a n", "http://b n", "http://a m"]);
}

#[test]
fn what_reaches_the_server_is_what_was_prepared() {
    on_a_true_clock(async {
        let bench = Bench::over_tcp(vec![vec![Request, Write(good()), Hold]], |options| {
            options.api_key = Some(Secret::new("sk-42"));
            options.headers = vec!["X-Team: blue".to_owned()];
        })
        .await;
        let call = bench.call(7);
        let prepared = call.body().clone();
        bench.send(call).await;
        let request = bench.server.requests().remove(0);
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.as_bytes(), prepared);
        assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{head}");
        let mut headers: Vec<&str> = head.split("\r\n").skip(1).collect();
        headers.sort_unstable();
        let expected = [
            "accept: text/event-stream".to_owned(),
            "authorization: Bearer sk-42".to_owned(),
            format!("content-length: {}", prepared.len()),
            "content-type: application/json".to_owned(),
            format!("host: {}", bench.server.url().trim_start_matches("http://")),
            format!("user-agent: tonnage/{}", env!("CARGO_PKG_VERSION")),
            "x-team: blue".to_owned(),
        ];
        let named =
            headers.iter().position(|line| line.starts_with("x-request-id: ")).map(|at| headers.remove(at)).unwrap();
        assert_eq!(headers, expected);
        let groups: Vec<&str> = named["x-request-id: ".len()..].split('-').collect();
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "a UUID: {named}");
        assert!(
            groups[2].starts_with('4')
                && groups[3].starts_with('a')
                && groups.concat().chars().all(|c| c.is_ascii_hexdigit()),
            "{named}"
        );
        assert_eq!(groups[4], "000000000007", "the request id must end with the request number");
    });
}

#[test]
fn a_header_of_the_users_own_wins_over_the_request_id() {
    paused(async {
        let bench = Bench::with(vec![vec![Request, Write(good())]], |options| {
            options.headers = vec!["X-Request-Id: mine".to_owned()];
        })
        .await;
        bench.ask(7).await;
        let request = bench.server.requests().remove(0).to_lowercase();
        assert_eq!(request.matches("x-request-id: ").count(), 1, "{request}");
        assert!(request.contains("x-request-id: mine\r\n"), "{request}");
    });
}
