//! Owns recorded traffic: one file per format, all read into the same rows, chosen from and described.

mod anomalies;
mod azure;
mod burstgpt;
mod format;
mod inspect;
mod lines;
mod mooncake;
mod number;
mod quantity;
mod rows;
mod select;
mod table;

pub use format::Format;
pub use inspect::{Inspection, Peak, Peaks, SharedBlocks, inspect};
pub use quantity::Quantity;
pub use rows::{BlockList, BlockPool, Restart, Row, Trace};
pub use select::{Choice, OnEmpty, Reason, Selection, parse_window};
