//! Owns the tests of the search over the time scale of a trace, in virtual time: the answer covers what many passes at each scale show.

use std::sync::Arc;
use std::time::Duration;

use tonnage::engine;
use tonnage::metrics::{Ended, Play, Segment, StopRule};
use tonnage::schedule::{Profile as Shape, Pattern, Process, Recorded, TimeScale, Timeline};
use tonnage::search::hunt::{Aim, Conclusion, Journal, Kept, Outcome, SearchFindings};
use tonnage::search::step::{Capacity, End, Finding, Question};
use tonnage::search::{Blueprint, Pass, Point, PointLoad};
use tonnage::seed::Seed;
use tonnage::sim::{LocalTarget, ModelClient, Profile, Session};
use tonnage::units::Offset;

use super::hunt::{Hunted, blueprint, by, workload};
use crate::coverage::now;

const MM4: &str = "mmc:servers=4,service=100ms";

/// A trace of 200 s whose middle has three times the rate of the rest, and the scale up to which it meets the objective: where the mean share of misses of 40
/// passes at each of many scales crosses what is allowed (`the_truths_are_what_many_passes_show`).
const PEAK: (&str, &str, f64) = ("hold 5/s 80s; hold 15/s 40s; hold 5/s 80s", "p90 ttft<=1s", 2.73);
/// One that hardly varies.
const EVEN: (&str, &str, f64) = ("hold 10/s 200s", "p90 ttft<=500ms", 3.03);

fn recorded(shape: &str) -> Recorded {
    let shape: Shape = shape.parse().expect("a profile");
    let pattern = Pattern { profile: shape, overlays: Vec::new() };
    let timeline = Timeline::shaped(Process::Poisson, pattern, None, Duration::ZERO, Duration::ZERO, Seed::new(99)).expect("a timeline");
    let end = timeline.spans().window.end;
    let instants: Vec<Offset> = timeline.arrivals().map(|arrival| arrival.at).collect();
    Recorded::new(instants.into_iter(), Some(Duration::from_nanos(end.as_nanos())), TimeScale::ONE).expect("a trace")
}

/// The mean share of misses of so many passes, each of a service with draws of its own.
fn share(recorded: &Recorded, slo: &str, scale: f64, passes: u64) -> f64 {
    let blueprint = Blueprint { recorded: Some(recorded.clone()), ..blueprint(slo, workload("1", "1"), 1) };
    let load = PointLoad::Replay(TimeScale::new(scale).expect("a scale"));
    let plan = Arc::new(blueprint.plan(0, &Point { load, discard: Duration::ZERO }).expect("a plan"));
    let of = |pass: u64| {
        let segment =
            Segment { label: String::new(), plan: Arc::clone(&plan), objectives: Arc::clone(&blueprint.objectives), streamed: true };
        let mut session = Session::new(MM4.parse().expect("a profile"), Seed::new(1_000 + pass));
        let trial = now(now(session.play(segment, StopRule::Never)).expect("played")).expect("a trial");
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
        let shares = [0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2].map(|factor| (truth * factor, share(&recorded, slo, truth * factor, 40)));
        println!("{shape}: {shares:.3?}");
    }
}
