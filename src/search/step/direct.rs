//! Owns the direct interval: what the probes show without a fitted curve.
//!
//! The only assumption is that a higher level does not miss less. If the probes at r and at the levels just above
//! it pass when taken together, r passes. If the probes at r and at the levels just below it fail when taken
//! together, r fails.

use serde::{Deserialize, Serialize};

use crate::search::step::{Bracket, History, Picture, Question};
use crate::stats::proportion::{exceeds, is_at_most};

/// One-sided confidence of each end.
const CONFIDENCE: f64 = 0.975;

/// The highest level at which the probes there and just above pass together, and the lowest level at which the
/// probes there and just below fail together; `None` if there is none.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Direct {
    /// Every demand passes here.
    pub passes: Option<f64>,
    /// A demand fails here.
    pub fails: Option<f64>,
}

impl Direct {
    /// `bracket`, widened to the direct interval, on an axis that ends at `end`.
    pub(super) fn around(self, Bracket { low, best, high }: Bracket, end: f64) -> Bracket {
        Bracket { low: self.passes.unwrap_or(0.0).min(low), best, high: self.fails.unwrap_or(end).max(high) }
    }
}

/// The direct interval over all demands, with φ from `picture`.
pub(super) fn direct(question: &Question, history: &History, picture: &Picture) -> Direct {
    let of = |place: usize| of_demand(question, history, picture, place);
    (0..question.demands().len()).map(of).fold(Direct { passes: Some(f64::INFINITY), fails: None }, |all, one| Direct {
        passes: all.passes.zip(one.passes).map(|(all, one)| f64::min(all, one)),
        fails: all.fails.into_iter().chain(one.fails).reduce(f64::min),
    })
}

fn of_demand(question: &Question, history: &History, picture: &Picture, place: usize) -> Direct {
    let allowed = question.demands()[place].allowed();
    let points = history.weighed(place, |level| picture.phi(question, place, level));
    // From each level upwards, over windows that ran to their end.
    let passes = |from: usize| {
        let (mut misses, mut decided) = (0.0, 0.0);
        points[from..].iter().take_while(|point| point.is_whole).any(|point| {
            misses += point.misses;
            decided += point.decided;
            is_at_most(misses, decided, allowed, CONFIDENCE)
        })
    };
    let fails = |until: usize| {
        let (mut misses, mut decided) = (0.0, 0.0);
        points[..=until].iter().rev().any(|point| {
            misses += point.misses;
            decided += point.decided;
            exceeds(misses, decided, allowed, CONFIDENCE)
        })
    };
    Direct {
        passes: (0..points.len()).rev().find(|from| passes(*from)).map(|from| points[from].level),
        fails: (0..points.len()).find(|until| fails(*until)).map(|until| points[until].level),
    }
}
