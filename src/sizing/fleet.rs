//! Owns `Fleet`: the replicas that carry a demand, kind by kind, as they stand in a result.

use serde::Serialize;

use crate::sizing::{Assumption, Balancing, Capacity, CheckView, Demand, FleetNote, Price, UnitCost};

/// One kind of hardware, as it stands in the result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChoiceView {
    /// What people call it.
    pub name: String,
    /// What one replica carries, and where that is from.
    pub capacity: Capacity,
    /// Whether an interval stands behind that.
    pub certified: bool,
    /// Whether it was measured on a simulated server.
    pub simulated: bool,
    /// GPUs of one replica.
    pub gpus_per_replica: u32,
    /// What one GPU costs in an hour.
    pub price_per_gpu_hour: Option<Price>,
    /// The most replicas there are.
    pub stock: Option<u64>,
    /// How many the fleet has.
    pub replicas: u64,
    /// How many would do it alone; `null` where the stock is smaller.
    pub replicas_alone: Option<u64>,
    /// What these cost in an hour.
    pub alone_cost_per_hour: Option<f64>,
    /// What work costs at the rate under the objectives.
    pub at_slo_rate: Option<UnitCost>,
}

/// The `fleet` object of `result.json`. Its words are empty until `report` makes them of the kinds and the numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fleet {
    /// Replicas that carry the demand, imbalance included, with neither headroom nor spares.
    pub replicas_to_carry: u64,
    /// Replicas with headroom and spares, by the lower bounds of the rates.
    pub replicas: u64,
    /// Their GPUs.
    pub gpus: u64,
    /// What an hour of them costs; `null` without prices.
    pub cost_per_hour: Option<f64>,
    /// What a month (730 h) costs.
    pub cost_per_month: Option<f64>,
    /// What one replica is taken to carry; `null` where several kinds are mixed.
    pub per_replica_rate_per_s: Option<f64>,
    /// The demand at its peak.
    pub demand_per_s: f64,
    /// h.
    pub headroom: f64,
    /// ι.
    pub imbalance: f64,
    /// k.
    pub redundancy: u32,
    /// How requests are taken to be split.
    pub balancing: Balancing,
    /// Replicas by the upper bounds of the rates (`null` where one has none) and by the lower.
    pub interval: [Option<u64>; 2],
    /// Replicas by the best estimates.
    pub replicas_at_best: u64,
    /// Whether an interval stands behind every rate that the fleet rests on.
    pub certified: bool,
    /// Whether no cheaper fleet exists for sure.
    pub proven_cheapest: bool,
    /// What is demanded, and how that varies.
    pub demand: Demand,
    /// The kinds of hardware, in the order given.
    pub choices: Vec<ChoiceView>,
    /// The formula with its numbers in it.
    pub formula: String,
    /// The sentences of `sentence_kinds`.
    pub sentences: Vec<String>,
    /// What else there is to know, and what more testing would buy.
    pub sentence_kinds: Vec<FleetNote>,
    /// The sentences of `assumption_kinds`.
    pub assumptions: Vec<String>,
    /// What all that rests on.
    pub assumption_kinds: Vec<Assumption>,
    /// What simulated replicas make of the demand, where that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckView>,
}

impl Fleet {
    /// Requests per second that all of it carries, by the lower bounds of the rates.
    #[must_use]
    pub fn carried_per_s(&self) -> f64 {
        self.choices.iter().map(|choice| choice.replicas as f64 * choice.capacity.rate_per_s.low().per_s()).sum()
    }

    /// Whether more than one kind of hardware is in it.
    #[must_use]
    pub fn is_mixed(&self) -> bool {
        self.choices.iter().filter(|choice| choice.replicas > 0).count() > 1
    }
}
