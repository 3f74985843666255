//! Owns `Service`: a simulated service in virtual time that a caller can supply, with its requests and responses.

mod failing;
mod limiter;
mod pace;
mod paced;
mod servers;
mod shared;
mod slow;
#[cfg(test)]
mod tests;

pub use failing::Failing;
pub use limiter::Limiter;
pub use pace::Pace;
pub use paced::Paced;
pub use servers::Servers;
pub use shared::{Collapse, Shared};
pub use slow::Slow;

use std::fmt;

use crate::units::Offset;

/// A service in virtual time. [`VirtualPlayer::over`](crate::sim::VirtualPlayer::over) runs any load against it: a run,
/// a sweep, a whole search.
///
/// # What a service does
///
/// The session is a perfect load generator: it hands in each request at its instant, and records each response as it
/// comes. All instants are on the service's own clock. The clock starts at [`Offset::ZERO`] and runs through every
/// segment of load and all probes of a search, so a service can warm up, drift or pause by this clock.
///
/// - A service that knows its response on arrival (first come, first served) returns it from [`Service::arrive`] and
///   needs nothing else.
/// - A service whose responses depend on later arrivals (processor sharing) returns `None` from [`Service::arrive`].
///   Its [`Service::next_event`] gives the instant of its next event, and its [`Service::advance`] reports responses.
///
/// Calls come in the order of time: `arrive` never before the instant of an earlier call, `advance` once for each
/// event before the next arrival.
///
/// A response is a [`Reply`]: the instants of its first and its last token, and an HTTP status. A status of 400 or
/// more is a failure. A failure counts as a miss of every objective and as an error of `error_rate`, and its instant
/// is when the client learns of it. A failure takes at least 1 µs, so that a closed loop against a service that
/// refuses at once still ends.
///
/// A service draws its random numbers from streams of a [`Seed`](crate::seed::Seed). The same seed then gives the
/// same results to the nanosecond, on every machine.
///
/// # Services to build from
///
/// [`Servers`] (first come, first served) and [`Shared`] (processor sharing) do the work. Four wrappers change any
/// service: [`Slow`] (a share of requests is slow at any load), [`Failing`] (a share fails), [`Limiter`] (a token
/// bucket refuses with 429), [`Paced`] (the speed changes over time: warm-up, drift, regimes, pauses). The order of
/// nesting matters: a limiter around slow servers refuses first.
///
/// ```
/// # use std::{num::NonZeroU32, time::Duration};
/// # use tonnage::{seed::Seed, sim::{Limiter, Pace, Paced, Servers, VirtualPlayer, Slow}, units::{Rate, Ratio}};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let seed = Seed::new(1);
/// let servers = Servers::new(NonZeroU32::new(4).ok_or("0")?, "lognormal:100ms,1.7".parse()?, seed);
/// let warming = Paced::new(servers, Pace::warming(3.0, 300.0));
/// let sometimes_slow = Slow::new(warming, Ratio::new(0.005)?, Duration::from_secs(2), seed);
/// let session = VirtualPlayer::over(Box::new(Limiter::new(sometimes_slow, Rate::new(30.0)?, 20.0)));
/// # Ok(())
/// # }
/// ```
///
/// # A service of your own, searched over
///
/// The service is one server that takes a fifth longer while it holds more than 20 requests. The search finds the
/// highest rate at which 99 % of its responses come within two seconds. `tonnage search` runs the same search against
/// a live service.
///
/// ```
/// use std::collections::VecDeque;
/// use std::future::Future;
/// use std::sync::Arc;
/// use std::task::{Context, Poll, Waker};
/// use std::time::Duration;
///
/// use tonnage::metrics::Objectives;
/// use tonnage::schedule::Process;
/// use tonnage::search::{Blueprint, drive};
/// use tonnage::search::maximum::{Aim, Conclusion, SearchCampaign};
/// use tonnage::seed::{Seed, exponential};
/// use tonnage::sim::{Call, Reply, Service, VirtualPlayer};
/// use tonnage::units::Offset;
/// use tonnage::workload::Workload;
///
/// #[derive(Clone)]
/// struct Tires {
///     draws: rand_chacha::ChaCha8Rng,
///     /// The departure of each response that is still in the server.
///     leaving: VecDeque<Offset>,
/// }
///
/// impl Service for Tires {
///     fn arrive(&mut self, at: Offset, _call: Call) -> Option<Reply> {
///         while self.leaving.front().is_some_and(|leaves| *leaves <= at) {
///             self.leaving.pop_front();
///         }
///         let mean = Duration::from_millis(if self.leaving.len() > 20 { 120 } else { 100 });
///         let begins = self.leaving.back().copied().unwrap_or(at);
///         let leaves = begins.plus(mean.mul_f64(exponential(&mut self.draws)));
///         self.leaving.push_back(leaves);
///         Some(Reply::whole(leaves))
///     }
///
///     fn fork(&self) -> Box<dyn Service> {
///         Box::new(self.clone())
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let seed = Seed::new(1);
/// let service = Tires { draws: seed.stream("service").sequence(), leaving: VecDeque::new() };
/// let objectives = Objectives::parse(&["p99 e2e<=2s"], None, None)?;
/// let aim = Aim::new(&objectives, 0.2)?;
/// let blueprint = Blueprint {
///     workload: Workload::new("1".parse()?, "1".parse()?),
///     process: Process::Poisson,
///     recorded: None,
///     quota: None,
///     seed,
///     window: Duration::ZERO,
///     cooldown: Duration::ZERO,
///     objectives: Arc::new(objectives),
///     streamed: true,
/// };
/// let (mut session, mut search) = (VirtualPlayer::over(Box::new(service)), SearchCampaign::new(aim));
/// let search = drive(&mut session, &mut search, &blueprint, |_, _| Ok(()), || false);
/// // In virtual time nothing is waited for: the search is over when it is first polled.
/// let polled = std::pin::pin!(search).poll(&mut Context::from_waker(Waker::noop()));
/// let Poll::Ready(Ok(Conclusion::Answered(answer))) = polled else { return Err("no answer".into()) };
/// let bracket = answer.bracket.ok_or("no rate meets the objective")?;
/// // The slowed server completes 8.3/s and the fresh one 10/s. With a queue of 10/s, 1 % wait 2 s at 7.7/s.
/// assert!(bracket.low > 5.0 && bracket.high < 10.0, "{bracket:?}");
/// # Ok(())
/// # }
/// ```
pub trait Service: Send {
    /// A request arrives at `at`. Returns its response if it is already known; otherwise [`Service::advance`] reports
    /// it later under `call.tag`.
    fn arrive(&mut self, at: Offset, call: Call) -> Option<Reply>;

    /// The instant of the next event if no request arrives before; `None` when no event will come.
    fn next_event(&self) -> Option<Offset> {
        None
    }

    /// Handles the event of [`Service::next_event`]. `tell` takes the tag and the response of each request whose
    /// response has become known; the instants of a response may lie in the future.
    fn advance(&mut self, tell: &mut dyn FnMut(u64, Reply)) {
        let _ = tell;
    }

    /// A copy with the same state and the same random numbers to come: `Box::new(self.clone())`. The session needs it
    /// at the end of a segment: it follows the requests of the segment to their end as if no request came after them.
    /// The next segment then continues from the copy, at the instant at which the last segment stopped issuing.
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
    /// Identifies the request when its response is reported later. No two requests in the service have the same tag.
    pub tag: u64,
    /// Tokens of the prompt.
    pub input_tokens: u32,
    /// Tokens of the response, at least 1.
    pub output_tokens: u32,
}

/// The response to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// The instant of the first token. If the response has one token, it comes at `last` instead.
    pub first: Offset,
    /// The instant of the last token; the tokens between the first and the last are spread evenly.
    pub last: Offset,
    /// The HTTP status. With 400 or more the request failed at `last`, without a token.
    pub status: u16,
}

impl Reply {
    /// A response with all tokens at `at`.
    #[must_use]
    pub const fn whole(at: Offset) -> Self {
        Self { first: at, last: at, status: 200 }
    }

    /// A response with its first token at `first` and its last token at `last`.
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

    /// The same response with both instants mapped by `map`.
    #[must_use]
    pub(crate) fn at(self, mut map: impl FnMut(Offset) -> Offset) -> Self {
        let first = map(self.first);
        Self { first, last: if self.last == self.first { first } else { map(self.last) }, ..self }
    }
}

/// A caller's service, and the segment of load that new requests belong to.
pub(super) struct Brought {
    service: Box<dyn Service>,
    /// The number of segments before this one. Requests of earlier segments may still be in the service, but no
    /// client waits for them.
    segment: u64,
}

/// Bits of a tag that hold the request's place within its segment.
const PLACE_BITS: u32 = 40;

impl Brought {
    pub(super) fn new(service: Box<dyn Service>) -> Self {
        Self { service, segment: 0 }
    }

    /// A request arrives; `call.tag` is its place within the segment.
    pub(super) fn arrive(&mut self, at: Offset, call: Call) -> Option<Reply> {
        self.service.arrive(at, Call { tag: (self.segment << PLACE_BITS) | call.tag, ..call })
    }

    pub(super) fn next_event(&self) -> Option<Offset> {
        self.service.next_event()
    }

    /// Handles the next event; `tell` takes a request's place within the segment and its response.
    pub(super) fn advance(&mut self, mut tell: impl FnMut(u64, Reply)) {
        let segment = self.segment;
        self.service.advance(&mut |tag, reply| {
            if tag >> PLACE_BITS == segment {
                tell(tag & ((1 << PLACE_BITS) - 1), reply);
            }
        });
    }

    /// A copy of the service in its present state, for the next segment.
    pub(super) fn without_clients(&self) -> Self {
        Self { service: self.service.fork(), segment: self.segment + 1 }
    }
}

impl fmt::Debug for Brought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Brought").field("segment", &self.segment).finish_non_exhaustive()
    }
}
