//! Owns the measurement of `run`'s verdict and of its printed intervals, over services of known truth.
//!
//! `cargo bench --bench verdict [-- [held] [--seeds N] [--counts 500,2000] [--only NAME] [--warmup REQUESTS]]`;
//! `held` runs the services that the method was not tuned on. `-- truths`: quantiles and means from long runs.
//!
//! Each run is judged on p50, p90, p99 and mean limits at 0.7 to 2 times the truth, and on error rates and
//! attainments at 1/4 to 4 times the true share. Measured before and after the verdict counted independent requests,
//! with 5 000 requests of warm-up and 120 seeds (60 at 20 000 requests; before: 200 and 100). *Wrong*: percent of
//! runs that pass or fail wrongly at the limit itself, whichever is larger, for quantiles (the worst of three), mean,
//! error rate and attainment; the target is 5. *p90*: percent of runs that print its interval → percent of these that
//! cover. *Open*: percent inconclusive at 1.3 and 2 times the truth (p50, p90, p99 and mean together). Services with
//! a star are held back and run once at the end.
//!
//! | service, requests | wrong before | after | p90 before | after | open before | after |
//! |---|---|---|---|---|---|---|
//! | M/M/1 0.7, 200 | 14 27 1 3 | 2 2 0 0 | 37→73 | 1→0 | 72 53 | 97 90 |
//! | M/M/1 0.7, 500 | 13 19 0 20 | 2 3 0 0 | 66→86 | 4→100 | 66 40 | 93 74 |
//! | M/M/1 0.7, 2000 | 8 12 0 13 | 2 1 3 0 | 98→92 | 85→100 | 52 26 | 83 29 |
//! | M/M/1 0.7, 20000 | 11 10 1 10 | 2 2 5 0 | 100→96 | 100→100 | 7 1 | 13 0 |
//! | M/M/1 0.9, 200 | 22 51 0 7 | 2 0 0 1 | 16→9 | — | 61 56 | 100 100 |
//! | M/M/1 0.9, 500 | 18 45 0 17 | 2 2 0 0 | 20→18 | — | 67 56 | 98 96 |
//! | M/M/1 0.9, 2000 | 23 29 0 43 | 2 3 2 0 | 34→62 | — | 70 53 | 96 90 |
//! | M/M/1 0.9, 20000 | 10 16 0 13 | 2 2 5 0 | 96→90 | 58→97 | 56 27 | 81 37 |
//! | M/M/8 0.9, 200 | 54 47 2 37 | 3 1 0 2 | 94→43 | 1→0 | 42 31 | 99 99 |
//! | M/M/8 0.9, 500 | 53 43 1 56 | 1 0 0 0 | 90→40 | — | 46 33 | 100 98 |
//! | M/M/8 0.9, 2000 | 37 30 1 48 | 0 0 2 0 | 81→65 | — | 51 31 | 99 92 |
//! | M/M/8 0.9, 20000 | 19 12 0 16 | 0 0 5 0 | 96→96 | 60→100 | 27 23 | 82 36 |
//! | M/LN(3)/1 0.8, 200 | 15 43 0 6 | 3 1 0 1 | 12→0 | — | 70 64 | 98 97 |
//! | M/LN(3)/1 0.8, 500 | 16 37 0 14 | 3 3 0 0 | 21→29 | — | 72 62 | 98 97 |
//! | M/LN(3)/1 0.8, 2000 | 19 26 0 29 | 1 3 2 0 | 48→73 | 1→100 | 72 54 | 97 90 |
//! | M/LN(3)/1 0.8, 20000 | 6 19 0 11 | 0 0 5 0 | 100→97 | 83→100 | 54 28 | 86 40 |
//! | M/Pareto 2.5/1 0.7, 200 | 14 39 0 3 | 4 8 0 0 | 28→62 | 1→0 | 70 53 | 92 82 |
//! | M/Pareto 2.5/1 0.7, 500 | 15 42 0 19 | 4 10 0 0 | 60→85 | 12→79 | 63 42 | 87 66 |
//! | M/Pareto 2.5/1 0.7, 2000 | 8 31 0 12 | 3 7 2 0 | 94→95 | 60→99 | 54 32 | 77 43 |
//! | M/Pareto 2.5/1 0.7, 20000 | 11 31 1 2 | 3 8 5 0 | 100→98 | 95→100 | 23 10 | 36 17 |
//! | M/D/1 0.8, 200 | 16 30 0 3 | 5 5 0 0 | 26→53 | — | 68 51 | 94 83 |
//! | M/D/1 0.8, 500 | 18 22 0 18 | 2 5 0 0 | 54→77 | 1→100 | 67 41 | 88 72 |
//! | M/D/1 0.8, 2000 | 9 13 0 12 | 4 5 2 1 | 89→93 | 51→95 | 51 29 | 77 38 |
//! | M/D/1 0.8, 20000 | 10 10 0 7 | 2 2 5 0 | 100→94 | 100→100 | 6 2 | 17 0 |
//! | independent LN(1), 200 | 4 5 3 4 | 2 4 0 1 | 100→98 | 87→100 | 38 25 | 72 36 |
//! | independent LN(1), 500 | 4 4 3 2 | 3 3 0 1 | 100→98 | 100→99 | 23 12 | 41 27 |
//! | independent LN(1), 2000 | 3 3 4 4 | 2 2 2 1 | 100→98 | 100→100 | 6 0 | 17 0 |
//! | independent LN(1), 20000 | 6 4 6 4 | 7 0 5 2 | 100→98 | 100→100 | 0 0 | 0 0 |
//! | rare stalls, 200 | 17 67 1 21 | 11 51 0 0 | 61→78 | 41→84 | 52 44 | 64 55 |
//! | rare stalls, 500 | 20 44 0 26 | 13 23 0 21 | 67→78 | 41→73 | 56 45 | 77 69 |
//! | rare stalls, 2000 | 9 31 0 10 | 7 3 2 4 | 100→91 | 42→92 | 51 40 | 83 66 |
//! | rare stalls, 20000 | 10 15 2 9 | 0 0 5 0 | 100→95 | 100→100 | 18 1 | 62 23 |
//! | M/M/32 0.95, 200 | 55 55 2 17 | 1 0 0 0 | 100→58 | — | 33 25 | 100 100 |
//! | M/M/32 0.95, 500 | 50 52 2 33 | 1 0 0 0 | 100→46 | — | 26 12 | 100 100 |
//! | M/M/32 0.95, 2000 | 45 36 2 45 | 0 0 2 0 | 100→50 | — | 28 14 | 100 99 |
//! | M/M/32 0.95, 20000 | 33 24 0 34 | 0 0 5 0 | 98→77 | 2→100 | 20 11 | 99 84 |
//! | M/H2(5)/2 0.8 *, 200 | | 3 0 0 2 | | — | | 98 98 |
//! | M/H2(5)/2 0.8 *, 500 | | 1 0 0 1 | | — | | 98 98 |
//! | M/H2(5)/2 0.8 *, 2000 | | 0 0 2 0 | | — | | 100 96 |
//! | M/H2(5)/2 0.8 *, 20000 | | 2 2 5 0 | | 80→100 | | 92 47 |
//! | D/LN(3)/1 0.85 *, 200 | | 5 0 0 5 | | — | | 96 96 |
//! | D/LN(3)/1 0.85 *, 500 | | 6 1 0 2 | | — | | 97 96 |
//! | D/LN(3)/1 0.85 *, 2000 | | 3 3 2 0 | | — | | 98 94 |
//! | D/LN(3)/1 0.85 *, 20000 | | 0 0 5 0 | | 65→100 | | 94 54 |
//! | M/LN(1)/4 0.88 *, 200 | | 2 0 0 2 | | — | | 99 98 |
//! | M/LN(1)/4 0.88 *, 500 | | 3 0 0 0 | | — | | 99 96 |
//! | M/LN(1)/4 0.88 *, 2000 | | 1 2 2 0 | | — | | 96 87 |
//! | M/LN(1)/4 0.88 *, 20000 | | 0 0 3 0 | | 90→100 | | 79 27 |
//! | spells *, 200 | | 14 17 0 0 | | 1→0 | | 87 83 |
//! | spells *, 500 | | 13 12 0 2 | | 8→22 | | 88 83 |
//! | spells *, 2000 | | 3 3 3 2 | | 22→96 | | 90 70 |
//! | spells *, 20000 | | 2 5 5 0 | | 100→100 | | 54 8 |
//!
//! What does not hold, and why:
//! - *Means under a Pareto service* (the wait has infinite variance): 7 to 10 % wrong passes, before 31 to 42 %.
//! - *Rare stalls* in runs of 200 to 2 000 requests (wrong passes up to 51 %, p90 intervals cover 73 to 92 %), and
//!   *spells* longer than the run: a run cannot bound events that did not happen in it.
//! - An interval that few runs print covers less often: the runs that print it are those that look calm. Of the runs
//!   of M/Pareto with 500 requests, 12 % print a p90 interval, and 2.5 % a wrong one; of M/M/1 at 0.9 with 500, 2 %
//!   print a p50 interval.
//!
//! M/M/32 was looked at once before its figures were final, so it counts as a service that the method was tuned on.
//! For `run --sim mmc:servers=8,service=400ms --rate 18/s --duration 20s --slo 'p90 e2e<=1430ms'` (true p90 1 583
//! ms), 0 of 12 seeds pass over sockets; before, 6 of 12 passed.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a bench that cannot go on says so by stopping")]

#[path = "common/station.rs"]
mod station;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use station::{SERVICE_S, STATIONS, Station, trial};
use tonnage::metrics::Metric;

/// Limit ÷ truth.
const FACTORS: [f64; 6] = [0.7, 0.9, 1.0, 1.1, 1.3, 2.0];
/// Share of requests that fail in the second trial of each run, which judges error rates and attainment.
const ERROR: f64 = 0.02;
/// Requests before the window.
const WARMUP: u64 = 5_000;

/// Right pass, right fail, wrong pass, wrong fail, inconclusive.
#[derive(Debug, Default, Clone, Copy)]
struct Score {
    runs: u32,
    pass: u32,
    fail: u32,
}

impl Score {
    fn add(&mut self, met: Option<bool>) {
        self.runs += 1;
        self.pass += u32::from(met == Some(true));
        self.fail += u32::from(met == Some(false));
    }

    fn text(self) -> String {
        let percent = |number: u32| (100.0 * f64::from(number) / f64::from(self.runs.max(1))).round();
        format!("{:>3}/{:<3}", percent(self.pass), percent(self.fail))
    }
}

#[derive(Debug, Default, Clone)]
struct Cell {
    /// Scores by kind (p50, p90, p99, mean) and factor.
    latency: [[Score; 6]; 4],
    /// Scores of the error rate at allowed ÷ true share 1/4, 1/2, 1, 2, 4.
    errors: [Score; 5],
    /// Scores of attainment, judged by the share of requests that are not good.
    attainment: [Score; 5],
    printed: [u32; 3],
    covered: [u32; 3],
    runs: u32,
}

const SHARES: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];

fn run(station: Station, count: u64, warmup: u64, seed: u64) -> (Vec<Option<bool>>, Vec<Option<[f64; 2]>>) {
    let [p50, p90, p95, p99, mean] = station.truth;
    let micros = |value: f64| format!("{}us", (value * SERVICE_S * 1e6).round());
    let mut asked = Vec::new();
    for (name, truth) in [("p50", p50), ("p90", p90), ("p99", p99), ("mean", mean)] {
        asked.extend(FACTORS.iter().map(|factor| format!("{name} e2e<={}", micros(truth * factor))));
    }
    let texts: Vec<&str> = asked.iter().map(String::as_str).collect();
    let view = trial(station, (warmup, count), seed, 0.0, &texts).view();
    let mut met: Vec<_> = view.slo.objectives.iter().map(|objective| objective.met).collect();
    let stats = view.metrics[&Metric::E2e].headline();
    let intervals = vec![stats.p50_ci95, stats.p90_ci95, stats.p99_ci95];
    let bad = 1.0 - 0.95 * (1.0 - ERROR);
    let mut asked = vec![format!("e2e<={}", micros(p95))];
    asked.extend(SHARES.iter().map(|times| format!("error_rate<={}%", 100.0 * times * ERROR)));
    asked.extend(SHARES.iter().map(|times| format!("attainment>={:.4}%", 100.0 * (1.0 - times * bad))));
    let texts: Vec<&str> = asked.iter().map(String::as_str).collect();
    let judged = trial(station, (warmup, count), seed, ERROR, &texts).judge();
    met.extend(judged.objectives.iter().skip(1).map(|objective| objective.met));
    (met, intervals)
}

fn measure(station: Station, count: u64, warmup: u64, seeds: u64) -> Cell {
    let mut cell = Cell::default();
    for seed in 1..=seeds {
        let (met, intervals) = run(station, count, warmup, seed);
        for kind in 0..4 {
            for place in 0..6 {
                cell.latency[kind][place].add(met[kind * 6 + place]);
            }
        }
        for place in 0..5 {
            cell.errors[place].add(met[24 + place]);
            cell.attainment[place].add(met[29 + place]);
        }
        for (place, interval) in intervals.into_iter().enumerate() {
            let truth_s = [station.truth[0], station.truth[1], station.truth[3]][place] * SERVICE_S;
            if let Some([low_s, high_s]) = interval {
                cell.printed[place] += 1;
                cell.covered[place] += u32::from((low_s..=high_s).contains(&truth_s));
            }
        }
        cell.runs += 1;
    }
    cell
}

fn print(title: &str, cell: &Cell) {
    let intervals: Vec<String> = (0..3)
        .map(|place| {
            let printed = cell.printed[place];
            let covers = if printed == 0 {
                "—".to_owned()
            } else {
                format!("{:.0}%", 100.0 * f64::from(cell.covered[place]) / f64::from(printed))
            };
            format!(
                "{} {:.0}% → {covers}",
                ["p50", "p90", "p99"][place],
                100.0 * f64::from(printed) / f64::from(cell.runs)
            )
        })
        .collect();
    println!("{title}\n  printed → covers: {}", intervals.join(", "));
    let row = |name: &str, scores: &[Score]| {
        let texts: Vec<String> = scores.iter().map(|score| score.text()).collect();
        let boundary = scores[2];
        let wrong = f64::from(boundary.pass.max(boundary.fail)) / f64::from(boundary.runs.max(1));
        println!("  {name:<10} {}{}", texts.join("  "), if wrong > 0.05 { "  ! wrong at the boundary" } else { "" });
    };
    for (kind, name) in ["p50", "p90", "p99", "mean"].into_iter().enumerate() {
        row(name, &cell.latency[kind]);
    }
    row("errors", &cell.errors);
    row("attainment", &cell.attainment);
}

/// Quantiles and mean from long runs: ten of `count` requests each, with the half width of their 95 % interval.
fn truths(station: Station, count: usize) -> String {
    let runs: Vec<[f64; 5]> = (0..10)
        .map(|seed| {
            let mut sojourns: Vec<f64> =
                station.requests(9_000 + seed).skip(100_000).take(count).map(|(_, sojourn)| sojourn).collect();
            let mean = sojourns.iter().sum::<f64>() / count as f64;
            sojourns.sort_unstable_by(f64::total_cmp);
            let at = |share: f64| sojourns[(share * count as f64) as usize];
            [at(0.5), at(0.9), at(0.95), at(0.99), mean]
        })
        .collect();
    let texts: Vec<String> = (0..5)
        .map(|place| {
            let mean = runs.iter().map(|run| run[place]).sum::<f64>() / 10.0;
            let variance = runs.iter().map(|run| (run[place] - mean).powi(2)).sum::<f64>() / 9.0;
            format!("{mean:.4} ± {:.4}", 2.262 * (variance / 10.0).sqrt())
        })
        .collect();
    format!("{}: {}", station.name, texts.join(", "))
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let option =
        |name: &str| words.iter().position(|word| word == name).and_then(|place| words.get(place + 1)).cloned();
    let seeds: u64 = option("--seeds").map_or(200, |text| text.parse().expect("a number of seeds"));
    let warmup: u64 = option("--warmup").map_or(WARMUP, |text| text.parse().expect("requests"));
    let only = option("--only");
    let held = words.iter().any(|word| word == "held");
    let counts: Vec<u64> = option("--counts").map_or_else(
        || vec![200, 500, 2_000, 20_000],
        |text| text.split(',').map(|count| count.parse().expect("a count")).collect(),
    );
    let chosen: Vec<Station> = STATIONS
        .iter()
        .copied()
        .filter(|station| only.as_ref().map_or(station.tuned_on != held, |only| station.name.contains(only.as_str())))
        .collect();
    let find_truths = words.iter().any(|word| word == "truths");
    let jobs: Vec<(Station, u64)> = if find_truths {
        chosen.iter().map(|station| (*station, 200_000_000)).collect()
    } else {
        chosen.iter().flat_map(|station| counts.iter().map(|count| (*station, *count))).collect()
    };
    let (next, done) = (AtomicUsize::new(0), Mutex::new(vec![None; jobs.len()]));
    let truth_texts = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((station, count)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if find_truths {
                        truth_texts.lock().expect("lock").push(truths(*station, *count as usize / 10));
                        continue;
                    }
                    let place =
                        jobs.iter().position(|job| job.0.name == station.name && job.1 == *count).expect("its place");
                    let cell =
                        measure(*station, *count, warmup, if *count > 5_000 { seeds.div_ceil(2) } else { seeds });
                    done.lock().expect("lock")[place] = Some(cell);
                }
            });
        }
    });
    truth_texts.into_inner().expect("lock").iter().for_each(|text| println!("{text}"));
    println!(
        "share passed/failed in % at limit ÷ truth {FACTORS:?}; errors and attainment at allowed ÷ true share \
         {SHARES:?}"
    );
    for ((station, count), cell) in jobs.iter().zip(done.into_inner().expect("lock")) {
        if let Some(cell) = cell {
            print(&format!("{} n = {count}", station.name), &cell);
        }
    }
}
