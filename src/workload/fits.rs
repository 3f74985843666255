//! Owns `Fits`: what was found of the prompts of a plan ahead of the run, in a byte each.

use std::collections::BTreeMap;

use crate::workload::Fit;

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
    /// Takes the fit of request `id`.
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
