//! Owns the tests of rates over time: counts follow the integral, rescaled gaps follow the process, instants lie on
//! no lattice, means are kept.

use std::f64::consts::TAU;
use std::time::Duration;

use proptest::prelude::*;
use statrs::distribution::{ChiSquared, ContinuousCDF};
use tonnage::schedule::{Arrival, Curve, Extent, LawCheck, Pattern, Process, Profile, Timeline};
use tonnage::seed::Seed;
use tonnage::stats::{ks_critical, ks_distance};
use tonnage::units::{Offset, Rate};
use tonnage::workload::{Load, Plan, Workload, describe};

const ALPHA: f64 = 1e-4;
pub(crate) const PROCESSES: [&str; 5] = ["even", "poisson", "gamma:0.5", "gamma:2", "weibull:2"];

/// λ(t), written independently of the library.
type Formula = fn(f64) -> f64;

/// Profiles of every shape and overlays of every kind, each 120 s at about 50/s, with λ(t) if there is a formula.
const PATTERNS: &[(&str, &[&str], Option<Formula>)] = &[
    ("constant 50/s 120s", &[], Some(|_| 50.0)),
    ("ramp 1/s..100/s 60s; hold 20s; ramp 100/s..1/s 40s", &[], Some(trapezium)),
    ("ramp 1/s..200/s 120s exponential", &[], Some(|t| 200.0_f64.powf(t / 120.0))),
    (
        "ramp 90/s..0/s 60s; constant 0/s 10s; constant 60/s 50s",
        &[],
        Some(|t| {
            if t < 60.0 {
                90.0 - 1.5 * t
            } else if t < 70.0 {
                0.0
            } else {
                60.0
            }
        }),
    ),
    ("steps 10/s,90/s,0/s,70/s 30s", &[], Some(|t| [10.0, 90.0, 0.0, 70.0][(t / 30.0) as usize])),
    ("sine 50/s 120s amp=100% period=47s phase=10%", &[], Some(|t| 50.0 * (1.0 + (TAU * (t / 47.0 + 0.1)).sin()))),
    ("square 20/s..110/s 120s period=37s duty=30%", &[], Some(|t| if t % 37.0 < 25.9 { 20.0 } else { 110.0 })),
    ("sawtooth 100/s..0/s 120s period=31s", &[], Some(|t| 100.0 * (1.0 - t % 31.0 / 31.0))),
    ("spike 30/s..200/s 120s at=40s rise=5s decay=30s", &[], Some(spike)),
    (
        "points 0s:10/s,50s:100/s,50s:20/s,120s:60/s",
        &[],
        Some(|t| if t < 50.0 { 10.0 + 1.8 * t } else { 20.0 + (t - 50.0) / 1.75 }),
    ),
    (
        "ramp 10/s..80/s 25s; hold 15s; repeat",
        &[],
        Some(|t| if t % 40.0 < 25.0 { 10.0 + 2.8 * (t % 40.0) } else { 80.0 }),
    ),
    ("quick_rising 40/s 120s", &[], None),
    ("slow_rising 40/s 120s", &[], None),
    ("slight_fluctuation 50/s 120s", &[], None),
    ("severe_fluctuation 50/s 120s", &[], None),
    ("fluctuation 50/s 120s fluctuate=70/s period=50s noise=5/s", &[], None),
    ("constant 50/s 120s", &["sine amp=100% period=29s"], Some(|t| 50.0 * (1.0 + (TAU * t / 29.0).sin()))),
    ("ramp 20/s..80/s 120s", &["sine amp=60% period=29s", "square amp=50% period=24s"], Some(stacked)),
    (
        "constant 50/s 120s",
        &["diurnal amp=90% period=60s"],
        Some(|t| 50.0 * (1.0 + 0.9 * diurnal(TAU * (t - 30.0) / 60.0))),
    ),
    (
        "ramp 100/s..10/s 120s exponential",
        &["sine amp=5/s period=13s"],
        Some(|t| 100.0 * 0.1_f64.powf(t / 120.0) + 5.0 * (TAU * t / 13.0).sin()),
    ),
    ("constant 50/s 120s", &["spikes height=300% rise=1s decay=8s rate=4/min"], None),
    ("constant 50/s 120s", &["spikes height=40/s decay=8s every=30s"], None),
    ("constant 50/s 120s", &["spikes height=500% rise=2s decay=4s at=10s,12s,70s"], None),
    ("sine 50/s 120s amp=50% period=40s", &["ou sd=40% tau=10s"], None),
    ("constant 50/s 120s", &["noise sd=30% step=0.5s"], None),
    ("constant 50/s 120s", &["noise sd=30/s step=2s", "ou sd=20/s tau=5s"], None),
    ("ramp 10/s..90/s 120s", &["bursts height=400% burst=3s calm=12s"], None),
    // Each period begins at 0/s, after a whole number of requests.
    ("sawtooth 0/s..100/s 120s period=4s", &[], Some(|t| 25.0 * (t % 4.0))),
];

fn trapezium(t: f64) -> f64 {
    if t < 60.0 {
        1.0 + 99.0 * t / 60.0
    } else if t < 80.0 {
        100.0
    } else {
        100.0 - 99.0 * (t - 80.0) / 40.0
    }
}

fn spike(t: f64) -> f64 {
    30.0 + 170.0
        * if t < 40.0 {
            0.0
        } else if t < 45.0 {
            (t - 40.0) / 5.0
        } else {
            (1.0 - (t - 45.0) / 30.0).max(0.0)
        }
}

fn stacked(t: f64) -> f64 {
    (20.0 + 0.5 * t) * (1.0 + 0.6 * (TAU * t / 29.0).sin()) * if t % 24.0 < 12.0 { 1.5 } else { 0.5 }
}

fn diurnal(x: f64) -> f64 {
    (x.cos() + 0.25 * (2.0 * x).cos()) / 1.25
}

pub(crate) fn pattern(profile: &str, overlays: &[&str]) -> Pattern {
    Pattern { profile: profile.parse().unwrap(), overlays: overlays.iter().map(|text| text.parse().unwrap()).collect() }
}

pub(crate) fn shaped(process: &str, pattern: Pattern, seconds: f64, seed: u64) -> Timeline {
    let extent = Extent::Duration(Duration::from_secs_f64(seconds));
    Timeline::shaped(process.parse().unwrap(), pattern, Some(extent), Duration::ZERO, Duration::ZERO, Seed::new(seed))
        .unwrap()
}

pub(crate) fn curve(timeline: &Timeline) -> &Curve {
    timeline.law().unwrap().1
}

/// The integral of a formula, by the midpoint rule with many thin slices.
fn integral(formula: Formula, from_s: f64, to_s: f64) -> f64 {
    let slices = 2_000;
    let width = (to_s - from_s) / f64::from(slices);
    (0..slices).map(|i| width * formula(from_s + (f64::from(i) + 0.5) * width)).sum()
}

#[test]
fn the_curve_is_the_formula() {
    for (profile, overlays, formula) in PATTERNS {
        let Some(formula) = formula else { continue };
        let made = shaped("even", pattern(profile, overlays), 120.0, 1);
        for step in 0..60 {
            // Not at whole seconds, where formulas jump.
            let t = 2.0 * f64::from(step) + 0.123;
            let (seen, wanted) = (curve(&made).rate_per_s(t), formula(t));
            assert!(
                (seen - wanted).abs() < 2e-5 * 50.0 + 1e-9,
                "{profile} {overlays:?} at {t} s: {seen} against {wanted}"
            );
            let from_s = (t - 10.0).max(0.0);
            let (seen, wanted) =
                (curve(&made).expected(t) - curve(&made).expected(from_s), integral(*formula, from_s, t));
            // At a jump of the formula, one slice of the sum is wrong.
            assert!(
                (seen - wanted).abs() < 0.8,
                "{profile} {overlays:?} from {from_s} s to {t} s: {seen} against {wanted}"
            );
        }
    }
}

#[test]
fn even_counts_match_the_integral_within_one_in_every_window() {
    for (profile, overlays, _) in PATTERNS {
        let made = shaped("even", pattern(profile, overlays), 120.0, 3);
        let instants: Vec<f64> = made.arrivals().map(|arrival| arrival.at.as_secs()).collect();
        assert!(instants.is_sorted(), "{profile} {overlays:?}");
        for (from_s, to_s) in (0..40).map(|i| (f64::from(i) * 2.9, f64::from(i) * 2.9 + 0.1 + f64::from(i % 7))) {
            let seen = instants.iter().filter(|at_s| (from_s..to_s).contains(*at_s)).count() as f64;
            let wanted = curve(&made).expected(to_s) - curve(&made).expected(from_s);
            assert!(
                (seen - wanted).abs() < 1.0 + 1e-6,
                "{profile} {overlays:?} in {from_s}..{to_s}: {seen} against {wanted}"
            );
        }
    }
}

/// Σ (count − expected)²/expected over 40 windows of equal expectation follows χ² with 40 degrees of freedom for a
/// Poisson process, and with 40 n over n seeds. The sum must be neither above nor below its chance limits.
fn counts_of_poisson_follow_the_integral(seeds: std::ops::Range<u64>) {
    let law = ChiSquared::new(40.0 * (seeds.end - seeds.start) as f64).unwrap();
    let allowed = law.inverse_cdf(ALPHA / 2.0)..law.inverse_cdf(1.0 - ALPHA / 2.0);
    for (profile, overlays, _) in PATTERNS {
        let mut statistic = 0.0;
        for seed in seeds.clone() {
            let made = shaped("poisson", pattern(profile, overlays), 120.0, seed);
            let total = curve(&made).expected(120.0);
            let mut counts = [0.0; 40];
            for arrival in made.arrivals() {
                counts[(curve(&made).expected(arrival.at.as_secs()) / total * 40.0).min(39.0) as usize] += 1.0;
            }
            let each = total / 40.0;
            statistic += counts.iter().map(|count| (count - each).powi(2) / each).sum::<f64>();
        }
        assert!(allowed.contains(&statistic), "{profile} {overlays:?}: {statistic} outside {allowed:?}");
    }
}

#[test]
fn poisson_counts_follow_the_integral() {
    counts_of_poisson_follow_the_integral(1..3);
}

#[test]
#[ignore = "1 minute: cargo test --release --test it profiles -- --ignored"]
fn poisson_counts_follow_the_integral_over_a_hundred_seeds() {
    counts_of_poisson_follow_the_integral(1..101);
}

#[test]
fn poisson_counts_in_fixed_windows_follow_the_formula() {
    // Independent of the library's integral: windows of 3 s, with the formula integrated here.
    for (profile, overlays, formula) in PATTERNS {
        let Some(formula) = formula else { continue };
        let made = shaped("poisson", pattern(profile, overlays), 120.0, 5);
        let mut counts = [0.0; 40];
        made.arrivals().for_each(|arrival| counts[(arrival.at.as_secs() / 3.0) as usize] += 1.0);
        let expected: Vec<f64> =
            (0..40).map(|i| integral(*formula, 3.0 * f64::from(i), 3.0 * f64::from(i + 1))).collect();
        let (mut statistic, mut degrees) = (0.0, 0.0);
        for (count, expected) in counts.iter().zip(&expected) {
            if *expected >= 8.0 {
                statistic += (count - expected) * (count - expected) / expected;
                degrees += 1.0;
            }
        }
        let critical = ChiSquared::new(degrees).unwrap().inverse_cdf(1.0 - ALPHA);
        assert!(statistic < critical, "{profile} {overlays:?}: {statistic} above {critical}");
        assert!(
            counts.iter().zip(&expected).all(|(count, expected)| *expected > 1e-6 || *count == 0.0),
            "{profile}: arrivals although the rate is 0"
        );
    }
}

/// Every combination of profile and process, by time rescaling; the rate is multiplied until `arrivals` arrivals are
/// expected.
fn rescaled_gaps_follow_the_process(arrivals: f64, seed: u64) {
    for (profile, overlays, _) in PATTERNS {
        for process in PROCESSES {
            let mut pattern = pattern(profile, overlays);
            let per_round = curve(&shaped(process, pattern.clone(), 120.0, seed)).expected(120.0);
            let text = pattern.profile.to_string();
            if !text.ends_with("repeat") {
                pattern.profile = format!("{text}; repeat").parse().unwrap();
            }
            let made = shaped(process, pattern, 120.0 * (arrivals / per_round).ceil(), seed);
            let law =
                describe(&Plan::new(Load::Open(made), Workload::default(), Seed::new(1), None)).unwrap().law.unwrap();
            assert!(law.holds, "{process} under {profile} {overlays:?}: {} above {}", law.statistic, law.critical);
        }
    }
}

#[test]
fn every_process_under_every_profile_follows_its_law() {
    rescaled_gaps_follow_the_process(1_500.0, 1);
}

#[test]
#[ignore = "1 minute: cargo test --release --test it profiles -- --ignored"]
fn every_process_under_every_profile_follows_its_law_over_a_hundred_thousand_arrivals() {
    rescaled_gaps_follow_the_process(100_000.0, 1);
}

#[test]
fn the_law_check_refuses_a_wrong_profile() {
    let made = shaped("poisson", pattern("ramp 10/s..90/s 120s", &[]), 120.0, 1);
    for (other, process) in
        [("constant 50/s 120s", "poisson"), ("ramp 90/s..10/s 120s", "poisson"), ("ramp 10/s..90/s 120s", "gamma:1.5")]
    {
        let asked = shaped("poisson", pattern(other, &[]), 120.0, 1);
        let mut check = LawCheck::new(process.parse().unwrap(), curve(&asked).clone());
        made.arrivals().for_each(|arrival| check.add(arrival));
        assert!(!check.verdict().unwrap().holds, "a wrong profile passed as {process} under {other}");
    }
    let even = shaped("even", pattern("ramp 10/s..90/s 120s", &[]), 120.0, 1);
    let mut check = LawCheck::new(
        Process::Even,
        curve(&shaped("even", pattern("ramp 10/s..90.001/s 120s", &[]), 120.0, 1)).clone(),
    );
    even.arrivals().for_each(|arrival| check.add(arrival));
    assert!(!check.verdict().unwrap().holds);
}

/// The fractional parts of Poisson instants are uniform at 1 ms and 10 ms, follow the rate at 1 s, and no two
/// instants are equal.
fn no_mass_on_any_lattice(rounds: u32) {
    for (profile, overlays, _) in PATTERNS {
        let mut pattern = pattern(profile, overlays);
        let text = pattern.profile.to_string();
        if !text.ends_with("repeat") {
            pattern.profile = format!("{text}; repeat").parse().unwrap();
        }
        let seconds = 120 * rounds;
        let made = shaped("poisson", pattern, f64::from(seconds), 7);
        let instants: Vec<u64> = made.arrivals().map(|arrival| arrival.at.as_nanos()).collect();
        assert!(
            instants.windows(2).all(|pair| pair[0] < pair[1]),
            "{profile} {overlays:?}: two arrivals at one instant"
        );
        let critical = ks_critical(instants.len() as u64, ALPHA);
        for lattice_ns in [1_000_000, 10_000_000] {
            let mut parts: Vec<f64> = instants.iter().map(|at| (at % lattice_ns) as f64 / lattice_ns as f64).collect();
            parts.sort_unstable_by(f64::total_cmp);
            let distance = ks_distance(&parts, 0.5 / lattice_ns as f64, |x| x.clamp(0.0, 1.0));
            assert!(distance < critical, "{profile} {overlays:?} at {lattice_ns} ns: {distance} above {critical}");
        }
        // The rate changes within a second, by a known amount.
        let total = curve(&made).expected(f64::from(seconds));
        for hundredth in 1..20 {
            let x = f64::from(hundredth) / 20.0;
            let second = |k: u32| curve(&made).expected(f64::from(k) + x) - curve(&made).expected(f64::from(k));
            let wanted = (0..seconds).map(second).sum::<f64>() / total;
            let seen = instants.iter().filter(|at| ((**at % 1_000_000_000) as f64) < x * 1e9).count() as f64
                / instants.len() as f64;
            assert!(
                (seen - wanted).abs() < critical,
                "{profile} {overlays:?} at 1 s: {seen} against {wanted} below {x}"
            );
        }
    }
}

#[test]
fn instants_lie_on_no_lattice() {
    no_mass_on_any_lattice(1);
}

#[test]
#[ignore = "1 minute: cargo test --release --test it profiles -- --ignored"]
fn a_hundred_thousand_instants_lie_on_no_lattice() {
    no_mass_on_any_lattice(20);
}

#[test]
fn the_same_seed_is_the_same_bytes_on_every_machine() {
    let mut lines: Vec<String> = Vec::new();
    for (number, (profile, overlays, _)) in PATTERNS.iter().enumerate() {
        let process = PROCESSES[number % PROCESSES.len()];
        let print = |seed| {
            Plan::new(
                Load::Open(shaped(process, pattern(profile, overlays), 120.0, seed)),
                Workload::default(),
                Seed::new(1),
                None,
            )
            .fingerprint()
        };
        assert_eq!(print(1), print(1));
        let random =
            process != "even" || overlays.iter().any(|text| text.starts_with("ou") || text.starts_with("bursts"));
        assert!(!random || print(1) != print(2), "{process} under {profile} {overlays:?}: the seed has no effect");
        lines.push(format!("{} {process} {profile} {}", print(1), overlays.join(" + ")));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_constant_profile_is_the_constant_rate_to_the_bit() {
    let (second, none) = (Duration::from_secs(1), Duration::ZERO);
    for process in PROCESSES {
        let process: Process = process.parse().unwrap();
        for (rate, warmup, cooldown) in [(33.3, none, none), (0.7, 3 * second, second), (5_000.1, second, none)] {
            let extent = Extent::Duration(7 * second);
            let plain = Timeline::new(process, Rate::new(rate).unwrap(), extent, warmup, cooldown, Seed::new(4));
            for text in [
                format!("constant {rate}/s 7s"),
                format!("constant {rate}/s 2s; hold 1s; constant {rate}/s"),
                format!("points 0s:{rate}/s,7s:{rate}/s"),
            ] {
                let pattern = Pattern { profile: text.parse().unwrap(), overlays: Vec::new() };
                let made = Timeline::shaped(process, pattern, Some(extent), warmup, cooldown, Seed::new(4)).unwrap();
                assert!(made.arrivals().eq(plain.arrivals()), "{process} at {text}");
                assert!(made.spans() == plain.spans() && (made.rate_per_s() / rate - 1.0).abs() < 1e-14);
            }
        }
    }
}

#[test]
fn the_window_is_the_profile_and_what_surrounds_it_continues_it() {
    let (ten, pattern) = (Duration::from_secs(10), pattern("ramp 10/s..50/s 60s", &[]));
    let made = Timeline::shaped(Process::Even, pattern, None, ten, ten, Seed::new(1)).unwrap();
    let spans = made.spans();
    assert_eq!(
        (spans.window.start, spans.window.end, spans.cooldown.end),
        (Offset::from_secs(10.0), Offset::from_secs(70.0), Offset::from_secs(80.0))
    );
    let within = |window: tonnage::units::Window| made.arrivals().filter(|arrival| window.contains(arrival.at)).count();
    assert_eq!((within(spans.warmup), within(spans.window), within(spans.cooldown)), (100, 1_800, 500));
    assert!((made.rate_per_s() - 30.0).abs() < 1e-9);
}

#[test]
fn a_window_shorter_than_the_profile_cuts_it_and_the_cooldown_goes_on() {
    let pattern = pattern("steps 10/s,20/s,30/s 10s", &[]);
    let (extent, cooldown) = (Some(Extent::Duration(Duration::from_secs(15))), Duration::from_secs(30));
    let made = Timeline::shaped(Process::Even, pattern, extent, Duration::ZERO, cooldown, Seed::new(1)).unwrap();
    let counts = (0..9).map(|i| made.arrivals().filter(|arrival| (arrival.at.as_secs() / 5.0) as u64 == i).count());
    assert_eq!(counts.collect::<Vec<_>>(), [50, 50, 100, 100, 150, 150, 150, 150, 150]);
}

#[test]
fn what_is_ambiguous_or_impossible_is_refused_with_the_way_out() {
    let seconds = |s| Some(Extent::Duration(Duration::from_secs(s)));
    let ten = Duration::from_secs(10);
    for (profile, overlays, extent, warmup, wanted) in [
        ("ramp 1/s..9/s 60s", &[][..], seconds(61), Duration::ZERO, "`; hold` (it keeps its last rate) or `; repeat`"),
        ("ramp 1/s..9/s 60s; hold", &[], None, Duration::ZERO, "give the option duration or the option requests"),
        ("ramp 1/s..9/s 60s; repeat", &[], None, Duration::ZERO, "give the option duration or the option requests"),
        ("constant 5/s 60s", &[], Some(Extent::Requests(301)), Duration::ZERO, "about 300 requests"),
        ("constant 5/s 60s", &[], Some(Extent::Requests(300)), Duration::ZERO, "ends before request 300"),
        ("constant 5/s 60s; constant 0/s", &[], Some(Extent::Requests(301)), Duration::ZERO, "within a year"),
        ("ramp 0/s..9/s 60s", &[], None, ten, "drop the option warmup"),
        ("constant 0/s 60s", &["sine amp=1/s period=60s"], None, Duration::ZERO, "no mean is left to preserve"),
        ("constant 5/s 600h", &["noise sd=10% step=1s"], None, Duration::ZERO, "a longer period"),
        ("sine 5/s 600h amp=10% period=1s", &[], None, Duration::ZERO, "a longer period"),
        ("constant 5/s 600h", &["sine amp=10% period=1s"], None, Duration::ZERO, "a longer period"),
    ] {
        let refusal = Timeline::shaped(
            Process::Poisson,
            pattern(profile, overlays),
            extent,
            warmup,
            Duration::ZERO,
            Seed::new(1),
        );
        let refusal = refusal.expect_err(profile).to_string();
        assert!(refusal.contains(wanted), "{profile}: {refusal}");
    }
}

#[test]
fn an_hour_of_noise_holds_no_arrival_in_memory() {
    let made = shaped("poisson", pattern("constant 100000/s", &["noise sd=20% step=100ms"]), 3_600.0, 1);
    let arrivals = made.arrivals();
    assert!(size_of_val(&arrivals) < 1_024);
    let late: Vec<Arrival> = arrivals.skip(100_000).take(2).collect();
    assert_eq!(late[0].index, 100_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_window_holds_exactly_the_requests_asked_for(
        process in prop::sample::select(PROCESSES.to_vec()), number in 0..PATTERNS.len(), count in 1u64..300,
        warmup_ms in 0u64..3_000, cooldown_ms in 0u64..1_000, seed in any::<u64>(),
    ) {
        let (profile, overlays, _) = PATTERNS[number];
        let profile = if profile.ends_with("repeat") { profile.to_owned() } else { format!("{profile}; repeat") };
        // A warm-up at 0/s is refused.
        let warmup_ms = if profile.starts_with("sawtooth 0/s") { 0 } else { warmup_ms };
        let (warmup, cooldown) = (Duration::from_millis(warmup_ms), Duration::from_millis(cooldown_ms));
        let made = Timeline::shaped(
            process.parse().unwrap(), pattern(&profile, overlays), Some(Extent::Requests(count)), warmup, cooldown,
                Seed::new(seed),
        );
        let Ok(made) = made else {
            // An added overlay can leave no rate in a short window.
            prop_assert!(overlays.iter().any(|overlay| overlay.contains("/s")), "{:?}", made);
            return Ok(());
        };
        let spans = made.spans();
        let arrivals: Vec<Arrival> = made.arrivals().collect();
        prop_assert_eq!(arrivals.iter().filter(|arrival| spans.window.contains(arrival.at)).count() as u64, count);
        prop_assert!(arrivals.windows(2).all(|pair| pair[0].at <= pair[1].at && pair[0].index + 1 == pair[1].index));
        let law = describe(&Plan::new(Load::Open(made), Workload::default(), Seed::new(1), None)).unwrap().law;
        prop_assert!(law.is_none_or(|law| law.asked != Process::Even || law.holds), "no even arrival may be missing");
    }

    #[test]
    fn no_profile_lays_what_its_text_does_not_bear(rate in 0.0..1_000.0f64, to in 0.0..1_000.0f64,
        ms in 1u64..100_000) {
        let profile: Profile = format!("ramp {rate}/s..{to}/s {ms}ms").parse().unwrap();
        let made = Timeline::shaped(Process::Even, Pattern { profile, overlays: vec![] }, None, Duration::ZERO,
            Duration::ZERO, Seed::new(1)).unwrap();
        let expected = f64::midpoint(rate, to) * ms as f64 / 1e3;
        let count = made.arrivals().count() as f64;
        prop_assert!((count - expected).abs() <= 1.0 + 1e-9, "{} arrivals for {}", count, expected);
    }
}
