//! Owns `Steering`: a stop rule while it is applied, with the requests that it sees.

use std::sync::Arc;

use crate::metrics::{Course, Frame, Objectives, Sequence};
use crate::play::counts::LiveCounts;
use crate::play::stop::{Following, StopRule};
use crate::play::watched::{Ruling, Watched};
use crate::record::Record;
use crate::units::{Offset, Window};

/// A stop rule while it is applied, with the requests that it sees. Live and virtual players use the same type. If
/// the rule watches no requests, none are kept.
#[derive(Debug)]
pub struct Steering {
    rule: Following,
    window: Window,
    sequence: Option<Sequence>,
    counts: LiveCounts,
    watched: Option<Watched>,
}

impl Steering {
    /// `rule` over a segment of this frame.
    #[must_use]
    pub fn new(rule: StopRule, frame: Frame, objectives: &Arc<Objectives>) -> Self {
        let sequence = matches!(rule, StopRule::Watch(_)).then(|| Sequence::new(frame, Arc::clone(objectives)));
        Self { rule: rule.into(), window: frame.window, sequence, counts: LiveCounts::default(), watched: None }
    }

    /// Whether the rule must be told of each planned request.
    #[must_use]
    pub const fn watches(&self) -> bool {
        self.sequence.is_some()
    }

    /// A planned request comes due at `at`.
    pub fn came(&mut self, at: Offset) {
        if let Some(sequence) = &mut self.sequence {
            sequence.came(at);
        }
    }

    /// A request has settled.
    pub fn add(&mut self, record: &Record) {
        if let Some(sequence) = &mut self.sequence {
            sequence.add(record);
        }
    }

    /// The course of the segment. A player asks until the answer is `Stop`, and not again after that.
    pub fn ask(&mut self, counts: &LiveCounts) -> Course {
        self.counts = *counts;
        let course = match (&mut self.rule, &self.sequence) {
            (Following::Watch(rule), Some(sequence)) => match rule.see(counts, sequence) {
                Ruling::Turn(course) => course,
                Ruling::Stop(reason, growth) => {
                    self.watched = Some(Watched { reason, growth, sequence: sequence.clone() });
                    Course::Stop
                }
            },
            (rule, _) => rule.by_counts(counts),
        };
        self.turn(course, counts.elapsed);
        course
    }

    /// Applies `course` to the window at `now`.
    pub fn turn(&mut self, course: Course, now: Offset) {
        if let Some(sequence) = &mut self.sequence {
            sequence.turn(course, now);
            self.window = sequence.window();
        } else {
            self.window = course.window(self.window, now, false);
        }
    }

    /// The measured window as it is now.
    #[must_use]
    pub const fn window(&self) -> Window {
        self.window
    }

    /// The last counts that the rule saw.
    #[must_use]
    pub const fn counts(&self) -> LiveCounts {
        self.counts
    }

    /// The state of the segment when the rule ended it; `None` if the rule did not end it, or if the rule watches
    /// no requests.
    pub fn watched(&mut self) -> Option<Watched> {
        self.watched.take()
    }

    /// The requests that were kept, once the last of them has settled.
    pub fn finish(&mut self) -> Option<Sequence> {
        self.sequence.take()
    }
}
