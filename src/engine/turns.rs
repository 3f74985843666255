//! Owns the driver of later session turns: completions release them, and the driver runs beside the issuer, never in
//! it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::client::Client;
use crate::clock::Pacer;
use crate::engine::desk::Desk;
use crate::engine::released::Turn;
use crate::engine::segment::Live;
use crate::engine::source::{Preparing, Staged, stage_turn, yield_to_workers};
use crate::error::Error;
use crate::units::Offset;

/// How long before its instant a turn is encoded and its connection made ready. Think time may last minutes, and its
/// bytes need not be held in memory that long.
const LEAD: Duration = Duration::from_millis(100);

/// Where turns are encoded: on a thread beside the worker, or on demand.
struct Encoding<C: Client> {
    aside: Option<std::sync::mpsc::Sender<Turn>>,
    live: Arc<Live>,
    encoder: Arc<C::Encoder>,
    sender: mpsc::UnboundedSender<Staged<C>>,
    receiver: mpsc::UnboundedReceiver<Staged<C>>,
}

impl<C: Client> Encoding<C> {
    fn new(live: Arc<Live>, encoder: Arc<C::Encoder>, worker: usize, preparing: Preparing) -> Result<Self, Error> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let aside = match preparing {
            Preparing::Inline => None,
            Preparing::Ahead => {
                let (ask, asked) = std::sync::mpsc::channel();
                let (live, encoder, sender) = (Arc::clone(&live), Arc::clone(&encoder), sender.clone());
                std::thread::Builder::new()
                    .name(format!("turns-{worker}"))
                    .spawn(move || {
                        yield_to_workers();
                        // This thread ends with the driver, which may end before the last turn is encoded.
                        asked.into_iter().all(|turn: Turn| {
                            let (id, at) = (turn.id, turn.at);
                            let staging = AssertUnwindSafe(|| stage_turn::<C>(&live, &encoder, turn));
                            if let Ok(mut staged) = catch_unwind(staging) {
                                let now = live.clock.now();
                                staged.record.exchange.built_late = (now > at).then(|| now.since(at));
                                return sender.send(staged).is_ok();
                            }
                            // A turn that cannot be built must not keep its session, and the run, waiting.
                            live.give_up(id);
                            true
                        })
                    })
                    .map_err(|error| Error::Internal(format!("cannot start a thread that prepares turns: {error}")))?;
                Some(ask)
            }
        };
        Ok(Self { aside, live, encoder, sender, receiver })
    }

    fn ask(&self, turn: Turn) {
        // Sending cannot fail: both ends of the channel live as long as a turn is on its way.
        _ = match &self.aside {
            Some(ask) => ask.send(turn).map_err(|_| ()),
            None => self.sender.send(stage_turn::<C>(&self.live, &self.encoder, turn)).map_err(|_| ()),
        };
    }
}

/// Releases the turns of one worker's sessions.
pub(super) struct Driver<C: Client> {
    live: Arc<Live>,
    worker: usize,
    encoding: Encoding<C>,
    desk: Rc<Desk<C>>,
    /// Turns in their think time.
    thinking: BinaryHeap<Reverse<Turn>>,
}

impl<C: Client> Driver<C> {
    /// Fails when the preparing thread cannot be started.
    pub(super) fn new(
        client: Rc<C>,
        live: Arc<Live>,
        encoder: Arc<C::Encoder>,
        worker: usize,
        preparing: Preparing,
    ) -> Result<Self, Error> {
        Ok(Self {
            encoding: Encoding::new(Arc::clone(&live), encoder, worker, preparing)?,
            desk: Rc::new(Desk::new(client, Arc::clone(&live), worker)),
            thinking: BinaryHeap::new(),
            live,
            worker,
        })
    }

    /// Runs until nothing more will be sent in the segment.
    pub(super) async fn run(mut self) {
        let live = Arc::clone(&self.live);
        let mut pacer = Pacer::new(live.clock, live.pacing);
        loop {
            self.thinking.extend(live.released.take(self.worker).into_iter().map(Reverse));
            let (stopping, letting_go) = (live.stop_at() != Offset::NEVER, live.has_let_go());
            if stopping || letting_go {
                self.give_up_late();
            }
            let next = self.encode_soon();
            self.desk.send_due();
            let due = self.desk.due();
            // Wake for the next send or for the next encoding, whichever is earlier.
            let (at, lead) = if live.clock.until(due) <= live.clock.until_before(next, LEAD) {
                (due, Duration::ZERO)
            } else {
                (next, LEAD)
            };
            tokio::select! {
                biased;
                () = live.issued() => break,
                () = live.letting_go(), if !letting_go => {}
                () = live.stopped(), if !stopping => {}
                () = live.released.added(self.worker) => {}
                Some(staged) = self.encoding.receiver.recv() => self.keep(staged),
                // Overdue sends go in batches; other tasks read responses in between.
                () = async { pacer.sleep_until_before(at, lead).await; tokio::task::yield_now().await },
                    if at != Offset::NEVER => {}
            }
        }
        let (_, bodies) = self.desk.close();
        live.merge_bodies(&bodies);
    }

    /// Has every turn encoded that is due within [`LEAD`]. Returns the instant of the turn after these.
    fn encode_soon(&mut self) -> Offset {
        while let Some(Reverse(first)) = self.thinking.peek() {
            if !self.live.clock.until_before(first.at, LEAD).is_zero() {
                return first.at;
            }
            if let Some(Reverse(turn)) = self.thinking.pop() {
                self.encoding.ask(turn);
            }
        }
        Offset::NEVER
    }

    fn keep(&self, staged: Staged<C>) {
        if self.live.is_over(staged.record.scheduled) {
            self.live.give_up(staged.record.id);
        } else {
            self.desk.reserve(staged);
        }
    }

    /// Gives up the turns that would be sent too late once the run ends.
    fn give_up_late(&mut self) {
        let live = &self.live;
        self.thinking.retain(|Reverse(turn)| {
            let late = live.is_over(turn.at);
            if late {
                live.give_up(turn.id);
            }
            !late
        });
        for id in self.desk.withdraw_late() {
            live.give_up(id);
        }
    }
}
