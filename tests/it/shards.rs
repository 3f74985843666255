//! Owns the tests of shards: several machines send one plan, and their merged results equal one run of the plan.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tonnage::clock::RunClock;
use tonnage::engine::{HEAD_START, LivePlayer, Settings};
use tonnage::figures::TrialView;
use tonnage::metrics::{Concurrency, Metric, Objectives};
use tonnage::play::{Segment, StopRule, Trial};
use tonnage::record::Record;
use tonnage::schedule::{Arrival, Extent, Process, Quota, Timeline};
use tonnage::seed::Seed;
use tonnage::sim;
use tonnage::units::{Rate, Shard};
use tonnage::workload::{BodyFingerprint, Load, Plan, Workload, describe, export};

use crate::cli::{Simulated, folder, interrupt, json, run, text, tonnage};
use crate::scripted::{Fate, Script, Scripted};

const MS: Duration = Duration::from_millis(1);

fn shard(number: u32, of: u32) -> Shard {
    Shard::new(number, of).expect("a shard")
}

/// Gamma arrivals for 6 s after 1 s of warm-up, with a quota that removes some.
fn plan() -> Plan {
    let (rate, second) = (Rate::new(40.0).expect("a rate"), Duration::from_secs(1));
    let timeline = Timeline::new(
        Process::gamma(1.7).expect("a law"),
        rate,
        Extent::Duration(6 * second),
        second,
        second,
        Seed::new(7),
    );
    let quota: Quota = "45/s".parse().expect("a quota");
    Plan::new(Load::Open(timeline), Workload::default(), Seed::new(7), Some(quota))
}

#[test]
fn the_shards_of_a_plan_are_the_plan_each_request_once_with_its_own_number() {
    let whole = plan();
    let every: Vec<Arrival> = whole.arrivals().collect();
    assert!(
        whole.dropped().values().sum::<u64>() > 0,
        "the quota must remove some requests, so that numbers have gaps"
    );
    for of in [1, 2, 3, 7] {
        let mut together: Vec<Arrival> = Vec::new();
        for number in 1..=of {
            let part = whole.clone().sharded(shard(number, of));
            assert_eq!(
                part.fingerprint(),
                whole.fingerprint(),
                "every shard must carry the fingerprint of the whole plan"
            );
            assert_eq!(part.arrivals().collect::<Vec<_>>(), every);
            let share: Vec<Arrival> = part.share().collect();
            assert!(share.iter().all(|arrival| arrival.index % u64::from(of) == u64::from(number) - 1));
            for arrival in share.iter().step_by(13) {
                assert_eq!(
                    part.spec(arrival.index),
                    whole.spec(arrival.index),
                    "its prompt must be the prompt of the whole plan"
                );
            }
            let described = describe(&part).expect("a description");
            assert_eq!(
                (described.planned, described.share.map(|share| share.planned)),
                (every.len() as u64, Some(share.len() as u64))
            );
            let mut rows = Vec::new();
            export(&part, &mut rows).expect("written");
            assert_eq!(text(&rows).lines().count(), share.len() + 1);
            together.extend(share);
        }
        together.sort_by_key(|arrival| arrival.index);
        assert_eq!(together, every, "{of} shards");
    }
    let simulated = sim::run(&whole.clone().sharded(shard(2, 3)), "delay".parse().expect("a profile"), Seed::new(1));
    assert!(
        simulated.iter().all(|record| record.id % 3 == 1) && !simulated.is_empty(),
        "virtual time must send only the shard too"
    );
}

/// Some requests are slow, some break, a few hang or stall. The fate depends only on the request number, not on the
/// sender.
fn fate(id: u64) -> Fate {
    match id % 23 {
        3 => Fate::Breaks(7 * MS),
        5 => Fate::Stalls(200 * MS),
        7 | 11 => Fate::Answers(450 * MS),
        13 => Fate::Hangs,
        _ => Fate::Answers(MS * u32::try_from(20 + id % 40).expect("small")),
    }
}

/// Runs each of `plans` in its own session, concurrently under one paused clock, from one origin.
fn side_by_side(plans: Vec<Plan>) -> Vec<(Trial, Vec<Record>)> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true);
    builder.build_local(tokio::runtime::LocalOptions::default()).expect("a runtime").block_on(async {
        let clock = RunClock::starting_in(4 * HEAD_START);
        let asked = Arc::new(
            Objectives::parse(&["p90 ttft<=300ms", "tpot<=40ms", "error_rate<=20%"], None, None).expect("objectives"),
        );
        let mut playing = Vec::new();
        for plan in plans {
            let asked = Arc::clone(&asked);
            playing.push(tokio::task::spawn_local(async move {
                let settings =
                    Settings { timeout: Duration::from_secs(3), drain: Duration::from_secs(5), max_in_flight: None };
                let mut session = LivePlayer::local::<Scripted>(settings, Arc::new(Box::new(fate) as Script), Scripted);
                let records = Rc::new(RefCell::new(Vec::new()));
                let filed = Rc::clone(&records);
                let sink = Box::new(move |record: &Record| filed.borrow_mut().push(record.clone()));
                let segment =
                    Segment { label: "test".to_owned(), plan: Arc::new(plan), objectives: asked, streamed: true };
                let settling = session.play_from(clock, segment, StopRule::Never, sink).await.expect("played");
                (settling.await.expect("a trial"), records.take())
            }));
        }
        let mut played = Vec::new();
        for task in playing {
            played.push(task.await.expect("it ends"));
        }
        played
    })
}

#[test]
fn shards_side_by_side_and_merged_equal_one_run_of_the_whole_plan() {
    let whole = plan();
    let (one, all) = side_by_side(vec![whole.clone()]).remove(0);
    let parts = side_by_side((1..=3).map(|number| whole.clone().sharded(shard(number, 3))).collect());
    let sorted = |mut records: Vec<Record>| {
        records.sort_by_key(|record| record.id);
        records
    };
    let together: Vec<Record> = sorted(parts.iter().flat_map(|(_, records)| records.clone()).collect());
    let all = sorted(all);
    assert_eq!(together.len(), all.len());
    for (mine, theirs) in together.iter().zip(&all) {
        assert_eq!((mine.id, mine.scheduled, mine.exchange.sent), (theirs.id, theirs.scheduled, theirs.exchange.sent));
        assert_eq!(mine.exchange.outcome, theirs.exchange.outcome);
    }
    for (trial, records) in &parts {
        assert_eq!((trial.due, trial.load.shard.map(Shard::of)), (Some(records.len() as u64), Some(3)));
    }
    let bodies: Vec<&str> = parts.iter().filter_map(|(trial, _)| trial.body_fingerprint.as_deref()).collect();
    assert_eq!(BodyFingerprint::hex_of_all(bodies), one.body_fingerprint, "the request bytes must be the same");
    // The merged result is the same in any order: counts, histograms, blocks, samples, tallies, verdict.
    for order in [[0, 1, 2], [2, 0, 1]] {
        let mut merged = parts[order[0]].0.clone();
        order[1..].iter().for_each(|place| merged.merge(&parts[*place].0));
        assert_eq!((merged.due, merged.ended), (one.due, one.ended));
        // The end of the drain is noticed at the next poll, every 20 ms.
        assert!((merged.drain_end.as_secs() - one.drain_end.as_secs()).abs() < 0.03);
        merged.drain_end = one.drain_end;
        let integral_s = parts.iter().filter_map(|(trial, _)| trial.concurrency).map(|held| held.integral_s).sum();
        merged.concurrency = one.concurrency.map(|held| Concurrency { integral_s, ..held });
        let (mut ours, theirs): (TrialView, TrialView) = (merged.view(), one.view());
        let residuals = ours.health.little_residual.zip(theirs.health.little_residual).expect("both counted");
        assert!((residuals.0 - residuals.1).abs() < 1e-9);
        ours.health.little_residual = theirs.health.little_residual;
        assert_eq!(ours, theirs);
    }
    assert!(
        one.summary.distribution(Metric::Ttft, tonnage::metrics::OriginOf::Scheduled).misses() > 0,
        "the test must have requests to count"
    );
}

/// Scheduled instants by request number, from a records file.
fn scheduled(records: &Path) -> BTreeMap<u64, String> {
    let text = std::fs::read_to_string(records).expect("records");
    let rows = text.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    rows.map(|row| (row["id"].as_u64().expect("an id"), row["scheduled_s"].to_string())).collect()
}

#[test]
fn two_processes_from_one_instant_merge_into_the_run_of_the_whole() {
    let folder = folder();
    let server = Simulated::start(folder.path(), &["--sim", "delay:ttft=20ms,itl=2ms"]);
    let load = [
        "run",
        "--target",
        &server.url,
        "--rate",
        "60",
        "--requests",
        "60",
        "--output-tokens",
        "4",
        "--workers",
        "1",
        "--quiet",
    ];
    let start = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(1_600);
    let start = start.to_string();
    let spawned: Vec<_> = ["1/2", "2/2"]
        .into_iter()
        .zip(["one", "two"])
        .map(|(shard, out)| {
            let mut command = tonnage(folder.path());
            command.args(load).args(["--shard", shard, "--start-at", &start, "--out", out]);
            command.stderr(std::process::Stdio::piped()).spawn().expect("the binary runs")
        })
        .collect();
    // Meanwhile a run of the whole plan, with the salt that shards derive from the seed.
    let whole: Vec<&str> = load.iter().copied().chain(["--salt", "seed-17", "--out", "whole"]).collect();
    let done = run(folder.path(), &whole);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    for process in spawned {
        let output = process.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
    let of = |name: &str| json(&folder.path().join(name).join("result.json"));
    let (one, two, whole) = (of("one"), of("two"), of("whole"));
    assert_eq!((&one["started"], &one["trials"][0]["load"]["shard"]), (&two["started"], &Value::from("1/2")));
    assert_eq!(
        one["started"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok()),
        start.parse().ok(),
        "both must start at the requested origin"
    );
    let mut union = scheduled(&folder.path().join("one/records.jsonl"));
    let second = scheduled(&folder.path().join("two/records.jsonl"));
    assert_eq!((union.len(), second.len()), (30, 30));
    union.extend(second);
    assert_eq!(
        union,
        scheduled(&folder.path().join("whole/records.jsonl")),
        "the scheduled instants must be identical"
    );

    let merged = run(folder.path(), &["report", "two", "one", "--json"]);
    assert_eq!(merged.status.code(), Some(0), "{}", text(&merged.stderr));
    let merged: Value = serde_json::from_slice(&merged.stdout).expect("JSON");
    for key in ["plan_fingerprint", "body_fingerprint", "seed"] {
        assert_eq!(merged[key], whole[key], "{key}");
    }
    let (ours, theirs) = (&merged["trials"][0], &whole["trials"][0]);
    for key in ["requests", "run_totals", "window"] {
        assert_eq!(ours[key], theirs[key], "{key}");
    }
    for metric in ["ttft", "e2e", "output_tokens"] {
        let counted = |trial: &Value| trial["metrics"][metric]["completed_only"]["count"].clone();
        assert_eq!(counted(ours), counted(theirs), "{metric}");
    }
    assert_eq!(ours["load"]["merged"], serde_json::json!({"shards": 2, "origins_apart_s": 0.0}));
    assert!(ours["load"].get("shard").is_none() && merged["config"].get("shard").is_none());
    let peaks = [&one, &two].map(|part| part["trials"][0]["concurrency"]["peak"].as_u64().expect("a peak"));
    let peak = ours["concurrency"]["peak"].as_u64().expect("a peak");
    assert!(peak >= peaks[0].max(peaks[1]) && peak <= peaks[0] + peaks[1], "{peak} of {peaks:?}");

    let shown = text(&run(folder.path(), &["report", "one", "two"]).stdout);
    assert!(shown.contains("*merged* from all 2 shards") && shown.contains("shard 2/2: 30 requests from"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let part = text(&run(folder.path(), &["report", "one"]).stdout);
    assert!(
        part.contains("shard 1/2 of an open loop") && part.contains("*shard*: every figure is of this part"),
        "{part}"
    );
}

/// Edits a file of an existing shard.
fn altered(folder: &Path, from: &str, to: &str, replace: &[(&str, &str)]) {
    std::fs::create_dir_all(folder.join(to)).expect("a folder");
    for file in ["result.json", "records.jsonl"] {
        let mut text = std::fs::read_to_string(folder.join(from).join(file)).expect("a file");
        for (old, new) in replace {
            text = text.replace(old, new);
        }
        std::fs::write(folder.join(to).join(file), text).expect("written");
    }
}

#[test]
fn what_does_not_fit_together_is_not_merged() {
    let folder = folder();
    let of = |out: &str, more: &[&str]| {
        let words = [
            "run",
            "--rate",
            "400",
            "--requests",
            "20",
            "--output-tokens",
            "2",
            "--quiet",
            "--workers",
            "1",
            "--out",
            out,
        ];
        let words: Vec<&str> = words.iter().chain(more).copied().collect();
        let done = run(folder.path(), &words);
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    };
    of("a", &["--shard", "1/2"]);
    of("b", &["--shard", "2/2"]);
    of("plain", &[]);
    of("third", &["--shard", "3/3"]);
    let fingerprint =
        json(&folder.path().join("b/result.json"))["plan_fingerprint"].as_str().expect("a fingerprint").to_owned();
    altered(folder.path(), "b", "seeded", &[(&fingerprint, &"0".repeat(fingerprint.len()))]);
    altered(folder.path(), "b", "salted", &[("\"salt\": \"seed-17\"", "\"salt\": \"other\"")]);
    altered(folder.path(), "b", "compact", &[("\"detail\":\"full\"", "\"detail\":\"compact\"")]);
    altered(folder.path(), "b", "off", &[]);
    std::fs::remove_file(folder.path().join("off/records.jsonl")).expect("removed");
    altered(folder.path(), "b", "judged", &[("\"config\": {", "\"config\": {\n    \"attainment\": \"95%\",")]);
    altered(folder.path(), "b", "cut", &[("\"ended\": \"complete\"", "\"ended\": \"interrupted\"")]);
    altered(folder.path(), "b", "other_window", &[("\"load_end_s\":", "\"load_end_s\":9")]);
    altered(
        folder.path(),
        "b",
        "killed",
        &[(&format!("\"plan_fingerprint\": \"{fingerprint}\""), "\"plan_fingerprint\": \"\"")],
    );
    altered(folder.path(), "a", "strange", &[("{\"id\":2,", "{\"id\":3,")]);
    let cases: &[(&[&str], &[&str])] = &[
        (&["a", "plain"], &["plain", "is no shard", "--shard"]),
        (&["a", "a"], &["is shard 1/2, as is a", "once"]),
        (&["a", "third"], &["shard 3/3", "another split"]),
        (&["a", "seeded"], &["seeded", "another plan"]),
        (&["a", "salted"], &["salt", "other", "seed-17"]),
        (&["a", "compact"], &["compact records", "--records jsonl"]),
        (&["a", "off"], &["records.jsonl", "missing", "--records jsonl"]),
        (&["a", "none"], &["none", "cannot be read"]),
        (&["a", "judged"], &["judged", "attainment", "95%", "not given"]),
        (&["a", "cut"], &["cut", "was cut short", "run it again"]),
        (&["a", "other_window"], &["other_window", "measured window"]),
        (&["a", "killed"], &["killed", "did not end", "hole"]),
        (&["strange", "b"], &["strange", "request 3", "does not belong to shard 1/2"]),
    ];
    for (words, wanted) in cases {
        let output = run(folder.path(), &[&["report"], *words].concat());
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{words:?}: {said}");
        for part in *wanted {
            assert!(said.contains(part), "{words:?} lacks `{part}`: {said}");
        }
    }
    of("c", &["--shard", "1/3"]);
    let said = text(&run(folder.path(), &["report", "c", "third"]).stderr);
    assert!(said.contains("2/3 was not given"), "{said}");
    // The stored configuration repeats the shard and its salt.
    let again = run(folder.path(), &["run", "-c", "a/config.yaml", "--out", "again", "--json"]);
    let again: Value = serde_json::from_slice(&again.stdout).expect("JSON");
    let first = json(&folder.path().join("a/result.json"));
    assert_eq!(again["trials"][0]["load"], first["trials"][0]["load"]);
    for key in ["plan_fingerprint", "body_fingerprint", "config"] {
        assert_eq!(again[key], first[key], "{key}");
    }
    // Shards that began seconds apart are not one load: a fault of the load generator, and the verdict must not pass.
    let apart = run(folder.path(), &["report", "a", "b"]);
    let shown = text(&apart.stdout);
    assert!(apart.status.success() && shown.contains("the shards began") && shown.contains("--start-at"), "{shown}");
}

#[test]
fn who_waits_for_the_start_can_be_interrupted_and_leaves_nothing() {
    let folder = folder();
    let start = (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(600)).to_string();
    let mut command = tonnage(folder.path());
    command.args(["run", "--shard", "1/2", "--start-at", &start, "--out", "out"]).stderr(std::process::Stdio::piped());
    let mut waiting = command.spawn().expect("the binary runs");
    let mut said = String::new();
    let mut lines = BufReader::new(waiting.stderr.take().expect("piped"));
    while !said.contains("starting at") {
        assert!(lines.read_line(&mut said).expect("text") > 0, "the run must still wait: {said}");
    }
    interrupt(&waiting);
    assert_eq!(waiting.wait().expect("it ends").code(), Some(130), "{said}");
    lines.read_to_string(&mut said).expect("text");
    assert!(said.contains("interrupted before the start: nothing was sent"), "{said}");
    assert!(
        said.contains("every figure is of this part") && said.contains("the salt is taken from the seed"),
        "{said}"
    );
    assert!(!folder.path().join("out").exists(), "no request was sent, so no folder may be left");
}

#[test]
fn shard_and_start_are_refused_where_they_cannot_be_met() {
    let folder = folder();
    let cases: &[(&[&str], &[&str])] = &[
        (&["run", "--shard", "3/2"], &["--shard", "no shard 3/2", "i/N"]),
        (&["run", "--shard", "half"], &["--shard", "`half`", "1/2"]),
        (&["run", "--shard", "1/2", "--load", "concurrent:8"], &["--shard", "--load", "split the slots"]),
        (&["run", "--shard", "1/2", "--salt", "random"], &["--salt", "random", "same text"]),
        (&["run", "--shard", "9/9", "--requests", "8"], &["--shard", "no request for shard 9/9"]),
        (&["run", "--start-at", "tomorrow"], &["--start-at", "`tomorrow`", "2026-01-02T03:04:05Z"]),
        (&["run", "--start-at", "2020-01-01T00:00:00Z"], &["--start-at", "has passed", "later"]),
        (&["plan", "--start-at", "2020-01-01T00:00:00Z"], &["--start-at", "has passed"]),
        (&["plan", "--shard", "0/2"], &["--shard", "no shard 0/2"]),
    ];
    for (words, wanted) in cases {
        let output = run(folder.path(), words);
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{words:?}: {said}");
        for part in *wanted {
            assert!(said.contains(part), "{words:?} lacks `{part}`: {said}");
        }
    }
    assert!(!folder.path().join("results").exists(), "a refused command must leave no folder behind");
    let start = (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3_600)).to_string();
    let words = ["plan", "--rate", "10", "--requests", "100", "--shard", "2/3", "--start-at", &start];
    let shown = text(&run(folder.path(), &words).stdout);
    assert!(
        shown.contains("shard        2/3: 33 of them") && shown.contains(&format!("starts       {start}, ends ")),
        "{shown}"
    );
    let described: Value =
        serde_json::from_slice(&run(folder.path(), &[&words[..], &["--json"]].concat()).stdout).expect("JSON");
    assert_eq!(described["share"], serde_json::json!({"shard": "2/3", "planned": 33}));
    assert_eq!(described["start_at"], Value::from(start));
}
