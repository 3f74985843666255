//! Owns `Verdict`, the result of a trial with the kinds of its reasons, and the judgement of a whole trial.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::metrics::decide::judge_objective;
use crate::metrics::health::examine;
use crate::metrics::{
    AnswersView, CONFIDENCE, Circumstances, Health, ObjectiveJudgement, State, Summary, VerdictReason,
};
use crate::stats::proportion::lower_bound;

/// The result of a trial by its objectives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictResult {
    /// There is no objective to decide.
    None,
    /// Every objective is met with confidence, and the generator was healthy.
    Pass,
    /// At least one objective is not met, with confidence.
    Fail,
    /// The data do not suffice, or the generator was not healthy.
    Inconclusive,
}

/// The result of a trial and its reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The result.
    pub result: VerdictResult,
    /// Why the result is not a pass. Empty in a result of an older version, which has sentences only.
    #[serde(default)]
    pub reason_kinds: Vec<VerdictReason>,
}

/// The judgement of a trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// One judgement for each objective, in order.
    pub objectives: Vec<ObjectiveJudgement>,
    /// Good requests ÷ planned requests; absent with an empty cohort.
    pub attainment: Option<f64>,
    /// Good requests per second of the window; absent with an empty window.
    pub goodput_per_s: Option<f64>,
    /// The generator's health.
    pub health: Health,
    /// The verdict.
    pub verdict: Verdict,
}

/// Judges a segment by the objectives of its summary.
#[must_use]
pub(crate) fn judge(summary: &Summary, went: &Circumstances<'_>) -> Judgement {
    let asked = summary.objectives();
    let whole = Part::of(summary, went);
    let named = asked.classes();
    let of_classes = summary.classes().iter().filter(|(class, _)| named.contains(*class));
    let parts: BTreeMap<&Arc<str>, Part<'_>> =
        of_classes.map(|(class, summary)| (class, Part::of(summary, went))).collect();
    let objectives: Vec<ObjectiveJudgement> = (0..asked.items().len())
        .map(|place| match asked.class_of(place) {
            None => whole.judge(place),
            Some(class) => {
                let own = asked.place_in_class(place);
                let judged = if let Some(part) = parts.get(class) {
                    part.judge(own)
                } else {
                    // No request of the class has settled.
                    let empty = Summary::new(summary.frame(), Arc::new(asked.of_class(class)));
                    Part::of(&empty, went).judge(own)
                };
                ObjectiveJudgement { text: asked.text(place), ..judged }
            }
        })
        .collect();
    let health = examine(summary, went, asked);
    let good = summary.goodness().met as f64;
    let window_s = went.window.length_s();
    Judgement {
        verdict: conclude(&objectives, &health),
        attainment: summary.attainment(),
        goodput_per_s: (window_s > 0.0).then(|| good / window_s),
        objectives,
        health,
    }
}

/// The requests that objectives are judged by: all of them, or those of one class.
struct Part<'a> {
    summary: &'a Summary,
    state: State,
    answers: AnswersView,
}

impl<'a> Part<'a> {
    fn of(summary: &'a Summary, went: &Circumstances<'_>) -> Self {
        Self { summary, state: summary.state(went.load.varies()), answers: summary.answers() }
    }

    /// Judges objective number `place` of the summary.
    fn judge(&self, place: usize) -> ObjectiveJudgement {
        let Self { summary, state, answers } = self;
        let objective = &summary.objectives().items()[place];
        let judged = judge_objective(summary, state, place, objective);
        match answers.doubt(objective, summary.objectives()) {
            Some(why) if !errors_alone_refute(summary, &judged) => ObjectiveJudgement {
                met: None,
                requests_needed: None,
                duration_needed_s: None,
                reason_kind: Some(why),
                ..judged
            },
            _ => judged,
        }
    }
}

/// Whether the failed and timed-out requests alone are more than `judged` allows. Then the objective is not met
/// whatever else is in doubt.
fn errors_alone_refute(summary: &Summary, judged: &ObjectiveJudgement) -> bool {
    let (cohort, decided) = (summary.cohort(), judged.decided as f64);
    let errors = ((cohort.failed + cohort.timed_out) as f64).min(decided);
    let phi = judged.overdispersion.unwrap_or(1.0).max(1.0);
    let lower = lower_bound(errors / phi, decided / phi, CONFIDENCE);
    judged.met == Some(false) && judged.allowed_share.is_some_and(|allowed| lower > allowed)
}

/// A fail of one objective outweighs undecided ones. An unhealthy generator turns a pass into inconclusive. A fail then
/// remains only if it rests on misses that neither lateness nor shedding can have caused. Lateness alone puts only the
/// objectives in doubt that it can affect.
fn conclude(objectives: &[ObjectiveJudgement], health: &Health) -> Verdict {
    let deciding: Vec<&ObjectiveJudgement> = objectives.iter().filter(|objective| objective.decides).collect();
    if deciding.is_empty() {
        return Verdict { result: VerdictResult::None, reason_kinds: Vec::new() };
    }
    let sound = |objective: &ObjectiveJudgement| health.is_sound_for(objective.send_lag_limit_s);
    let failed =
        |objective: &ObjectiveJudgement| objective.met == Some(false) && (sound(objective) || objective.refuted_firmly);
    let why = |objective: &&ObjectiveJudgement| {
        objective.reason_kind.map(|reason| VerdictReason::Objective { objective: objective.text.clone(), reason })
    };
    let mut reason_kinds: Vec<VerdictReason> = Vec::new();
    let result = if deciding.iter().any(|objective| failed(objective)) {
        // All objectives that are not met, including those that only a healthy generator could confirm.
        reason_kinds.extend(deciding.iter().filter(|objective| objective.met == Some(false)).filter_map(why));
        VerdictResult::Fail
    } else if deciding.iter().all(|objective| objective.met == Some(true) && sound(objective)) {
        VerdictResult::Pass
    } else {
        reason_kinds.extend(deciding.iter().filter_map(why));
        VerdictResult::Inconclusive
    };
    if result != VerdictResult::Pass {
        reason_kinds.extend(health.fault_kinds.iter().copied().map(VerdictReason::Generator));
    }
    Verdict { result, reason_kinds }
}
