//! Owns the answer of a result in one sentence, which stands first on every page.

use crate::figures::TrialView;
use crate::metrics::{Known, Limit, Metric, Objective, ObjectiveJudgement, OriginOf, Statistic, VerdictResult};
use crate::report::load_line::load_line;
use crate::report::numbers::{interval, shown, turns, unit_of};
use crate::report::worded::{reasons_of, said_of_search, said_of_sweep};
use crate::results::Report;
use crate::search::maximum::Outcome;
use crate::units::{count, seconds};

/// How good the news is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// The objectives are met, or an answer was found.
    Good,
    /// The objectives are missed.
    Bad,
    /// Not decided, or in doubt.
    Unsure,
    /// Nothing was asked.
    Plain,
}

/// The answer of a result.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// How good it is.
    pub(super) news: News,
    /// The verdict in one word; `None` without objectives.
    pub(super) word: Option<&'static str>,
    /// The answer in one sentence.
    pub(super) sentence: String,
    /// The same without the load that gave it.
    pub(super) figures: String,
    /// Reasons, one sentence each.
    pub(super) reasons: Vec<String>,
}

/// The answer of `report`.
pub(super) fn answer_of(report: &Report) -> Answer {
    if let Some(found) = &report.search {
        let mut sentences = said_of_search(found).into_owned().into_iter();
        let news = match found.finished {
            Some(Outcome::Infeasible) => News::Bad,
            Some(Outcome::Found | Outcome::MostReached(_)) if found.doubts.is_empty() => News::Good,
            _ => News::Unsure,
        };
        let sentence = sentences.next().unwrap_or_default();
        return Answer { news, word: None, figures: sentence.clone(), sentence, reasons: sentences.collect() };
    }
    if let Some(found) = &report.sweep {
        let sentences = said_of_sweep(found, &report.trials);
        let (first, rest) = sentences.split_at(sentences.len().min(1));
        let sentence = first.first().cloned().unwrap_or_else(|| "no load has ended".to_owned());
        let figures = sentence.clone();
        return Answer { news: News::Plain, word: None, sentence, figures, reasons: rest.to_vec() };
    }
    let Some(trial) = report.trials.last() else {
        let sentence = "no load has ended".to_owned();
        let figures = sentence.clone();
        return Answer { news: News::Unsure, word: None, sentence, figures, reasons: Vec::new() };
    };
    let (news, word) = match trial.verdict.result {
        VerdictResult::None => (News::Plain, None),
        VerdictResult::Pass => (News::Good, Some("PASS")),
        VerdictResult::Fail => (News::Bad, Some("FAIL")),
        VerdictResult::Inconclusive => (News::Unsure, Some("INCONCLUSIVE")),
    };
    let deciding = trial.slo.objectives.iter().filter(|objective| objective.decides);
    let judged: Vec<String> = deciding.map(|objective| judged(trial, objective)).collect();
    let figures = if judged.is_empty() { headlines(trial) } else { judged.join(", ") };
    Answer {
        news,
        word,
        sentence: format!("{figures}; {}", load_line(trial)),
        figures,
        reasons: reasons_of(&trial.verdict).into_owned(),
    }
}

/// An objective in words: what was observed, with its interval, and what is allowed.
fn judged(trial: &TrialView, objective: &ObjectiveJudgement) -> String {
    let unit = unit_of(objective);
    let observed = shown(objective.observed, unit);
    let Some(Objective::Latency(limit)) = objective.asked() else {
        return format!("{} is {observed}", objective.text);
    };
    let between = interval_of(trial, objective.class().as_deref(), &limit)
        .map_or_else(String::new, |[low, high]| format!(" (95 % interval {})", interval(low, high, unit)));
    let name = objective.text.split(['<', '>']).next().unwrap_or(&objective.text).trim();
    format!("{name} is {observed}{between} of {} allowed", seconds(objective.limit))
}

/// The 95 % interval of the quantile that `limit` limits, of the requests of `class` or of all, where there is one.
fn interval_of(trial: &TrialView, class: Option<&str>, limit: &Limit) -> Option<[f64; 2]> {
    let metrics = class.map_or(Some(&trial.metrics), |class| trial.classes.get(class).map(|class| &class.metrics))?;
    let stats = metrics.get(&limit.metric)?.headline();
    let Statistic::Quantile(quantile) = limit.statistic else { return None };
    // The stored intervals count from the planned instant.
    if limit.origin != OriginOf::Scheduled {
        return None;
    }
    let known = [(0.5, stats.p50_ci95), (0.9, stats.p90_ci95), (0.99, stats.p99_ci95)];
    known.into_iter().find(|(share, _)| libm::fabs(share - quantile.share()) < 1e-9).and_then(|(_, ends)| ends)
}

/// The figures of a load without objectives.
fn headlines(trial: &TrialView) -> String {
    let counts = &trial.requests;
    let due = counts.planned - counts.skipped;
    let mut parts = vec![format!("{} of {} requests completed", count(counts.completed), count(due))];
    if counts.skipped > 0 {
        parts.push(format!("{} skipped because a turn before them was lost", turns(counts.skipped)));
    }
    for metric in [Metric::Ttft, Metric::E2e] {
        let Some(stats) = trial.metrics.get(&metric).map(crate::figures::MetricView::headline) else { continue };
        if let Some(figure @ (Known::At(_) | Known::Above { .. })) = stats.p99 {
            let between = stats
                .p99_ci95
                .map_or_else(String::new, |[low, high]| format!(" (95 % interval {})", interval(low, high, "s")));
            parts.push(format!("p99 {} {}{between}", metric.key(), shown(Some(figure), "s")));
        }
    }
    parts.join(", ")
}
