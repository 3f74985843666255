//! Owns the tests of fleet sizing that need real traces or long runs: published peaks, and engines of known truth.

#[path = "../../benches/common/served.rs"]
mod served;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use served::SERVED;
use tonnage::metrics::{Objectives, VerdictResult};
use tonnage::schedule::Process;
use tonnage::seed::Seed;
use tonnage::sizing::{Check, Terms, demand_of_rows, replicas_for};
use tonnage::trace::{Choice, Reading, Trace};
use tonnage::units::{Rate, Ratio};

use crate::replay::public;
use crate::search::play;
use crate::services::long;

#[test]
fn the_demand_of_a_trace_is_its_published_peak() {
    for name in ["azure_llm_2023_code.csv", "burstgpt_1_first400.csv", "mooncake_conversation_rows1-6000.jsonl"] {
        let (Some(stats), Some(path)) = (public("stats.json"), public(name)) else { return };
        let stats: Value = serde_json::from_slice(&std::fs::read(stats).unwrap()).unwrap();
        let text = std::fs::read(path).unwrap();
        let trace = Trace::read(text.as_slice(), Path::new(name), &Reading::default()).unwrap();
        let trace = trace.select(&Choice::default(), Path::new(name)).unwrap().trace;
        for (key, window_s) in [("peak_1s", 1), ("peak_10s", 10), ("peak_60s", 60)] {
            let demand = demand_of_rows(trace.rows(), Duration::from_secs(window_s), name).unwrap();
            let point = demand.curve.iter().find(|point| Some(point.window_s) == demand.window_s).unwrap();
            for (found, wanted) in
                [(demand.rate_per_s.per_s(), "sliding_rate"), (point.peak_to_mean, "sliding_peak_to_mean")]
            {
                let wanted = stats[name][key][wanted].as_f64().unwrap();
                assert!((found - wanted).abs() <= 1e-11 * wanted, "{name} {key}: {found} {wanted}");
            }
        }
    }
}

/// The engine cells of the coverage table with their truths. Random routing splits Poisson arrivals into Poisson
/// arrivals, so the formula is exact; `--nocapture` shows how the other routing policies handle the same demand.
#[test]
#[ignore = "a minute in release: cargo test --release --test it sizing -- --ignored --nocapture"]
fn by_chance_the_fleet_of_the_truth_meets_the_objectives_and_two_replicas_fewer_do_not() {
    for cell in SERVED {
        let rate = |per_s: f64| Rate::new(per_s).unwrap();
        // Half a replica of spare capacity, the average of real fleets.
        let demand = rate(7.5 * cell.truth);
        let terms = Terms { headroom: Ratio::new(0.0).unwrap(), imbalance: Ratio::new(0.0).unwrap(), redundancy: 0 };
        let replicas = replicas_for(demand, &terms, rate(cell.truth));
        assert_eq!(replicas, 8);
        let check = Check {
            profile: cell.profile.parse().unwrap(),
            workload: cell.workload(),
            process: Process::Poisson,
            objectives: Arc::new(Objectives::parse(&[cell.slo()], None, None).unwrap()),
            seed: Seed::new(1),
            requests_each: 5_000,
        };
        let (enough, few) = (check.play(demand, replicas).unwrap(), check.play(demand, replicas - 2).unwrap());
        println!("{}, {demand} of {} ({}/s a replica by the formula)", cell.name, enough.requests_like, cell.truth);
        for policy in &enough.policies {
            println!("  {policy:?}");
        }
        assert_eq!(
            (enough.policies[0].routing, enough.policies[0].result),
            ("random", VerdictResult::Pass),
            "{}",
            cell.name
        );
        assert_eq!((few.policies[0].routing, few.policies[0].result), ("random", VerdictResult::Fail), "{}", cell.name);
        let fewest: Vec<u64> = enough.policies.iter().map(|policy| policy.least_replicas.unwrap()).collect();
        assert!(
            fewest.is_sorted_by(|random, better| random >= better),
            "better-informed routing must not need more replicas: {fewest:?}"
        );
    }
}
