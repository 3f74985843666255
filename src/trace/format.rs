//! Owns `Format`: the trace formats and the units of their times.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;

/// The format of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// CSV by Microsoft: dates with up to nine digits, context and generated tokens.
    Azure,
    /// CSV by HPMLL: seconds, request and response tokens, sessions in its third version.
    BurstGpt,
    /// JSONL by Moonshot: milliseconds, lengths, prefix blocks of 512 tokens.
    Mooncake,
    /// JSONL by Alibaba (Qwen): seconds, lengths, prefix blocks of 16 tokens, conversations.
    Bailian,
    /// JSONL of retrieval-augmented requests: whole seconds as text, lengths, sessions.
    RagPulse,
    /// JSON of agents' conversations: seconds from the start of each conversation, lengths, prefix blocks of 64 tokens.
    Weka,
    /// JSONL workloads: instants in milliseconds, each with a list of requests.
    AiBrix,
    /// CSV: seconds, prefill and decode tokens.
    Vidur,
    /// Spans of generative requests: nanoseconds or dates, token usage, conversations.
    Otel,
    /// Logs of a proxy: seconds since 1970 or dates, token usage, sessions.
    LiteLlm,
    /// JSONL of whole request bodies: seconds or dates.
    Bodies,
    /// CSV whose columns the user named.
    Csv,
    /// JSONL whose keys the user named.
    Jsonl,
    /// A folder of clients, from which requests are drawn. No file has this format.
    ServeGen,
}

impl Format {
    /// Every format of a file.
    pub const ALL: [Self; 13] = [
        Self::Azure,
        Self::BurstGpt,
        Self::Mooncake,
        Self::Bailian,
        Self::RagPulse,
        Self::Weka,
        Self::AiBrix,
        Self::Vidur,
        Self::Otel,
        Self::LiteLlm,
        Self::Bodies,
        Self::Csv,
        Self::Jsonl,
    ];

    /// How people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Azure => "azure",
            Self::BurstGpt => "burstgpt",
            Self::Mooncake => "mooncake",
            Self::Bailian => "bailian",
            Self::RagPulse => "ragpulse",
            Self::Weka => "weka",
            Self::AiBrix => "aibrix",
            Self::Vidur => "vidur",
            Self::Otel => "otel",
            Self::LiteLlm => "litellm",
            Self::Bodies => "bodies",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::ServeGen => "servegen",
        }
    }

    /// The unit of the times of the format. For `csv` and `jsonl` it is the unit that applies when none is named.
    pub(crate) const fn time_unit(self) -> &'static str {
        match self {
            Self::Azure => "dates",
            Self::BurstGpt | Self::Bailian | Self::RagPulse | Self::Vidur | Self::ServeGen => "seconds",
            Self::Weka => "seconds from each session's start",
            Self::Mooncake | Self::AiBrix => "milliseconds",
            Self::Otel => "nanoseconds since 1970 or dates",
            Self::LiteLlm => "seconds since 1970 or dates",
            Self::Bodies => "seconds or dates",
            Self::Csv | Self::Jsonl => TimeUnit::Nanoseconds.plural(),
        }
    }

    /// Whether the times count from a zero of the recording. If they do, a jump backwards begins another recording.
    pub(crate) const fn has_own_clock(self) -> bool {
        !matches!(self, Self::Otel | Self::LiteLlm | Self::Bodies | Self::Weka)
    }

    pub(crate) const fn is_generic(self) -> bool {
        matches!(self, Self::Csv | Self::Jsonl)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Format {
    type Err = Refusal;

    /// Reads the name of a format.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::ALL.into_iter().find(|format| format.name() == text.trim()).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|format| format.name()).collect();
            Refusal::new(format!("`{text}` is not a trace format"), format!("accepted is {}", names.join(", ")))
        })
    }
}

/// The unit of the times of a `csv` or `jsonl` trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// `s`
    Seconds,
    /// `ms`
    Milliseconds,
    /// `us`
    Microseconds,
    /// `ns`
    Nanoseconds,
    /// `date`: a date and time, in UTC when it has no zone.
    Date,
}

impl TimeUnit {
    /// Every unit.
    pub(crate) const ALL: [Self; 5] =
        [Self::Seconds, Self::Milliseconds, Self::Microseconds, Self::Nanoseconds, Self::Date];

    /// How people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Nanoseconds => "ns",
            Self::Date => "date",
        }
    }

    /// The plural name of the unit, for messages.
    pub(crate) const fn plural(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
            Self::Date => "dates",
        }
    }
}

impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for TimeUnit {
    type Err = Refusal;

    /// Reads `s`, `ms`, `us`, `ns`, `date`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::ALL
            .into_iter()
            .find(|unit| unit.name() == text.trim())
            .ok_or_else(|| Refusal::new(format!("`{text}` is not a unit of time"), "accepted is s, ms, us, ns or date"))
    }
}
