//! Owns the tests of the batching engine in virtual time, without sockets, and over sockets: the same plan gives the
//! same instants.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tonnage::client::{Addresses, Client, Encoder, HttpClient, ReceiveClock, RequestOptions, Target, Tls};
use tonnage::clock::Pacing;
use tonnage::engine;
use tonnage::metrics::{Ended, Objectives};
use tonnage::play::{Segment, StopRule};
use tonnage::record::{Outcome, Record};
use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::seed::Seed;
use tonnage::sim::{
    LocalTarget, MODEL_NAME, ModelClient, Options, Server, ServiceProfile, VirtualPlayer, listen_at, run,
};
use tonnage::trace::{Choice, OnEmpty, Reading, Trace};
use tonnage::units::Rate;
use tonnage::workload::{Closed, LengthSpec, Load, Plan, Workload, replay};

fn workload(input_tokens: u32, output_tokens: u32) -> Workload {
    Workload::new(LengthSpec::fixed(input_tokens).unwrap(), LengthSpec::fixed(output_tokens).unwrap())
}

fn open(process: Process, per_s: f64, seconds: u64, workload: Workload) -> Plan {
    let extent = Extent::Duration(Duration::from_secs(seconds));
    let timeline =
        Timeline::new(process, Rate::new(per_s).unwrap(), extent, Duration::ZERO, Duration::ZERO, Seed::new(11));
    Plan::new(Load::Open(timeline), workload, Seed::new(11), None)
}

fn profile(text: &str) -> ServiceProfile {
    text.parse().unwrap()
}

/// TTFT and time to the end in whole milliseconds, as measured by a clock that moves in whole milliseconds.
fn millis(record: &Record) -> (u64, u64) {
    let since = |at: tonnage::units::Offset| at.since(record.scheduled).as_nanos().div_ceil(1_000_000) as u64;
    (since(record.exchange.first_token.unwrap()), since(record.exchange.last_token.unwrap()))
}

/// Runs `plan` on the live run engine with this client, on this runtime; returns the records by id.
async fn play<C: Client>(plan: Plan, encoder: C::Encoder, client: C) -> Vec<Record> {
    let settings =
        engine::Settings { timeout: Duration::from_mins(10), drain: Duration::from_mins(1), max_in_flight: None };
    let mut session = engine::LivePlayer::local(settings, Arc::new(encoder), client);
    let records = Rc::new(RefCell::new(Vec::new()));
    let filed = Rc::clone(&records);
    let sink = Box::new(move |record: &Record| filed.borrow_mut().push(record.clone()));
    let segment = Segment {
        label: "test".to_owned(),
        plan: Arc::new(plan),
        objectives: Arc::new(Objectives::default()),
        streamed: true,
    };
    session.play_into(segment, StopRule::Never, sink).await.unwrap().await.unwrap();
    let mut records = records.take();
    records.sort_by_key(|record| record.id);
    records
}

async fn play_over_sockets(plan: Plan, text: &str, pacing: Pacing) -> Vec<Record> {
    // A busy kernel may deliver TCP's bytes only after the paused clock has moved on; those of a unix socket are there
    // when the write returns.
    let folder = tempfile::tempdir().unwrap();
    let listener = listen_at(&folder.path().join("server.sock")).unwrap();
    let target = Target::parse(&listener.url().unwrap()).unwrap();
    let options = Options { profile: profile(text), pacing, ..Options::default() };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::task::spawn_local(Server::new(options).serve(listener, async { _ = stopped.await }));
    let addresses = Addresses::of(std::slice::from_ref(&target), &Tls::nobody().unwrap()).await.unwrap();
    let encoder = Encoder::new(&RequestOptions::new(vec![target], vec![MODEL_NAME.to_owned()])).unwrap();
    let records =
        play(plan, encoder, HttpClient::stamped_by(ReceiveClock::UserSpace, &addresses, Duration::from_secs(5), 0))
            .await;
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    records
}

fn agree(played: &[Record], known: &[Record]) {
    assert_eq!(played.len(), known.len());
    for (played, known) in played.iter().zip(known) {
        assert_eq!(played.exchange.outcome, Outcome::Completed);
        assert_eq!(played.scheduled, known.scheduled);
        assert_eq!(millis(played), millis(known), "request {}: TTFT and E2E in milliseconds", known.id);
        assert_eq!(played.exchange.usage, known.exchange.usage);
    }
}

/// Even arrivals on whole milliseconds: (requests per second, seconds), near one half and nine tenths of the engine's
/// capacity.
const LOADS: [(f64, u64); 2] = [(20.0, 5), (40.0, 5)];

#[tokio::test(flavor = "local", start_paused = true)]
async fn over_sockets_every_instant_is_the_one_in_virtual_time() {
    for (per_s, seconds) in LOADS {
        let plan = || open(Process::Even, per_s, seconds, workload(128, 40));
        agree(&play_over_sockets(plan(), "small", Pacing::Coarse).await, &run(&plan(), profile("small"), Seed::new(1)));
    }
}

/// Regression: a replay in virtual time once shared no prefixes, so its engine computed everything that a cache would
/// save.
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_replayed_trace_finds_its_prefixes_in_the_cache_alike_in_virtual_time_and_over_sockets() {
    const ROWS: &str = r#"{"timestamp": 0, "input_length": 1200, "output_length": 5, "hash_ids": [1, 2, 3]}
{"timestamp": 3000, "input_length": 1500, "output_length": 5, "hash_ids": [1, 2, 4]}
{"timestamp": 6000, "input_length": 1100, "output_length": 5, "hash_ids": [1, 2, 3]}
{"timestamp": 9000, "input_length": 700, "output_length": 5, "hash_ids": [5, 6]}
"#;
    let plan = || {
        let trace = Trace::read(ROWS.as_bytes(), Path::new("t"), &Reading::default()).unwrap();
        let selection =
            trace.select(&Choice { on_empty: Some(OnEmpty::Fail), ..Choice::default() }, Path::new("t")).unwrap();
        let (timeline, recording) = replay(selection, "1".parse().unwrap(), "t").unwrap();
        Plan::new(Load::Open(timeline), Workload::recorded(recording), Seed::new(1), None)
    };
    let known = run(&plan(), profile("small"), Seed::new(1));
    let cached: Vec<_> = known.iter().map(|record| record.exchange.usage.unwrap().cached_tokens).collect();
    assert_eq!(cached, [Some(0), Some(1024), Some(1088), Some(0)], "cached tokens must be whole blocks of 16");
    agree(&play_over_sockets(plan(), "small", Pacing::Coarse).await, &known);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn without_sockets_every_instant_is_the_one_in_virtual_time() {
    for (per_s, seconds) in LOADS {
        let plan = || open(Process::Even, per_s, seconds, workload(128, 40));
        let small = profile("small");
        let client = ModelClient::new(small, &[], Seed::new(1));
        agree(&play(plan(), LocalTarget::new(small), client).await, &run(&plan(), small, Seed::new(1)));
    }
}

#[test]
fn a_closed_loop_larger_than_the_batch_completes_what_the_closed_form_says() {
    let small = profile("small");
    let known_per_s = small.setup().unwrap().saturation_per_s(128, 64).unwrap();
    let loop_of_128 = Closed::concurrent(128, Extent::Requests(1_500), Duration::ZERO, Duration::ZERO).unwrap();
    let records =
        run(&Plan::new(Load::Closed(loop_of_128), workload(128, 64), Seed::new(1), None), small, Seed::new(1));
    let mut ends: Vec<f64> = records.iter().map(|record| record.exchange.ended.unwrap().as_secs()).collect();
    ends.sort_by(f64::total_cmp);
    let seen_per_s = 900.0 / (ends[1_200] - ends[300]);
    assert!((seen_per_s / known_per_s - 1.0).abs() < 0.02, "{seen_per_s}/s is not {known_per_s}/s");
}

#[test]
fn in_virtual_time_littles_law_holds_and_every_token_has_its_event() {
    let mut session = VirtualPlayer::new(profile("8b-h100"), Seed::new(1));
    let mut in_system_s = 0.0;
    let mut records = 0;
    let plan = open(Process::Poisson, 10.0, 60, workload(300, 50));
    let played = session.play_into(&plan, true, &StopRule::Never, |record| {
        in_system_s += record.exchange.ended.unwrap().secs_since(record.scheduled);
        records += 1;
        assert_eq!((record.exchange.events, record.exchange.event_gaps_us.len()), (50, 49));
        assert_eq!(record.exchange.usage.unwrap().cached_tokens, Some(0));
    });
    assert_eq!(records, plan.arrivals().count());
    assert!((played.concurrency.integral_s / in_system_s - 1.0).abs() < 1e-9);
}

#[test]
fn what_is_in_the_engine_when_a_segment_ends_is_in_the_way_of_the_next() {
    let overload = open(Process::Even, 100.0, 2, workload(128, 8));
    let quiet = open(Process::Even, 5.0, 20, workload(128, 8));
    let ttft_s = |record: &Record| record.exchange.first_token.unwrap().secs_since(record.scheduled);
    let mut session = VirtualPlayer::new(profile("small"), Seed::new(1));
    let mut worst_s = 0.0_f64;
    let played = session.play_into(&overload, true, &StopRule::Never, |record| worst_s = worst_s.max(ttft_s(&record)));
    assert!(worst_s > 0.5 && played.drain_end.as_secs() > 2.5, "{worst_s} s, {}", played.drain_end);
    let mut seen = Vec::new();
    session.play_into(&quiet, true, &StopRule::Never, |record| seen.push((record.id, ttft_s(&record))));
    seen.sort_by_key(|(id, _)| *id);
    // The waiting requests are prefilled 16 at a time; each group takes a quarter of a second.
    assert!(
        (seen[0].1 - worst_s).abs() < 0.3,
        "the first request must wait behind the whole queue: {} s after {worst_s} s",
        seen[0].1
    );
    assert!(seen[99].1 < 0.03, "{} s, although the queue is empty by then", seen[99].1);
}

#[test]
fn a_stop_rule_hears_of_completions_step_by_step() {
    let plan = open(Process::Even, 50.0, 20, workload(128, 16));
    let rule = StopRule::Completed(100);
    let mut records = 0;
    let played = VirtualPlayer::new(profile("small"), Seed::new(1)).play_into(&plan, true, &rule, |_| records += 1);
    assert_eq!((played.ended, records + played.not_due), (Ended::Stopped, 1_000));
    assert!((100..140).contains(&records), "{records}");
}

#[test]
fn a_request_longer_than_the_context_fails_at_once_and_the_books_balance() {
    let lengths = Workload::new(LengthSpec::fixed(900).unwrap(), LengthSpec::fixed(200).unwrap());
    let records = run(&open(Process::Even, 10.0, 1, lengths), profile("small:kv_tokens=1024"), Seed::new(1));
    assert_eq!(records.len(), 10);
    for record in records {
        assert_eq!((record.exchange.outcome.name(), record.exchange.status), ("failed", Some(400)));
        assert_eq!(record.exchange.ended, Some(record.scheduled));
    }
}

#[test]
fn an_answer_in_one_piece_comes_with_its_last_token() {
    let plan = open(Process::Even, 2.0, 2, workload(128, 10));
    let small = profile("small");
    let mut whole = Vec::new();
    VirtualPlayer::new(small, Seed::new(1)).play_into(&plan, false, &StopRule::Never, |record| whole.push(record));
    for (whole, streamed) in whole.iter().zip(run(&plan, small, Seed::new(1))) {
        assert_eq!((whole.exchange.first_token, whole.exchange.events), (None, 0));
        assert_eq!((whole.exchange.ended, whole.exchange.headers), (streamed.exchange.ended, streamed.exchange.ended));
    }
}
