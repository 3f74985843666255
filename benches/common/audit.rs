//! Owns the cells of the coverage table that come from an independent audit of the search: heavy tails, many servers,
//! misses without load, a service that changes, a service that refuses.

use std::num::NonZeroU32;
use std::time::Duration;

use tonnage::seed::Seed;
use tonnage::sim::{Collapse, Law, Limiter, Pace, Paced, Servers, Service, Shared, Slow, VirtualPlayer};
use tonnage::units::{Rate, Ratio};

use crate::cell::{Cell, Open};
use crate::long::{Kind, Long, Unit};
use crate::mg1::{Need, mg1_rate};
use crate::queue::{PS_RATE, mm1_rate, mmc_rate};
use crate::served::Served;

/// `count` servers behind a first-come, first-served queue, with the service law `text`.
pub(crate) fn servers(count: u32, text: &str, seed: Seed) -> Servers {
    Servers::new(NonZeroU32::new(count).expect("servers"), law(text), seed)
}

pub(crate) fn law(text: &str) -> Law {
    text.parse().expect("a law")
}

/// Opens a session over the service that `make` returns for each seed.
pub(crate) fn over<S: Service + 'static>(make: impl Fn(Seed) -> S + Send + Sync + 'static) -> Open {
    Box::new(move |seed| VirtualPlayer::over(Box::new(make(seed))))
}

/// Opens a session over a queue with `count` servers.
pub(crate) fn queue(count: u32, text: &'static str) -> Open {
    over(move |seed| servers(count, text, seed))
}

/// Service laws of mean 1 s, by name: squared coefficient of variation 3 or 5; the shape of a Pareto law and its
/// largest ÷ smallest value.
pub(crate) const LN3: &str = "lognormal:1s,1.7320508075688772";
pub(crate) const H2_5: &str = "hyper:1s,2.23606797749979";
pub(crate) const PARETO_2_5: &str = "pareto:1s,2.5";
pub(crate) const PARETO_1_5: &str = "pareto:1s,1.5,1000";

fn cell(name: &'static str, slo: &str, open: Open, truth: (f64, f64), capacity: f64) -> Cell {
    Cell::of_group("audit", (name, slo), open, truth, capacity)
}

/// The share of the other requests that may miss, when `allowed` of all requests may miss and `floor` of them miss at
/// any load.
pub(crate) fn beside(allowed: f64, floor: f64) -> f64 {
    (allowed - floor) / (1.0 - floor)
}

/// M/M/1 of mean 1 s where a share of requests takes 60 s longer at any load.
fn floored(name: &'static str, floor: f64) -> Cell {
    let share = Ratio::new(floor).expect("a share");
    let open = over(move |seed| Slow::new(servers(1, "exp:1s", seed), share, Duration::from_mins(1), seed));
    cell(name, "p99 e2e<=15s", open, (mm1_rate(beside(0.01, floor), 15.0), 0.0), 1.0)
}

/// An engine that meets its limit at any load: its answer is the highest rate that it completes.
pub(crate) const UNLIMITED: Served = Served {
    name: "tpot, 16 sequences",
    profile: "8b-h100:max_seqs=16",
    input_tokens: "64..192",
    output_tokens: "32..96",
    ttft_s: 1e6,
    tpot_s: 0.05,
    truth: 29.323,
    truth_error: 0.001,
    capacity: 29.323,
    tuned_on: false,
};

/// The cells whose truth comes from long runs.
pub(crate) fn longs() -> Vec<(&'static str, Vec<Long>)> {
    let (queue, p99) = (Long::queue, 0.01);
    vec![
        ("M/H2(5)/2", vec![queue(Unit::Hyper(5.0), 2, 20.0, p99)]),
        ("even/LN(3)/1", vec![Long { gaps: Unit::Constant, ..queue(Unit::Lognormal(3.0), 1, 25.0, p99) }]),
        ("M/Pareto 1.5 cut/8", vec![queue(Unit::Pareto(1.5, 1_000.0), 8, 40.0, p99)]),
        ("429 limiter", vec![Long { kind: Kind::Limiter(20.0, 20.0), ..queue(Unit::Constant, 1, 1.0, p99) }]),
    ]
}

/// All cells of the audit.
pub(crate) fn cells() -> Vec<Cell> {
    let unit = "exp:100ms";
    vec![
        cell("M/LN(3)/1 p99", "p99 e2e<=30s", queue(1, LN3), (mg1_rate(Need::Lognormal(3.0), 0.01, 30.0), 0.0), 1.0),
        cell(
            "M/LN(3)/1 p99.9",
            "p99.9 e2e<=80s",
            queue(1, LN3),
            (mg1_rate(Need::Lognormal(3.0), 0.001, 80.0), 0.0),
            1.0,
        ),
        cell(
            "M/Pareto 2.5/1",
            "p99 e2e<=30s",
            queue(1, PARETO_2_5),
            (mg1_rate(Need::Pareto(2.5, f64::INFINITY), 0.01, 30.0), 0.0),
            1.0,
        ),
        cell("M/H2(5)/2", "p99 e2e<=20s", queue(2, H2_5), (1.219, 0.0015), 2.0),
        Cell { process: "even", ..cell("even/LN(3)/1", "p99 e2e<=25s", queue(1, LN3), (0.576, 0.002), 1.0) },
        cell(
            "M/Pareto 1.5 cut/1",
            "p99 e2e<=150s",
            queue(1, PARETO_1_5),
            (mg1_rate(Need::Pareto(1.5, 1_000.0), 0.01, 150.0), 0.0),
            1.0,
        ),
        cell("M/Pareto 1.5 cut/8", "p99 e2e<=40s", queue(8, PARETO_1_5), (7.266, 0.002), 8.0),
        cell("M/M/16", "p99 e2e<=4800ms", queue(16, "exp:1s"), (mmc_rate(16, 0.01, 4.8), 0.0), 16.0),
        cell("M/M/64", "p99 e2e<=4650ms", queue(64, "exp:1s"), (mmc_rate(64, 0.01, 4.65), 0.0), 64.0),
        floored("M/M/1 floor 0.5 %", 0.005),
        floored("M/M/1 floor 0.8 %", 0.008),
        floored("M/M/1 floor 0.95 %", 0.0095),
        cell(
            "PS collapse",
            "p99 e2e<=30s",
            over(|seed| Shared::new(law("exp:1s"), seed).collapsing(Collapse { above: 500, speed: 0.5 })),
            (PS_RATE, 0.0004),
            1.0,
        ),
        cell("errors only, none", "error_rate<=1%", queue(1, unit), (10.0, 0.0), 10.0),
        Cell {
            tokens: (UNLIMITED.input_tokens, UNLIMITED.output_tokens),
            ..cell(
                UNLIMITED.name,
                "p99 tpot<=50ms",
                Box::new(|seed| VirtualPlayer::new(UNLIMITED.profile.parse().expect("a profile"), seed)),
                (UNLIMITED.truth, UNLIMITED.truth_error),
                UNLIMITED.capacity,
            )
        },
        // Close to the allowed share, and never far beyond it: 0.3 % of the requests miss at 0.9 of the capacity, 0.7
        // % under overload.
        Cell {
            tokens: (UNLIMITED.input_tokens, UNLIMITED.output_tokens),
            ..cell(
                "tpot, 16, close",
                "p99 tpot<=8.9ms",
                Box::new(|seed| VirtualPlayer::new(UNLIMITED.profile.parse().expect("a profile"), seed)),
                (UNLIMITED.truth, UNLIMITED.truth_error),
                UNLIMITED.capacity,
            )
        },
        cell(
            "warms 3 x over 5 min",
            "p99 e2e<=1500ms",
            over(|seed| Paced::new(servers(1, "exp:100ms", seed), Pace::warming(3.0, 300.0))),
            (10.0 * mm1_rate(0.01, 15.0), 0.0),
            10.0,
        ),
        cell(
            "wall, warms 1.3 x",
            "p99 e2e<=9210ms",
            over(|seed| Paced::new(servers(1, "exp:100ms", seed), Pace::warming(1.3, 300.0))),
            (10.0 * mm1_rate(0.01, 92.1), 0.0),
            10.0,
        ),
        cell(
            "429 limiter",
            "error_rate<=1%",
            over(|seed| Limiter::new(servers(64, "100ms", seed), Rate::new(20.0).expect("a rate"), 20.0)),
            (19.17, 0.0003),
            20.0,
        ),
    ]
}
