//! Owns the collector: folds settled records into the summary, and decides when a segment is over.

use std::cell::RefCell;
use std::future::Future;
use std::iter::Peekable;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::engine::halt::Halt;
use crate::engine::segment::{Live, Posted};
use crate::error::Error;
use crate::metrics::{Course, Ended, LoadFacts, Sequence, Summary};
use crate::play::{LiveCounts, Look, Observer, Segment, Steering, Trial};
use crate::units::Offset;
use crate::workload::{Load, Planned};

/// Longest pause between two rounds of the collector.
const TICK: Duration = Duration::from_millis(20);
/// Records folded before the thread yields. On a core shared with a worker, a due send waits for at most this many.
const AT_ONCE: usize = 4;
/// With more records than this in a batch, the collector is behind and does not yield: about half a millisecond of
/// folding. Since Linux 6.18 a thread that yields gives up its whole time slice: beside a busy worker on its core, one
/// that yields every 5 µs got 0.2 % of the core, and records waited without a bound.
const BEHIND: usize = 64;
/// A stop takes effect this long after it is requested, so that every issuer learns of it in time.
const STOP_AHEAD: Duration = Duration::from_millis(2);

/// The state of the collector of one segment.
pub(super) struct Collection {
    pub(super) segment: Segment,
    pub(super) live: Arc<Live>,
    /// The running stop rule, shared with the caller that waits for the end of issuing.
    pub(super) steering: Rc<RefCell<Steering>>,
    /// Whether the user has asked to stop sending.
    pub(super) halt: Halt,
    /// How long requests are followed after the load has ended (the objectives may extend it), and the upper limit
    /// with that extension.
    pub(super) drain: [Duration; 2],
    pub(super) observer: Box<dyn Observer>,
}

/// A future trial: ready when every request of the segment has settled.
#[derive(Debug)]
pub struct Settling(pub(super) oneshot::Receiver<Result<Trial, Error>>);

impl Future for Settling {
    type Output = Result<Trial, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|received| {
            received
                .unwrap_or_else(|_| Err(Error::Internal("the collector died before the trial was final".to_owned())))
        })
    }
}

impl Collection {
    /// Collects until the segment is over and sends its trial.
    pub(super) async fn run(mut self, done: oneshot::Sender<Result<Trial, Error>>) {
        // Sending fails when the caller has dropped the receiver; then nobody needs the trial.
        _ = done.send(Ok(self.collect().await));
    }

    async fn collect(&mut self) -> Trial {
        let live = Arc::clone(&self.live);
        let spans = live.plan.spans();
        let mut summary = Summary::new(self.segment.frame(), Arc::clone(&self.segment.objectives));
        let steering = Rc::clone(&self.steering);
        // Only a rule that watches needs each request that comes due. These requests are read from the plan, so that
        // no send is slowed down.
        let mut to_come = steering.borrow().watches().then(|| live.plan.share().peekable());
        let mut ended = Ended::Complete;
        let mut drain_until = None;
        self.observer.begins(&self.segment, live.clock);
        loop {
            tokio::select! {
                biased;
                () = live.issued(), if drain_until.is_none() => {}
                () = live.nudged() => {}
                () = tokio::time::sleep(TICK) => {}
            }
            let posted = live.take_posted();
            // Read after the records were taken, so that each request is announced before its record is folded.
            let now = live.clock.now();
            announce(&mut to_come, &live, now, &mut steering.borrow_mut());
            self.fold(posted, &mut summary, &mut steering.borrow_mut());
            let counts = live.gauge.counts(now);
            if ended == Ended::Complete && drain_until.is_none() {
                ended = self.steer(&counts, now, &mut summary, &mut steering.borrow_mut());
            }
            self.observer.tick(&Look { counts, summary: &summary });
            if drain_until.is_none() && (live.is_issued() || now >= self.load_over()) {
                let [drain, most] = self.drain;
                drain_until =
                    Some(now.plus(drain.max(self.segment.objectives.least_drain(live.most_asked_output())).min(most)));
            }
            if live.interrupts() > 1 || drain_until.is_some_and(|until| now >= until) {
                live.let_go(now);
            }
            if live.is_issued() && live.gauge.open() == 0 {
                break;
            }
        }
        announce(&mut to_come, &live, live.clock.now(), &mut steering.borrow_mut());
        self.fold(live.take_posted(), &mut summary, &mut steering.borrow_mut());
        // A stop takes effect shortly after it is requested; the drain cannot end before that.
        let drain_end = live.clock.now().max(if ended == Ended::Complete { Offset::ZERO } else { live.stop_at() });
        if spans.window.end == Offset::NEVER {
            // A closed loop with a request count ends with its last request, unless it was stopped earlier.
            summary.end_window_at(drain_end);
        }
        let sequence = steering.borrow_mut().finish();
        self.trial(ended, drain_end, summary, sequence)
    }

    /// Asks the rule what becomes of the segment at `now`, and does it. Returns how the segment has ended, if it has.
    fn steer(&mut self, counts: &LiveCounts, now: Offset, summary: &mut Summary, steering: &mut Steering) -> Ended {
        let live = Arc::clone(&self.live);
        let is_ended = live.interrupts() > 0 || self.halt.is_asked();
        let course = if is_ended { Course::Stop } else { steering.ask(counts) };
        let mut ended = Ended::Complete;
        if course == Course::Stop {
            ended = if live.interrupts() > 0 { Ended::Interrupted } else { Ended::Stopped };
            // A watch takes time to decide. Requests that came due meanwhile are load; the decision does not cover
            // them, so the window closes first.
            if steering.watches() {
                summary.turn(Course::Close, now);
            }
            let at = live.clock.now().plus(STOP_AHEAD);
            summary.end_window_at(at);
            steering.turn(Course::Stop, at);
            live.stop_issuing(at);
        } else {
            summary.turn(course, now);
        }
        if course != Course::GoOn {
            self.observer.turned(course, now);
        }
        ended
    }

    fn trial(&self, ended: Ended, drain_end: Offset, summary: Summary, sequence: Option<Sequence>) -> Trial {
        let (due, not_due) = self.planned();
        Trial {
            label: self.segment.label.clone(),
            load: LoadFacts::of(&self.live.plan),
            drain_end,
            ended,
            not_due,
            due,
            concurrency: Some(self.live.gauge.concurrency()),
            body_fingerprint: Some(self.live.body_fingerprint()),
            summary,
            sequence,
        }
    }

    fn fold(&mut self, posted: Posted, summary: &mut Summary, steering: &mut Steering) {
        let waiting = posted.len();
        for (place, record) in posted.into_iter().enumerate() {
            if gives_way(place, waiting) {
                // On a core shared with a worker, a due send waits for a few records, not for the whole batch.
                std::thread::yield_now();
            }
            summary.add(&record);
            steering.add(&record);
            self.observer.settled(&record);
        }
    }

    /// The instant after which nothing new is issued: the drain begins here at the latest. A closed loop needs it
    /// because its workers report done only when their last request has settled. Sessions need it because their later
    /// turns continue during the drain.
    fn load_over(&self) -> Offset {
        self.live.stop_at().min(match self.live.plan.load() {
            Load::Open(_) if self.live.plan.turns().is_none() => Offset::NEVER,
            Load::Open(_) | Load::Closed(_) => self.live.plan.spans().cooldown.end,
        })
    }

    /// Returns how many planned requests came due (`None` for a closed loop) and how many never came due. Both are
    /// counted from the plan, so that the records can be checked against it.
    fn planned(&self) -> (Option<u64>, u64) {
        match self.live.plan.load() {
            Load::Closed(_) => (None, 0),
            Load::Open(_) => {
                let (plan, stop_at, given_up) = (&self.live.plan, self.live.stop_at(), self.live.released.given_up());
                let (due, all) = plan.share().fold((0, 0), |(due, all), arrival| {
                    let requests = plan.requests_from(arrival.index);
                    (due + if arrival.at < stop_at { requests } else { 0 }, all + requests)
                });
                (Some(due - given_up), all - due + given_up)
            }
        }
    }
}

/// Whether the collector yields before it folds record number `place` of a batch of `waiting`.
const fn gives_way(place: usize, waiting: usize) -> bool {
    waiting <= BEHIND && place % AT_ONCE == AT_ONCE - 1
}

/// Tells `steering` about the requests that have come due by `now`: those of the plan until the stop, and later turns.
fn announce(to_come: &mut Option<Peekable<Planned>>, live: &Live, now: Offset, steering: &mut Steering) {
    let Some(planned) = to_come else { return };
    let until = now.min(live.stop_at());
    while let Some(arrival) = planned.next_if(|arrival| arrival.at <= until) {
        steering.came(arrival.at);
    }
    live.released.take_came().into_iter().for_each(|at| steering.came(at));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_collector_gives_way_while_it_keeps_up_and_never_when_it_is_behind() {
        let yields = |waiting: usize| (0..waiting).filter(|place| gives_way(*place, waiting)).count();
        for (waiting, expected) in [(3, 0), (4, 1), (64, 16), (65, 0), (100_000, 0)] {
            assert_eq!(yields(waiting), expected, "{waiting} records wait");
        }
    }
}
