//! Owns the benchmark of the search's own cost: one step over a long history, and whole searches in virtual time.
//!
//! `cargo bench --bench search`: a few seconds. Each row shows its limit; a row above its limit ends the benchmark
//! with exit code 1.

#![expect(clippy::print_stdout, clippy::expect_used, reason = "a bench prints, and stops where its machine fails it")]

#[path = "common/long.rs"]
mod long;
#[path = "common/play.rs"]
mod play;
#[path = "common/queue.rs"]
mod queue;
#[path = "common/served.rs"]
mod served;

use std::hint::black_box;
use std::time::Duration;

use queue::{cells, search};
use served::SERVED;
use tonnage::clock::RunClock;
use tonnage::search::Level;
use tonnage::search::step::{
    Budget, Capacity, Clusters, Count, Demand, End, History, Probe, Question, Spent, Step, step,
};
use tonnage::seed::Seed;

/// The seconds that `work` takes, and its result.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let clock = RunClock::starting_in(Duration::ZERO);
    let made = work();
    (clock.now().as_secs(), made)
}

/// A question of `demands` objectives, and a history of `probes` probes around 7/s of 10/s that have not answered it.
fn long_search(demands: usize, probes: usize) -> (Question, History) {
    let demand = |place: usize| Demand::new([0.01, 0.05, 0.1, 0.001][place % 4], Some(1.5)).expect("a demand");
    let question = Question::new((0..demands).map(demand).collect(), 0.01).expect("a question");
    let count = |place: usize, rate: f64| Count {
        misses: (3_000.0 * libm::exp(-(10.0 - rate) * 1.5)) as u64 / (1 + place as u64),
        decided: 3_000,
        clusters: Some(Clusters { phi: 20.0, episodes: 12, powers: [120.0, 2_400.0, 72e3, 288e4] }),
    };
    let probe = |number: usize| {
        let rate_per_s = 7.0 * libm::exp(0.1 * ((number * 7 % 13) as f64 / 6.0 - 1.0));
        let counts = (0..demands).map(|place| count(place, rate_per_s)).collect();
        Probe {
            counts,
            time_in_system_s: 0.4,
            spent: Spent { requests: 4_000, seconds: 570.0 },
            ..Probe::new(Level::RatePerS(rate_per_s), End::Full)
        }
    };
    let floor = Some(vec![Count { misses: 0, decided: 300, clusters: None }; demands]);
    let probes = (0..probes).map(probe).collect();
    (question, History { floor, capacity: Some(Capacity::Reached(10.0)), probes, ..History::default() })
}

fn main() {
    let mut late = false;
    let mut row = |name: &str, took_s: f64, limit_s: f64, what: &str| {
        println!("| {name} | {:.1} ms | {:.0} ms | {what} |", 1e3 * took_s, 1e3 * limit_s);
        late |= took_s > limit_s;
    };
    println!("# What a search costs by itself\n\n| | took | limit | |\n|---|---|---|---|");
    for (demands, probes) in [(1, 10), (1, 50), (4, 50), (4, 150)] {
        let (question, history) = long_search(demands, probes);
        let (repeats, mut ordered) = (20, 0);
        let (took_s, ()) = timed(|| {
            for _ in 0..repeats {
                ordered +=
                    u32::from(matches!(black_box(step(black_box(&question), black_box(&history))), Step::Probe(_)));
            }
        });
        let what = if ordered == repeats { "orders a probe" } else { "ends" };
        // The limit is set for 50 probes; the longest possible search has three times as many.
        row(
            &format!("one step, {demands} objectives, {probes} probes"),
            took_s / f64::from(repeats),
            0.01 * (probes as f64 / 50.0).max(1.0),
            what,
        );
    }
    for cell in cells() {
        let question = cell.question(0.1, Budget::default());
        let (took_s, found) = timed(|| search(&cell, &question, Seed::new(1)));
        let what = format!("{} probes, {} requests", found.history.probes.len(), found.answer.spent.requests);
        row(&format!("a search over {}, ±10 %", cell.name), took_s, 2.0, &what);
    }
    for cell in SERVED {
        let (took_s, (answer, history)) = timed(|| cell.search(0.1, Seed::new(1)));
        let what = format!("{} probes, {} requests", history.probes.len(), answer.spent.requests);
        row(&format!("a search over the engine, {}, ±10 %", cell.name), took_s, 2.0, &what);
    }
    if late {
        println!("\nbeyond its limit");
        std::process::exit(1);
    }
}
