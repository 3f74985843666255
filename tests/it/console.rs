//! Owns the console's snapshots: hand-made reports, rendered as the user sees them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonnage::metrics::{Concurrency, Ended, Frame, LoadFacts, LoadKind, LoadOrigin, Objectives, Summary};
use tonnage::play::Trial;
use tonnage::record::{Exchange, Failure, FailureClass, Origin, Outcome, Record, Usage};
use tonnage::report::{Ink, render, worded};
use tonnage::results::{Host, Report, SCHEMA, Target, Tool};
use tonnage::units::{Offset, Window};

/// Request `id` of an even load of 100/s: TTFT varies from 20 to 60 ms without a pattern; 16 tokens 5 ms apart.
fn record(id: u64, outcome: Outcome) -> Record {
    let scheduled = Offset::from_nanos(id * 10_000_000);
    let later = |ms: u64| Offset::from_nanos(scheduled.as_nanos() + ms * 1_000_000);
    let mut exchange =
        Exchange { sent: Some(Offset::from_nanos(scheduled.as_nanos() + 40_000)), ..Exchange::default() };
    let wait_ms = 20 + (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % 41;
    match outcome {
        Outcome::Completed => {
            for token in 0..16 {
                exchange.note_token_event(later(wait_ms + token * 5), true);
            }
            exchange.first_event = exchange.first_token;
            exchange.ended = exchange.last_token;
            exchange.usage = Some(Usage { input_tokens: 128, output_tokens: 16, cached_tokens: None });
            exchange.status = Some(200);
            exchange.finish_reason = Some("length".into());
        }
        Outcome::Failed(_) => {
            exchange.status = Some(503);
            exchange.ended = Some(later(3));
        }
        _ => exchange.ended = Some(later(2_000)),
    }
    exchange.outcome = outcome;
    Record {
        id,
        class: "default".into(),
        session: None,
        turn: None,
        turns: None,
        origin: Origin::Planned,
        scheduled,
        asked_input_tokens: 128,
        asked_output_tokens: 16,
        cancel_after: None,
        target: "http://127.0.0.1:8000".into(),
        model: "llama-3.1-8b".into(),
        exchange,
    }
}

fn report(records: &[Record], slo: &[&str], load: LoadFacts) -> Report {
    let window = Window { start: Offset::ZERO, end: Offset::from_secs(30.0) };
    let objectives = Objectives::parse(slo, None, None).expect("objectives");
    let mut summary = Summary::new(Frame { window, load_end: window.end, streamed: true }, Arc::new(objectives));
    for record in records {
        summary.add(record);
    }
    let settled_s = summary.flow().total_flight_ns as f64 / 1e9;
    let trial = Trial {
        label: "run".to_owned(),
        load,
        drain_end: Offset::from_secs(31.0),
        ended: Ended::Complete,
        not_due: 0,
        due: None,
        concurrency: Some(Concurrency { peak: 14, integral_s: settled_s }),
        body_fingerprint: None,
        sequence: None,
        summary,
    };
    Report {
        schema: SCHEMA,
        tool: Tool { name: "tonnage".to_owned(), version: "0.1.0".to_owned(), git: None },
        started: "2026-01-02T03:04:05Z".to_owned(),
        host: Host { name: "bench".to_owned(), system: "Linux".to_owned(), cores: 8, workers: 8, receive_clock: None },
        command: vec!["tonnage".to_owned(), "run".to_owned()],
        config: serde_json::from_str(r#"{"salt": "abcdefgh"}"#).expect("a map"),
        seed: 1,
        plan_fingerprint: "0123456789abcdef0123456789abcdef".to_owned(),
        body_fingerprint: Some("fedcba9876543210fedcba9876543210".to_owned()),
        target: Target {
            urls: vec!["http://127.0.0.1:8000".to_owned()],
            model: "llama-3.1-8b".to_owned(),
            simulated: false,
            http2: None,
        },
        label: Some("after the upgrade".to_owned()),
        metadata: BTreeMap::new(),
        token_estimate: "words-v1".to_owned(),
        preflight: None,
        preparation: None,
        clock: None,
        data_digest: None,
        notes: vec!["quota 500/min: 12 requests were taken out of the plan beforehand; none was shifted".to_owned()],
        trials: vec![trial.view()],
        sweep: None,
        search: None,
    }
}

fn open() -> LoadFacts {
    LoadFacts {
        kind: LoadKind::Open,
        rate_per_s: Some(100.0),
        process: Some("even".to_owned()),
        ..LoadFacts::default()
    }
}

fn completed() -> Vec<Record> {
    (0..3_000).map(|id| record(id, Outcome::Completed)).collect()
}

/// The text, after checks that it survives `result.json` and fits the width.
fn drawn(report: &Report) -> String {
    let json = serde_json::to_string(report).expect("JSON");
    let again: Report = serde_json::from_str(&json).expect("a report");
    let text = render(report, Ink::Plain);
    assert_eq!(render(&again, Ink::Plain), text, "result.json must keep everything that is shown");
    let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    assert!(widest <= 80, "{widest} columns:\n{text}");
    text
}

#[test]
fn a_healthy_run_that_passes() {
    insta::assert_snapshot!(drawn(&report(
        &completed(),
        &["p99 ttft<=200ms", "p99 tpot<=50ms", "error_rate<=1%"],
        open()
    )));
}

#[test]
fn a_run_with_failures_and_objectives_missed() {
    let mut records = completed();
    for (place, record_of) in records.iter_mut().enumerate().filter(|(place, _)| place % 10 == 0) {
        let failure = Failure::new(FailureClass::Status, "503 Service Unavailable");
        *record_of = record(place as u64, if place % 100 == 0 { Outcome::TimedOut } else { Outcome::Failed(failure) });
    }
    insta::assert_snapshot!(drawn(&report(&records, &["p99 ttft<=50ms", "ttft<=200ms", "goodput>=80/s"], open())));
}

/// A run that misses two objectives, with a late generator and a note.
fn with_warnings() -> Report {
    let mut records = completed();
    for record in &mut records {
        record.exchange.sent = Some(Offset::from_nanos(record.scheduled.as_nanos() + 15_000_000));
        record.exchange.usage_odd = record.id == 7;
    }
    report(&records, &["p99 ttft<=30ms", "mean e2e<=50ms"], open())
}

#[test]
fn result_json_holds_a_sentence_beside_each_kind() {
    let mut report = with_warnings();
    let unworded = render(&report, Ink::Plain);
    worded(&mut report);
    assert_eq!(render(&report, Ink::Plain), unworded, "a page must not depend on sentences in the result");
    let json = serde_json::to_value(&report.trials[0]).expect("JSON");
    for (kinds, sentences) in [
        ("/health/fault_kinds", "/health/faults"),
        ("/health/note_kinds", "/health/notes"),
        ("/verdict/reason_kinds", "/verdict/reasons"),
    ] {
        let list = |pointer: &str| json.pointer(pointer).and_then(|list| list.as_array()).expect("a list").clone();
        let (kinds, sentences) = (list(kinds), list(sentences));
        assert!(!kinds.is_empty() && kinds.iter().all(|kind| kind["kind"].is_string()), "{kinds:?}");
        assert_eq!(kinds.len(), sentences.len(), "{kinds:?} {sentences:?}");
    }
    let objective = &json["slo"]["objectives"][0];
    assert_eq!(json["verdict"]["reasons"][0], objective["reason"], "{objective}");
    assert_eq!(objective["reason_kind"]["kind"], "missed");
    assert_eq!(json["verdict"]["reason_kinds"][0]["objective"], objective["text"]);
}

#[test]
fn a_result_of_an_older_version_is_shown_with_the_sentences_that_it_holds() {
    let mut report = with_warnings();
    worded(&mut report);
    let page = render(&report, Ink::Plain);
    let mut json = serde_json::to_value(&report).expect("JSON");
    let trial = &mut json["trials"][0];
    for (part, kinds) in [("health", "fault_kinds"), ("health", "note_kinds"), ("verdict", "reason_kinds")] {
        trial[part].as_object_mut().expect("an object").remove(kinds).expect("kinds");
    }
    for objective in trial["slo"]["objectives"].as_array_mut().expect("a list") {
        objective.as_object_mut().expect("an object").remove("reason_kind").expect("a kind");
    }
    let older: Report = serde_json::from_value(json).expect("a report");
    assert_eq!(render(&older, Ink::Plain), page);
    let mut again = older.clone();
    worded(&mut again);
    assert_eq!(again, older, "unknown kinds must stay as they are");
}

#[test]
fn a_closed_loop_of_a_simulated_server() {
    let mut records = completed();
    for record in &mut records {
        record.origin = Origin::Released;
    }
    let load = LoadFacts {
        kind: LoadKind::Concurrent,
        origin: LoadOrigin::Released,
        concurrency: Some(8),
        ..LoadFacts::default()
    };
    let mut report = report(&records, &[], load);
    report.target.simulated = true;
    insta::assert_snapshot!(drawn(&report));
}

#[test]
fn a_run_in_which_everything_was_missed_still_has_its_rows() {
    // The worst case has no value to show: every row says that all requests missed, or gives a lower bound.
    let failure = Failure::new(FailureClass::Connect, "refused");
    let missed: Vec<Record> = (0..100).map(|id| record(id, Outcome::Failed(failure.clone()))).collect();
    let text = drawn(&report(&missed, &["p99 ttft<=200ms"], open()));
    assert!(text.lines().any(|line| line.starts_with("ttft") && line.ends_with("all missed")), "{text}");
    let open_still: Vec<Record> = (0..100).map(|id| record(id, Outcome::Unresolved)).collect();
    let text = drawn(&report(&open_still, &["p99 ttft<=200ms"], open()));
    assert!(text.lines().any(|line| line.starts_with("e2e") && line.contains(">2.00 s")), "{text}");
}

#[test]
fn a_run_interrupted_during_warm_up_says_that_nothing_was_measured() {
    // An empty window has no length, no rates and no meaningful verdict.
    let mut report = report(&[], &["p99 ttft<=200ms"], open());
    let trial = &mut report.trials[0];
    trial.ended = Ended::Interrupted;
    trial.window = Window { start: Offset::from_secs(5.0), end: Offset::from_secs(5.0) };
    let text = drawn(&report);
    assert!(
        text.contains("interrupted during warm-up: nothing was measured") && text.contains("INCONCLUSIVE"),
        "{text}"
    );
}

#[test]
fn failures_of_several_targets_are_told_apart() {
    // Two targets in turn, one of which refuses: the total alone would hide which one.
    let mut records = completed();
    for odd in records.iter_mut().skip(1).step_by(2) {
        *odd = record(odd.id, Outcome::Failed(Failure::new(FailureClass::Connect, "refused")));
        odd.target = "http://127.0.0.1:8001".into();
    }
    let mut report = report(&records, &["ttft<=200ms"], LoadFacts { origin: LoadOrigin::Released, ..open() });
    report.target.urls.push("http://127.0.0.1:8001".to_owned());
    let text = drawn(&report);
    assert!(text.contains("failed or timed out: http://127.0.0.1:8000 0 · http://127.0.0.1:8001 1 500"), "{text}");
    assert!(text.contains("of the released"), "a closed loop has no offered rate: {text}");
}

#[test]
fn what_answers_say_about_themselves_stands_on_the_page() {
    // Four tokens per event, a filter that ends every tenth response, and a proxy that sends each response in one
    // piece.
    let mut records = completed();
    for record in &mut records {
        record.exchange.event_tokens = vec![4; 16];
        record.exchange.first_event_tokens = Some(4);
        record.exchange.usage = Some(Usage { input_tokens: 128, output_tokens: 64, cached_tokens: None });
        record.exchange.one_read = true;
        if record.id % 10 == 0 {
            record.exchange.finish_reason = Some("content_filter".into());
        }
    }
    let text = drawn(&report(&records, &["p99 ttft<=200ms", "p99 e2e<=1s"], open()));
    let row = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(
        row("tpot").contains("1.25 ms") && row("tbt").contains("1.25 ms") && row("itl").contains("5.00 ms"),
        "{text}"
    );
    assert!(text.contains("finish reasons: content_filter 300 · length 2 700"), "{text}");
    assert!(
        text.contains("INCONCLUSIVE") && text.contains("p99 ttft<=200ms: 3 000 of 3 000 answers came in one read"),
        "{text}"
    );
}

#[test]
fn colour_says_only_what_words_say() {
    let report = report(&completed(), &["p99 ttft<=200ms"], open());
    let coloured = render(&report, Ink::Colour);
    let mut letters = String::new();
    let mut inside = false;
    for character in coloured.chars() {
        match (inside, character) {
            (false, '\u{1b}') => inside = true,
            (true, 'm') => inside = false,
            (true, _) => {}
            (false, other) => letters.push(other),
        }
    }
    assert_ne!(coloured, letters);
    assert_eq!(letters, render(&report, Ink::Plain));
}
