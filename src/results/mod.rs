//! Owns results: the options and figures of a run, the folder that stores them, and reading, refolding and merging
//! them.

mod batch;
mod begun;
mod comparing;
mod comparing_foreign;
mod comparison;
mod endpoints;
mod failed_request;
mod files;
mod filing;
mod folder;
mod folding;
mod foreign;
mod gathered;
mod host;
mod known;
mod lines;
mod losses;
mod merging;
mod model;
mod reading;
mod recounting;
mod refolding;
#[cfg(feature = "parquet")]
mod request_table;
mod resent;
mod salvage;
mod server_file;
mod spec;
mod stored;

pub(crate) use batch::{Batch, BatchCell, BatchFolder, CellAxes, CellState};
pub(crate) use begun::rfc3339;
pub(crate) use comparing::compare;
pub(crate) use comparison::{Caution, ComparedLoad, ComparedRow, ComparedRun, Comparison, Difference, Ruled};
pub(crate) use failed_request::{FAILURES, FailedRequest, failed_requests};
pub(crate) use files::{Limit, create, create_out, file_name, not_written, read_bytes, read_text};
pub(crate) use filing::{Filed, Filing, Kept};
pub(crate) use folder::{Folder, PAGES, Replace, header_after, header_before, json_of, write_page};
pub(crate) use foreign::foreign;
pub(crate) use gathered::{Entry, Gathered};
pub(crate) use host::{host, host_name, tool};
pub(crate) use known::{hidden, json_text, keep_secret, known_secrets};
pub(crate) use lines::Lines;
pub(crate) use merging::{Missing, merge, note_of};
pub use model::{Host, Report, SCHEMA, Target, Tool};
pub(crate) use reading::{files_of, read};
pub(crate) use recounting::{Counting, Recounted};
pub(crate) use refolding::again;
#[cfg(feature = "parquet")]
pub(crate) use request_table::write_request_table;
pub(crate) use resent::{Resent, ResentRequest};
pub(crate) use server_file::{ServerFiled, ServerReadings};
pub use spec::{RunSpec, Setting, Span};
