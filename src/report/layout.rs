//! Owns the layout of text: colours that are never needed to understand it, and tables that fit 80 columns.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::units::visible;
pub(crate) use crate::units::wrapped;

/// The width of text in columns, where the data allow it.
pub(crate) const WIDTH: usize = 80;

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

/// A table, whatever the page: the first column holds text, the other columns hold figures.
#[derive(Debug, Clone, Default)]
pub(super) struct Grid {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    pub(super) fn new(headings: &[&str]) -> Self {
        Self { headings: headings.iter().map(|heading| visible(heading).into_owned()).collect(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells.into_iter().map(|cell| visible(&cell).into_owned()).collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn headings(&self) -> &[String] {
        &self.headings
    }

    pub(super) fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// The columns of text that the table takes on the console.
    pub(super) fn width(&self) -> usize {
        let of_column = |place: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(place)).chain(self.headings.get(place));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let columns = self.headings.len();
        (0..columns).map(of_column).sum::<usize>() + 2 * columns.saturating_sub(1)
    }

    /// The table with `headings` from column `first` on replaced by (1), (2) and so on where it is wider than
    /// [`WIDTH`]; and then the sentence that explains them.
    pub(super) fn numbered(mut self, first: usize, headings: &[String]) -> (Self, Option<String>) {
        if self.width() <= WIDTH {
            return (self, None);
        }
        let mut told = Vec::new();
        for (place, heading) in headings.iter().enumerate() {
            let number = format!("({})", place + 1);
            told.push(format!("{number} {heading}"));
            if let Some(shown) = self.headings.get_mut(first + place) {
                *shown = number;
            }
        }
        (self, Some(told.join(", ")))
    }

    /// The lines of the table on the console, with coloured headings and two blanks between columns.
    pub(super) fn render(self, ink: Ink) -> String {
        let columns = self.headings.len();
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(self.headings);
        for row in self.rows {
            table.add_row(row);
        }
        for index in 0..columns {
            if let Some(column) = table.column_mut(index) {
                column.set_padding((if index == 0 { 0 } else { 2 }, 0));
                column.set_cell_alignment(if index == 0 { CellAlignment::Left } else { CellAlignment::Right });
            }
        }
        let mut text = String::new();
        for (number, line) in table.to_string().lines().enumerate() {
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
