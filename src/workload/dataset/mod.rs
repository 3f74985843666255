//! Owns data sets: files of prompts, one reader per format.

mod agentic;
mod bodies;
mod chats;
mod columns;
mod decode;
mod fault;
mod fields;
mod format;
mod lines;
#[cfg(feature = "parquet")]
mod parquet;
mod plain;
mod row;
mod sampling;
mod set;
mod sharegpt;
mod table;
mod trie;
mod values;

#[cfg(test)]
mod fuzzed;

pub use columns::DataColumns;
pub use format::DataFormat;
pub(super) use row::{DataRow, Said};
pub(super) use sampling::Order;
pub use sampling::Sampling;
pub(super) use set::RowLengths;
pub use set::{DataReading, DataSet};
