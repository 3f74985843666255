//! Owns the test of a search over a service that falls into a slow state for good as soon as a queue is long: such a
//! service has no highest rate that any number of probes could narrow down.

use std::collections::VecDeque;
use std::time::Duration;

use tonnage::search::step::{Answer, Doubt, Finding};
use tonnage::seed::{Seed, exponential};
use tonnage::sim::{Call, Reply, Service, VirtualPlayer};
use tonnage::units::Offset;
use tonnage::workload::Workload;

use super::answered;

/// One server with exponential services of 100 ms on average, and 200 ms from a queue of more than `LONG` on until it
/// is empty. At more than 5/s it is never empty again.
#[derive(Clone)]
struct Collapses {
    draws: rand_chacha::ChaCha8Rng,
    leaving: VecDeque<Offset>,
    slow: bool,
}

const LONG: usize = 12;

impl Service for Collapses {
    fn arrive(&mut self, at: Offset, _call: Call) -> Option<Reply> {
        while self.leaving.front().is_some_and(|leaves| *leaves <= at) {
            self.leaving.pop_front();
        }
        self.slow = self.leaving.len() > LONG || (self.slow && !self.leaving.is_empty());
        let mean = Duration::from_millis(if self.slow { 200 } else { 100 });
        let begins = self.leaving.back().copied().unwrap_or(at).max(at);
        let leaves = begins.plus(mean.mul_f64(exponential(&mut self.draws)));
        self.leaving.push_back(leaves);
        Some(Reply::whole(leaves))
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

fn answer(seed: u64) -> Answer {
    let seed = Seed::new(seed);
    let service = Collapses { draws: seed.stream("service").sequence(), leaving: VecDeque::new(), slow: false };
    let workload = Workload::new("1".parse().expect("a length"), "1".parse().expect("a length"));
    answered(VirtualPlayer::over(Box::new(service)), "p99 e2e<=2s", workload, seed)
}

/// A search that has seen it collapse says so, and one that has seen it twice ends. (A search whose probes were all
/// lucky cannot know: at 6/s the service collapses once in some thousand requests.)
#[test]
fn a_search_that_saw_its_service_collapse_is_not_sure_and_does_not_go_on_for_ever() {
    let found = answer(4);
    assert!(found.doubts.contains(&Doubt::Collapse) && found.finding == Finding::Unsettled, "{found:?}");
}
