//! Owns `Fleet`: the replicas of each kind of hardware that carry a demand, as a result stores them.

use serde::Serialize;

use crate::sizing::{Assumption, Balancing, Capacity, CheckView, Demand, FleetNote, Price, UnitCost};

/// One kind of hardware, as the result stores it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ChoiceView {
    /// The name of the kind.
    pub name: String,
    /// The rate that one replica carries, with its evidence.
    pub capacity: Capacity,
    /// Whether the rate is the lower bound of a confidence interval.
    pub certified: bool,
    /// Whether the rate was measured on a simulated server.
    pub simulated: bool,
    /// GPUs of one replica.
    pub gpus_per_replica: u32,
    /// The price of one GPU per hour; `null` without a price.
    pub price_per_gpu_hour: Option<Price>,
    /// The most replicas available; `null` without a limit.
    pub stock: Option<u64>,
    /// The number of replicas of this kind in the fleet.
    pub replicas: u64,
    /// The number of replicas that a fleet of this kind alone would need; `null` if the stock is smaller.
    pub replicas_alone: Option<u64>,
    /// The cost of `replicas_alone` per hour; `null` without a price.
    pub alone_cost_per_hour: Option<f64>,
    /// The cost of a unit of work at the rate under the objectives; `null` without a price.
    pub at_slo_rate: Option<UnitCost>,
}

/// One class of the mix that a fleet is sized for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ClassInFleet {
    /// The name of the class.
    pub name: String,
    /// Its share of the requests, 0 to 1.
    pub share: f64,
    /// Its part of the demand, in requests per second.
    pub demand_per_s: f64,
    /// Its part of the rate by which one replica is sized, in requests per second; `null` if several kinds are mixed.
    pub per_replica_rate_per_s: Option<f64>,
    /// Its part of the rate that all replicas together carry, in requests per second.
    pub carried_per_s: f64,
}

/// The `fleet` object of `result.json`. Its sentences are empty until `report` writes them from the kinds and the
/// numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Fleet {
    /// Replicas that carry the demand including imbalance, without headroom and without spares.
    pub replicas_to_carry: u64,
    /// Replicas with headroom and spares, by the lower bounds of the rates.
    pub replicas: u64,
    /// GPUs of the fleet.
    pub gpus: u64,
    /// Cost of the fleet per hour; `null` without prices.
    pub cost_per_hour: Option<f64>,
    /// Cost of the fleet per month of 730 h; `null` without prices.
    pub cost_per_month: Option<f64>,
    /// The rate by which one replica is sized, in requests per second; `null` if several kinds are mixed.
    pub per_replica_rate_per_s: Option<f64>,
    /// The peak demand, in requests per second.
    pub demand_per_s: f64,
    /// h, the headroom as a share.
    pub headroom: f64,
    /// ι, the imbalance as a share.
    pub imbalance: f64,
    /// k, the number of replicas that may be lost.
    pub redundancy: u32,
    /// How requests are assumed to be split.
    pub balancing: Balancing,
    /// Replicas by the upper bounds of the rates (`null` if a rate has no upper bound), then by the lower bounds.
    pub interval: [Option<u64>; 2],
    /// Replicas by the best estimates of the rates.
    pub replicas_at_best: u64,
    /// Whether every rate of the fleet is the lower bound of a confidence interval.
    pub certified: bool,
    /// Whether it is proven that no cheaper fleet exists.
    pub proven_cheapest: bool,
    /// The demand, and how it varies over time.
    pub demand: Demand,
    /// The kinds of hardware, in the order given.
    pub choices: Vec<ChoiceView>,
    /// The classes of the mix that the rates were measured with, by name; empty without a mix.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassInFleet>,
    /// The formula with its numbers.
    pub formula: String,
    /// The sentences of `sentence_kinds`.
    pub sentences: Vec<String>,
    /// Notes, for example how many replicas more testing could save.
    pub sentence_kinds: Vec<FleetNote>,
    /// The sentences of `assumption_kinds`.
    pub assumptions: Vec<String>,
    /// The assumptions of the fleet.
    pub assumption_kinds: Vec<Assumption>,
    /// The result of the check by simulation; absent if none was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckView>,
}

impl Fleet {
    /// The rate that all replicas together carry, by the lower bounds of the rates, in requests per second.
    #[must_use]
    pub(crate) fn carried_per_s(&self) -> f64 {
        self.choices.iter().map(|choice| choice.replicas as f64 * choice.capacity.rate_per_s.low().per_s()).sum()
    }

    /// The fleet with the classes of the mix that its rates were measured with, and their shares of the requests.
    #[must_use]
    pub(crate) fn of_classes(mut self, shares: &[(String, f64)]) -> Self {
        let (demand, replica, carried) = (self.demand_per_s, self.per_replica_rate_per_s, self.carried_per_s());
        let class = |(name, share): &(String, f64)| ClassInFleet {
            name: name.clone(),
            share: *share,
            demand_per_s: share * demand,
            per_replica_rate_per_s: replica.map(|rate| share * rate),
            carried_per_s: share * carried,
        };
        self.classes = shares.iter().map(class).collect();
        self
    }

    /// Whether the fleet has more than one kind of hardware.
    #[must_use]
    pub(crate) fn is_mixed(&self) -> bool {
        self.choices.iter().filter(|choice| choice.replicas > 0).count() > 1
    }
}
