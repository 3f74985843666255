//! Owns the tests of several simulated servers behind a router: closed forms of each routing, and where prefixes go.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use tonnage::play::StopRule;
use tonnage::record::Record;
use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::seed::Seed;
use tonnage::sim::{Routing, ServiceProfile, VirtualPlayer, run};
use tonnage::trace::{Choice, OnEmpty, Reading, Trace};
use tonnage::units::Rate;
use tonnage::workload::{LengthSpec, Load, Plan, Workload, replay};

use crate::queues::{mmc_sojourn_tail, quantile_s};

/// Mean service 100 ms.
const MARKOV: &str = "mmc:servers=1,service=100ms";

fn poisson(per_s: f64, requests: u64, output_tokens: u32) -> Plan {
    let rate = Rate::new(per_s).unwrap();
    let timeline = Timeline::new(
        Process::Poisson,
        rate,
        Extent::Requests(requests),
        Duration::ZERO,
        Duration::ZERO,
        Seed::new(11),
    );
    let workload = Workload::new(LengthSpec::fixed(128).unwrap(), LengthSpec::fixed(output_tokens).unwrap());
    Plan::new(Load::Open(timeline), workload, Seed::new(11), None)
}

fn played(plan: &Plan, profile: &str, replicas: u32, routing: Routing) -> Vec<Record> {
    let profile: ServiceProfile = profile.parse().unwrap();
    let mut session = VirtualPlayer::fleet(profile, NonZeroU32::new(replicas).unwrap(), routing, Seed::new(5));
    let mut records = Vec::new();
    session.play_into(plan, true, &StopRule::Never, |record| records.push(record));
    records
}

fn quantile_of(records: &[Record], share: f64) -> f64 {
    let mut sojourns: Vec<f64> =
        records.iter().map(|record| record.exchange.last_token.unwrap().secs_since(record.scheduled)).collect();
    sojourns.sort_by(f64::total_cmp);
    sojourns[(sojourns.len() as f64 * share) as usize]
}

/// The p-quantile of the sojourn time in `E_n/M/1`: exponential with rate μ(1 − σ), σ = (nλ/(nλ + μ(1 − σ)))^n.
fn erlang_quantile_s(n: u32, per_s: f64, served_per_s: f64, share: f64) -> f64 {
    let rate = f64::from(n) * per_s;
    let sigma = (0..10_000).fold(0.5, |sigma, _| libm::pow(rate / (rate + served_per_s * (1.0 - sigma)), f64::from(n)));
    -libm::log(1.0 - share) / (served_per_s * (1.0 - sigma))
}

#[test]
fn by_chance_each_replica_is_a_queue_of_its_own_with_its_share() {
    // Four M/M/1 queues of 7/s and 10/s: the sojourn tail is e^(−3t).
    let records = played(&poisson(28.0, 200_000, 1), MARKOV, 4, Routing::Random);
    for share in [0.5, 0.9, 0.99] {
        let (seen_s, known_s) = (quantile_of(&records, share), -libm::log(1.0 - share) / 3.0);
        assert!((seen_s / known_s - 1.0).abs() < 0.06, "p{share}: {seen_s} s is not {known_s} s");
    }
    assert_eq!(
        records.iter().map(|record| &record.target).collect::<BTreeSet<_>>().len(),
        4,
        "records must name the replica"
    );
}

#[test]
fn in_turn_each_replica_sees_erlang_gaps() {
    for (replicas, per_s) in [(2, 7.0), (4, 7.5)] {
        let records = played(&poisson(f64::from(replicas) * per_s, 200_000, 1), MARKOV, replicas, Routing::RoundRobin);
        for share in [0.5, 0.99] {
            let (seen_s, known_s) = (quantile_of(&records, share), erlang_quantile_s(replicas, per_s, 10.0, share));
            assert!(
                (seen_s / known_s - 1.0).abs() < 0.06,
                "{replicas} replicas, p{share}: {seen_s} s is not {known_s} s"
            );
        }
    }
    assert!((erlang_quantile_s(1, 7.0, 10.0, 0.99) - 4.605 / 3.0).abs() < 1e-3, "E_1 is M");
}

#[test]
fn to_the_least_loaded_is_better_than_in_turn_and_no_better_than_one_queue_for_all() {
    let plan = poisson(34.0, 100_000, 1);
    let p99 = |routing| quantile_of(&played(&plan, MARKOV, 4, routing), 0.99);
    let (random, in_turn, least) = (p99(Routing::Random), p99(Routing::RoundRobin), p99(Routing::LeastLoaded));
    let pooled = quantile_s(|t| mmc_sojourn_tail(4, 34.0, 10.0, t), 0.99, 100.0);
    assert!(
        pooled * 0.97 < least && least < 0.8 * in_turn && in_turn < 0.8 * random,
        "{pooled} {least} {in_turn} {random}"
    );
}

#[test]
fn engines_work_side_by_side_as_they_would_alone() {
    let plan = poisson(40.0, 600, 16);
    let fleet = played(&plan, "small", 3, Routing::RoundRobin);
    assert_eq!(fleet.len(), 600);
    // Every third request goes to the first replica. A single server with only these requests responds at the same
    // instants.
    let every_third: BTreeMap<u64, &Record> =
        fleet.iter().filter(|record| record.id % 3 == 0).map(|record| (record.id, record)).collect();
    assert!(every_third.values().all(|record| &*record.target == "sim:small#0"));
    let alone = run(&plan.clone().sharded("1/3".parse().unwrap()), "small".parse().unwrap(), Seed::new(5));
    assert_eq!(alone.len(), every_third.len());
    for record in alone {
        assert_eq!(record.exchange, every_third[&record.id].exchange);
    }
    let mut one = played(&plan, "small", 1, Routing::LeastLoaded);
    one.sort_by_key(|record| record.id);
    let known = run(&plan, "small".parse().unwrap(), Seed::new(5));
    assert!(
        one.iter().zip(&known).all(|(one, known)| one.exchange == known.exchange),
        "a fleet of one must behave as the single server"
    );
}

#[test]
fn the_same_seed_is_the_same_fleet_and_what_is_in_it_outlives_a_segment() {
    let plan = poisson(28.0, 500, 1);
    for routing in Routing::ALL {
        assert_eq!(played(&plan, MARKOV, 4, routing), played(&plan, MARKOV, 4, routing), "{routing:?}");
    }
    let mut session = VirtualPlayer::fleet(
        "mdc:servers=1,service=1s".parse().unwrap(),
        NonZeroU32::new(2).unwrap(),
        Routing::LeastLoaded,
        Seed::new(1),
    );
    let even = |requests: u64| {
        let timeline = Timeline::new(
            Process::Even,
            Rate::new(10.0).unwrap(),
            Extent::Requests(requests),
            Duration::ZERO,
            Duration::ZERO,
            Seed::new(1),
        );
        Plan::new(Load::Open(timeline), Workload::default(), Seed::new(1), None)
    };
    let mut targets = |plan: &Plan| {
        let mut records = Vec::new();
        session.play_into(plan, true, &StopRule::Never, |record| records.push(record));
        records.sort_by_key(|record| record.id);
        records.into_iter().map(|record| record.target.to_string()).collect::<Vec<_>>()
    };
    let names = |numbers: &[u32]| {
        numbers.iter().map(|number| format!("sim:mdc:servers=1,service=1s#{number}")).collect::<Vec<_>>()
    };
    assert_eq!(targets(&even(3)), names(&[0, 1, 0]));
    assert_eq!(targets(&even(1)), names(&[1]), "two requests are still in the first replica, one in the second");
}

#[test]
fn prefixes_stay_on_their_replica_and_are_found_in_its_cache() {
    // Sixteen interleaved conversations of eight turns, each with its own first block.
    let row = |place: u32| {
        let (talk, turn) = (place % 16, place / 16);
        let ids: Vec<String> = (0..=turn).map(|block| (1_000 * (talk + 1) + block).to_string()).collect();
        format!(
            r#"{{"timestamp": {}, "input_length": {}, "output_length": 4, "hash_ids": [{}]}}"#,
            2_000 * place,
            512 * (turn + 1),
            ids.join(",")
        )
    };
    let text = (0..128).map(row).collect::<Vec<_>>().join("\n");
    let trace = Trace::read(text.as_bytes(), Path::new("t"), &Reading::default()).unwrap();
    let selection =
        trace.select(&Choice { on_empty: Some(OnEmpty::Fail), ..Choice::default() }, Path::new("t")).unwrap();
    let (timeline, recording) = replay(selection, "1".parse().unwrap(), "t").unwrap();
    let plan = Plan::new(Load::Open(timeline), Workload::recorded(recording), Seed::new(1), None);
    let cached = |records: &[Record]| {
        records.iter().map(|record| u64::from(record.exchange.usage.unwrap().cached_tokens.unwrap())).sum::<u64>()
    };
    let (hashed, spread) =
        (played(&plan, "8b-h100", 4, Routing::PrefixHash), played(&plan, "8b-h100", 4, Routing::Random));
    let mut homes: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for record in &hashed {
        homes.entry(record.id % 16).or_default().insert(record.target.to_string());
    }
    assert!(homes.values().all(|targets| targets.len() == 1), "{homes:?}");
    assert!(
        homes.values().flatten().collect::<BTreeSet<_>>().len() > 1,
        "the conversations must not all be on one replica"
    );
    let known: u64 = (0..128).map(|place| 512 * (place / 16)).sum();
    assert_eq!(cached(&hashed), known, "every turn must find all its earlier blocks in the cache");
    assert!(cached(&spread) < known * 2 / 3, "{} of {known}", cached(&spread));
}
