//! Owns the meaning: what each metric is, how records fold into a summary, and what it says about the objectives.

mod trial;

pub use trial::{Concurrency, Ended, LiveCounts, Play, Segment, StopRule, Trial};
