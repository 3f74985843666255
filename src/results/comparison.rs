//! Owns `Comparison`: runs side by side, measure by measure, with what makes them unlike; the JSON of `compare`.

use serde::Serialize;

use crate::foreign::ForeignTool;
use crate::metrics::{Allowance, Known, Measure, Ruling, Withheld};
use crate::stats::contrast::{Contrast, Estimate};

/// Confidence of the printed intervals.
const CONFIDENCE: f64 = 0.95;
/// The difference that the run length said to be needed finds, as a share of the value.
const SOUGHT: f64 = 0.1;
/// Chance with which such a run finds the difference.
const POWER: f64 = 0.95;

/// Runs side by side. The first run is the baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Comparison {
    /// The runs: A, B and so on.
    pub runs: Vec<ComparedRun>,
    /// One for each load that all runs have.
    pub loads: Vec<ComparedLoad>,
    /// What makes the runs unlike, or the intervals doubtful.
    pub caution_kinds: Vec<Caution>,
    /// The cautions in sentences.
    pub cautions: Vec<String>,
    /// The decisions on the allowances, in the order in which they were given.
    pub rulings: Vec<Ruled>,
    /// The rulings in sentences.
    pub sentences: Vec<String>,
}

/// One of the runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ComparedRun {
    /// `A` for the baseline, then `B` and so on.
    pub letter: String,
    /// The path as it was given.
    pub path: String,
    /// The label of the run, if it has one.
    pub label: Option<String>,
    /// The models.
    pub model: String,
    /// The base URLs.
    pub target: String,
    /// When the run began, RFC 3339.
    pub started: String,
    /// Whether the target was a simulated server.
    pub simulated: bool,
}

/// One load, in all runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ComparedLoad {
    /// Its label in the baseline.
    pub label: String,
    /// The load of each run in words.
    pub loads: Vec<String>,
    /// Length of the measured window of each run, in seconds.
    pub window_s: Vec<f64>,
    /// The measures.
    pub rows: Vec<ComparedRow>,
    /// Whether it holds the requests of one turn of sessions. Allowances are about whole loads and classes.
    #[serde(skip)]
    pub of_turn: bool,
}

/// One measure, in all runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ComparedRow {
    /// The measure.
    pub measure: Measure,
    /// Its value in each run.
    pub figures: Vec<Figure>,
    /// Each later run against the baseline.
    pub differences: Vec<Difference>,
}

/// The value of a measure in one run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Figure {
    /// The value; times in seconds, shares from 0 to 1.
    pub value: Option<Known>,
    /// Its estimate with the 95 % interval.
    pub estimate: Option<Estimate>,
    /// Why there is no interval.
    pub withheld: Option<Withheld>,
}

impl Figure {
    /// The figure of `value` and its estimate.
    pub(super) fn of(value: Option<Known>, found: Result<Estimate, Withheld>) -> Self {
        match (value, found) {
            // The page's value is kept to more digits; the interval is widened to hold it.
            (Some(Known::At(at)), Ok(estimate)) => Self {
                value,
                estimate: Some(Estimate {
                    value: at,
                    low: estimate.low.min(at),
                    high: estimate.high.max(at),
                    ..estimate
                }),
                withheld: None,
            },
            (Some(Known::Above { .. } | Known::Below { .. }), Ok(_)) => {
                Self { value, estimate: None, withheld: Some(Withheld::AmongMisses { surely: false }) }
            }
            (None, _) => Self { value: None, estimate: None, withheld: Some(Withheld::Absent) },
            (value, Err(why)) => Self { value, estimate: None, withheld: Some(why) },
        }
    }
}

/// A run against the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[expect(clippy::struct_field_names, reason = "the fields are keys of the JSON of a comparison")]
pub(crate) struct Difference {
    /// The value of the run minus the value of the baseline.
    pub difference: Option<f64>,
    /// Its 95 % interval; `null` where either value has none.
    pub difference95: Option<[f64; 2]>,
    /// The value of the run ÷ the value of the baseline.
    pub ratio: Option<f64>,
    /// Its 95 % interval; `null` where either value has none, or may be 0.
    pub ratio95: Option<[f64; 2]>,
    /// Whether the interval leaves out an equal value.
    pub sure: bool,
    /// Whether the difference is sure even if it is the largest of all differences of the load (Bonferroni).
    pub sure_of_all: bool,
    /// How many times as long both runs must be to find a difference of 10 % in 19 of 20 comparisons.
    pub times_as_long: Option<f64>,
    #[serde(skip)]
    contrast: Option<Contrast>,
}

impl Difference {
    /// `to` against `from`, one of `many` differences that are looked at together.
    pub(super) fn of(from: &Figure, to: &Figure, many: usize) -> Self {
        let contrast = from.estimate.zip(to.estimate).map(|(from, to)| Contrast::of(&from, &to));
        let values = match (from.value, to.value) {
            (Some(Known::At(from)), Some(Known::At(to))) => Some((from, to)),
            _ => None,
        };
        let log_ratio = contrast.and_then(|contrast| contrast.log_ratio);
        let gap = log_ratio.or(contrast.map(|contrast| contrast.difference));
        let of_all = 1.0 - (1.0 - CONFIDENCE) / many.max(1) as f64;
        Self {
            difference: values.map(|(from, to)| to - from),
            difference95: contrast.map(|contrast| contrast.difference.interval(CONFIDENCE)),
            ratio: values.filter(|(from, _)| *from > 0.0).map(|(from, to)| to / from),
            ratio95: log_ratio.map(|gap| gap.interval(CONFIDENCE).map(libm::exp)),
            sure: gap.is_some_and(|gap| gap.is_sure(CONFIDENCE)),
            sure_of_all: gap.is_some_and(|gap| gap.is_sure(of_all)),
            times_as_long: log_ratio
                .map(|gap| gap.times_as_long(libm::log1p(SOUGHT), 1.0 - (1.0 - CONFIDENCE) / 2.0, POWER)),
            contrast,
        }
    }
}

/// The decision on an allowance for one run and one load.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Ruled {
    /// The allowance.
    pub allowance: String,
    /// The letter of the run.
    pub run: String,
    /// The label of the load; `null` where there is only one.
    pub load: Option<String>,
    /// The decision.
    pub ruling: Ruling,
    /// The difference.
    pub found: Difference,
    /// The measure.
    pub measure: Measure,
    /// Why a value has no interval.
    pub withheld: Option<Withheld>,
    /// How many times as long both runs must be to decide with a chance of 80 %.
    pub times_as_long: Option<f64>,
    /// The length of the shorter of both windows, in seconds.
    pub window_s: f64,
}

impl Comparison {
    /// Decides `allowances` for every load and every run.
    #[must_use]
    pub(crate) fn ruled(mut self, allowances: &[Allowance]) -> Self {
        for allowance in allowances {
            for load in self.loads.iter().filter(|load| !load.of_turn) {
                let Some(row) = load.rows.iter().find(|row| row.measure == allowance.measure) else { continue };
                for (place, found) in row.differences.iter().enumerate() {
                    let (from, to) = (&row.figures[0], &row.figures[place + 1]);
                    // A quantile that surely lies among failed requests is worse than every number.
                    let is_lost =
                        to.withheld == Some(Withheld::AmongMisses { surely: true }) && from.estimate.is_some();
                    let ruling = match found.contrast {
                        _ if is_lost => Ruling::Worse,
                        Some(contrast) => allowance.ruling(&contrast),
                        None => Ruling::Undecided,
                    };
                    self.rulings.push(Ruled {
                        allowance: allowance.to_string(),
                        run: self.runs[place + 1].letter.clone(),
                        load: (self.loads.len() > 1).then(|| load.label.clone()),
                        ruling,
                        found: *found,
                        measure: allowance.measure,
                        withheld: from.withheld.or(to.withheld),
                        times_as_long: found.contrast.map(|contrast| allowance.times_as_long(&contrast)),
                        window_s: load.window_s[0].min(load.window_s[place + 1]),
                    });
                }
            }
        }
        self
    }

    /// Whether any ruling is `worse`.
    #[must_use]
    pub(crate) fn is_worse(&self) -> bool {
        self.rulings.iter().any(|ruled| ruled.ruling == Ruling::Worse)
    }
}

/// What makes runs unlike, or their intervals doubtful. `run` is the letter of a run that is not like A.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Caution {
    /// Runs against a simulated server.
    Simulated {
        /// Their letters.
        runs: Vec<String>,
    },
    /// The loads differ.
    Load {
        /// The letter of the run.
        run: String,
        /// The load of A and the load of the run.
        loads: [String; 2],
    },
    /// The models differ.
    Model {
        /// The letter of the run.
        run: String,
        /// The model of A and the model of the run.
        models: [String; 2],
    },
    /// The targets differ.
    Target {
        /// The letter of the run.
        run: String,
        /// The target of A and the target of the run.
        targets: [String; 2],
    },
    /// The mean lengths of the requests differ by more than 1 %.
    Lengths {
        /// The letter of the run.
        run: String,
        /// `input` or `output`.
        side: &'static str,
        /// Mean tokens of a request in A and in the run.
        tokens: [f64; 2],
    },
    /// An option that changes the requests differs.
    Option {
        /// The letter of the run.
        run: String,
        /// The option.
        option: String,
        /// The value in A and the value in the run.
        values: [String; 2],
    },
    /// Both runs sent the same plan: their arrivals are the same, and the intervals take them as independent.
    SamePlan {
        /// The letter of the run.
        run: String,
    },
    /// Versions of tonnage differ.
    Version {
        /// The letter of the run.
        run: String,
        /// The version of A and the version of the run.
        versions: [String; 2],
    },
    /// The run ended early.
    CutShort {
        /// The letter of the run.
        run: String,
    },
    /// The load generator of the run was at fault.
    Generator {
        /// The letter of the run.
        run: String,
        /// The label of the load, where there are several.
        load: Option<String>,
    },
    /// Loads that not all runs have.
    LeftOut {
        /// Their labels.
        loads: Vec<String>,
    },
    /// A load of the run has no records that could be used: its intervals are the stored ones.
    NoRecords {
        /// The letter of the run.
        run: String,
    },
    /// The run is a file of another tool, whose figures have other definitions and no intervals.
    OtherTool {
        /// The letter of the run.
        run: String,
        /// The tool.
        tool: ForeignTool,
    },
    /// A closed loop: a slower server gets fewer requests.
    Closed,
}
