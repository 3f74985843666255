//! Owns `Quantity`: what is read from a server or a host, whatever the server calls it.

use serde::{Deserialize, Serialize};

/// One quantity of a server or a host, in the unit that its key names. The order is that of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Requests in the batches of the model.
    Running,
    /// Requests that wait to be scheduled.
    Waiting,
    /// The used share of the KV cache, from 0 to 1.
    KvUse,
    /// Requests that lost their place in the KV cache, since the server began.
    Preemptions,
    /// Prompt tokens that were looked up in the prefix cache, since the server began.
    PrefixQueriedTokens,
    /// Prompt tokens that the prefix cache held, since the server began.
    PrefixHitTokens,
    /// Prompt tokens, since the server began.
    InputTokens,
    /// Generated tokens, since the server began.
    OutputTokens,
    /// The busy share of the GPUs, from 0 to 1; their mean.
    GpuUse,
    /// Used memory of all GPUs in bytes.
    GpuMemoryBytes,
    /// Power of all GPUs in watts.
    PowerW,
    /// Energy of all GPUs in joules, since their driver was loaded.
    EnergyJ,
    /// The busy share of the processors of the load generator's host, from 0 to 1.
    HostCpu,
    /// Used memory of the load generator's host in bytes.
    HostMemoryBytes,
}

/// How the values of several series of one quantity become one value, and what a window shows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combined {
    /// A level that adds up over series. A window shows its mean and its largest value.
    Sum,
    /// A level whose series are averaged. A window shows its mean and its largest value.
    Mean,
    /// A counter that adds up over series. A window shows its increase.
    Total,
}

impl Quantity {
    /// How its series are combined.
    #[must_use]
    pub const fn combined(self) -> Combined {
        match self {
            Self::KvUse | Self::GpuUse | Self::HostCpu => Combined::Mean,
            Self::Running | Self::Waiting | Self::GpuMemoryBytes | Self::PowerW | Self::HostMemoryBytes => {
                Combined::Sum
            }
            Self::Preemptions
            | Self::PrefixQueriedTokens
            | Self::PrefixHitTokens
            | Self::InputTokens
            | Self::OutputTokens
            | Self::EnergyJ => Combined::Total,
        }
    }
}
