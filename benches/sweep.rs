//! Owns the measurement of sweeps over services of known capacity: how often a rate above the capacity is called
//! stable, where the knee lies, and how often the saturation interval covers the capacity.
//!
//! `cargo bench --bench sweep [-- [--seeds N] [--window SECONDS] [--no-points] [--no-sweeps] [--each] [NAME…]]`: by
//! default seeds 1 to 100 in virtual time, windows of 20 s.
//!
//! Whole sweeps of eight rates, 100 seeds. *Before*: 60 seeds of the version that called a rate stable when no sign
//! was raised. Constants were tuned on the first five services, and the interval was corrected after a look at the
//! two engines with varying lengths; nothing was tuned on the others.
//!
//! | service | knee above capacity: before | after | median knee | saturation interval covers: before | after | half width |
//! |---|---|---|---|---|---|---|
//! | M/M/1 | 13 % | 1 % | 0.90 C | 93 % | 98 % | 7.8 % |
//! | M/M/8 | 5 % | 0 % | 0.88 C | 95 % | 97 % | 7.6 % |
//! | M/D/4 | 0 % | 0 % | 0.93 C | 100 % | 100 % | 0.4 % |
//! | small engine | 0 % | 0 % | 0.90 C | 100 % | 100 % | 5.6 % |
//! | D/M/1 | 15 % | 0 % | 0.90 C | 93 % | 97 % | 7.8 % |
//! | M/M/64 * | 5 % | 0 % | 0.84 C | 95 % | 97 % | 5.0 % |
//! | M/D/1 * | 0 % | 0 % | 0.93 C | 100 % | 100 % | 0.4 % |
//! | gamma CV 2/M/2 * | 15 % | 0 % | 0.89 C | 98 % | 97 % | 5.5 % |
//! | D/D/3 * | 0 % | 0 % | 0.93 C | 100 % | 100 % | 0.8 % |
//! | small, lognormal lengths | 15 % | 0 % | 0.77 C | 78 % | 97 % | 12.0 % |
//! | 16 sequences, uniform lengths | 2 % | 0 % | 0.92 C | 80 % | 100 % | 2.1 % |
//! | 8B chat * | 0 % | 0 % | 0.74 C | 100 % | 100 % | 18.6 % |
//!
//! The closed loop of the 8B engine completes in waves of 13 s, and a window holds one and a half waves. Its interval
//! is therefore wide and its knee low.
//!
//! A single rate on M/M/1 of 20/s: at 1.01, 1.05, 1.1 and 1.2 times the capacity, 80, 66, 46 and 10 % of 50 windows
//! were called stable before, and none of 60 after. At 0.5, 0.7, 0.8 and 0.9 times the capacity, 95, 63, 18 and 2 %
//! are called stable, and the rest too short to tell. The highest share above the capacity is 3 % (M/D/1 at 1.01).
//! M/M/64 with a service of 1 s takes about 70 s at half its capacity.

#![expect(clippy::print_stdout, clippy::expect_used, reason = "a bench prints, and stops where its machine fails it")]

use std::sync::Arc;
use std::time::Duration;

use tonnage::figures::TrialView;
use tonnage::metrics::Objectives;
use tonnage::schedule::Process;
use tonnage::search::{Blueprint, Stability, Sweep, SweepCampaign, SweepCourse, SweepFindings, drive};
use tonnage::seed::Seed;
use tonnage::sim::{ServiceProfile, VirtualPlayer};
use tonnage::units::Rate;
use tonnage::workload::{LengthSpec, Workload};

/// Shares of the capacity that are offered as single rates.
const SHARES: [f64; 9] = [0.5, 0.7, 0.8, 0.9, 0.95, 1.01, 1.05, 1.1, 1.2];

/// A service of known capacity.
struct Cell {
    name: &'static str,
    profile: &'static str,
    lengths: (&'static str, &'static str),
    process: Process,
    /// Capacity in requests per second, by closed form; `None` if a long saturated run must measure it.
    capacity_per_s: Option<f64>,
    /// Whether constants were tuned on it.
    tuned_on: bool,
}

fn cells() -> Vec<Cell> {
    let cell = |name, profile, lengths, process, capacity_per_s, tuned_on| Cell {
        name,
        profile,
        lengths,
        process,
        capacity_per_s,
        tuned_on,
    };
    let (one, poisson) = (("8", "1"), Process::Poisson);
    vec![
        cell("M/M/1", "mmc:servers=1,service=50ms", one, poisson, Some(20.0), true),
        cell("M/M/8", "mmc:servers=8,service=400ms", one, poisson, Some(20.0), true),
        cell("M/D/4", "mdc:servers=4,service=50ms", one, poisson, Some(80.0), true),
        cell("small", "small", ("128", "64"), poisson, None, true),
        cell("D/M/1", "mmc:servers=1,service=50ms", one, Process::Even, Some(20.0), true),
        cell("M/M/64", "mmc:servers=64,service=1s", one, poisson, Some(64.0), false),
        cell("M/D/1", "mdc:servers=1,service=100ms", one, poisson, Some(10.0), false),
        cell("G2/M/2", "mmc:servers=2,service=50ms", one, Process::gamma(2.0).expect("a process"), Some(40.0), false),
        cell("D/D/3", "mdc:servers=3,service=90ms", one, Process::Even, Some(100.0 / 3.0), false),
        cell("8B chat", "8b-h100", ("512", "128"), poisson, None, false),
        cell("small, mixed", "small", ("lognormal:256,1", "lognormal:64,1"), poisson, None, false),
        cell("16 seqs", "small:max_seqs=16", ("128", "32..96"), poisson, None, false),
    ]
}

impl Cell {
    fn workload(&self) -> Workload {
        let lengths = |text: &str| text.parse::<LengthSpec>().expect("lengths");
        Workload::new(lengths(self.lengths.0), lengths(self.lengths.1))
    }

    fn profile(&self) -> ServiceProfile {
        self.profile.parse().expect("a profile")
    }

    fn swept(
        &self,
        course: SweepCourse,
        window: Duration,
        discard: Option<Duration>,
        seed: u64,
    ) -> (Vec<TrialView>, SweepFindings) {
        let sweep = Sweep { course, window, discard, sessions: None };
        let blueprint = Blueprint {
            workload: self.workload(),
            process: self.process,
            recorded: None,
            quota: None,
            seed: Seed::new(seed),
            window,
            cooldown: Duration::ZERO,
            objectives: Arc::new(Objectives::default()),
            streamed: true,
        };
        let mut session = VirtualPlayer::new(self.profile(), Seed::new(seed));
        let mut campaign = SweepCampaign::new(sweep);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let driving = drive(&mut session, &mut campaign, &blueprint, |_, _| Ok(()), || false);
        let finished = runtime.block_on(driving).expect("a sweep");
        let trials = campaign.into_trials();
        let findings = SweepFindings::of(&trials, &[], finished);
        (trials, findings)
    }

    fn capacity_per_s(&self) -> f64 {
        self.capacity_per_s.unwrap_or_else(|| {
            let long = |seed| {
                let (trials, _) = self.swept(
                    SweepCourse::Concurrencies(vec![512]),
                    Duration::from_mins(15),
                    Some(Duration::from_secs(90)),
                    seed,
                );
                trials[0].throughput.requests_per_s.expect("completions")
            };
            f64::midpoint(long(9_001), long(9_002))
        })
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let number = |flag: &str, usual: u64| {
        words.iter().position(|word| word == flag).map_or(usual, |place| words[place + 1].parse().expect("a number"))
    };
    let (seeds, window) = (number("--seeds", 100), Duration::from_secs(number("--window", 20)));
    let alone = !words.iter().any(|word| word == "--no-points");
    let whole = !words.iter().any(|word| word == "--no-sweeps");
    let cells: Vec<Cell> = cells()
        .into_iter()
        .filter(|cell| {
            let named = words.iter().any(|word| cell.name == word.as_str());
            named || !words.iter().any(|word| self::cells().iter().any(|cell| cell.name == word.as_str()))
        })
        .collect();
    for cell in cells {
        let capacity = cell.capacity_per_s();
        println!(
            "## {} ({}), {capacity:.3}/s, {seeds} seeds",
            cell.name,
            if cell.tuned_on { "tuned on" } else { "not tuned on" }
        );
        if alone {
            points(&cell, capacity, window, seeds);
        }
        if whole {
            sweeps(&cell, capacity, window, seeds, words.iter().any(|word| word == "--each"));
        }
    }
}

/// Single rates: how each share of the capacity is classified.
fn points(cell: &Cell, capacity: f64, window: Duration, seeds: u64) {
    for share in SHARES {
        let mut called = std::collections::BTreeMap::<&str, u32>::new();
        let mut tells = Vec::new();
        for seed in 1..=seeds {
            let rate = Rate::new(share * capacity).expect("a rate");
            let (_, findings) = cell.swept(SweepCourse::Rates(vec![rate]), window, None, seed);
            *called.entry(findings.points[0].stability.map_or("none", Stability::name)).or_default() += 1;
            tells.extend(findings.points[0].steadiness.and_then(|steadiness| steadiness.tells_in_s));
        }
        tells.sort_by(f64::total_cmp);
        println!(
            "  alone at {share:.2} C: {called:?}, median window that would tell {:?} s ({} of them)",
            tells.get(tells.len() / 2).map(|window_s| libm::round(*window_s)),
            tells.len()
        );
    }
}

/// Whole sweeps of eight rates: the knee and the saturation rate.
fn sweeps(cell: &Cell, capacity: f64, window: Duration, seeds: u64, each: bool) {
    let (mut above, mut known, mut covers, mut measured, mut found) = (0, 0, 0, 0, 0);
    let (mut knees, mut widths, mut errors, mut stable_above, mut points_above) =
        (Vec::new(), Vec::new(), Vec::new(), 0, 0);
    for seed in 1..=seeds {
        let (_, findings) = cell.swept(SweepCourse::Between { points: 8, most: None }, window, None, seed);
        if let Some(knee) = findings.knee_per_s {
            known += 1;
            above += u32::from(knee > capacity);
            knees.push(knee / capacity);
        }
        let over = findings.points.iter().filter(|point| point.rate_per_s.is_some_and(|per_s| per_s > capacity));
        for point in over {
            points_above += 1;
            stable_above += u32::from(point.stability == Some(Stability::Stable));
        }
        if each {
            let full = findings
                .points
                .iter()
                .filter(|point| point.stability == Some(Stability::Saturated) || point.concurrency == Some(512));
            let shown: Vec<String> = full
                .filter_map(|point| {
                    let rate = point.completion?;
                    Some(format!(
                        "{} {:.2} ({:.2} to {:.2})",
                        point.label, rate.per_s, rate.interval95_per_s[0], rate.interval95_per_s[1]
                    ))
                })
                .collect();
            println!(
                "  seed {seed}: {:?} from {}",
                findings.saturation.as_ref().map(|found| found.interval95_per_s),
                shown.join(", ")
            );
        }
        if let Some(saturation) = findings.saturation {
            found += 1;
            let [low, high] = saturation.interval95_per_s;
            measured += u32::from(saturation.bound == tonnage::search::Bound::Measured);
            covers += u32::from(low <= capacity && capacity <= high);
            widths.push((high - low) / 2.0 / capacity);
            errors.push(saturation.per_s / capacity - 1.0);
        }
    }
    for list in [&mut knees, &mut widths, &mut errors] {
        list.sort_by(f64::total_cmp);
    }
    let middle = |list: &[f64]| list.get(list.len() / 2).copied().unwrap_or(f64::NAN);
    let last = |list: &[f64]| list.last().copied().unwrap_or(f64::NAN);
    println!(
        "  sweeps: knee known {known}, above C {above} (median {:.2} C, highest {:.2} C); rates above C called stable \
         {stable_above} of \
         {points_above}; saturation found {found}, measured {measured}, covers {covers} (median half width {:.1} %, \
         median error {:+.2} %, \
         from {:+.2} % to {:+.2} %)",
        middle(&knees),
        last(&knees),
        100.0 * middle(&widths),
        100.0 * middle(&errors),
        100.0 * errors.first().copied().unwrap_or(f64::NAN),
        100.0 * last(&errors),
    );
}
