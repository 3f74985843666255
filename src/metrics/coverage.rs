//! Owns the test that printed intervals and verdicts keep their word on dependent requests (M/M/1, Lindley's recursion).
//!
//! Measured, seeds 1..=200, 20 000 requests (100 000 at load 0.9), starting empty / after 2 000 requests. p99: load 0.3 printed
//! 200 / 200, covering 192 / 192; 0.7 printed 199 / 196, covering 183 / 187; 0.9 printed 133 / 136 (else withheld), covering
//! 127 / 125. p50 and p90: printed always, covering 190 to 197. The estimator was chosen on seeds 1001..=1400 (another
//! generator), where load 0.8 printed 52 % of which 94 % / 93 % cover, and rare stalls (one in 2 000 requests, hitting about 30,
//! which p90 does not see) printed all of which 93 % cover. Without the prior, the intervals at load 0.9 cover 86–88 %.

use std::sync::Arc;

use crate::metrics::examples::{frame, objectives, trial};
use crate::metrics::{Metric, Summary};
use crate::record::{Exchange, Origin, Outcome, Record};
use crate::seed::{Seed, exponential};
use crate::units::Offset;

/// Sojourn times of an M/M/1 queue with mean service 10 ms, folded as unstreamed requests. The first `warmup` are left out.
fn queue(load: f64, count: u64, warmup: u64, seed: u64, asked: &str) -> Summary {
    const SERVICE_S: f64 = 0.01;
    let mut draw = Seed::new(seed).stream("test/coverage").sequence();
    let name: Arc<str> = Arc::from("q");
    let mut summary = Summary::new(super::Frame { streamed: false, ..frame(0.0, 1e6) }, objectives(asked));
    let (mut clock_s, mut work_s, mut start_s) = (0.0, 0.0, 0.0);
    for id in 0..count + warmup {
        let gap_s = exponential(&mut draw) * SERVICE_S / load;
        clock_s += gap_s;
        work_s = f64::max(work_s - gap_s, 0.0) + exponential(&mut draw) * SERVICE_S;
        if id == warmup {
            start_s = clock_s;
        }
        if id < warmup {
            continue;
        }
        let scheduled = Offset::from_secs(clock_s - start_s);
        let ended = Some(Offset::from_secs(clock_s - start_s + work_s));
        summary.add(&Record {
            id,
            class: name.clone(),
            session: None,
            turn: None,
            origin: Origin::Planned,
            scheduled,
            asked_input_tokens: 0,
            asked_output_tokens: 0,
            target: name.clone(),
            model: name.clone(),
            exchange: Exchange { sent: Some(scheduled), ended, outcome: Outcome::Completed, ..Exchange::default() },
        });
    }
    summary.end_window_at(Offset::from_secs(clock_s - start_s + 1e-6));
    summary
}

/// The closed form: −ln(1 − share) / (μ − λ).
fn quantile_s(share: f64, load: f64) -> f64 {
    -libm::log(1.0 - share) * 0.01 / (1.0 - load)
}

#[derive(Debug, Default)]
struct Score {
    runs: u32,
    printed: [u32; 3],
    covered: [u32; 3],
    /// Verdicts on `p99 e2e<=T` with T the true p99: either is wrong half of the time by luck, and may be so in 5 % of runs.
    decided: u32,
}

fn score(load: f64, count: u64, warmup: u64, seeds: std::ops::RangeInclusive<u64>) -> Score {
    let mut score = Score::default();
    let asked = format!("p99 e2e<={}us", (quantile_s(0.99, load) * 1e6).round());
    for seed in seeds {
        let view = trial(queue(load, count, warmup, seed, &asked)).view();
        let stats = view.metrics[&Metric::E2e].headline();
        score.runs += 1;
        for (place, (share, interval)) in [(0.5, stats.p50_ci95), (0.9, stats.p90_ci95), (0.99, stats.p99_ci95)].into_iter().enumerate() {
            if let Some([low_s, high_s]) = interval {
                score.printed[place] += 1;
                score.covered[place] += u32::from((low_s..=high_s).contains(&quantile_s(share, load)));
            }
        }
        score.decided += u32::from(view.slo.objectives[0].met.is_some());
    }
    score
}

#[test]
fn the_interval_of_p99_covers_the_closed_form() {
    // Few of the seeds; all of them below, where optimised code has the time.
    for (load, warmup) in [(0.3, 2_000), (0.7, 0)] {
        let score = score(load, 20_000, warmup, 1..=8);
        assert!(score.printed[2] >= 7 && score.covered[2] * 10 >= score.printed[2] * 8, "load {load}: {score:?}");
    }
}

#[test]
#[ignore = "a minute of optimised code: cargo test --release coverage -- --ignored"]
fn the_interval_of_p99_covers_the_closed_form_in_nine_of_ten_runs() {
    for (load, count) in [(0.3, 20_000), (0.7, 20_000), (0.9, 100_000)] {
        for warmup in [0, 2_000] {
            let score = score(load, count, warmup, 1..=200);
            println!("load {load}, {count} requests, warm-up {warmup}: {score:?}");
            for place in 0..3 {
                assert!(score.covered[place] * 10 >= score.printed[place] * 9, "load {load}, warm-up {warmup}: {score:?}");
            }
            assert!(load > 0.8 || score.printed[2] * 10 >= score.runs * 9, "load {load}, warm-up {warmup}: {score:?}");
            assert!(score.decided * 8 <= score.runs, "a limit on the quantile itself is decided too often: {score:?}");
        }
    }
}
