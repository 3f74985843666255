//! Owns the table of sessions: the latencies by turn, and how sessions ended.

use crate::figures::{TrialView, TurnView};
use crate::report::layout::Grid;
use crate::report::numbers::{UNKNOWN, shown, turns};
use crate::units::{count, plain};

/// The table of turns, and the sentence on how sessions ended; `None` without sessions.
pub(in crate::report) fn turns_table(trial: &TrialView) -> Option<(Grid, Vec<String>)> {
    let sessions = trial.sessions?;
    let headings = ["turn", "requests", "completed", "in tok", "ttft p50", "ttft p99", "e2e p50", "e2e p99"];
    let mut grid = Grid::new(&headings);
    for turn in &trial.turns {
        let TurnView { requests, completed, input_tokens, ttft_p50_s, ttft_p99_s, e2e_p50_s, e2e_p99_s, .. } = *turn;
        let name = if turn.and_later { format!("{} and later", turn.turn) } else { turn.turn.to_string() };
        let mut cells = vec![name, count(requests), count(completed)];
        cells.push(input_tokens.map_or_else(|| UNKNOWN.to_owned(), plain));
        cells.extend([ttft_p50_s, ttft_p99_s, e2e_p50_s, e2e_p99_s].map(|time| shown(time, "s")));
        grid.row(cells);
    }
    let ended = [
        (sessions.finished, "finished"),
        (sessions.lost, "ended early, because a turn failed, timed out or was cancelled"),
        (sessions.unfinished, "not finished when the run ended"),
    ];
    let mut ended: Vec<String> = ended
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, how)| format!("{} {how}", count(number)))
        .collect();
    if trial.run_totals.skipped > 0 {
        ended.push(format!("{} after a lost turn were skipped: they were never sent", turns(trial.run_totals.skipped)));
    }
    let mut notes = vec![format!("sessions of the whole run: {} begun; {}", count(sessions.begun), ended.join("; "))];
    if trial.requests.skipped > 0 {
        let skipped = turns(trial.requests.skipped);
        notes.push(format!(
            "the table leaves out the {skipped} of the measured window that were skipped; the share of good requests \
             counts them as not good"
        ));
    }
    Some((grid, notes))
}
