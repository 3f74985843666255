//! Owns the tests of the files of other tools, made from a result: their keys, their order, their names, their figures.

use std::path::Path;

use serde_json::Value;

use crate::cli::{folder, json, run, text};

/// A result in `out` of 60 requests of 64 output tokens, and the files of `form` in `files`.
fn files(folder: &Path, form: &str) {
    let load = ["run", "--sim", "delay:ttft=5ms,itl=1ms", "--rate", "120", "--requests", "60", "--slo", "p50 ttft<=5s"];
    run(folder, &[&load[..], &["--label", "a", "--out", "out"]].concat());
    let written = run(folder, &["report", "out", "--to", form, "--out", "files"]);
    assert_eq!(written.status.code(), Some(0), "{}", text(&written.stderr));
}

fn near(one: &Value, other: f64) -> bool {
    (one.as_f64().expect("a number") - other).abs() < 1e-9 * other.abs().max(1.0)
}

/// The keys of the object in `text`, in their order, down to its first level.
fn keys(text: &str) -> Vec<String> {
    let found = text.lines().filter(|line| line.starts_with("  \"") && line.contains("\":"));
    found.filter_map(|line| line.trim().strip_prefix('"')?.split("\":").next().map(str::to_owned)).collect()
}

#[test]
fn vllms_block_has_its_lines_and_the_figures_of_the_result() {
    let folder = folder();
    files(folder.path(), "vllm");
    let printed = run(folder.path(), &["report", "out", "--to", "vllm-text"]);
    let shown = text(&printed.stdout);
    let trial = &json(&folder.path().join("out/result.json"))["trials"][0];
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], "============ Serving Benchmark Result ============");
    assert_eq!(lines.last(), Some(&"=".repeat(50).as_str()));
    assert_eq!(lines[1], format!("{:<40} {:<10}", "Successful requests:", 60));
    let names: Vec<&str> = lines[1..14].iter().filter_map(|line| line.split(':').next()).collect();
    let expected = [
        "Successful requests",
        "Failed requests",
        "Request rate configured (RPS)",
        "Benchmark duration (s)",
        "Total input tokens",
        "Total generated tokens",
        "Request throughput (req/s)",
        "Request goodput (req/s)",
        "Output token throughput (tok/s)",
        "Peak output token throughput (tok/s)",
        "Peak concurrent requests",
        "Total token throughput (tok/s)",
        "---------------Time to First Token----------------",
    ];
    assert_eq!(names, expected);
    let p99 = 1e3 * trial["metrics"]["ttft"]["completed_only"]["p99"].as_f64().expect("a number");
    assert!(lines.contains(&format!("{:<40} {p99:<10.2}", "P99 TTFT (ms):").as_str()), "{shown}");
    assert!(printed.stderr.is_empty() && !folder.path().join("out/report.md").exists());
}

#[test]
fn sglangs_file_has_a_line_of_its_keys_for_each_load() {
    let folder = folder();
    files(folder.path(), "sglang");
    let file = std::fs::read_to_string(folder.path().join("files/sglang.jsonl")).expect("a file");
    let line: Value = serde_json::from_str(file.trim_end()).expect("one line of JSON");
    let order: Vec<&str> = file.split("\":").filter_map(|part| part.rsplit('"').next()).collect();
    let head = "tag backend dataset_name request_rate max_concurrency sharegpt_output_len random_input_len \
        random_output_len random_range_ratio server_info duration completed total_input_tokens \
        total_input_text_tokens total_input_vision_tokens total_output_tokens total_output_tokens_retokenized \
        request_throughput input_throughput output_throughput total_throughput";
    let times = ["e2e_latency", "ttft", "tpot", "itl"].into_iter();
    let times =
        times.flat_map(|of| ["mean", "median", "std", "p90", "p95", "p99"].map(|which| format!("{which}_{of}_ms")));
    let tail = ["concurrency", "accept_length", "max_output_tokens_per_s", "max_concurrent_requests"];
    let expected: Vec<String> =
        head.split_whitespace().map(str::to_owned).chain(times).chain(tail.map(str::to_owned)).collect();
    assert_eq!(order[..order.len() - 1], expected);
    let trial = &json(&folder.path().join("out/result.json"))["trials"][0];
    let e2e = trial["metrics"]["e2e"]["completed_only"]["mean"].as_f64().expect("a number");
    assert!(near(&line["mean_e2e_latency_ms"], 1e3 * e2e), "{line}");
    // Little's law: the requests of 60 answers in service, over the window.
    assert!(near(&line["concurrency"], 60.0 * e2e / line["duration"].as_f64().expect("a number")), "{line}");
    assert_eq!((&line["backend"], &line["random_output_len"]), (&"sglang-oai-chat".into(), &64.into()));
}

#[test]
fn evalscopes_folder_of_a_load_has_its_summary_and_its_percentiles() {
    let folder = folder();
    files(folder.path(), "evalscope");
    let inside = folder.path().join("files/rate_120_number_60");
    let text = std::fs::read_to_string(inside.join("benchmark_summary.json")).expect("a file");
    let expected = [
        "Test Duration (s)",
        "Concurrency",
        "Request Rate (req/s)",
        "Total Requests",
        "Success Requests",
        "Failed Requests",
        "Stream Requests",
        "Non-Stream Requests",
        "Req Throughput (req/s)",
        "Avg Latency (s)",
        "Avg Input Tokens",
        "Output Throughput (tok/s)",
        "Total Throughput (tok/s)",
        "Input Throughput (tok/s)",
        "Avg TTFT (ms)",
        "Avg TPOT (ms)",
        "Avg ITL (ms)",
        "Avg Output Tokens",
    ];
    assert_eq!(keys(&text), expected);
    let trial = &json(&folder.path().join("out/result.json"))["trials"][0];
    let summary = json(&inside.join("benchmark_summary.json"));
    let ttft = &trial["metrics"]["ttft"]["completed_only"];
    let rounded = |value: f64| (value * 1e4).round() / 1e4;
    assert!(near(&summary["Avg TTFT (ms)"], rounded(1e3 * ttft["mean"].as_f64().expect("a number"))), "{summary}");
    assert_eq!((&summary["Concurrency"], &summary["Success Requests"]), (&(-1).into(), &60.into()));
    let rows = json(&inside.join("benchmark_percentile.json"));
    let named: Vec<&str> =
        rows.as_array().expect("rows").iter().filter_map(|row| row["Percentiles"].as_str()).collect();
    assert_eq!(named, ["50%", "75%", "90%", "95%", "99%", "max"]);
    assert!(near(&rows[4]["TTFT (ms)"], rounded(1e3 * ttft["p99"].as_f64().expect("a number"))), "{rows}");
    assert_eq!(json(&inside.join("benchmark_args.json"))["number"], 60);
}

/// What version 0.2.1 of the format allows: the keys below a path (`*` at the end of a path: statistics), and the
/// demanded ones with a `!`. Below a path that is not named, all keys are allowed.
const LLM_D: [(&str, &str); 17] = [
    ("", "version! run! scenario results!"),
    ("run", "uid! eid cid pid time user description keywords"),
    ("run.time", "start end duration"),
    ("scenario", "stack load"),
    ("scenario.stack", "metadata standardized native"),
    ("scenario.stack.metadata", "schema_version label! cfg_id! description"),
    ("scenario.stack.standardized", "kind! tool! tool_version!"),
    ("scenario.stack.native", "args envars config"),
    ("scenario.load", "metadata! standardized! native!"),
    ("scenario.load.metadata", "schema_version cfg_id! description"),
    (
        "scenario.load.standardized",
        "tool! tool_version! parallelism source! stage input_seq_len! output_seq_len prefix multi_turn rate_qps \
         concurrency",
    ),
    ("scenario.load.standardized.input_seq_len", "distribution! value! std_dev min max"),
    ("results", "request_performance session_performance observability profiling component_health"),
    ("results.request_performance.aggregate", "requests latency throughput"),
    ("results.request_performance.aggregate.requests", "total! failures incomplete input_length output_length"),
    (
        "results.request_performance.aggregate.latency",
        "time_to_first_token request_latency normalized_time_per_output_token time_per_output_token \
         inter_token_latency",
    ),
    (
        "results.request_performance.aggregate.throughput",
        "input_token_rate output_token_rate total_token_rate request_rate",
    ),
];

/// Checks `value` at `path` against the format.
fn check(value: &Value, path: &str) {
    if let Value::Array(items) = value {
        for item in items {
            check(item, path);
        }
    }
    let Value::Object(object) = value else { return };
    if path.starts_with("results.observability") || path.ends_with("native.config") {
        return;
    }
    if let Some((_, allowed)) = LLM_D.iter().find(|(of, _)| *of == path) {
        for key in object.keys() {
            assert!(allowed.split_whitespace().any(|name| name.trim_end_matches('!') == key), "{path}: {key}");
        }
        for name in allowed.split_whitespace().filter_map(|name| name.strip_suffix('!')) {
            assert!(object.contains_key(name), "{path} lacks {name}");
        }
    }
    if let Some(units) = object.get("units").and_then(Value::as_str) {
        let last = path.rsplit('.').next().expect("a name");
        let expected: &[&str] = match last {
            "input_length" | "output_length" => &["count"],
            "time_to_first_token" | "request_latency" => &["ms", "s"],
            "request_rate" => &["queries/s"],
            name if name.ends_with("_rate") => &["tokens/s"],
            _ => &["ms/token", "s/token"],
        };
        assert!(expected.contains(&units) && object.contains_key("mean"), "{path}: {object:?}");
    }
    for (key, inside) in object {
        assert!(!inside.is_null(), "{path}.{key}: the format has no null");
        check(inside, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") });
    }
}

#[test]
fn llm_ds_report_keeps_to_version_0_2_1_and_its_stages_share_their_experiment() {
    let folder = folder();
    files(folder.path(), "llm-d");
    let read = |path: &str| -> Value {
        let file = std::fs::read_to_string(folder.path().join(path)).expect("a file");
        serde_saphyr::from_str(&file).expect("YAML")
    };
    let page = read("files/benchmark_report_v0.2.1_stage_0.yaml");
    check(&page, "");
    let trial = &json(&folder.path().join("out/result.json"))["trials"][0];
    let aggregate = &page["results"]["request_performance"]["aggregate"];
    let ttft = &trial["metrics"]["ttft"]["completed_only"];
    assert!(near(&aggregate["latency"]["time_to_first_token"]["p99"], ttft["p99"].as_f64().expect("a number")));
    assert_eq!((&aggregate["requests"]["total"], &aggregate["requests"]["incomplete"]), (&60.into(), &0.into()));
    assert_eq!(page["scenario"]["load"]["standardized"]["rate_qps"].as_f64(), Some(120.0));
    let sweep = ["sweep", "--sim", "delay:ttft=2ms,itl=0s", "--rates", "20,40", "--duration", "300ms", "--out", "s"];
    run(folder.path(), &sweep);
    run(folder.path(), &["report", "s", "--to", "llm-d", "--out", "more"]);
    let stages = [0, 1].map(|stage| read(&format!("more/benchmark_report_v0.2.1_stage_{stage}.yaml")));
    for stage in &stages {
        check(stage, "");
    }
    assert_eq!(stages[0]["run"]["eid"], stages[1]["run"]["eid"]);
    assert_ne!(stages[0]["run"]["uid"], stages[1]["run"]["uid"]);
}

#[test]
fn vllms_file_has_its_keys_in_their_order_and_the_figures_of_the_result() {
    let folder = folder();
    let words = ["--process", "gamma:2", "--requests", "60", "--label", "a/b", "--metadata", "team=x", "--out", "out"];
    let load = ["run", "--sim", "delay:ttft=5ms,itl=1ms", "--rate", "120", "--slo", "p50 ttft<=5s"];
    run(folder.path(), &[&load[..], &words].concat());
    let written = run(folder.path(), &["report", "out", "--to", "vllm", "--out", "files"]);
    assert_eq!(written.status.code(), Some(0), "{}", text(&written.stderr));
    let names: Vec<_> = std::fs::read_dir(folder.path().join("files"))
        .expect("a folder")
        .map(|file| file.expect("a file").path())
        .collect();
    let [path] = names.as_slice() else { panic!("{names:?}") };
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(name.starts_with("a_b-120.0qps-tonnage-sim-20") && name.strip_suffix(".json").is_some(), "{name}");
    let file = std::fs::read_to_string(path).expect("a file");
    let keys: Vec<&str> = file.lines().filter_map(|line| line.trim().strip_prefix('"')?.split('"').next()).collect();
    let head = "date endpoint_type backend label model_id tokenizer_id num_prompts team request_rate burstiness \
        max_concurrency duration completed failed total_input_tokens total_output_tokens request_throughput \
        request_goodput output_throughput total_token_throughput max_output_tokens_per_s max_concurrent_requests";
    let times = ["ttft", "tpot", "itl", "e2el"].into_iter();
    let times = times.flat_map(|of| ["mean", "median", "std", "p90", "p99"].map(|which| format!("{which}_{of}_ms")));
    let expected: Vec<String> = head.split_whitespace().map(str::to_owned).chain(times).collect();
    assert_eq!(keys, expected);
    let (file, result) = (json(path), json(&folder.path().join("out/result.json")));
    let trial = &result["trials"][0];
    assert_eq!(
        (&file["backend"], &file["burstiness"], &file["completed"]),
        (&"openai-chat".into(), &0.25.into(), &60.into())
    );
    assert_eq!(file["total_output_tokens"], 60 * 64);
    let e2e = &trial["metrics"]["e2e"]["completed_only"];
    assert!(near(&file["p99_e2el_ms"], 1e3 * e2e["p99"].as_f64().expect("a number")), "{file}");
    assert!(near(&file["std_e2el_ms"], 1e3 * e2e["std"].as_f64().expect("a number")), "{file}");
    assert!(near(
        &file["duration"],
        file["completed"].as_f64().expect("a number") / file["request_throughput"].as_f64().expect("a number")
    ));
    // A closed loop has no rate; each load of a sweep has a file of its own.
    let sweep =
        ["sweep", "--sim", "delay:ttft=2ms,itl=0s", "--concurrency", "1,2", "--duration", "200ms", "--out", "s"];
    run(folder.path(), &sweep);
    run(folder.path(), &["report", "s", "--to", "vllm", "--out", "more"]);
    let mut names: Vec<String> = std::fs::read_dir(folder.path().join("more"))
        .expect("a folder")
        .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(
        names[0].starts_with("openai-chat-infqps-concurrency1-") && names[1].contains("-concurrency2-"),
        "{names:?}"
    );
}

#[test]
fn guidellms_tables_have_a_row_for_each_load_with_the_figures_of_the_result() {
    let folder = folder();
    files(folder.path(), "vllm");
    let printed = run(folder.path(), &["report", "out", "--to", "guidellm-text"]);
    let shown = text(&printed.stdout);
    let trial = &json(&folder.path().join("out/result.json"))["trials"][0];
    let titles: Vec<&str> = shown.lines().filter(|line| !line.starts_with(['+', '|']) && !line.is_empty()).collect();
    let expected = [
        "Run Summary Info",
        "Request Token Statistics (Completed Requests)",
        "Request Latency Statistics (Completed Requests)",
        "Server Throughput Statistics (All Requests)",
    ];
    assert_eq!(titles, expected);
    let rows: Vec<Vec<&str>> = shown
        .lines()
        .filter(|line| line.starts_with("| poisson@120.00"))
        .map(|line| line.trim_matches('|').split_whitespace().collect())
        .collect();
    let e2e = trial["metrics"]["e2e"]["completed_only"]["mean"].as_f64().expect("a number");
    let ttft = 1e3 * trial["metrics"]["ttft"]["completed_only"]["p95"].as_f64().expect("a number");
    assert_eq!(rows.len(), 4);
    assert_eq!(
        (rows[0][5], rows[1][4], rows[2][1], rows[2][6]),
        ("60", "64.0", &*format!("{e2e:.1}"), &*format!("{ttft:.1}"))
    );
}

#[test]
fn leworks_file_has_its_keys_and_speeds_whose_p99_is_the_slow_side() {
    let folder = folder();
    files(folder.path(), "lework");
    let name = fs_names(&folder.path().join("files")).pop().expect("a file");
    assert!(name.starts_with("benchmark_results_") && name.contains(".json"), "{name}");
    let stages = json(&folder.path().join("files").join(&name));
    let stage = &stages[0];
    let keys: Vec<&str> = stage.as_object().expect("an object").keys().map(String::as_str).collect();
    let mut expected: Vec<&str> = "total_requests successful_requests concurrency request_timeout max_output_tokens \
        use_long_context model total_time requests_per_second total_output_tokens latency tokens_per_second \
        time_to_first_token"
        .split_whitespace()
        .collect();
    expected.sort_unstable();
    assert_eq!(
        {
            let mut keys = keys;
            keys.sort_unstable();
            keys
        },
        expected
    );
    let speed = |which: &str| stage["tokens_per_second"][which].as_f64().expect("a number");
    assert!(speed("p99") <= speed("p95") && speed("p95") <= speed("p50"), "{stage}");
    let trial = &json(&folder.path().join("out/result.json"))["trials"][0];
    let each = trial["metrics"]["ntpot"]["completed_only"]["p99"].as_f64().expect("a number");
    assert!(near(&stage["tokens_per_second"]["p99"], 1.0 / each), "{stage}");
    let lines = run(folder.path(), &["report", "out", "--to", "lework-line"]);
    let shown = text(&lines.stdout);
    assert!(shown.starts_with("total_requests: 60\nsuccessful_requests: 60\n"), "{shown}");
    assert!(shown.contains("\nlatency_p99: ") && shown.contains("\nmodel: tonnage-sim\n"), "{shown}");
}

#[test]
fn the_chinese_table_has_a_heading_in_each_language_for_every_column() {
    let folder = folder();
    files(folder.path(), "csv-zh");
    let name = fs_names(&folder.path().join("files")).pop().expect("a file");
    let file = std::fs::read_to_string(folder.path().join("files").join(&name)).expect("a file");
    let rows: Vec<Vec<&str>> = file.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 3, "{file}");
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{file}");
    let pairs: Vec<(&str, &str)> = rows[0].iter().copied().zip(rows[1].iter().copied()).collect();
    for pair in [
        ("model_id", "模型ID"),
        ("p99_ttft_ms", "首令牌时间(ms) P99"),
        ("mean_itl_ms", "平均令牌间延迟(ms)"),
        ("filename", "文件名"),
        ("failed", "failed"),
    ] {
        assert!(pairs.contains(&pair), "{pair:?}: {pairs:?}");
    }
    let place = rows[0].iter().position(|key| *key == "completed").expect("a column");
    assert_eq!(rows[2][place], "60");
}

/// The names of the files in `folder`.
fn fs_names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}
