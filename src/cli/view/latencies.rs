//! Owns `Latencies`: one metric of the live view, over the measured window and over the last ten seconds.

use std::collections::VecDeque;

use crate::metrics::{Distribution, Known, Metric, Value};
use crate::units::Offset;

/// Seconds in the recent column, in slots of one second each.
pub(super) const RECENT_S: u64 = 10;

/// One metric.
#[derive(Debug)]
pub(super) struct Latencies {
    metric: Metric,
    so_far: Distribution,
    /// The values of requests that ended in each second, by the number of the second.
    slots: VecDeque<(u64, Distribution)>,
}

impl Latencies {
    /// No value of `metric` yet.
    pub(super) fn new(metric: Metric) -> Self {
        Self { metric, so_far: Distribution::new(metric), slots: VecDeque::new() }
    }

    /// Adds the value of a request that ended at `ended`; `in_window` says whether the measured window has it.
    pub(super) fn add(&mut self, ended: Offset, value: Value, completed: bool, in_window: bool) {
        if in_window {
            self.so_far.add(value, completed);
        }
        let second = ended.as_nanos() / 1_000_000_000;
        let place = self.slots.partition_point(|(slot, _)| *slot < second);
        if self.slots.get(place).is_none_or(|(slot, _)| *slot != second) {
            self.slots.insert(place, (second, Distribution::new(self.metric)));
        }
        self.slots[place].1.add(value, completed);
        let newest = self.slots.back().map_or(0, |(slot, _)| *slot);
        while self.slots.front().is_some_and(|(slot, _)| slot + RECENT_S < newest) {
            self.slots.pop_front();
        }
    }

    /// The quantiles at `shares` over the measured window.
    pub(super) fn so_far<const N: usize>(&self, shares: [f64; N]) -> [Option<Known>; N] {
        let ranks = self.so_far.ranks();
        shares.map(|share| ranks.at_share(share))
    }

    /// The quantiles at `shares` over the requests that ended in the ten seconds before `now`.
    pub(super) fn recent<const N: usize>(&self, now: Offset, shares: [f64; N]) -> [Option<Known>; N] {
        let from = (now.as_nanos() / 1_000_000_000).saturating_sub(RECENT_S);
        let mut all = Distribution::new(self.metric);
        for (_, slot) in self.slots.iter().filter(|(second, _)| *second > from || from == 0) {
            all.merge(slot);
        }
        let ranks = all.ranks();
        shares.map(|share| ranks.at_share(share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_leave_the_recent_column_after_ten_seconds_and_stay_in_the_other() {
        let mut ttft = Latencies::new(Metric::Ttft);
        for second in 0..30_u32 {
            let (at, value) = (Offset::from_secs(f64::from(second)), Value::Defined(u64::from(second) * 1_000_000_000));
            ttft.add(at, value, true, second >= 5);
        }
        let now = Offset::from_secs(29.5);
        let Some(Known::At(least)) = ttft.recent(now, [0.01])[0] else { panic!("ten values are known") };
        assert!((least - 20.0).abs() < 0.02, "{least}");
        assert_eq!(ttft.recent(now, [1.0]), [Some(Known::At(29.0))]);
        assert_eq!(ttft.so_far([1.0]), [Some(Known::At(29.0))]);
        assert_eq!(ttft.recent(Offset::from_secs(60.0), [0.5]), [None], "nothing ended lately");
        assert!(ttft.slots.len() <= 11);
        ttft.add(Offset::from_secs(40.0), Value::Miss, false, true);
        assert_eq!(ttft.recent(Offset::from_secs(40.0), [0.5]), [Some(Known::Above { above: 0.0 })]);
    }
}
