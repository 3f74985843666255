//! Owns `Sampled`, a bounded sample of the requests of a cohort, for the page that shows requests one by one.

use serde::{Deserialize, Serialize};

use crate::record::{OutcomeName, Record};
use crate::units::Offset;

/// The most requests in the sample, drawn at random. On a page, bars of more requests would lie on top of each other.
pub(crate) const MOST_DRAWN: usize = 48;
/// Requests that did not complete, drawn at random beside the others: they are rare, and of interest.
pub(crate) const MOST_MISSED: usize = 12;

/// The instants of one request of the sample, in seconds from the run's origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestPoint {
    /// The number of the request in the plan.
    pub id: u64,
    /// The planned instant, or the instant of release.
    pub scheduled_s: Offset,
    /// The send; absent if the request was not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_s: Option<Offset>,
    /// The first token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_s: Option<Offset>,
    /// The end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_s: Option<Offset>,
    /// How the request ended.
    pub outcome: OutcomeName,
}

impl From<&Record> for RequestPoint {
    fn from(record: &Record) -> Self {
        let exchange = &record.exchange;
        Self {
            id: record.id,
            scheduled_s: record.scheduled,
            sent_s: exchange.sent,
            first_token_s: exchange.first_token,
            ended_s: exchange.ended,
            outcome: OutcomeName::from(&exchange.outcome),
        }
    }
}

/// The requests whose hashed numbers are smallest: a random sample that depends neither on the order of adding nor on
/// how the load is split into shards.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Smallest(Vec<(u64, RequestPoint)>);

impl Smallest {
    fn add(&mut self, point: RequestPoint, most: usize) {
        let key = hashed(point.id);
        let place = self.0.partition_point(|(other, known)| (*other, known.id) < (key, point.id));
        if place < most {
            self.0.insert(place, (key, point));
            self.0.truncate(most);
        }
    }
}

/// A bounded sample of the requests of a cohort. `add` and `merge` in any order give the same sample.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Sampled {
    drawn: Smallest,
    missed: Smallest,
}

impl Sampled {
    pub(super) fn add(&mut self, record: &Record) {
        let point = RequestPoint::from(record);
        self.drawn.add(point, MOST_DRAWN);
        if matches!(
            point.outcome,
            OutcomeName::Failed | OutcomeName::TimedOut | OutcomeName::Shed | OutcomeName::Abandoned
        ) {
            self.missed.add(point, MOST_MISSED);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        let Self { drawn, missed } = other;
        drawn.0.iter().for_each(|(_, point)| self.drawn.add(*point, MOST_DRAWN));
        missed.0.iter().for_each(|(_, point)| self.missed.add(*point, MOST_MISSED));
    }

    /// The sample in the order of the plan.
    pub(super) fn points(&self) -> Vec<RequestPoint> {
        let mut points: Vec<RequestPoint> =
            self.drawn.0.iter().chain(&self.missed.0).map(|(_, point)| *point).collect();
        points.sort_by_key(|point| (point.scheduled_s, point.id));
        points.dedup();
        points
    }
}

/// A number that looks random (`SplitMix64`; Steele, Lea and Flood, 2014).
const fn hashed(id: u64) -> u64 {
    let mut mixed = id.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::examples::streamed;
    use crate::record::{Failure, FailureClass, Outcome};

    fn records() -> Vec<Record> {
        let mut records: Vec<Record> = (0..1_000).map(|id| streamed(id, id as f64 * 0.01, 0.2, 3, 0.1)).collect();
        for record in records.iter_mut().step_by(40) {
            record.exchange.outcome = Outcome::Failed(Failure::new(FailureClass::Reset, "reset"));
        }
        records
    }

    fn sampled<'a>(records: impl Iterator<Item = &'a Record>) -> Sampled {
        let mut sampled = Sampled::default();
        records.for_each(|record| sampled.add(record));
        sampled
    }

    #[test]
    fn the_sample_is_bounded_spread_over_the_plan_and_holds_failures() {
        let points = sampled(records().iter()).points();
        assert!(points.len() <= MOST_DRAWN + MOST_MISSED && points.len() > MOST_DRAWN, "{}", points.len());
        assert!(points.iter().filter(|point| point.outcome == OutcomeName::Failed).count() >= MOST_MISSED);
        for quarter in 0..4 {
            let inside = points.iter().filter(|point| point.id / 250 == quarter).count();
            assert!(inside >= 6, "{inside} of quarter {quarter}");
        }
        assert!(points.is_sorted_by_key(|point| point.scheduled_s));
    }

    #[test]
    fn order_and_shards_do_not_change_the_sample() {
        let records = records();
        let whole = sampled(records.iter()).points();
        assert_eq!(sampled(records.iter().rev()).points(), whole);
        let mut merged = sampled(records.iter().skip(1).step_by(2));
        merged.merge(&sampled(records.iter().step_by(2)));
        assert_eq!(merged.points(), whole);
    }
}
