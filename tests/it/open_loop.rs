//! Owns the invariants of the run engine, each a test of its name, under a paused clock.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tonnage::clock::RunClock;
use tonnage::engine::{LivePlayer, Settings, Setup};
use tonnage::metrics::{Ended, Known, Metric, Objectives, OriginOf, Reason, VerdictResult};
use tonnage::play::{Observer, Play, Segment, StopRule, Trial};
use tonnage::record::{Origin, Outcome, Record};
use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::seed::Seed;
use tonnage::units::{Offset, Rate};
use tonnage::workload::{Closed, Load, Plan};

use crate::scripted::{Fate, Script, Scripted};

const MS: Duration = Duration::from_millis(1);

fn rate(per_s: f64) -> Rate {
    Rate::new(per_s).expect("a rate")
}

fn even(per_s: f64, seconds: u64) -> Plan {
    let extent = Extent::Duration(Duration::from_secs(seconds));
    plan(Load::Open(Timeline::new(Process::Even, rate(per_s), extent, Duration::ZERO, Duration::ZERO, Seed::new(1))))
}

fn settings() -> Settings {
    Settings { timeout: Duration::from_mins(10), drain: Duration::from_mins(1), max_in_flight: None }
}

fn paused<T>(test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true);
    builder.build_local(tokio::runtime::LocalOptions::default()).expect("a runtime").block_on(test)
}

/// Runs `plan` against `script` in virtual time; returns the trial and every record, by id.
fn play(plan: Plan, settings: Settings, script: impl Fn(u64) -> Fate + Send + Sync + 'static) -> (Trial, Vec<Record>) {
    play_segment(segment("test", Arc::new(plan)), settings, &[], script)
}

/// Runs `plan` as `play` does, interrupted at each of these milliseconds after the call (the origin lies 50 ms after
/// the call).
fn play_interrupted(
    segment: Segment,
    at_ms: &'static [u64],
    script: impl Fn(u64) -> Fate + Send + Sync + 'static,
) -> (Trial, Vec<Record>) {
    play_segment(segment, settings(), at_ms, script)
}

fn play_segment(
    segment: Segment,
    settings: Settings,
    interrupts_ms: &'static [u64],
    script: impl Fn(u64) -> Fate + Send + Sync + 'static,
) -> (Trial, Vec<Record>) {
    paused(async {
        let mut session = LivePlayer::local::<Scripted>(settings, Arc::new(Box::new(script) as Script), Scripted);
        let interrupter = session.interrupter();
        tokio::task::spawn_local(async move {
            let called = RunClock::starting_in(Duration::ZERO);
            for at_ms in interrupts_ms {
                tokio::time::sleep(called.until(Offset::from_nanos(at_ms * 1_000_000))).await;
                interrupter.interrupt();
            }
        });
        let (records, sink) = filing();
        let trial = session.play_into(segment, StopRule::Never, sink).await.expect("played").await.expect("a trial");
        let mut records = records.take();
        records.sort_by_key(|record| record.id);
        (trial, records)
    })
}

/// A sink that keeps every record.
fn filing() -> (Rc<RefCell<Vec<Record>>>, Box<dyn Observer>) {
    let records = Rc::new(RefCell::new(Vec::new()));
    let filed = Rc::clone(&records);
    (records, Box::new(move |record: &Record| filed.borrow_mut().push(record.clone())))
}

fn segment(label: &str, plan: Arc<Plan>) -> Segment {
    Segment { label: label.to_owned(), plan, objectives: Arc::new(Objectives::default()), streamed: true }
}

fn outcomes(records: &[Record], name: &str) -> usize {
    records.iter().filter(|record| record.exchange.outcome.name() == name).count()
}

#[test]
fn schedule_never_waits() {
    let (_, records) = play(even(100.0, 5), settings(), |_| Fate::Hangs);
    assert_eq!(records.len(), 500, "all requests must be issued although none is ever answered");
    for record in &records {
        assert_eq!(record.exchange.sent, Some(record.scheduled), "request {} must leave at its instant", record.id);
    }
}

#[test]
fn latency_counts_from_scheduled() {
    // Requests due while the server stalls from 1 s to 6 s are answered at 6 s; each keeps its own planned instant.
    let stall_end = Offset::from_secs(6.0);
    let (trial, records) = play(even(10.0, 10), settings(), move |id| match id {
        10..60 => Fate::Answers(MS * u32::try_from(6_000 - 100 * id).expect("small")),
        _ => Fate::Answers(20 * MS),
    });
    for record in &records {
        let planned = Offset::from_nanos(record.id * 100_000_000);
        assert_eq!(record.scheduled, planned, "a stall must not move a planned instant");
        let answered = record.exchange.first_token.expect("answered");
        let expected = if (10..60).contains(&record.id) { stall_end } else { planned.plus(20 * MS) };
        assert_eq!(answered, expected);
    }
    let p99 = trial.summary.distribution(Metric::Ttft, OriginOf::Scheduled).at_share(0.99).expect("a p99");
    assert!(matches!(p99, Known::At(p99_s) if (4.85..=5.01).contains(&p99_s)), "the stall must show in p99: {p99:?}");

    // A client that waits for each response before it sends the next request meets the stall only once. Its p99,
    // counted from the send, does not show the stall.
    let waits = Closed::concurrent(1, Extent::Requests(300), Duration::ZERO, Duration::ZERO).expect("one slot");
    let (trial, records) =
        play(plan(Load::Closed(waits)), settings(), |id| Fate::Answers(if id == 50 { 5_000 * MS } else { 20 * MS }));
    assert!(records[50].exchange.ended.expect("ended").as_secs() >= 6.0, "the server must stall from 1 s to 6 s");
    let p99 = trial.summary.distribution(Metric::Ttft, OriginOf::Service).at_share(0.99).expect("a p99");
    assert!(matches!(p99, Known::At(p99_s) if p99_s < 0.03), "a waiting generator must hide the stall: {p99:?}");
}

#[test]
fn one_record_per_planned_request() {
    let (trial, records) = play(even(100.0, 10), settings(), |id| match id % 10 {
        3 => Fate::Panics,
        5 => Fate::Hangs,
        7 => Fate::Breaks(MS),
        _ => Fate::Answers(MS),
    });
    let ids: Vec<u64> = records.iter().map(|record| record.id).collect();
    assert_eq!(ids, (0..1_000).collect::<Vec<_>>(), "each planned request must leave exactly one record");
    assert_eq!(outcomes(&records, "abandoned"), 100, "a task that died must still leave its record");
    assert_eq!(outcomes(&records, "unresolved"), 100);
    assert_eq!(outcomes(&records, "failed"), 100);
    assert_eq!(trial.ended, Ended::Complete);
    let in_flight_s: f64 = records
        .iter()
        .map(|record| record.exchange.ended.expect("ended").secs_since(record.exchange.sent.expect("sent")))
        .sum();
    let area_s = trial.concurrency.expect("counted").integral_s;
    assert!(
        (area_s / in_flight_s - 1.0).abs() < 1e-9,
        "the concurrency integral must count abandoned requests too: {area_s} {in_flight_s}"
    );
}

#[test]
fn books_balance() {
    let settings = Settings { max_in_flight: Some(30), timeout: Duration::from_secs(2), drain: Duration::from_secs(1) };
    let (trial, records) = play(even(100.0, 10), settings, |id| match id % 9 {
        1 => Fate::Hangs,
        2 => Fate::Breaks(MS),
        3 => Fate::Panics,
        4 => Fate::Stalls(100 * MS),
        _ => Fate::Answers(50 * MS),
    });
    let names = ["completed", "failed", "timed_out", "unresolved", "shed", "cancelled", "skipped", "abandoned"];
    let by_name: Vec<usize> = names.iter().map(|name| outcomes(&records, name)).collect();
    assert_eq!(by_name.iter().sum::<usize>(), 1_000);
    for (name, count) in names.iter().zip(&by_name) {
        assert_eq!(*count > 0, !["cancelled", "skipped"].contains(name), "{name}: {count}");
    }
    let totals = trial.summary.totals();
    assert_eq!(totals.planned, 1_000);
    let settled = [totals.completed, totals.failed, totals.timed_out, totals.unresolved, totals.shed, totals.abandoned];
    assert_eq!(settled.iter().sum::<u64>(), totals.planned, "planned must be the sum of its outcomes");
}

#[test]
fn nothing_is_silent() {
    let capped = Settings { max_in_flight: Some(5), ..settings() };
    let (trial, records) = play(even(100.0, 1), capped, |_| Fate::Answers(Duration::from_secs(10)));
    assert_eq!(outcomes(&records, "shed"), 95, "a request over the cap must be shed, not delayed");
    assert!(records.iter().take(5).all(|record| record.exchange.sent == Some(record.scheduled)));
    let health = trial.judge().health;
    assert!(!health.healthy && health.shed == 95, "health must say that the cap was hit: {health:?}");
}

#[test]
fn slow_requests_count_when_the_drain_ends_first() {
    let settings = Settings { drain: Duration::from_secs(5), ..settings() };
    let (trial, records) = play(even(10.0, 1), settings, |id| if id == 4 { Fate::Hangs } else { Fate::Answers(MS) });
    let slow = &records[4];
    assert_eq!(slow.exchange.outcome, Outcome::Unresolved);
    let age_s = slow.exchange.ended.expect("let go").secs_since(slow.scheduled);
    assert!((5.0..6.0).contains(&age_s), "censored at its age, {age_s} s");
    assert_eq!(trial.summary.totals().unresolved, 1);
}

#[test]
fn a_timeout_counts_from_the_send_and_is_a_miss() {
    let settings = Settings { timeout: Duration::from_secs(2), ..settings() };
    let (_, records) = play(even(10.0, 1), settings, |_| Fate::Stalls(300 * MS));
    for record in &records {
        assert_eq!(record.exchange.outcome, Outcome::TimedOut);
        assert_eq!(record.exchange.ended, Some(record.scheduled.plus(Duration::from_secs(2))));
        assert_eq!(record.exchange.events, 3, "events before the timeout must be kept");
    }
}

#[test]
fn collector_cannot_push_back() {
    // The sink blocks on the first record until every request has been sent. If sends waited for the sink, this test
    // would never end.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(tokio::runtime::LocalOptions::default());
    let (seen, all_sent) = mpsc::channel();
    let trial = runtime.expect("a runtime").block_on(async {
        let encoder = Arc::new(Box::new(|_| Fate::Answers(MS)) as Script);
        let setup = Setup::<Scripted> { workers: 1, encoder, connect: Arc::new(|| Ok(Scripted)) };
        let mut session = LivePlayer::threads(settings(), &setup).expect("a session");
        let extent = Extent::Requests(500);
        let timeline =
            Timeline::new(Process::Even, rate(2_000.0), extent, Duration::ZERO, Duration::ZERO, Seed::new(1));
        let mut blocked = false;
        let watched = session.interrupter();
        let sent = move || watched.counts().map_or(0, |counts| counts.sent);
        let sink = Box::new(move |_: &Record| {
            let deadline = std::time::Duration::from_secs(20);
            let mut waited = Duration::ZERO;
            while !blocked && sent() < 500 && waited < deadline {
                std::thread::park_timeout(MS);
                waited += MS;
            }
            if !blocked {
                seen.send(sent()).expect("the test listens");
            }
            blocked = true;
        });
        let segment = segment("test", Arc::new(plan(Load::Open(timeline))));
        session.play_into(segment, StopRule::Never, sink).await.expect("played").await.expect("a trial")
    });
    assert_eq!(all_sent.recv().expect("the sink ran"), 500, "all requests must be sent while the collector is blocked");
    assert_eq!(trial.summary.totals().completed, 500);
}

/// Runs `timeline` on its own worker thread in real time, interrupted after a while if asked; returns the trial and
/// every record.
fn play_live(timeline: Timeline, interrupt_after: Option<Duration>) -> (Trial, Vec<Record>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(tokio::runtime::LocalOptions::default());
    runtime.expect("a runtime").block_on(async {
        let encoder = Arc::new(Box::new(|_| Fate::Answers(MS)) as Script);
        let setup = Setup::<Scripted> { workers: 1, encoder, connect: Arc::new(|| Ok(Scripted)) };
        let mut session = LivePlayer::threads(settings(), &setup).expect("a session");
        let interrupter = session.interrupter();
        if let Some(after) = interrupt_after {
            tokio::task::spawn_local(async move {
                tokio::time::sleep(after).await;
                interrupter.interrupt();
            });
        }
        let (records, sink) = filing();
        let segment = segment("test", Arc::new(plan(Load::Open(timeline))));
        let trial = session.play_into(segment, StopRule::Never, sink).await.expect("played").await.expect("a trial");
        (trial, records.take())
    })
}

#[test]
fn a_request_does_not_wait_for_the_next_one_to_be_built() {
    // Regression: the issuer built the next request before it sent the one that was due. A request is built only 500
    // ms ahead, so at one request per 1.4 s each request left 0.9 s late.
    let timeline =
        Timeline::new(Process::Even, rate(0.7), Extent::Requests(2), Duration::ZERO, Duration::ZERO, Seed::new(1));
    let (_, records) = play_live(timeline, None);
    assert_eq!(records.len(), 2);
    for record in records {
        let late_s = record.exchange.sent.expect("sent").secs_since(record.scheduled);
        assert!(late_s < 0.45, "request {} left {late_s} s late", record.id);
    }
}

#[test]
fn an_interrupt_is_heard_although_the_next_request_is_a_minute_away() {
    // Regression: the interrupt was noticed only when the next request had been built, and a request already due then
    // was never sent.
    let timeline =
        Timeline::new(Process::Even, rate(0.01), Extent::Requests(2), Duration::ZERO, Duration::ZERO, Seed::new(1));
    let (trial, records) = play_live(timeline, Some(Duration::from_millis(300)));
    assert_eq!((trial.ended, trial.not_due, records.len()), (Ended::Interrupted, 1, 1));
    assert_eq!(records[0].exchange.outcome, Outcome::Completed);
    assert!(trial.drain_end < Offset::from_secs(30.0), "{}", trial.drain_end);
}

#[test]
fn an_interrupted_run_ends_its_window_at_that_instant() {
    let segment = segment("test", Arc::new(even(10.0, 10)));
    let (trial, records) = play_interrupted(segment, &[3_050], |_| Fate::Answers(30 * MS));
    assert_eq!(trial.ended, Ended::Interrupted);
    let end = trial.window().end;
    assert!((2.9..3.1).contains(&end.as_secs()), "the window must end at the stop, not at {end}");
    assert!(records.iter().all(|record| record.scheduled < end && record.exchange.outcome == Outcome::Completed));
    assert_eq!(records.len() as u64 + trial.not_due, 100, "requests that were not due must be counted separately");
    assert_eq!(trial.summary.cohort().planned, records.len() as u64);
}

#[test]
fn a_run_interrupted_during_warm_up_measures_nothing_and_its_load_ends_at_the_stop() {
    // 5 s of warm-up, stopped at 1.59 s: the window is empty, the load ended at the stop, and no request belongs to
    // an objective.
    let extent = Extent::Duration(Duration::from_secs(10));
    let timeline =
        Timeline::new(Process::Even, rate(10.0), extent, Duration::from_secs(5), Duration::ZERO, Seed::new(1));
    let asked = Objectives::parse(&["p99 ttft<=1s", "mean e2e<=1s", "max ttft<=1s", "goodput>=1/s"], None, None)
        .expect("objectives");
    let segment = Segment { objectives: Arc::new(asked), ..segment("test", Arc::new(plan(Load::Open(timeline)))) };
    let (trial, _) = play_interrupted(segment, &[1_590], |_| Fate::Answers(30 * MS));
    let frame = trial.summary.frame();
    assert!(frame.window.length_s() == 0.0 && frame.load_end.as_secs() < 1.7, "{frame:?}");
    assert!(frame.load_end <= trial.drain_end, "{frame:?} {}", trial.drain_end);
    let verdict = trial.judge().verdict;
    assert_eq!(verdict.result, VerdictResult::Inconclusive);
    assert!(
        verdict.reason_kinds.iter().take(3).all(|why| why.of_objective() == Some(Reason::NothingMeasured)),
        "{verdict:?}"
    );
}

#[test]
fn a_second_interrupt_lets_go_at_once_with_the_books_closed() {
    let segment = segment("test", Arc::new(even(10.0, 10)));
    let (trial, records) = play_interrupted(segment, &[1_050, 1_550], |_| Fate::Hangs);
    assert!(trial.drain_end.as_secs() < 1.7, "the end must not wait for the drain: {}", trial.drain_end);
    assert_eq!(records.len(), outcomes(&records, "unresolved"));
    assert_eq!(records.len() as u64 + trial.not_due, 100);
}

#[test]
fn a_stop_rule_is_asked_while_the_load_runs() {
    let trial = paused(async {
        let mut session =
            LivePlayer::local::<Scripted>(settings(), Arc::new(Box::new(|_| Fate::Answers(MS)) as Script), Scripted);
        let segment = segment("test", Arc::new(even(100.0, 60)));
        let rule = StopRule::Completed(200);
        session.play(segment, rule).await.expect("played").await.expect("a trial")
    });
    assert_eq!(trial.ended, Ended::Stopped);
    assert!((200..210).contains(&trial.summary.cohort().completed), "{}", trial.summary.cohort().completed);
}

#[test]
fn segments_follow_one_another_without_draining() {
    let (first, second, gap) = paused(async {
        let mut session = LivePlayer::local::<Scripted>(
            settings(),
            Arc::new(Box::new(|_| Fate::Answers(3_000 * MS)) as Script),
            Scripted,
        );
        let ten = |label: &str| segment(label, Arc::new(even(10.0, 1)));
        let first = session.play(ten("first"), StopRule::Never).await.expect("played");
        let clock = RunClock::starting_in(Duration::ZERO);
        let second = session.play(ten("second"), StopRule::Never).await.expect("played");
        let gap = clock.now();
        (first.await.expect("a trial"), second.await.expect("a trial"), gap)
    });
    assert!(gap < Offset::from_secs(1.2), "the second segment must not wait for the responses of the first: {gap}");
    assert_eq!(
        (first.summary.cohort().completed, second.summary.cohort().completed),
        (10, 10),
        "each request must settle in its own segment"
    );
}

#[test]
fn a_closed_loop_releases_on_completion_only() {
    let closed = Closed::concurrent(4, Extent::Duration(Duration::from_secs(10)), Duration::ZERO, Duration::ZERO)
        .expect("slots");
    let (trial, records) = play(plan(Load::Closed(closed)), settings(), |_| Fate::Answers(100 * MS));
    assert!(records.iter().all(|record| record.origin == Origin::Released));
    assert_eq!(trial.concurrency.map(|held| held.peak), Some(4));
    assert!((395..=404).contains(&records.len()), "4 slots × 10 s ÷ 0.1 s: {}", records.len());
    let counted = Closed::concurrent(4, Extent::Requests(10), Duration::ZERO, Duration::ZERO).expect("slots");
    let (_, records) = play(plan(Load::Closed(counted)), settings(), |_| Fate::Answers(100 * MS));
    assert_eq!(records.len(), 10);
}

fn plan(load: Load) -> Plan {
    tonnage::workload::Plan::new(load, tonnage::workload::Workload::default(), Seed::new(1), None)
}
