//! Owns the measurement of `run`'s verdict and of the intervals that it prints, over services whose truth is known.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a bench that cannot go on says so by stopping")]

#[path = "common/station.rs"]
mod station;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use station::{SERVICE_S, STATIONS, Station, trial};
use tonnage::metrics::Metric;

/// Limit ÷ truth.
const FACTORS: [f64; 6] = [0.7, 0.9, 1.0, 1.1, 1.3, 2.0];
/// Share of failed requests in the second fold.
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
    /// By kind (p50, p90, p99, mean) and factor.
    latency: [[Score; 6]; 4],
    /// Allowed ÷ true share of errors 1/4, 1/2, 1, 2, 4.
    errors: [Score; 5],
    /// Attainment, the same of the share that is not good.
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
            format!("{} {:.0}% → {covers}", ["p50", "p90", "p99"][place], 100.0 * f64::from(printed) / f64::from(cell.runs))
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

/// Quantiles and mean by long runs: ten of `count` requests each, and the half width of their 95 % interval.
fn truths(station: Station, count: usize) -> String {
    let runs: Vec<[f64; 5]> = (0..10)
        .map(|seed| {
            let mut sojourns: Vec<f64> = station.requests(9_000 + seed).skip(100_000).take(count).map(|(_, sojourn)| sojourn).collect();
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
    let option = |name: &str| words.iter().position(|word| word == name).and_then(|place| words.get(place + 1)).cloned();
    let seeds: u64 = option("--seeds").map_or(200, |text| text.parse().expect("a number of seeds"));
    let warmup: u64 = option("--warmup").map_or(WARMUP, |text| text.parse().expect("requests"));
    let only = option("--only");
    let held = words.iter().any(|word| word == "held");
    let counts: Vec<u64> = option("--counts")
        .map_or_else(|| vec![200, 500, 2_000, 20_000], |text| text.split(',').map(|count| count.parse().expect("a count")).collect());
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
                    let place = jobs.iter().position(|job| job.0.name == station.name && job.1 == *count).expect("its place");
                    let cell = measure(*station, *count, warmup, if *count > 5_000 { seeds.div_ceil(2) } else { seeds });
                    done.lock().expect("lock")[place] = Some(cell);
                }
            });
        }
    });
    truth_texts.into_inner().expect("lock").iter().for_each(|text| println!("{text}"));
    println!("share passed/failed in % at limit ÷ truth {FACTORS:?}; errors and attainment at allowed ÷ true share {SHARES:?}");
    for ((station, count), cell) in jobs.iter().zip(done.into_inner().expect("lock")) {
        if let Some(cell) = cell {
            print(&format!("{} n = {count}", station.name), &cell);
        }
    }
}
