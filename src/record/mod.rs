//! Owns records: one for each planned or released request, and its line in a file.

mod answer_text;
mod cause;
mod codec;
mod exchange;
mod line;
mod row;
mod spool;

pub use answer_text::AnswerText;
pub use cause::FailureCause;
pub use codec::{Detail, Header, Reader, SCHEMA, Writer};
pub use exchange::{Counting, Exchange, Failure, FailureClass, Outcome, REFUSALS, Usage};
pub use row::{ONLY_CLASS, Origin, Record};
pub use spool::{SpoolReader, SpoolWriter};
