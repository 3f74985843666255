//! Owns the instants of a load, drawn as the tool draws them.

use std::time::Duration;

use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::seed::Seed;
use tonnage::units::Rate;

/// The planned instants of `process` at `rate` over `length`, in nanoseconds from the origin; the same as in `tonnage
/// run` with this seed.
pub(crate) fn instants(process: Process, rate: f64, length: Duration, seed: u64) -> Vec<u64> {
    let rate = Rate::new(rate).expect("a rate in range");
    let timeline =
        Timeline::new(process, rate, Extent::Duration(length), Duration::ZERO, Duration::ZERO, Seed::new(seed));
    timeline.arrivals().map(|arrival| arrival.at.as_nanos()).collect()
}
