//! Owns `Exchange`: the instants and counts of one request on the wire, and its outcome.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::record::{AnswerText, FailedResponse, FailureCause};
use crate::units::{Offset, Secrets};

/// What was observed of one request on the wire. A failed request keeps its timings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Exchange {
    /// How long after the planned instant the body of this request was built; absent if it was built in time.
    pub built_late: Option<Duration>,
    /// The send begins: a connection is asked for.
    pub sent: Option<Offset>,
    /// A connection opened for this request was ready. Absent if the request reused an open connection.
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
    /// Stream closed, or the instant at which tonnage stopped waiting.
    pub ended: Option<Offset>,
    /// Events that carried a non-empty delta.
    pub events: u32,
    /// Gaps between successive token-bearing events, in whole microseconds of a cumulative clock, so that their sum
    /// does not drift.
    pub event_gaps_us: Vec<u32>,
    /// Tokens of each token-bearing event; empty if unknown.
    pub event_tokens: Vec<u32>,
    /// Tokens generated up to the first token-bearing event; absent if unknown or at most 1.
    pub first_event_tokens: Option<u32>,
    /// The server's running count of output tokens, if it grew in events without text.
    pub counting: Option<Counting>,
    /// Tokens that the server counted before its finish reason, but that no event showed.
    pub hidden_tokens: u32,
    /// How much later than its arrival our thread read the first token (the whole response, if it was not streamed):
    /// what a user-space stamp would have added. Absent without a stamp of the kernel.
    pub wake_lag: Option<Duration>,
    /// Whether all token-bearing events (at least two) came in one read of the socket.
    pub one_read: bool,
    /// Token counts as the server reports them.
    pub usage: Option<Usage>,
    /// Whether some of the server's counts were ignored, because they were missing, zero, invalid, or smaller than
    /// before.
    pub usage_odd: bool,
    /// Whether the request was sent again on a fresh connection, because the server had closed the first one before it
    /// read the request.
    pub retried: bool,
    /// Tokens of the prompt text by the client's own tokenizer, without special tokens; absent without a tokenizer.
    pub counted_input_tokens: Option<u32>,
    /// Tokens of the answer's text by the client's own tokenizer, counted after the run; absent without a tokenizer
    /// or a text.
    pub counted_output_tokens: Option<u32>,
    /// The answer's text, if a tokenizer is to count it or a later turn carries it; it never goes into the records
    /// file.
    pub text: Option<Box<AnswerText>>,
    /// The response, if the request failed with its status; it never goes into the records file.
    pub failed_response: Option<Box<FailedResponse>>,
    /// HTTP status.
    pub status: Option<u16>,
    /// The server's finish reason.
    pub finish_reason: Option<Box<str>>,
    /// How the request ended.
    pub outcome: Outcome,
}

/// HTTP statuses with which a working server refuses a request because of load.
pub(crate) const REFUSALS: [u16; 3] = [429, 503, 529];

impl Exchange {
    /// Whether a working server refused the request because of load (status 429, 503 or 529).
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_)) && self.status.is_some_and(|status| REFUSALS.contains(&status))
    }

    /// Whether the response was malformed: nothing in such a response counts as a token.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        matches!(&self.outcome, Outcome::Failed(failure) if failure.class == FailureClass::Malformed)
    }

    /// Removes `secrets` from the server's texts, because a server may echo them.
    pub fn hide(&mut self, secrets: &Secrets) {
        if secrets.is_empty() {
            return;
        }
        if let Outcome::Failed(failure) = &mut self.outcome {
            failure.text = secrets.hide_echo(&failure.text).into();
        }
        if let Some(response) = &mut self.failed_response {
            response.body = secrets.hide_echo(&response.body).into();
            for (_, value) in &mut response.headers {
                *value = secrets.hide_echo(value).into();
            }
        }
        self.finish_reason = self.finish_reason.take().map(|reason| secrets.hide(&reason).into());
    }

    /// The server's count of the answer's tokens, if it gives one.
    #[must_use]
    pub fn server_output_tokens(&self) -> Option<u32> {
        self.usage.map(|usage| usage.output_tokens).filter(|tokens| *tokens > 0)
    }

    /// The server's count of the prompt's tokens, if it gives one.
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
    /// The count in the first event.
    pub first_tokens: u32,
    /// The last event before the finish reason with a larger count than any before it.
    pub last: Offset,
    /// The count in the last event.
    pub last_tokens: u32,
}

/// Token counts from the server's `usage` object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// `prompt_tokens`; 0 if the server does not report it.
    pub input_tokens: u32,
    /// `completion_tokens`, reasoning included; 0 if the server does not report it, although it generated some.
    pub output_tokens: u32,
    /// `prompt_tokens_details.cached_tokens`.
    pub cached_tokens: Option<u32>,
}

/// How a request ended. Data, never an `Err`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Outcome {
    /// HTTP 2xx, no in-stream error, at least one token, a finish reason or `[DONE]`, every event well formed.
    Completed,
    /// The request failed.
    Failed(Failure),
    /// The request exceeded `--timeout` (from `sent`): the user gave up.
    TimedOut,
    /// The drain ended before the request did: censored at its age.
    Unresolved,
    /// Never sent: the in-flight cap was reached.
    Shed,
    /// Cancelled because the plan said so: censored at its age.
    Cancelled,
    /// A later turn of a session whose earlier turn failed.
    Skipped,
    /// Tonnage's own task died. Must not happen.
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
    /// the TLS handshake failed.
    Tls,
    /// The name could not be resolved.
    Dns,
    /// The connection broke before or in the middle of the answer.
    Reset,
    /// An HTTP status other than 2xx.
    Status,
    /// An error inside the stream: an `error` object, an event with the name of an error, or a finish reason that
    /// reports a failure.
    StreamError,
    /// The stream ended normally, but without a finish reason or `[DONE]`.
    Truncated,
    /// Bytes that are neither HTTP nor a valid event.
    Malformed,
    /// A valid response without a token, although tokens were asked for.
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
