//! Owns the table of recoveries: after each step of the rate, how long until an objective holds again.

use crate::figures::TrialView;
use crate::metrics::Recovery;
use crate::report::layout::Grid;
use crate::report::numbers::UNKNOWN;
use crate::units::{per_second, seconds};

/// The table of recoveries with its note; `None` without a step of the rate.
pub(super) fn recovery_table(trial: &TrialView) -> Option<(Grid, Vec<String>)> {
    let first = trial.recoveries.first()?;
    let mut grid = Grid::new(&["step of the rate", "at", "objective", "broken", "holds again"]);
    for recovery in &trial.recoveries {
        let step = &recovery.step;
        grid.row(vec![
            format!("{} to {}", per_second(step.from_per_s), per_second(step.to_per_s)),
            seconds(step.at_s),
            recovery.objective.clone(),
            broken(recovery).to_owned(),
            again(recovery),
        ]);
    }
    let stretch = seconds(first.stretch_s);
    let note = format!(
        "an objective holds again from the first instant after which no stretch of {stretch} until the next step \
         surely (99.9 %) misses it"
    );
    Some((grid, vec![note]))
}

const fn broken(recovery: &Recovery) -> &'static str {
    match (recovery.broken, recovery.recovered_after_s) {
        (true, _) => "yes",
        (false, Some(_)) => "no",
        (false, None) => UNKNOWN,
    }
}

fn again(recovery: &Recovery) -> String {
    match (recovery.broken, recovery.recovered_after_s) {
        (false, Some(_)) => "throughout".to_owned(),
        (true, Some(after_s)) => format!("after {}", seconds(after_s)),
        (true, None) => format!("not within {}", seconds(recovery.followed_s)),
        (false, None) => format!("{} are too short to say", seconds(recovery.followed_s)),
    }
}
