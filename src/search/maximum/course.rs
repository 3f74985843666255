//! Owns the course of a search in numbers, for its page: the interval after each probe, and what the evidence says at
//! the end.

use serde::{Deserialize, Serialize};

use crate::search::step::{History, Picture, Question};

/// The most points of the course: of more probes, evenly spaced ones are kept, and the last.
const MOST_BRACKETS: usize = 12;

/// How a search came to its answer. Levels are in the unit of `over`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SearchCourse {
    /// The interval after some of the probes, and after the last.
    pub brackets: Vec<BracketAfter>,
    /// The place of the objective of `curve` in `objectives`.
    pub objective: usize,
    /// Pairs of level and share of misses of that objective, by the fitted curve.
    pub curve: Vec<[f64; 2]>,
    /// Pairs of level and probability that the answer is above it.
    pub posterior: Vec<[f64; 2]>,
}

/// The interval of the answer after some probes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BracketAfter {
    /// Number of probes.
    pub probes: usize,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Best estimate.
    pub best: f64,
    /// Upper end.
    pub high: f64,
}

impl SearchCourse {
    /// The course of the search with this evidence; `None` before the first probe.
    pub(super) fn of(question: &Question, history: &History) -> Option<Self> {
        let number = history.probes.len();
        if number == 0 {
            return None;
        }
        let step = number.div_ceil(MOST_BRACKETS);
        let after = |probes: usize| {
            let known = History { probes: history.probes[..probes].to_vec(), ..history.clone() };
            let bracket = Picture::of(question, &known)?.bracket();
            Some(BracketAfter { probes, low: bracket.low, best: bracket.best, high: bracket.high })
        };
        let brackets = (0..).map(|place| number - place * step).take(number.div_ceil(step)).filter_map(after);
        let mut brackets: Vec<BracketAfter> = brackets.collect();
        brackets.reverse();
        let picture = Picture::of(question, history)?;
        let objective = picture.limited_by();
        let levels = || picture.posterior().into_iter().step_by(2);
        let curve = levels().map(|[level, _]| [level, picture.share_at(question, objective, level)]);
        Some(Self { brackets, objective, curve: curve.collect(), posterior: levels().collect() })
    }
}
