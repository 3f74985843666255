//! Owns the figures of sessions: how they ended, and the latencies by turn.

use serde::{Deserialize, Serialize};

use crate::metrics::{ByTurn, Known, OfTurn, TURNS_APART};

/// How the sessions of a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsView {
    /// Sessions whose first turn came due.
    pub begun: u64,
    /// Sessions of which every turn completed.
    pub finished: u64,
    /// Sessions that ended with a turn that was lost: failed, timed out, shed, cancelled or abandoned.
    pub lost: u64,
    /// Sessions that the run ended before they did.
    pub unfinished: u64,
}

impl SessionsView {
    /// `None` without sessions.
    pub(super) fn of(seen: &ByTurn) -> Option<Self> {
        let sessions = seen.sessions();
        (sessions.begun > 0).then(|| Self {
            begun: sessions.begun,
            finished: sessions.finished,
            lost: sessions.lost,
            unfinished: sessions.unfinished(),
        })
    }
}

/// The requests of one turn of all sessions. Latencies count from the planned instant or the release, and rank misses
/// and cut-off requests as the metrics do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TurnView {
    /// The turn, from 1.
    pub turn: u32,
    /// Whether all later turns are counted here, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub and_later: bool,
    /// Requests, without skipped ones.
    pub requests: u64,
    /// Requests that completed.
    pub completed: u64,
    /// The mean input tokens of the completed requests, the conversation before them included.
    pub input_tokens: Option<f64>,
    /// Median of ttft, in seconds.
    pub ttft_p50_s: Option<Known>,
    /// 99th percentile of ttft, in seconds.
    pub ttft_p99_s: Option<Known>,
    /// Median of e2e, in seconds.
    pub e2e_p50_s: Option<Known>,
    /// 99th percentile of e2e, in seconds.
    pub e2e_p99_s: Option<Known>,
}

impl TurnView {
    /// One for each turn, and one for all later turns.
    pub(super) fn of(seen: &ByTurn) -> Vec<Self> {
        let view = |(turn, of): (u32, &OfTurn)| Self {
            turn,
            and_later: turn as usize > TURNS_APART,
            requests: of.requests,
            completed: of.completed,
            input_tokens: (of.completed > 0).then(|| of.input_tokens as f64 / of.completed as f64),
            ttft_p50_s: of.ttft.at_share(0.5),
            ttft_p99_s: of.ttft.at_share(0.99),
            e2e_p50_s: of.e2e.at_share(0.5),
            e2e_p99_s: of.e2e.at_share(0.99),
        };
        (1..).zip(seen.turns()).map(view).collect()
    }
}
