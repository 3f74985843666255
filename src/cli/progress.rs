//! Owns the progress line of a run, on standard error: a look at the live counts, which nobody waits for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::terminal::{say, say_all};
use crate::clock::RunClock;
use crate::engine::Gauge;
use crate::results::Lines;
use crate::units::{Offset, count, per_second, seconds, visible};

/// How often it looks.
const LOOK: Duration = Duration::from_millis(200);
/// Looks over which the current rate is taken: two seconds.
const RATE_LOOKS: usize = 10;

/// What the line needs to know.
pub(super) struct Progress {
    pub(super) gauge: Arc<Gauge>,
    pub(super) clock: RunClock,
    /// When the planned load ends; [`Offset::NEVER`] for a closed loop by count.
    pub(super) load_end: Offset,
    /// Hidden on request; hidden too where standard error is no terminal.
    pub(super) hidden: bool,
    /// What is to be said above the line.
    pub(super) lines: Lines,
}

impl Progress {
    /// Draws until dropped.
    pub(super) async fn draw(self) {
        let target = if self.hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let known = self.load_end != Offset::NEVER;
        let bar = ProgressBar::with_draw_target(known.then(|| self.load_end.as_nanos() / 1_000_000), target);
        let template = if known { "{bar:12} {wide_msg}" } else { "{spinner} {wide_msg}" };
        // The template is ours; were it wrong, the plain bar would do.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        let mut looks: VecDeque<(Offset, u64)> = VecDeque::with_capacity(RATE_LOOKS + 1);
        let _clear = Clear(&bar);
        loop {
            let now = self.clock.now();
            let counts = self.gauge.counts(now);
            if !self.lines.is_empty() {
                bar.suspend(|| say_all(&self.lines));
            }
            looks.push_back((now, counts.sent));
            if looks.len() > RATE_LOOKS {
                looks.pop_front();
            }
            bar.set_position(now.min(self.load_end).as_nanos() / 1_000_000);
            let total = if known { format!("/{}", seconds(self.load_end.as_secs())) } else { String::new() };
            let draining = if now > self.load_end { " · draining" } else { "" };
            bar.set_message(format!(
                "{}{:.0} s{total} · {} sent · {} in flight · {} done · {} missed · {}{draining}",
                visible(&self.lines.prefix()),
                now.as_secs(),
                count(counts.sent),
                count(counts.in_flight),
                count(counts.completed),
                count(counts.missed),
                per_second(rate(&looks)),
            ));
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// A pass over fewer planned requests than this takes no time worth a word.
pub(super) const LONG: u64 = 5_000_000;

/// Shows that a pass over a long plan goes on, for as long as it is held.
pub(super) struct LongPass(ProgressBar);

impl LongPass {
    /// Says what is being done to so many planned requests, where they are many.
    pub(super) fn over(requests: u64, doing: &str) -> Option<Self> {
        if requests < LONG {
            return None;
        }
        say(&format!("{doing} {} planned requests, which takes a while", count(requests)));
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // The template is ours; were it wrong, the plain spinner would do.
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

/// Sends per second over the looks kept.
fn rate(looks: &VecDeque<(Offset, u64)>) -> f64 {
    match (looks.front(), looks.back()) {
        (Some((from, before)), Some((until, after))) if until > from => {
            after.saturating_sub(*before) as f64 / until.secs_since(*from)
        }
        _ => 0.0,
    }
}

/// Takes the line away when the drawing ends, however it ends.
struct Clear<'a>(&'a ProgressBar);

impl Drop for Clear<'_> {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
