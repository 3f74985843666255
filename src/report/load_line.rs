//! Owns the load in one line, as every page says it.

use crate::figures::TrialView;
use crate::metrics::{Ended, LoadFacts, LoadKind, LoadOrigin};
use crate::units::{Offset, count, per_second, seconds};

/// The load in one line: what was offered, for how long, and whether it was cut short.
pub(super) fn load_line(trial: &TrialView) -> String {
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
