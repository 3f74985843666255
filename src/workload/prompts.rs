//! Owns `Fits`: the prompts of a plan found ahead of the run, on all cores, in a byte each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::workload::{Fit, Plan};

/// Prompts that one thread takes at a time.
const SHARE: usize = 4;

/// What is known of the prompts of a plan with a tokenizer: with the fit known, a prompt is made without encoding
/// anything. Kept are the fits, not the texts: a byte for a request whose first attempt was right, which is nearly
/// every one.
#[derive(Debug, Clone, Default)]
pub struct Fits {
    /// By id: whether the first attempt was right.
    at_once: Vec<bool>,
    others: BTreeMap<u64, Fit>,
    found: u64,
}

impl Fits {
    /// Finds the fits of `ids` on `threads` threads; `stop` ends it early, with what has been found by then.
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
            // A thread that died has found nothing: its prompts are made when they are needed.
            found.extend(threads.into_iter().filter_map(|thread| thread.join().ok()));
            found
        });
        for (id, fit) in found.into_iter().flatten() {
            self.note(id, fit);
        }
    }

    fn note(&mut self, id: u64, fit: Fit) {
        self.found += 1;
        if fit.is_at_once() {
            let place = id as usize;
            if self.at_once.len() <= place {
                self.at_once.resize(place + 1, false);
            }
            self.at_once[place] = true;
        } else {
            self.others.insert(id, fit);
        }
    }

    /// How many have been found.
    #[must_use]
    pub fn found(&self) -> u64 {
        self.found
    }

    /// How many were right at the first attempt.
    #[must_use]
    pub fn at_once(&self) -> u64 {
        self.found - self.others.len() as u64
    }

    /// The fits that missed the length asked for, by id.
    pub fn inexact(&self) -> impl Iterator<Item = (u64, &Fit)> {
        self.others.iter().map(|(id, fit)| (*id, fit)).filter(|(_, fit)| !fit.is_exact())
    }

    /// The fit of request `id`, where it is known.
    pub(super) fn of(&self, id: u64, asked: u32) -> Option<Fit> {
        if self.at_once.get(id as usize).copied().unwrap_or(false) {
            Some(Fit::at_once(asked))
        } else {
            self.others.get(&id).cloned()
        }
    }
}
