//! Owns the kinds of warning: `Fault`, `Note` and `Reason`, each with its numbers. `report` turns them into sentences.

use serde::{Deserialize, Serialize};

use crate::metrics::{Known, LoadKind};

/// Send lag above its limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lateness {
    /// The 99th percentile of the send lag, in seconds.
    pub send_lag_p99_s: f64,
    /// The limit of it, in seconds.
    pub send_lag_limit_s: f64,
    /// The kind of load: the advice depends on it.
    pub load: LoadKind,
}

/// What is wrong with the generator: `health.fault_kinds` in `result.json`. Each makes a pass inconclusive.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// Requests were sent late, and an objective counts from the planned instant.
    Late(Lateness),
    /// Fewer requests were sent than planned.
    NotSent {
        /// Sent over planned, 0 to 1.
        sent_share: f64,
        /// The kind of load: the advice depends on it.
        load: LoadKind,
    },
    /// Requests were shed at the in-flight cap.
    Shed {
        /// How many.
        requests: u64,
    },
    /// Tasks of the generator died.
    Abandoned {
        /// How many requests they held.
        requests: u64,
    },
    /// Requests in flight and the time in the system contradict each other (Little's law).
    LittleLaw {
        /// `health.little_residual`, relative.
        residual: f64,
    },
    /// The outcomes do not add up to the planned requests.
    CountsDoNotBalance,
    /// A planned request that came due left no record.
    RecordsMissing {
        /// Planned requests that came due.
        due: u64,
        /// Records.
        recorded: u64,
    },
    /// The shards of one load did not start at the same instant.
    ShardsApart {
        /// Between the earliest and the latest start, in seconds.
        apart_s: f64,
        /// The limit of it, in seconds.
        limit_s: f64,
    },
    /// The run was killed: its figures are of the records that were on disk.
    DidNotEnd {
        /// How many records.
        records: u64,
    },
}

/// What a reader should know of a trial: `health.note_kinds` in `result.json`. It changes no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Note {
    /// Requests were sent late, and no objective counts from the planned instant.
    LateUntouched(Lateness),
    /// The last requests saw an emptying server.
    TailUnloaded {
        /// Share of the time in the system after the load had ended, 0 to 1.
        tail_share: f64,
        /// The kind of load: the advice depends on it.
        load: LoadKind,
    },
    /// Requests in flight grew or shrank over the window.
    Unsteady {
        /// `health.window_residual`, relative.
        window_residual: f64,
        /// The kind of load: the advice depends on it.
        load: LoadKind,
    },
    /// Answers are longer than was asked: the server does not know the field of the length.
    AnswersLonger {
        /// Answers of another length than was asked.
        answers: u64,
        /// Mean output tokens asked for.
        asked_mean: f64,
        /// Mean output tokens by the server's count.
        server_mean: f64,
    },
    /// Answers have another length than was asked, and are not longer in the mean.
    LengthMismatch {
        /// How many.
        answers: u64,
    },
    /// The server counts other prompt tokens than were asked.
    PromptTokensApart {
        /// Mean prompt tokens asked for.
        asked_mean: f64,
        /// Mean prompt tokens by the server's count.
        server_mean: f64,
        /// Whether the model's own tokenizer made the prompts.
        counted: bool,
    },
    /// Most answers came in one read: something between server and generator buffers.
    Buffered {
        /// Answers of several token-bearing events that came in one read.
        one_read: u64,
        /// Answers of several token-bearing events.
        answers: u64,
    },
    /// Answers show no text although the server counts tokens.
    Unseen {
        /// How many.
        answers: u64,
        /// Their tokens by the server's count.
        tokens: u64,
    },
    /// Answers hide a part of their tokens.
    Hidden {
        /// How many.
        answers: u64,
        /// Tokens that no event shows.
        tokens: u64,
        /// Median of the first counted token, from the planned instant, in seconds; absent without a running count.
        first_counted_p50_s: Option<Known>,
        /// The 99th percentile of the first counted token, in seconds.
        first_counted_p99_s: Option<Known>,
    },
    /// Answers ended with `[DONE]` and without a finish reason.
    NoFinishReason {
        /// How many.
        answers: u64,
    },
    /// Answers have token counts that cannot be true.
    UsageOdd {
        /// How many.
        answers: u64,
    },
    /// Answers came without token counts, and nothing else counted their tokens.
    UsageMissing {
        /// How many.
        answers: u64,
        /// Whether the answers were streamed: then events were counted in place of tokens.
        streamed: bool,
    },
    /// Answers came without token counts, and a tokenizer counted their text.
    UsageCounted {
        /// How many.
        answers: u64,
    },
    /// Turns whose turn before them was not over when the drain ended.
    TurnsNotDue {
        /// How many.
        turns: u64,
    },
    /// Planned requests after the instant at which the run was stopped.
    RequestsNotDue {
        /// How many.
        requests: u64,
    },
    /// Certificates were not checked.
    Insecure,
}

/// What helps against requests that missed: a lower rate mends what is slow, not what is refused or gone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Remedy {
    /// The target was lost: look at it.
    TargetLost {
        /// When, in seconds from the origin.
        at_s: f64,
    },
    /// The server refused requests: ask for no more than it takes.
    Refused {
        /// Refused requests.
        refused: u64,
        /// Planned requests.
        planned: u64,
        /// Completed requests per second of the window.
        completed_per_s: f64,
    },
    /// Most requests failed or timed out: look at their reasons.
    Failures {
        /// Failed and timed out.
        gone: u64,
        /// Planned requests.
        planned: u64,
    },
    /// Lower the rate, or raise the limit.
    LowerRate,
}

/// Why an objective is not met or not decided: `slo.objectives[].reason_kind` in `result.json`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reason {
    /// Not met: more requests missed it than are allowed.
    Missed {
        /// Requests that missed it.
        misses: u64,
        /// Requests for which that is decided.
        decided: u64,
        /// The share of misses that is allowed, 0 to 1.
        allowed_share: f64,
        /// What helps.
        remedy: Remedy,
    },
    /// Not met: requests are beyond a maximum.
    BeyondMaximum {
        /// How many.
        misses: u64,
        /// What helps.
        remedy: Remedy,
    },
    /// Not met: the mean is above the limit.
    MeanAbove {
        /// The mean, in seconds.
        mean_s: Option<f64>,
        /// The limit, in seconds.
        limit_s: f64,
    },
    /// No request fell into the measured window.
    NothingMeasured,
    /// The server hides all output tokens.
    NothingSeen {
        /// Answers without any text.
        answers: u64,
    },
    /// No request says anything about it.
    NothingDecided,
    /// The share of misses depends on requests that were cut off.
    DependsOnCutOff {
        /// How many.
        requests: u64,
    },
    /// Requests were cut off before it was known whether they are beyond a maximum.
    MaximumCutOff {
        /// How many.
        requests: u64,
    },
    /// Requests were cut off before their value was known, so that the mean has no upper bound.
    MeanCutOff {
        /// How many.
        requests: u64,
    },
    /// The requests in flight grew over the whole window.
    BacklogGrew {
        /// Requests that missed it.
        misses: u64,
        /// Requests, those that were cut off too.
        requests: u64,
    },
    /// The requests in flight grew over the whole window, and the objective limits a mean.
    BacklogGrewUnderMean,
    /// No miss at all is allowed, which no sample can certify.
    NoMissAllowed,
    /// Too few requests to decide it.
    TooFew {
        /// Requests that missed it.
        misses: u64,
        /// Requests, those that were cut off too.
        requests: u64,
        /// The independent requests that they are worth; absent where that is about as many.
        effective_requests: Option<f64>,
        /// Further requests that a decision needs, about.
        requests_needed: u64,
        /// How much longer the window has to be for them, in seconds; absent where that is not known.
        duration_needed_s: Option<f64>,
    },
    /// The share of misses is too close to the allowed one.
    TooClose {
        /// Requests that missed it.
        misses: u64,
        /// Requests, those that were cut off too.
        requests: u64,
        /// The share of misses that is allowed, 0 to 1.
        allowed_share: f64,
    },
    /// Too few independent requests for an interval of the mean.
    MeanTooFew,
    /// The interval of the mean holds the limit.
    MeanTooClose {
        /// How much longer the window has to be for a decision, in seconds; absent where that is not known.
        duration_needed_s: Option<f64>,
    },
    /// Fewer requests were offered than the goodput that is asked.
    OfferedTooLittle {
        /// Planned requests per second of the window.
        offered_per_s: f64,
        /// Good requests per second that are asked.
        asked_per_s: f64,
    },
    /// Something between server and generator buffers, and the objective limits a time inside an answer.
    Buffered {
        /// Answers of several token-bearing events that came in one read.
        one_read: u64,
        /// Answers of several token-bearing events.
        answers: u64,
    },
}

/// Why a verdict is not a pass: one of `verdict.reason_kinds` in `result.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum VerdictReason {
    /// An objective is not met or not decided.
    Objective {
        /// The objective, canonically.
        objective: String,
        /// Why.
        #[serde(flatten)]
        reason: Reason,
    },
    /// Something is wrong with the generator.
    Generator(Fault),
}

impl VerdictReason {
    /// The kind of an objective's reason; none where the generator is at fault.
    #[must_use]
    pub const fn of_objective(&self) -> Option<Reason> {
        match self {
            Self::Objective { reason, .. } => Some(*reason),
            Self::Generator(_) => None,
        }
    }

    /// The generator's fault; none where an objective is the reason.
    #[must_use]
    pub const fn fault(&self) -> Option<Fault> {
        match self {
            Self::Generator(fault) => Some(*fault),
            Self::Objective { .. } => None,
        }
    }
}
