//! Owns the words of measurement: instants, rates, shares, quantiles, and how they are read and shown.

mod format;
mod quantile;
mod rate;
mod ratio;
mod shard;
mod time;
mod visible;

pub use format::{count, pace, per_second, plain, seconds, wrapped};
pub use quantile::Quantile;
pub use rate::{Rate, parse_per_s};
pub use ratio::Ratio;
pub use shard::Shard;
pub use time::{Offset, Window, parse_duration};
pub use visible::visible;
