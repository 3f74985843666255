//! Owns the tests of the search over the time scale of a trace, in virtual time: the interval covers the scale that
//! many passes show.

use std::sync::Arc;
use std::time::Duration;

use tonnage::play::{Play, Segment, StopRule};
use tonnage::report::{headline, search_sentences};
use tonnage::schedule::{Pattern, Process, Profile as Shape, Recorded, TimeScale, Timeline};
use tonnage::search::maximum::{Aim, Conclusion, Journal, Outcome, SearchFindings};
use tonnage::search::step::{Budget, Capacity, End, Finding, Question};
use tonnage::search::{Axis, Blueprint, Kept, Level, Pass, Point};
use tonnage::seed::Seed;
use tonnage::sim::{ServiceProfile, VirtualPlayer};
use tonnage::units::Offset;

use super::played::{Searched, blueprint, live, of, workload};
use crate::coverage::now;

const MM4: &str = "mmc:servers=4,service=100ms";

/// A trace of 200 s with three times the rate in its middle, an objective, and the highest scale that meets the
/// objective: where the mean share of misses of 200 passes crosses the allowed share
/// (`the_truths_are_what_many_passes_show`).
const PEAK: (&str, &str, f64) = ("constant 5/s 80s; constant 15/s 40s; constant 5/s 80s", "p90 ttft<=1s", 2.59);
/// A trace whose rate hardly varies.
const EVEN: (&str, &str, f64) = ("constant 10/s 200s", "p90 ttft<=500ms", 3.46);

fn recorded(shape: &str) -> Recorded {
    let shape: Shape = shape.parse().expect("a profile");
    let pattern = Pattern { profile: shape, overlays: Vec::new() };
    let timeline = Timeline::shaped(Process::Poisson, pattern, None, Duration::ZERO, Duration::ZERO, Seed::new(99))
        .expect("a timeline");
    let end = timeline.spans().window.end;
    let instants: Vec<Offset> = timeline.arrivals().map(|arrival| arrival.at).collect();
    Recorded::new(instants.into_iter(), Some(Duration::from_nanos(end.as_nanos())), TimeScale::ONE).expect("a trace")
}

/// The mean share of misses of `passes` passes, each against a service with its own draws.
fn share(recorded: &Recorded, slo: &str, scale: f64, passes: u64) -> f64 {
    let blueprint = Blueprint { recorded: Some(recorded.clone()), ..blueprint(slo, workload("1", "1"), 1) };
    let level = Level::TimeScale(scale);
    let plan = Arc::new(blueprint.plan(0, &Point { level, discard: Duration::ZERO }).expect("a plan"));
    let of = |pass: u64| {
        let segment = Segment {
            label: String::new(),
            plan: Arc::clone(&plan),
            objectives: Arc::clone(&blueprint.objectives),
            streamed: true,
        };
        let mut session = VirtualPlayer::new(MM4.parse().expect("a profile"), Seed::new(1_000 + pass));
        let trial = now(now(session.play(segment, StopRule::Never)).expect("played").settling).expect("a trial");
        let tally = trial.summary.tally(0).expect("an objective");
        tally.misses as f64 / tally.decided() as f64
    };
    (0..passes).map(of).sum::<f64>() / passes as f64
}

#[test]
#[ignore = "seconds in release: cargo test --release --test it search::passes -- --ignored --nocapture"]
fn the_truths_are_what_many_passes_show() {
    for (shape, slo, truth) in [PEAK, EVEN] {
        let recorded = recorded(shape);
        let shares = [0.98, 1.0, 1.02].map(|factor| share(&recorded, slo, truth * factor, 200));
        println!("{shape}: {shares:.3?}");
        assert!(shares[0] < 0.1 && shares[2] > 0.1, "{shape}: {shares:?} around {truth}");
    }
}

fn at_scale(recorded: &Recorded, precision: f64, most: Option<f64>) -> impl Fn(Aim) -> Aim {
    let pass = Pass::of(recorded);
    move |aim| {
        let question = Question::new(aim.question.demands().to_vec(), precision).expect("a question").replaying(pass);
        let question = question.between(None, most).expect("a range");
        aim.asking(question)
    }
}

/// A search over the time scale of `recorded`, with any player.
async fn searched<P: Play>(
    player: &mut P,
    (recorded, slo, seed): (&Recorded, &str, u64),
    adjust: impl Fn(Aim) -> Aim,
    journal: Journal,
    most_loads: usize,
) -> Searched {
    let blueprint = Blueprint { recorded: Some(recorded.clone()), ..blueprint(slo, workload("1", "1"), seed) };
    of(player, &blueprint, adjust, journal, most_loads).await
}

fn in_virtual_time(
    (shape, slo, _): (&str, &str, f64),
    seed: u64,
    precision: f64,
    most: Option<f64>,
) -> (Searched, Pass) {
    let recorded = recorded(shape);
    let mut session = VirtualPlayer::new(MM4.parse::<ServiceProfile>().expect("a profile"), Seed::new(seed));
    let adjust = at_scale(&recorded, precision, most);
    let found = now(searched(&mut session, (&recorded, slo, seed), adjust, Journal::default(), usize::MAX));
    (found, Pass::of(&recorded))
}

fn findings(found: &Searched, (shape, slo, _): (&str, &str, f64), precision: f64, most: Option<f64>) -> SearchFindings {
    let aim = at_scale(&recorded(shape), precision, most)(
        Aim::new(&blueprint(slo, workload("1", "1"), 1).objectives, 0.1).expect("an aim"),
    );
    SearchFindings::of(&aim, &found.journal, "poisson".to_owned(), Vec::new(), Some(&found.conclusion))
}

#[test]
fn the_interval_covers_the_scale_that_many_passes_show_to_be_the_last() {
    for (cell, seed) in [(PEAK, 1), (EVEN, 1)] {
        let (found, pass) = in_virtual_time(cell, seed, 0.25, None);
        let (answer, bracket) = (found.answer(), found.answer().bracket.expect("scales"));
        assert_eq!(answer.finding, Finding::Found, "{answer:?}");
        assert!(bracket.low <= cell.2 && cell.2 <= bracket.high, "{}, seed {seed}: {bracket:?}", cell.0);
        // A probe that was not stopped for overload must send every request of the pass.
        let history = &found.journal.history;
        let whole = history.probes.iter().filter(|probe| probe.end != End::Overloaded);
        assert!(
            whole.clone().count() > 0 && whole.clone().all(|probe| probe.spent.requests == pass.requests()),
            "{:?}",
            history.probes
        );
        assert!(
            history.probes.iter().all(|probe| probe.counts[0].decided >= pass.requests()),
            "misses must be counted over the whole pass"
        );
        assert!(matches!(history.capacity, Some(Capacity::Reached(per_s)) if (per_s / 40.0 - 1.0).abs() < 0.06));
        let findings = findings(&found, cell, 0.25, None);
        let (safe, mean, peak) =
            (findings.figures.safe.expect("safe"), findings.safe_mean_rate_per_s, findings.safe_peak_rate_per_s);
        assert!(mean.is_some_and(|mean| (mean - pass.mean_per_s(safe)).abs() < 1e-9) && peak > mean, "{findings:?}");
        assert!(headline(&findings).contains("× the trace with 95 % confidence"), "{}", headline(&findings));
        let said = search_sentences(&findings);
        assert!(said.iter().any(|sentence| sentence.contains("another day's trace")), "{said:?}");
    }
}

#[test]
fn a_bad_beginning_ends_no_pass_and_a_quiet_one_decides_none() {
    // The burst ends after 10 s: nearly all of its requests miss, and no others.
    let (recorded, slo) = (recorded("constant 100/s 10s; constant 2/s 990s"), "p50 ttft<=300ms");
    let mut session = VirtualPlayer::new(MM4.parse::<ServiceProfile>().expect("a profile"), Seed::new(1));
    let adjust = at_scale(&recorded, 0.2, Some(1.0));
    let found = now(searched(&mut session, (&recorded, slo, 1), adjust, Journal::default(), 4));
    let [probe] = found.journal.history.probes.as_slice() else { panic!("one pass must be enough: {:?}", found.loads) };
    assert_eq!((probe.end, probe.spent.requests), (End::Full, Pass::of(&recorded).requests()));
    assert!((0.3..0.48).contains(&probe.counts[0].share()), "{probe:?}");
}

#[test]
fn no_faster_pass_than_the_most_is_played_and_what_does_not_fit_the_budget_is_not_begun() {
    let (found, _) = in_virtual_time(EVEN, 1, 0.2, Some(1.5));
    assert!(found.journal.history.probes.iter().all(|probe| probe.level.value() <= 1.5));
    let findings = findings(&found, EVEN, 0.2, Some(1.5));
    assert_eq!(
        (findings.finished, findings.limited_by.as_deref()),
        (Some(Outcome::MostReached(Axis::TimeScale)), Some("max_time_scale"))
    );
    let recorded = recorded(EVEN.0);
    let adjust = |aim: Aim| {
        let aim = at_scale(&recorded, 0.1, None)(aim);
        let budget = Budget { requests: Some(8_000), seconds: None };
        let question = aim.question.clone().within(budget);
        aim.asking(question)
    };
    let mut session = VirtualPlayer::new(MM4.parse::<ServiceProfile>().expect("a profile"), Seed::new(1));
    let found = now(searched(&mut session, (&recorded, EVEN.1, 1), adjust, Journal::default(), usize::MAX));
    assert_eq!(found.answer().finding, Finding::BudgetSpent);
    assert!(found.answer().spent.requests <= 8_000, "{:?}", found.answer().spent);
}

#[test]
fn what_was_killed_goes_on_and_repeats_nothing() {
    let recorded = recorded(EVEN.0);
    let part = |journal: Journal, most_loads: usize| {
        let mut session = VirtualPlayer::new(MM4.parse::<ServiceProfile>().expect("a profile"), Seed::new(1));
        now(searched(&mut session, (&recorded, EVEN.1, 1), at_scale(&recorded, 0.2, None), journal, most_loads))
    };
    let first = part(Journal::default(), 5);
    assert_eq!(first.conclusion, Conclusion::Halted);
    let text = serde_json::to_string(&findings(&first, EVEN, 0.2, None)).expect("JSON");
    let saved: SearchFindings = serde_json::from_str(&text).expect("findings");
    assert_eq!(saved.journal(), first.journal, "{text}");
    let rest = part(saved.journal(), usize::MAX);
    assert_eq!(rest.answer().finding, Finding::Found);
    let labels: Vec<&str> = first.loads.iter().chain(&rest.loads).map(|(label, ..)| label.as_str()).collect();
    assert_eq!(labels.iter().filter(|label| !label.starts_with("probe ")).count(), 3, "{labels:?}");
}

#[tokio::test(start_paused = true, flavor = "local")]
async fn the_live_engine_plays_it() {
    let mut session = live(MM4, &[]);
    let recorded = recorded(EVEN.0);
    let found =
        searched(&mut session, (&recorded, EVEN.1, 1), at_scale(&recorded, 0.3, None), Journal::default(), usize::MAX)
            .await;
    let bracket = found.answer().bracket.expect("scales");
    assert!(bracket.low <= EVEN.2 && EVEN.2 <= bracket.high, "{bracket:?}");
    assert!(found.loads.iter().all(|(_, kept, _)| *kept == Kept::Evidence), "{:?}", found.loads);
}

#[test]
#[ignore = "seconds in release: cargo test --release --test it search::passes -- --ignored --nocapture"]
fn the_interval_covers_the_truth_on_twenty_seeds() {
    for cell in [PEAK, EVEN] {
        let (mut covered, mut safe) = (0, 0);
        for seed in 1..=20 {
            let (found, _) = in_virtual_time(cell, seed, 0.1, None);
            let bracket = found.answer().bracket.expect("scales");
            covered += u32::from(bracket.low <= cell.2 && cell.2 <= bracket.high);
            safe += u32::from(bracket.low <= cell.2);
            println!("{}", found.told(cell.0, seed, cell.2));
        }
        println!("{}: {covered} of 20 cover, {safe} are safe", cell.0);
        assert!(covered >= 17 && safe >= 18, "{}: {covered} and {safe} of 20", cell.0);
    }
}
