//! Owns `Removal` and `Dropped`: why requests were removed from a plan, and how many.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::trace::RemovalReason;

/// Why a request was removed from the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Removal {
    /// Over the provider's quota.
    Quota,
    /// A row of a trace that was left out.
    #[serde(untagged)]
    Row(RemovalReason),
}

impl Removal {
    /// The reason in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quota => "over the quota",
            Self::Row(reason) => reason.name(),
        }
    }
}

/// How many requests were removed from the plan, by reason; reasons that removed none are left out.
pub(crate) type Dropped = BTreeMap<Removal, u64>;
