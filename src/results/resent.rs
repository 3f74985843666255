//! Owns `Resent`: what came of failed requests that were sent again.

use serde::Serialize;

/// Failed requests of a result that were sent again, one after another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Resent {
    /// The folder of the result.
    pub(crate) result: String,
    /// The requests that were sent again.
    pub(crate) requests: Vec<ResentRequest>,
    /// How many failed requests there are in the result's `failures.jsonl`.
    pub(crate) failed_then: u64,
    /// Requests that were not sent: a later turn of a session, whose conversation holds answers of the server.
    pub(crate) without_conversation: Vec<u64>,
}

/// A request that failed and was sent again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ResentRequest {
    /// The request's number in the plan.
    pub(crate) id: u64,
    /// Base URL that it was sent to.
    pub(crate) target: String,
    /// The model that it asked for.
    pub(crate) model: String,
    /// How it failed in the load, in words.
    pub(crate) then: String,
    /// How it failed now, in words; `None`: it was answered.
    pub(crate) failed_now: Option<String>,
    /// HTTP status.
    pub(crate) status: Option<u16>,
    /// Seconds from the first byte sent to the first token; `None` without one.
    pub(crate) ttft_s: Option<f64>,
    /// Seconds from the first byte sent to the end; `None` without one.
    pub(crate) e2e_s: Option<f64>,
    /// Input tokens as the server counted them.
    pub(crate) input_tokens: Option<u32>,
    /// Output tokens as the server counted them.
    pub(crate) output_tokens: Option<u32>,
}

impl Resent {
    /// How many of the requests were answered.
    pub(crate) fn answered(&self) -> u64 {
        self.requests.iter().filter(|request| request.failed_now.is_none()).count() as u64
    }
}
