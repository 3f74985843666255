//! Owns the layout of text: colours that are never needed to understand it, and tables that fit 80 columns.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::units::visible;
pub use crate::units::wrapped;

/// The width of text in columns, where the data allow it.
pub const WIDTH: usize = 80;

/// Whether text may contain colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// No colours.
    Plain,
    /// ANSI colours. A word beside each colour has the same meaning.
    Colour,
}

/// The kind of a piece of text, which selects its colour. Blue for good and magenta for bad differ in every kind of
/// colour vision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Heading,
    Faint,
    Good,
    Bad,
    Warning,
}

impl Ink {
    /// `text` in the colour of `tone`.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match (self, tone) {
            (Self::Plain, _) => return text.to_owned(),
            (Self::Colour, Tone::Heading) => "1",
            (Self::Colour, Tone::Faint) => "2",
            (Self::Colour, Tone::Good) => "1;34",
            (Self::Colour, Tone::Bad) => "1;35",
            (Self::Colour, Tone::Warning) => "33",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// A table: the first column holds text, the other columns hold figures.
pub(super) struct Grid {
    table: Table,
    columns: usize,
}

impl Grid {
    pub(super) fn new(headings: &[&str]) -> Self {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(headings.iter().copied());
        Self { table, columns: headings.len() }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.table.add_row(cells.into_iter().map(|cell| visible(&cell).into_owned()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The lines of the table, with coloured headings and two blanks between columns.
    pub(super) fn render(mut self, ink: Ink) -> String {
        for index in 0..self.columns {
            if let Some(column) = self.table.column_mut(index) {
                column.set_padding((if index == 0 { 0 } else { 2 }, 0));
                column.set_cell_alignment(if index == 0 { CellAlignment::Left } else { CellAlignment::Right });
            }
        }
        let mut text = String::new();
        for (number, line) in self.table.to_string().lines().enumerate() {
            let line = line.trim_end();
            text.push_str(&if number == 0 { ink.paint(Tone::Heading, line) } else { line.to_owned() });
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_ink_leaves_no_trace() {
        assert_eq!(Ink::Plain.paint(Tone::Bad, "FAIL"), "FAIL");
        assert_ne!(Ink::Colour.paint(Tone::Bad, "FAIL"), Ink::Colour.paint(Tone::Good, "FAIL"));
    }
}
