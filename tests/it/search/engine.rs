//! Owns long runs in virtual time that check the search over the batching engine: do both ends of its interval agree
//! with them?

use std::sync::Arc;
use std::time::Duration;

use tonnage::metrics::Objectives;
use tonnage::play::{Segment, StopRule};
use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::seed::Seed;
use tonnage::sim::VirtualPlayer;
use tonnage::units::Rate;
use tonnage::workload::{Load, Plan};

use crate::search::played::{searched, workload};

/// For each objective, the share of `requests` that miss it, after a warm-up of two minutes or a tenth as many
/// requests, whichever is longer.
pub(crate) fn long_run(
    profile: &str,
    (input, output): (&str, &str),
    slo: &str,
    rate_per_s: f64,
    requests: u64,
) -> Vec<f64> {
    let (rate, none) = (Rate::new(rate_per_s).expect("a rate"), Duration::ZERO);
    let warmup = Duration::from_secs_f64((requests as f64 / 10.0 / rate_per_s).max(120.0));
    let timeline = Timeline::new(Process::Poisson, rate, Extent::Requests(requests), warmup, none, Seed::new(7));
    let plan = Plan::new(Load::Open(timeline), workload(input, output), Seed::new(7), None);
    let objectives = Arc::new(Objectives::parse(&[slo], None, None).expect("objectives"));
    let asked = objectives.items().len();
    let segment = Segment { label: String::new(), plan: Arc::new(plan), objectives, streamed: true };
    let trial = VirtualPlayer::new(profile.parse().expect("a profile"), Seed::new(7)).trial(segment, StopRule::Never);
    let share = |place: usize| {
        let tally = trial.summary.tally(place).expect("an objective");
        tally.misses as f64 / tally.decided() as f64
    };
    (0..asked).map(share).collect()
}

#[test]
#[ignore = "minutes: cargo test --release --test it search::engine -- --ignored --nocapture"]
fn the_interval_of_an_engine_agrees_with_long_runs_at_its_ends() {
    let shapes = [("short chat", "128", "64"), ("mixed", "lognormal:512,1.0", "lognormal:128,0.8")];
    for (preset, slo) in [("small", "p99 ttft<=500ms, p99 tpot<=50ms"), ("8b-h100", "p99 ttft<=1s, p99 tpot<=50ms")] {
        for (shape, input, output) in shapes {
            let mut agreeing = 0;
            for seed in 1..=5 {
                let found = searched(preset, slo, workload(input, output), seed, |aim| aim);
                let (answer, history) = (found.answer(), &found.journal.history);
                let bracket = answer.bracket.expect("rates");
                let end = |rate: f64| long_run(preset, (input, output), slo, rate, 100_000);
                let (low, high) = (end(bracket.low), end(bracket.high));
                let agrees = low.iter().all(|share| *share <= 0.01) && high.iter().any(|share| *share >= 0.01);
                agreeing += u32::from(agrees);
                println!(
                    "{preset}, {shape}, seed {seed}: {:?} {bracket:.2?} of {:?}, limited by {}, {} probes, {} \
                     requests, {:?}; misses at the \
                     ends {low:.4?} {high:.4?}{}",
                    answer.finding,
                    history.capacity,
                    answer.limited_by,
                    history.probes.len(),
                    answer.spent.requests,
                    answer.doubts,
                    if agrees { "" } else { " DISAGREES" }
                );
            }
            println!("{preset}, {shape}: {agreeing} of 5 agree");
            // If a limit is close to the unloaded latency, misses hardly depend on the rate, and the long runs are no
            // more certain than the interval.
            assert!(agreeing >= 3, "{preset}, {shape}: only {agreeing} of 5 agree");
        }
    }
}
