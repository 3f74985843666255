//! Owns `Fits`: the fits of a plan's prompts, found before the run, mostly in one byte each.

use std::collections::BTreeMap;

use crate::workload::Fit;

/// The known fits of a plan's prompts with a tokenizer. With a known fit, a prompt is made without encoding anything.
/// Only fits are kept, not texts: one byte for a request whose first attempt was right, which is nearly every
/// request.
#[derive(Debug, Clone, Default)]
pub struct Fits {
    /// By id: whether the first attempt was right.
    at_once: Vec<bool>,
    others: BTreeMap<u64, Fit>,
    found: u64,
}

impl Fits {
    /// Adds the fit of request `id`.
    pub(super) fn note(&mut self, id: u64, fit: Fit) {
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

    /// Number of fits found.
    #[must_use]
    pub fn found(&self) -> u64 {
        self.found
    }

    /// Number of fits that were right at the first attempt.
    #[must_use]
    pub fn at_once(&self) -> u64 {
        self.found - self.others.len() as u64
    }

    /// The fits that missed the requested length, by id.
    pub fn inexact(&self) -> impl Iterator<Item = (u64, &Fit)> {
        self.others.iter().map(|(id, fit)| (*id, fit)).filter(|(_, fit)| !fit.is_exact())
    }

    /// The fit of request `id`, if it is known.
    pub(super) fn of(&self, id: u64, asked: u32) -> Option<Fit> {
        if self.at_once.get(id as usize).copied().unwrap_or(false) {
            Some(Fit::at_once(asked))
        } else {
            self.others.get(&id).cloned()
        }
    }
}
