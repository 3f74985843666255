//! Owns `Metric`, the catalogue of metrics: key, title, unit, origins and meaning of each. All other code iterates the
//! catalogue.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::units::wrapped;

/// The metrics, in the order in which every table lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Time to first token.
    Ttft,
    /// Time to first token that is not reasoning.
    Ttfo,
    /// Time to the last token; for an answer that is not streamed, time to its end.
    E2e,
    /// Time per output token after the first.
    Tpot,
    /// End-to-end time divided by the number of output tokens.
    Ntpot,
    /// Gaps between token-bearing events, pooled.
    Itl,
    /// Gaps between token-bearing events, weighted by tokens.
    Tbt,
    /// The longest gap of a request.
    Stall,
    /// How late the generator sent the request.
    SendLag,
    /// How late the generator read the first token.
    WakeLag,
    /// Tokens per second that one user sees.
    OutputSpeed,
    /// Input tokens.
    InputTokens,
    /// Output tokens.
    OutputTokens,
}

/// Where the clock of a latency starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OriginOf {
    /// At the planned instant: the headline, free of coordinated omission.
    Scheduled,
    /// At the send (suffix `_service`).
    Service,
}

/// The unit of a metric. Values are summed in whole "ticks" of the unit: such sums are exact, so the order of adding
/// has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds; ticks are nanoseconds.
    Seconds,
    /// Tokens per second; ticks are thousandths.
    TokensPerSecond,
    /// Tokens; ticks are tokens.
    Tokens,
}

impl Unit {
    /// `s`, `tokens/s` or `tokens`: the unit of the JSON keys.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::TokensPerSecond => "tokens/s",
            Self::Tokens => "tokens",
        }
    }

    /// Ticks in one unit.
    #[must_use]
    pub const fn ticks(self) -> f64 {
        match self {
            Self::Seconds => 1e9,
            Self::TokensPerSecond => 1e3,
            Self::Tokens => 1.0,
        }
    }

    /// Ticks in one step of the histogram's scale. Histograms keep times in whole microseconds.
    #[must_use]
    pub const fn ticks_per_count(self) -> u64 {
        match self {
            Self::Seconds => 1_000,
            Self::TokensPerSecond | Self::Tokens => 1,
        }
    }
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Lower is better; a missing value counts as +∞.
    Lower,
    /// Higher is better; a missing value counts as 0.
    Higher,
    /// Neither.
    Neither,
}

/// One row of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogueRow {
    /// Key in JSON, CSV and objectives.
    pub key: &'static str,
    /// Heading in tables.
    pub title: &'static str,
    /// Unit of the values.
    pub unit: Unit,
    /// Whether the metric exists from both origins.
    pub two_origins: bool,
    /// Whether the metric exists only when answers are streamed.
    pub streamed_only: bool,
    /// Which way is better.
    pub better: Direction,
    /// What the metric means, in one sentence.
    pub sentence: &'static str,
}

const fn row(
    key: &'static str,
    title: &'static str,
    unit: Unit,
    flags: (bool, bool),
    better: Direction,
    sentence: &'static str,
) -> CatalogueRow {
    CatalogueRow { key, title, unit, two_origins: flags.0, streamed_only: flags.1, better, sentence }
}

#[rustfmt::skip]
const CATALOGUE: [CatalogueRow; 13] = [
    row("ttft", "Time to first token", Unit::Seconds, (true, true), Direction::Lower,
        "First non-empty delta (reasoning counts) minus origin."),
    row("ttfo", "Time to first answer token", Unit::Seconds, (true, true), Direction::Lower,
        "First non-empty delta that is not reasoning, minus origin; equals ttft without reasoning."),
    row("e2e", "End-to-end latency", Unit::Seconds, (true, false), Direction::Lower,
        "Last non-empty delta minus origin; not streamed: end of the answer minus origin."),
    row("tpot", "Time per output token", Unit::Seconds, (false, true), Direction::Lower,
        "(Last token - first token) / (n - k), n output tokens, k of them in the first event (1 if unknown); undefined \
         at n = k."),
    row("ntpot", "Normalised time per output token", Unit::Seconds, (true, false), Direction::Lower,
        "e2e / n, n output tokens."),
    row("itl", "Inter-token latency", Unit::Seconds, (false, true), Direction::Lower,
        "Each gap between successive token-bearing events, pooled; objectives judge the mean gap of each request."),
    row("tbt", "Time between tokens", Unit::Seconds, (false, true), Direction::Lower,
        "The gaps of itl weighted by tokens: a gap with k tokens is k samples of gap / k; absent where k is unknown."),
    row("stall", "Longest stall", Unit::Seconds, (false, true), Direction::Lower,
        "The longest gap between token-bearing events of a request: what a person sees as a freeze."),
    row("send_lag", "Send lag", Unit::Seconds, (false, false), Direction::Lower,
        "Scheduled to sent, and from there (or connected) to the first byte written: the generator's own error."),
    row("wake_lag", "Wake lag", Unit::Seconds, (false, false), Direction::Lower,
        "Our thread's read minus the kernel's stamp, of the first token: in no latency, where the kernel stamps."),
    row("output_speed", "Output speed per user", Unit::TokensPerSecond, (false, true), Direction::Higher,
        "(n - k) / (last token - first token), n output tokens, k of them in the first event (1 if unknown)."),
    row("input_tokens", "Input tokens", Unit::Tokens, (false, false), Direction::Neither,
        "Prompt tokens as the server reports them, else as a tokenizer counts them, else as planned."),
    row("output_tokens", "Output tokens", Unit::Tokens, (false, false), Direction::Neither,
        "Answer tokens as the server reports them, reasoning included; else as a tokenizer counts them; else events."),
];

impl Metric {
    /// Every metric, in the order of the catalogue.
    pub const ALL: [Self; 13] = [
        Self::Ttft,
        Self::Ttfo,
        Self::E2e,
        Self::Tpot,
        Self::Ntpot,
        Self::Itl,
        Self::Tbt,
        Self::Stall,
        Self::SendLag,
        Self::WakeLag,
        Self::OutputSpeed,
        Self::InputTokens,
        Self::OutputTokens,
    ];

    /// Its row.
    #[must_use]
    pub const fn row(self) -> &'static CatalogueRow {
        &CATALOGUE[self as usize]
    }

    /// Its key.
    #[must_use]
    pub const fn key(self) -> &'static str {
        self.row().key
    }

    /// Its unit.
    #[must_use]
    pub const fn unit(self) -> Unit {
        self.row().unit
    }

    /// Its origins: both, or only `Scheduled` where the metric does not depend on the origin.
    #[must_use]
    pub const fn origins(self) -> &'static [OriginOf] {
        if self.row().two_origins { &[OriginOf::Scheduled, OriginOf::Service] } else { &[OriginOf::Scheduled] }
    }

    /// Whether it exists for answers that are streamed (`streamed`) and that hold output tokens (`of_tokens`), or not.
    #[must_use]
    pub const fn is_defined(self, streamed: bool, of_tokens: bool) -> bool {
        let needs_tokens = self.row().streamed_only || matches!(self, Self::Ntpot | Self::OutputTokens);
        (streamed || !self.row().streamed_only) && (of_tokens || !needs_tokens)
    }

    /// Whether an objective may limit it: true for the latencies of the service; false for the generator's lags, speeds
    /// and counts.
    #[must_use]
    pub const fn is_objective(self) -> bool {
        matches!(self.unit(), Unit::Seconds) && !matches!(self, Self::SendLag | Self::WakeLag)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

impl std::str::FromStr for Metric {
    type Err = Refusal;

    /// Reads a key of the catalogue, or the spelling of another tool (`e2el`, `request_latency`,
    /// `inter_token_latency`, …).
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let text = text.trim().to_ascii_lowercase().replace('-', "_");
        if let Some(metric) = Self::ALL.into_iter().find(|metric| metric.key() == text) {
            return Ok(metric);
        }
        Ok(match text.as_str() {
            "e2el" | "latency" | "request_latency" | "end_to_end_latency" => Self::E2e,
            "time_to_first_token" => Self::Ttft,
            "ttfot" | "time_to_first_output_token" => Self::Ttfo,
            "time_per_output_token" => Self::Tpot,
            "inter_token_latency" => Self::Itl,
            _ => {
                let keys: Vec<&str> = Self::ALL.iter().map(|metric| metric.key()).collect();
                return Err(Refusal::new(
                    format!("`{text}` is not a metric"),
                    format!("accepted is {}", keys.join(", ")),
                ));
            }
        })
    }
}

/// The text of `help metrics`: every row of the catalogue.
#[must_use]
pub(crate) fn help_metrics() -> String {
    let mut text = String::from(
        "Every latency counts from the planned instant (`scheduled`); the latency from\n\
         the send is shown beside it (`_service`). Failed, timed-out and shed requests\n\
         count as +inf. A request that our drain cut off is censored at its age, never\n\
         dropped.\n\n",
    );
    for metric in Metric::ALL {
        let row = metric.row();
        let origins = if row.two_origins { ", also from the send" } else { "" };
        let _ = writeln!(
            text,
            "{:<14}{} [{}{origins}]\n{:14}{}",
            row.key,
            row.title,
            row.unit.name(),
            "",
            wrapped(row.sentence, 80, 14)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_read_by_its_key_and_stands_in_its_own_row() {
        for metric in Metric::ALL {
            assert_eq!(metric.key().parse(), Ok(metric));
            assert_eq!(serde_json::to_string(&metric).unwrap(), format!("\"{}\"", metric.key()));
        }
    }

    #[test]
    fn names_of_other_tools_are_understood_and_unknown_ones_refused() {
        for (text, metric) in
            [("e2el", Metric::E2e), ("Inter-Token-Latency", Metric::Itl), ("request_latency", Metric::E2e)]
        {
            assert_eq!(text.parse(), Ok(metric), "{text}");
        }
        let refusal = "latencyy".parse::<Metric>().unwrap_err();
        assert!(refusal.accepted.contains("ttft, ttfo, e2e"), "{refusal}");
    }

    #[test]
    fn help_prints_the_catalogue() {
        let text = help_metrics();
        let one = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for metric in Metric::ALL {
            assert!(text.contains(metric.key()) && one.contains(metric.row().sentence));
        }
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
