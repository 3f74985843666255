//! Owns `StopRule`, what ends a segment before its plan does or moves its window, and `Steering`, the rule with what
//! it sees.

use std::fmt;
use std::sync::Arc;

use crate::metrics::{Frame, LiveCounts, Objectives, Sequence};
use crate::record::Record;
use crate::units::{Offset, Window};

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

/// What becomes of a running segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// It goes on.
    GoOn,
    /// The window opens at this instant instead, and closes as much later; nothing changes once it holds a request.
    OpenAt(Offset),
    /// The window closes now, and the load goes on.
    Close,
    /// Nothing more is issued, and the window closes.
    Stop,
}

impl Course {
    /// What becomes of `window` at `now`; it may open later while it `is_empty`.
    pub(super) fn window(self, window: Window, now: Offset, is_empty: bool) -> Window {
        match self {
            Self::OpenAt(start) if is_empty => Window { start, end: start.plus(window.end.since(window.start)) },
            Self::GoOn | Self::OpenAt(_) => window,
            Self::Close | Self::Stop => Window { start: window.start, end: window.end.min(now).max(window.start) },
        }
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
