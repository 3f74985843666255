//! Owns records: one for each planned or released request, and its line in a file.

mod answer_text;
mod cause;
mod codec;
mod exchange;
mod failed_response;
mod line;
mod outcome_name;
mod row;
mod spool;

pub use answer_text::AnswerText;
pub use cause::FailureCause;
pub use codec::{Detail, Header, Reader, Writer};
pub(crate) use exchange::REFUSALS;
pub use exchange::{Counting, Exchange, Failure, FailureClass, Outcome, Usage};
pub use failed_response::FailedResponse;
pub use outcome_name::OutcomeName;
pub(crate) use row::ONLY_CLASS;
pub use row::{Origin, Record};
pub(crate) use spool::{SpoolReader, SpoolWriter};
