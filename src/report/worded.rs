//! Owns the sentences of a result. They are made from its kinds, or read from a result of an older version.

use std::borrow::Cow;

use crate::figures::{HealthView, ObjectiveView, TrialView, VerdictView};
use crate::report::sentences::{
    anomaly, assumption, check_note, fault, finding, fleet_note, formula, note, preflight_sentences,
    preparation_sentences, rate_doubt, reason, search_sentences, sweep_sentences, verdict_reason,
};
use crate::results::Report;
use crate::search::SweepFindings;
use crate::search::maximum::SearchFindings;
use crate::sizing::{CheckView, Fleet};
use crate::trace::Inspection;

/// Fills in every sentence of `report` beside its kind. Call it before a result is written or printed as JSON; pages
/// make the sentences themselves.
pub fn worded(report: &mut Report) {
    for trial in &mut report.trials {
        word(trial);
    }
    for answer in report.preflight.iter_mut().flat_map(|preflight| &mut preflight.answers) {
        answer.findings = answer.finding_kinds.iter().map(finding).collect();
    }
    if let Some(found) = &mut report.sweep {
        found.sentences = said_of_sweep(found, &report.trials).into_owned();
    }
    if let Some(found) = &mut report.search {
        found.sentences = said_of_search(found).into_owned();
    }
}

/// Fills in every sentence of `fleet` beside its kind. Call it before a fleet is printed as JSON; the page makes the
/// sentences itself.
pub(crate) fn worded_fleet(fleet: &mut Fleet) {
    fleet.formula = formula(fleet);
    fleet.sentences = notes_of_fleet(fleet);
    fleet.assumptions = assumptions_of(fleet);
    for choice in &mut fleet.choices {
        choice.capacity.doubts = choice.capacity.doubt_kinds.iter().map(rate_doubt).collect();
    }
    if let Some(check) = &mut fleet.check {
        check.notes = notes_of_check(check);
    }
}

/// Fills in every sentence of `inspection` beside its kind. Call it before it is printed as JSON.
pub fn worded_inspection(inspection: &mut Inspection) {
    inspection.anomalies = anomalies_of(inspection);
}

/// The anomalies of a trace, in sentences.
pub(super) fn anomalies_of(inspection: &Inspection) -> Vec<String> {
    inspection.anomaly_kinds.iter().map(anomaly).collect()
}

/// The notes on a fleet, in sentences.
pub(super) fn notes_of_fleet(fleet: &Fleet) -> Vec<String> {
    fleet.sentence_kinds.iter().map(fleet_note).collect()
}

/// The assumptions of a fleet, in sentences.
pub(super) fn assumptions_of(fleet: &Fleet) -> Vec<String> {
    fleet.assumption_kinds.iter().map(assumption).collect()
}

/// The notes on a check, in sentences.
pub(super) fn notes_of_check(check: &CheckView) -> Vec<String> {
    check.note_kinds.iter().copied().map(check_note).collect()
}

/// The conclusions of a sweep in sentences: those stored in the result, or else made from its findings.
pub(super) fn said_of_sweep<'a>(found: &'a SweepFindings, trials: &[TrialView]) -> Cow<'a, [String]> {
    if found.sentences.is_empty() { sweep_sentences(found, trials).into() } else { Cow::Borrowed(&found.sentences) }
}

/// The conclusions of a search in sentences: those stored in the result, or else made from its findings.
pub(super) fn said_of_search(found: &SearchFindings) -> Cow<'_, [String]> {
    if found.sentences.is_empty() { search_sentences(found).into() } else { Cow::Borrowed(&found.sentences) }
}

fn word(trial: &mut TrialView) {
    trial.health.faults = faults_of(&trial.health).into_owned();
    trial.health.notes = notes_of(&trial.health).into_owned();
    trial.verdict.reasons = reasons_of(&trial.verdict).into_owned();
    for objective in &mut trial.slo.objectives {
        objective.reason = reason_of(objective);
    }
}

/// One sentence for each kind. A result of an older version has no kinds: its sentences stay as they are.
fn made_of<'a, K>(kinds: &[K], stored: &'a [String], sentence: fn(&K) -> String) -> Cow<'a, [String]> {
    if kinds.is_empty() { Cow::Borrowed(stored) } else { kinds.iter().map(sentence).collect() }
}

/// The faults of the generator, in sentences.
#[must_use]
pub(crate) fn faults_of(health: &HealthView) -> Cow<'_, [String]> {
    made_of(&health.fault_kinds, &health.faults, fault)
}

/// The notes for the reader, in sentences.
pub(super) fn notes_of(health: &HealthView) -> Cow<'_, [String]> {
    made_of(&health.note_kinds, &health.notes, note)
}

/// The notes on a run, those of its preflight first.
pub(super) fn notes_of_run(report: &Report) -> impl Iterator<Item = Cow<'_, str>> {
    let of_preflight = report.preflight.iter().flat_map(preflight_sentences).map(Cow::Owned);
    let of_preparation = report.preparation.iter().flat_map(preparation_sentences).map(Cow::Owned);
    of_preflight.chain(of_preparation).chain(report.notes.iter().map(|note| Cow::Borrowed(note.as_str())))
}

/// Why a verdict is not a pass, in sentences.
pub(super) fn reasons_of(verdict: &VerdictView) -> Cow<'_, [String]> {
    made_of(&verdict.reason_kinds, &verdict.reasons, verdict_reason)
}

fn reason_of(objective: &ObjectiveView) -> Option<String> {
    match &objective.reason_kind {
        Some(kind) => Some(reason(&objective.text, kind)),
        None => objective.reason.clone(),
    }
}
