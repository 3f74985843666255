//! Owns the tests of a whole search played over the simulator in virtual time: the answer covers the truth, and the same seed plays the same loads.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tonnage::metrics::Objectives;
use tonnage::schedule::Process;
use tonnage::search::Blueprint;
use tonnage::search::hunt::{Aim, Conclusion, Event, Journal, Kept, hunt};
use tonnage::search::step::{Answer, Capacity, Finding, Question};
use tonnage::seed::Seed;
use tonnage::sim::{Profile, Session};
use tonnage::workload::{LengthSpec, Workload};

/// The output of a future of virtual time, which never waits.
fn now<F: Future>(future: F) -> F::Output {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("virtual time waits for nothing"),
    }
}

fn workload(input: &str, output: &str) -> Workload {
    let lengths = |text: &str| text.parse::<LengthSpec>().expect("lengths");
    Workload::new(lengths(input), lengths(output))
}

fn blueprint(slo: &str, workload: Workload, seed: u64) -> Blueprint {
    Blueprint {
        workload,
        process: Process::Poisson,
        quota: None,
        seed: Seed::new(seed),
        window: Duration::ZERO,
        cooldown: Duration::ZERO,
        objectives: Arc::new(Objectives::parse(&[slo], None, None).expect("objectives")),
        streamed: true,
    }
}

/// What a search came to, and what was told of it.
struct Hunted {
    conclusion: Conclusion,
    journal: Journal,
    /// (label, what became of it, hash of its plan) of each load.
    loads: Vec<(String, Kept, String)>,
}

impl Hunted {
    fn answer(&self) -> &Answer {
        match &self.conclusion {
            Conclusion::Answered(answer) => answer,
            other => panic!("no answer: {other:?}"),
        }
    }
}

fn hunted(profile: &str, slo: &str, workload: Workload, seed: u64, adjust: impl Fn(Aim) -> Aim) -> Hunted {
    let blueprint = blueprint(slo, workload, seed);
    let aim = adjust(Aim::new(&blueprint.objectives, 0.1).expect("an aim"));
    let mut session = Session::new(profile.parse::<Profile>().expect("a profile"), Seed::new(seed));
    let mut journal = Journal::default();
    let mut loads = Vec::new();
    let told = |_: &Journal, event: Event| {
        if let Event::Ends { kept, trial, plan_fingerprint, .. } = event {
            loads.push((trial.label, kept, plan_fingerprint));
        }
        Ok(())
    };
    let conclusion = now(hunt(&mut session, &aim, &blueprint, &mut journal, told, || true)).expect("played");
    Hunted { conclusion, journal, loads }
}

/// Demand by demand, in requests per second: where the truth is known in closed form.
const MM1: (&str, &str, f64) = ("mmc:servers=1,service=100ms", "p99 e2e<=1500ms", 6.93);
const MM4: (&str, &str, f64) = ("mmc:servers=4,service=100ms", "p99 ttft<=750ms", 32.9);

fn within(precision: f64) -> impl Fn(Aim) -> Aim {
    move |aim| {
        let question = Question::new(aim.question.demands().to_vec(), precision).expect("a question");
        aim.asking(question)
    }
}

#[test]
fn the_interval_covers_the_truth_of_a_queue() {
    for ((profile, slo, truth), seed) in [(MM1, 1), (MM4, 2)] {
        let found = hunted(profile, slo, workload("1", "1"), seed, within(0.2));
        let answer = found.answer();
        let bracket = answer.bracket.expect("rates");
        assert_eq!((answer.finding, answer.doubts.as_slice()), (Finding::Found, [].as_slice()));
        assert!(bracket.low <= truth && truth <= bracket.high && bracket.high / bracket.low <= 1.4, "{profile}: {bracket:?}");
        let capacity = found.journal.history.capacity.expect("a capacity");
        assert!(matches!(capacity, Capacity::Reached(per_s) if (per_s / if profile == MM1.0 { 10.0 } else { 40.0 } - 1.0).abs() < 0.06));
        assert!(found.loads.iter().all(|(_, kept, _)| *kept == Kept::Evidence), "{:?}", found.loads);
        assert_eq!(found.journal.history.spent(), answer.spent);
    }
}

#[test]
fn the_same_seed_plays_the_same_loads_and_none_twice() {
    let play = |seed| hunted(MM4.0, MM4.1, workload("1", "1"), seed, within(0.3));
    let (one, again, other) = (play(1), play(1), play(2));
    assert_eq!((&one.loads, &one.conclusion, &one.journal), (&again.loads, &again.conclusion, &again.journal));
    assert_ne!(one.loads, other.loads);
    let prints: std::collections::BTreeSet<&String> = one.loads.iter().map(|(_, _, print)| print).collect();
    assert_eq!(prints.len(), one.loads.len(), "each load has draws of its own");
    assert_eq!(one.loads[..3].iter().map(|(label, ..)| label.as_str()).collect::<Vec<_>>(), ["floor", "saturation", "probe 1 29.69/s"]);
}

#[test]
#[ignore = "a minute in release: cargo test --release --test it search::hunt -- --ignored --nocapture"]
fn the_interval_covers_the_truth_on_twenty_seeds() {
    // The engine has no closed form: 33.2/s is where a run of a million requests misses 1 % (see `engine.rs`).
    let small = ("small", "p99 ttft<=500ms, p99 tpot<=50ms", 33.2);
    for ((profile, slo, truth), tokens) in [(MM1, "1"), (MM4, "1"), (small, "128")] {
        let mut covered = 0;
        for seed in 1..=20 {
            let found = hunted(profile, slo, workload(tokens, if tokens == "1" { "1" } else { "64" }), seed, |aim| aim);
            let (answer, probes) = (found.answer(), found.journal.history.probes.len());
            let bracket = answer.bracket.expect("rates");
            covered += u32::from(bracket.low <= truth && truth <= bracket.high);
            println!(
                "{profile} {seed}: {:?} {bracket:?} of {truth}; {:?}, {probes} probes, {:?}",
                answer.finding, answer.spent, answer.doubts
            );
        }
        println!("{profile}: {covered} of 20 cover");
        assert!(covered >= 17, "{profile}: {covered} of 20");
    }
}
