//! Owns `PlanParts`: the serialised form of a plan. Another process can build the same plan from it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::schedule::Quota;
use crate::seed::Seed;
use crate::units::Shard;
use crate::workload::{Load, Plan, Workload};

/// The parts from which a plan is built.
#[derive(Serialize, Deserialize)]
struct PlanParts {
    load: Load,
    workload: Workload,
    seed: Seed,
    quota: Option<Quota>,
    shard: Option<Shard>,
}

impl Serialize for Plan {
    /// Fails when a tokenizer counts the prompts, or the caller's own content makes the messages.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PlanParts {
            load: self.load().clone(),
            workload: self.workload().clone(),
            seed: self.seed(),
            quota: self.quota(),
            shard: self.shard(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Plan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let PlanParts { load, workload, seed, quota, shard } = PlanParts::deserialize(deserializer)?;
        let plan = Self::new(load, workload, seed, quota);
        Ok(match shard {
            Some(shard) => plan.sharded(shard),
            None => plan,
        })
    }
}
