//! Owns the tests of the batching engine over sockets: shape, prefix cache, metrics, clients that leave, faults.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::{CHAT, STREAMED, WHOLE, options, read_all, request, seen, with_server};

/// The value of a line of Prometheus text.
fn value(page: &str, name: &str) -> f64 {
    let line = page.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{name} is not in {page}"))
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn tokens_come_at_the_end_of_steps() {
    let seen = seen(options("small", &[]), CHAT, STREAMED, "").await;
    assert_eq!(seen.contents().len(), 6);
    // A prompt of 4 words takes 4.9 ms + 4 × 118 µs; each later step takes 4.9 ms + 100 µs and a little for the
    // context.
    assert_eq!(seen.content_ms(), [6, 11, 16, 21, 26, 31]);
    let usage = seen.events().into_iter().rev().nth(1).unwrap();
    assert!(usage.contains(concat!(
        r#""usage":{"prompt_tokens":4,"total_tokens":10,"completion_tokens":6,"#,
        r#""prompt_tokens_details":{"cached_tokens":0}}"#,
    )));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_prompt_sent_again_comes_out_of_the_prefix_cache() {
    let prompt = "nine words of sixteen stand in this text here ".repeat(10);
    let body = STREAMED.replace("four words of prompt", &prompt);
    let both = request(CHAT, &body, "").repeat(2) + &request(CHAT, WHOLE, "connection: close\r\n");
    let text = with_server(options("small", &[]), async |server| read_all(server, &both).await).await.0.text();
    let cached: Vec<&str> =
        text.split(r#""cached_tokens":"#).skip(1).filter_map(|rest| rest.split('}').next()).collect();
    assert_eq!(cached, ["0", "80", "0"], "90 words are five full blocks");
    let off = with_server(options("small:prefix_cache=off", &[]), async |server| read_all(server, &both).await)
        .await
        .0
        .text();
    assert!(!off.contains("cached_tokens"));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn embeddings_are_counted_without_generation_tokens() {
    let body = r#"{"input":"four words of text"}"#;
    let (page, _) = with_server(options("small", &[]), async |server| {
        read_all(server, &request("/v1/embeddings", body, "connection: close\r\n")).await;
        read_all(server, &request("/metrics", "", "connection: close\r\n")).await.text()
    })
    .await;
    for (name, known) in [
        ("vllm:prompt_tokens_total", 4.0),
        ("vllm:generation_tokens_total", 0.0),
        ("vllm:request_generation_tokens_sum", 0.0),
        ("vllm:e2e_request_latency_seconds_count", 1.0),
    ] {
        assert!((value(&page, name) - known).abs() < 1e-9, "{name} is {}, not {known}", value(&page, name));
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn metrics_have_vllms_names_and_count_what_happened() {
    let (first, _) = with_server(options("small", &[]), async |server| {
        read_all(server, &request(CHAT, STREAMED, "connection: close\r\n")).await;
        let asked = server.to_owned();
        let running = tokio::task::spawn_local(async move {
            read_all(&asked, &request(CHAT, STREAMED, "connection: close\r\n")).await
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        let page = read_all(server, &request("/metrics", "", "connection: close\r\n")).await.text();
        running.await.unwrap();
        page
    })
    .await;
    assert!(
        first.starts_with("HTTP/1.1 200 OK") && first.contains("content-type: text/plain; version=0.0.4"),
        "{first}"
    );
    for (name, known) in [
        ("vllm:num_requests_running", 1.0),
        ("vllm:num_requests_waiting", 0.0),
        ("vllm:kv_cache_usage_perc", 1.0 / 8_192.0),
        ("vllm:prompt_tokens_total", 8.0),
        ("vllm:generation_tokens_total", 7.0),
        ("vllm:num_preemptions_total", 0.0),
        ("vllm:prefix_cache_queries_total", 8.0),
        ("vllm:prefix_cache_hits_total", 0.0),
        ("vllm:request_success_total", 1.0),
        ("vllm:time_to_first_token_seconds_count", 2.0),
        ("vllm:inter_token_latency_seconds_count", 5.0),
        ("vllm:e2e_request_latency_seconds_count", 1.0),
        ("vllm:request_prompt_tokens_sum", 4.0),
        ("vllm:request_generation_tokens_sum", 6.0),
        // The first step of each request, and five steps of one token.
        ("vllm:iteration_tokens_total_count", 7.0),
        ("vllm:iteration_tokens_total_sum", 15.0),
    ] {
        assert!((value(&first, name) - known).abs() < 1e-9, "{name} is {}, not {known}", value(&first, name));
    }
    assert!(
        first.contains(r#"vllm:time_to_first_token_seconds_bucket{model_name="tonnage-sim",engine="0",le="0.01"} 2.0"#),
        "{first}"
    );
    assert!(first.contains(r#"le="+Inf"} 2.0"#));
    for gone in ["vllm:time_per_output_token_seconds", "gpu_cache_usage_perc"] {
        assert!(!first.contains(gone), "{gone}");
    }
    assert!(first.contains(r#"block_size="16",cache_dtype="auto",enable_prefix_caching="True",engine="0""#), "{first}");
    let unasked = STREAMED.replace(r#","max_tokens":6"#, "");
    assert_ne!(unasked, STREAMED);
    let (stopped, _) = with_server(options("small", &[]), async |server| {
        read_all(server, &request(CHAT, &unasked, "connection: close\r\n")).await;
        read_all(server, &request("/metrics", "", "connection: close\r\n")).await.text()
    })
    .await;
    for (reason, known) in [("length", "0.0"), ("stop", "1.0"), ("abort", "0.0")] {
        assert!(stopped.contains(&format!(r#"finished_reason="{reason}"}} {known}"#)), "{reason}: {stopped}");
    }
    let none = seen(options("delay", &[]), "/metrics", "", "").await.text();
    assert!(none.starts_with("HTTP/1.1 404"), "{none}");
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn who_leaves_while_waiting_is_taken_out_of_the_queue() {
    let long = STREAMED.replace(r#""max_tokens":6"#, r#""max_tokens":1000"#);
    let (page, _) = with_server(options("small:max_seqs=1", &[]), async |server| {
        let mut leaving = Vec::new();
        for _ in 0..2 {
            let mut stream = UnixStream::connect(server).await.unwrap();
            stream.write_all(request(CHAT, &long, "").as_bytes()).await.unwrap();
            leaving.push(stream);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let metrics = request("/metrics", "", "connection: close\r\n");
        let before = read_all(server, &metrics).await.text();
        assert!((value(&before, "vllm:num_requests_waiting") - 1.0).abs() < 1e-9);
        drop(leaving);
        // The server may learn of it some turns of the runtime later.
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let page = read_all(server, &metrics).await.text();
            if value(&page, "vllm:num_requests_running") < 0.5 {
                return page;
            }
        }
        read_all(server, &metrics).await.text()
    })
    .await;
    assert!(
        value(&page, "vllm:num_requests_running") < 0.5 && value(&page, "vllm:num_requests_waiting") < 0.5,
        "{page}"
    );
    assert!(page.contains(r#"finished_reason="abort"} 2.0"#), "{page}");
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn what_exceeds_the_context_is_refused_as_vllm_does() {
    let long = WHOLE.replace(r#""max_completion_tokens":6"#, r#""max_completion_tokens":1023"#);
    for (text, status) in [("small:kv_tokens=1024", 400), ("small:kv_tokens=1040", 200)] {
        let seen = seen(options(text, &[]), CHAT, &long, "").await.text();
        assert!(seen.starts_with(&format!("HTTP/1.1 {status}")), "{seen}");
        assert_eq!(seen.contains("maximum context length is 1024 tokens"), status == 400);
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn faults_strike_an_engine_as_they_do_a_delay() {
    for (fault, tokens) in
        [("cut:2", 2), ("drop:3", 3), ("error:1", 1), ("malformed:2", 6), ("empty", 0), ("coalesce:4", 2)]
    {
        let seen = seen(options("small", &[fault]), CHAT, STREAMED, "").await;
        assert_eq!(seen.contents().len(), tokens, "{fault}: {}", seen.text());
    }
    let endless = with_server(options("small", &["never-ends"]), async |server| {
        let mut stream = UnixStream::connect(server).await.unwrap();
        stream.write_all(request(CHAT, STREAMED, "").as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(stream);
        tokio::time::sleep(Duration::from_secs(1)).await;
        read_all(server, &request("/metrics", "", "connection: close\r\n")).await.text()
    });
    let page = endless.await.0;
    assert!(
        page.contains(r#"finished_reason="abort"} 1.0"#) && value(&page, "vllm:generation_tokens_total") > 150.0,
        "{page}"
    );
}
