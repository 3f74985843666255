//! Owns the held-back cells of the coverage table: services different in kind from all others. They are run once, at
//! the end of a change to the search; no constant is ever tuned on them.

use std::time::Duration;

use tonnage::sim::{Failing, Limiter, Pace, Paced, Shared, Slow, VirtualPlayer};
use tonnage::units::{Rate, Ratio};

use crate::audit::{LN3, beside, law, over, queue, servers};
use crate::cell::{Cell, Open};
use crate::long::{Kind, Long, Speed, Unit};
use crate::mg1::{Need, mg1_rate};
use crate::queue::{mm1_rate, mmc_rate};
use crate::served::Served;

/// The engines of the held-back cells.
pub(crate) const ENGINES: &[Served] = &[
    Served {
        name: "8B a100, mixed",
        profile: "8b-a100",
        input_tokens: "512..1024",
        output_tokens: "256..768",
        ttft_s: 0.5,
        tpot_s: 0.04,
        truth: 3.791,
        truth_error: 0.0017,
        capacity: 5.3943,
        tuned_on: false,
    },
    Served {
        name: "70B, 32 sequences",
        profile: "70b-4xh100:max_seqs=32",
        input_tokens: "64..192",
        output_tokens: "32..96",
        ttft_s: 2.0,
        tpot_s: 10.0,
        truth: 20.178,
        truth_error: 0.0014,
        capacity: 21.2375,
        tuned_on: false,
    },
];

fn cell(name: &'static str, slo: &str, open: Open, truth: (f64, f64), capacity: f64) -> Cell {
    Cell::of_group("held", (name, slo), open, truth, capacity)
}

/// All held-back cells.
pub(crate) fn cells() -> Vec<Cell> {
    let mut cells = vec![
        cell("M/gamma(0.25)/4", "p99 e2e<=6s", queue(4, "gamma:1s,0.5"), (3.4597, 0.0006), 4.0),
        Cell {
            process: "gamma:2",
            ..cell(
                "gamma 2/LN(2)/2",
                "p99 e2e<=25s",
                queue(2, "lognormal:1s,1.4142135623730951"),
                (1.4467, 0.0013),
                2.0,
            )
        },
        cell("M/D/16", "p99 e2e<=2s", queue(16, "1s"), (14.042, 0.0005), 16.0),
        cell(
            "M/LN(1)/PS",
            "p99 e2e<=30s",
            over(|seed| Shared::new(law("lognormal:1s,1"), seed)),
            (0.7649, 0.0005),
            1.0,
        ),
        cell("M/H2(10)/4", "p99 e2e<=25s", queue(4, "hyper:1s,3.1622776601683795"), (2.853, 0.002), 4.0),
        cell("M/Pareto 2.2/4", "p99 e2e<=25s", queue(4, "pareto:1s,2.2"), (3.645, 0.0022), 4.0),
        Cell {
            process: "even",
            ..cell("even/gamma(2)/4", "p99 e2e<=9s", queue(4, "gamma:1s,1.4142135623730951"), (3.3442, 0.0006), 4.0)
        },
        Cell {
            process: "weibull:2.23606797749979",
            ..cell("weibull/M/1", "p99 e2e<=40s", queue(1, "exp:1s"), (0.7133, 0.001), 1.0)
        },
        cell(
            "M/LN(2)/1 p95",
            "p95 e2e<=12s",
            queue(1, "lognormal:1s,1.4142135623730951"),
            (mg1_rate(Need::Lognormal(2.0), 0.05, 12.0), 0.0),
            1.0,
        ),
        cell("M/H2(4)/2 p90", "p90 e2e<=6s", queue(2, "hyper:1s,2"), (1.164, 0.0007), 2.0),
        cell("M/M/1 p50", "p50 e2e<=3s", queue(1, "exp:1s"), (mm1_rate(0.5, 3.0), 0.0), 1.0),
        cell("M/M/4 p99.9", "p99.9 e2e<=10s", queue(4, "exp:1s"), (mmc_rate(4, 0.001, 10.0), 0.0), 4.0),
        cell("M/LN(1)/2 p99 and p90", "p99 e2e<=15s, p90 e2e<=6s", queue(2, "lognormal:1s,1"), (1.586, 0.0004), 2.0),
        cell(
            "LN(3), floor 0.6 %",
            "p99 e2e<=40s",
            over(|seed| {
                Slow::new(servers(1, LN3, seed), Ratio::new(0.006).expect("a share"), Duration::from_mins(1), seed)
            }),
            (mg1_rate(Need::Lognormal(3.0), beside(0.01, 0.006), 40.0), 0.0),
            1.0,
        ),
        cell(
            "pauses, 2 s a minute",
            "p99 e2e<=4s",
            over(|seed| Paced::new(servers(1, "exp:100ms", seed), Pace::pauses(60.0, 2.0, seed))),
            (7.873, 0.0011),
            10.0 * 60.0 / 62.0,
        ),
        cell(
            "two regimes p95",
            "p95 e2e<=3s",
            over(|seed| Paced::new(servers(2, "exp:100ms", seed), Pace::regimes([1.0, 0.5], [120.0, 30.0], seed))),
            (10.203, 0.0009),
            18.0,
        ),
        // The truth is that of the service at the end of the drift.
        cell(
            "drifts by 5 %",
            "p99 e2e<=1500ms",
            over(|seed| Paced::new(servers(1, "exp:100ms", seed), Pace::ramp(1.0, 0.95, 1_800.0))),
            (9.5 * mm1_rate(0.01, 14.25), 0.0),
            9.5,
        ),
        cell(
            "0.4 % fail, wall",
            "error_rate<=1%, p99 e2e<=2400ms",
            over(|seed| {
                let share = Ratio::new(0.004).expect("a share");
                Failing::new(servers(4, "exp:100ms", seed), share, 500, Duration::from_millis(5), seed)
            }),
            // Failed requests keep no server busy, and miss the limit too.
            (10.0 * mmc_rate(4, beside(0.01, 0.004), 24.0) / 0.996, 0.0),
            40.0 / 0.996,
        ),
        cell(
            "limiter, burst 200",
            "error_rate<=1%",
            over(|seed| Limiter::new(servers(64, "100ms", seed), Rate::new(50.0).expect("a rate"), 200.0)),
            (50.505, 0.0003),
            50.0,
        ),
    ];
    cells.extend(ENGINES.iter().map(|engine| {
        let open: Open = Box::new(|seed| VirtualPlayer::new(engine.profile.parse().expect("a profile"), seed));
        let truth = (engine.truth, engine.truth_error);
        Cell {
            tokens: (engine.input_tokens, engine.output_tokens),
            ..cell(engine.name, &engine.slo(), open, truth, engine.capacity)
        }
    }));
    cells
}

/// The cells whose truth comes from long runs; with several objectives, the lowest rate counts.
pub(crate) fn longs() -> Vec<(&'static str, Vec<Long>)> {
    let (queue, p99) = (Long::queue, 0.01);
    let millis = |long: Long| Long { mean_s: 0.1, ..long };
    vec![
        ("M/gamma(0.25)/4", vec![queue(Unit::Gamma(0.25), 4, 6.0, p99)]),
        ("gamma 2/LN(2)/2", vec![Long { gaps: Unit::Gamma(4.0), ..queue(Unit::Lognormal(2.0), 2, 25.0, p99) }]),
        ("M/D/16", vec![queue(Unit::Constant, 16, 2.0, p99)]),
        ("M/LN(1)/PS", vec![Long { kind: Kind::Shared, ..queue(Unit::Lognormal(1.0), 1, 30.0, p99) }]),
        ("M/H2(10)/4", vec![queue(Unit::Hyper(10.0), 4, 25.0, p99)]),
        ("M/Pareto 2.2/4", vec![queue(Unit::Pareto(2.2, f64::INFINITY), 4, 25.0, p99)]),
        ("even/gamma(2)/4", vec![Long { gaps: Unit::Constant, ..queue(Unit::Gamma(2.0), 4, 9.0, p99) }]),
        // Shape 1/2: CV² 5, Γ(3) = 2.
        ("weibull/M/1", vec![Long { gaps: Unit::Weibull(0.5, 2.0), ..queue(Unit::Exponential, 1, 40.0, p99) }]),
        ("M/H2(4)/2 p90", vec![queue(Unit::Hyper(4.0), 2, 6.0, 0.1)]),
        (
            "M/LN(1)/2 p99 and p90",
            vec![queue(Unit::Lognormal(1.0), 2, 15.0, p99), queue(Unit::Lognormal(1.0), 2, 6.0, 0.1)],
        ),
        (
            "pauses, 2 s a minute",
            vec![Long { speed: Speed::Pauses(60.0, 2.0), ..millis(queue(Unit::Exponential, 1, 4.0, p99)) }],
        ),
        (
            "two regimes p95",
            vec![Long {
                speed: Speed::Regimes([1.0, 0.5], [120.0, 30.0]),
                ..millis(queue(Unit::Exponential, 2, 3.0, 0.05))
            }],
        ),
        ("limiter, burst 200", vec![Long { kind: Kind::Limiter(50.0, 200.0), ..queue(Unit::Constant, 1, 1.0, p99) }]),
    ]
}
