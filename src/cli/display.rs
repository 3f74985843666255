//! Owns `Display`: what a user watches while loads run. It is the live view, the progress line or nothing, and the
//! export beside them.

use std::cell::RefCell;
use std::rc::Rc;

#[cfg(feature = "otlp")]
use crate::cli::export::Traces;
use crate::cli::export::{Export, Exporter};
use crate::cli::job::Job;
use crate::cli::progress::{Progress, Screen};
use crate::cli::terminal::{say, say_all};
use crate::cli::tty;
use crate::cli::view::{Curve, Head, View, Watcher};
use crate::clock::RunClock;
use crate::metrics::Course;
use crate::play::{Look, Observer, Segment};
use crate::record::Record;
use crate::results::{self, Lines, Target};
use crate::units::Offset;

/// What a user watches while loads run.
#[derive(Debug, Clone)]
pub(super) struct Display {
    screen: Screen,
    /// Whether neither a view nor a line is shown.
    hidden: bool,
    /// The heading of the view that the first load opens; `None` once it is open, or where a line is shown instead.
    head: Rc<RefCell<Option<Head>>>,
    /// The view, from the first load on.
    view: Rc<RefCell<Option<View>>>,
    /// What a resumed sweep or search had found, until a view shows it.
    found: Rc<RefCell<Option<Curve>>>,
    export: Option<Rc<Export>>,
    verb: &'static str,
    #[cfg(feature = "otlp")]
    traces: Option<Rc<Traces>>,
}

impl Display {
    /// The display of `job` against `target`. The view is shown on a terminal, unless a line or nothing was asked for.
    pub(super) fn of(job: &Job, target: &Target) -> Self {
        let hidden = job.quiet || job.json;
        let head = || Head {
            verb: job.verb.to_owned(),
            target: results::hidden(&format!("{}  {}", target.urls.join(", "), target.model)),
            is_simulated: target.simulated,
        };
        if let Some(export) = job.export.as_ref().filter(|_| !hidden) {
            say(&format!("figures while the load runs: {}", export.url()));
        }
        Self {
            screen: Screen::default(),
            hidden,
            head: Rc::new(RefCell::new((!hidden && !job.plain && tty::can_be_taken()).then(head))),
            view: Rc::default(),
            found: Rc::default(),
            export: job.export.clone(),
            verb: job.verb,
            #[cfg(feature = "otlp")]
            traces: job.traces.clone(),
        }
    }

    /// The observer of load number `number` (from 1), which is about to begin. `lines` are the messages that wait, and
    /// the name of the load. If a watch decides when it ends, it is `watched`.
    pub(super) fn load(&self, number: usize, lines: Lines, watched: bool) -> Watching {
        let exporter = Exporter::new(self.export.as_deref(), self.verb, number);
        #[cfg(feature = "otlp")]
        let exporter = exporter.tracing(self.traces.as_ref());
        let mut view = self.view.borrow_mut();
        if let Some(head) = self.head.take() {
            match View::open(head) {
                Ok(opened) => {
                    if let Some(found) = self.found.take() {
                        opened.learn(found);
                    }
                    *view = Some(opened);
                }
                Err(why) => say(&format!("a line of progress is shown instead: {why}")),
            }
        }
        let shown = match &*view {
            Some(view) => Shown::View(Watcher::new(view.teller(), lines, watched)),
            None => Shown::Line(self.screen.progress(self.hidden, lines, watched)),
        };
        Watching { shown, exporter }
    }

    /// Shows what a sweep or a search has found so far; only a view has room for it.
    pub(super) fn learn(&self, curve: impl FnOnce() -> Curve) {
        match &*self.view.borrow() {
            Some(view) => view.learn(curve()),
            None if self.head.borrow().is_some() => *self.found.borrow_mut() = Some(curve()),
            None => {}
        }
    }

    /// Removes the progress line between two loads; a view stays. Then the waiting messages are printed.
    pub(super) fn clear(&self, lines: &Lines) {
        self.screen.clear();
        say_all(lines);
    }

    /// Ends the view and the line. Then the waiting messages are printed.
    pub(super) fn close(&self, lines: &Lines) {
        // Messages that come now are printed after those that the view has kept.
        let view = self.view.take();
        drop(view);
        self.clear(lines);
    }
}

/// The observer of one load.
#[derive(Debug)]
pub(super) struct Watching {
    shown: Shown,
    exporter: Exporter,
}

#[derive(Debug)]
enum Shown {
    View(Watcher),
    Line(Progress),
}

impl Shown {
    fn observer(&mut self) -> &mut dyn Observer {
        match self {
            Self::View(watcher) => watcher,
            Self::Line(line) => line,
        }
    }
}

impl Observer for Watching {
    fn begins(&mut self, segment: &Segment, clock: RunClock) {
        self.shown.observer().begins(segment, clock);
        self.exporter.begins(segment, clock);
    }

    fn settled(&mut self, record: &Record) {
        self.shown.observer().settled(record);
        self.exporter.settled(record);
    }

    fn turned(&mut self, course: Course, now: Offset) {
        self.shown.observer().turned(course, now);
        self.exporter.turned(course, now);
    }

    fn tick(&mut self, look: &Look<'_>) {
        self.shown.observer().tick(look);
        self.exporter.tick(look);
    }
}
