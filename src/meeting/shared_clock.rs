//! Owns `SharedClock`: this machine's clock against that of the meeting place.

use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::clock::wall_now;
use crate::error::Error;
use crate::meeting::place::Place;

/// Looks at the place's clock; the one with the shortest round trip counts.
const LOOKS: usize = 5;
/// The time of a file is that of a tick of the kernel: up to this much, in seconds, before the write.
const TICK_S: f64 = 0.004;

/// The clock of a machine against the clock of the place that all shards see.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct SharedClock {
    /// The place's time − this machine's time, in seconds.
    pub offset_s: f64,
    /// How far the offset may be off, in seconds.
    pub uncertainty_s: f64,
    /// Whether the machine's clock is kept by NTP; absent where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_by_ntp: Option<bool>,
}

impl SharedClock {
    /// Compares the clocks.
    pub(crate) fn read(place: &Place) -> Result<Self, Error> {
        let mut best: Option<Self> = None;
        for _ in 0..LOOKS {
            let before = wall_now();
            let there = place.now()?;
            let after = wall_now();
            let found = Self::of(before, there, after);
            if best.is_none_or(|best| found.uncertainty_s < best.uncertainty_s) {
                best = Some(found);
            }
        }
        let kept_by_ntp = kept_by_ntp();
        let best = best.ok_or_else(|| Error::Internal("no look at the clock of the place".to_owned()))?;
        Ok(Self { kept_by_ntp, ..best })
    }

    /// The clocks, where the place said `there` between `before` and `after`.
    fn of(before: SystemTime, there: SystemTime, after: SystemTime) -> Self {
        let since = |later: SystemTime, earlier: SystemTime| match later.duration_since(earlier) {
            Ok(passed) => passed.as_secs_f64(),
            Err(early) => -early.duration().as_secs_f64(),
        };
        let round_s = since(after, before).max(0.0);
        // The stamp is up to a tick old.
        let offset_s = since(there, before) - round_s / 2.0 + TICK_S / 2.0;
        Self { offset_s, uncertainty_s: f64::midpoint(round_s, TICK_S), kept_by_ntp: None }
    }

    /// The offset, or 0 if it may be none.
    #[must_use]
    pub fn sure_offset_s(&self) -> f64 {
        if libm::fabs(self.offset_s) > self.uncertainty_s { self.offset_s } else { 0.0 }
    }
}

/// Whether systemd says that NTP keeps the clock; `None` without it.
fn kept_by_ntp() -> Option<bool> {
    let folder = Path::new("/run/systemd/timesync");
    folder.is_dir().then(|| folder.join("synchronized").exists())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_offset_within_its_uncertainty_is_none() {
        let at = |ms: u64| SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000 + ms);
        for (before, there, after, offset_s, sure_s) in [
            // 10 ms there and back; the stamp is of a tick before.
            (at(0), at(3), at(10), 0.0, 0.0),
            (at(0), at(1), at(4), 0.001, 0.0),
            // This machine is 50 ms behind, then 50 ms ahead.
            (at(0), at(50), at(2), 0.051, 0.051),
            (at(100), at(50), at(102), -0.049, -0.049),
        ] {
            let clock = SharedClock::of(before, there, after);
            assert!((clock.offset_s - offset_s).abs() < 1e-9, "{clock:?}");
            assert!((clock.sure_offset_s() - sure_s).abs() < 1e-9, "{clock:?}");
        }
    }
}
