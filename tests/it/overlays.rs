//! Owns the promises of overlays: the mean is kept, in law or over the window, and they vary as they say.

use proptest::prelude::*;
use tonnage::schedule::Arrival;
use tonnage::units::Offset;

use crate::profiles::{PROCESSES, curve, pattern, shaped};

/// λ of the overlay over 50/s at a few places and its integral over 60 s, for many seeds.
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
            assert!((mean - 1.0).abs() < 4.5 * seen_sd / (seeds as f64).sqrt(), "{overlay}: mean {mean} at place {place}");
            assert!(sd.is_none_or(|sd| (seen_sd / sd - 1.0).abs() < 0.25), "{overlay}: deviation {seen_sd} at place {place}");
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
        // Far below 0 by themselves.
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
    // Its standard error is (1 − ρ²)/√600 = 0.035.
    assert!((correlation - (-1.0_f64).exp()).abs() < 0.14, "{correlation}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_longer_load_begins_with_the_shorter(
        process in prop::sample::select(PROCESSES.to_vec()),
        overlay in prop::sample::select(vec!["ou sd=40% tau=3s", "bursts height=400% burst=2s calm=5s", "noise sd=30%", "spikes height=300% decay=5s rate=10/min"]),
        seed in any::<u64>(),
    ) {
        let profile = "ramp 10/s..80/s 7s; repeat";
        // Their means are those of their laws, and no draw depends on how long the load is.
        let short: Vec<Arrival> = shaped(process, pattern(profile, &[overlay]), 11.0, seed).arrivals().collect();
        let long: Vec<Arrival> = shaped(process, pattern(profile, &[overlay]), 29.0, seed).arrivals().take(short.len()).collect();
        // To the bit up to the last bend; in the piece that the shorter one cuts, as near as straight pieces are to their formula.
        let same = |(one, other): (&Arrival, &Arrival)| {
            one == other || (one.at > Offset::from_secs(7.0) && one.at.as_nanos().abs_diff(other.at.as_nanos()) <= 50_000)
        };
        prop_assert!(short.iter().zip(&long).all(same));
    }
}
