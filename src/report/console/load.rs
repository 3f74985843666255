//! Owns the description of a load on the console: what was offered, for how long, and what that means.

use crate::figures::{Origins, TrialView};
use crate::metrics::{Ended, LoadFacts, LoadKind, LoadOrigin};
use crate::report::layout::{Ink, Tone, WIDTH, wrapped};
use crate::results::Report;
use crate::units::{Offset, count, per_second, seconds};

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
        text.extend([
            "*merged* from all ",
            &count(u64::from(merged.shards)),
            " shards: every figure is of the whole load.\n",
        ]);
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

/// The load in one line: what was offered, for how long, and whether it was cut short.
pub(in crate::report) fn load_line(trial: &TrialView) -> String {
    let load = &trial.load;
    let closed = load.origin == LoadOrigin::Released;
    let what = if closed {
        format!("closed loop: {} in flight", count(u64::from(load.concurrency.unwrap_or(1))))
    } else {
        open_load(load)
    };
    let window = trial.window;
    let what = load.shard.map_or_else(
        || what.clone(),
        |shard| {
            let of_trace = load.kind == LoadKind::Replay && load.origin == LoadOrigin::Mixed;
            let article = if of_trace { "a" } else { "an" };
            format!("shard {shard} of {article} {what}")
        },
    );
    let mut line = format!("{what} for {}", seconds(window.length_s()));
    if window.start > Offset::ZERO {
        line.extend([", after ", &seconds(window.start.as_secs()), " of warm-up"]);
    }
    if trial.ended != Ended::Complete && window.end <= window.start {
        line = format!("{what}, interrupted during warm-up: nothing was measured");
    } else {
        line.push_str(match trial.ended {
            Ended::Complete => "",
            Ended::Stopped => ", stopped early",
            Ended::Interrupted => ", INTERRUPTED",
        });
    }
    line
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
        line.extend([" ", &count(outside), " more turns came after the measured window."]);
    }
    wrapped(&line, WIDTH, 0) + "\n"
}

fn open_load(load: &LoadFacts) -> String {
    let rate = |show: fn(f64) -> String| load.rate_per_s.map_or_else(String::new, |rate| format!(" at {}", show(rate)));
    if let Some(trace) = &load.trace {
        if load.origin == LoadOrigin::Mixed {
            return format!("replay of {}, sessions begun{}", trace.file, rate(per_second));
        }
        // The user did not give this rate, so it is rounded like a measured one.
        return format!("open loop: replay of {}{}", trace.file, rate(per_second));
    }
    let open_loop = if load.origin == LoadOrigin::Mixed { "open loop over sessions" } else { "open loop" };
    if let Some(profile) = &load.profile {
        return format!(
            "{open_loop}: {}{} on average, {profile},",
            load.process.as_deref().unwrap_or("arrivals"),
            rate(per_second)
        );
    }
    match (load.kind, load.origin) {
        (LoadKind::Replay, LoadOrigin::Mixed) => return "replay of sessions".to_owned(),
        (LoadKind::Replay, _) => return "open loop: replay".to_owned(),
        _ => {}
    }
    format!("{open_loop}: {}{}", load.process.as_deref().unwrap_or("arrivals"), rate(|rate| format!("{rate}/s")))
}
