//! Owns the kinds of warning: `Fault`, `Note` and `Reason`, each with its numbers. `report` turns them into sentences.

use serde::{Deserialize, Serialize};

use crate::metrics::{Known, LoadKind};

/// Send lag above its limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lateness {
    /// The 99th percentile of the send lag, in seconds.
    pub send_lag_p99_s: f64,
    /// The limit of the send lag, in seconds.
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
        /// Sent ÷ planned requests, 0 to 1.
        sent_share: f64,
        /// The kind of load: the advice depends on it.
        load: LoadKind,
    },
    /// Bodies of requests were not built in time.
    BodiesLate {
        /// How many.
        requests: u64,
        /// Their share of the planned requests, 0 to 1.
        share: f64,
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
        /// How many requests these tasks held.
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
        /// Planned requests that left a record.
        recorded: u64,
    },
    /// The shards of one load did not start at the same instant.
    ShardsApart {
        /// Time between the earliest and the latest start, in seconds.
        apart_s: f64,
        /// The limit of this time, in seconds.
        limit_s: f64,
    },
    /// The run was killed: its figures cover only the records that were on disk.
    DidNotEnd {
        /// How many records.
        records: u64,
    },
}

/// A note on a trial for the reader: `health.note_kinds` in `result.json`. It changes no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Note {
    /// Requests were sent late, and no objective counts from the planned instant.
    LateUntouched(Lateness),
    /// The last requests saw an emptying server.
    TailUnloaded {
        /// Share of the cohort's time in the system that lies after the end of the load, 0 to 1.
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
    /// Answers are longer than was asked for: the server does not know the field that limits the length.
    AnswersLonger {
        /// Answers whose length differs from the length asked for.
        answers: u64,
        /// Mean output tokens asked for.
        asked_mean: f64,
        /// Mean output tokens by the server's count.
        server_mean: f64,
    },
    /// The plan cancels some requests; no latency and no objective counts them.
    Cancelled {
        /// Requests of the window that it cancels unless they end before.
        picked: u64,
        /// Those of them that were cancelled.
        cancelled: u64,
    },
    /// The length of answers differs from the length asked for, but the mean length is not more than 5 % longer.
    LengthMismatch {
        /// How many.
        answers: u64,
    },
    /// The server's mean count of prompt tokens is more than 5 % off the number asked for.
    PromptTokensApart {
        /// Mean prompt tokens asked for.
        asked_mean: f64,
        /// Mean prompt tokens by the server's count.
        server_mean: f64,
        /// Whether a tokenizer (`--tokenizer`) counted the prompts.
        counted: bool,
        /// Whether the tokens asked for include the chat template (`--chat-template`).
        #[serde(default)]
        templated: bool,
    },
    /// The server's mean count of output tokens is more than 5 % off the count of our tokenizer.
    AnswerTokensApart {
        /// Mean output tokens that the tokenizer counts in the text of answers.
        counted_mean: f64,
        /// Mean output tokens by the server's count.
        server_mean: f64,
    },
    /// Most answers came in one read: something between server and generator buffers.
    Buffered {
        /// Answers of several token-bearing events that came in one read.
        one_read: u64,
        /// Answers of several token-bearing events.
        answers: u64,
    },
    /// Most answers came in one read, because the generator read late.
    ReadLate {
        /// Answers of several token-bearing events that came in one read.
        one_read: u64,
        /// Answers of several token-bearing events.
        answers: u64,
        /// The median time from the kernel's stamp of a first token to its read, in seconds.
        wake_lag_p50_s: f64,
    },
    /// Answers show no text although the server counts tokens.
    Unseen {
        /// How many.
        answers: u64,
        /// Their tokens by the server's count.
        tokens: u64,
    },
    /// Answers hide a tenth or more of their tokens.
    Hidden {
        /// How many.
        answers: u64,
        /// Tokens that no event shows.
        tokens: u64,
        /// Median time from the planned instant to the first counted token, in seconds; absent without a running count.
        first_counted_p50_s: Option<Known>,
        /// 99th percentile of the time from the planned instant to the first counted token, in seconds; absent without
        /// a running count.
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
    /// Requests were sent again on a fresh connection, because the server had closed the first one.
    Retried {
        /// How many.
        requests: u64,
    },
    /// Answers came without token counts, and nothing else counted their tokens.
    UsageMissing {
        /// How many.
        answers: u64,
        /// Whether the answers were streamed. Then events were counted instead of tokens.
        streamed: bool,
    },
    /// Answers to requests without output tokens (embeddings) came without token counts: their input tokens are those
    /// that the plan asked for.
    InputAsAsked {
        /// How many.
        answers: u64,
    },
    /// Answers came without token counts, and a tokenizer counted their text.
    UsageCounted {
        /// How many.
        answers: u64,
    },
    /// Turns of which the previous turn had not ended when the drain ended.
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

/// The remedy for requests that missed. A lower rate helps against slow requests, not against failures or a lost
/// target.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Remedy {
    /// The target was lost: look at it.
    TargetLost {
        /// When the target was lost, in seconds from the origin.
        at_s: f64,
    },
    /// The server refused requests: offer no more than it accepts.
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
        /// Failed and timed-out requests.
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
    /// Not met: more requests missed the limit than are allowed.
    Missed {
        /// Requests that missed the limit.
        misses: u64,
        /// Requests that met or missed the limit.
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
    /// No request decides the objective.
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
        /// Requests that missed the limit.
        misses: u64,
        /// Requests, including those that were cut off.
        requests: u64,
    },
    /// The requests in flight grew over the whole window, and the objective limits a mean.
    BacklogGrewUnderMean,
    /// No miss is allowed, which no sample can certify.
    NoMissAllowed,
    /// Too few requests for a decision.
    TooFew {
        /// Requests that missed the limit.
        misses: u64,
        /// Requests, including those that were cut off.
        requests: u64,
        /// How many independent requests `requests` are worth; absent where that is at least 95 % of `requests`.
        effective_requests: Option<f64>,
        /// About how many more requests a decision needs.
        requests_needed: u64,
        /// By how many seconds the window has to be longer to hold `requests_needed` more requests; absent where that
        /// is not known.
        duration_needed_s: Option<f64>,
    },
    /// The share of misses is too close to the allowed share.
    TooClose {
        /// Requests that missed the limit.
        misses: u64,
        /// Requests, including those that were cut off.
        requests: u64,
        /// The share of misses that is allowed, 0 to 1.
        allowed_share: f64,
    },
    /// Too few independent requests for an interval of the mean.
    MeanTooFew,
    /// The interval of the mean contains the limit.
    MeanTooClose {
        /// By how many seconds the window has to be longer for a decision; absent where that is not known.
        duration_needed_s: Option<f64>,
    },
    /// The offered rate is below the goodput that the objective asks for.
    OfferedTooLittle {
        /// Planned requests per second of the window.
        offered_per_s: f64,
        /// Good requests per second that the objective asks for.
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
        /// The objective in its canonical text.
        objective: String,
        /// Why.
        #[serde(flatten)]
        reason: Reason,
    },
    /// Something is wrong with the generator.
    Generator(Fault),
}

impl VerdictReason {
    /// The kind of an objective's reason; `None` where the generator is at fault.
    #[must_use]
    pub const fn of_objective(&self) -> Option<Reason> {
        match self {
            Self::Objective { reason, .. } => Some(*reason),
            Self::Generator(_) => None,
        }
    }

    /// The generator's fault; `None` where an objective is the reason.
    #[must_use]
    pub const fn fault(&self) -> Option<Fault> {
        match self {
            Self::Generator(fault) => Some(*fault),
            Self::Objective { .. } => None,
        }
    }
}
