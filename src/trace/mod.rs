//! Owns recorded traffic: one file per format, all read into the same rows, chosen from, reshaped, described and
//! written again.

mod aibrix;
mod anomalies;
mod azure;
mod bailian;
mod burstgpt;
mod format;
mod generic;
mod inspect;
mod json;
mod lines;
mod litellm;
mod mooncake;
mod number;
mod otel;
mod pauses;
mod quantity;
mod ragpulse;
mod recognise;
mod reshape;
mod rows;
mod sample;
mod select;
mod sides;
mod table;
mod vidur;
mod weka;
mod write;

pub use format::{Format, Reading, TimeUnit};
pub use generic::Columns;
pub use inspect::{Inspection, Peak, Peaks, SharedBlocks, inspect, sliding_peak};
pub use pauses::{Pauses, Think};
pub use quantity::Quantity;
pub use reshape::{RateScale, Reshape, Sample, Spread, natural_length};
pub use rows::{Restart, Row, Trace};
pub use sample::made_up;
pub use select::{Choice, OnEmpty, Reason, Selection, parse_window};
pub use sides::{BlockPool, Sessions};
pub use table::parse_delimiter;
pub use write::write;
