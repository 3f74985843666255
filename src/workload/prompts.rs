//! Owns what is made of prompts before a load: what all of them are made from, and the search for their fits on all
//! cores.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::workload::{Fit, Fits, Plan};

/// Number of prompts that one thread takes at a time.
const SHARE: usize = 4;

impl Plan {
    /// Makes what all prompts are made from, so that the first prompts of a load are not late: a millisecond without a
    /// tokenizer, some tenths of a second with one.
    pub fn warm_up(&self) {
        if self.source().listed().is_none() || !self.sharings().is_nothing() {
            self.synthetic().warm_up();
        }
    }
}

impl Fits {
    /// Finds the fits of `ids` on `threads` threads. `stop` ends the search early; the fits found so far are kept.
    pub fn find(&mut self, plan: &Plan, ids: &[u64], threads: usize, stop: &AtomicBool) {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut found = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let start = next.fetch_add(SHARE, Ordering::Relaxed);
                let Some(share) = ids.get(start..ids.len().min(start + SHARE)).filter(|share| !share.is_empty()) else {
                    break;
                };
                found.extend(share.iter().filter_map(|id| Some((*id, plan.compose(*id).1?))));
            }
            found
        };
        let found: Vec<Vec<(u64, Fit)>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (1..threads.max(1)).map(|_| scope.spawn(work)).collect();
            let mut found = vec![work()];
            // The fits of a thread that panicked are lost: its prompts are made when they are needed.
            found.extend(threads.into_iter().filter_map(|thread| thread.join().ok()));
            found
        });
        for (id, fit) in found.into_iter().flatten() {
            self.note(id, fit);
        }
    }
}
