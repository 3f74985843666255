//! Owns the description of a load on the console: what was offered, for how long, and what that means.

use crate::figures::{Origins, TrialView};
use crate::metrics::LoadOrigin;
use crate::report::layout::{Ink, Tone, WIDTH, wrapped};
use crate::report::load_line::load_line;
use crate::report::numbers::turns;
use crate::results::Report;
use crate::units::count;

/// The lines that describe the offered load.
pub(super) fn load_text(report: &Report, trial: &TrialView, ink: Ink) -> String {
    let load = &trial.load;
    let closed = load.origin == LoadOrigin::Released;
    let line = load_line(trial);
    let mut text = ink.paint(Tone::Heading, &wrapped(&line, WIDTH, 0)) + "\n";
    if report.is_unfinished() {
        let line = format!("the run did not end: {} records were on disk", count(trial.run_totals.planned));
        text.push_str(&ink.paint(Tone::Warning, &line));
        text.push('\n');
    }
    if load.shard.is_some() {
        text.push_str("*shard*: every figure is of this part of the load; the service got all parts.\n");
        text.push_str("Give the folders of all shards to `tonnage report` for the whole load.\n");
    }
    if let Some(merged) = load.merged {
        let (all, there) = (u64::from(merged.shards), u64::from(merged.shards - merged.missing));
        text.push_str("*merged* from ");
        text.push_str(&if merged.missing == 0 {
            ["all ", &count(all), " shards: every figure is of the whole load.\n"].concat()
        } else {
            [&count(there), " of ", &count(all), " shards: PARTIAL, the rate is what they sent.\n"].concat()
        });
    }
    if let Some(origins) = trial.origins {
        text.push_str(&mixed_text(trial, origins));
    }
    if closed {
        text.push_str("*closed*: each answer releases the next request, so a slow server gets fewer\n");
        text.push_str("requests. This is a reference, not a measurement of an open load. Latency counts\n");
        text.push_str("from the release.\n");
    }
    text
}

/// The lines for a load of sessions, in which later turns are released by completions.
fn mixed_text(trial: &TrialView, origins: Origins) -> String {
    let mut line = format!(
        "*mixed*: {} planned, {} released after completion of the previous turn, so that a slow server gets fewer \
         requests. Latency counts from the planned instant, or from the release.",
        count(origins.planned),
        count(origins.released)
    );
    let outside = trial.run_totals.planned - trial.requests.planned;
    if outside > 0 {
        line.extend([" ", &turns(outside), " more lie outside the measured window."]);
    }
    wrapped(&line, WIDTH, 0) + "\n"
}
