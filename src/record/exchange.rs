//! Owns `Exchange`: the instants and facts of one request on the wire, and how it ended.

use serde::{Deserialize, Serialize};

use crate::record::{AnswerText, FailureCause};
use crate::units::{Offset, Secrets};

/// What one request on the wire left behind. It keeps its timings even when it failed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Exchange {
    /// The send begins: a connection is asked for.
    pub sent: Option<Offset>,
    /// A connection opened for this request was ready. Absent when an open one was used.
    pub connected: Option<Offset>,
    /// First byte handed to the transport.
    pub written: Option<Offset>,
    /// Status line and headers read.
    pub headers: Option<Offset>,
    /// First event of any kind, role-only and empty ones included.
    pub first_event: Option<Offset>,
    /// First non-empty delta: content, reasoning, refusal, or name or arguments of a tool call.
    pub first_token: Option<Offset>,
    /// First non-empty delta that is not reasoning.
    pub first_answer: Option<Offset>,
    /// Last non-empty delta.
    pub last_token: Option<Offset>,
    /// Stream closed, or the instant we let go.
    pub ended: Option<Offset>,
    /// Events that carried a non-empty delta.
    pub events: u32,
    /// Gaps between successive token-bearing events, in whole microseconds of a cumulative clock, so that they add up
    /// without drift.
    pub event_gaps_us: Vec<u32>,
    /// Tokens of each token-bearing event, where known; else empty.
    pub event_tokens: Vec<u32>,
    /// Tokens that had been written when the first token-bearing event was read, where they are known and more than
    /// one.
    pub first_event_tokens: Option<u32>,
    /// The server's running count, where it grew in events without text.
    pub counting: Option<Counting>,
    /// Tokens that the server counts and no event showed, before its finish reason.
    pub hidden_tokens: u32,
    /// Whether all token-bearing events, two at least, came in one read of the socket.
    pub one_read: bool,
    /// Token counts as the server reports them.
    pub usage: Option<Usage>,
    /// Some of the server's counts were missing, zero or no counts, or shrank, and were ignored.
    pub usage_odd: bool,
    /// Tokens of the prompt text by the client's own tokenizer, special tokens not added; absent without one.
    pub counted_input_tokens: Option<u32>,
    /// Tokens of the answer's text by the client's own tokenizer, counted after the run; absent without one, or
    /// without a text.
    pub counted_output_tokens: Option<u32>,
    /// The answer's text, where a tokenizer is to count it; it goes to the spool, never into the records file.
    pub text: Option<Box<AnswerText>>,
    /// HTTP status.
    pub status: Option<u16>,
    /// The server's finish reason.
    pub finish_reason: Option<Box<str>>,
    /// How it ended.
    pub outcome: Outcome,
}

/// Statuses by which a server that works says that it takes no more for now.
pub const REFUSALS: [u16; 3] = [429, 503, 529];

impl Exchange {
    /// Whether a server that works refused it for load (status 429, 503 or 529).
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_)) && self.status.is_some_and(|status| REFUSALS.contains(&status))
    }

    /// Whether what came was no answer: nothing in it is a token.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        matches!(&self.outcome, Outcome::Failed(failure) if failure.class == FailureClass::Malformed)
    }

    /// Takes `secrets` out of what the server said, should it echo them.
    pub fn hide(&mut self, secrets: &Secrets) {
        if secrets.is_empty() {
            return;
        }
        if let Outcome::Failed(failure) = &mut self.outcome {
            failure.text = secrets.hide_echo(&failure.text).into();
        }
        self.finish_reason = self.finish_reason.take().map(|reason| secrets.hide(&reason).into());
    }

    /// The server's count of the answer's tokens, where it gives one.
    #[must_use]
    pub fn server_output_tokens(&self) -> Option<u32> {
        self.usage.map(|usage| usage.output_tokens).filter(|tokens| *tokens > 0)
    }

    /// The server's count of the prompt's tokens, where it gives one.
    #[must_use]
    pub fn server_input_tokens(&self) -> Option<u32> {
        self.usage.map(|usage| usage.input_tokens).filter(|tokens| *tokens > 0)
    }

    /// Notes a token-bearing event read at `at`; `answer` unless it is reasoning.
    pub fn note_token_event(&mut self, at: Offset, answer: bool) {
        match self.last_token {
            Some(last) => {
                let gap_us = at.as_nanos() / 1_000 - last.as_nanos() / 1_000;
                self.event_gaps_us.push(u32::try_from(gap_us).unwrap_or(u32::MAX));
            }
            None => self.first_token = Some(at),
        }
        if answer && self.first_answer.is_none() {
            self.first_answer = Some(at);
        }
        self.last_token = Some(at);
        self.events += 1;
    }
}

/// How a server's running count of output tokens grew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counting {
    /// The first event with a count above 0.
    pub first: Offset,
    /// Its count.
    pub first_tokens: u32,
    /// The last event before the finish reason with a larger count than any before it.
    pub last: Offset,
    /// Its count.
    pub last_tokens: u32,
}

/// Token counts from the server's `usage` object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// `prompt_tokens`; 0 where the server does not say.
    pub input_tokens: u32,
    /// `completion_tokens`, reasoning included; 0 where the server does not say, although it wrote some.
    pub output_tokens: u32,
    /// `prompt_tokens_details.cached_tokens`.
    pub cached_tokens: Option<u32>,
}

/// How a request ended. Data, never an `Err`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Outcome {
    /// HTTP 2xx, no in-stream error, at least one token, a finish reason or `[DONE]`, every event well formed.
    Completed,
    /// It went wrong.
    Failed(Failure),
    /// The user's patience (`--timeout`, from `sent`) ran out.
    TimedOut,
    /// Our drain ended first: censored at its age.
    Unresolved,
    /// Never sent: the in-flight cap was reached.
    Shed,
    /// Cancelled because the plan said so: censored at its age.
    Cancelled,
    /// A later turn of a session whose earlier turn failed.
    Skipped,
    /// Our own task died. Must not happen.
    #[default]
    Abandoned,
}

/// A failure: its class, what is known of its cause, and the text that explains it to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredFailure")]
pub struct Failure {
    /// The class it is counted under.
    pub class: FailureClass,
    /// What is known beyond the class.
    pub cause: FailureCause,
    /// What was seen, shortened to 300 characters.
    pub text: Box<str>,
}

/// A failure as it is stored: older versions stored no cause, which then stands in the text alone.
#[derive(Deserialize)]
struct StoredFailure {
    class: FailureClass,
    cause: Option<FailureCause>,
    text: Box<str>,
}

impl From<StoredFailure> for Failure {
    fn from(StoredFailure { class, cause, text }: StoredFailure) -> Self {
        Self { class, cause: cause.unwrap_or_else(|| FailureCause::in_words(class.name(), &text)), text }
    }
}

impl Failure {
    /// A failure of `class`, explained by `text` (shortened to 300 characters).
    pub fn new(class: FailureClass, text: impl AsRef<str>) -> Self {
        let text = text.as_ref().chars().take(300).collect::<String>().into_boxed_str();
        Self { class, cause: FailureCause::Other, text }
    }

    /// This failure with its cause.
    #[must_use]
    pub fn because(self, cause: FailureCause) -> Self {
        Self { cause, ..self }
    }

    /// This failure with another text.
    #[must_use]
    pub fn told(self, text: impl AsRef<str>) -> Self {
        Self::new(self.class, text).because(self.cause)
    }
}

/// The classes of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The connection could not be opened (refused, unreachable, no port left, timed out).
    Connect,
    /// TLS could not be agreed.
    Tls,
    /// The name could not be resolved.
    Dns,
    /// The connection broke before or in the middle of the answer.
    Reset,
    /// An HTTP status other than 2xx.
    Status,
    /// An error inside the stream: an `error` object, an event named so, or a finish reason that gives the request up.
    StreamError,
    /// The stream ended in order, but without a finish reason or `[DONE]`.
    Truncated,
    /// Bytes that are neither HTTP nor a valid event.
    Malformed,
    /// Everything in order, but no token although some were asked for.
    Empty,
}

impl FailureClass {
    /// The name used in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Dns => "dns",
            Self::Reset => "reset",
            Self::Status => "status",
            Self::StreamError => "stream_error",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::Empty => "empty",
        }
    }
}

impl Outcome {
    /// The name used in files.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed(_) => "failed",
            Self::TimedOut => "timed_out",
            Self::Unresolved => "unresolved",
            Self::Shed => "shed",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::Abandoned => "abandoned",
        }
    }
}
