//! Owns `Service`: a simulated service in virtual time that anybody can bring, and what it is told and answers.

mod failing;
mod limiter;
mod pace;
mod paced;
mod servers;
mod shared;
mod slow;

pub use failing::Failing;
pub use limiter::Limiter;
pub use pace::Pace;
pub use paced::Paced;
pub use servers::Servers;
pub use shared::{Collapse, Shared};
pub use slow::Slow;

use std::fmt;

use crate::units::Offset;

/// A service in virtual time. [`Session::over`](crate::sim::Session::over) plays any load against it, a whole search too.
///
/// All instants are on the service's own clock, which starts at [`Offset::ZERO`] and runs through every segment of load.
///
/// - Whose responses are known on arrival (first come, first served) returns them from [`Service::arrive`] and needs nothing else.
/// - Whose responses depend on later arrivals (processor sharing) returns `None`, says in [`Service::next_event`] when something happens next,
///   and reports responses from [`Service::advance`].
///
/// The player calls `arrive` and `advance` in the order of time: `arrive` at an instant not before the last one, `advance` for each event that
/// lies before the next arrival.
pub trait Service: Send {
    /// A request arrives at `at`. Returns its response where that is known already; otherwise [`Service::advance`] reports it later under
    /// `call.tag`.
    fn arrive(&mut self, at: Offset, call: Call) -> Option<Reply>;

    /// The instant at which something happens next if no request arrives before; `None` where nothing will.
    fn next_event(&self) -> Option<Offset> {
        None
    }

    /// Lets the event of [`Service::next_event`] happen. `tell` takes the tag and the response of each request whose response is known now; its
    /// instants may lie in the future.
    fn advance(&mut self, tell: &mut dyn FnMut(u64, Reply)) {
        let _ = tell;
    }

    /// A copy with the same state and the same draws to come: `Box::new(self.clone())`. The player needs it because requests of a segment are
    /// followed to their end as if no request came after them, and then the next segment goes on from where the last one stopped issuing.
    fn fork(&self) -> Box<dyn Service>;
}

impl Service for Box<dyn Service> {
    fn arrive(&mut self, at: Offset, call: Call) -> Option<Reply> {
        (**self).arrive(at, call)
    }

    fn next_event(&self) -> Option<Offset> {
        (**self).next_event()
    }

    fn advance(&mut self, tell: &mut dyn FnMut(u64, Reply)) {
        (**self).advance(tell);
    }

    fn fork(&self) -> Box<dyn Service> {
        (**self).fork()
    }
}

impl Clone for Box<dyn Service> {
    fn clone(&self) -> Self {
        self.fork()
    }
}

/// A request as a service sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Names the request when its response is reported later. No two requests inside the service have the same tag.
    pub tag: u64,
    /// Tokens of the prompt.
    pub input_tokens: u32,
    /// Tokens of the response, at least 1.
    pub output_tokens: u32,
}

/// The response to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// The instant of the first token. A response of one token comes at `last`.
    pub first: Offset,
    /// The instant of the last token; the others are spread evenly between the two.
    pub last: Offset,
    /// The HTTP status. From 400 on the request failed at `last`, without a token.
    pub status: u16,
}

impl Reply {
    /// All tokens at `at`.
    #[must_use]
    pub const fn whole(at: Offset) -> Self {
        Self { first: at, last: at, status: 200 }
    }

    /// The first token at `first`, the last one at `last`.
    #[must_use]
    pub const fn streamed(first: Offset, last: Offset) -> Self {
        Self { first, last, status: 200 }
    }

    /// A failure with this HTTP status (400 to 599) at `at`.
    #[must_use]
    pub const fn failed(at: Offset, status: u16) -> Self {
        Self { first: at, last: at, status }
    }

    /// Whether the status says that the request failed.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        self.status >= 400
    }

    /// The same response with both instants put through `map`.
    #[must_use]
    pub(crate) fn at(self, mut map: impl FnMut(Offset) -> Offset) -> Self {
        let first = map(self.first);
        Self { first, last: if self.last == self.first { first } else { map(self.last) }, ..self }
    }
}

/// A service that was brought, and which segment of load its requests belong to.
pub(super) struct Brought {
    service: Box<dyn Service>,
    /// Segments of load before this one: requests of those are still inside, but no client waits for them.
    segment: u64,
}

/// Bits of a tag that hold the request's place within its segment.
const PLACE_BITS: u32 = 40;

impl Brought {
    pub(super) fn new(service: Box<dyn Service>) -> Self {
        Self { service, segment: 0 }
    }

    /// A request arrives whose place within the segment is `call.tag`.
    pub(super) fn arrive(&mut self, at: Offset, call: Call) -> Option<Reply> {
        self.service.arrive(at, Call { tag: (self.segment << PLACE_BITS) | call.tag, ..call })
    }

    pub(super) fn next_event(&self) -> Option<Offset> {
        self.service.next_event()
    }

    /// Lets the next event happen; `tell` takes the place within the segment.
    pub(super) fn advance(&mut self, mut tell: impl FnMut(u64, Reply)) {
        let segment = self.segment;
        self.service.advance(&mut |tag, reply| {
            if tag >> PLACE_BITS == segment {
                tell(tag & ((1 << PLACE_BITS) - 1), reply);
            }
        });
    }

    /// The service as it stands, for the next segment.
    pub(super) fn without_clients(&self) -> Self {
        Self { service: self.service.fork(), segment: self.segment + 1 }
    }
}

impl fmt::Debug for Brought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Brought").field("segment", &self.segment).finish_non_exhaustive()
    }
}
