//! Owns the tests of the files of other tools that `report` and `compare` read: which tool, which figures, what is
//! said.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::{folder, json, run, text};

/// A file as `vllm bench serve --save-result` writes it.
fn vllm(p99_ttft_ms: f64) -> Value {
    json!({"date": "20261130-120000", "endpoint_type": "openai-chat", "backend": "openai-chat", "label": null,
        "model_id": "m", "tokenizer_id": "m", "num_prompts": 102, "request_rate": 10.0, "burstiness": 1.0,
        "max_concurrency": null, "duration": 10.0, "completed": 100, "failed": 2, "total_input_tokens": 12_800,
        "total_output_tokens": 6_400, "request_throughput": 10.0, "request_goodput": null, "output_throughput": 640.0,
        "total_token_throughput": 1_920.0, "max_output_tokens_per_s": 700.0, "max_concurrent_requests": 9,
        "mean_ttft_ms": 30.0, "median_ttft_ms": 28.0, "std_ttft_ms": 5.0, "p99_ttft_ms": p99_ttft_ms,
        "mean_tpot_ms": 6.0, "median_tpot_ms": 6.0, "std_tpot_ms": 0.5, "p99_tpot_ms": 8.0,
        "mean_itl_ms": 6.0, "median_itl_ms": 5.5, "std_itl_ms": 2.0, "p99_itl_ms": 20.0,
        "mean_e2el_ms": 400.0, "median_e2el_ms": 390.0, "std_e2el_ms": 30.0, "p99_e2el_ms": 500.0})
}

/// Two lines of `sglang.bench_serving --output-file`, of closed loops.
fn sglang() -> String {
    let line = |most: u32| {
        json!({"tag": null, "backend": "sglang", "dataset_name": "random", "request_rate": "inf",
            "max_concurrency": most, "server_info": {"model_path": "m"}, "duration": 20.0, "completed": 50,
            "total_input_tokens": 5_000, "total_output_tokens": 1_000, "request_throughput": 2.5,
            "output_throughput": 50.0, "mean_e2e_latency_ms": 100.0, "median_e2e_latency_ms": 90.0,
            "p99_e2e_latency_ms": 300.0, "mean_ttft_ms": 20.0, "median_ttft_ms": 19.0, "p99_ttft_ms": 60.0,
            "accept_length": null})
        .to_string()
    };
    format!("{}\n{}\n", line(4), line(8))
}

/// `benchmarks.json` of GuideLLM 0.8.
fn guidellm() -> Value {
    let spread = |median: f64, p99: f64| {
        let found = json!({"mean": median, "median": median, "std_dev": 1.0, "count": 60, "total_sum": 60.0 * median,
            "percentiles": {"p001": 0.1, "p50": median, "p90": median, "p95": median, "p99": p99, "p999": p99}});
        json!({"successful": found, "incomplete": null, "errored": null, "total": found})
    };
    let metrics = json!({"request_totals": {"successful": 60, "incomplete": 0, "errored": 3, "total": 63},
        "requests_per_second": spread(6.0, 9.0), "output_tokens_per_second": spread(380.0, 500.0),
        "prompt_token_count": spread(128.0, 128.0), "output_token_count": spread(64.0, 64.0),
        "time_to_first_token_ms": spread(28.0, 57.0), "inter_token_latency_ms": spread(6.0, 7.0),
        "time_per_output_token_ms": spread(7.0, 8.0), "request_latency": spread(0.4, 0.5)});
    json!({"metadata": {"version": 2, "guidellm_version": "0.8.1"},
        "config": {"spec": {"backend": {"kind": "openai_http", "target": "http://h:1", "model": "m"}}},
        "benchmarks": [{"type_": "generative_benchmark", "start_time": 1_790_000_000.0, "duration": 10.5,
            "config": {"strategy": {"type_": "constant", "rate": 6.0}}, "metrics": metrics}]})
}

/// `profile_export_aiperf.json` of AIPerf 0.13.
fn aiperf() -> Value {
    let ms = |p50: f64, p99: f64| json!({"unit": "ms", "avg": p50, "p50": p50, "p90": p50, "p95": p50, "p99": p99});
    let one = |unit: &str, avg: f64| json!({"unit": unit, "avg": avg});
    json!({"schema_version": "1.4", "aiperf_version": "0.13.0", "start_time": "2026-11-30T12:00:00",
        "request_throughput": one("requests/sec", 9.9), "request_count": one("requests", 99.0),
        "error_request_count": one("requests", 1.0), "benchmark_duration": one("sec", 10.0),
        "output_token_throughput": one("tokens/sec", 630.0), "output_sequence_length": one("tokens", 64.0),
        "input_sequence_length": one("tokens", 128.0), "time_to_first_token": ms(28.0, 57.0),
        "inter_token_latency": ms(6.0, 7.0), "request_latency": ms(400.0, 500.0),
        "input_config": {"models": {"items": [{"name": "m"}]}, "endpoint": {"urls": ["http://h:1"]},
            "phases": [{"name": "profiling", "rate": 10.0}]}})
}

fn shown(folder: &Path, file: &str) -> Value {
    let printed = run(folder, &["report", file, "--json"]);
    assert_eq!(printed.status.code(), Some(0), "{}", text(&printed.stderr));
    serde_json::from_slice(&printed.stdout).expect("JSON")
}

fn put(folder: &Path, file: &str, content: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, content).expect("written");
}

#[test]
fn each_tools_file_is_known_and_its_figures_have_our_units() {
    let folder = folder();
    let place = folder.path();
    put(place, "v.json", &vllm(57.0).to_string());
    put(place, "s.jsonl", &sglang());
    put(place, "g/benchmarks.json", &guidellm().to_string());
    put(place, "a/profile_export_aiperf.json", &aiperf().to_string());
    let cases = [
        ("v.json", "vllm", 1, Some(10.0), 100.0, 2.0, 0.057),
        ("s.jsonl", "sglang", 2, None, 50.0, f64::NAN, 0.06),
        ("g", "guidellm", 1, Some(6.0), 60.0, 3.0, 0.057),
        ("a", "aiperf", 1, Some(10.0), 99.0, 1.0, 0.057),
    ];
    for (file, tool, loads, rate, completed, failed, p99) in cases {
        let result = shown(place, file);
        assert_eq!((&result["tool"], &result["model"]), (&json!(tool), &json!("m")), "{file}");
        assert_eq!(result["loads"].as_array().map(Vec::len), Some(loads), "{file}");
        let load = &result["loads"][0];
        assert_eq!((load["rate_per_s"].as_f64(), load["completed"].as_f64()), (rate, Some(completed)), "{file}");
        assert_eq!(load["failed"].as_f64(), Some(failed).filter(|failed| !failed.is_nan()), "{file}");
        let quantiles = load["latencies"]["ttft"]["quantiles"].as_array().expect("quantiles");
        let found = quantiles.iter().find(|pair| pair[0] == 0.99).expect("p99")[1].as_f64().expect("a number");
        assert!((found - p99).abs() < 1e-12, "{file}: {found}");
    }
    let closed = shown(place, "s.jsonl");
    assert_eq!(closed["loads"][1]["concurrency"], 8.0);
    let page = text(&run(place, &["report", "g"]).stdout);
    assert!(page.starts_with("GuideLLM of m: one load") && page.contains("its percentiles count tokens"), "{page}");
    assert!(page.contains("6.00/s  10.5 s         60  3 (4.8 %)"), "{page}");
}

#[test]
fn evalscopes_folder_gives_a_load_for_each_folder_below_it_by_increasing_rate() {
    let folder = folder();
    let place = folder.path();
    for (name, rate) in [("rate_9_number_90", 9.0), ("rate_10_number_100", 10.0)] {
        let summary = json!({"Test Duration (s)": 10.0, "Concurrency": -1, "Request Rate (req/s)": rate,
            "Total Requests": 91, "Success Requests": 90, "Failed Requests": 1, "Req Throughput (req/s)": rate,
            "Avg Latency (s)": 0.4, "Output Throughput (tok/s)": 600.0, "Avg TTFT (ms)": 28.0});
        let row = |name: &str, ttft_ms: f64| {
            let times = [ttft_ms, 6.0, 6.0].map(Value::from);
            let [ttft, itl, tpot] = times;
            json!({"Percentiles": name, "Latency (s)": 0.4, "TTFT (ms)": ttft, "ITL (ms)": itl, "TPOT (ms)": tpot})
        };
        put(place, &format!("e/{name}/benchmark_summary.json"), &summary.to_string());
        let percentiles = json!([row("50%", 28.0), row("99%", 57.0)]).to_string();
        put(place, &format!("e/{name}/benchmark_percentile.json"), &percentiles);
        put(place, &format!("e/{name}/benchmark_args.json"), &json!({"model": "m", "url": "http://h:1"}).to_string());
    }
    let result = shown(place, "e");
    let rates: Vec<f64> =
        result["loads"].as_array().expect("loads").iter().filter_map(|load| load["rate_per_s"].as_f64()).collect();
    assert_eq!((rates, &result["target"]), (vec![9.0, 10.0], &json!("http://h:1")));
    assert_eq!(result["loads"][0]["latencies"]["ttft"]["quantiles"][1], json!([0.99, 0.057]));
}

#[test]
fn a_file_of_another_tool_is_compared_by_values_of_completed_requests_and_never_surely() {
    let folder = folder();
    let place = folder.path();
    put(place, "v.json", &vllm(57.0).to_string());
    put(place, "w.json", &vllm(114.0).to_string());
    run(place, &["run", "--sim", "delay:ttft=5ms,itl=1ms", "--rate", "100", "--requests", "40", "--out", "ours"]);
    let printed = run(place, &["compare", "v.json", "w.json", "ours", "--json", "--fail-on", "p99 ttft +10%"]);
    assert_eq!(printed.status.code(), Some(0), "no difference is sure: {}", text(&printed.stderr));
    let found: Value = serde_json::from_slice(&printed.stdout).expect("JSON");
    let found = &found["comparison"];
    let row = |measure: &str| {
        let rows = found["loads"][0]["rows"].as_array().expect("rows");
        rows.iter().find(|row| row["measure"] == measure).expect("a row").clone()
    };
    let ttft = row("p99 ttft");
    assert_eq!((&ttft["differences"][0]["ratio"], &ttft["differences"][0]["sure"]), (&json!(2.0), &json!(false)));
    assert_eq!(found["rulings"][0]["ruling"], "undecided");
    // The figures of tonnage beside it are those of completed requests ÷ the window.
    let trial = &json(&place.join("ours/result.json"))["trials"][0];
    assert_eq!(ttft["figures"][2]["value"], trial["metrics"]["ttft"]["completed_only"]["p99"]);
    assert_eq!(row("requests/s")["figures"][2]["value"], trial["rates"]["completed_per_s"]);
    let said = found["cautions"].to_string();
    assert!(said.contains("A is a file of vllm bench serve") && said.contains("the models differ: A m"), "{said}");
    let page = text(&run(place, &["compare", "v.json", "w.json"]).stdout);
    let first = page.lines().next().unwrap_or_default();
    assert_eq!(first, "p99 ttft of B is 100 % higher than that of A; without intervals, no difference");
}

#[test]
fn loads_that_only_one_file_has_are_named_and_a_load_that_no_file_states_is_called_so() {
    let folder = folder();
    let place = folder.path();
    let [four, eight] = [0, 1].map(|line| sglang().lines().nth(line).expect("a line").to_owned());
    put(place, "two.jsonl", &sglang());
    put(
        place,
        "other.jsonl",
        &format!("{eight}\n{}\n", four.replace("\"max_concurrency\":4", "\"max_concurrency\":5")),
    );
    let page = text(&run(place, &["compare", "two.jsonl", "other.jsonl"]).stdout);
    let left = "not compared, because not all runs have them: closed loop of 4, closed loop of 5";
    assert!(page.split_whitespace().collect::<Vec<_>>().join(" ").contains(left), "{page}");
    let mut series = aiperf();
    series["input_config"]["phases"] = json!([{"name": "profiling"}]);
    put(place, "a/profile_export_aiperf.json", &series.to_string());
    let page = text(&run(place, &["report", "a"]).stdout);
    assert!(page.contains("a load that the file does not state"), "{page}");
    put(place, "v.json", &vllm(57.0).to_string().replace("\"request_rate\":10.0", "\"request_rate\":\"inf\""));
    let page = text(&run(place, &["report", "v.json"]).stdout);
    assert!(page.contains("as fast as possible"), "{page}");
}

#[test]
fn a_file_of_nobody_and_a_broken_one_are_refused_with_what_is_read() {
    let folder = folder();
    let place = folder.path();
    put(place, "n.json", "{\"a\": 1}");
    put(place, "g.json", &json!({"metadata": {"guidellm_version": "0.8.1"}, "benchmarks": []}).to_string());
    put(place, "v.json", &vllm(57.0).to_string());
    put(place, "cut.jsonl", &sglang()[..700]);
    put(place, "both/1.json", &vllm(57.0).to_string());
    put(place, "both/2.jsonl", &sglang());
    for (words, said) in [
        (&["report", "n.json"][..], "is not a result of tonnage"),
        (&["report", "g.json"], "is a file of GuideLLM, but holds no load"),
        (&["report", "cut.jsonl"], "is not a result of tonnage"),
        (&["report", "both"], "holds files of vllm bench serve and of sglang.bench_serving; give one of the files"),
        (&["compare", "v.json", "n.json"], "is not a result of tonnage"),
        (&["report", "v.json", "--to", "html"], "is not written for a file of vllm bench serve"),
    ] {
        let refused = run(place, words);
        let error = text(&refused.stderr);
        assert!(refused.status.code() == Some(2) && error.contains(said), "{words:?}: {error}");
    }
}
