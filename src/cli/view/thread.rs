//! Owns `View`, the thread that takes in news, reads keys and draws the page. Nothing waits for it: news go through a
//! channel, and those that it does not take in soon enough are left out and counted.

use std::fmt;
use std::io::{self, BufWriter, Stderr};
use std::iter::Peekable;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::cli::signals;
use crate::cli::terminal::{hold, release, screen as terminal, screen_ink};
use crate::cli::tty;
use crate::cli::view::curve::Curve;
use crate::cli::view::news::News;
use crate::cli::view::page;
use crate::cli::view::state::{Head, State};
use crate::clock::RunClock;
use crate::error::Error;
use crate::report::Ink;
use crate::results::hidden;
use crate::workload::Planned;

/// Time between two pages, unless a key or a new size asks for one.
const PAGE: Duration = Duration::from_millis(200);
/// The longest wait for a key, after which news are taken in.
const LOOK: Duration = Duration::from_millis(50);
/// News that may wait, about 60 MB. The view takes them in 20 times a second, so more wait only while the screen
/// itself does not take the page.
const MOST_WAITING: usize = 200_000;
/// How much other threads are preferred: the lowest priority, so that a send never waits for the view.
const NICE: i32 = 19;

/// What the view and those who tell it share.
#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    missed: AtomicU64,
    /// The number of loads that have begun.
    loads: AtomicUsize,
    closes: AtomicBool,
}

/// Tells the view what happens.
#[derive(Clone)]
pub(in crate::cli) struct Teller {
    news: Sender<News>,
    shared: Arc<Shared>,
}

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Teller").finish_non_exhaustive()
    }
}

impl Teller {
    /// A teller, and what it tells.
    #[cfg(test)]
    pub(super) fn told() -> (Self, Receiver<News>) {
        let (news, receiver) = channel();
        (Self { news, shared: Arc::default() }, receiver)
    }

    /// The number of a load that begins.
    pub(super) fn begin(&self) -> usize {
        self.shared.loads.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether no load has begun after load number `load`.
    pub(super) fn is_last(&self, load: usize) -> bool {
        self.shared.loads.load(Ordering::Relaxed) == load
    }

    /// Tells `news` without waiting; where too many wait already, they are left out and counted.
    pub(super) fn tell(&self, news: impl FnOnce() -> News) {
        if self.shared.waiting.load(Ordering::Relaxed) >= MOST_WAITING {
            self.shared.missed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        // A view that has ended, because its screen is gone, needs no news.
        _ = self.news.send(news());
    }
}

/// The live view. It has the screen until it is dropped; messages printed meanwhile are shown in it, and printed
/// after it.
#[derive(Debug)]
pub(in crate::cli) struct View {
    teller: Teller,
    thread: Option<JoinHandle<()>>,
}

impl View {
    /// Takes the screen. Fails if it cannot be taken, or if no thread can be started.
    pub(in crate::cli) fn open(head: Head) -> Result<Self, Error> {
        let (sender, receiver) = channel();
        let teller = Teller { news: sender, shared: Arc::default() };
        let told = teller.clone();
        let cannot = |why: io::Error| Error::Internal(format!("the live view cannot be shown: {why}"));
        tty::take().map_err(cannot)?;
        hold(Box::new(move |line: &str| told.tell(|| News::Said(line.to_owned()))));
        let shared = Arc::clone(&teller.shared);
        let drawing = move || {
            let end = Ended;
            Drawing::new(State::new(head), receiver, shared).run();
            drop(end);
        };
        match std::thread::Builder::new().name("view".to_owned()).spawn(drawing) {
            Ok(thread) => Ok(Self { teller, thread: Some(thread) }),
            Err(why) => {
                drop(Ended);
                Err(cannot(why))
            }
        }
    }

    pub(in crate::cli) fn teller(&self) -> Teller {
        self.teller.clone()
    }

    /// Shows what a sweep or a search has found so far.
    pub(in crate::cli) fn learn(&self, curve: Curve) {
        self.teller.tell(|| News::Learnt(Box::new(curve)));
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.teller.shared.closes.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has given the screen back, too.
            _ = thread.join();
        }
    }
}

/// Gives the screen back when it is dropped, and prints the messages that waited.
struct Ended;

impl Drop for Ended {
    fn drop(&mut self) {
        tty::give_back();
        release();
    }
}

/// The state of the thread.
struct Drawing {
    state: State,
    news: Receiver<News>,
    shared: Arc<Shared>,
    /// The planned instants of the load that are still to come, and how many have passed.
    arrivals: Option<Peekable<Planned>>,
    passed: u64,
    ink: Ink,
    is_explained: bool,
}

impl Drawing {
    fn new(state: State, news: Receiver<News>, shared: Arc<Shared>) -> Self {
        Self { state, news, shared, arrivals: None, passed: 0, ink: screen_ink(), is_explained: false }
    }

    /// Takes in news and draws until the view closes, or its screen is gone.
    fn run(&mut self) {
        // On Linux this is about the calling thread alone. Without it the view still works.
        _ = rustix::process::setpriority_process(None, NICE);
        let Ok(mut screen) = Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(1 << 16, terminal()))) else {
            return;
        };
        let clock = RunClock::starting_in(Duration::ZERO);
        let mut drawn_at = None;
        while !self.shared.closes.load(Ordering::Acquire) && tty::is_taken() {
            let Ok(is_asked) = self.keys() else { return };
            self.take_in();
            let now = clock.now();
            if is_asked || drawn_at.is_none_or(|drawn| now.since(drawn) >= PAGE) {
                drawn_at = Some(now);
                if !self.page(&mut screen) {
                    return;
                }
            }
        }
    }

    /// Waits for keys; returns whether a new page is needed at once.
    fn keys(&mut self) -> io::Result<bool> {
        let mut is_asked = false;
        let mut wait = LOOK;
        while event::poll(wait)? {
            wait = Duration::ZERO;
            match event::read()? {
                Event::Key(key) if key.kind == KeyEventKind::Press => {
                    self.pressed(key);
                    is_asked = true;
                }
                Event::Resize(..) => is_asked = true,
                _ => {}
            }
        }
        Ok(is_asked)
    }

    fn pressed(&mut self, key: KeyEvent) {
        let is_ctrl_c = key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
        if is_ctrl_c {
            // The screen passes it on as a key, so it is made the signal that it is without a view.
            signals::interrupt();
        } else if self.is_explained {
            self.is_explained = false;
        } else if key.code == KeyCode::Char('?') {
            self.is_explained = true;
        } else if key.code == KeyCode::Char('q') && !signals::any() {
            // Only once: a second signal would cut off open requests.
            signals::interrupt();
        }
    }

    fn take_in(&mut self) {
        let now_missed = self.shared.missed.load(Ordering::Relaxed);
        self.state.missed = now_missed;
        if signals::any() && !self.state.is_stopping {
            self.state.fold(News::Stopping);
        }
        while let Ok(mut news) = self.news.try_recv() {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            match &mut news {
                News::Begins(_, arrivals) => {
                    self.arrivals = arrivals.take().map(|arrivals| (*arrivals).peekable());
                    self.passed = 0;
                }
                News::Beat(beat) => {
                    if let Some(arrivals) = &mut self.arrivals {
                        let stops = self.state.load.as_ref().filter(|load| load.is_stopped);
                        let until = stops.map_or(beat.counts.elapsed, |load| load.begin.load_end);
                        while arrivals.next_if(|arrival| arrival.at <= until).is_some() {
                            self.passed += 1;
                        }
                        // What the issuers call due has passed, even if it passed after the clock was read.
                        beat.planned = self.passed.max(beat.counts.due);
                    }
                }
                News::Settled(seen) => {
                    if let Some((_, words)) = &mut seen.failure {
                        *words = hidden(words);
                    }
                }
                News::Said(line) => *line = hidden(line),
                News::Turned(..) | News::Learnt(_) | News::Stopping => {}
            }
            self.state.fold(news);
        }
    }

    /// Draws a page; returns whether the screen took it.
    fn page(&self, screen: &mut Terminal<CrosstermBackend<BufWriter<Stderr>>>) -> bool {
        let (state, ink, is_explained) = (&self.state, self.ink, self.is_explained);
        tty::draw(|| {
            let drawn = screen.draw(|frame| {
                let area = frame.area();
                page::draw(state, ink, is_explained, area, frame.buffer_mut());
            });
            drawn.is_ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::watcher::Watcher;
    use crate::metrics::examples::{status, streamed};
    use crate::metrics::{Known, Summary};
    use crate::play::{LiveCounts, Look, Observer, Segment};
    use crate::results::Lines;
    use crate::schedule::{Extent, Process, Timeline};
    use crate::seed::Seed;
    use crate::units::Offset;
    use crate::workload::{Closed, Load, Plan, Workload};

    #[test]
    fn news_beyond_the_bound_are_left_out_and_counted() {
        let (teller, receiver) = Teller::told();
        for _ in 0..MOST_WAITING + 7 {
            teller.tell(|| News::Stopping);
        }
        let mut drawing = Drawing::new(State::new(Head::default()), receiver, Arc::clone(&teller.shared));
        drawing.take_in();
        assert_eq!((drawing.state.missed, teller.shared.waiting.load(Ordering::Relaxed)), (7, 0));
        teller.tell(|| News::Said("again".to_owned()));
        drawing.take_in();
        assert_eq!((drawing.state.missed, drawing.state.said.len()), (7, 1));
    }

    #[test]
    fn what_is_planned_is_counted_from_the_plan_and_not_from_what_was_sent() {
        let (teller, receiver) = Teller::told();
        let seconds = |seconds| Extent::Duration(Duration::from_secs(seconds));
        let (no, rate) = (Duration::ZERO, "10/s".parse().unwrap());
        let timeline = Timeline::new(Process::Even, rate, seconds(5), no, no, Seed::new(1));
        let segment = segment(Load::Open(timeline));
        let planned = |before_s: f64| {
            segment.plan.share().filter(|arrival| arrival.at <= Offset::from_secs(before_s)).count() as u64
        };
        let mut drawing = Drawing::new(State::new(Head::default()), receiver, Arc::clone(&teller.shared));
        let mut watcher = Watcher::new(teller, Lines::default(), false);
        watcher.begins(&segment, RunClock::starting_in(no));
        let summary = Summary::new(segment.frame(), Arc::default());
        let mut beat = |elapsed_s: f64, sent: u64| {
            let counts = LiveCounts { elapsed: Offset::from_secs(elapsed_s), sent, due: sent, ..LiveCounts::default() };
            watcher.tick(&Look { counts, summary: &summary });
            drawing.take_in();
            let load = drawing.state.load.as_ref().unwrap();
            (load.beat.planned, load.beat.counts.sent)
        };
        assert!(planned(2.0) >= 19);
        assert_eq!(beat(2.0, 3), (planned(2.0), 3), "the generator is late, and the view shows it");
        assert_eq!(beat(9.0, 40), (planned(5.0), 40));
    }

    #[test]
    fn only_the_load_that_began_last_is_told() {
        let (teller, receiver) = Teller::told();
        let closed = |requests| {
            let extent = Extent::Requests(requests);
            segment(Load::Closed(Closed::synchronous(extent, Duration::ZERO, Duration::ZERO)))
        };
        let mut drawing = Drawing::new(State::new(Head::default()), receiver, Arc::clone(&teller.shared));
        let watcher = || Watcher::new(teller.clone(), Lines::default(), false);
        let (mut first, mut second) = (watcher(), watcher());
        let clock = RunClock::starting_in(Duration::ZERO);
        first.begins(&closed(5), clock);
        first.settled(&streamed(0, 0.0, 0.1, 3, 0.02));
        second.begins(&closed(6), clock);
        // The first load is still followed.
        first.settled(&status(streamed(1, 0.0, 0.1, 3, 0.02), 500, 0.2));
        second.settled(&streamed(0, 0.0, 0.3, 3, 0.02));
        drawing.take_in();
        let load = drawing.state.load.unwrap();
        assert_eq!((load.begin.requests, load.begin.is_closed), (Some(6), true));
        assert!(load.failures.largest().is_empty());
        assert_eq!(load.latencies[0].so_far([0.5]), [Some(Known::At(0.3))]);
    }

    fn segment(load: Load) -> Segment {
        let workload = Workload::new("8".parse().unwrap(), "3".parse().unwrap());
        let plan = Arc::new(Plan::new(load, workload, Seed::new(1), None));
        Segment { label: "one".to_owned(), plan, objectives: Arc::default(), streamed: true }
    }

    /// For a terminal: `cargo test --lib a_panic_gives -- --ignored --nocapture`, then `stty -a`.
    #[test]
    #[ignore = "needs a terminal, and a look at it"]
    fn a_panic_gives_the_terminal_back() {
        let _view = View::open(Head::default()).unwrap();
        std::thread::sleep(Duration::from_secs(2));
        panic!("the terminal is clean when this is read");
    }
}
