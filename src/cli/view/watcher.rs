//! Owns `Watcher`, the observer that tells the live view of one load. It never waits for the view.

use std::sync::Arc;
use std::time::Duration;

use crate::cli::terminal::say_all;
use crate::cli::view::news::{Beat, Begin, News, ROWS, Seen};
use crate::cli::view::thread::Teller;
use crate::clock::RunClock;
use crate::metrics::{Course, FailureGroup, OriginOf};
use crate::play::{Look, Observer, Segment};
use crate::record::{Outcome, Record};
use crate::results::Lines;
use crate::schedule::Extent;
use crate::units::{Offset, count, per_second};
use crate::workload::{Load, Plan};

/// Time between two counts that are told.
const BEAT: Duration = Duration::from_millis(100);

/// Tells the view of one load.
#[derive(Debug)]
pub(in crate::cli) struct Watcher {
    teller: Teller,
    lines: Lines,
    /// Whether a watch decides when the load ends, so that its end is not known.
    watched: bool,
    /// The number of the load among those that were told; `None` before it begins.
    load: Option<usize>,
    told_at: Option<Offset>,
}

impl Watcher {
    /// The observer of a load that is about to begin. `lines` are the messages that wait, and the name of the load.
    pub(in crate::cli) fn new(teller: Teller, lines: Lines, watched: bool) -> Self {
        Self { teller, lines, watched, load: None, told_at: None }
    }

    /// Tells `news`, unless another load has begun since.
    fn tell(&self, news: impl FnOnce() -> News) {
        if self.load.is_some_and(|load| self.teller.is_last(load)) {
            self.teller.tell(news);
        }
    }
}

impl Observer for Watcher {
    fn begins(&mut self, segment: &Segment, _clock: RunClock) {
        self.load = Some(self.teller.begin());
        let begin = begin_of(segment, self.lines.prefix(), self.watched);
        // Where answers set the instants of later turns, only our own issuers know what is due.
        let is_planned = segment.plan.turns().is_none() && !begin.is_closed;
        let arrivals = is_planned.then(|| Box::new(segment.plan.share()));
        self.teller.tell(|| News::Begins(Box::new(begin), arrivals));
    }

    fn settled(&mut self, record: &Record) {
        self.tell(|| News::Settled(Box::new(seen(record))));
    }

    fn turned(&mut self, course: Course, now: Offset) {
        self.tell(|| News::Turned(course, now));
    }

    fn tick(&mut self, look: &Look<'_>) {
        say_all(&self.lines);
        let now = look.counts.elapsed;
        let is_last = look.counts.in_flight == 0;
        if self.told_at.is_some_and(|told| now.since(told) < BEAT) && !is_last {
            return;
        }
        self.told_at = Some(now);
        self.tell(|| News::Beat(Box::new(beat(look))));
    }
}

fn begin_of(segment: &Segment, label: &str, watched: bool) -> Begin {
    let plan = &segment.plan;
    let frame = segment.frame();
    let closed = match plan.load() {
        Load::Closed(closed) => Some(closed),
        Load::Open(_) => None,
    };
    let requests = closed.and_then(|closed| match closed.extent {
        Extent::Requests(requests) => Some(requests),
        Extent::Duration(_) => None,
    });
    Begin {
        label: label.to_owned(),
        words: words(plan),
        level: match plan.load() {
            Load::Closed(closed) => Some(f64::from(closed.concurrency)),
            Load::Open(timeline) => timeline.law().map(|_| timeline.rate_per_s()),
        },
        window: frame.window,
        load_end: if watched { Offset::NEVER } else { frame.load_end },
        requests: requests.filter(|_| !watched),
        is_closed: closed.is_some(),
        streamed: segment.streamed,
        objectives: Arc::clone(&segment.objectives),
    }
}

/// The load in words.
fn words(plan: &Plan) -> String {
    match plan.load() {
        Load::Closed(closed) => format!("closed loop, {} in flight", count(u64::from(closed.concurrency))),
        Load::Open(timeline) => {
            let process = timeline.law().map_or_else(|| "recorded".to_owned(), |(process, _)| process.to_string());
            format!("open loop, {} {process}", per_second(timeline.rate_per_s()))
        }
    }
}

fn seen(record: &Record) -> Seen {
    let exchange = &record.exchange;
    let failure = match exchange.outcome {
        Outcome::Shed => Some(("shed".to_owned(), "the cap on requests in flight was reached".to_owned())),
        Outcome::Abandoned => Some(("abandoned".to_owned(), "a task of the generator died".to_owned())),
        _ => FailureGroup::of(exchange).map(|group| (group.kind, group.words)),
    };
    Seen {
        scheduled: record.scheduled,
        ended: exchange.ended.unwrap_or(record.scheduled),
        values: ROWS.map(|metric| metric.value(record, OriginOf::Scheduled)),
        completed: exchange.outcome == Outcome::Completed,
        failure,
    }
}

fn beat(look: &Look<'_>) -> Beat {
    let summary = look.summary;
    let objectives = summary.objectives().items().len();
    Beat {
        counts: look.counts,
        // The view replaces this where it counts the plan itself.
        planned: look.counts.due,
        tallies: (0..objectives).filter_map(|place| summary.tally(place).cloned()).collect(),
        good: summary.goodness().met,
        cohort: summary.cohort().planned,
    }
}
