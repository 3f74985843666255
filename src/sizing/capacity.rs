//! Owns `Capacity`: the rate that one replica carries under the objectives, its uncertainty and its source.

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::figures::TrialView;
use crate::foreign::ForeignTool;
use crate::metrics::Objectives;
use crate::sizing::judged::rows_of;
use crate::sizing::{Class, Measured, RateDoubt, RateInterval, Standing};
use crate::units::{Rate, plain};

/// The source of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Evidence {
    /// Stated by the user.
    Stated,
    /// A search: the rate has the interval of that search.
    Search,
    /// The largest measured rate that met the objectives.
    Measured,
    /// The largest rate whose observed figures met the objectives. No rate was decided, because there were too few
    /// requests.
    Observed,
    /// The largest rate that met the objectives, from the result of another tool.
    #[serde(untagged)]
    Foreign(ForeignTool),
}

impl Evidence {
    /// Whether the rate is the lower bound of a confidence interval.
    #[must_use]
    pub(crate) const fn is_certified(self) -> bool {
        matches!(self, Self::Search)
    }
}

/// The rate that one replica carries, with its evidence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Capacity {
    /// The rate under the objectives, in requests per second.
    pub rate_per_s: RateInterval,
    /// The source of the rate.
    pub evidence: Evidence,
    /// The objective that limits the rate, if known.
    pub limited_by: Option<String>,
    /// The arrival process of the measurement, if known.
    pub process: Option<String>,
    /// Mean output tokens of a request, if known.
    pub output_tokens: Option<f64>,
    /// The share of requests that met every objective, if known.
    pub good_share: Option<f64>,
    /// The sentences of `doubt_kinds`; empty until `report` makes them.
    pub doubts: Vec<String>,
    /// The reasons to doubt the rate.
    pub doubt_kinds: Vec<RateDoubt>,
    /// The classes, if the rate is that of a mix of classes; else empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<Class>,
}

impl Capacity {
    /// The capacity that the user states.
    #[must_use]
    pub(crate) const fn stated(rate: Rate) -> Self {
        Self {
            rate_per_s: RateInterval::exact(rate),
            evidence: Evidence::Stated,
            limited_by: None,
            process: None,
            output_tokens: None,
            good_share: None,
            doubts: Vec::new(),
            doubt_kinds: Vec::new(),
            classes: Vec::new(),
        }
    }
}

/// The keys of `search` in `result.json` that sizing reads.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct SearchFigures {
    /// How the search ended; `null` if it has not ended, `not_said` if the result has no such key.
    #[serde(default = "not_said")]
    pub finished: Option<String>,
    /// What the search varied; without this key, the rate.
    #[serde(default)]
    pub over: Option<String>,
    /// The lower bound, in requests per second; `null` if no rate met the objectives.
    #[serde(default)]
    pub safe_rate_per_s: Option<f64>,
    /// In a search over sessions: the lower bound, in sessions per second.
    #[serde(default)]
    pub safe_sessions_per_s: Option<f64>,
    /// In a search over sessions: requests for each session.
    #[serde(default)]
    pub turns_mean: Option<f64>,
    /// The best estimate, in requests per second.
    #[serde(default)]
    pub best_rate_per_s: Option<f64>,
    /// The confidence interval, in requests per second.
    #[serde(default)]
    pub interval_per_s: Option<[Option<f64>; 2]>,
    /// The objective that limits the rate.
    #[serde(default)]
    pub limited_by: Option<String>,
    /// The doubts of the search, for example `curve`, `drift` or `certificate`.
    #[serde(default)]
    pub doubts: Vec<String>,
    /// The certificate, a fresh run at the lower bound, if there is one.
    #[serde(default)]
    pub certificate: Option<CertificateFigures>,
}

/// The key of `search.certificate` that sizing reads.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct CertificateFigures {
    /// `pass`, `fail` or `undecided`.
    pub result: String,
}

/// The value of `finished` if a result lacks that key. The search then counts as one with an answer.
const NOT_SAID: &str = "not_said";

#[expect(clippy::unnecessary_wraps, reason = "serde asks for the type of the field")]
fn not_said() -> Option<String> {
    Some(NOT_SAID.to_owned())
}

/// The refusal of a search that ended without a rate, with advice; `None` if it has a rate.
fn no_answer(finished: Option<&str>) -> Option<Refusal> {
    let refuse = |why: &str, what: &str| Some(Refusal::new(why, what));
    match finished {
        None => refuse(
            "the search is not finished: it was stopped before it had an answer",
            "continue with the option resume",
        ),
        Some("infeasible") => refuse(
            "the search found its objectives infeasible: an unloaded service misses them",
            "loosen the objectives, or search a faster service",
        ),
        Some("target_lost") => refuse(
            "the search lost its target: the service stopped answering, so its rates are not valid",
            "look at the service, then search again",
        ),
        Some("generator_unfit") => refuse(
            "the search has no answer: the load generator could not send the planned requests",
            "search again from a machine with more free cores",
        ),
        Some(_) => None,
    }
}

/// The reasons to doubt the lower bound of a search.
fn doubts_of(found: &SearchFigures) -> Vec<RateDoubt> {
    let mut doubts: Vec<RateDoubt> =
        found.doubts.iter().map(|doubt| RateDoubt::SearchInDoubt { doubt: doubt.clone() }).collect();
    if matches!(found.finished.as_deref(), Some("budget_spent" | "unsettled")) {
        doubts.push(RateDoubt::BudgetSpent);
    }
    match found.certificate.as_ref().map(|certificate| certificate.result.as_str()) {
        Some("pass") => {}
        Some(result) => doubts.push(RateDoubt::CertificateNotPassed { result: result.to_owned() }),
        None => doubts.push(RateDoubt::NoCertificate),
    }
    doubts
}

/// The capacity that a search found. Refused if the search varied anything but the rate, or has no answer: not
/// finished, infeasible, target lost, generator unfit.
pub(crate) fn capacity_of_search(found: &SearchFigures, process: Option<String>) -> Result<Capacity, Refusal> {
    if found.over.as_deref() == Some("sessions") {
        let turns = found.turns_mean.unwrap_or(1.0);
        let why = format!(
            "the search was over sessions of {} requests on average, and a fleet is sized by a rate of requests",
            plain(turns)
        );
        let rate = found.safe_sessions_per_s.map_or_else(String::new, |safe| format!(" {}/s", plain(safe * turns)));
        let instead = format!("state the requests of its lower bound with the option replica-rate{rate}");
        return Err(Refusal::new(why, instead));
    }
    if let Some(over) = found.over.as_deref().filter(|over| *over != "rate") {
        let why = format!(
            "the search was over {}, but a fleet is sized by a rate that does not depend on the service",
            over.replace('_', "-")
        );
        return Err(Refusal::new(
            why,
            "search a rate with the same objectives (without the option over), or state one with the option \
             replica-rate",
        ));
    }
    if let Some(refusal) = no_answer(found.finished.as_deref()) {
        return Err(refusal);
    }
    let safe = found.safe_rate_per_s.ok_or_else(|| {
        Refusal::new(
            "the search found no rate that meets the objectives",
            "loosen the objectives, or search a faster service",
        )
    })?;
    let low = Rate::new(safe)?;
    let best = found.best_rate_per_s.map_or(Ok(low), Rate::new)?;
    let high = found.interval_per_s.and_then(|[_, high]| high).map(Rate::new).transpose()?;
    Ok(Capacity {
        rate_per_s: RateInterval::new(low, best, high)?,
        evidence: Evidence::Search,
        limited_by: found.limited_by.clone(),
        process,
        doubt_kinds: doubts_of(found),
        ..Capacity::stated(low)
    })
}

/// The capacity that the `trials` of a run or a sweep show: see [`capacity_of_rows`]. Without `objectives`, each trial
/// is judged by its own verdict.
pub(crate) fn capacity_of_trials(trials: &[TrialView], objectives: Option<&Objectives>) -> Result<Capacity, Refusal> {
    capacity_of_rows(&rows_of(trials, objectives)?, Evidence::Measured)
}

/// The largest measured rate that met the objectives, without interpolation. The upper bound is the next higher
/// measured rate, which did not certainly meet them. If no rate met them with certainty: the largest rate whose
/// observed figures met them, with a doubt. Refused if there is none.
pub(crate) fn capacity_of_rows(rows: &[Measured], evidence: Evidence) -> Result<Capacity, Refusal> {
    let largest = |standing: Standing| {
        rows.iter()
            .filter(|row| row.standing == standing)
            .max_by(|one, other| one.rate_per_s.total_cmp(&other.rate_per_s))
    };
    let decided = largest(Standing::Met);
    let Some(met) = decided.or_else(|| largest(Standing::Seems)) else {
        let open = rows.iter().filter(|row| row.standing == Standing::Open).count();
        return Err(if rows.is_empty() {
            Refusal::new(
                "the result has no open load with a rate",
                "give the result of a sweep with the option rates, or of a run with the option rate",
            )
        } else {
            let many = rows.len();
            Refusal::new(
                format!("none of the {many} rates met the objectives ({open} could not be decided)"),
                "measure lower rates, measure longer, or loosen the objectives",
            )
        });
    };
    let evidence = if decided.is_some() { evidence } else { Evidence::Observed };
    let above = rows.iter().map(|row| row.rate_per_s).filter(|rate| *rate > met.rate_per_s).reduce(f64::min);
    let low = Rate::new(met.rate_per_s)?;
    let missed = rows.iter().filter(|row| row.standing == Standing::Missed && row.rate_per_s < met.rate_per_s);
    let lower = missed.map(|row| row.rate_per_s).reduce(f64::min);
    let mut doubt_kinds: Vec<RateDoubt> = lower
        .map(|missed_per_s| RateDoubt::LowerRateMissed { missed_per_s, met_per_s: met.rate_per_s })
        .into_iter()
        .collect();
    if decided.is_none() {
        doubt_kinds.push(RateDoubt::NoRateDecided { largest_per_s: met.rate_per_s });
    }
    Ok(Capacity {
        rate_per_s: RateInterval::new(low, low, above.map(Rate::new).transpose()?)?,
        evidence,
        process: met.process.clone(),
        output_tokens: met.output_tokens,
        good_share: met.good_share,
        doubt_kinds,
        ..Capacity::stated(low)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(rate_per_s: f64, standing: Standing) -> Measured {
        Measured { rate_per_s, standing, output_tokens: None, good_share: None, process: None }
    }

    #[test]
    fn the_largest_measured_rate_that_met_the_objectives_counts_and_the_next_above_bounds_it() {
        let p99_ttft_ms = [
            (1.04, 25.5),
            (1.60, 25.4),
            (2.19, 27.9),
            (2.75, 38.9),
            (3.32, 38.6),
            (3.89, 71.1),
            (4.43, 75.3),
            (4.98, 90.7),
        ];
        let rows = p99_ttft_ms.map(|(rate, ttft_ms)| row(rate, Standing::of(ttft_ms < 80.0)));
        let found = capacity_of_rows(&rows, Evidence::Measured).unwrap();
        assert_eq!((found.rate_per_s.low().per_s(), found.rate_per_s.high().map(Rate::per_s)), (4.43, Some(4.98)));
        assert!(!found.evidence.is_certified() && found.doubt_kinds.is_empty());
    }

    #[test]
    fn a_rate_below_that_failed_is_a_doubt_and_an_open_one_above_is_the_bound() {
        let rows =
            [row(1.0, Standing::Met), row(2.0, Standing::Missed), row(3.0, Standing::Met), row(4.0, Standing::Open)];
        let found = capacity_of_rows(&rows, Evidence::Measured).unwrap();
        assert_eq!((found.rate_per_s.low().per_s(), found.rate_per_s.high().map(Rate::per_s)), (3.0, Some(4.0)));
        assert_eq!(found.doubt_kinds, [RateDoubt::LowerRateMissed { missed_per_s: 2.0, met_per_s: 3.0 }]);
    }

    #[test]
    fn no_rate_that_met_them_is_refused_with_what_to_do() {
        let refused =
            capacity_of_rows(&[row(1.0, Standing::Missed), row(2.0, Standing::Open)], Evidence::Measured).unwrap_err();
        assert!(
            refused.to_string().contains("none of the 2 rates") && refused.to_string().contains("1 could not"),
            "{refused}"
        );
        assert!(capacity_of_rows(&[], Evidence::Measured).unwrap_err().to_string().contains("no open load"));
    }

    #[test]
    fn where_no_rate_is_decided_the_largest_observed_one_is_offered_with_a_doubt() {
        let rows = [
            row(1.0, Standing::Seems),
            row(2.0, Standing::Seems),
            row(3.0, Standing::Open),
            row(4.0, Standing::Missed),
        ];
        let found = capacity_of_rows(&rows, Evidence::Measured).unwrap();
        assert_eq!((found.rate_per_s.low().per_s(), found.evidence), (2.0, Evidence::Observed));
        assert!(!found.evidence.is_certified());
        assert_eq!(found.doubt_kinds, [RateDoubt::NoRateDecided { largest_per_s: 2.0 }]);
        let found =
            capacity_of_rows(&[row(1.0, Standing::Met), row(2.0, Standing::Seems)], Evidence::Measured).unwrap();
        assert_eq!(
            (found.rate_per_s.low().per_s(), found.evidence),
            (1.0, Evidence::Measured),
            "a decided rate is preferred"
        );
    }

    #[test]
    fn a_search_without_an_answer_is_refused_and_a_weak_one_is_warned_of() {
        let of = |more: &str| {
            let text = format!(r#"{{"safe_rate_per_s":7.8,"best_rate_per_s":8.4,"interval_per_s":[7.8,9.1]{more}}}"#);
            capacity_of_search(&serde_json::from_str(&text).unwrap(), None)
        };
        for (more, wanted) in [
            (r#","finished":null"#, "the option resume"),
            (r#","finished":"infeasible""#, "loosen"),
            (r#","finished":"target_lost""#, "stopped answering"),
            (r#","finished":"generator_unfit""#, "more free cores"),
        ] {
            let refused = of(more).unwrap_err().to_string();
            assert!(refused.contains(wanted), "{more}: {refused}");
        }
        let undecided = RateDoubt::CertificateNotPassed { result: "undecided".to_owned() };
        for (more, doubts) in [
            (r#","finished":"budget_spent","certificate":{"result":"pass"}"#, vec![RateDoubt::BudgetSpent]),
            (
                r#","finished":"found","doubts":["drift"],"certificate":{"result":"pass"}"#,
                vec![RateDoubt::SearchInDoubt { doubt: "drift".to_owned() }],
            ),
            (r#","finished":"found","certificate":null"#, vec![RateDoubt::NoCertificate]),
            (r#","finished":"found","certificate":{"result":"undecided"}"#, vec![undecided]),
            (r#","finished":"found","certificate":{"result":"pass"}"#, vec![]),
        ] {
            let found = of(more).unwrap();
            assert_eq!((found.rate_per_s.low().per_s(), found.doubt_kinds), (7.8, doubts), "{more}");
        }
    }

    #[test]
    fn a_search_is_taken_by_its_lower_bound() {
        let text = concat!(
            r#"{"safe_rate_per_s":7.8,"best_rate_per_s":8.4,"interval_per_s":[7.8,9.1],"#,
            r#""limited_by":"p99 ttft<=200ms","probes":[]}"#,
        );
        let found = capacity_of_search(&serde_json::from_str(text).unwrap(), Some("poisson".into())).unwrap();
        let rate = found.rate_per_s;
        assert_eq!((rate.low().per_s(), rate.best().per_s(), rate.high().map(Rate::per_s)), (7.8, 8.4, Some(9.1)));
        assert!(found.evidence.is_certified());
        let none = r#"{"safe_rate_per_s":null,"best_rate_per_s":null,"interval_per_s":null}"#;
        assert!(capacity_of_search(&serde_json::from_str(none).unwrap(), None).is_err());
    }
}
