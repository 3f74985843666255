//! Owns `Parser`: what each format is to the reader of a trace.

use crate::trace::rows::Pending;

/// Turns an entry of a file into rows.
pub(crate) trait Parser {
    /// Takes the rows of one entry.
    fn take(&mut self, text: &str, pending: &mut Pending) -> Result<(), String>;

    /// The unit that its times have turned out to have, where the format leaves it open.
    fn time_unit(&self) -> Option<&'static str> {
        None
    }
}
