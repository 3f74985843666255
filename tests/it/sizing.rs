//! Owns the promises of fleet sizing that need real traces: their peaks are the published ones.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tonnage::sizing::demand_of_rows;
use tonnage::trace::{Choice, Reading, Trace};

use crate::replay::public;

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
            for (found, wanted) in [(demand.rate_per_s.per_s(), "sliding_rate"), (point.peak_to_mean, "sliding_peak_to_mean")] {
                let wanted = stats[name][key][wanted].as_f64().unwrap();
                assert!((found - wanted).abs() <= 1e-11 * wanted, "{name} {key}: {found} {wanted}");
            }
        }
    }
}
