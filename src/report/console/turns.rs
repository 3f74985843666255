//! Owns the table of sessions: the latencies by turn, and how sessions ended.

use crate::figures::{TrialView, TurnView};
use crate::report::layout::Grid;
use crate::report::numbers::{UNKNOWN, shown};
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
        (sessions.lost, "lost a turn, which ended them"),
        (sessions.unfinished, "not finished when the run ended"),
    ];
    let ended: Vec<String> = ended
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, how)| format!("{} {how}", count(number)))
        .collect();
    Some((grid, vec![format!("sessions of the whole run: {} begun; {}", count(sessions.begun), ended.join("; "))]))
}
