//! Owns the tests of plans: the same seed gives the same bytes, windows are exact, arrivals follow the requested law,
//! prompts have the exact length.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use tonnage::schedule::{Arrival, Extent, LawCheck, Process, Timeline};
use tonnage::seed::Seed;
use tonnage::units::{Offset, Rate};
use tonnage::workload::{
    Closed, Content, Few, LengthSpec, Load, Message, Outline, OwnContent, Plan, Role, Salt, SourceSpec, Workload,
    describe, estimate_tokens, export,
};

fn timeline(process: &str, per_s: f64, extent: Extent, seed: u64) -> Timeline {
    Timeline::new(
        process.parse().unwrap(),
        Rate::new(per_s).unwrap(),
        extent,
        Duration::ZERO,
        Duration::ZERO,
        Seed::new(seed),
    )
}

fn for_s(seconds: f64) -> Extent {
    Extent::Duration(Duration::from_secs_f64(seconds))
}

fn workload(input: &str, output: &str) -> Workload {
    Workload::new(input.parse().unwrap(), output.parse().unwrap())
}

fn plan(timeline: Timeline, seed: u64) -> Plan {
    Plan::new(Load::Open(timeline), workload("lognormal:512,1", "16..256"), Seed::new(seed), None)
}

fn csv(plan: &Plan) -> String {
    let mut bytes = Vec::new();
    export(plan, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn instants(plan: &Plan) -> Vec<String> {
    csv(plan).lines().map(|line| line.split(',').nth(1).unwrap().to_owned()).collect()
}

fn sample() -> Plan {
    Plan::new(Load::Open(timeline("poisson", 10.0, for_s(60.0), 1)), workload("128", "64"), Seed::new(1), None)
}

/// `plan` without the requests that a quota would refuse.
fn limited(plan: &Plan, quota: &str) -> Plan {
    Plan::new(plan.load().clone(), plan.workload().clone(), plan.seed(), Some(quota.parse().unwrap()))
}

/// Every kind of arrival process, as users write it.
fn any_process() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["even", "poisson", "gamma:0.3", "gamma:1", "gamma:3", "weibull:0.4", "weibull:2"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn same_seed_same_plan(process in any_process(), per_s in 1.0..300.0, seed in any::<u64>(),
        prompts in any::<u64>()) {
        let make = |prompts| plan(timeline(process, per_s, for_s(2.0), seed), prompts);
        let (one, two) = (make(prompts), make(prompts));
        prop_assert_eq!(csv(&one), csv(&two));
        prop_assert_eq!(one.fingerprint(), two.fingerprint());
        prop_assert_eq!(one.spec(3), two.spec(3));

        let other = make(prompts.wrapping_add(1));
        prop_assert_eq!(instants(&one), instants(&other), "the seed of the prompts must not move an arrival");
        prop_assert_ne!(one.spec(3).into_prompt(), other.spec(3).into_prompt());

        let salted = Plan::new(one.load().clone(), one.workload().clone().salted(Salt::Text("afternoon".to_owned())),
            Seed::new(prompts), None);
        prop_assert_eq!(csv(&one), csv(&salted), "a salt must not move an arrival or change a length");
        prop_assert_eq!(one.fingerprint(), salted.fingerprint());
    }

    #[test]
    fn arrivals_are_sorted_numbered_and_inside(process in any_process(), per_s in 0.01..500.0, seconds in 0.0..5.0,
        seed in any::<u64>()) {
        let made = timeline(process, per_s, for_s(seconds), seed);
        let end = made.spans().cooldown.end;
        let mut before = Offset::ZERO;
        for (number, arrival) in (0..).zip(made.arrivals()) {
            prop_assert_eq!(arrival.index, number);
            prop_assert!(before <= arrival.at && arrival.at < end);
            before = arrival.at;
        }
    }

    #[test]
    fn a_longer_plan_begins_with_the_shorter(process in any_process(), per_s in 1.0..300.0, seed in any::<u64>()) {
        let short: Vec<Arrival> = timeline(process, per_s, for_s(1.0), seed).arrivals().collect();
        let long: Vec<Arrival> = timeline(process, per_s, for_s(3.0), seed).arrivals().take(short.len()).collect();
        prop_assert_eq!(short, long);
    }

    #[test]
    fn the_window_holds_exactly_the_requests_asked_for(
        process in any_process(), per_s in 0.01..2_000.0, count in 0u64..400, warmup_ms in 0u64..3_000,
            cooldown_ms in 0u64..1_000, seed in any::<u64>(),
    ) {
        let made = Timeline::new(
            process.parse().unwrap(), Rate::new(per_s).unwrap(), Extent::Requests(count),
            Duration::from_millis(warmup_ms), Duration::from_millis(cooldown_ms), Seed::new(seed),
        );
        let spans = made.spans();
        let inside = made.arrivals().filter(|arrival| spans.window.contains(arrival.at)).count();
        prop_assert_eq!(inside as u64, count);
        prop_assert_eq!(spans.window.start, Offset::from(Duration::from_millis(warmup_ms)));
        prop_assert_eq!(spans.cooldown.start, spans.window.end);
        let nominal_s = count as f64 / per_s;
        if process == "even" {
            prop_assert!((spans.window.length_s() - nominal_s).abs() < 1.0 / per_s + 1e-8, "{} against \
                {nominal_s}", spans.window.length_s());
        } else {
            // The window ends at the next arrival, so that the rate is not biased by a separate draw for the end; at
            // the earliest after its last arrival.
            let next = made.arrivals().find(|arrival| arrival.at >= spans.window.end);
            let last = made.arrivals().filter(|arrival| arrival.at < spans.window.end).last();
            let last = last.map_or(spans.window.start, |last| last.at);
            let ends = spans.window.end;
            prop_assert!(count == 0 || ends.since(last) == Duration::from_nanos(1)
                || next.is_none_or(|next| next.at == ends), "{next:?}");
        }
        let law = describe(&plan(made, seed)).unwrap().law;
        prop_assert!(law.is_none_or(|law| law.asked != Process::Even || law.holds), "no even arrival may be missing");
    }

    #[test]
    fn prompts_count_exactly_the_tokens_asked_for(tokens in 1u32..3_000, id in any::<u32>(), salt in ".{0,12}") {
        for salt in [Salt::Off, Salt::Text(salt)] {
            let length = LengthSpec::fixed(tokens).unwrap();
            let made = Plan::new(sample().load().clone(), Workload::new(length.clone(), length).salted(salt),
                Seed::new(7), None);
            let spec = made.spec(u64::from(id));
            prop_assert_eq!((estimate_tokens(&spec.prompt()), spec.outline.input_tokens, spec.outline.output_tokens),
                (tokens, tokens, tokens));
        }
    }

    #[test]
    fn a_quota_removes_and_never_shifts(count in 1u32..50, per_s in 1.0..200.0, seed in any::<u64>()) {
        let whole = plan(timeline("poisson", per_s, for_s(5.0), seed), 1);
        let thinned = limited(&whole, &format!("{count}/s"));
        let every: Vec<Arrival> = whole.arrivals().collect();
        let kept: Vec<Arrival> = thinned.arrivals().collect();
        let removed: u64 = thinned.dropped().values().sum();
        prop_assert_eq!(kept.len() as u64 + removed, every.len() as u64);
        for arrival in &kept {
            prop_assert_eq!(every[arrival.index as usize], *arrival, "its number and instant must not change");
            prop_assert_eq!(thinned.spec(arrival.index), whole.spec(arrival.index), "its lengths and prompt must \
                not change");
        }
        prop_assert!(kept.len() as u64 <= u64::from(count) * 6, "at most the burst, then the quota per second");
    }
}

#[test]
fn even_arrivals_are_exact_in_number_and_place() {
    for (per_s, seconds, count) in [
        (200.0, 10.0, 2_000),
        (33.3, 100.0, 3_330),
        (3.0, 10.0, 30),
        (0.001, 5_000.0, 5),
        (100_000.0, 0.5, 50_000),
        (7.0, 1.0, 7),
    ] {
        let made = timeline("even", per_s, for_s(seconds), 1);
        assert_eq!(made.arrivals().count(), count, "{per_s}/s for {seconds} s");
        for arrival in made.arrivals().step_by(97) {
            let expected_ns = arrival.index as f64 * 1e9 / per_s;
            assert!(
                (arrival.at.as_nanos() as f64 - expected_ns).abs() < 0.51,
                "arrival {} at {}",
                arrival.index,
                arrival.at
            );
        }
    }
}

#[test]
fn warmup_and_cooldown_carry_the_same_load() {
    let second = Duration::from_secs(1);
    let made = Timeline::new(
        Process::Even,
        Rate::new(10.0).unwrap(),
        Extent::Duration(3 * second),
        second,
        2 * second,
        Seed::new(1),
    );
    let spans = made.spans();
    let within = |window: tonnage::units::Window| made.arrivals().filter(|arrival| window.contains(arrival.at)).count();
    assert_eq!((within(spans.warmup), within(spans.window), within(spans.cooldown)), (10, 30, 20));
}

#[test]
fn random_processes_follow_their_law_at_every_rate() {
    // A false alarm has probability 10⁻⁴ per case; the seeds are fixed.
    for process in [
        "poisson",
        "gamma:0.1",
        "gamma:0.5",
        "gamma:1",
        "gamma:2",
        "gamma:5",
        "gamma:10",
        "weibull:0.1",
        "weibull:0.5",
        "weibull:1",
        "weibull:2",
        "weibull:10",
    ] {
        for (seed, per_s) in [(1, 0.01), (2, 10.0), (3, 5_000.0), (4, 100_000.0)] {
            let made = timeline(process, per_s, for_s(20_000.0 / per_s), seed);
            let law = describe(&plan(made, seed)).unwrap().law.unwrap();
            assert!(law.holds, "{process} at {per_s}/s: {} above {}", law.statistic, law.critical);
        }
    }
}

#[test]
fn the_law_check_refuses_a_wrong_law() {
    for (made, asked) in [
        ("poisson", "gamma:1.2"),
        ("gamma:1.2", "poisson"),
        ("even", "poisson"),
        ("gamma:0.05", "even"),
        ("gamma:2", "gamma:2.2"),
        ("gamma:2", "weibull:2"),
        ("weibull:2", "gamma:2"),
        ("weibull:2", "weibull:2.2"),
    ] {
        let rate = Rate::new(50.0).unwrap();
        let mut check = LawCheck::new(asked.parse().unwrap(), rate);
        timeline(made, 50.0, for_s(400.0), 1).arrivals().for_each(|arrival| check.add(arrival));
        let law = check.verdict().unwrap();
        assert!(!law.holds, "{made} arrivals passed as {asked}: {} within {}", law.statistic, law.critical);
    }
    let mut check = LawCheck::new(Process::Poisson, Rate::new(52.5).unwrap());
    timeline("poisson", 50.0, for_s(400.0), 1).arrivals().for_each(|arrival| check.add(arrival));
    assert!(!check.verdict().unwrap().holds, "a rate error of 5 % must show in 20 000 gaps");
}

#[test]
fn counts_vary_as_the_law_says_and_their_mean_is_the_rate() {
    // 400 seeds of 10 s at 10/s: mean 100 within five standard errors; variance over mean near CV² (1 for Poisson).
    for (process, dispersion) in [("poisson", 1.0), ("gamma:0.5", 0.25), ("gamma:2", 4.0)] {
        let counts: Vec<f64> =
            (0..400).map(|seed| timeline(process, 10.0, for_s(10.0), seed).arrivals().count() as f64).collect();
        let mean = counts.iter().sum::<f64>() / 400.0;
        let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 399.0;
        assert!((mean - 100.0).abs() < 5.0 * (100.0 * dispersion / 400.0_f64).sqrt(), "{process}: mean {mean}");
        assert!((0.75..1.35).contains(&(variance / mean / dispersion)), "{process}: dispersion {}", variance / mean);
    }
}

#[test]
fn an_hour_at_the_highest_rate_holds_no_arrival_in_memory() {
    let made = timeline("poisson", 100_000.0, for_s(3_600.0), 1);
    assert!(size_of_val(&made.arrivals()) < 1_024, "the iterator must hold no arrivals");
    let slice: Vec<Arrival> = made.arrivals().skip(200_000).take(3).collect();
    assert_eq!(slice.iter().map(|arrival| arrival.index).collect::<Vec<_>>(), [200_000, 200_001, 200_002]);
    assert!((1.9..2.1).contains(&slice[0].at.as_secs()));
}

#[test]
fn two_salts_share_no_prompt_and_no_salt_shares_them_all() {
    let with = |salt: Salt| {
        Plan::new(sample().load().clone(), workload("64", "8").salted(salt), Seed::new(1), None).spec(5).into_prompt()
    };
    let text = |salt: &str| Salt::Text(salt.to_owned());
    assert_eq!(with(Salt::Off), with(Salt::Off));
    assert_eq!(with(text("a")), with(text("a")));
    let [one, two, off] = [with(text("a")), with(text("b")), with(Salt::Off)]
        .map(|prompt| prompt.split(' ').take(3).map(str::to_owned).collect::<Vec<_>>());
    assert!(one != two && one != off && two != off, "the first three words must differ");
}

#[test]
fn a_request_is_a_function_of_its_number_alone() {
    let made = sample();
    let backwards: Vec<_> = (0..20).rev().map(|id| made.spec(id)).collect();
    let forwards: Vec<_> = (0..20).map(|id| made.spec(id)).collect();
    assert!(backwards.iter().rev().eq(forwards.iter()));
    assert!(forwards.windows(2).all(|pair| pair[0].messages != pair[1].messages), "no two prompts may be equal");
}

#[test]
fn the_fingerprint_sees_every_number_of_the_plan() {
    let base = || timeline("poisson", 10.0, for_s(60.0), 1);
    let of = |load: Load, workload: Workload, seed: u64| Plan::new(load, workload, Seed::new(seed), None);
    let closed = |name: &str, count: u64| {
        Load::Closed(Closed::named(name, Extent::Requests(count), Duration::ZERO, Duration::ZERO).unwrap())
    };
    let plans = vec![
        of(Load::Open(base()), workload("128", "64"), 1),
        of(Load::Open(timeline("poisson", 10.0, for_s(60.0), 2)), workload("128", "64"), 1),
        of(Load::Open(timeline("poisson", 10.1, for_s(60.0), 1)), workload("128", "64"), 1),
        of(Load::Open(timeline("gamma:1", 10.0, for_s(60.0), 1)), workload("128", "64"), 1),
        of(Load::Open(base()), workload("129", "64"), 1),
        of(Load::Open(base()), workload("128", "65"), 1),
        of(Load::Open(base()), workload("64..128", "64"), 1),
        of(Load::Open(base()), workload("64..128", "64"), 2),
        limited(&sample(), "60/min"),
        of(
            Load::Open(base()),
            Workload {
                source: SourceSpec::Drawn { input: "128".parse().unwrap(), output: None },
                ..workload("128", "64")
            },
            1,
        ),
        of(closed("synchronous", 10), workload("128", "64"), 1),
        of(closed("concurrent:2", 10), workload("128", "64"), 1),
        of(closed("synchronous", 11), workload("128", "64"), 1),
        of(closed("synchronous", 10), workload("64..128", "64"), 1),
    ];
    let seen: std::collections::BTreeSet<String> = plans.iter().map(Plan::fingerprint).collect();
    assert_eq!(seen.len(), plans.len());
}

/// Content of two messages: the instructions, and the number of the request.
#[derive(Debug)]
struct Instructed(&'static str);

impl Content for Instructed {
    fn messages(&self, outline: &Outline) -> Few<Message> {
        let instructions = Message::new(Role::System, self.0.to_owned());
        Few::Many(vec![instructions, Message::user(format!("question {}", outline.id))])
    }

    fn fingerprint(&self) -> String {
        format!("instructed: {}", self.0)
    }
}

#[test]
fn own_content_is_what_requests_say_and_part_of_the_fingerprint() {
    let of = |instructions| {
        let workload = workload("128", "64").saying(OwnContent::new(Instructed(instructions)));
        Plan::new(sample().load().clone(), workload, Seed::new(1), None)
    };
    let (brief, long) = (of("be brief"), of("be long"));
    let spec = brief.spec(7);
    assert_eq!(spec.prompt(), "be brief\nquestion 7");
    assert_eq!((spec.outline, spec.counted_tokens), (sample().outline(7), None), "lengths must come from the source");
    assert_eq!(brief.fingerprint(), of("be brief").fingerprint());
    assert_ne!(brief.fingerprint(), long.fingerprint(), "two contents must have different fingerprints");
    assert_ne!(brief.fingerprint(), sample().fingerprint());
    let closed = |plan: &Plan| {
        let load = Load::Closed(Closed::synchronous(Extent::Requests(5), Duration::ZERO, Duration::ZERO));
        Plan::new(load, plan.workload().clone(), Seed::new(1), None).fingerprint()
    };
    assert_ne!(closed(&brief), closed(&long), "also in a closed loop");
}

#[test]
fn a_plan_is_described_in_the_keys_that_scripts_rely_on() {
    let made =
        Plan::new(Load::Open(timeline("even", 200.0, for_s(30.0), 1)), workload("128", "64"), Seed::new(1), None);
    let mut described = describe(&made).unwrap();
    assert_eq!(described.fingerprint, made.fingerprint());
    let law = described.law.as_mut().unwrap();
    assert!(law.holds && law.statistic <= 1e-9);
    law.statistic = 0.0;
    insta::assert_snapshot!(serde_json::to_string_pretty(&described).unwrap(), @r#"
    {
      "planned": 6000,
      "span_s": 30.0,
      "rate_per_s": 200.0,
      "gap": {
        "mean_s": 0.005,
        "cv": 0.0
      },
      "dispersion": {
        "1s": 0.0,
        "10s": 0.0,
        "60s": null
      },
      "law": {
        "asked": "even",
        "statistic": 0.0,
        "critical": 1e-9,
        "holds": true
      },
      "fingerprint": "93541503d5e8ec36b97aa08daf5b40ed",
      "dropped": {}
    }
    "#);
}

#[test]
fn a_quota_is_announced_and_the_law_is_judged_before_it() {
    let made = limited(&sample(), "60/min");
    let described = describe(&made).unwrap();
    assert_eq!(described.dropped, made.dropped());
    assert_eq!(
        serde_json::to_value(&described.dropped).unwrap(),
        serde_json::json!({ "quota": described.dropped.values().sum::<u64>() })
    );
    assert_eq!(described.planned, made.arrivals().count() as u64);
    assert!(
        (119..=120).contains(&described.planned),
        "the quota allows 60 at once, then one per second for 60 s: {}",
        described.planned
    );
    assert_eq!(described.fingerprint, made.fingerprint());
    assert_eq!(described.law, describe(&sample()).unwrap().law);
}

#[test]
fn a_closed_loop_has_no_timeline_to_describe() {
    let closed = Closed::synchronous(for_s(10.0), Duration::ZERO, Duration::ZERO);
    let made = Plan::new(Load::Closed(closed), workload("128", "64"), Seed::new(1), None);
    assert_eq!(made.arrivals().count(), 0);
    insta::assert_snapshot!(describe(&made).unwrap_err(), @"a closed loop has no timeline: its requests are released \
        by completions; accepted is an open load, as in the option rate 10/s");
}

#[test]
fn a_plan_is_drawn_in_a_few_narrow_lines() {
    insta::assert_snapshot!(describe(&sample()).unwrap().picture, @r"
    ▃▅▂▄▅▅▄▅▂▅▅▄▃▅▅▅▅▅▅▅▄▂█▅▂▅▆▅▅▄▃▃▄▄▄▂▅▄▅▃▅▅▅▅▅▅▆▆▄▅▄▆▅▄▇▅▄▅█▄
    0 to 60.0 s; █ up to 18.0/s; one column 1.00 s
    ");
}

#[test]
fn the_sample_trace_is_what_we_plan_today() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/poisson_10_per_s_60s.csv");
    assert_eq!(std::fs::read_to_string(path).unwrap(), csv(&sample()), "recreate it as described in traces/README.md");
}

#[test]
#[ignore = "writes traces/poisson_10_per_s_60s.csv again, as `tonnage plan --rate 10/s --duration 60s --seed 1 \
    --export` does"]
fn remake_the_sample_trace() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/poisson_10_per_s_60s.csv");
    std::fs::write(path, csv(&sample())).unwrap();
}

#[test]
fn a_window_of_few_requests_is_as_long_as_the_rate_says() {
    // Over 2 000 draws of 20 requests, N ÷ length has the requested rate as its mean: E[1 ÷ S(N + 1)] = 1 ÷ N.
    let offered = |seed| {
        let (rate, none) = (Rate::new(10.0).unwrap(), Duration::ZERO);
        let made = Timeline::new(Process::Poisson, rate, Extent::Requests(20), none, none, Seed::new(seed));
        20.0 / made.spans().window.length_s()
    };
    let mean = (1..=2_000).map(offered).sum::<f64>() / 2_000.0;
    assert!((mean - 10.0).abs() < 0.17, "three standard errors of 10 ÷ √19 ÷ √2 000: {mean}");
}
