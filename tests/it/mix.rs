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
    MixClass::new(name, weight, input.parse().expect("a length"), output.parse().expect("a length"))
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

/// Three classes, and each of them alone, on a service that no request slows down for another.
#[test]
fn each_class_of_a_mix_has_the_figures_of_a_run_of_that_class_alone() {
    let classes = [
        class("chat", 6.0, "64..192", "8..24"),
        class("code", 3.0, "512", "41"),
        class("batch", 1.0, "2048", "99..201"),
    ];
    let objectives =
        Objectives::parse(&["chat: ttft<=21ms; chat: e2e<=100ms; code: e2e<=221ms; batch: e2e<=700ms"], None, None);
    let objectives = Arc::new(objectives.expect("objectives"));
    let played = |workload: Workload, per_s: f64| {
        let (rate, length) = (Rate::new(per_s).expect("a rate"), Extent::Duration(Duration::from_mins(4)));
        let timeline = Timeline::new(Process::Poisson, rate, length, Duration::ZERO, Duration::ZERO, Seed::new(1));
        let plan = Plan::new(Load::Open(timeline), workload, Seed::new(1), None);
        let mut player = VirtualPlayer::new("delay:ttft=20ms,itl=5ms".parse().expect("a profile"), Seed::new(1));
        let mut records = Vec::new();
        let played = player.play_into(&plan, true, &StopRule::Never, |record| records.push(record));
        let frame = tonnage::metrics::Frame { window: played.window, load_end: played.load_end, streamed: true };
        let mut summary = Summary::new(frame, Arc::clone(&objectives));
        for record in &records {
            summary.add(record);
        }
        summary
    };
    let together = played(mixed(classes.to_vec()), 100.0);
    for class in classes {
        let (name, share) = (Arc::clone(&class.name), class.weight / 10.0);
        let alone = played(mixed(vec![class]), 100.0 * share);
        let (of_mix, oracle) = (&together.classes()[&*name], &alone.classes()[&*name]);
        let (planned, expected) = (of_mix.cohort().planned as f64, oracle.cohort().planned as f64);
        assert!((planned - expected).abs() < 4.0 * (planned + expected).sqrt(), "{name}: {planned} and {expected}");
        for metric in [Metric::Ttft, Metric::Tpot, Metric::E2e, Metric::InputTokens, Metric::OutputTokens] {
            for share in [0.1, 0.5, 0.9] {
                let at = |summary: &Summary| summary.distribution(metric, OriginOf::Scheduled).at_share(share);
                let (Some(Known::At(seen)), Some(Known::At(told))) = (at(of_mix), at(oracle)) else {
                    panic!("{name}: {metric:?}")
                };
                assert!((seen / told - 1.0).abs() < 0.05, "{name}: {metric:?} at {share}: {seen} and {told}");
            }
        }
    }
}

#[test]
fn a_class_with_a_process_of_its_own_has_arrivals_of_its_own() {
    let own = |process: &str| Some(process.parse::<Process>().expect("a process"));
    let classes = vec![
        MixClass { process: own("even"), ..class("beat", 1.0, "1", "1") },
        MixClass { process: own("gamma:3"), ..class("burst", 2.0, "1", "1") },
        class("rest", 1.0, "1", "1"),
    ];
    let (rate, length) = (Rate::new(40.0).expect("a rate"), Extent::Duration(Duration::from_mins(10)));
    let timeline = Timeline::new(Process::Poisson, rate, length, Duration::ZERO, Duration::ZERO, Seed::new(1));
    let plan = Plan::new(Load::Open(timeline), mixed(classes), Seed::new(1), None);
    let all: Vec<_> = plan.arrivals().collect();
    assert!(all.windows(2).all(|pair| pair[0].at <= pair[1].at), "in order");
    let ids: std::collections::BTreeSet<u64> = all.iter().map(|arrival| arrival.index).collect();
    assert_eq!(ids.len(), all.len(), "each has its own number");
    for (name, per_s, cv) in [("beat", 10.0, 0.0), ("burst", 20.0, 3.0), ("rest", 10.0, 1.0)] {
        let of_class = all.iter().filter(|arrival| *plan.outline(arrival.index).class == *name);
        let at: Vec<f64> = of_class.map(|arrival| arrival.at.as_secs()).collect();
        let gaps: Vec<f64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let square = gaps.iter().map(|gap| (gap - mean) * (gap - mean)).sum::<f64>() / gaps.len() as f64;
        let error = 4.0 * f64::max(cv, 1e-6) / (gaps.len() as f64).sqrt();
        assert!((mean * per_s - 1.0).abs() < error, "{name}: a gap of {mean} s");
        assert!((square.sqrt() / mean - cv).abs() < 0.1 * cv + 1e-6, "{name}: {}", square.sqrt() / mean);
    }
    assert_eq!(
        tonnage::metrics::LoadFacts::of(&plan).process.as_deref(),
        Some("beat even + burst gamma:3 + rest poisson")
    );
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
    let compared = text(&run(place, &["compare", "out", "out"]).stdout);
    assert!(compared.contains("class chat of") && compared.contains("class code of"), "{compared}");
    let written = run(place, &["report", "out", "--to", "csv", "--out", "pages"]);
    assert!(written.status.success(), "{}", text(&written.stderr));
    let csv = std::fs::read_to_string(place.join("pages/report.csv")).expect("a file");
    let rows: Vec<&str> = csv.lines().filter_map(|line| line.split(',').nth(5)).collect();
    assert_eq!(rows, ["class", "", "chat", "code"], "one row for the run, and one for each class");
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
        (&["run", "--mix", ""], &["--mix", "is empty", "help mix"]),
        (&["run", "--mix", "{a: {process: often}}"], &["--mix", "the process of the class a", "poisson"]),
        (&["run", "--mix", "{a: {process: even}}", "--process", "even"], &["--process", "has no effect"]),
        (&["run", "--mix", "{a: {process: even}, b: {}}", "--requests", "9"], &["--requests", "class a", "--duration"]),
        (&["run", "--mix", "{a: {process: even}}", "--load", "synchronous"], &["--load", "class a"]),
        (&["run", "--mix", "{a: {input-tokens: 9}}", "--system-tokens", "9"], &["--system-tokens", "class a"]),
        (&["size", "r", "--demand", "5/s", "--slo", "a: p99 ttft<=1s"], &["--slo", "class `a`", "tonnage search"]),
    ] {
        let output = run(folder.path(), words);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {stderr}");
        let flat = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.iter().all(|said| flat.contains(said)), "{words:?}: {stderr}");
    }
}
