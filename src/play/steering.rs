//! Owns `Steering`: a stop rule while it is followed, with what it sees.

use std::sync::Arc;

use crate::metrics::{Course, Frame, Objectives, Sequence};
use crate::play::counts::LiveCounts;
use crate::play::stop::{Following, StopRule};
use crate::play::watched::{Ruling, Watched};
use crate::record::Record;
use crate::units::{Offset, Window};

/// A rule while it is followed, with what it sees: the same for whoever plays, live or in virtual time. Where the rule
/// watches nothing, nothing is kept.
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

    /// Whether it wants to hear of each planned request.
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

    /// What becomes of the segment. A player asks until this says stop, and not again after that.
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

    /// Does to the window what `course` means at `now`.
    pub fn turn(&mut self, course: Course, now: Offset) {
        if let Some(sequence) = &mut self.sequence {
            sequence.turn(course, now);
            self.window = sequence.window();
        } else {
            self.window = course.window(self.window, now, false);
        }
    }

    /// The measured window, as it stands.
    #[must_use]
    pub const fn window(&self) -> Window {
        self.window
    }

    /// The counts that the rule saw last.
    #[must_use]
    pub const fn counts(&self) -> LiveCounts {
        self.counts
    }

    /// How the segment stood when the rule ended it; none where the rule did not, or watches nothing.
    pub fn watched(&mut self) -> Option<Watched> {
        self.watched.take()
    }

    /// What was kept of the requests, once the last of them has settled.
    pub fn finish(&mut self) -> Option<Sequence> {
        self.sequence.take()
    }
}
