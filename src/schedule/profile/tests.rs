//! Owns the tests of profiles: what is read, what is refused, what round-trips, and the integral of each shape.

use proptest::prelude::*;

use super::*;
use crate::schedule::Overlay;
use crate::schedule::clause::Time;
use crate::schedule::piece::Pieces;

fn laid(text: &str, limit_s: f64) -> Pieces {
    let mut layer = Layer::new(limit_s);
    text.parse::<Profile>().unwrap().lay(&mut layer, limit_s, Seed::new(1));
    layer.done().unwrap()
}

#[test]
fn profiles_are_read_as_they_are_shown() {
    for text in [
        "constant 50/s",
        "constant 50/s 60s",
        "ramp 1/s..100/s 60s; hold 120s; ramp 100/s..1/s 60s",
        "ramp 1/s..100/s 60s exponential; hold",
        "steps 10/s,20/s,0/s 15s; repeat",
        "sine 50/s 120s amp=60% period=60s phase=25%",
        "square 10/s..90/s period=40s duty=25%",
        "sawtooth 90/s..0/s 120s period=40s",
        "spike 10/s..100/s 120s at=40s rise=4s decay=0.5s",
        "points 0s:10/s,30s:80.5/s,30s:20/s,120s:40/s",
        "quick_rising 6/s 300s; slow_rising 6/s 300s; slight_fluctuation 6/s 300s; severe_fluctuation 6/s 300s",
        "fluctuation 6/s fluctuate=2/s period=300s noise=0.1/s only_rise=true",
    ] {
        assert_eq!(text.parse::<Profile>().map(|profile| profile.to_string()).as_deref(), Ok(text));
    }
    let short = |text: &str| text.parse::<Profile>().map(|profile| profile.to_string());
    assert_eq!(short("ramp 60/min..2 1m linear;hold 1h;").as_deref(), Ok("ramp 1/s..2/s 60s; hold 3600s"));
}

#[test]
fn impossible_profiles_are_refused_with_what_is_accepted() {
    for text in [
        "",
        ";",
        "repeat",
        "hold 5s",
        "wobble 5/s 3s",
        "constant",
        "constant fast 3s",
        "constant 5/s 0s",
        "constant 5/s 3",
        "constant -1/s 3s",
        "constant nan/s 3s",
        "constant 100001/s 3s",
        "constant 5/s 3s 4s",
        "constant 5/s 3s for=4s",
        "constant 5/s 3s speed=4",
        "constant 5/s; constant 6/s 3s",
        "constant 5/s; repeat",
        "repeat; constant 5/s 3s",
        "ramp 1/s 60s",
        "ramp 1/s..5/s",
        "ramp 0/s..5/s 5s exponential",
        "ramp 1/s..5/s 5s crooked",
        "sine 5/s 3s period=1s",
        "sine 5/s 3s amp=101% period=1s",
        "sine 5/s 3s amp=0.5 period=1s",
        "points 0s:1/s",
        "points 5s:1/s,4s:1/s",
        "points 5s,4s",
        "fluctuation 6/s fluctuate=2/s period=300s only_rise=yes",
        "constant 5/s 101h; constant 5/s 1199h",
    ] {
        let refusal = text.parse::<Profile>().expect_err(text);
        assert!(!refusal.accepted.is_empty(), "{text}: {refusal}");
    }
}

#[test]
fn each_shape_has_the_integral_of_its_formula() {
    for (text, length_s, wanted) in [
        ("constant 50/s 60s", 60.0, 3_000.0),
        ("ramp 1/s..100/s 60s; hold 120s; ramp 100/s..1/s 60s", 240.0, 3_030.0 + 12_000.0 + 3_030.0),
        ("ramp 1/s..100/s 60s exponential", 60.0, 99.0 * 60.0 / (100.0_f64).ln()),
        ("steps 10/s,20/s,0/s,50/s 15s", 60.0, 80.0 * 15.0),
        ("sine 50/s 120s amp=100% period=60s", 120.0, 6_000.0),
        ("sine 50/s 15s amp=100% period=60s", 15.0, 750.0 + 50.0 * 60.0 / std::f64::consts::TAU),
        ("square 10/s..90/s 130s period=40s duty=25%", 130.0, 3.0 * (300.0 + 900.0) + 100.0),
        ("sawtooth 10/s..90/s 120s period=40s", 120.0, 6_000.0),
        ("spike 10/s..100/s 120s at=40s rise=4s decay=40s", 120.0, 1_200.0 + 0.5 * 90.0 * 44.0),
        ("spike 10/s..100/s 60s at=40s decay=40s", 60.0, 600.0 + 0.75 * 90.0 * 20.0),
        ("points 10s:10/s,30s:80/s,30s:20/s,60s:40/s", 60.0, 100.0 + 900.0 + 900.0),
        // Two rounds of 1 300 requests, then the ramp and 5 s of the hold.
        ("ramp 10/s..50/s 10s; hold 20s; repeat", 75.0, 2.0 * 1_300.0 + 300.0 + 250.0),
    ] {
        let laid = laid(text, length_s);
        let area = laid.area(length_s);
        assert!((area - wanted).abs() < 1e-9 * wanted, "{text}: {area} against {wanted}");
        assert!(laid.end_s().to_bits() == length_s.to_bits(), "{text}");
    }
}

#[test]
fn aibrix_presets_are_its_formula_with_real_rates() {
    // Without the rounding: the rising presets reach 1.5 times the mean and never fall, the others return to their
    // mean.
    let rates = |text: &str| {
        let laid = laid(text, 300.0);
        (0..300).map(|second| laid.rate(f64::from(second) + 0.5)).collect::<Vec<_>>()
    };
    for (text, by_s) in [("quick_rising 6/s 300s", 16), ("slow_rising 6/s 300s", 299)] {
        let rates = rates(text);
        assert!(rates.is_sorted() && rates[by_s] > 8.9 && rates[299] < 9.6, "{text}: {rates:?}");
    }
    assert!(rates("slow_rising 6/s 300s")[100] < 8.0);
    for (text, low, high) in [("slight_fluctuation 6/s 300s", 5.0, 7.0), ("severe_fluctuation 6/s 300s", 2.6, 9.4)] {
        let rates = rates(text);
        let mean = rates.iter().sum::<f64>() / 300.0;
        assert!(
            (mean - 6.0).abs() < 0.05 && rates.iter().all(|rate| (low..high).contains(rate)),
            "{text}: mean {mean}"
        );
        assert!(rates.iter().any(|rate| rate.fract() > 0.2 && rate.fract() < 0.8), "whole numbers only");
    }
    let json = Profile::from_aibrix(r#"{"fluctuate":2,"mean":6,"noise":0.1,"period_len_ms":300000,"only_rise":false}"#)
        .unwrap();
    assert_eq!(json.to_string(), "fluctuation 6/s fluctuate=2/s period=300s noise=0.1/s");
    for json in [
        "{}",
        r#"{"fluctuate":-2,"mean":6,"noise":0.1,"period_len_ms":3}"#,
        r#"{"fluctuate":2,"mean":6,"noise":0.1,"period":3}"#,
    ] {
        assert!(Profile::from_aibrix(json).is_err(), "{json}");
    }
}

#[test]
fn a_csv_of_points_is_read_and_its_faults_name_the_line() {
    let read = |text: &str| Profile::from_csv(text.as_bytes(), Path::new("load.csv"));
    let profile = read("t_s,rate\n# quiet\n0, 10\n30,80.5\n\n30,20\n120,40\n").unwrap();
    assert_eq!(profile.to_string(), "points 0s:10/s,30s:80.5/s,30s:20/s,120s:40/s");
    for (text, wanted) in [
        ("", "load.csv: no point is later than 0s"),
        ("t_s,rate\n0,1\nx,2\n", "load.csv:3: `x,2` has no time"),
        ("0,1\n5,-2\n", "load.csv:2: `5,-2` has a rate out of range"),
        ("0,1\n5\n", "load.csv:2: `5` does not have two columns"),
        ("0,1\n5,1\n4,1\n", "load.csv:3: `4,1` comes after a later time"),
        ("0,1\n5,nan\n", "load.csv:2"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{error}");
    }
}

/// Times as text.
fn time() -> impl Strategy<Value = String> {
    (1u64..4_000_000_000_000_000).prop_map(|ns| Time(Duration::from_nanos(ns)).to_string())
}

fn level() -> impl Strategy<Value = String> {
    prop_oneof![
        (0.0..100_000.0f64).prop_map(|rate| format!("{rate}/s")),
        (1u32..1000).prop_map(|rate| format!("{rate}/min"))
    ]
}

fn percent() -> impl Strategy<Value = String> {
    (0.0..50.0f64).prop_map(|share| format!("{share}%"))
}

fn stage() -> impl Strategy<Value = String> {
    let curve = prop::sample::select(vec!["", " linear"]);
    prop_oneof![
        (level(), time()).prop_map(|(rate, time)| format!("constant {rate} {time}")),
        (level(), level(), time(), curve)
            .prop_map(|(from, to, time, curve)| format!("ramp {from}..{to} {time}{curve}")),
        (level(), level(), time()).prop_map(|(a, b, time)| format!("steps {a},{b},{a} {time}")),
        (level(), time(), percent(), time(), percent()).prop_map(|(mean, time, amp, period, phase)| format!(
            "sine {mean} {time} amp={amp} period={period} phase={phase}"
        )),
        (level(), level(), time(), time(), percent()).prop_map(|(from, to, time, period, duty)| format!(
            "square {from}..{to} {time} duty={duty} period={period}"
        )),
        (level(), level(), time(), time())
            .prop_map(|(a, b, time, period)| format!("sawtooth {a}..{b} {time} period={period}")),
        (level(), level(), time(), time(), time())
            .prop_map(|(a, b, time, at, rise)| format!("spike {a}..{b} {time} at={at} rise={rise} decay={at}")),
        (level(), level(), time()).prop_map(|(a, b, time)| format!("points 0s:{a},{time}:{b}")),
        (level(), time()).prop_map(|(mean, time)| format!("quick_rising {mean} {time}")),
        (level(), time(), level(), time()).prop_map(|(mean, time, noise, period)| {
            format!("fluctuation {mean} {time} fluctuate={noise} noise={noise} period={period} only_rise=true")
        }),
    ]
}

fn size() -> impl Strategy<Value = String> {
    prop_oneof![percent(), level()]
}

fn overlay() -> impl Strategy<Value = String> {
    prop_oneof![
        (size(), time(), percent())
            .prop_map(|(amp, period, phase)| format!("sine amp={amp} period={period} phase={phase}")),
        (size(), time(), time())
            .prop_map(|(amp, period, peak)| format!("diurnal amp={amp} period={period} peak={peak}")),
        (size(), time(), percent())
            .prop_map(|(amp, period, duty)| format!("square amp={amp} period={period} duty={duty}")),
        (size(), time(), time())
            .prop_map(|(height, rise, decay)| format!("spikes height={height} rise={rise} decay={decay} rate=6/h")),
        (size(), time(), time())
            .prop_map(|(height, at, decay)| format!("spikes height={height} decay={decay} at={at},{decay}")),
        (size(), time(), time())
            .prop_map(|(height, every, decay)| format!("spikes height={height} decay={decay} every={every}")),
        (size(), time()).prop_map(|(sd, tau)| format!("ou sd={sd} tau={tau}")),
        (size(), time()).prop_map(|(sd, step)| format!("noise sd={sd} step={step}")),
        (size(), time(), time())
            .prop_map(|(height, burst, calm)| format!("bursts height={height} burst={burst} calm={calm}")),
    ]
}

proptest! {
    #[test]
    fn a_profile_survives_text_yaml_and_json(stages in prop::collection::vec(stage(), 1..5), repeat in any::<bool>()) {
        let text = stages.join("; ") + if repeat { "; repeat" } else { "" };
        // Sums beyond 50 days are refused: that is not a matter of notation.
        let Ok(profile) = text.parse::<Profile>() else { return Ok(()) };
        prop_assert_eq!(&profile.to_string().parse::<Profile>().unwrap(), &profile);
        let yaml = serde_saphyr::to_string(&profile).unwrap();
        prop_assert_eq!(&serde_saphyr::from_str::<Profile>(&yaml).unwrap(), &profile, "{}", yaml);
        prop_assert_eq!(&serde_json::from_str::<Profile>(&serde_json::to_string(&profile).unwrap()).unwrap(), &profile);
    }

    #[test]
    fn an_overlay_survives_text_yaml_and_json(text in overlay()) {
        let overlay: Overlay = text.parse().unwrap();
        prop_assert_eq!(&overlay.to_string().parse::<Overlay>().unwrap(), &overlay);
        let yaml = serde_saphyr::to_string(&overlay).unwrap();
        prop_assert_eq!(&serde_saphyr::from_str::<Overlay>(&yaml).unwrap(), &overlay, "{}", yaml);
        prop_assert_eq!(&serde_json::from_str::<Overlay>(&serde_json::to_string(&overlay).unwrap()).unwrap(), &overlay);
    }

    #[test]
    fn no_text_makes_the_readers_panic(text in "(ramp|constant|points|sine|spikes|ou|square|hold)? ?[-0-9a-z./%=:;, \
        ]{0,40}") {
        let _ = text.parse::<Profile>();
        let _ = text.parse::<Overlay>();
    }
}
