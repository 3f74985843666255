//! Owns the table of a matrix before it is run: its cells, and about how long they take.

use crate::report::aggregate::about_text;
use crate::report::layout::{Grid, Ink, Tone, WIDTH, wrapped};
use crate::units::{count, cut_to, seconds};

/// A cell that is about to be run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MatrixCell {
    /// Its name.
    pub(crate) name: String,
    /// The model, where it is known.
    pub(crate) model: Option<String>,
    /// The target, where it is known.
    pub(crate) target: Option<String>,
    /// About how long it takes, in seconds; `None` if that is not known.
    pub(crate) about_s: Option<f64>,
    /// Whether that rests on an assumed speed of the server.
    pub(crate) is_assumed: bool,
}

/// Columns of the longest name.
const NAME: usize = 60;

/// The table of `cells`, with the command `after` each of them.
pub(crate) fn render_matrix(cells: &[MatrixCell], after: Option<&str>, ink: Ink) -> String {
    let known_s: f64 = cells.iter().filter_map(|cell| cell.about_s).sum();
    let at_least = if cells.iter().any(|cell| cell.about_s.is_none()) { "at least" } else { "about" };
    let what = if cells.len() == 1 { "cell" } else { "cells" };
    let between = if after.is_some() { ", draining and the command between cells" } else { " and draining" };
    let title = format!(
        "{} {what}, {at_least} {} in all, plus the time of slow answers{between}",
        count(cells.len() as u64),
        seconds(known_s)
    );
    let mut text = ink.paint(Tone::Heading, &wrapped(&title, WIDTH, 2)) + "\n";
    let mut line = |line: String| text.push_str(&(wrapped(&line, WIDTH, 2) + "\n"));
    for (name, of) in [
        ("model", (|cell| cell.model.as_deref()) as fn(&MatrixCell) -> Option<&str>),
        ("target", |cell| cell.target.as_deref()),
    ] {
        let mut names: Vec<&str> = Vec::new();
        for name in cells.iter().filter_map(of) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if !names.is_empty() {
            line(format!("{name}: {}", names.join(", ")));
        }
    }
    if let Some(command) = after {
        line(format!("after each cell: {command}"));
    }
    text.push('\n');
    let mut grid = Grid::new(&["cell", "about"]);
    for (place, cell) in cells.iter().enumerate() {
        let mark = if cell.is_assumed { " *" } else { "" };
        let name = format!("{:>3}  {}", place + 1, cut_to(&cell.name, NAME));
        grid.row(vec![name, about_text(cell.about_s) + mark]);
    }
    text.push_str(&grid.render(ink));
    if cells.iter().any(|cell| cell.is_assumed) {
        let note = "* requests by number in a closed loop: their time is the server's. Assumed are 1 s to the first \
            token, and 20 ms for each further one";
        text.push_str(&(ink.paint(Tone::Faint, &wrapped(note, WIDTH, 2)) + "\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_that_of_the_cells_and_says_what_is_not_known() {
        let cell = |name: &str, about_s| MatrixCell {
            name: name.to_owned(),
            model: Some("m".to_owned()),
            target: None,
            about_s,
            is_assumed: false,
        };
        let known = [cell("a", Some(20.0)), cell("b", Some(40.0))];
        let text = render_matrix(&known, Some("sleep 5"), Ink::Plain);
        for wanted in ["2 cells, about 60.0 s in all", "model: m\n", "after each cell: sleep 5", "  1  a  20.0 s\n"] {
            assert!(text.contains(wanted), "{text}");
        }
        let text = render_matrix(&[cell("a", Some(20.0)), cell("b", None)], None, Ink::Plain);
        assert!(text.contains("at least 20.0 s") && text.contains("not known"), "{text}");
    }
}
