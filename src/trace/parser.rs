//! Owns `Parser`: the interface of a format to the reader of a trace.

use crate::trace::rows::Pending;

/// Turns an entry of a file into rows.
pub(crate) trait Parser {
    /// Takes the rows of the entry `text` into `pending`. The error says why the entry cannot be read.
    fn take(&mut self, text: &str, pending: &mut Pending) -> Result<(), String>;

    /// The unit of the times that were read; `None` when the format itself fixes the unit.
    fn time_unit(&self) -> Option<&'static str> {
        None
    }
}
