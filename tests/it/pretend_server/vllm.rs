//! Owns the tests of what the simulated server shares with vLLM beside plain answers: choices, stop texts, lists of
//! prompts, tokens, models, chunked requests, HEAD, the times of a request in its metrics.

use serde_json::{Value, json};

use super::{CHAT, End, options, read_all, request, seen, with_server};

const COMPLETIONS: &str = "/v1/completions";
const PLAIN: &str = "delay:ttft=20ms,itl=5ms";

/// The JSON of a response that is not streamed.
async fn page(profile: &str, path: &str, body: &str) -> Value {
    let text = seen(options(profile, &[]), path, body, "").await.text();
    serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap_or_else(|why| panic!("{why}: {text}"))
}

/// The events of a streamed response.
async fn events(profile: &str, path: &str, body: &str) -> Vec<Value> {
    let seen = seen(options(profile, &[]), path, body, "").await;
    assert_eq!(seen.text().matches("[DONE]").count(), 1);
    seen.events().iter().filter_map(|event| serde_json::from_str(event).ok()).collect()
}

/// The text that a stream gives to the choice `index`, and how it finished.
fn choice_of(events: &[Value], index: u64) -> (String, Option<(String, Value)>) {
    let (mut text, mut finish) = (String::new(), None);
    for choice in events.iter().map(|event| &event["choices"][0]).filter(|choice| choice["index"] == index) {
        let said = choice["delta"]["content"].as_str().or(choice["text"].as_str());
        text.push_str(said.unwrap_or(""));
        if let Some(reason) = choice["finish_reason"].as_str() {
            assert!(finish.is_none(), "one finish a choice");
            finish = Some((reason.to_owned(), choice["stop_reason"].clone()));
        }
    }
    (text, finish)
}

/// How a choice finished: its reason, and the text at which it stopped.
fn finish(reason: &str, stop: Value) -> (String, Value) {
    (reason.to_owned(), stop)
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn several_choices_have_their_own_index_and_the_counts_are_of_all() {
    let body = |stream: bool| {
        json!({"messages": [{"role": "user", "content": "two words"}], "max_tokens": 3, "n": 3, "stream": stream,
            "stream_options": {"include_usage": true}})
        .to_string()
    };
    let counts = json!({"prompt_tokens": 2, "total_tokens": 11, "completion_tokens": 9});
    let whole = page(PLAIN, CHAT, &body(false)).await;
    let texts: Vec<&str> =
        whole["choices"].as_array().unwrap().iter().filter_map(|one| one["message"]["content"].as_str()).collect();
    assert_eq!(texts, [" the traffic naïve", " traffic naïve of", " naïve of tokens"]);
    assert_eq!((&whole["choices"][2]["index"], &whole["usage"]), (&2.into(), &counts));
    let events = events(PLAIN, CHAT, &body(true)).await;
    for (index, text) in (0..).zip(texts) {
        assert_eq!(choice_of(&events, index), (text.to_owned(), Some(finish("length", Value::Null))));
    }
    let roles = events.iter().filter(|event| event["choices"][0]["delta"]["role"] == "assistant").count();
    assert_eq!((roles, &events.last().unwrap()["usage"]), (3, &counts));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn the_choices_of_an_engine_are_requests_of_their_own() {
    let body = json!({"messages": [{"content": "a b c d"}], "max_tokens": 5, "n": 2, "stream": true}).to_string();
    let (page, _) = with_server(options("small", &[]), async |server| {
        let seen = read_all(server, &request(CHAT, &body, "connection: close\r\n")).await;
        assert_eq!(seen.contents().len(), 10);
        read_all(server, &request("/metrics", "", "connection: close\r\n")).await.text()
    })
    .await;
    for (name, known) in [("generation_tokens_total", "10.0"), ("request_generation_tokens_count", "2.0")] {
        assert!(page.contains(&format!("vllm:{name}{{model_name=\"tonnage-sim\",engine=\"0\"}} {known}")), "{page}");
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_list_of_prompts_is_answered_in_order_and_its_index_runs_over_all_prompts() {
    let body = |prompt: Value, stream: bool| {
        json!({"prompt": prompt, "max_tokens": 2, "n": 2, "stream": stream, "stream_options": {"include_usage": true}})
            .to_string()
    };
    for prompt in [json!(["a b c", "d"]), json!([[1, 2, 3], [4]])] {
        let counts = json!({"prompt_tokens": 4, "total_tokens": 12, "completion_tokens": 8});
        let whole = page(PLAIN, COMPLETIONS, &body(prompt.clone(), false)).await;
        let indexes: Vec<u64> =
            whole["choices"].as_array().unwrap().iter().filter_map(|one| one["index"].as_u64()).collect();
        assert_eq!((indexes, &whole["usage"]), (vec![0, 1, 2, 3], &counts));
        let events = events(PLAIN, COMPLETIONS, &body(prompt, true)).await;
        let texts: Vec<String> = (0..4).map(|index| choice_of(&events, index).0).collect();
        assert_eq!(texts, [" the traffic", " traffic naïve", " naïve of", " of tokens"]);
        assert_eq!(events.last().unwrap()["usage"], counts);
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_stop_text_ends_the_answer_before_it() {
    let body = |stop: Value, stream: bool| {
        json!({"prompt": "a", "max_tokens": 9, "stop": stop, "stream": stream,
            "stream_options": {"include_usage": true}})
        .to_string()
    };
    for (stop, text, tokens, reason, which) in [
        (json!("of"), " the traffic naïve ", 4, "stop", json!("of")),
        (json!(["c na", "of"]), " the traffi", 3, "stop", json!("c na")),
        (json!(["runs über"]), " the traffic naïve of tokens ", 7, "stop", json!("runs über")),
        (json!(["never said"]), " the traffic naïve of tokens runs über open loops", 9, "length", Value::Null),
        (json!(" the"), "", 1, "stop", json!(" the")),
        (json!(null), " the traffic naïve of tokens runs über open loops", 9, "length", Value::Null),
    ] {
        let whole = page(PLAIN, COMPLETIONS, &body(stop.clone(), false)).await;
        let choice = &whole["choices"][0];
        assert_eq!(
            (&choice["text"], &choice["finish_reason"], &choice["stop_reason"]),
            (&text.into(), &reason.into(), &which)
        );
        assert_eq!(whole["usage"]["completion_tokens"], tokens, "{stop}");
        let events = events(PLAIN, COMPLETIONS, &body(stop.clone(), true)).await;
        assert_eq!(choice_of(&events, 0), (text.to_owned(), Some(finish(reason, which))), "{stop}");
        assert_eq!(events.last().unwrap()["usage"]["completion_tokens"], tokens, "{stop}");
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn tokens_are_counted_as_in_a_request_and_give_the_text_back() {
    let text = "four words\n of  prompt";
    let asked = [
        json!({"prompt": text, "return_token_strs": true}),
        json!({"model": "tonnage-sim", "messages": [{"role": "user", "content": text}]}),
    ];
    with_server(options(PLAIN, &[]), async |server| {
        let ask = async |path: &str, body: &Value| -> Value {
            let seen = read_all(server, &request(path, &body.to_string(), "connection: close\r\n")).await;
            serde_json::from_str(seen.text().split("\r\n\r\n").nth(1).unwrap()).unwrap()
        };
        let mut ids = Vec::new();
        for body in &asked {
            let answer = ask("/tokenize", body).await;
            assert_eq!((&answer["count"], &answer["max_model_len"]), (&6.into(), &131_072.into()));
            ids.push(answer["tokens"].clone());
            // A line break and a wide gap are tokens of their own.
            let strings = if body["prompt"].is_string() {
                json!(["four", " words", "\n ", "of", "  pr", "ompt"])
            } else {
                Value::Null
            };
            assert_eq!(answer["token_strs"], strings);
        }
        assert_eq!(ids[0], ids[1], "the same words are the same tokens");
        assert_eq!(ask("/detokenize", &json!({"tokens": ids[0]})).await, json!({"prompt": text}));
        let chat = json!({"messages": [{"content": text}], "max_tokens": 3});
        let answer = ask(CHAT, &chat).await;
        assert_eq!(answer["usage"]["prompt_tokens"], 6);
        let said = answer["choices"][0]["message"]["content"].clone();
        assert_eq!(ask("/tokenize", &json!({"prompt": said})).await["tokens"], json!([0, 1, 2]));
    })
    .await;
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn one_model_can_be_asked_for() {
    let listed = page(PLAIN, "/v1/models", "").await;
    let one = page(PLAIN, "/v1/models/tonnage%2Dsim", "").await;
    assert_eq!((&one["id"], &one["object"]), (&"tonnage-sim".into(), &"model".into()));
    assert_eq!(listed["data"][0]["max_model_len"], one["max_model_len"]);
    let other = page(PLAIN, "/v1/models/org/other", "").await;
    let message = "The model `org/other` does not exist.";
    let error = json!({"message": message, "type": "NotFoundError", "param": null, "code": 404});
    assert_eq!(other, json!({ "error": error }));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_request_in_chunks_is_read_like_one_with_a_length() {
    let body = json!({"messages": [{"content": "two words"}], "max_tokens": 2}).to_string();
    let (one, two) = body.split_at(17);
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: sim\r\ntransfer-encoding: chunked\r\n");
    let chunked =
        format!("{:x}\r\n{one}\r\n{:x};name=value\r\n{two}\r\n0\r\nx-trailer: 1\r\n\r\n", one.len(), two.len());
    let twice = format!("{head}\r\n{chunked}{head}connection: close\r\n\r\n{chunked}");
    let (seen, served) = with_server(options(PLAIN, &[]), async |server| read_all(server, &twice).await).await;
    assert_eq!(seen.text().matches(r#""content":" the traffic""#).count(), 2, "{}", seen.text());
    assert_eq!((seen.end, served.requests, served.connections), (End::Closed, 2, 1));
    let broken = format!("{head}\r\nnot a size\r\n");
    let (seen, _) = with_server(options(PLAIN, &[]), async |server| read_all(server, &broken).await).await;
    assert!(seen.text().starts_with("HTTP/1.1 400 "), "{}", seen.text());
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn head_is_answered_without_a_body_so_that_the_next_answer_is_found() {
    let ask = |method: &str, path: &str, more: &str| format!("{method} {path} HTTP/1.1\r\nhost: sim\r\n{more}\r\n");
    for path in ["/metrics", "/v1/models", "/health", CHAT, "/nowhere"] {
        let both = ask("HEAD", path, "") + &ask("GET", path, "connection: close\r\n");
        let text = with_server(options("small", &[]), async |server| read_all(server, &both).await).await.0.text();
        let mut parts = text.splitn(2, "\r\n\r\n");
        let (first, second) = (parts.next().unwrap(), parts.next().unwrap());
        assert!(second.starts_with("HTTP/1.1 "), "{path}: {text}");
        let (second, body) = second.split_once("\r\n\r\n").unwrap();
        assert_eq!(second.replace("\r\nconnection: close", ""), first, "{path}: the same head");
        assert!(first.contains(&format!("content-length: {}", body.len())), "{path}: {text}");
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn the_times_of_a_request_add_up_in_the_metrics() {
    // One sequence at a time: the second request waits for the first one.
    let body = json!({"messages": [{"content": "a b c d"}], "max_tokens": 6, "stream": true}).to_string();
    let (page, _) = with_server(options("small:max_seqs=1", &[]), async |server| {
        let one = || {
            let (server, request) = (server.to_owned(), request(CHAT, &body, "connection: close\r\n"));
            tokio::task::spawn_local(async move { read_all(&server, &request).await })
        };
        let (first, second) = (one(), one());
        let first_ms = first.await.unwrap().content_ms();
        second.await.unwrap();
        // The sum that the engine must have counted for the queue: the whole first request.
        assert_eq!(first_ms.len(), 6);
        read_all(server, &request("/metrics", "", "connection: close\r\n")).await.text()
    })
    .await;
    let value = |name: &str| -> f64 {
        let line =
            page.lines().find(|line| line.starts_with(&format!("vllm:{name}{{"))).unwrap_or_else(|| panic!("{name}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let sum = |name: &str| value(&format!("{name}_sum"));
    let (queue, prefill, decode) =
        (sum("request_queue_time_seconds"), sum("request_prefill_time_seconds"), sum("request_decode_time_seconds"));
    let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
    assert!(near(queue + prefill + decode, sum("e2e_request_latency_seconds")), "{page}");
    assert!(near(prefill + decode, sum("request_inference_time_seconds")));
    assert!(near(queue + prefill, sum("time_to_first_token_seconds")));
    assert!(near(decode, sum("inter_token_latency_seconds")));
    assert!(near(decode / 5.0, sum("request_time_per_output_token_seconds")));
    // Both requests are alike, so the second one waited for as long as the first one ran.
    assert!(near(2.0 * queue, prefill + decode), "{queue} {prefill} {decode}");
    assert!((value("request_queue_time_seconds_count") - 2.0).abs() < 0.5);
}
