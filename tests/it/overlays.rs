//! Owns the tests of overlays: the mean of the rate is kept, in law or over the window, and the rate varies as
//! specified.

use std::time::Duration;

use proptest::prelude::*;
use tonnage::schedule::{Arrival, LawCheck, Process, Timeline};
use tonnage::seed::Seed;
use tonnage::units::Offset;

use crate::profiles::{PROCESSES, curve, pattern, shaped};

/// λ(t) of the overlay over 50/s at a few instants, and its integral over 60 s, for many seeds.
fn over_fifty(overlay: &str, seeds: u64) -> (Vec<Vec<f64>>, Vec<f64>) {
    (0..seeds)
        .map(|seed| {
            let made = shaped("even", pattern("constant 50/s 60s", &[overlay]), 60.0, seed);
            let places = [0.0, 7.3, 21.0, 59.9].map(|t| curve(&made).rate_per_s(t)).to_vec();
            (places, curve(&made).expected(60.0))
        })
        .unzip()
}

#[test]
fn random_overlays_keep_the_mean_at_every_instant() {
    for (overlay, sd) in [
        ("ou sd=40% tau=10s", Some(0.4)),
        ("noise sd=30% step=1s", Some(0.3)),
        ("ou sd=10/s tau=10s", Some(0.2)),
        ("noise sd=5/s step=1s", Some(0.1)),
        ("bursts height=400% burst=5s calm=20s", Some(4.0 * 0.4 / 1.8)),
        ("bursts height=30/s burst=5s calm=20s", Some(0.6 * 0.4)),
        ("spikes height=300% rise=1s decay=8s rate=4/min", None),
        ("spikes height=50/s rise=1s decay=8s rate=4/min", None),
    ] {
        let seeds = 400;
        let (places, totals) = over_fifty(overlay, seeds);
        for place in 0..4 {
            let rates: Vec<f64> = places.iter().map(|rates| rates[place] / 50.0).collect();
            let (mean, seen_sd) = moments(&rates);
            assert!(
                (mean - 1.0).abs() < 4.5 * seen_sd / (seeds as f64).sqrt(),
                "{overlay}: mean {mean} at place {place}"
            );
            assert!(
                sd.is_none_or(|sd| (seen_sd / sd - 1.0).abs() < 0.25),
                "{overlay}: deviation {seen_sd} at place {place}"
            );
        }
        let (mean, sd) = moments(&totals);
        assert!((mean - 3_000.0).abs() < 4.5 * sd / (seeds as f64).sqrt(), "{overlay}: {mean} requests");
    }
}

fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
}

#[test]
fn periodic_and_fixed_overlays_keep_the_integral() {
    for overlay in [
        "sine amp=100% period=20s phase=13%",
        "sine amp=50/s period=20s",
        "diurnal amp=100% period=30s peak=11s",
        "square amp=200% period=15s duty=20%",
        "square amp=10/s period=15s duty=90%",
        "spikes height=300% rise=1s decay=8s every=20s",
        "spikes height=300% rise=1s decay=8s at=5s,9s,55s",
        // These overlays alone go far below 0.
        "sine amp=400/s period=20s",
        "square amp=500/s period=15s duty=20%",
        "noise sd=200/s step=3s",
        "bursts height=300/s burst=5s calm=5s",
    ] {
        let made = shaped("even", pattern("constant 50/s 60s", &[overlay]), 60.0, 1);
        let total = curve(&made).expected(60.0);
        assert!((total - 3_000.0).abs() < 0.03, "{overlay}: {total}");
        assert!((0..6_000).all(|i| curve(&made).rate_per_s(f64::from(i) / 100.0) >= 0.0), "{overlay}");
    }
}

#[test]
fn the_wander_forgets_as_its_tau_says() {
    let pairs: Vec<(f64, f64)> = (0..600)
        .map(|seed| {
            let made = shaped("even", pattern("constant 50/s 60s", &["ou sd=50% tau=10s"]), 60.0, seed);
            let log = |t: f64| (curve(&made).rate_per_s(t) / 50.0).ln();
            (log(20.0), log(30.0))
        })
        .collect();
    let (one, sd_one) = moments(&pairs.iter().map(|pair| pair.0).collect::<Vec<_>>());
    let (two, sd_two) = moments(&pairs.iter().map(|pair| pair.1).collect::<Vec<_>>());
    let correlation = pairs.iter().map(|pair| (pair.0 - one) * (pair.1 - two)).sum::<f64>() / 599.0 / sd_one / sd_two;
    // The standard error of the correlation is (1 − ρ²)/√600 = 0.035.
    assert!((correlation - (-1.0_f64).exp()).abs() < 0.14, "{correlation}");
}

/// Stages with edge cases of rates and times: 0/s, whole numbers of requests, equal rates, and random values.
fn stages() -> impl Strategy<Value = String> {
    let rate = || {
        prop_oneof![prop::sample::select(vec![0.0, 1.0, 10.0, 100.0]), 0.0..200.0f64]
            .prop_map(|rate| format!("{rate}/s"))
    };
    let time =
        || prop_oneof![prop::sample::select(vec![0.1, 1.0, 7.0]), 0.001..9.0f64].prop_map(|time| format!("{time}s"));
    let stage = prop_oneof![
        (rate(), time()).prop_map(|(rate, time)| format!("constant {rate} {time}")),
        (rate(), rate(), time()).prop_map(|(from, to, time)| format!("ramp {from}..{to} {time}")),
        (0.1..99.0f64, 0.1..99.0f64, time())
            .prop_map(|(from, to, time)| format!("ramp {from}/s..{to}/s {time} exponential")),
        (rate(), time(), time())
            .prop_map(|(mean, time, period)| format!("sine {mean} {time} amp=100% period={period}")),
        (rate(), rate(), time(), time())
            .prop_map(|(from, to, time, period)| format!("square {from}..{to} {time} period={period}")),
        (rate(), rate(), time(), time())
            .prop_map(|(from, to, time, period)| format!("sawtooth {from}..{to} {time} period={period}")),
        (rate(), rate(), time(), time(), time()).prop_map(|(base, peak, time, at, rise)| format!(
            "spike {base}..{peak} {time} at={at} rise={rise} decay={at}"
        )),
        (rate(), time(), rate()).prop_map(|(mean, period, noise)| format!(
            "fluctuation {mean} 7s fluctuate={noise} noise={noise} period={period} only_rise=true"
        )),
    ];
    prop::collection::vec(stage, 1..4).prop_map(|stages| stages.join("; "))
}

fn overlays() -> impl Strategy<Value = Vec<&'static str>> {
    let any = prop::sample::select(vec![
        "sine amp=100% period=3s phase=75%",
        "sine amp=30/s period=1.7s",
        "diurnal amp=100% period=5s",
        "square amp=100% period=2s",
        "spikes height=900% decay=500ms every=2s",
        "spikes height=50/s rise=300ms decay=0s at=1s,1s,4s",
        "spikes height=300% rise=10ms decay=50ms rate=1/s",
        "ou sd=100% tau=2s",
        "noise sd=20/s step=333ms",
        "bursts height=1000% burst=300ms calm=3s",
    ]);
    prop::collection::vec(any, 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn whatever_the_rate_arrivals_are_where_its_integral_puts_them(profile in stages(), overlays in overlays(),
        seed in any::<u64>()) {
        let made = Timeline::shaped(Process::Even, pattern(&profile, &overlays), None, Duration::ZERO, Duration::ZERO,
            Seed::new(seed));
        // A profile of rate 0 has no mean to preserve.
        let Ok(made) = made else { return Ok(()) };
        let curve = curve(&made);
        let expected = curve.expected(made.spans().total_s());
        prop_assert!(expected.is_finite() && expected >= 0.0);
        let arrivals: Vec<Arrival> = made.arrivals().collect();
        prop_assert!((arrivals.len() as f64 - expected).abs() <= 1.0 + 1e-9, "{} arrivals for \
            {}", arrivals.len(), expected);
        prop_assert!(arrivals.is_sorted_by_key(|arrival| arrival.at));
        let mut check = LawCheck::new(Process::Even, curve.clone());
        for arrival in &arrivals {
            check.add(*arrival);
        }
        prop_assert!(check.verdict().is_none_or(|law| law.holds));
        prop_assert!(arrivals.iter().all(|arrival| curve.rate_per_s(arrival.at.as_secs() + 1e-6) > 0.0
            || curve.rate_per_s(arrival.at.as_secs() - 1e-6) > 0.0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_longer_load_begins_with_the_shorter(
        process in prop::sample::select(PROCESSES.to_vec()),
        overlay in prop::sample::select(vec!["ou sd=40% tau=3s", "bursts height=400% burst=2s calm=5s", "noise \
            sd=30%", "spikes height=300% decay=5s rate=10/min"]),
        seed in any::<u64>(),
    ) {
        let profile = "ramp 10/s..80/s 7s; repeat";
        // The means of these overlays are those of their laws, and no draw depends on the length of the load.
        let short: Vec<Arrival> = shaped(process, pattern(profile, &[overlay]), 11.0, seed).arrivals().collect();
        let long: Vec<Arrival> = shaped(process, pattern(profile, &[overlay]), 29.0,
            seed).arrivals().take(short.len()).collect();
        // Bit-identical up to the last bend. In the piece that the shorter load cuts, equal within the error of
        // straight pieces against their formula.
        let same = |(one, other): (&Arrival, &Arrival)| {
            one == other || (one.at > Offset::from_secs(7.0)
                && one.at.as_nanos().abs_diff(other.at.as_nanos()) <= 50_000)
        };
        prop_assert!(short.iter().zip(&long).all(same));
    }
}
