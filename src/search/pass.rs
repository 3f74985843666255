//! Owns `Pass`, one run of a whole recorded trace, as a search over its time scale sees it.

use std::time::Duration;

use crate::schedule::Recorded;
use crate::trace::sliding_peak;

/// The span over which the peak rate is taken, in trace time.
const PEAK: Duration = Duration::from_mins(1);

/// One run of a trace, as recorded. At a time scale of k it takes 1/k of the time, at k times the rates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pass {
    requests: u64,
    length_s: f64,
    peak_per_s: f64,
}

impl Pass {
    /// The pass over these instants, in their window.
    #[must_use]
    pub fn of(recorded: &Recorded) -> Self {
        let (instants, length_s) = (recorded.instants(), recorded.end().as_secs());
        let span = PEAK.min(Duration::from_secs_f64(length_s));
        let peak_per_s = sliding_peak(instants, |at| *at, span) as f64 / span.as_secs_f64();
        Self { requests: instants.len() as u64, length_s, peak_per_s }
    }

    /// The number of requests.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// The length in seconds at `scale` times the recorded speed.
    #[must_use]
    pub fn length_s(&self, scale: f64) -> f64 {
        self.length_s / scale
    }

    /// The mean rate at this scale, in requests per second.
    #[must_use]
    pub fn mean_per_s(&self, scale: f64) -> f64 {
        self.requests as f64 / self.length_s(scale)
    }

    /// The rate at this scale over the busiest minute of the trace, in requests per second; over the whole trace if
    /// it is shorter.
    #[must_use]
    pub fn peak_per_s(&self, scale: f64) -> f64 {
        self.peak_per_s * scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::TimeScale;
    use crate::units::Offset;

    #[test]
    fn a_pass_has_the_rates_of_its_trace_times_the_scale() {
        let instants = [0.0, 30.0, 100.0, 110.0, 159.0, 161.0, 399.0].map(Offset::from_secs);
        let recorded = Recorded::new(instants.into_iter(), Some(Duration::from_secs(400)), TimeScale::ONE).unwrap();
        let pass = Pass::of(&recorded);
        assert_eq!((pass.requests(), pass.length_s(2.0), pass.mean_per_s(2.0)), (7, 200.0, 0.035));
        assert!((pass.peak_per_s(2.0) - 2.0 * 3.0 / 60.0).abs() < 1e-12, "100 s to 159 s, or 110 s to 161 s");
        let short = Pass::of(&recorded.faster(TimeScale::new(40.0).unwrap()));
        assert!((short.peak_per_s(1.0) - short.mean_per_s(1.0)).abs() < 1e-12, "ten seconds have no minute");
    }
}
