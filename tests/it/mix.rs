//! Owns the tests of mixes: classes of requests with lengths, models and objectives of their own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tonnage::metrics::{Known, Metric, Objectives, OriginOf, Summary};
use tonnage::play::StopRule;
use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::search::step::{Answer, Finding};
use tonnage::seed::Seed;
use tonnage::sim::VirtualPlayer;
use tonnage::units::Rate;
use tonnage::workload::{Load, Mix, MixClass, Plan, SourceSpec, Workload};

use crate::cli::{folder, json, run, text};
use crate::search::answered;

fn class(name: &str, weight: f64, input: &str, output: &str) -> MixClass {
    MixClass {
        name: name.into(),
        weight,
        input: input.parse().expect("a length"),
        output: output.parse().expect("a length"),
        text: None,
        cancel: None,
        model: None,
    }
}

fn mixed(classes: Vec<MixClass>) -> Workload {
    Workload::of(SourceSpec::Mixed(Mix::new(classes).expect("a mix")))
}

#[test]
fn each_class_has_the_latencies_that_follow_from_its_own_lengths() {
    let workload =
        mixed(vec![class("chat", 7.0, "64", "9"), class("code", 2.0, "512", "41"), class("batch", 1.0, "2048", "201")]);
    let (rate, length) = (Rate::new(50.0).expect("a rate"), Extent::Duration(Duration::from_mins(1)));
    let timeline = Timeline::new(Process::Poisson, rate, length, Duration::ZERO, Duration::ZERO, Seed::new(1));
    let plan = Plan::new(Load::Open(timeline), workload, Seed::new(1), None);
    let objectives = Objectives::parse(&["code: max e2e<=221ms"], None, None).expect("objectives");
    let mut player = VirtualPlayer::new("delay:ttft=20ms,itl=5ms".parse().expect("a profile"), Seed::new(1));
    let mut records = Vec::new();
    let played = player.play_into(&plan, true, &StopRule::Never, |record| records.push(record));
    let frame = tonnage::metrics::Frame { window: played.window, load_end: played.load_end, streamed: true };
    let mut summary = Summary::new(frame, Arc::new(objectives));
    for record in &records {
        summary.add(record);
    }
    let planned = summary.cohort().planned as f64;
    for (name, share, e2e_s) in [("chat", 0.7, 0.06), ("code", 0.2, 0.22), ("batch", 0.1, 1.02)] {
        let own = &summary.classes()[name];
        let deviation = (planned * share * (1.0 - share)).sqrt();
        assert!((own.cohort().planned as f64 - planned * share).abs() < 4.0 * deviation, "{name}");
        for at in [0.01, 0.5, 0.99] {
            let seen = own.distribution(Metric::E2e, OriginOf::Scheduled).at_share(at);
            assert!(matches!(seen, Some(Known::At(seen_s)) if (seen_s - e2e_s).abs() < 0.002), "{name}: {seen:?}");
        }
    }
}

/// In M/M/1 with 10 services/s the time in the system is exponential with rate 10 − λ. `chat` holds its p90 of 1 s up
/// to 10 − ln 10 ÷ 1 = 7.70/s, `batch`, three requests in ten, its p90 of 0.7 s up to 10 − ln 10 ÷ 0.7 = 6.71/s.
const TRUTH: f64 = 6.7106;

fn searched(seed: u64) -> Answer {
    let seed = Seed::new(seed);
    let player = VirtualPlayer::new("mmc:servers=1,service=100ms".parse().expect("a profile"), seed);
    let workload = mixed(vec![class("chat", 70.0, "1", "1"), class("batch", 30.0, "1", "1")]);
    answered(player, "chat: p90 e2e<=1s; batch: p90 e2e<=700ms", workload, seed)
}

/// How many of the answers to `seeds` cover the truth, how many lie safely below it, and how many were found.
fn covered(seeds: std::ops::RangeInclusive<u64>) -> [u32; 3] {
    let mut counts = [0; 3];
    for seed in seeds {
        let answer = searched(seed);
        let bracket = answer.bracket.expect("rates");
        let seen = [
            (bracket.low..=bracket.high).contains(&TRUTH),
            bracket.low <= TRUTH,
            answer.finding == Finding::Found && answer.limited_by == 1,
        ];
        counts.iter_mut().zip(seen).for_each(|(count, seen)| *count += u32::from(seen));
    }
    counts
}

#[test]
fn a_search_over_a_mix_finds_the_rate_that_its_strictest_class_allows() {
    let [covers, safe, found] = covered(1..=4);
    assert!(covers >= 3 && safe >= 3 && found >= 3, "{covers}, {safe}, {found} of 4");
}

#[test]
#[ignore = "two hundred searches: cargo test --release --test it search_over_a_mix -- --ignored --nocapture"]
fn the_interval_of_a_search_over_a_mix_covers_the_closed_form() {
    let [covers, safe, found] = covered(1..=200);
    println!("covers {covers}, safe {safe}, found {found} of 200");
    assert!(covers >= 188 && safe >= 188, "{covers} and {safe} of 200");
}

const MIX: &str = "chat:\n  weight: 70%\n  input-tokens: 8..16\n  output-tokens: 4\n  \
    slo: [p50 ttft<=2s; p50 e2e<=5s]\n\
    code:\n  weight: 30\n  input-tokens: 24\n  content: code\n  model: tonnage-sim\n  slo: ['@chat']\n";

fn played(place: &Path, words: &[&str]) -> (String, Value) {
    let output = run(place, words);
    (format!("{}{}", text(&output.stderr), text(&output.stdout)), json(&place.join("out/result.json")))
}

#[test]
fn a_mix_is_reported_class_by_class_and_repeated_from_what_is_stored() {
    let folder = folder();
    let place = folder.path();
    std::fs::write(place.join("mix.yaml"), MIX).expect("a file");
    let words =
        ["--rate", "100", "--requests", "60", "--sim", "delay:ttft=5ms,itl=1ms", "--salt", "off", "--out", "out"];
    let (shown, result) = played(place, &[&["run", "--mix", "mix.yaml"][..], &words].concat());
    let classes = &result["trials"][0]["classes"];
    let planned = |class: &str| classes[class]["requests"]["planned"].as_u64().expect("a count");
    assert_eq!(planned("chat") + planned("code"), 60);
    assert_eq!(classes["code"]["metrics"]["input_tokens"]["value"]["mean"], 24.0);
    assert_eq!(classes["code"]["metrics"]["output_tokens"]["value"]["mean"], 64.0, "--output-tokens holds for all");
    let texts: Vec<&str> = result["trials"][0]["slo"]["objectives"]
        .as_array()
        .expect("objectives")
        .iter()
        .filter_map(|objective| objective["text"].as_str())
        .collect();
    assert_eq!(
        texts,
        ["chat: p50 ttft<=2s", "chat: p50 e2e<=5s", "code: p99 ttft<=200ms", "code: p99 itl<=50ms"],
        "{shown}"
    );
    assert!(shown.contains("class  requests  done"), "{shown}");
    assert!(!std::fs::read_to_string(place.join("out/result.json")).expect("a file").contains("(secret)"));
    let again = text(&run(place, &["report", "out"]).stdout);
    assert!(again.contains("class  requests  done") && again.contains("code: p99 itl<=50ms"), "{again}");
    // Another mix brings its own objectives.
    let (_, other) = played(
        place,
        &["run", "--config", "out/config.yaml", "--mix", "{chat: {slo: [p50 ttft<=9s]}}", "--out", "out", "--force"],
    );
    assert_eq!(other["config"]["slo"], serde_json::json!(["chat: p50 ttft<=9s"]));
    let nested = format!("rate: 100\nrequests: 9\nmix:\n  {}", MIX.trim_end().replace('\n', "\n  "));
    std::fs::write(place.join("nested.yaml"), nested).expect("a file");
    let (shown, of_file) = played(place, &["run", "--config", "nested.yaml", "--out", "out", "--force"]);
    assert!(of_file["trials"][0]["classes"]["chat"].is_object(), "{shown}");
    let (_, result) = played(place, &[&["run", "--mix", "mix.yaml", "--force"][..], &words].concat());
    let bodies = result["body_fingerprint"].clone();
    // The file may change or go: the result holds the mix.
    std::fs::remove_file(place.join("mix.yaml")).expect("a file");
    std::fs::copy(place.join("out/config.yaml"), place.join("config.yaml")).expect("a file");
    let (_, second) = played(place, &["run", "--config", "config.yaml", "--out", "out", "--force"]);
    assert_eq!(second["body_fingerprint"], bodies);
    assert_eq!(second["plan_fingerprint"], result["plan_fingerprint"]);
}

#[test]
fn what_a_mix_cannot_be_is_refused_with_what_it_can_be() {
    let folder = folder();
    std::fs::write(folder.path().join("bad.yaml"), "chat:\n  wieght: 1\n").expect("a file");
    std::fs::write(folder.path().join("t.csv"), "TIMESTAMP,ContextTokens,GeneratedTokens\n").expect("a file");
    for (words, said) in [
        (&["run", "--mix", "none.yaml"][..], &["none.yaml", "check --mix"][..]),
        (&["run", "--mix", "bad.yaml"], &["bad.yaml:2", "wieght", "input-tokens"]),
        (&["run", "--mix", "{a: {weight: 0}}"], &["--mix", "the weight 0"]),
        (&["run", "--mix", "{a: {content: klingon}}"], &["--mix", "the class a", "klingon"]),
        (&["run", "--mix", "{a: {input-tokens: 0}}"], &["input-tokens of the class a", "1 to 10000000"]),
        (&["run", "--mix", "{a: {slo: [p99 tft<=1s]}}"], &["--mix", "the class a", "`tft`"]),
        (&["run", "--mix", "{a: {}}", "--slo", "b: p99 ttft<=1s"], &["--slo", "`b`", "accepted is a"]),
        (&["run", "--slo", "b: p99 ttft<=1s"], &["--slo", "no classes", "--mix FILE"]),
        (&["run", "--mix", "{a: {input-tokens: 5}}", "--input-tokens", "9"], &["--input-tokens", "has no effect"]),
        (&["run", "--mix", "{a-name-without-end: {}}"], &["--mix", "1 to 16 letters"]),
        (&["replay", "t.csv", "--mix", "{a: {}}"], &["--mix", "drop it"]),
        (&["run", "--mix", "{a: {}}", "--dataset", "x.txt"], &["x.txt"]),
    ] {
        let output = run(folder.path(), words);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {stderr}");
        let flat = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.iter().all(|said| flat.contains(said)), "{words:?}: {stderr}");
    }
}
