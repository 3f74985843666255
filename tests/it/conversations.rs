//! Owns the tests of drawn sessions: their law, the turns that they release, and the conversation that a turn carries.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tonnage::engine::{LivePlayer, Settings};
use tonnage::metrics::LoadOrigin;
use tonnage::play::Trial;
use tonnage::record::{Origin, Record};
use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::seed::Seed;
use tonnage::sim;
use tonnage::units::Shard;
use tonnage::workload::{
    History, Load, Plan, Replies, Role, Salt, SessionSpec, Workload, describe, estimate_text, joined_text,
};

use crate::scripted::{Fate, Script, Scripted};
use crate::sessions::collected;

const MS: Duration = Duration::from_millis(1);

/// Sessions that begin at `per_s` for `seconds`, of 20 to 40 input tokens a turn and 8 output tokens.
fn plan(per_s: &str, seconds: u64, turns: &str, think: &str, replies: Replies) -> Plan {
    plan_of(Process::Poisson, per_s, seconds, turns, think, replies)
}

fn plan_of(process: Process, per_s: &str, seconds: u64, turns: &str, think: &str, replies: Replies) -> Plan {
    let timeline = Timeline::new(
        process,
        per_s.parse().unwrap(),
        Extent::Duration(Duration::from_secs(seconds)),
        Duration::ZERO,
        Duration::ZERO,
        Seed::new(5),
    );
    let sessions = SessionSpec::new(turns.parse().unwrap(), think.parse().unwrap()).unwrap().answered_by(replies);
    let workload = Workload::new("20..40".parse().unwrap(), "8".parse().unwrap()).in_sessions(Some(sessions));
    Plan::new(Load::Open(timeline), workload.salted(Salt::Text("salt".to_owned())), Seed::new(5), None)
}

/// Runs `plan` on the run engine under a paused clock; returns the trial and the records by id.
fn live(plan: Plan, timeout: Duration, script: impl Fn(u64) -> Fate + Send + Sync + 'static) -> (Trial, Vec<Record>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true);
    let runtime = builder.build_local(tokio::runtime::LocalOptions::default()).expect("a runtime");
    runtime.block_on(async {
        let settings = Settings { timeout, drain: Duration::from_mins(10), max_in_flight: None };
        let mut player = LivePlayer::local::<Scripted>(settings, Arc::new(Box::new(script) as Script), Scripted);
        collected(&mut player, plan).await
    })
}

/// Id, session, turn, turns of the session, origin, and the instant in microseconds.
type Line = (u64, Option<u64>, Option<u32>, Option<u32>, Origin, u64);

fn schedule(records: &[Record]) -> Vec<Line> {
    let line = |record: &Record| {
        let at_us = record.scheduled.as_nanos() / 1_000;
        (record.id, record.session, record.turn, record.turns, record.origin, at_us)
    };
    records.iter().map(line).collect()
}

#[test]
fn new_sessions_come_by_the_law_and_later_turns_after_answer_and_thought() {
    let plan = plan("40/s", 50, "1..5", "lognormal:2s,0.5", Replies::Planned);
    let described = describe(&plan).unwrap();
    assert!(described.law.as_ref().is_some_and(|law| law.holds), "{:?}", described.law);
    let alone = Plan::new(plan.load().clone(), Workload::default(), Seed::new(5), None);
    assert_eq!(describe(&alone).unwrap().gap, described.gap, "sessions begin where single requests would stand");
    let records = sim::run(&plan, "delay:ttft=200ms,itl=10ms".parse().unwrap(), Seed::new(1));
    assert_eq!(records.len() as u64, described.planned + described.released.unwrap());
    let mut sessions: BTreeMap<u64, Vec<&Record>> = BTreeMap::new();
    for record in &records {
        sessions.entry(record.session.expect("a session")).or_default().push(record);
    }
    assert_eq!(sessions.len() as u64, described.planned);
    let mut thought_s = Vec::new();
    for turns in sessions.values() {
        for (place, turn) in (0..).zip(turns) {
            assert_eq!((turn.turn, turn.turns), (Some(place), Some(turns.len() as u32)));
            assert_eq!(turn.origin, if place == 0 { Origin::Planned } else { Origin::Released });
        }
        thought_s.extend(turns.windows(2).map(|pair| pair[1].scheduled.secs_since(pair[0].exchange.ended.unwrap())));
    }
    let mean_s = thought_s.iter().sum::<f64>() / thought_s.len() as f64;
    assert!((mean_s - 2.0).abs() < 0.06, "{mean_s} s over {} turns", thought_s.len());
    let mean_turns = records.len() as f64 / sessions.len() as f64;
    assert!((mean_turns - 3.0).abs() < 0.1, "{mean_turns}");
}

#[test]
fn the_run_engine_and_virtual_time_release_the_same_turns() {
    // Whole milliseconds, which tokio's clock keeps.
    let of = || plan_of(Process::Even, "5/s", 10, "1..4", "730ms", Replies::Real);
    let (trial, records) = live(of(), Duration::from_mins(1), |_| Fate::Answers(200 * MS));
    let virtually = sim::run(&of(), "delay:ttft=200ms,itl=0ms".parse().unwrap(), Seed::new(1));
    assert_eq!(schedule(&records), schedule(&virtually));
    assert!(records.iter().all(|record| record.exchange.sent == Some(record.scheduled)));
    assert_eq!((trial.load.origin, trial.due), (LoadOrigin::Mixed, Some(records.len() as u64)));
    // Every session belongs to one shard.
    let mut parts = Vec::new();
    for number in 1..=3 {
        let shard = of().sharded(Shard::new(number, 3).unwrap());
        parts.extend(sim::run(&shard, "delay:ttft=200ms,itl=0ms".parse().unwrap(), Seed::new(1)));
    }
    parts.sort_by_key(|record| record.id);
    assert_eq!(schedule(&parts), schedule(&virtually));
}

#[test]
fn a_stalled_session_delays_no_other_and_its_turns_are_counted() {
    let of = || plan("5/s", 10, "4", "500ms", Replies::Real);
    let fate = |stalls: bool| move |id| if stalls && id == 3 { Fate::Hangs } else { Fate::Answers(100 * MS) };
    let (_, even) = live(of(), Duration::from_mins(1), fate(false));
    let (trial, stalled) = live(of(), Duration::from_mins(1), fate(true));
    let others =
        |records: &[Record]| schedule(records).into_iter().filter(|line| line.1 != Some(3)).collect::<Vec<Line>>();
    assert_eq!(others(&even), others(&stalled), "the session that stalls must not move another");
    let own: Vec<&str> = stalled
        .iter()
        .filter(|record| record.session == Some(3))
        .map(|record| record.exchange.outcome.name())
        .collect();
    assert_eq!(own, ["timed_out", "skipped", "skipped", "skipped"]);
    assert_eq!((even.len(), trial.summary.totals().balance()), (stalled.len(), true));
}

#[test]
fn a_later_turn_carries_what_was_said_before_it() {
    let third = 2_000_000_004;
    for replies in [Replies::Real, Replies::Planned] {
        let plan = plan("5/s", 10, "4", "500ms", replies);
        let mut history = History::default();
        history.push("an answer of \"five\" words".as_bytes(), Some(11));
        history.push(b"cut \xff off", None);
        let turn = |id: u64, history: &mut History| {
            let spec = plan.spec_after(id, history);
            spec.messages
                .iter()
                .map(|message| (message.role, joined_text(std::slice::from_ref(message)).into_owned()))
                .collect::<Vec<_>>()
        };
        let (first, second) = (turn(4, &mut history), turn(1_000_000_004, &mut history));
        let all = turn(third, &mut history);
        assert_eq!(second[..1], first);
        assert_eq!(all[..3], second, "each turn continues the turn before it");
        let roles: Vec<Role> = all.iter().map(|(role, _)| *role).collect();
        assert_eq!(roles, [Role::User, Role::Assistant, Role::User, Role::Assistant, Role::User]);
        assert_eq!((&*all[1].1, &*all[3].1), ("an answer of \"five\" words", "cut \u{fffd} off"));
        let spec = plan.spec_after(third, &mut history);
        let counted: u32 = all.iter().map(|(_, text)| estimate_text(text)).sum();
        let served = counted - estimate_text(&all[1].1) + 11;
        assert_eq!(spec.outline.input_tokens, served, "the input length covers the history, by the server's count");
        // Without answers from the server, the plan's own stand in: 8 tokens each, as asked for.
        let planned = plan.spec(third);
        assert_eq!(planned.outline.input_tokens, plan.outline(third).input_tokens);
        assert_eq!(planned.prompt(), plan.clone().spec(third).prompt());
        let answers: Vec<u32> = planned
            .messages
            .iter()
            .filter(|message| message.role == Role::Assistant)
            .map(|message| estimate_text(&joined_text(std::slice::from_ref(message))))
            .collect();
        assert_eq!(answers, [8, 8]);
        let (left, whole) = plan.spec_without_answers(third);
        assert_eq!((left.messages.len(), whole), if replies == Replies::Real { (1, false) } else { (5, true) });
    }
    let prints = [Replies::Real, Replies::Planned].map(|replies| plan("5/s", 10, "4", "1s", replies).fingerprint());
    assert_ne!(prints[0], prints[1]);
}

#[test]
fn a_later_turn_finds_the_conversation_before_it_in_the_prefix_cache() {
    let idle = plan_of(Process::Even, "1/s", 20, "4", "5s", Replies::Planned);
    let records = sim::run(&idle, "8b-h100".parse().unwrap(), Seed::new(1));
    let of = |session: u64, turn: u64| {
        records.iter().find(|record| record.id == turn * 1_000_000_000 + session).expect("a record")
    };
    for session in 0..10 {
        for turn in 0..4 {
            let cached = of(session, turn).exchange.usage.and_then(|usage| usage.cached_tokens);
            let before = turn.checked_sub(1).map_or(0, |before| of(session, before).asked_input_tokens);
            assert_eq!(cached, Some(before / 16 * 16), "turn {turn} of session {session}");
        }
    }
}
