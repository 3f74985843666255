//! Owns the tests of recoveries: how long after a step of the rate an objective holds again, in virtual time and on the
//! pages.

use std::sync::Arc;

use tonnage::metrics::{Frame, LoadFacts, Objectives, Recovery, Summary};
use tonnage::play::StopRule;
use tonnage::schedule::Timeline;
use tonnage::seed::Seed;
use tonnage::sim::VirtualPlayer;
use tonnage::workload::{LengthSpec, Load, Plan, Workload};

use crate::cli::{folder, json, run, text};
use crate::profiles::{pattern, shaped};

/// 4 servers carry 20/s: 30 s at 40/s leave a backlog of 600, which 10/s let shrink by 10/s.
const SPIKE: &str = "constant 10/s 60s; constant 40/s 30s; constant 10/s 120s";

fn plan(timeline: Timeline, seed: u64) -> Plan {
    let length = |tokens| LengthSpec::fixed(tokens).unwrap();
    Plan::new(Load::Open(timeline), Workload::new(length(1), length(1)), Seed::new(seed), None)
}

/// The recoveries of `SPIKE` on four servers of 200 ms.
fn recoveries(slo: &[&str], seed: u64) -> Vec<Recovery> {
    let plan = plan(shaped("even", pattern(SPIKE, &[]), 210.0, seed), seed);
    let mut player = VirtualPlayer::new("mmc:servers=4,service=200ms".parse().unwrap(), Seed::new(seed));
    let mut records = Vec::new();
    let played = player.play_into(&plan, true, &StopRule::Never, |record| records.push(record));
    let frame = Frame { window: played.window, load_end: played.load_end, streamed: true };
    let mut summary = Summary::new(frame, Arc::new(Objectives::parse(slo, None, None).unwrap()));
    for record in &records {
        summary.add(record);
    }
    summary.recoveries(&LoadFacts::of(&plan).steps)
}

#[test]
fn a_backlog_that_shrinks_as_computed_lets_the_objective_hold_again_when_it_is_gone() {
    // e2e <= 3 s holds for 90 % once the wait is below 2.5 s, at a backlog of 50: (600 - 50) / 10 = 55 s.
    let mut total_s = 0.0;
    for seed in 1..=10 {
        let found = recoveries(&["p90 e2e<=3s", "mean e2e<=3s"], seed);
        let steps: Vec<(f64, f64, f64)> =
            found.iter().map(|one| (one.step.at_s, one.step.from_per_s, one.step.to_per_s)).collect();
        assert_eq!(steps, [(60.0, 10.0, 40.0), (90.0, 40.0, 10.0)]);
        // Above the capacity it never holds again; the first backlog takes 5 s.
        assert!(
            found[0].broken && found[0].recovered_after_s.is_none() && (found[0].followed_s - 30.0).abs() < 1e-9,
            "{found:?}"
        );
        let after_s = found[1].recovered_after_s.unwrap();
        assert!(found[1].broken && (35.0..80.0).contains(&after_s), "{found:?}");
        total_s += after_s;
    }
    assert!((total_s / 10.0 - 55.0).abs() < 6.0, "{}", total_s / 10.0);
}

#[test]
fn an_objective_that_a_spike_never_breaks_holds_throughout() {
    for seed in 1..=10 {
        let found = recoveries(&["p90 e2e<=60s"], seed);
        assert!(found.iter().all(|one| !one.broken && one.recovered_after_s == Some(0.0)), "{found:?}");
    }
}

#[test]
fn rates_without_steps_have_no_recovery_and_noise_is_no_step() {
    for (profile, overlays, seconds, steps) in [
        ("constant 10/s 60s", &[][..], 60.0, 0),
        ("ramp 1/s..50/s 60s; hold 30s", &[], 90.0, 0),
        ("constant 10/s 60s; constant 11/s 60s", &[], 120.0, 0),
        ("constant 10/s 60s; ramp 20/s..5/s 60s", &[], 120.0, 1),
        ("constant 10/s 60s", &["ou sd=60% tau=1s"], 60.0, 0),
    ] {
        let timeline = shaped("poisson", pattern(profile, overlays), seconds, 1);
        assert_eq!(LoadFacts::of(&plan(timeline, 1)).steps.len(), steps, "{profile} {overlays:?}");
    }
}

#[test]
fn the_pages_of_a_run_with_a_spike_say_when_the_objective_holds_again() {
    let folder = folder();
    let load = ["run", "--sim", "delay:ttft=1ms,itl=0s", "--output-tokens", "1", "--warmup", "0s", "--out", "out"];
    let spike = ["--profile", "constant 20/s 12s; constant 60/s 1s; constant 20/s 11s", "--slo", "p50 ttft<=10s"];
    run(folder.path(), &[&load[..], &spike].concat());
    let trial = &json(&folder.path().join("out/result.json"))["trials"][0];
    assert_eq!(trial["recoveries"].as_array().map(Vec::len), Some(2), "{trial}");
    assert_eq!(
        (&trial["recoveries"][1]["broken"], &trial["recoveries"][1]["recovered_after_s"]),
        (&false.into(), &0.0.into())
    );
    let shown = text(&run(folder.path(), &["report", "out"]).stdout);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    for part in ["20.0/s to 60.0/s", "1.00 s are too short to say", "60.0/s to 20.0/s", "throughout"] {
        assert!(shown.contains(part), "lacks `{part}`: {shown}");
    }
    run(folder.path(), &["report", "out", "--to", "html,markdown"]);
    for page in ["report.html", "report.md"] {
        let page = std::fs::read_to_string(folder.path().join("out").join(page)).expect("a page");
        assert!(page.contains("Recovery") && page.contains("60.0/s to 20.0/s"), "{page}");
    }
}
