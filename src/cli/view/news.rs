//! Owns `News`: what the live view is told about loads, as plain data in the order of events.

use std::sync::Arc;

use crate::cli::view::curve::Curve;
use crate::metrics::{Course, Metric, Objectives, Tally, Value};
use crate::play::LiveCounts;
use crate::units::{Offset, Window};
use crate::workload::Planned;

/// The latencies in the table of the view, in its order.
pub(super) const ROWS: [Metric; 4] = [Metric::Ttft, Metric::Tpot, Metric::E2e, Metric::SendLag];

/// One event.
#[derive(Debug)]
pub(super) enum News {
    /// A load begins. The planned instants are counted as they pass; `None` where answers set later instants.
    Begins(Box<Begin>, Option<Box<Planned>>),
    /// A request has settled.
    Settled(Box<Seen>),
    /// The window of the load changed at this instant.
    Turned(Course, Offset),
    /// The counts of the load now.
    Beat(Box<Beat>),
    /// What a sweep or a search has found so far.
    Learnt(Box<Curve>),
    /// A message to the user.
    Said(String),
    /// The user has asked to stop.
    Stopping,
}

/// A load that begins.
#[derive(Debug, Clone)]
pub(super) struct Begin {
    /// Its name among the loads of a sweep or a search; empty for a single load.
    pub(super) label: String,
    /// The load in words: `open loop at 100/s, poisson`.
    pub(super) words: String,
    /// Its place on the axis of the curve: a rate per second, or requests in flight.
    pub(super) level: Option<f64>,
    /// The measured window.
    pub(super) window: Window,
    /// When the planned load ends; [`Offset::NEVER`] if that is not known.
    pub(super) load_end: Offset,
    /// Requests in the window, where their number ends the load.
    pub(super) requests: Option<u64>,
    /// Whether answers release the requests, so that nothing is planned.
    pub(super) is_closed: bool,
    /// Whether answers are streamed.
    pub(super) streamed: bool,
    /// The objectives.
    pub(super) objectives: Arc<Objectives>,
}

/// A settled request, as far as the view shows it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// The planned instant, or that of its release.
    pub(super) scheduled: Offset,
    /// When it ended; the planned instant if it was not sent.
    pub(super) ended: Offset,
    /// Its values of [`ROWS`].
    pub(super) values: [Value; ROWS.len()],
    /// Whether it completed.
    pub(super) completed: bool,
    /// The kind of its failure (`status_503`, `shed`), and what the server or the system said.
    pub(super) failure: Option<(String, String)>,
}

/// The counts of a load at one instant.
#[derive(Debug, Clone, Default)]
pub(super) struct Beat {
    /// Its live counts.
    pub(super) counts: LiveCounts,
    /// Planned instants that have passed.
    pub(super) planned: u64,
    /// The counts towards each objective, over the requests of the window.
    pub(super) tallies: Vec<Tally>,
    /// Good requests of the window, by all objectives.
    pub(super) good: u64,
    /// Settled requests of the window.
    pub(super) cohort: u64,
}
