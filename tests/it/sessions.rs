//! Owns the tests of `--think after-completion`: a turn is released when the previous turn has completed and its
//! think time has passed, a lost turn ends its session, the live engine and virtual time agree, and every turn is
//! accounted for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tonnage::clock::RunClock;
use tonnage::engine::{LivePlayer, Settings, Setup};
use tonnage::metrics::{Ended, Fault, LoadOrigin, Note, Objectives};
use tonnage::play::{Segment, StopRule, Trial};
use tonnage::record::{Origin, Record};
use tonnage::seed::Seed;
use tonnage::sim;
use tonnage::trace::{Choice, Pauses, Reading, Reshape, Trace, parse_window};
use tonnage::units::{Offset, Shard};
use tonnage::workload::{Load, Plan, Workload, replay, replay_after_completion};

use crate::scripted::{Fate, Script, Scripted};

const MS: Duration = Duration::from_millis(1);

/// A trace in the `BurstGPT` format: (instant in seconds, session, seconds that the response took); one input and one
/// output token.
pub(crate) fn trace_of(rows: &[(f64, &str, &str)]) -> String {
    rows.iter().fold(
        "Timestamp,Session ID,Elapsed time,Request tokens,Response tokens\n".to_owned(),
        |mut text, (at, session, took)| {
            writeln!(text, "{at},{session},{took},1,1").expect("a text");
            text
        },
    )
}

/// Two sessions and requests without a session: `a` thinks 1 s and then 0.5 s, `b` 3 s.
const ROWS: &[(f64, &str, &str)] = &[
    (0.0, "a", "2"),
    (1.0, "b", "1"),
    (2.5, "", ""),
    (3.0, "a", "1"),
    (4.5, "a", "0.5"),
    (5.0, "b", "9"),
    (8.0, "", ""),
];

fn plan(text: &str, scale: &str, window: Option<&str>, reshape: &Reshape) -> Plan {
    let choice = Choice { window: window.map(|window| parse_window(window).unwrap()), ..Choice::default() };
    let selection = Trace::read(text.as_bytes(), Path::new("t"), &Reading::default())
        .unwrap()
        .select(&choice, Path::new("t"))
        .unwrap();
    let pauses = Pauses::of(&selection.trace, reshape.gap_cap);
    let selection = selection.reshape(reshape, Seed::new(3)).unwrap();
    let (timeline, recording) = replay_after_completion(selection, scale.parse().unwrap(), "t", &pauses).unwrap();
    Plan::new(Load::Open(timeline), Workload::recorded(recording), Seed::new(1), None)
}

fn plain(rows: &[(f64, &str, &str)]) -> Plan {
    plan(&trace_of(rows), "1", None, &Reshape::default())
}

fn settings() -> Settings {
    Settings { timeout: Duration::from_mins(10), drain: Duration::from_mins(1), max_in_flight: None }
}

/// Runs `plan` on the run engine under a paused clock, interrupted after `interrupt_ms` if given; returns the trial
/// and every record, by id.
fn play(
    plan: Plan,
    settings: Settings,
    interrupt_ms: Option<u64>,
    script: impl Fn(u64) -> Fate + Send + Sync + 'static,
) -> (Trial, Vec<Record>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true);
    let runtime = builder.build_local(tokio::runtime::LocalOptions::default()).expect("a runtime");
    runtime.block_on(async {
        let mut session = LivePlayer::local::<Scripted>(settings, Arc::new(Box::new(script) as Script), Scripted);
        let interrupter = session.interrupter();
        tokio::task::spawn_local(async move {
            let Some(at_ms) = interrupt_ms else { return };
            let called = RunClock::starting_in(Duration::ZERO);
            tokio::time::sleep(called.until(Offset::from_nanos(at_ms * 1_000_000))).await;
            interrupter.interrupt();
        });
        collected(&mut session, plan).await
    })
}

/// Plays `plan`; returns the trial and the records by id.
pub(crate) async fn collected(session: &mut LivePlayer, plan: Plan) -> (Trial, Vec<Record>) {
    let records = Rc::new(RefCell::new(Vec::new()));
    let filed = Rc::clone(&records);
    let segment = Segment {
        label: "test".to_owned(),
        plan: Arc::new(plan),
        objectives: Arc::new(Objectives::default()),
        streamed: true,
    };
    let sink = Box::new(move |record: &Record| filed.borrow_mut().push(record.clone()));
    let trial = session.play_into(segment, StopRule::Never, sink).await.expect("played").await.expect("a trial");
    let mut records = records.take();
    records.sort_by_key(|record| record.id);
    (trial, records)
}

/// Id, turn, origin of the instant, the instant in milliseconds, and the outcome.
fn schedule(records: &[Record]) -> Vec<(u64, Option<u32>, Origin, u64, &'static str)> {
    let line = |record: &Record| {
        (record.id, record.turn, record.origin, record.scheduled.as_nanos() / 1_000_000, record.exchange.outcome.name())
    };
    records.iter().map(line).collect()
}

#[test]
fn a_turn_is_released_when_the_one_before_has_completed_and_thought() {
    let (done, planned, released) = ("completed", Origin::Planned, Origin::Released);
    let wanted = vec![
        (0, Some(0), planned, 0, done),
        (1, Some(0), planned, 1_000, done),
        (2, None, planned, 2_500, done),
        (3, None, planned, 8_000, done),
        (4, Some(1), released, 200 + 1_000, done),
        (5, Some(2), released, 1_200 + 200 + 500, done),
        (6, Some(1), released, 1_000 + 200 + 3_000, done),
    ];
    let (trial, live) = play(plain(ROWS), settings(), None, |_| Fate::Answers(200 * MS));
    let virtually = sim::run(&plain(ROWS), "delay:ttft=200ms,itl=1ms".parse().unwrap(), Seed::new(1));
    assert_eq!(schedule(&live), wanted, "on the run engine");
    assert_eq!(schedule(&virtually), wanted, "in virtual time");
    assert!(
        live.iter().all(|record| record.exchange.sent == Some(record.scheduled)),
        "each request must leave at its instant"
    );
    assert_eq!(trial.load.origin, LoadOrigin::Mixed);
    assert_eq!((trial.due, trial.not_due, trial.ended), (Some(7), 0, Ended::Complete));
    let view = trial.view();
    let origins = view.origins.expect("a load of both kinds");
    assert_eq!((origins.planned, origins.released, view.requests.planned), (4, 3, 7));
    let offered = view.rates.offered_per_s.expect("planned") * view.window.length_s();
    assert!((offered - 4.0).abs() < 1e-9, "only planned requests count as offered: {offered}");
    assert!(view.health.healthy, "{:?}", view.health.fault_kinds);
    // With recorded think times every turn keeps its own instant, whatever the responses.
    let selection = Trace::read(trace_of(ROWS).as_bytes(), Path::new("t"), &Reading::default()).unwrap();
    let selection = selection.select(&Choice::default(), Path::new("t")).unwrap();
    let (timeline, recording) = replay(selection, "1".parse().unwrap(), "t").unwrap();
    let recorded = Plan::new(Load::Open(timeline), Workload::recorded(recording), Seed::new(1), None);
    assert_eq!((recorded.arrivals().count(), recorded.turns()), (7, None));
    assert_eq!(recorded.spans().window, plain(ROWS).spans().window, "the window must be the same");
}

#[test]
fn a_slow_answer_moves_its_own_session_and_no_other() {
    let (_, records) =
        play(plain(ROWS), settings(), None, |id| Fate::Answers(if id == 0 { 5_000 * MS } else { 200 * MS }));
    let instants: Vec<u64> = schedule(&records).iter().map(|line| line.3).collect();
    assert_eq!(instants, [0, 1_000, 2_500, 8_000, 6_000, 6_700, 4_200]);
}

/// Whether a fault is an error in the generator's own counts.
fn is_ours(fault: &Fault) -> bool {
    matches!(fault, Fault::LittleLaw { .. } | Fault::CountsDoNotBalance | Fault::RecordsMissing { .. })
}

#[test]
fn a_lost_turn_skips_the_rest_of_its_session() {
    let long: Vec<(f64, &str, &str)> =
        (0..40).map(|turn| (f64::from(turn), ["a", "b"][turn as usize % 2], "0")).collect();
    // Session a: ids 0 and 2..21; b: 1 and 21..40.
    for (fate, outcome) in
        [(Fate::Breaks(50 * MS), "failed"), (Fate::Panics, "abandoned"), (Fate::Stalls(900 * MS), "timed_out")]
    {
        let patience = Settings { timeout: Duration::from_secs(3), ..settings() };
        let (trial, records) =
            play(plain(&long), patience, None, move |id| if id == 5 { fate } else { Fate::Answers(10 * MS) });
        let names: Vec<&str> = records.iter().map(|record| record.exchange.outcome.name()).collect();
        assert_eq!((names[5], names.len()), (outcome, 40), "every turn must leave a record");
        for record in &records {
            let skipped = (6..21).contains(&record.id);
            assert_eq!(record.exchange.outcome.name() == "skipped", skipped, "{outcome}: {}", record.id);
            assert_eq!(skipped, record.exchange.sent.is_none(), "a skipped turn must not be sent");
            if skipped {
                assert_eq!(
                    Some(record.scheduled),
                    records[5].exchange.ended,
                    "a skipped turn must carry the instant at which the lost turn ended"
                );
            }
        }
        let totals = trial.summary.totals();
        assert_eq!((totals.planned, totals.skipped, totals.balance(), trial.due), (40, 15, true, Some(40)));
        let view = trial.view();
        assert!(
            !view.health.fault_kinds.iter().any(|fault| is_ours(fault) && outcome != "abandoned"),
            "{:?}",
            view.health
        );
    }
    // At the cap a turn is shed as any request, and its session ends there.
    let capped = Settings { max_in_flight: Some(1), ..settings() };
    let (trial, records) =
        play(plain(&[(0.0, "a", "0"), (1.0, "b", "0"), (9.0, "b", "0")]), capped, None, |_| Fate::Answers(3_000 * MS));
    let names: Vec<&str> = records.iter().map(|record| record.exchange.outcome.name()).collect();
    assert_eq!((names, trial.summary.totals().balance()), (vec!["completed", "shed", "skipped"], true));
    // In virtual time, a simulated server that refuses a turn ends the session too.
    let refused = "Timestamp,Session ID,Request tokens,Response tokens\n0,a,1,1\n1,a,900000,1\n2,a,1,1\n3,b,1,1\n";
    let records = sim::run(&plan(refused, "1", None, &Reshape::default()), "8b-h100".parse().unwrap(), Seed::new(1));
    let names: Vec<&str> = records.iter().map(|record| record.exchange.outcome.name()).collect();
    assert_eq!(names, ["completed", "completed", "failed", "skipped"]);
}

#[test]
fn turns_that_the_run_does_not_reach_are_in_the_books() {
    // Session a sends a turn every 10 s plus the response time; b hangs.
    let rows: Vec<(f64, &str, &str)> = (0..10)
        .map(|turn| (f64::from(turn) * 10.0, "a", "0"))
        .chain((0..5).map(|turn| (f64::from(turn), "b", "0")))
        .collect();
    let script = |id| if id == 1 { Fate::Hangs } else { Fate::Answers(4_000 * MS) };
    let check = |what: &str, (trial, records): (Trial, Vec<Record>), not_due: u64| {
        assert_eq!(trial.not_due, not_due, "{what}");
        assert_eq!(trial.summary.totals().planned + trial.not_due, 15, "{what}: every row must be accounted for");
        assert_eq!((trial.due, trial.summary.totals().balance()), (Some(records.len() as u64), true), "{what}");
        let faults = trial.judge().health.fault_kinds;
        assert!(!faults.iter().any(is_ours), "{what}: {faults:?}");
        trial
    };
    // The window is 90 s plus a mean gap. Turn 9 of a would come at 126 s, still within a drain of a minute.
    let long = check("a long drain", play(plain(&rows), settings(), None, script), 4);
    assert!(long.drain_end.as_secs() > 130.0 && long.ended == Ended::Complete);
    let short = check(
        "a short drain",
        play(plain(&rows), Settings { drain: Duration::from_secs(5), ..settings() }, None, script),
        6,
    );
    let notes = short.judge().health.note_kinds;
    assert!(notes.contains(&Note::TurnsNotDue { turns: 6 }), "{notes:?}");
    // Interrupted while a thinks and b hangs.
    let cut = check("interrupted", play(plain(&rows), settings(), Some(30_050), script), 11);
    assert_eq!(cut.ended, Ended::Interrupted);
    // A session whose first turn is not due is not due as a whole.
    let late: Vec<(f64, &str, &str)> =
        rows.iter().map(|(at, session, took)| (at + f64::from(*session == "b") * 50.0, *session, *took)).collect();
    check("before b begins", play(plain(&late), settings(), Some(30_050), script), 12);
}

#[test]
fn a_stop_rule_leaves_the_same_turns_in_virtual_time() {
    use tonnage::play::Play as _;
    let rows: Vec<(f64, &str, &str)> = (0..10).map(|turn| (f64::from(turn) * 10.0, "a", "0")).collect();
    let stop = || StopRule::Completed(3);
    let segment = || Segment {
        label: "test".to_owned(),
        plan: Arc::new(plain(&rows)),
        objectives: Arc::new(Objectives::default()),
        streamed: true,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let trial = runtime.block_on(async {
        let mut session = sim::VirtualPlayer::new("delay:ttft=200ms,itl=1ms".parse().unwrap(), Seed::new(1));
        session.play(segment(), stop()).await.expect("played").await.expect("a trial")
    });
    assert_eq!((trial.summary.totals().planned, trial.not_due, trial.ended), (3, 7, Ended::Stopped));
}

#[test]
fn the_recorded_end_of_the_turn_before_is_used_where_a_format_has_it() {
    let mut otel = String::new();
    for (start, end) in [(0u64, 2u64), (5, 6)] {
        let span = concat!(
            r#"{"attributes":{"gen_ai.usage.input_tokens":1,"gen_ai.usage.output_tokens":1,"#,
            r#""gen_ai.conversation.id":"a"}"#,
        );
        writeln!(otel, r#"{span},"startTimeUnixNano":"{start}000000000","endTimeUnixNano":"{end}000000000"}}"#)
            .expect("a text");
    }
    let litellm = r#"{"startTime": 10.0, "endTime": 12.0, "prompt_tokens": 1, "completion_tokens": 1, "session_id": "a"}
{"startTime": 15.0, "endTime": null, "prompt_tokens": 1, "completion_tokens": 1, "session_id": "a"}
"#;
    let table = "startTime,endTime,prompt_tokens,completion_tokens,session_id\n2026-01-02 00:00:00,2026-01-02 \
        00:00:02,1,1,a\n2026-01-02 00:00:05,,1,1,a\n";
    let weka = |pause: &str| {
        format!(
            r#"{{"id": "a", "block_size": 64, "requests": [{{"t": 0, "in": 1, "out": 1{pause}}}, {{"t": 5, "in": 1, "out": 1, "think_time": 3}}]}}"#
        )
    };
    let mooncake = "{\"timestamp\": 0, \"input_length\": 1, \"output_length\": 1, \"hash_ids\": [0], \"session_id\": \
        \"a\"}\n\
                    {\"timestamp\": 5000, \"input_length\": 1, \"output_length\": 1, \"hash_ids\": [0], \
                    \"session_id\": \"a\"}\n";
    let backwards = litellm.replace("12.0", "9.0");
    for (text, think_s, said) in [
        (trace_of(&[(0.0, "a", "2"), (5.0, "a", "")]), 3.0, "answer's end"),
        (otel, 3.0, "answer's end"),
        (litellm.to_owned(), 3.0, "answer's end"),
        (table.to_owned(), 3.0, "answer's end"),
        (weka(", \"api_time\": 1.5"), 3.5, "answer's end"),
        (weka(", \"api_time\": null"), 3.0, "answer's end"),
        (trace_of(&[(0.0, "a", "9"), (5.0, "a", "")]), 0.0, "1 began before the turn before had ended"),
        (trace_of(&[(0.0, "a", ""), (5.0, "a", "")]), 5.0, "between both starts"),
        (backwards, 5.0, "between both starts"),
        (mooncake.to_owned(), 5.0, "between both starts"),
    ] {
        let plan = plan(&text, "1", None, &Reshape::default());
        let records = sim::run(&plan, "delay:ttft=200ms,itl=1ms".parse().unwrap(), Seed::new(1));
        let gap_s = records[1].scheduled.secs_since(records[0].exchange.ended.expect("ended"));
        assert!((gap_s - think_s).abs() < 1e-9, "{gap_s} instead of {think_s}: {text}");
        let changes = plan.recording().unwrap().provenance().changes.join("\n");
        assert!(changes.contains(said), "{changes}");
    }
}

#[test]
fn think_times_are_scaled_capped_and_cut_with_the_rest() {
    let instants = |plan: &Plan| -> Vec<u64> {
        let records = sim::run(plan, "delay:ttft=200ms,itl=1ms".parse().unwrap(), Seed::new(1));
        schedule(&records).iter().map(|line| line.3).collect()
    };
    let of = |scale: &str, window: Option<&str>, reshape: &Reshape| plan(&trace_of(ROWS), scale, window, reshape);
    assert_eq!(instants(&of("10", None, &Reshape::default())), [0, 100, 250, 800, 300, 550, 600]);
    // The gaps between rows are capped too: the last one from 3 s to 1 s.
    let capped = Reshape { gap_cap: Some(Duration::from_secs(1)), ..Reshape::default() };
    assert_eq!(instants(&of("1", None, &capped)), [0, 1_000, 2_000, 5_000, 1_200, 1_900, 2_200]);
    let cut = of("1", Some("1s..5s"), &Reshape::default());
    assert_eq!(instants(&cut), [0, 1_500, 2_000, 2_700], "the turns inside the window must stay a session");
    let changes = cut.recording().unwrap().provenance().changes.join("\n");
    assert!(changes.contains("of each session, only the turns recorded inside the window"), "{changes}");
}

#[test]
fn the_choice_is_in_the_fingerprint() {
    let one = plain(ROWS).fingerprint();
    assert_eq!(one, plain(ROWS).fingerprint(), "the same plan must give the same fingerprint");
    let mut slower = ROWS.to_vec();
    slower[0].2 = "1.5";
    assert_ne!(one, plain(&slower).fingerprint(), "another think time must change the fingerprint");
    let described = tonnage::workload::describe(&plain(ROWS)).unwrap();
    assert_eq!((described.fingerprint, described.planned, described.released), (one, 4, Some(3)));
}

#[test]
fn a_session_belongs_to_one_shard_whole() {
    let rows: Vec<(f64, String)> = (0..60).map(|row| (f64::from(row), format!("s{}", row % 20))).collect();
    let rows: Vec<(f64, &str, &str)> = rows.iter().map(|(at, session)| (*at, session.as_str(), "0")).collect();
    let profile = || "delay:ttft=200ms,itl=1ms".parse().unwrap();
    let mut parts = Vec::new();
    for number in 1..=3 {
        let records = sim::run(&plain(&rows).sharded(Shard::new(number, 3).unwrap()), profile(), Seed::new(1));
        let mut turns = BTreeMap::new();
        for record in &records {
            *turns.entry(record.session).or_insert(0) += 1;
        }
        assert!(turns.values().all(|turns| *turns == 3), "{turns:?}");
        parts.extend(records);
    }
    parts.sort_by_key(|record| record.id);
    assert_eq!(schedule(&parts), schedule(&sim::run(&plain(&rows), profile(), Seed::new(1))));
}

/// Real time, worker threads, and turns encoded during the run: a smoke test with no time limit but the drain.
#[test]
fn live_workers_release_the_turns_of_their_own_sessions() {
    let rows: Vec<(f64, String)> = (0..60).map(|row| (f64::from(row) / 500.0, format!("s{}", row % 12))).collect();
    let rows: Vec<(f64, &str, &str)> = rows.iter().map(|(at, session)| (*at, session.as_str(), "0")).collect();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(tokio::runtime::LocalOptions::default());
    let (trial, records) = runtime.expect("a runtime").block_on(async {
        let encoder = Arc::new(Box::new(|_| Fate::Answers(MS)) as Script);
        let setup = Setup::<Scripted> { workers: 2, encoder, connect: Arc::new(|| Ok(Scripted)) };
        let mut session = LivePlayer::threads(settings(), &setup).expect("a session");
        collected(&mut session, plain(&rows)).await
    });
    assert_eq!((records.len(), trial.summary.totals().completed, trial.due), (60, 60, Some(60)));
    let mut ended: BTreeMap<(Option<u64>, Option<u32>), Offset> = BTreeMap::new();
    for record in &records {
        ended.insert((record.session, record.turn), record.exchange.ended.expect("ended"));
    }
    for record in records.iter().filter(|record| record.origin == Origin::Released) {
        let before = ended[&(record.session, record.turn.map(|turn| turn - 1))];
        let thought_ms = (record.scheduled.secs_since(before) * 1e3).round();
        assert!((thought_ms - 24.0).abs() < 0.5, "two turns are twelve rows of 2 ms apart: {thought_ms} ms");
        assert!(record.exchange.sent >= Some(record.scheduled), "no request may leave early");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// For any trace and any change to it: each turn is sent once, each session in order, with every think time kept.
    #[test]
    fn every_turn_is_sent_once_in_its_sessions_order(
        rows in prop::collection::vec((0u32..100_000, 0usize..6, prop::option::of(0u32..20_000)), 1..40),
        rate_scale in prop::sample::select(vec!["1", "0.6", "2.4"]), loops in 1u16..3,
    ) {
        let mut rows = rows;
        rows.sort_unstable();
        let lines: Vec<(f64, &str, String)> = rows
            .iter()
            .map(|(ms, session, took)| {
                (f64::from(*ms) / 1e3, ["", "a", "b", "c", "d", "e"][*session], took.map_or(String::new(),
                    |ms| (f64::from(ms) / 1e3).to_string()))
            })
            .collect();
        let lines: Vec<(f64, &str, &str)> = lines.iter().map(|(at, session, took)| (*at, *session,
            took.as_str())).collect();
        let reshape = Reshape { rate_scale: rate_scale.parse().unwrap(), loops, ..Reshape::default() };
        let selection = Trace::read(trace_of(&lines).as_bytes(), Path::new("t"), &Reading::default()).unwrap();
        let selection = selection.select(&Choice::default(), Path::new("t")).unwrap();
        let pauses = Pauses::of(&selection.trace, None);
        let selection = selection.reshape(&reshape, Seed::new(3)).unwrap();
        prop_assume!(!selection.trace.rows().is_empty());
        let kept = selection.trace.rows().len();
        let (timeline, recording) = replay_after_completion(selection, "1".parse().unwrap(), "t", &pauses).unwrap();
        let plan = Plan::new(Load::Open(timeline), Workload::recorded(recording), Seed::new(1), None);
        let records = sim::run(&plan, "delay:ttft=200ms,itl=1ms".parse().unwrap(), Seed::new(1));
        let ids: Vec<u64> = records.iter().map(|record| record.id).collect();
        prop_assert_eq!(ids, (0..kept as u64).collect::<Vec<_>>());
        let arrivals: u64 = plan.arrivals().map(|arrival| plan.requests_from(arrival.index)).sum();
        prop_assert_eq!(arrivals, kept as u64);
        let by_turn: BTreeMap<_, &Record> = records.iter().filter_map(|record| Some(((record.session?, record.turn?),
            record))).collect();
        for record in records.iter().filter(|record| record.origin == Origin::Released) {
            let before = by_turn[&(record.session.unwrap(), record.turn.unwrap() - 1)];
            prop_assert!(record.scheduled >= before.exchange.ended.unwrap());
        }
    }
}
