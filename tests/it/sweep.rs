//! Owns the sweep's tests in virtual time: capacities known in closed form, knees, explanations, and the order of
//! loads.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use tonnage::clock::RunClock;
use tonnage::engine;
use tonnage::figures::TrialView;
use tonnage::metrics::Objectives;
use tonnage::play::Play;
use tonnage::report::{Ink, render, sweep_sentences};
use tonnage::results::{Host, Report, RunSpec, SCHEMA, Target, Tool};
use tonnage::schedule::Process;
use tonnage::search::{
    Blueprint, Bound, Event, Finished, Point, Stability, Sweep, SweepCampaign, SweepCourse, SweepFindings, SweepStep,
    drive, parse_rates,
};
use tonnage::seed::Seed;
use tonnage::sim::engine::{Preset, Setup};
use tonnage::sim::{LocalTarget, ModelClient, ServiceProfile, VirtualPlayer};
use tonnage::units::{Offset, Rate};
use tonnage::workload::{LengthSpec, Workload};

/// The seeds of all statistical tests here.
const SEEDS: std::ops::Range<u64> = 1..11;

struct Swept {
    trials: Vec<TrialView>,
    findings: SweepFindings,
    /// The loads in the order sent, with their discard times.
    points: Vec<Point>,
}

fn workload(input: u32, output: u32) -> Workload {
    Workload::new(LengthSpec::fixed(input).unwrap(), LengthSpec::fixed(output).unwrap())
}

fn between(points: u32, window_s: u64) -> Sweep {
    Sweep {
        course: SweepCourse::Between { points, most: None },
        window: Duration::from_secs(window_s),
        discard: None,
        sessions: None,
    }
}

/// Runs `sweep` with any player.
async fn played<P: Play>(player: &mut P, sweep: &Sweep, workload: Workload, seed: u64) -> Swept {
    let blueprint = Blueprint {
        workload,
        process: Process::Poisson,
        recorded: None,
        quota: None,
        seed: Seed::new(seed),
        window: sweep.window,
        cooldown: Duration::ZERO,
        objectives: Arc::new(Objectives::default()),
        streamed: true,
    };
    let (mut campaign, mut points) = (SweepCampaign::new(sweep.clone()), Vec::new());
    let told = |campaign: &SweepCampaign, event: Event<Point>| {
        if let Event::Ends { place, purpose: point, .. } = event {
            assert_eq!(place, points.len(), "each load must be decided once, in the order sent");
            points.push(point);
            assert_eq!(campaign.trials().len(), points.len(), "a load must be learnt before it is told");
        }
        Ok(())
    };
    let finished = drive(player, &mut campaign, &blueprint, told, || false).await.unwrap();
    let trials = campaign.into_trials();
    let findings = SweepFindings::of(&trials, &[], finished);
    Swept { trials, findings, points }
}

/// Runs `sweep` in virtual time.
fn swept(sweep: &Sweep, profile: ServiceProfile, workload: Workload, seed: u64) -> Swept {
    let mut session = VirtualPlayer::new(profile, Seed::new(seed));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(played(&mut session, sweep, workload, seed))
}

/// The live run engine, on the caller's clock, without sockets.
fn live(profile: ServiceProfile) -> engine::LivePlayer {
    let settings =
        engine::Settings { timeout: Duration::from_mins(10), drain: Duration::from_mins(1), max_in_flight: None };
    engine::LivePlayer::local(
        settings,
        Arc::new(LocalTarget::new(profile)),
        ModelClient::new(profile, &[], Seed::new(1)),
    )
}

/// Measured saturation ÷ known saturation, over seeds, in ascending order.
fn errors(
    preset: Preset,
    (input, output): (u32, u32),
    points: u32,
    window_s: u64,
    seeds: std::ops::Range<u64>,
) -> Vec<f64> {
    let setup = Setup::of(preset);
    let known = setup.saturation_per_s(input, output).unwrap();
    let mut errors: Vec<f64> = seeds
        .map(|seed| {
            let findings =
                swept(&between(points, window_s), ServiceProfile::engine(setup), workload(input, output), seed)
                    .findings;
            let saturation = findings.saturation.unwrap();
            assert_eq!(saturation.bound, Bound::Measured);
            assert!(
                findings.knee_per_s.is_some_and(|knee| knee <= 1.05 * known && knee >= 0.5 * known),
                "knee {:?} of {known}",
                findings.knee_per_s
            );
            saturation.per_s / known
        })
        .collect();
    errors.sort_by(f64::total_cmp);
    errors
}

#[test]
fn the_saturation_rate_is_that_of_the_closed_form() {
    let errors = errors(Preset::Small, (128, 64), 4, 12, 1..2);
    assert!((errors[0] - 1.0).abs() < 0.05, "{errors:?}");
}

/// Half a minute: `cargo test --test it -- --ignored --nocapture every_preset`.
#[test]
#[ignore = "half a minute"]
fn the_saturation_rate_is_that_of_the_closed_form_for_every_preset_and_shape() {
    for preset in [Preset::Small, Preset::Llama8bOnH100, Preset::Llama70bOnFourH100] {
        for shape in [(128, 64), (512, 128)] {
            let errors = errors(preset, shape, 8, 20, SEEDS);
            let median = f64::midpoint(errors[4], errors[5]);
            println!("{} {shape:?}: median {median:.4}, from {:.4} to {:.4}", preset.name(), errors[0], errors[9]);
            assert!((median - 1.0).abs() < 0.05, "{} {shape:?}: {errors:?}", preset.name());
        }
    }
}

#[test]
fn a_queue_of_known_rate_saturates_there_and_says_why() {
    // M/D/c: four servers of 50 ms carry 80/s.
    let Swept { findings, trials, points } =
        swept(&between(8, 20), "mdc:servers=4,service=50ms".parse().unwrap(), workload(8, 1), 3);
    let saturation = findings.saturation.as_ref().unwrap();
    assert!((saturation.per_s / 80.0 - 1.0).abs() < 0.02, "{saturation:?}");
    assert!(findings.unloaded_per_s.is_some_and(|per_s| (per_s - 20.0).abs() < 0.01), "{:?}", findings.unloaded_per_s);
    let knee = findings.knee_per_s.unwrap();
    assert!((60.0..80.0).contains(&knee), "{knee}");
    assert_eq!((trials.len(), points.len(), findings.points.len()), (10, 10, 10));
    let saturated = findings.points.iter().find(|point| point.stability == Some(Stability::Saturated)).unwrap();
    assert!(saturated.rate_per_s.is_some_and(|per_s| per_s > 80.0));
    let said = sweep_sentences(&findings, &trials).join("\n");
    for wanted in [
        "saturates at 80",
        "knee at",
        "completions fall behind",
        "the backlog grows",
        "latency rises",
        "chance stays below",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let rates: std::collections::BTreeSet<String> = points.iter().map(|point| point.level.label()).collect();
    assert_eq!(rates.len(), points.len(), "no load may be sent twice: {rates:?}");
    // No two loads have the same prompts or instants.
    let offered: Vec<u64> = trials.iter().map(|trial| trial.requests.planned).collect();
    assert_eq!(offered.iter().collect::<std::collections::BTreeSet<_>>().len(), offered.len());
}

#[test]
fn a_sweep_is_shown_as_tables_a_chart_and_sentences() {
    let Swept { trials, findings, .. } =
        swept(&between(4, 12), "mdc:servers=4,service=50ms".parse().unwrap(), workload(8, 1), 3);
    let report = Report {
        schema: SCHEMA,
        tool: Tool { name: "tonnage".to_owned(), version: "0.1.0".to_owned(), git: None },
        started: "2026-01-02T03:04:05Z".to_owned(),
        host: Host { name: "bench".to_owned(), system: "Linux".to_owned(), cores: 8, workers: 8, receive_clock: None },
        command: vec!["tonnage".to_owned(), "sweep".to_owned()],
        config: RunSpec::default(),
        seed: 3,
        plan_fingerprint: "0123456789abcdef0123456789abcdef".to_owned(),
        body_fingerprint: None,
        target: Target {
            urls: vec!["http://127.0.0.1:8000".to_owned()],
            model: "llama-3.1-8b".to_owned(),
            simulated: true,
            http2: None,
        },
        label: None,
        metadata: std::collections::BTreeMap::new(),
        token_estimate: "words-v1".to_owned(),
        preflight: None,
        preparation: None,
        clock: None,
        data_digest: None,
        notes: Vec::new(),
        trials,
        sweep: Some(findings),
        search: None,
    };
    let shown = render(&report, Ink::Plain);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    insta::assert_snapshot!("sweep", shown);
    let again: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(again, report, "a sweep must survive its JSON");
}

#[test]
fn rates_are_played_in_order_and_end_at_the_first_that_saturates() {
    let rates = parse_rates("20..200:20").unwrap();
    let sweep =
        Sweep { course: SweepCourse::Rates(rates), window: Duration::from_secs(20), discard: None, sessions: None };
    let Swept { findings, points, trials } =
        swept(&sweep, "mdc:servers=4,service=50ms".parse().unwrap(), workload(8, 1), 5);
    let played: Vec<f64> = points.iter().filter_map(|point| point.level.rate_per_s()).collect();
    assert_eq!(played, [20.0, 40.0, 60.0, 80.0, 100.0]);
    assert_eq!(findings.finished, Some(Finished::Saturated));
    let said = sweep_sentences(&findings, &trials);
    assert!(findings.saturation.is_some_and(|saturation| (saturation.per_s / 80.0 - 1.0).abs() < 0.03));
    assert!(said.iter().any(|sentence| sentence.contains("higher rates were not offered")));
}

/// Regression: a server that died during a sweep once counted as saturated at every rate without completions, and the
/// sweep ended normally.
#[test]
fn a_load_of_which_nothing_is_answered_ends_the_sweep_and_is_no_saturation() {
    let rates = Sweep { course: SweepCourse::Rates(parse_rates("5,10,20").unwrap()), ..between(0, 10) };
    let mut trials = swept(&rates, "delay:ttft=20ms,itl=5ms".parse().unwrap(), workload(64, 8), 1).trials;
    trials.truncate(2);
    assert!(matches!(rates.next(&trials, None), SweepStep::Play { .. }), "20/s must come next");
    (trials[1].run_totals.completed, trials[1].requests.completed) = (0, 0);
    assert_eq!(rates.next(&trials, None), SweepStep::Finish(Finished::NoAnswer));
    let findings = SweepFindings::of(&trials, &[], Some(Finished::NoAnswer));
    assert_eq!((findings.points[1].stability, findings.knee_per_s), (None, Some(5.0)));
    let said = sweep_sentences(&findings, &trials);
    assert!(said[0].contains("stopped at 10/s") && said[0].contains("--resume"), "{said:?}");
}

#[test]
fn what_never_saturates_is_said_to_carry_at_least_that() {
    let rates = parse_rates("10,40").unwrap();
    let sweep =
        Sweep { course: SweepCourse::Rates(rates), window: Duration::from_secs(20), discard: None, sessions: None };
    let findings = swept(&sweep, "delay:ttft=20ms,itl=5ms".parse().unwrap(), workload(8, 16), 5).findings;
    assert_eq!((findings.finished, findings.knee_per_s), (Some(Finished::Played), Some(40.0)));
    assert_eq!(findings.saturation.map(|saturation| saturation.bound), Some(Bound::AtLeast));
}

#[test]
fn signs_stay_down_below_capacity_and_rise_above_it() {
    // M/M/4 of 40/s at 24/s and 60/s: exponential gaps and services give the largest variation of a stable queue.
    let sweep = Sweep {
        course: SweepCourse::Rates(parse_rates("24,60").unwrap()),
        window: Duration::from_secs(12),
        discard: None,
        sessions: None,
    };
    for seed in 1..5 {
        let findings = swept(&sweep, "mmc:servers=4,service=100ms".parse().unwrap(), workload(8, 1), seed).findings;
        let seen: Vec<_> = findings.points.iter().map(|point| point.stability).collect();
        assert_eq!(seen, [Some(Stability::Stable), Some(Stability::Saturated)], "seed {seed}: {:?}", findings.points);
    }
}

/// M/M/1 of 20/s: a window of 20 s holds 400 requests, and their number varies by 5 % by chance.
#[test]
fn a_rate_above_the_capacity_is_not_called_stable_and_a_window_that_is_too_short_says_so() {
    let profile: ServiceProfile = "mmc:servers=1,service=50ms".parse().unwrap();
    let alone = |rate: &str, window_s: u64, seed: u64| {
        let sweep = Sweep { course: SweepCourse::Rates(parse_rates(rate).unwrap()), ..between(0, window_s) };
        swept(&sweep, profile, workload(8, 1), seed)
    };
    for (rate, highest) in [("20.2", 0), ("21", 0), ("24", 0)] {
        let stable =
            SEEDS.filter(|seed| alone(rate, 20, *seed).findings.points[0].stability == Some(Stability::Stable)).count();
        assert!(stable <= highest, "{rate}/s: called stable with {stable} of 10 seeds");
    }
    let Swept { findings: short, trials, .. } = alone("18", 20, 1);
    assert_eq!((short.points[0].stability, short.knee_per_s), (Some(Stability::TooShort), None));
    let wanted_s = short.knee.as_ref().and_then(|knee| knee.tells_in_s).unwrap();
    assert!((40.0..400.0).contains(&wanted_s), "{short:?}");
    let said = sweep_sentences(&short, &trials);
    assert!(said.iter().any(|line| line.contains(&format!("--duration {wanted_s}s"))), "{said:?}");
    // A window of the advised length decides.
    let decided = SEEDS.filter(|seed| {
        let window_s = alone("18", 20, *seed).findings.knee.and_then(|knee| knee.tells_in_s).unwrap_or(20.0);
        alone("18", window_s as u64, *seed).findings.points[0].stability == Some(Stability::Stable)
    });
    assert!(decided.count() >= 5, "18/s is below the capacity, so it must be stable for most seeds");
}

/// The completions under overload decide rates that their own windows leave open.
#[test]
fn a_rate_below_what_was_completed_under_overload_is_stable() {
    // M/D/1 of 20/s: at 18/s the queue varies too much for a window of 20 s, but its completions under overload do
    // not vary.
    let knees = |rates: &str, seed: u64| {
        let sweep = Sweep { course: SweepCourse::Rates(parse_rates(rates).unwrap()), ..between(0, 20) };
        swept(&sweep, "mdc:servers=1,service=50ms".parse().unwrap(), workload(8, 1), seed).findings
    };
    assert!(
        SEEDS.filter(|seed| knees("18", *seed).knee_per_s.is_none()).count() > 2,
        "the window alone must be too short for some seeds"
    );
    for seed in SEEDS {
        let findings = knees("16,18,60", seed);
        assert_eq!(findings.knee_per_s, Some(18.0), "seed {seed}: {:?}", findings.points);
        let knee = findings.knee.unwrap();
        assert!(
            knee.high_per_s.is_some_and(|high| (20.0..20.6).contains(&high)) && knee.undecided_per_s.is_empty(),
            "{seed}: {knee:?}"
        );
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn the_live_engine_plays_the_same_sweep() {
    let profile: ServiceProfile = "mdc:servers=4,service=50ms".parse().unwrap();
    let sweep = Sweep {
        course: SweepCourse::Rates(parse_rates("20,60,160,240").unwrap()),
        window: Duration::from_secs(8),
        discard: None,
        sessions: None,
    };
    let findings = played(&mut live(profile), &sweep, workload(8, 1), 5).await.findings;
    let seen: Vec<_> = findings.points.iter().map(|point| (point.rate_per_s, point.stability)).collect();
    let (stable, saturated) = (Some(Stability::Stable), Some(Stability::Saturated));
    assert_eq!(seen, [(Some(20.0), stable), (Some(60.0), stable), (Some(160.0), saturated)]);
    assert!(findings.saturation.is_some_and(|saturation| (saturation.per_s / 80.0 - 1.0).abs() < 0.03));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn the_next_load_is_sent_while_the_last_is_still_followed_and_a_backlog_is_waited_for() {
    // Responses take 3 s and windows 2 s: waiting for each of four cohorts would take 20 s.
    let mut session = live("delay:ttft=3s,itl=0".parse().unwrap());
    let course = SweepCourse::Rates(parse_rates("5,10,15,20").unwrap());
    let sweep = Sweep { course, window: Duration::from_secs(2), discard: Some(Duration::ZERO), sessions: None };
    let clock = RunClock::starting_in(Duration::ZERO);
    let trials = played(&mut session, &sweep, workload(8, 1), 1).await.trials;
    assert_eq!(trials.len(), 4);
    assert!(clock.now() < Offset::from_secs(15.0), "{}", clock.now());
    // After `rest` no backlog is left.
    session.rest().await;
    let mut queue = live("mdc:servers=1,service=100ms".parse().unwrap());
    let overload = Sweep { course: SweepCourse::Rates(parse_rates("100").unwrap()), ..sweep };
    let clock = RunClock::starting_in(Duration::ZERO);
    let backlog = played(&mut queue, &overload, workload(8, 1), 1).await.trials;
    queue.rest().await;
    assert!(clock.now() >= Offset::from_secs(backlog[0].requests.planned as f64 * 0.1), "{}", clock.now());
}

#[test]
fn a_limit_is_never_exceeded() {
    let most = Rate::new(30.0).unwrap();
    let sweep = Sweep {
        course: SweepCourse::Between { points: 5, most: Some(most) },
        window: Duration::from_secs(10),
        discard: None,
        sessions: None,
    };
    let Swept { points, findings, .. } =
        swept(&sweep, "mdc:servers=4,service=50ms".parse().unwrap(), workload(8, 1), 1);
    let rates: Vec<f64> = points.iter().filter_map(|point| point.level.rate_per_s()).collect();
    assert!(rates.len() == 5 && rates.iter().all(|per_s| *per_s <= 30.0) && rates[4] > 29.9, "{rates:?}");
    assert_eq!(findings.finished, Some(Finished::Played));
    // A closed loop alone proves no saturation: its concurrency may be the limit.
    assert!(findings.saturation.is_some_and(|found| found.bound == Bound::AtLeast && (found.per_s - 80.0).abs() < 1.0));
}

#[test]
fn stages_find_the_best_configuration_and_advise() {
    let stages = |list: &[u32]| Sweep {
        course: SweepCourse::Concurrencies(list.to_vec()),
        window: Duration::from_secs(10),
        discard: None,
        sessions: None,
    };
    let of = |list: &[u32]| swept(&stages(list), "mdc:servers=4,service=50ms".parse().unwrap(), workload(8, 1), 1);
    let said = |list: &[u32]| {
        let Swept { findings, trials, .. } = of(list);
        sweep_sentences(&findings, &trials).join("\n")
    };
    assert!(said(&[1, 2]).contains("try more than 2"), "{}", said(&[1, 2]));
    let three = said(&[1, 4, 6, 2]);
    assert!(three.contains("lowest mean latency: 50.0 ms"), "{three}");
    // Few completions give no latency of the stage, and unresolved requests still load the service.
    let mut few = of(&[1, 4, 6]).trials;
    (few[0].requests.completed, few[0].run_totals.unresolved) = (few[0].requests.planned / 2, 7);
    let lost = sweep_sentences(&SweepFindings::of(&few, &[], None), &few).join("\n");
    assert!(lost.contains("lowest mean latency: 50.0 ms with 4 in flight"), "{lost}");
    assert!(
        lost.contains("7 requests of synchronous were unresolved when its drain ended")
            && lost.contains("during concurrent:4"),
        "{lost}"
    );
    assert_eq!(
        of(&[1, 4, 2]).trials.iter().map(|trial| trial.label.as_str()).collect::<Vec<_>>(),
        ["synchronous", "concurrent:4", "concurrent:2"]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn whatever_the_service_a_sweep_ends_plays_no_rate_twice_and_keeps_its_limit(
        servers in 1u32..40, service_ms in 5u64..400, points in 1u32..9, most_share in prop::option::of(0.2f64..3.0),
            window_ms in 200u64..3_000,
    ) {
        let capacity_per_s = f64::from(servers) * 1e3 / service_ms as f64;
        let most = most_share.map(|share| Rate::new(share * capacity_per_s).unwrap());
        let sweep = Sweep { course: SweepCourse::Between { points, most }, window: Duration::from_millis(window_ms),
            discard: None, sessions: None };
        let profile = ServiceProfile::mdc(servers, Duration::from_millis(service_ms)).unwrap();
        let Swept { points, findings, .. } = swept(&sweep, profile, workload(8, 1), 1);
        prop_assert!(points.len() <= sweep.most_points());
        prop_assert!(findings.finished.is_some());
        let loads: std::collections::BTreeSet<String> = points.iter().map(|point| point.level.label()).collect();
        prop_assert_eq!(loads.len(), points.len());
        let above = |point: &&Point| most.zip(point.level.rate_per_s()).is_some_and(|(most,
            per_s)| per_s > most.per_s() * 1.005);
        prop_assert_eq!(points.iter().find(above), None);
    }
}

#[test]
fn a_sweep_goes_on_where_it_was_left() {
    // The decided loads determine the rest: cut at any point, the same loads follow.
    let sweep = between(6, 10);
    let profile: ServiceProfile = "mdc:servers=4,service=50ms".parse().unwrap();
    let whole = swept(&sweep, profile, workload(8, 1), 2);
    for kept in 0..whole.trials.len() {
        match sweep.next(&whole.trials[..kept], None) {
            SweepStep::Play { point, .. } => {
                assert_eq!(point.level, whole.points[kept].level, "after {kept}");
            }
            other => panic!("after {kept}: {other:?}"),
        }
    }
}
