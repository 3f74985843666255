//! Owns the room for connections: whether this machine can hold as many connections as a load needs.

use std::time::Duration;

use crate::client::Limits;
use crate::error::Error;
use crate::service::find::Service;
use crate::workload::{Load, Plan};

/// File descriptors reserved for everything else than connections: files, the runtime, standard streams.
const RESERVED_DESCRIPTORS: u64 = 128;
/// Seconds. No warning is given if connections run out only when responses take this long.
const LONG_ANSWER_S: f64 = 30.0;

/// A warning: there may be too few connections if responses are slow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tight {
    /// Connections that can be open at the same time.
    pub connections: u64,
    /// The highest rate of the plan, in requests per second.
    pub rate_per_s: f64,
    /// Seconds. If responses take longer than this at `rate_per_s`, connections run out.
    pub slowest_s: f64,
}

/// Checks by Little's law that the machine has room for the connections of `plan`, and raises its limits as far as
/// allowed. A closed loop needs a known number of connections; it is refused if they do not fit. An open load needs
/// rate × time in the system, and this time is not known yet: the returned warning says how slow responses may become.
pub(crate) fn make_room(
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
