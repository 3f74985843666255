//! Owns `StopRule`, what ends a segment before its plan does or moves its window, and `Steering`, the rule with what
//! it sees.

use std::fmt;
use std::sync::Arc;

use crate::metrics::{Course, Frame, Objectives, Sequence};
use crate::record::Record;
use crate::units::{Offset, Window};

/// Counts of a segment while it runs. A stop rule is a pure function of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LiveCounts {
    /// Since the segment began.
    pub elapsed: Offset,
    /// Instants that have passed.
    pub due: u64,
    /// Sends begun.
    pub sent: u64,
    /// Completed.
    pub completed: u64,
    /// Failed, timed out or shed.
    pub missed: u64,
    /// In flight now.
    pub in_flight: u64,
}

/// When to stop a segment before its plan ends.
#[derive(Clone)]
pub enum StopRule {
    /// Play the plan to its end.
    Never,
    /// Stop issuing as soon as this says so.
    When(Arc<dyn Fn(&LiveCounts) -> bool + Send + Sync>),
    /// Do what this says; it sees how the requests stand, too.
    Watch(Watched),
}

/// What steers a segment: a fold of what it has seen so far.
pub type Watched = Arc<dyn Fn(&LiveCounts, &Sequence) -> Course + Send + Sync>;

impl fmt::Debug for StopRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "Never",
            Self::When(_) => "When(…)",
            Self::Watch(_) => "Watch(…)",
        })
    }
}

/// A rule and what it sees: the same for whoever plays, live or in virtual time. Where the rule watches nothing,
/// nothing is kept.
#[derive(Debug)]
pub struct Steering {
    rule: StopRule,
    window: Window,
    sequence: Option<Sequence>,
}

impl Steering {
    /// `rule` over a segment of this frame.
    #[must_use]
    pub fn new(rule: StopRule, frame: Frame, objectives: &Arc<Objectives>) -> Self {
        let sequence = matches!(rule, StopRule::Watch(_)).then(|| Sequence::new(frame, Arc::clone(objectives)));
        Self { rule, window: frame.window, sequence }
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

    /// What becomes of the segment.
    pub fn ask(&mut self, counts: &LiveCounts) -> Course {
        let course = match (&self.rule, &self.sequence) {
            (StopRule::When(rule), _) if rule(counts) => Course::Stop,
            (StopRule::Watch(rule), Some(sequence)) => rule(counts, sequence),
            _ => Course::GoOn,
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

    /// What was kept of the requests.
    #[must_use]
    pub fn finish(self) -> Option<Sequence> {
        self.sequence
    }
}
