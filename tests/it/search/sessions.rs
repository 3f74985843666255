//! Owns the tests of searches and sweeps over the rate of new sessions, over queues with a closed form.
//!
//! Sessions that arrive as a Poisson process in front of one exponential server are a network of Kelly: each turn takes
//! as long as a request of M/M/1 at the rate of all turns.

use std::time::Duration;

use tonnage::metrics::Objectives;
use tonnage::schedule::{Extent, Process};
use tonnage::search::maximum::{Aim, Conclusion, SearchCampaign};
use tonnage::search::step::{Answer, Capacity, Finding, History};
use tonnage::search::{
    Axis, Blueprint, Level, Stability, Sweep, SweepCampaign, SweepCourse, SweepFindings, drive, parse_rates,
};
use tonnage::seed::Seed;
use tonnage::sim::VirtualPlayer;
use tonnage::workload::{Closed, Load, Plan, SessionLaw, SessionSpec, Workload};

use crate::coverage::now;

/// One server with exponential times of 100 ms on average.
fn queue(seed: u64) -> VirtualPlayer {
    VirtualPlayer::new("mmc:servers=1,service=100ms".parse().expect("a profile"), Seed::new(seed))
}

/// Sessions of four turns, without a think time.
fn workload() -> Workload {
    let sessions = SessionSpec::new("4".parse().expect("turns"), "0s".parse().expect("a think time"));
    let one = || "1".parse().expect("a length");
    Workload::new(one(), one()).in_sessions(Some(sessions.expect("sessions")))
}

fn law() -> SessionLaw {
    let closed = Closed::synchronous(Extent::Requests(1), Duration::ZERO, Duration::ZERO);
    Plan::new(Load::Closed(closed), workload(), Seed::new(1), None).session_law().expect("sessions")
}

/// p99 of 1.5 s holds up to 10 − ln 100 ÷ 1.5 = 6.930 requests/s, a quarter of which are sessions.
const TRUTH: f64 = 1.7325;

fn searched(seed: u64) -> (Answer, History) {
    let objectives = Objectives::parse(&["p99 e2e<=1500ms"], None, None).expect("objectives");
    let aim = Aim::new(&objectives, 0.2).expect("an aim");
    let question = aim.question.clone().beginning(law());
    let mut search = SearchCampaign::new(aim.asking(question));
    let blueprint = Blueprint::of_search(workload(), objectives, Seed::new(seed));
    match now(drive(&mut queue(seed), &mut search, &blueprint, |_, _| Ok(()), || false)) {
        Ok(Conclusion::Answered(answer)) => (*answer, search.into_journal().history),
        other => panic!("no answer: {other:?}"),
    }
}

#[test]
fn a_search_over_sessions_answers_in_sessions_per_second_and_covers_the_closed_form() {
    let (mut covers, mut safe) = (0, 0);
    for seed in 1..=3 {
        let (answer, history) = searched(seed);
        let bracket = answer.bracket.expect("rates");
        assert_eq!(answer.finding, Finding::Found, "seed {seed}");
        assert!(matches!(history.probes[0].level, Level::SessionsPerS(_)));
        let Some(Capacity::Reached(per_s)) = history.capacity else { panic!("{:?}", history.capacity) };
        assert!((per_s / 2.5 - 1.0).abs() < 0.08, "10 requests/s are 2.5 sessions/s: {per_s}");
        covers += u32::from((bracket.low..=bracket.high).contains(&TRUTH));
        safe += u32::from(bracket.low <= TRUTH);
    }
    assert!(covers >= 2 && safe >= 2, "{covers} and {safe} of 3");
}

#[test]
fn a_sweep_over_sessions_knows_their_saturation_in_sessions_per_second() {
    let course = SweepCourse::Rates(parse_rates("0.5,1,2,3.5").expect("rates"));
    let sweep = Sweep { course, window: Duration::from_secs(200), discard: None, sessions: Some(law()) };
    let blueprint = Blueprint {
        window: sweep.window,
        process: Process::Poisson,
        ..Blueprint::of_search(workload(), Objectives::default(), Seed::new(5))
    };
    let mut campaign = SweepCampaign::new(sweep);
    let finished = now(drive(&mut queue(5), &mut campaign, &blueprint, |_, _| Ok(()), || false)).expect("played");
    let found = SweepFindings::of(campaign.trials(), &[], finished);
    assert_eq!(found.over, Axis::Sessions);
    let seen: Vec<_> = found.points.iter().map(|point| (point.label.as_str(), point.stability)).collect();
    assert_eq!(seen[3], ("3.5 sessions/s", Some(Stability::Saturated)), "{seen:?}");
    assert!(seen[..2].iter().all(|(_, stability)| *stability == Some(Stability::Stable)), "{seen:?}");
    let saturation = found.saturation.expect("a rate");
    assert!((saturation.per_s / 2.5 - 1.0).abs() < 0.1, "{saturation:?}");
}

#[test]
fn a_closed_loop_over_sessions_plays_all_turns_alike_and_each_session_in_order() {
    let closed = Closed::concurrent(16, Extent::Duration(Duration::from_secs(100)), Duration::ZERO, Duration::ZERO);
    let plan = Plan::new(Load::Closed(closed.expect("a loop")), workload(), Seed::new(2), None);
    let records = tonnage::sim::run(&plan, "mmc:servers=4,service=100ms".parse().expect("a profile"), Seed::new(2));
    let of_turn = |turn| records.iter().filter(|record| record.turn == Some(turn)).count() as f64;
    for turn in 0..4 {
        assert!((4.0 * of_turn(turn) / records.len() as f64 - 1.0).abs() < 0.05, "turn {turn}");
    }
    for record in records.iter().filter(|record| record.turn == Some(3)) {
        let before = records.iter().find(|other| other.session == record.session && other.turn == Some(2));
        let ended = before.map(|before| before.exchange.ended.expect("an end"));
        assert!(ended.is_none_or(|ended| ended <= record.scheduled), "session {:?}", record.session);
    }
}
