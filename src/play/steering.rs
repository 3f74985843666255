//! Owns `Steering`: a stop rule while it is applied, with the requests that it sees.

use std::sync::Arc;

use crate::metrics::{Course, Frame, Objectives, Sequence};
use crate::play::counts::LiveCounts;
use crate::play::stop::{StopRule, Watching};
use crate::play::watched::{Ruling, Watched};
use crate::record::Record;
use crate::units::{Offset, Window};

/// A stop rule while it is applied, with the requests that it sees. Live and virtual players use the same type.
#[derive(Debug)]
pub(crate) struct Steering {
    following: Following,
    window: Window,
    counts: LiveCounts,
    watched: Option<Watched>,
}

/// What a rule sees.
#[derive(Debug)]
enum Following {
    /// Counts alone: no requests are kept.
    Counts(StopRule),
    /// The state of each request, too.
    Requests { rule: Watching, sequence: Box<Sequence> },
}

impl Steering {
    /// `rule` over a segment of this frame.
    #[must_use]
    pub(crate) fn new(rule: StopRule, frame: Frame, objectives: &Arc<Objectives>) -> Self {
        let following = match rule {
            StopRule::Watch(rule) => Following::Requests {
                rule: (*rule).into(),
                sequence: Box::new(Sequence::new(frame, Arc::clone(objectives))),
            },
            counted => Following::Counts(counted),
        };
        Self { following, window: frame.window, counts: LiveCounts::default(), watched: None }
    }

    /// Whether the rule must be told of each planned request.
    #[must_use]
    pub(crate) const fn watches(&self) -> bool {
        matches!(self.following, Following::Requests { .. })
    }

    fn sequence(&mut self) -> Option<&mut Sequence> {
        match &mut self.following {
            Following::Counts(_) => None,
            Following::Requests { sequence, .. } => Some(sequence),
        }
    }

    /// A planned request comes due at `at`.
    pub(crate) fn came(&mut self, at: Offset) {
        if let Some(sequence) = self.sequence() {
            sequence.came(at);
        }
    }

    /// A request has settled.
    pub(crate) fn add(&mut self, record: &Record) {
        if let Some(sequence) = self.sequence() {
            sequence.add(record);
        }
    }

    /// The course of the segment. A player asks until the answer is `Stop`, and not again after that.
    pub(crate) fn ask(&mut self, counts: &LiveCounts) -> Course {
        self.counts = *counts;
        let course = match &mut self.following {
            Following::Counts(rule) => rule.by_counts(counts),
            Following::Requests { rule, sequence } => match rule.see(counts, sequence) {
                Ruling::Turn(course) => course,
                Ruling::Stop(reason, growth) => {
                    self.watched = Some(Watched { reason, growth, sequence: sequence.as_ref().clone() });
                    Course::Stop
                }
            },
        };
        self.turn(course, counts.elapsed);
        course
    }

    /// Applies `course` to the window at `now`.
    pub(crate) fn turn(&mut self, course: Course, now: Offset) {
        self.window = match self.sequence() {
            Some(sequence) => {
                sequence.turn(course, now);
                sequence.window()
            }
            None => course.window(self.window, now, false),
        };
    }

    /// The measured window as it is now.
    #[must_use]
    pub(crate) const fn window(&self) -> Window {
        self.window
    }

    /// The last counts that the rule saw.
    #[must_use]
    pub(crate) const fn counts(&self) -> LiveCounts {
        self.counts
    }

    /// The state of the segment when the rule ended it; `None` if the rule did not end it, or if the rule watches
    /// no requests.
    pub(crate) fn watched(&mut self) -> Option<Watched> {
        self.watched.take()
    }

    /// The requests that were kept, once the last of them has settled.
    pub(crate) fn finish(&mut self) -> Option<Sequence> {
        match std::mem::replace(&mut self.following, Following::Counts(StopRule::Never)) {
            Following::Counts(_) => None,
            Following::Requests { sequence, .. } => Some(*sequence),
        }
    }
}
