//! Owns the tests of `tonnage size` as a user runs it: what it prints, reads and refuses.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::{folder, run, text};

/// The table used for sizing: rates and p99 TTFT in milliseconds.
const TABLE: [(f64, f64); 8] =
    [(1.04, 25.5), (1.60, 25.4), (2.19, 27.9), (2.75, 38.9), (3.32, 38.6), (3.89, 71.1), (4.43, 75.3), (4.98, 90.7)];

/// A folder of results of vLLM's `bench serve`, one per rate of the table.
fn vllm(folder: &Path) {
    std::fs::create_dir(folder).expect("a folder");
    for (rate, p99_ms) in TABLE {
        let result = json!({"backend": "vllm", "model_id": "m", "request_rate": rate, "burstiness": 1.0,
            "max_concurrency": null, "completed": 500,
            "failed": 0, "total_output_tokens": 50_000, "request_throughput": rate, "p99_ttft_ms": p99_ms});
        std::fs::write(folder.join(format!("{rate}qps.json")), result.to_string()).expect("written");
    }
}

fn sized(folder: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let output = run(folder, &[&["size"], words].concat());
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn fleet(folder: &Path, words: &[&str]) -> Value {
    let (code, shown, said) = sized(folder, &[words, &["--json"]].concat());
    assert_eq!(code, Some(0), "{said}");
    serde_json::from_str::<Value>(&shown).expect("JSON")["fleet"].clone()
}

#[test]
fn a_table_of_rates_sizes_the_fleet_of_twelve() {
    let folder = folder();
    vllm(&folder.path().join("vllm"));
    let words = ["vllm", "--demand", "50/s", "--slo", "p99 ttft<80ms"];
    let found = fleet(folder.path(), &words);
    assert_eq!((&found["replicas"], &found["per_replica_rate_per_s"]), (&json!(12), &json!(4.43)));
    assert_eq!((&found["interval"], &found["certified"]), (&json!([11, 12]), &json!(false)));
    let (code, shown, _) =
        sized(folder.path(), &[&words[..], &["--price", "2.5/h", "--gpus-per-replica", "2"]].concat());
    assert_eq!(code, Some(0));
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    insta::assert_snapshot!("size", shown);
    // The same rates in one report of GuideLLM.
    let loads: Vec<Value> = TABLE
        .iter()
        .map(|(rate, p99_ms)| {
            json!({"config": {"strategy": {"type_": "constant"}},
                "metrics": {"requests_per_second": {"successful": {"mean": rate}},
                "request_totals": {"successful": 200, "errored": 0},
                "time_to_first_token_ms": {"successful": {"percentiles": {"p99": p99_ms}}}}})
        })
        .collect();
    let report = json!({"metadata": {"version": 2}, "benchmarks": loads});
    std::fs::write(folder.path().join("benchmarks.json"), report.to_string()).expect("written");
    let found = fleet(folder.path(), &["benchmarks.json", "--demand", "50/s", "--slo", "p99 ttft<80ms"]);
    assert_eq!((&found["replicas"], &found["choices"][0]["capacity"]["evidence"]), (&json!(12), &json!("guidellm")));
}

#[test]
fn rates_that_were_measured_size_by_their_verdicts_or_by_their_figures() {
    let folder = folder();
    let words = [
        "run",
        "--sim",
        "delay:ttft=1ms,itl=100us",
        "--output-tokens",
        "4",
        "--requests",
        "20",
        "--rate",
        "100",
        "--out",
        "out",
    ];
    let output = run(folder.path(), &[&words[..], &["--quiet"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    // The send lag of a busy machine is not tested here.
    let path = folder.path().join("out/result.json");
    let mut result = crate::cli::json(&path);
    result["trials"][0]["health"]["healthy"] = json!(true);
    // A second trial as a sweep would have found it at twice the rate.
    let mut twice = result["trials"][0].clone();
    twice["load"]["rate_per_s"] = json!(200.0);
    result["trials"].as_array_mut().expect("trials").push(twice);
    std::fs::write(&path, result.to_string()).expect("written");
    let (code, _, said) = sized(folder.path(), &["out", "--demand", "1000/s"]);
    assert!(code == Some(2) && said.contains("without objectives") && said.contains("--slo"), "{said}");
    let found = fleet(folder.path(), &["out", "--demand", "1000/s", "--slo", "p50 e2e<=10s", "--price", "1/h"]);
    assert_eq!(
        (&found["replicas"], &found["interval"], &found["per_replica_rate_per_s"]),
        (&json!(5), &json!([null, 5]), &json!(200.0))
    );
    assert_eq!(
        (&found["choices"][0]["simulated"], &found["choices"][0]["capacity"]["evidence"]),
        (&json!(true), &json!("measured"))
    );
    assert!(
        found["choices"][0]["at_slo_rate"]["per_million_output_tokens"].as_f64().is_some_and(|cost| cost > 0.0),
        "{found}"
    );
    let (_, shown, _) = sized(folder.path(), &["out", "--demand", "1000/s", "--slo", "p50 e2e<=10s"]);
    assert!(
        shown.contains("SIMULATED") && shown.contains("UNCERTIFIED") && shown.contains("no higher rate was measured"),
        "{shown}"
    );
    let (code, _, said) = sized(folder.path(), &["out", "--demand", "1000/s", "--slo", "p50 e2e<=2us"]);
    assert!(code == Some(2) && said.contains("none of the 2 rates"), "{said}");
    for (place, verdict) in [(0, "pass"), (1, "inconclusive")] {
        result["trials"][place]["verdict"]["result"] = json!(verdict);
    }
    std::fs::write(&path, result.to_string()).expect("written");
    let found = fleet(folder.path(), &["out", "--demand", "1000/s"]);
    assert_eq!((&found["replicas"], &found["interval"]), (&json!(10), &json!([5, 10])), "the verdicts must decide");
    result["trials"][1]["health"]["healthy"] = json!(false);
    std::fs::write(&path, result.to_string()).expect("written");
    let found = fleet(folder.path(), &["out", "--demand", "1000/s", "--slo", "p50 e2e<=10s"]);
    assert_eq!(
        (&found["replicas"], &found["interval"]),
        (&json!(10), &json!([5, 10])),
        "a late load generator must not prove a rate"
    );
}

#[test]
fn a_search_is_read_by_the_keys_of_its_result() {
    let folder = folder();
    let output = run(folder.path(), &["run", "--requests", "20", "--rate", "200", "--out", "out", "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let path = folder.path().join("out/result.json");
    let mut result = crate::cli::json(&path);
    result["search"] = json!({"safe_rate_per_s": 7.8, "best_rate_per_s": 8.4, "interval_per_s": [7.8, 9.1],
        "confidence": 0.95,
        "limited_by": "p99 \
            ttft<=200ms", "probes": [], "requests": 23_100, "effective_requests": 610, "spent_s": 3060.0});
    std::fs::write(&path, result.to_string()).expect("written");
    let found = fleet(folder.path(), &["out", "--demand", "100/s", "--redundancy", "1"]);
    assert_eq!(
        (&found["replicas"], &found["replicas_to_carry"], &found["replicas_at_best"]),
        (&json!(14), &json!(13), &json!(13))
    );
    assert_eq!((&found["interval"], &found["certified"]), (&json!([12, 14]), &json!(true)));
    let words = found["assumptions"].to_string();
    assert!(words.contains("limited by p99 ttft<=200ms"), "{words}");
}

/// A result with a search, modified by `change`.
fn searched(folder: &Path, change: impl Fn(&mut Value)) {
    let out = folder.join("out");
    if !out.exists() {
        let output = run(folder, &["run", "--requests", "20", "--rate", "200", "--out", "out", "--quiet"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
    let path = out.join("result.json");
    let mut result = crate::cli::json(&path);
    result["config"]["process"] = json!("poisson");
    result["search"] = json!({"finished": "found", "safe_rate_per_s": 7.8, "best_rate_per_s": 8.4,
        "interval_per_s": [7.8, 9.1],
        "confidence": 0.95, "limited_by": "p99 ttft<=200ms"});
    change(&mut result);
    std::fs::write(&path, result.to_string()).expect("written");
}

#[test]
fn a_rate_that_was_measured_with_smooth_arrivals_is_refused_for_a_random_split() {
    let folder = folder();
    for (process, accepted) in
        [("even", false), ("gamma:0.5", false), ("weibull:0.9", false), ("poisson", true), ("gamma:2", true)]
    {
        searched(folder.path(), |result| result["config"]["process"] = json!(process));
        let (code, shown, said) = sized(folder.path(), &["out", "--demand", "100/s"]);
        assert_eq!(code, Some(if accepted { 0 } else { 2 }), "{process}: {said}");
        if accepted {
            let found = fleet(folder.path(), &["out", "--demand", "100/s"]);
            assert!(
                shown.starts_with("13 replicas") && found["assumptions"].to_string().contains("N × rate holds"),
                "{process}: {shown}"
            );
        } else {
            assert!(
                said.contains(process) && said.contains("not safe") && said.contains("--process poisson"),
                "{process}: {said}"
            );
            let found = fleet(folder.path(), &["out", "--demand", "100/s", "--balancing", "round-robin"]);
            assert_eq!((&found["replicas"], &found["balancing"]), (&json!(13), &json!("round-robin")), "{process}");
        }
    }
}

#[test]
fn a_search_without_an_answer_is_refused_and_one_that_is_weak_is_used_with_a_warning() {
    let folder = folder();
    for (key, value, wanted) in [
        ("finished", Value::Null, "not finished"),
        ("finished", json!("infeasible"), "infeasible"),
        ("finished", json!("target_lost"), "lost its target"),
        ("finished", json!("generator_unfit"), "load generator"),
    ] {
        searched(folder.path(), |result| result["search"][key] = value.clone());
        let (code, shown, said) = sized(folder.path(), &["out", "--demand", "100/s"]);
        assert!(code == Some(2) && shown.is_empty() && said.contains(wanted), "{value}: {said}");
    }
    for (key, value, wanted) in [
        ("finished", json!("budget_spent"), "ended before its interval was narrow enough"),
        ("doubts", json!(["curve"]), "in doubt (curve)"),
        ("certificate", Value::Null, "no certificate"),
    ] {
        searched(folder.path(), |result| result["search"][key] = value.clone());
        let found = fleet(folder.path(), &["out", "--demand", "100/s"]);
        assert_eq!(found["replicas"], json!(13), "{value}");
        assert!(found["sentences"].to_string().contains(wanted), "{value}: {}", found["sentences"]);
    }
}

#[test]
fn every_sentence_of_a_fleet_has_its_kind_beside_it() {
    let folder = folder();
    searched(folder.path(), |_| ());
    let check = ["--slo", "p99 ttft<=2s", "--check", "small", "--check-input", "64", "--check-output", "8"];
    for words in [vec!["out"], [&["--replica-rate", "7/s"][..], &check].concat()] {
        let found = fleet(folder.path(), &[&words[..], &["--demand", "10/s"]].concat());
        for (kinds, sentences) in [
            ("/sentence_kinds", "/sentences"),
            ("/assumption_kinds", "/assumptions"),
            ("/choices/0/capacity/doubt_kinds", "/choices/0/capacity/doubts"),
            ("/check/note_kinds", "/check/notes"),
        ] {
            let of = |key: &str| found.pointer(key).and_then(Value::as_array).cloned().unwrap_or_default();
            let (kinds, sentences) = (of(kinds), of(sentences));
            assert_eq!(kinds.len(), sentences.len(), "{kinds:?}: {sentences:?}");
            assert!(kinds.iter().all(|kind| kind["kind"].is_string()) && sentences.iter().all(Value::is_string));
        }
        if words.len() > 1 {
            assert_eq!(found["check"]["note_kinds"], json!([{"kind": "lengths_alike"}]));
        } else {
            let doubt = json!({"kind": "no_certificate"});
            assert_eq!(found["choices"][0]["capacity"]["doubt_kinds"], json!([doubt]));
            let name = &found["choices"][0]["name"];
            let in_doubt = json!({"kind": "rate_in_doubt", "choice": name, "doubt": doubt});
            assert_eq!(found["sentence_kinds"][1], in_doubt);
        }
    }
}

/// 10/s, and 60/s for the first 5 s of each minute.
#[test]
fn bursts_within_the_window_are_named_and_a_check_plays_them() {
    let folder = folder();
    let mut rows = vec!["TIMESTAMP,ContextTokens,GeneratedTokens\n".to_owned()];
    let mut at_us = 0_u64;
    while at_us < 300_000_000 {
        let (minute, in_minute_us) = (at_us / 60_000_000, at_us % 60_000_000);
        let (second, rest_us) = (in_minute_us / 1_000_000, in_minute_us % 1_000_000);
        rows.push(format!("2024-01-01 00:{minute:02}:{second:02}.{rest_us:06}0,128,64\n"));
        at_us += if in_minute_us < 5_000_000 { 16_667 } else { 100_000 };
    }
    std::fs::write(folder.path().join("bursts.csv"), rows.concat()).expect("written");
    let words = ["--replica-rate", "20/s", "--slo", "p99 e2e<=500ms", "--check", "mdc:servers=1,service=45ms"];
    for demand in [["--demand-trace", "bursts.csv"], ["--profile", "constant 60/s 5s; constant 10/s 55s; repeat"]] {
        let found = fleet(folder.path(), &[&words[..], &demand].concat());
        let burst = &found["demand"]["burst"];
        assert_eq!((&found["replicas"], &burst["length_s"]), (&json!(1), &json!(5.0)), "{burst}");
        assert!(burst["rate_per_s"].as_f64().is_some_and(|rate| (58.0..62.0).contains(&rate)), "{burst}");
        let random = &found["check"]["policies"][0];
        assert_eq!((&random["routing"], &random["result"]), (&json!("random"), &json!("fail")), "{random}");
        assert!(random["attainment"].as_f64().is_some_and(|share| share < 0.8), "{random}");
        let (_, shown, _) = sized(folder.path(), &[&words[..], &demand].concat());
        for wanted in ["NOT COVERED", "MISSED IN THE CHECK", "bursts of ×6 for 5.00 s", "--peak-window 5s"] {
            assert!(shown.contains(wanted), "{wanted}: {shown}");
        }
        assert!(!shown.contains("safe") && shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    }
    // A steady demand with the same peak has no bursts.
    let steady = fleet(folder.path(), &[&words[..], &["--demand", "14.2/s"]].concat());
    assert_eq!((&steady["demand"]["burst"], &steady["check"]["policies"][0]["result"]), (&Value::Null, &json!("pass")));
}

#[test]
fn where_no_rate_was_decided_the_largest_observed_one_is_offered_uncertified() {
    let folder = folder();
    let words = [
        "run",
        "--sim",
        "delay:ttft=1ms,itl=100us",
        "--output-tokens",
        "4",
        "--requests",
        "20",
        "--rate",
        "100",
        "--out",
        "out",
    ];
    run(folder.path(), &[&words[..], &["--quiet", "--slo", "p50 e2e<=10s"]].concat());
    let path = folder.path().join("out/result.json");
    let mut result = crate::cli::json(&path);
    (result["trials"][0]["health"]["healthy"], result["trials"][0]["verdict"]["result"]) =
        (json!(true), json!("inconclusive"));
    std::fs::write(&path, result.to_string()).expect("written");
    let (code, shown, said) = sized(folder.path(), &["out", "--demand", "1000/s"]);
    assert!(code == Some(0) && shown.contains("UNCERTIFIED") && shown.contains("no rate was decided"), "{said}{shown}");
    let found = fleet(folder.path(), &["out", "--demand", "1000/s"]);
    assert_eq!((&found["replicas"], &found["choices"][0]["capacity"]["evidence"]), (&json!(10), &json!("observed")));
}

#[test]
fn several_kinds_of_hardware_are_mixed_where_that_is_cheapest() {
    let folder = folder();
    let words = ["--replica-rate", "10/s,4/s", "--name", "large,small", "--price", "10/h,4.4/h", "--demand", "24/s"];
    let found = fleet(folder.path(), &words);
    assert_eq!((&found["choices"][0]["replicas"], &found["choices"][1]["replicas"]), (&json!(2), &json!(1)));
    assert_eq!((&found["cost_per_hour"], &found["per_replica_rate_per_s"]), (&json!(24.4), &Value::Null));
    let (_, shown, _) = sized(folder.path(), &words);
    assert!(shown.contains("2 × large + 1 × small") && shown.contains("2 × 10 + 1 × 4 = 24 ≥ 24"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
}

#[test]
fn classes_of_requests_share_their_replicas_and_growth_multiplies_the_demand() {
    let folder = folder();
    let words = ["--replica-rate", "10/s,2/s", "--name", "chat,rag", "--demand", "30/s,5/s", "--price", "2/h"];
    let found = fleet(folder.path(), &words);
    // 30 ÷ 10 + 5 ÷ 2 = 5.5.
    assert_eq!(
        (&found["replicas"], &found["demand_per_s"], &found["cost_per_hour"]),
        (&json!(6), &json!(35.0), &json!(12.0))
    );
    let rate = found["per_replica_rate_per_s"].as_f64().expect("a rate");
    assert!((rate - 35.0 / 5.5).abs() < 1e-9, "{rate}");
    assert_eq!(found["choices"][0]["capacity"]["classes"][1]["name"], json!("rag"));
    let (_, shown, _) = sized(folder.path(), &[&words[..], &["--growth", "2"]].concat());
    assert!(shown.starts_with("11 replicas") && shown.contains("70.0/s (stated, times 2)"), "{shown}");
    assert!(shown.contains("chat 30 ÷ 10 + rag 5 ÷ 2"), "{shown}");
}

#[test]
fn a_check_plays_the_demand_against_simulated_replicas_by_routing() {
    let folder = folder();
    let queue = "mmc:servers=1,service=100ms";
    let words = [
        "--replica-rate",
        "6.71/s",
        "--demand",
        "12/s",
        "--headroom",
        "50%",
        "--check",
        queue,
        "--slo",
        "p90 e2e<=700ms",
    ];
    let (code, shown, said) = sized(folder.path(), &words);
    assert_eq!(code, Some(0), "{said}");
    assert!(shown.contains("this describes the simulated mmc"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    insta::assert_snapshot!("size_check", shown);
}

/// The repository's own trace, copied beside the test: a short path keeps the output independent of where the
/// repository is.
fn trace_in(folder: &Path) -> &'static str {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/poisson_10_per_s_60s.csv");
    std::fs::copy(own, folder.join("trace.csv")).expect("a copy");
    "trace.csv"
}

#[test]
fn a_check_takes_the_requests_of_the_trace_or_of_the_result() {
    let folder = folder();
    let trace = trace_in(folder.path());
    let slo = ["--slo", "p90 ttft<=20ms", "--peak-window", "10s"];
    let words = ["--replica-rate", "8/s", "--demand-trace", trace, "--check", "delay:ttft=10ms,itl=1us"];
    let check = &fleet(folder.path(), &[&words[..], &slo].concat())["check"];
    assert_eq!(check["requests_like"], json!(trace));
    assert_eq!(check["policies"].as_array().map(Vec::len), Some(4), "routing by prefix must be checked too");
    let drawn = &fleet(folder.path(), &[&words[..], &slo, &["--check-input", "8..16"]].concat())["check"];
    assert_eq!(drawn["requests_like"], json!("8..16 input, 64 output tokens"));
    let run = [
        "run",
        "--sim",
        "delay:ttft=1ms,itl=100us",
        "--output-tokens",
        "4",
        "--requests",
        "20",
        "--rate",
        "100",
        "--out",
        "out",
    ];
    // The verdict over so few requests does not matter.
    crate::cli::run(folder.path(), &[&run[..], &["--quiet", "--slo", "p50 e2e<=10s"]].concat());
    let path = folder.path().join("out/result.json");
    let mut result = crate::cli::json(&path);
    result["trials"][0]["verdict"]["result"] = json!("pass");
    std::fs::write(&path, result.to_string()).expect("written");
    let check = &fleet(folder.path(), &["out", "--demand", "150/s", "--check", "delay:ttft=1ms,itl=100us"])["check"];
    assert_eq!(
        (&check["requests_like"], &check["objectives"]),
        (&json!("128 input, 4 output tokens"), &json!(["p50 e2e<=10s"]))
    );
}

#[test]
fn the_demand_is_the_peak_of_a_profile_or_of_a_trace() {
    let folder = folder();
    let profile = fleet(
        folder.path(),
        &["--replica-rate", "10/s", "--profile", "ramp 1/s..100/s 60s; hold 120s; ramp 100/s..1/s 60s"],
    );
    assert_eq!((&profile["replicas"], &profile["demand"]["window_s"]), (&json!(10), &json!(60.0)));
    let trace = trace_in(folder.path());
    let words = ["--replica-rate", "10/s", "--demand-trace", trace, "--peak-window", "10s"];
    let found = fleet(folder.path(), &words);
    let curve = found["demand"]["curve"].as_array().expect("a curve");
    assert_eq!(curve.iter().map(|point| point["window_s"].as_f64().unwrap()).collect::<Vec<_>>(), [1.0, 10.0]);
    assert_eq!(found["demand_per_s"], curve[1]["peak_per_s"]);
    let (_, shown, _) = sized(folder.path(), &words);
    assert!(shown.contains("times the mean") && shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_do() {
    let folder = folder();
    std::fs::write(folder.path().join("no.json"), "{\"a\": 1}").expect("written");
    for (words, wanted) in [
        (&["--demand", "5/s"][..], "--replica-rate 4.43/s"),
        (&["--replica-rate", "5/s"], "--demand-trace FILE"),
        (&["--replica-rate", "5/s", "--demand", "5/s", "--profile", "constant 5/s"], "twice"),
        (&["--replica-rate", "5/s", "--demand", "5/s", "--peak-window", "60s"], "--peak-window"),
        (&["--replica-rate", "5/s", "--demand", "5/s", "--time-unit", "ms"], "--time-unit"),
        (&["--replica-rate", "5/s", "--demand", "5/s", "--slo", "p99 ttft<=1s"], "--slo"),
        (&["--replica-rate", "5/s,6/s", "--demand", "5/s", "--price", "1,2,3"], "3 values for 2"),
        (&["--replica-rate", "1/s,2/s,3/s,4/s,5/s", "--demand", "5/s"], "1 to 4"),
        (&["--replica-rate", "5/s", "--demand", "50/s", "--stock", "2"], "--stock"),
        (&["--replica-rate", "5/s", "--demand", "50/s", "--headroom", "-5%"], "0% to 100%"),
        (&["no.json", "--replica-rate", "5/s", "--demand", "50/s"], "instead of a RESULT"),
        (&["no.json", "--demand", "50/s", "--slo", "p99 ttft<=1s"], "not a result of tonnage"),
        (&["--replica-rate", "5/s", "--demand", "5/s,6/s"], "one for each class"),
        (&["--replica-rate", "5/s,6/s", "--demand", "5/s,6/s", "--gpus-per-replica", "1,2"], "2 values for 1"),
        (&["--replica-rate", "5/s", "--demand", "5/s", "--growth", "0"], "0.001 to 1000"),
        (&["--replica-rate", "5/s", "--demand", "5/s", "--check", "small"], "--slo"),
        (&["--replica-rate", "5/s", "--demand", "5/s", "--check-input", "5"], "--check PROFILE"),
        (&["--replica-rate", "5/s,6/s", "--demand", "5/s", "--check", "small", "--slo", "p99 ttft<=1s"], "--check"),
        (&["--replica-rate", "1/s", "--demand", "65/s", "--check", "small", "--slo", "p99 ttft<=1s"], "at most 64"),
        (&["--replica-rate", "5/s", "--demand", "5/s", "--balancing", "sticky"], "random or round-robin"),
        (&["absent.json", "--demand", "50/s"], "absent.json"),
    ] {
        let (code, shown, said) = sized(folder.path(), words);
        assert!(code == Some(2) && said.contains(wanted) && shown.is_empty(), "{words:?}: {code:?} {said}");
    }
}

#[test]
fn a_fleet_for_a_mix_has_the_demand_of_each_class() {
    let folder = folder();
    let measured = |mix: &str, out: &str| {
        let words = ["run", "--sim", "delay:ttft=1ms,itl=100us", "--requests", "20", "--rate", "100", "--quiet"];
        let output = run(folder.path(), &[&words[..], &["--mix", mix, "--out", out]].concat());
        let path = folder.path().join(out).join("result.json");
        assert!(path.exists(), "{}", text(&output.stderr));
        // The send lag of a busy machine is not tested here.
        let mut result = crate::cli::json(&path);
        result["trials"][0]["health"]["healthy"] = json!(true);
        std::fs::write(&path, result.to_string()).expect("written");
    };
    measured("{chat: {weight: 70, output-tokens: 2}, batch: {weight: 30%, output-tokens: 4}}", "a");
    let words = ["a", "--demand", "1000/s", "--slo", "p50 e2e<=10s"];
    let found = fleet(folder.path(), &words);
    let (replica, replicas) = (found["per_replica_rate_per_s"].as_f64(), found["replicas"].as_f64());
    let carried = replica.zip(replicas).map(|(rate, number)| rate * number).expect("a fleet");
    let near = |found: &Value, expected: f64| found.as_f64().is_some_and(|it| (it / expected - 1.0).abs() < 1e-9);
    let classes = found["classes"].as_array().expect("classes");
    for (class, (name, share)) in classes.iter().zip([("batch", 0.3), ("chat", 0.7)]) {
        assert_eq!(class["name"], name);
        let own = [("share", share), ("demand_per_s", share * 1000.0), ("carried_per_s", share * carried)];
        assert!(own.iter().all(|(key, expected)| near(&class[key], *expected)), "{class}");
        assert!(near(&class["per_replica_rate_per_s"], share * replica.expect("a rate")), "{class}");
    }
    let (_, shown, _) = sized(folder.path(), &words);
    assert!(shown.contains("demand  sized by  fleet carries"), "{shown}");
    measured("{chat: {weight: 50}, batch: {weight: 50}}", "b");
    let (code, _, said) = sized(folder.path(), &[&["b"][..], &words].concat());
    assert!(code == Some(2) && said.contains("other classes of requests") && said.contains("--mix"), "{said}");
}
