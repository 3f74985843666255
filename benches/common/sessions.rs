//! Owns the cells of the coverage table whose arrivals begin sessions, and their truth.
//!
//! Sessions that arrive as a Poisson process, in front of servers with exponential times, first come, first served,
//! are a network of Kelly: each turn is a class of its own, and every class has the same service. Each turn then finds
//! the queue as a Poisson arrival at the rate of all turns would, so a turn's time has the law of M/M/c, whatever the
//! law of the number of turns and of the think times (F. P. Kelly, "Reversibility and Stochastic Networks", 1979, §3).
//! R* is that of the queue ÷ the mean number of turns.
#![allow(dead_code, reason = "the bench and the test each use their part")]

use tonnage::sim::VirtualPlayer;
use tonnage::workload::{SessionSpec, Workload};

use super::cell::Cell;
use super::queue;

/// Requests of one token in sessions of `turns`, with `think` before each later turn.
fn in_sessions(turns: &str, think: &str) -> Workload {
    let one = || "1".parse().expect("a length");
    let law = SessionSpec::new(turns.parse().expect("a law of turns"), think.parse().expect("a law of think times"));
    Workload::new(one(), one()).in_sessions(Some(law.expect("sessions")))
}

/// `name`: the queue cell `of`, whose arrivals begin sessions of `workload` with `turns` turns on average.
fn cell(name: &'static str, of: &str, workload: fn() -> Workload, turns: f64) -> Cell {
    let queue = queue::cells().into_iter().find(|cell| cell.name == of).expect("a cell of this name");
    Cell {
        name,
        group: "sessions",
        tuned_on: false,
        process: queue.process(),
        slo: queue.slo(),
        tokens: ("1", "1"),
        workload: Some(workload),
        truth: queue.truth / turns,
        truth_error: 0.0,
        capacity: queue.capacity() / turns,
        open: Box::new(move |seed| VirtualPlayer::over(queue.open(seed))),
    }
}

/// The cells.
pub(crate) fn cells() -> Vec<Cell> {
    vec![
        cell("4 turns, M/M/1 T=15", "M/M/1 T=15", || in_sessions("4", "0s"), 4.0),
        cell("2..8 turns, M/M/1 T=15", "M/M/1 T=15", || in_sessions("2..8", "0s"), 5.0),
        cell("4 turns, exp:20s, M/M/4", "M/M/4 T=7.5", || in_sessions("4", "exp:20s"), 4.0),
    ]
}
