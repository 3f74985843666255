//! Owns the room for connections: whether this machine can hold as many as a load needs.

use std::time::Duration;

use crate::client::Limits;
use crate::error::Error;
use crate::service::find::Service;
use crate::workload::{Load, Plan};

/// Files, the runtime, standard streams.
const RESERVED_DESCRIPTORS: u64 = 128;
/// Room for answers this slow is taken for enough.
const LONG_ANSWER_S: f64 = 30.0;

/// Less room than slow answers would need.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tight {
    /// Connections that can be open at once.
    pub connections: u64,
    /// The most requests a second that the plan sends.
    pub rate_per_s: f64,
    /// Answers slower than this find no connection.
    pub slowest_s: f64,
}

/// Checks, by Little's law, that the machine has room for the connections of `plan`, and raises its limits where it
/// may. What a closed loop holds is certain and refused if it does not fit; an open load holds rate × time in the
/// system, and the time is not known yet: it is told how slow answers may become.
pub fn make_room(
    plan: &Plan,
    service: &Service,
    timeout: Duration,
    max_in_flight: Option<u64>,
) -> Result<Option<Tight>, Error> {
    // The embedded server holds the other end of every connection.
    let ends = if service.is_embedded() { 2 } else { 1 };
    match plan.load() {
        Load::Closed(closed) => {
            let connections = u64::from(closed.concurrency);
            Limits::raised_for(ends * connections).admit(connections, &service.addresses).map(|()| None)
        }
        Load::Open(timeline) => {
            let rate_per_s = timeline.highest_per_s() * plan.fraction();
            let wanted = (rate_per_s * timeout.as_secs_f64()).ceil() as u64;
            let wanted = wanted.min(max_in_flight.unwrap_or(u64::MAX));
            let limits = Limits::raised_for(ends * wanted);
            let connections = (limits.descriptors.saturating_sub(RESERVED_DESCRIPTORS) / ends)
                .min(limits.ports * service.addresses.len() as u64);
            let slowest_s = connections as f64 / rate_per_s;
            let tight = connections < wanted && slowest_s < LONG_ANSWER_S;
            Ok(tight.then_some(Tight { connections, rate_per_s, slowest_s }))
        }
    }
}
