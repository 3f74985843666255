//! Owns the progress line of a load on standard error: an observer that no other code waits for.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::terminal::{say, say_all};
use crate::clock::RunClock;
use crate::play::{Look, Observer, Segment};
use crate::results::Lines;
use crate::units::{Offset, count, per_second, seconds, visible};
use crate::workload::Load;

/// Time between two updates of the line.
const LOOK: Duration = Duration::from_millis(200);
/// Number of updates over which the current rate is computed: two seconds.
const RATE_LOOKS: usize = 10;

/// The screen of a verb that runs loads. It shows one line: that of the load that began last.
#[derive(Debug, Clone, Default)]
pub(super) struct Screen(Rc<RefCell<Option<Line>>>);

impl Screen {
    /// The progress of a load that is about to begin. Its line replaces the line of the previous load. The line is
    /// `hidden` on request, and if standard error is not a terminal. `lines` are printed above it. A load whose end is
    /// not known (`watched`) has no bar.
    pub(super) fn progress(&self, hidden: bool, lines: Lines, watched: bool) -> Progress {
        self.clear();
        Progress { screen: self.clone(), hidden, lines, watched, line: None }
    }

    /// Removes the line.
    pub(super) fn clear(&self) {
        self.0.take();
    }
}

/// A line on the screen, which is removed when this is dropped.
#[derive(Debug)]
struct Line {
    number: usize,
    bar: ProgressBar,
    /// When the planned load ends; [`Offset::NEVER`] if that is not known.
    load_end: Offset,
    looks: VecDeque<(Offset, u64)>,
    drawn_at: Offset,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The progress of one load.
#[derive(Debug)]
pub(super) struct Progress {
    screen: Screen,
    hidden: bool,
    lines: Lines,
    watched: bool,
    /// The number of its line; `None` before the load begins.
    line: Option<usize>,
}

/// The number of the next line. It tells a load that still drains whether another load has taken the line.
static NEXT_LINE: AtomicUsize = AtomicUsize::new(0);

impl Observer for Progress {
    fn begins(&mut self, segment: &Segment, _clock: RunClock) {
        let spans = segment.plan.spans();
        let load_end = match segment.plan.load() {
            _ if self.watched => Offset::NEVER,
            Load::Open(_) => spans.cooldown.end,
            Load::Closed(_) => spans.cooldown.end.max(spans.window.end),
        };
        let known = load_end != Offset::NEVER;
        let target = if self.hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(known.then(|| load_end.as_nanos() / 1_000_000), target);
        let template = if known { "{bar:12} {wide_msg}" } else { "{spinner} {wide_msg}" };
        // The template is a constant of ours. If it were wrong, the default bar would be used.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        let number = NEXT_LINE.fetch_add(1, Ordering::Relaxed);
        let looks = VecDeque::with_capacity(RATE_LOOKS + 1);
        self.line = Some(number);
        *self.screen.0.borrow_mut() = Some(Line { number, bar, load_end, looks, drawn_at: Offset::ZERO });
    }

    fn tick(&mut self, look: &Look<'_>) {
        let counts = &look.counts;
        let now = counts.elapsed;
        let mut screen = self.screen.0.borrow_mut();
        let Some(line) = screen.as_mut().filter(|line| Some(line.number) == self.line) else { return };
        if now.since(line.drawn_at) < LOOK && now > Offset::ZERO {
            return;
        }
        line.drawn_at = now;
        if !self.lines.is_empty() {
            line.bar.suspend(|| say_all(&self.lines));
        }
        line.looks.push_back((now, counts.sent));
        if line.looks.len() > RATE_LOOKS {
            line.looks.pop_front();
        }
        let known = line.load_end != Offset::NEVER;
        line.bar.set_position(now.min(line.load_end).as_nanos() / 1_000_000);
        let total = if known { format!("/{}", seconds(line.load_end.as_secs())) } else { String::new() };
        let draining = if now > line.load_end { " · draining" } else { "" };
        line.bar.set_message(format!(
            "{}{:.0} s{total} · {} sent · {} in flight · {} done · {} missed · {}{draining}",
            visible(self.lines.prefix()),
            now.as_secs(),
            count(counts.sent),
            count(counts.in_flight),
            count(counts.completed),
            count(counts.missed),
            per_second(rate(&line.looks)),
        ));
    }
}

impl Drop for Progress {
    /// Removes the line of the finished load, unless it is already another load's line.
    fn drop(&mut self) {
        let mut screen = self.screen.0.borrow_mut();
        if screen.as_ref().is_some_and(|line| Some(line.number) == self.line) {
            screen.take();
        }
    }
}

/// A pass over at least this many planned requests is announced, because it takes noticeable time.
pub(super) const LONG: u64 = 5_000_000;

/// Shows a spinner during a pass over a long plan, until it is dropped.
pub(super) struct LongPass(ProgressBar);

impl LongPass {
    /// Announces a pass over `requests` planned requests; `None` if they are few. `doing` names the work.
    pub(super) fn over(requests: u64, doing: &str) -> Option<Self> {
        if requests < LONG {
            return None;
        }
        say(&format!("{doing} {} planned requests, which takes a while", count(requests)));
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // The template is a constant of ours. If it were wrong, the default spinner would be used.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(LOOK);
        Some(Self(bar))
    }
}

impl Drop for LongPass {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Requests sent per second over the kept updates.
fn rate(looks: &VecDeque<(Offset, u64)>) -> f64 {
    match (looks.front(), looks.back()) {
        (Some((from, before)), Some((until, after))) if until > from => {
            after.saturating_sub(*before) as f64 / until.secs_since(*from)
        }
        _ => 0.0,
    }
}
