//! Owns the standing of one record towards each objective, and whether the request is good.

use crate::metrics::block::SeenValue;
use crate::metrics::{Limit, Metric, Objective, Objectives, OriginOf, Standing, Value};
use crate::record::{Outcome, Record};

/// Whether one request is good by all objectives. A live screen may use it to colour the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goodness {
    /// It completed and met every per-request limit.
    Good,
    /// It did not complete, or it missed a limit.
    NotGood,
    /// It was cut off before its limits were decided.
    Undecided,
    /// The plan cancels it: no objective is about it.
    NotJudged,
}

/// For each objective in order: the standing of `record`, and the value that the objective limits, in ticks, if it is
/// known.
pub(super) fn standings(
    record: &Record,
    streamed: bool,
    objectives: &Objectives,
) -> impl Iterator<Item = (Standing, Option<u64>)> {
    let values = Values::of(record, streamed);
    let goodness = values.goodness(record, objectives);
    let asked = record.exchange.outcome != Outcome::Skipped;
    objectives.items().iter().enumerate().map(move |(place, objective)| match objective {
        Objective::Latency(_) if !asked => (Standing::Undefined, None),
        _ if !applies(objectives, place, record) => (Standing::Undefined, None),
        _ => {
            let (standing, _, seen) = values.towards(objective, objectives, record, goodness);
            (standing, seen.value)
        }
    })
}

/// Whether objective number `place` is about `record`: about all requests, or about those of its class, save those that
/// the plan cancels.
pub(super) fn applies(objectives: &Objectives, place: usize, record: &Record) -> bool {
    record.cancel_after.is_none() && objectives.class_of(place).is_none_or(|class| *class == record.class)
}

/// Whether `record` is good by all `objectives`.
pub(super) fn goodness_of(record: &Record, streamed: bool, objectives: &Objectives) -> Goodness {
    Values::of(record, streamed).goodness(record, objectives)
}

/// Every metric of one record, extracted once.
pub(super) struct Values([[Value; 2]; Metric::ALL.len()]);

impl Values {
    pub(super) fn of(record: &Record, streamed: bool) -> Self {
        let mut values = [[Value::Undefined; 2]; Metric::ALL.len()];
        for metric in Metric::ALL {
            if metric.row().streamed_only && !streamed {
                continue;
            }
            for (place, origin) in metric.origins().iter().enumerate() {
                values[metric as usize][place] = metric.value(record, *origin);
            }
        }
        Self(values)
    }

    pub(super) fn get(&self, metric: Metric, origin: OriginOf) -> Value {
        self.0[metric as usize][usize::from(origin == OriginOf::Service && metric.row().two_origins)]
    }

    /// The goodness of a record. A limit that is undefined for a completed request counts as met.
    pub(super) fn goodness(&self, record: &Record, objectives: &Objectives) -> Goodness {
        if record.cancel_after.is_some() {
            return Goodness::NotJudged;
        }
        let outcome = &record.exchange.outcome;
        if !matches!(outcome, Outcome::Completed | Outcome::Unresolved | Outcome::Cancelled) {
            return Goodness::NotGood;
        }
        let mut limits = objectives.limits_of(Some(&record.class));
        if limits.any(|limit| limit.standing(self.get(limit.metric, limit.origin)) == Standing::Missed) {
            return Goodness::NotGood;
        }
        if *outcome == Outcome::Completed { Goodness::Good } else { Goodness::Undecided }
    }

    /// Whether a per-request limit is missed even counted from the send, which a late send cannot have caused.
    fn refused_by_service(&self, objectives: &Objectives, record: &Record) -> bool {
        let ours = matches!(record.exchange.outcome, Outcome::Shed | Outcome::Abandoned | Outcome::Skipped);
        let missed = |limit: &Limit| limit.standing(self.get(limit.metric, OriginOf::Service)) == Standing::Missed;
        !ours && objectives.limits_of(Some(&record.class)).any(missed)
    }

    /// For one objective: the standing, whether a miss is firm, and what the record adds to a `mean`.
    pub(super) fn towards(
        &self,
        objective: &Objective,
        objectives: &Objectives,
        record: &Record,
        goodness: Goodness,
    ) -> (Standing, bool, SeenValue) {
        let outcome = &record.exchange.outcome;
        let error = matches!(outcome, Outcome::Failed(_) | Outcome::TimedOut);
        match objective {
            Objective::Latency(limit) => {
                let value = self.get(limit.metric, limit.origin);
                let service = self.get(limit.metric, OriginOf::Service);
                let ticks = |value| if let Value::Defined(ticks) = value { Some(ticks) } else { None };
                let seen = SeenValue { value: ticks(value), service: ticks(service) };
                let ours = matches!(outcome, Outcome::Shed | Outcome::Abandoned);
                // A miss is firm if it is an error, or if the limit is missed counted from the send and the miss is not
                // ours.
                let firm = error || (!ours && limit.standing(service) == Standing::Missed);
                (limit.standing(value), firm, seen)
            }
            Objective::ErrorRate(_) => match outcome {
                Outcome::Failed(_) | Outcome::TimedOut => (Standing::Missed, true, SeenValue::default()),
                Outcome::Shed | Outcome::Abandoned => (Standing::Missed, false, SeenValue::default()),
                Outcome::Unresolved => (Standing::Undecided, false, SeenValue::default()),
                Outcome::Completed | Outcome::Cancelled | Outcome::Skipped => {
                    (Standing::Met, false, SeenValue::default())
                }
            },
            Objective::Attainment(_) | Objective::Goodput(_) => {
                (goodness.standing(), error || self.refused_by_service(objectives, record), SeenValue::default())
            }
        }
    }
}

impl Goodness {
    pub(super) fn standing(self) -> Standing {
        match self {
            Self::Good => Standing::Met,
            Self::NotGood => Standing::Missed,
            Self::Undecided => Standing::Undecided,
            Self::NotJudged => Standing::Undefined,
        }
    }
}
