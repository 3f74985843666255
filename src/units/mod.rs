//! Owns the units of measurement: instants, rates, shares, quantiles, and how they are read and shown.

mod encoding;
pub(crate) mod estimate;
mod format;
mod quantile;
mod rate;
mod ratio;
pub mod secrets;
mod shard;
mod time;
mod unsaid;
mod visible;
mod yaml;

pub(crate) use encoding::{not_utf_8, utf_16_of};
pub use format::seconds;
pub(crate) use format::{columns, count, cut_to, pace, per_second, plain, wrapped};
pub use quantile::Quantile;
pub use rate::Rate;
pub(crate) use rate::parse_per_s;
pub use ratio::Ratio;
pub use secrets::Secrets;
pub use shard::Shard;
pub(crate) use time::parse_duration;
pub use time::{Offset, Window};
pub(crate) use unsaid::is_unsaid;
pub use visible::is_hidden;
pub(crate) use visible::{csv_field, visible, visible_json, visible_page};
pub(crate) use yaml::yaml_words;
