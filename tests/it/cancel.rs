//! Owns the tests of requests that the plan cancels: when they end, what the service sees, and that no latency and no
//! objective counts them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tonnage::record::{Outcome, Record};
use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::seed::Seed;
use tonnage::sim::run as play;
use tonnage::units::Rate;
use tonnage::workload::{LengthSpec, Load, Plan, Workload};

use crate::cli::{all_refused, folder, json, run, text};

fn plan(cancel: Option<&str>, per_s: f64) -> Plan {
    let lengths = |tokens| LengthSpec::fixed(tokens).expect("a length");
    let (rate, extent) = (Rate::new(per_s).expect("a rate"), Extent::Requests(2_000));
    let timeline = Timeline::new(Process::Poisson, rate, extent, Duration::ZERO, Duration::ZERO, Seed::new(3));
    let workload = Workload::new(lengths(256), lengths(41));
    let cancel = cancel.map(|text| text.parse().expect("a share and a time"));
    Plan::new(Load::Open(timeline), workload.cancelling(cancel), Seed::new(3), None)
}

fn played(plan: &Plan, profile: &str) -> Vec<Record> {
    play(plan, profile.parse().expect("a profile"), Seed::new(3))
}

fn end_s(record: &Record) -> f64 {
    record.exchange.ended.expect("an end").secs_since(record.scheduled)
}

/// Checks each request of `records` against `alone`, the same plan without cancellations on a service whose answers do
/// not depend on other requests.
fn is_cut_where_the_plan_says(records: &[Record], alone: &[Record]) -> [usize; 2] {
    let (mut cancelled, mut in_time) = (0, 0);
    for (record, whole) in records.iter().zip(alone) {
        let Some(after) = record.cancel_after else {
            assert_eq!(record, whole, "a request that is not picked");
            continue;
        };
        if after.as_secs_f64() < end_s(whole) {
            cancelled += 1;
            assert_eq!(record.exchange.outcome, Outcome::Cancelled);
            assert!((end_s(record) - after.as_secs_f64()).abs() < 1e-9);
            let due = whole.exchange.event_gaps_us.iter().scan(whole.exchange.first_token, |at, gap_us| {
                *at = at.map(|at| at.plus(Duration::from_micros(u64::from(*gap_us))));
                *at
            });
            let seen =
                whole.exchange.first_token.into_iter().chain(due).filter(|at| Some(*at) <= record.exchange.ended);
            assert_eq!(record.exchange.events as usize, seen.count(), "the tokens that came before");
            assert!(record.exchange.last_token <= record.exchange.ended && record.exchange.usage.is_none());
        } else {
            in_time += 1;
            assert_eq!((&record.exchange, record.exchange.outcome == Outcome::Completed), (&whole.exchange, true));
        }
    }
    [cancelled, in_time]
}

#[test]
fn a_request_ends_when_the_plan_cancels_it_and_the_others_are_untouched() {
    // An answer takes 20 ms + 40 × 5 ms: half of the times from 0 to 440 ms are shorter.
    let records = played(&plan(Some("30%:0s..440ms"), 50.0), "delay:ttft=20ms,itl=5ms");
    let alone = played(&plan(None, 50.0), "delay:ttft=20ms,itl=5ms");
    let [cancelled, in_time] = is_cut_where_the_plan_says(&records, &alone);
    // 300 of 2 000 each, four standard errors.
    assert!(cancelled.abs_diff(300) < 64 && in_time.abs_diff(300) < 64, "{cancelled}, {in_time}");
}

#[test]
fn an_engine_stops_working_for_a_request_that_is_cancelled() {
    // Beyond what the engine keeps up with. Nine in ten leave before their first token, and the others are served.
    let mean_s = |cancel: Option<&str>| {
        let records = played(&plan(cancel, 60.0), "small");
        let kept: Vec<f64> = records.iter().filter(|record| record.cancel_after.is_none()).map(end_s).collect();
        kept.iter().sum::<f64>() / kept.len() as f64
    };
    let (alone_s, relieved_s) = (mean_s(None), mean_s(Some("90%:1ms")));
    assert!(relieved_s < 0.5 * alone_s, "{relieved_s} s against {alone_s} s");
}

fn result(place: &std::path::Path, words: &[&str]) -> (String, Value) {
    let output = run(place, words);
    (text(&output.stdout), json(&place.join("out/result.json")))
}

#[test]
fn a_run_counts_what_it_cancels_and_leaves_it_out_of_latencies_and_objectives() {
    let folder = folder();
    let place = folder.path();
    // An answer takes about 200 ms. Four in ten leave after 50 ms, with their first token and without an end.
    let words =
        ["run", "--sim", "delay:ttft=5ms,itl=20ms", "--rate", "100", "--requests", "200", "--output-tokens", "10"];
    let judged = ["--cancel", "40%:50ms", "--slo", "p50 e2e<=20s; error_rate<=50%", "--out", "out", "--seed", "4"];
    let (shown, result) = result(place, &[&words[..], &judged].concat());
    let trial = &result["trials"][0];
    let count = |key: &str| trial["requests"][key].as_u64().expect("a count");
    let picked = count("to_cancel");
    assert!((52..=108).contains(&picked), "{picked} of 200");
    assert_eq!((count("cancelled"), count("completed")), (picked, 200 - picked));
    assert_eq!(trial["metrics"]["e2e"]["scheduled"]["count"], 200 - picked);
    let objectives = trial["slo"]["objectives"].as_array().expect("objectives");
    let decided: BTreeMap<&str, (u64, u64)> = objectives
        .iter()
        .map(|objective| {
            let number = |key: &str| objective[key].as_u64().unwrap_or_else(|| panic!("{key} in {objective}"));
            (objective["text"].as_str().expect("a text"), (number("decided"), number("undecided")))
        })
        .collect();
    assert_eq!(decided["p50 e2e<=20s"], (200 - picked, 0));
    assert_eq!(trial["slo"]["attainment"], 1.0);
    assert!(objectives.iter().all(|objective| objective["met"] != false), "{shown}");
    let note = format!("{picked} of the {picked} requests that --cancel picks were cancelled");
    assert!(shown.split_whitespace().collect::<Vec<_>>().join(" ").contains(&note), "{shown}");
    // What is stored repeats the plan, and reads the same again.
    let again = run(place, &["report", "out"]);
    assert!(text(&again.stdout).contains("cancelled"), "{}", text(&again.stderr));
    let config = std::fs::read_to_string(place.join("out/config.yaml")).expect("a file");
    assert!(config.contains("cancel: 40%:50ms") || config.contains("cancel: \"40%:50ms\""), "{config}");
}

#[test]
fn a_class_of_a_mix_has_cancellations_of_its_own() {
    let folder = folder();
    let mix = "{chat: {weight: 50, cancel: '100%:20ms'}, batch: {weight: 50}}";
    let words = ["run", "--sim", "delay:ttft=5ms,itl=50ms", "--rate", "100", "--requests", "60", "--out", "out"];
    let more = ["--output-tokens", "5", "--mix", mix];
    let (_, result) = result(folder.path(), &[&words[..], &more].concat());
    let requests = |class: &str, key: &str| result["trials"][0]["classes"][class]["requests"][key].as_u64();
    assert_eq!(requests("chat", "cancelled"), requests("chat", "planned"));
    assert_eq!(requests("batch", "completed"), requests("batch", "planned"));
}

#[test]
fn what_is_no_share_and_time_is_refused() {
    let folder = folder();
    all_refused(
        folder.path(),
        &[
            (&["run", "--cancel", "2%"], &["--cancel", "does not say after how long", "2%:1s"]),
            (&["replay", "t.csv", "--cancel", "0%:1s"], &["--cancel", "cancels nothing"]),
            (&["run", "--cancel", "5%:soon"], &["--cancel", "does not end with a time"]),
            (&["sweep", "--cancel", "5%:1s"], &["--cancel", "what completes"]),
            (&["search", "--slo", "p99 ttft<=1s", "--cancel", "5%:1s"], &["--cancel", "what completes"]),
            (&["sweep", "--mix", "{a: {cancel: '5%:1s'}, b: {}}"], &["--mix", "of the class a", "what completes"]),
            (&["run", "--mix", "{a: {cancel: often}, b: {}}"], &["--mix", "cancel of the class a"]),
        ],
    );
}
