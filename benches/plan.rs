//! Owns the planning benchmark: how long 10⁶ arrivals take under each profile and overlay, beside the constant rate
//! (the control).
//!
//! `cargo bench --bench plan -- [--quick]`: a few seconds.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a bench prints, and stops where its machine fails it")]

use std::hint::black_box;
use std::time::Duration;

use tonnage::clock::RunClock;
use tonnage::schedule::{Extent, Pattern, Process, Timeline};
use tonnage::seed::Seed;
use tonnage::workload::{Load, Plan, Workload, describe};

/// Loads of a hundred seconds at 10 000/s on average, with every shape and overlay.
const PATTERNS: &[(&str, &[&str])] = &[
    ("ramp 100/s..19900/s 100s", &[]),
    ("ramp 1000/s..37700/s 100s exponential", &[]),
    ("sine 10000/s 100s amp=100% period=10s", &[]),
    ("square 1000/s..19000/s 100s period=100ms", &[]),
    ("constant 10000/s 100s", &["sine amp=50% period=5s"]),
    ("constant 10000/s 100s", &["ou sd=30% tau=1s"]),
    ("constant 10000/s 100s", &["noise sd=30% step=1ms"]),
    (
        "ramp 100/s..19900/s 100s",
        &[
            "bursts height=400% burst=100ms calm=400ms",
            "spikes height=300% decay=1s rate=1/s",
            "diurnal amp=80% period=10s",
        ],
    ),
];

/// The seconds that `work` takes, and its result.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let clock = RunClock::starting_in(Duration::ZERO);
    let made = work();
    (clock.now().as_secs(), made)
}

/// Prints how long it takes to create `timeline`, to iterate over it, and to describe it as `tonnage plan` does.
fn row(name: &str, make: impl FnOnce() -> Timeline) {
    let (made_s, timeline) = timed(make);
    let (drawn_s, count) = timed(|| timeline.arrivals().map(black_box).count());
    let plan = Plan::new(Load::Open(timeline), Workload::default(), Seed::new(1), None);
    let (described_s, _) = timed(|| black_box(describe(&plan)).expect("an open load"));
    let each_ns = 1e9 * drawn_s / count as f64;
    println!(
        "| {name} | {count} | {:.1} ms | {:.1} ms | {each_ns:.0} ns | {:.0} ms |",
        1e3 * made_s,
        1e3 * drawn_s,
        1e3 * described_s
    );
}

fn main() {
    let quick = std::env::args().any(|word| word == "--quick") || std::env::var_os("TONNAGE_BENCH_QUICK").is_some();
    let extent = Extent::Duration(Duration::from_secs(if quick { 1 } else { 100 }));
    let (none, seed) = (Duration::ZERO, Seed::new(1));
    println!("# What `tonnage plan` takes for about a million arrivals (asked: below 1 s)\n");
    println!("| load | arrivals | made | drawn | an arrival | described |\n|---|---|---|---|---|---|");
    for process in ["even", "poisson", "gamma:2"] {
        let process: Process = process.parse().expect("a process");
        let rate = "10000/s".parse().expect("a rate");
        row(&format!("{process}, 10 000/s (control)"), || Timeline::new(process, rate, extent, none, none, seed));
    }
    for (profile, overlays) in PATTERNS {
        let pattern = Pattern {
            profile: profile.parse().expect("a profile"),
            overlays: overlays.iter().map(|text| text.parse().expect("an overlay")).collect(),
        };
        let name = format!("poisson, {pattern}");
        row(&name, || Timeline::shaped(Process::Poisson, pattern, Some(extent), none, none, seed).expect("a timeline"));
    }
}
