//! Owns the tests of `tonnage run` as a user runs it: what it shows, what it stores, and what it prints when it ends.

use std::process::Stdio;

use serde_json::Value;

use crate::cli::{Simulated, folder, interrupt, json, run, text, tonnage};

#[test]
fn a_run_without_target_is_simulated_and_says_so_everywhere() {
    let folder = folder();
    let output = run(
        folder.path(),
        &["run", "--rate", "50", "--duration", "1s", "--label", "first", "--metadata", "gpu=none", "--out", "out"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    assert!(shown.contains("SIMULATED") && shown.contains("label: first"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let result = json(&folder.path().join("out/result.json"));
    for key in [
        "schema",
        "tool",
        "started",
        "host",
        "command",
        "config",
        "seed",
        "plan_fingerprint",
        "body_fingerprint",
        "target",
        "trials",
    ] {
        assert!(!result[key].is_null(), "{key}");
    }
    let trial = &result["trials"][0];
    for key in [
        "label",
        "load",
        "window",
        "requests",
        "run_totals",
        "rates",
        "throughput",
        "concurrency",
        "metrics",
        "slo",
        "health",
        "verdict",
        "histograms",
    ] {
        assert!(!trial[key].is_null(), "{key}");
    }
    assert_eq!(
        (&result["target"]["simulated"], &result["metadata"]["gpu"]),
        (&Value::from(true), &Value::from("none"))
    );
    assert_eq!(trial["requests"]["planned"], trial["requests"]["completed"]);
    assert_eq!(trial["verdict"]["result"], "none");
    let records = std::fs::read_to_string(folder.path().join("out/records.jsonl")).expect("records");
    assert_eq!(Value::from(records.lines().count() - 1), trial["run_totals"]["planned"]);

    let again = run(folder.path(), &["report", "out"]);
    assert_eq!(text(&again.stdout), shown, "a report from the records must give the same text");
    let saved = run(folder.path(), &["report", "out/result.json", "--json"]);
    assert_eq!(serde_json::from_slice::<Value>(&saved.stdout).expect("JSON")["trials"][0]["metrics"], trial["metrics"]);
    std::fs::remove_file(folder.path().join("out/records.jsonl")).expect("removed");
    assert_eq!(
        text(&run(folder.path(), &["report", "out/result.json"]).stdout),
        shown,
        "a report from the saved figures must give the same text"
    );

    // The stored configuration repeats the plan and the request bytes.
    let repeated = run(folder.path(), &["run", "-c", "out/config.yaml", "--out", "two", "--json"]);
    let repeated: Value = serde_json::from_slice(&repeated.stdout).expect("nothing but JSON");
    for key in ["plan_fingerprint", "body_fingerprint", "config"] {
        assert_eq!(repeated[key], result[key], "{key}");
    }
}

#[test]
fn completions_are_run_with_the_tokens_of_each_event() {
    let folder = folder();
    let words = [
        "run",
        "--endpoint",
        "completions",
        "--continuous-usage",
        "--rate",
        "50",
        "--requests",
        "20",
        "--out",
        "out",
        "--json",
    ];
    let output = run(folder.path(), &words);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let result: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let trial = &result["trials"][0];
    assert_eq!((&result["config"]["endpoint"], &trial["requests"]["completed"]), (&"completions".into(), &20.into()));
    let between = &trial["metrics"]["tbt"]["value"];
    assert_eq!(between["count"], 20 * 63, "between the 64 tokens of each answer: {between}");
    let refused = run(
        folder.path(),
        &["run", "--endpoint", "completions", "--output-field", "max_completion_tokens", "--requests", "5"],
    );
    assert_eq!(
        (refused.status.code(), text(&refused.stderr).contains("--output-field")),
        (Some(2), true),
        "{}",
        text(&refused.stderr)
    );
}

#[test]
fn a_simulated_server_stays_marked_whatever_its_model_is_called() {
    // Regression: --model skips model discovery, and once lost the SIMULATED mark too.
    let folder = folder();
    let server = Simulated::start(folder.path(), &[]);
    let words = [
        "run",
        "--target",
        &server.url,
        "--model",
        "mine",
        "--no-preflight",
        "--requests",
        "3",
        "--rate",
        "100",
        "--output-tokens",
        "2",
        "--out",
        "out",
    ];
    let output = run(folder.path(), &words);
    assert!(text(&output.stdout).contains("SIMULATED"), "{} {}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn the_verdict_is_the_exit_code() {
    let folder = folder();
    let load = ["run", "--rate", "100", "--duration", "300ms", "--process", "even", "--quiet"];
    for (slo, code) in [("p50 e2e<=1ms", 1), ("p99 e2e<=10s", 4)] {
        let output = run(folder.path(), &[&load[..], &["--slo", slo]].concat());
        assert_eq!(output.status.code(), Some(code), "{slo}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "--quiet must print nothing");
    }
}

#[test]
fn a_closed_loop_is_headed_closed() {
    let folder = folder();
    let output = run(
        folder.path(),
        &[
            "run",
            "--load",
            "concurrent:4",
            "--requests",
            "8",
            "--output-tokens",
            "4",
            "--records",
            "off",
            "--out",
            "out",
        ],
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("*closed*"));
    assert!(!folder.path().join("out/records.jsonl").exists());
    assert_eq!(json(&folder.path().join("out/result.json"))["trials"][0]["load"]["concurrency"], 4);
}

#[test]
fn an_interrupted_run_writes_what_it_has() {
    let folder = folder();
    let mut child = tonnage(folder.path());
    child
        .args(["run", "--rate", "50", "--duration", "10m", "--output-tokens", "8", "--out", "out", "--quiet"])
        .stderr(Stdio::piped());
    let mut child = child.spawn().expect("the binary runs");
    let records = folder.path().join("out/records.jsonl");
    while !records.exists() {
        assert!(child.try_wait().expect("a child").is_none(), "the run must still be in progress");
        std::thread::yield_now();
    }
    interrupt(&child);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("interrupt again"));
    let trial = &json(&folder.path().join("out/result.json"))["trials"][0];
    assert_eq!(trial["ended"], "interrupted");
    assert!(trial["requests"]["not_due"].as_u64().is_some_and(|number| number > 20_000), "{}", trial["requests"]);
}

#[test]
fn faults_of_a_server_are_counted_and_its_truth_is_written() {
    let folder = folder();
    let server = Simulated::start(folder.path(), &["--fault", "status:503@50%", "--truth", "truth.jsonl"]);
    let words = ["run", "--target", &server.url, "--no-preflight", "--rate", "40", "--requests", "40", "--out", "out"];
    let output = run(folder.path(), &words);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("SIMULATED") && text(&output.stdout).contains("status_503"),
        "{}",
        text(&output.stdout)
    );
    assert_eq!(
        text(&run(folder.path(), &["report", "out"]).stdout),
        text(&output.stdout),
        "a report from the records must include the failures"
    );
    let counts = &json(&folder.path().join("out/result.json"))["trials"][0]["requests"];
    assert_eq!(counts["failed"], counts["failures"]["status_503"]);
    let (code, said) = server.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("own lateness"), "{said}");
    assert_eq!(std::fs::read_to_string(folder.path().join("truth.jsonl")).expect("truth").lines().count(), 40);
}

#[test]
fn a_configuration_stored_by_an_earlier_version_repeats_its_bytes() {
    // As it was stored when prompts were words unless another content was named, with the fingerprints of that run.
    let stored = "api-key-age: 5m\nconnect-timeout: 10s\ncooldown: 0s\ndrain: 60s\nduration: 200ms\nendpoint: chat\n\
        idle-timeout: 4s\ninput-tokens: 20\noutput-tokens: 2\nprocess: poisson\nrate: 100\nrecords: jsonl\nsalt: abc\n\
        seed: 17\nsim: delay:ttft=2ms,itl=1ms\ntimeout: 600s\nwait-ready: 0s\nwarmup: 0s\n";
    let folder = folder();
    std::fs::write(folder.path().join("earlier.yaml"), stored).expect("written");
    let of = |words: &[&str]| {
        let output =
            run(folder.path(), &[&["run", "-c", "earlier.yaml", "--json", "--out", "out", "--force"], words].concat());
        let result: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let fingerprint = |key: &str| result[key].as_str().map(str::to_owned);
        (fingerprint("plan_fingerprint"), fingerprint("body_fingerprint"), text(&output.stderr))
    };
    let (plan, bodies, said) = of(&[]);
    assert_eq!(plan.as_deref(), Some("c97282a54f98459b19029150160799e7"));
    assert_eq!(bodies.as_deref(), Some("0f48165a37bc6233d3a3ce8272c3f8c3"));
    assert!(
        said.contains("earlier.yaml is of a version without --content: it is repeated with --content words"),
        "{said}"
    );
    let (same_plan, other_bodies, said) = of(&["--content", "text"]);
    assert!(same_plan == plan && other_bodies != bodies && !said.contains("is of a version"), "{said}");
    // What this run stores names its content, so that it repeats its own bytes.
    assert!(std::fs::read_to_string(folder.path().join("out/config.yaml")).expect("written").contains("content: text"));
}
