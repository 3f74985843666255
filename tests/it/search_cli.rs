//! Owns the tests of `tonnage search` as a user runs it: the answer and what is stored of it, verdicts and exit
//! codes.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use tonnage::clock::RunClock;

use crate::cli::{Simulated, folder, json, run, text};
use crate::search::engine::long_run;

/// A service that a search measures within seconds: four servers of 2 ms, with an objective on p50.
const QUICK: &[&str] = &[
    "--sim",
    "mmc:servers=4,service=2ms",
    "--input-tokens",
    "1",
    "--output-tokens",
    "1",
    "--slo",
    "p50 ttft<=1s",
    "--out",
    "out",
    "--no-certificate",
];

pub(crate) fn searched(folder: &Path, words: &[&str]) -> Output {
    run(folder, &["search"].iter().chain(words).copied().collect::<Vec<_>>())
}

#[test]
fn a_search_states_its_answer_and_is_rendered_again_with_the_same_numbers() {
    let folder = folder();
    let output =
        searched(folder.path(), &[QUICK, &["--max-rate", "250/s", "--precision", "50%", "--label", "quick"]].concat());
    let (shown, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}{shown}");
    assert!(
        said.contains("±50 % takes about") && said.contains("floor: 6") && said.contains("keeps up with 250/s"),
        "{said}"
    );
    for wanted in [
        "SIMULATED",
        "label: quick",
        "carries at least",
        "with 95 % confidence",
        "poisson arrivals",
        "probe",
        "p50 ttft<=1s",
    ] {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let result = json(&folder.path().join("out/result.json"));
    let search = &result["search"];
    assert_eq!(
        (search["finished"].as_str(), search["limited_by"].as_str()),
        (Some("max_rate_reached"), Some("max_rate"))
    );
    for key in [
        "safe_rate_per_s",
        "best_rate_per_s",
        "interval_per_s",
        "confidence",
        "requests",
        "effective_requests",
        "spent_s",
    ] {
        assert!(!search[key].is_null(), "{key}: {search}");
    }
    let safe = search["safe_rate_per_s"].as_f64().expect("a rate");
    assert!((125.0..=250.0).contains(&safe), "{safe}");
    let (trials, loads) = (result["trials"].as_array().expect("trials"), search["loads"].as_array().expect("loads"));
    assert!(trials.len() == loads.len() && !search["probes"].as_array().expect("probes").is_empty());
    for load in loads {
        let point = load["point"].as_u64().expect("a number");
        assert!(folder.path().join(format!("out/points/{point:02}/records.jsonl")).exists(), "{load}");
    }
    // The counts of the probes must equal the counts of their trials.
    let probing = loads.iter().zip(trials).filter(|(load, _)| load["purpose"] == "probe" && load["kept"] == "evidence");
    for ((load, trial), probe) in probing.zip(search["probes"].as_array().into_iter().flatten()) {
        assert_eq!(probe["rate_per_s"], trial["load"]["rate_per_s"], "{load}");
        let judged = &trial["slo"]["objectives"][0];
        assert_eq!(
            (&probe["counts"][0]["misses"], &probe["counts"][0]["decided"]),
            (&judged["misses"], &judged["decided"]),
            "{load}"
        );
    }
    let again = run(folder.path(), &["report", "out"]);
    assert_eq!((again.status.code(), text(&again.stdout)), (Some(0), shown), "{}", text(&again.stderr));
    let sized = run(folder.path(), &["size", "out", "--demand", "1000/s"]);
    assert_eq!(
        (sized.status.code(), text(&sized.stdout).contains("UNCERTIFIED")),
        (Some(0), false),
        "{}",
        text(&sized.stderr)
    );
    let resumed = searched(folder.path(), &["--resume", "out"]);
    assert_eq!((resumed.status.code(), text(&resumed.stderr).contains("had finished")), (Some(0), true));
}

#[test]
fn a_search_over_users_says_that_its_loop_is_closed_sizes_no_fleet_and_is_certified_afterwards() {
    let folder = folder();
    let output = searched(folder.path(), &[QUICK, &["--over", "concurrency", "--max-concurrency", "6"]].concat());
    let (shown, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}{shown}");
    for wanted in [
        "carries at least 6 users in flight",
        "no measurement of an open load",
        "a higher --max-concurrency",
        "it completes",
    ] {
        assert!(shown.replace("\n  ", " ").contains(wanted), "{wanted}: {shown}");
    }
    let result = json(&folder.path().join("out/result.json"));
    let search = &result["search"];
    assert_eq!(
        (search["over"].as_str(), search["safe_concurrency"].as_u64()),
        (Some("concurrency"), Some(6)),
        "{search}"
    );
    assert_eq!(
        (search["interval_concurrency"].to_string().as_str(), search["probes"][0]["concurrency"].as_u64()),
        ("[6,null]", Some(2))
    );
    let again = run(folder.path(), &["report", "out"]);
    assert_eq!((again.status.code(), text(&again.stdout)), (Some(0), shown), "{}", text(&again.stderr));
    let sized = run(folder.path(), &["size", "out", "--demand", "1000/s"]);
    assert_eq!(
        (sized.status.code(), text(&sized.stderr).contains("without --over")),
        (Some(2), true),
        "{}",
        text(&sized.stderr)
    );
    let resumed = searched(folder.path(), &["--resume", "out"]);
    assert_eq!((resumed.status.code(), text(&resumed.stderr).contains("had finished")), (Some(0), true));
    let certified = searched(folder.path(), &["--resume", "out", "--certificate"]);
    assert_eq!(certified.status.code(), Some(0), "{}{}", text(&certified.stderr), text(&certified.stdout));
    assert!(
        text(&certified.stderr).contains("the certificate takes")
            && text(&certified.stdout).replace('\n', " ").contains("certified by a fresh run")
    );
    let after = json(&folder.path().join("out/result.json"));
    assert_eq!(after["search"]["certificate"]["result"], "pass");
    let (trials, played) = (result["trials"].as_array().expect("trials"), after["trials"].as_array().expect("trials"));
    assert_eq!(
        (&played[..trials.len()], played.len()),
        (trials.as_slice(), trials.len() + 1),
        "one more load, and the other loads unchanged"
    );
    let again = searched(folder.path(), &["--resume", "out", "--certificate"]);
    assert!(
        text(&again.stderr).contains("had finished"),
        "a finished certificate must not be repeated: {}",
        text(&again.stderr)
    );
}

#[test]
fn a_search_over_the_time_scale_plays_passes_of_a_trace_and_says_what_they_mean() {
    let folder = folder();
    let rows = |number: usize| {
        let row = |place: usize| {
            format!("{{\"timestamp\": {}, \"input_length\": 4, \"output_length\": 1, \"hash_ids\": []}}\n", 10 * place)
        };
        (0..number).map(row).collect::<String>()
    };
    std::fs::write(folder.path().join("trace.jsonl"), rows(150)).expect("written");
    let words = [
        "--over",
        "time-scale",
        "trace.jsonl",
        "--sim",
        "mmc:servers=4,service=2ms",
        "--slo",
        "p50 ttft<=1s",
        "--out",
        "out",
    ];
    let output = searched(folder.path(), &[&words[..], &["--max-time-scale", "3"]].concat());
    let (shown, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}{shown}");
    assert!(
        said.contains("150 rows of mooncake")
            && said.contains("one pass of the trace, 150 requests: 1.50 s at the recorded speed"),
        "{said}"
    );
    for wanted in
        ["carries at least 3.00 × the trace", "recorded arrivals", "3.00 × is 300/s on average", "another day's trace"]
    {
        assert!(shown.replace("\n  ", " ").contains(wanted), "{wanted}: {shown}");
    }
    let result = json(&folder.path().join("out/result.json"));
    let search = &result["search"];
    assert_eq!(
        (search["over"].as_str(), search["safe_time_scale"].as_f64()),
        (Some("time_scale"), Some(3.0)),
        "{search}"
    );
    assert_eq!(
        (search["finished"].as_str(), search["probes"][0]["time_scale"].as_f64()),
        (Some("max_time_scale_reached"), Some(3.0))
    );
    assert!(search["safe_mean_rate_per_s"].as_f64().is_some_and(|per_s| (per_s - 300.0).abs() < 1e-6), "{search}");
    let pass = &result["trials"].as_array().and_then(|trials| trials.last()).expect("trials")["load"];
    assert_eq!((pass["kind"].as_str(), pass["trace"]["time_scale"].as_f64()), (Some("replay"), Some(3.0)), "{pass}");
    let again = run(folder.path(), &["report", "out"]);
    assert_eq!((again.status.code(), text(&again.stdout)), (Some(0), shown), "{}", text(&again.stderr));
    let sized = run(folder.path(), &["size", "out", "--demand", "1000/s"]);
    assert_eq!(
        (sized.status.code(), text(&sized.stderr).contains("over time-scale")),
        (Some(2), true),
        "{}",
        text(&sized.stderr)
    );
    let resumed = searched(folder.path(), &["--resume", "out"]);
    assert_eq!(
        (resumed.status.code(), text(&resumed.stderr).contains("had finished")),
        (Some(0), true),
        "{}",
        text(&resumed.stderr)
    );
    // An unfinished search must not be resumed with other rows: its loads were sent with these rows.
    let mut unfinished = result.clone();
    unfinished["search"]["finished"] = Value::Null;
    std::fs::write(folder.path().join("out/result.json"), unfinished.to_string()).expect("written");
    std::fs::write(folder.path().join("trace.jsonl"), rows(151)).expect("written");
    let other = searched(folder.path(), &["--resume", "out"]);
    assert_eq!(
        (other.status.code(), text(&other.stderr).contains("began with 150")),
        (Some(2), true),
        "{}",
        text(&other.stderr)
    );
}

#[test]
fn what_no_load_can_meet_is_infeasible_with_exit_1() {
    let folder = folder();
    let words = ["--sim", "delay:ttft=30ms,itl=1ms", "--output-tokens", "2", "--slo", "p99 ttft<=20ms", "--out", "out"];
    let output = searched(folder.path(), &words);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("INFEASIBLE: the unloaded service misses p99 ttft<=20ms"),
        "{}",
        text(&output.stdout)
    );
    let result = json(&folder.path().join("out/result.json"));
    assert_eq!(
        (&result["search"]["finished"], &result["search"]["safe_rate_per_s"]),
        (&Value::from("infeasible"), &Value::Null)
    );
}

#[test]
fn a_server_that_fails_two_in_a_hundred_is_infeasible_where_one_may() {
    let folder = folder();
    let server = Simulated::start(folder.path(), &["--sim", "delay:ttft=0,itl=0", "--fault", "status:503@2%"]);
    let words = ["--target", &server.url, "--output-tokens", "1", "--slo", "error_rate<=1%", "--out", "out"];
    let output = searched(folder.path(), &words);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("INFEASIBLE: the unloaded service misses error_rate<=1%"),
        "{}",
        text(&output.stdout)
    );
    let result = json(&folder.path().join("out/result.json"));
    assert_eq!(result["search"]["limited_by"], "error_rate<=1%");
    assert!(folder.path().join("out/points/01/failures.jsonl").exists());
}

#[test]
fn a_budget_that_buys_nothing_is_inconclusive_with_exit_4() {
    let folder = folder();
    // Slow enough that a busy machine sends in time.
    let words = ["--sim", "mmc:servers=4,service=10ms", "--input-tokens", "1", "--output-tokens", "1"];
    let more = ["--slo", "p50 ttft<=1s", "--budget", "600", "--out", "out"];
    let output = searched(folder.path(), &[&words[..], &more[..]].concat());
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("your budget does not buy ±50 %"), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    assert!(shown.contains("the budget is spent") && !shown.contains("--max-rate ended"), "{shown}");
}

#[test]
fn what_a_search_cannot_do_is_refused_with_what_to_do_instead() {
    let folder = folder();
    for (words, wanted) in [
        (vec![], "--slo"),
        (vec!["--slo", "max ttft<=1s"], "p99"),
        (vec!["--slo", "p99 ttft<=1s", "--rate", "5/s"], "--min-rate"),
        (vec!["--slo", "p99 ttft<=1s", "--duration", "5s"], "--budget"),
        (vec!["--slo", "p99 ttft<=1s", "--max-in-flight", "5"], "drop it"),
        (vec!["--slo", "p99 ttft<=1s", "--precision", "0.1%"], "1% to 50%"),
        (vec!["--slo", "p99 ttft<=1s", "--min-rate", "5/s", "--max-rate", "4/s"], "below the highest"),
        (vec!["--slo", "p99 ttft<=1s", "--budget", "0"], "30m"),
        (vec!["--slo", "p99 ttft<=1s", "--over", "latency"], "accepted is rate, concurrency, time-scale"),
        (
            vec!["--slo", "p99 ttft<=1s", "--over", "concurrency", "--max-rate", "5/s"],
            "--min-concurrency and --max-concurrency bound this one",
        ),
        (vec!["--slo", "p99 ttft<=1s", "--max-concurrency", "5"], "give --over concurrency"),
        (vec!["--slo", "p99 ttft<=1s", "--over", "time-scale"], "no trace is given"),
        (vec!["--slo", "p99 ttft<=1s", "trace.csv"], "give --over time-scale"),
        (vec!["--slo", "p99 ttft<=1s", "--window", "0s..5s"], "give --over time-scale and the trace"),
        (
            vec!["--slo", "p99 ttft<=1s", "--over", "time-scale", "trace.csv", "--time-scale", "2"],
            "--over time-scale searches for it",
        ),
        (
            vec!["--slo", "p99 ttft<=1s", "--over", "time-scale", "trace.csv", "--input-tokens", "5"],
            "the trace brings the length",
        ),
        (
            vec!["--slo", "p99 ttft<=1s", "--over", "time-scale", "trace.csv", "--think", "after-completion"],
            "gives way to a slow service",
        ),
        (
            vec!["--slo", "p99 ttft<=1s", "--over", "time-scale", "trace.csv", "--max-rate", "5/s"],
            "--min-time-scale and --max-time-scale bound",
        ),
        (
            vec!["--slo", "p99 ttft<=1s", "--over", "concurrency", "--process", "even"],
            "closed loops send when answers come",
        ),
        (
            vec!["--slo", "p99 ttft<=1s", "--over", "concurrency", "--min-concurrency", "8", "--max-concurrency", "4"],
            "below the highest",
        ),
    ] {
        let output = searched(folder.path(), &words);
        assert_eq!(
            (output.status.code(), text(&output.stderr).contains(wanted)),
            (Some(2), true),
            "{words:?}: {}",
            text(&output.stderr)
        );
    }
}

#[test]
#[ignore = "up to 15 minutes of real time: cargo test --release --test it search_cli -- --ignored --nocapture"]
fn over_sockets_the_interval_covers_the_truth_of_virtual_time() {
    for (profile, input, output, slo, allowed) in [
        ("mmc:servers=4,service=40ms", "1", "1", "p99 ttft<=300ms", 0.01),
        // Short responses at some hundred per second: ±20 % of this engine at 33/s would take half an hour.
        ("small", "64", "8", "p90 ttft<=200ms", 0.1),
    ] {
        let folder = folder();
        let server = Simulated::start(folder.path(), &["--sim", profile, "--truth", "truth.jsonl"]);
        let words = [
            "--target",
            &server.url,
            "--slo",
            slo,
            "--precision",
            "20%",
            "--input-tokens",
            input,
            "--output-tokens",
            output,
        ];
        let done = searched(folder.path(), &[&words[..], &["--out", "out", "--workers", "1"]].concat());
        println!("{}\n{}", text(&done.stderr), text(&done.stdout));
        assert_eq!(done.status.code(), Some(0));
        let result = json(&folder.path().join("out/result.json"));
        let bound = |place: usize| result["search"]["interval_per_s"][place].as_f64().expect("a rate");
        let ends =
            [0, 1].map(|place| (bound(place), long_run(profile, (input, output), slo, bound(place), 400_000)[0]));
        drop(server);
        let truth = std::fs::read_to_string(folder.path().join("truth.jsonl")).expect("the truth");
        let rows: Vec<Value> = truth.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let mut late_us: Vec<u64> = rows.iter().filter_map(|row| Some(row["late_mean_ns"].as_u64()? / 1_000)).collect();
        late_us.sort_unstable();
        let late = |share: f64| late_us.get((share * late_us.len() as f64) as usize).copied();
        println!(
            "{profile}: misses at the ends {ends:?}; the server itself was late by {:?} µs (p50), {:?} µs (p99)",
            late(0.5),
            late(0.99)
        );
        assert!(ends[0].1 <= allowed && ends[1].1 >= allowed, "{profile}: {ends:?}");
        assert!(result["search"]["spent_s"].as_f64().is_some_and(|spent_s| spent_s < 600.0));
    }
}

#[test]
#[ignore = "two minutes of real time: cargo test --release --test it budgets_hold_over_sockets -- --ignored \
    --nocapture"]
fn budgets_hold_over_sockets() {
    let folder = folder();
    for (profile, output_tokens, slo, budget_s) in [
        ("delay:ttft=20ms,itl=5ms", "8", "p90 ttft<=1s", 20.0),
        ("mmc:servers=4,service=100ms", "1", "p99 ttft<=750ms", 20.0),
        ("mmc:servers=2,service=1s", "1", "p90 e2e<=5s", 15.0),
        ("small", "16", "p99 ttft<=200ms", 30.0),
        ("8b-h100", "64", "p99 tpot<=50ms", 20.0),
    ] {
        let budget = format!("{budget_s}s");
        let words = [
            "--sim",
            profile,
            "--output-tokens",
            output_tokens,
            "--slo",
            slo,
            "--budget",
            &budget,
            "--out",
            "out",
            "--force",
        ];
        let clock = RunClock::starting_in(Duration::ZERO);
        let output = searched(folder.path(), &words);
        let took_s = clock.now().as_secs();
        println!(
            "{profile} within {budget}: {took_s:.1} s, exit {:?}: {}",
            output.status.code(),
            text(&output.stdout).lines().nth(3).unwrap_or("")
        );
        assert!(took_s <= 1.1 * budget_s, "{profile} within {budget}: {took_s} s");
        assert!(json(&folder.path().join("out/result.json"))["search"]["finished"].is_string(), "{profile}");
    }
}
