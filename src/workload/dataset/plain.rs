//! Owns plain text: one prompt per line.

use super::row::DataRow;

/// The rows of `text`: its lines without blank ones and without the blanks around them.
pub(super) fn read(text: &str) -> Vec<DataRow> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| DataRow::question(line.to_owned())).collect()
}
