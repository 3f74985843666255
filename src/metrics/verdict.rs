//! Owns `Verdict`, three-valued and with the kinds of its reasons, and the judgement of a whole trial.

use serde::{Deserialize, Serialize};

use crate::metrics::decide::judge_objective;
use crate::metrics::health::examine;
use crate::metrics::{CONFIDENCE, Circumstances, Health, ObjectiveJudgement, Summary, VerdictReason};
use crate::stats::proportion::lower_bound;

/// What a trial says about its objectives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictResult {
    /// Nothing was asked.
    None,
    /// Every objective is met, with confidence, by a healthy generator.
    Pass,
    /// At least one is not met, with confidence.
    Fail,
    /// The data, or the generator, cannot tell.
    Inconclusive,
}

/// A result and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The result.
    pub result: VerdictResult,
    /// Why it is not a pass. Empty in a result of an older version, which has sentences only.
    #[serde(default)]
    pub reason_kinds: Vec<VerdictReason>,
}

/// Everything a trial says.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// One for each objective, in order.
    pub objectives: Vec<ObjectiveJudgement>,
    /// Good over planned; absent with an empty cohort.
    pub attainment: Option<f64>,
    /// Good per second of the window; absent with an empty window.
    pub goodput_per_s: Option<f64>,
    /// The generator's health.
    pub health: Health,
    /// The verdict.
    pub verdict: Verdict,
}

/// Judges a segment by the objectives its summary was folded for.
#[must_use]
pub fn judge(summary: &Summary, went: &Circumstances<'_>) -> Judgement {
    let asked = summary.objectives();
    let state = summary.state(went.load.varies());
    let answers = summary.answers();
    let objectives: Vec<ObjectiveJudgement> = (asked.items().iter().enumerate())
        .map(|(place, objective)| {
            let judged = judge_objective(summary, &state, place, objective);
            match answers.doubt(objective, asked) {
                Some(why) if !errors_alone_refute(summary, &judged) => ObjectiveJudgement {
                    met: None,
                    requests_needed: None,
                    duration_needed_s: None,
                    reason_kind: Some(why),
                    ..judged
                },
                _ => judged,
            }
        })
        .collect();
    let health = examine(summary, went, asked);
    let good = summary.goodness().met as f64;
    let (planned, window_s) = (summary.cohort().planned, went.window.length_s());
    Judgement {
        verdict: conclude(&objectives, &health),
        attainment: (planned > 0).then(|| good / planned as f64),
        goodput_per_s: (window_s > 0.0).then(|| good / window_s),
        objectives,
        health,
    }
}

/// Whether the requests that failed or timed out are alone more than `judged` allows: no other doubt excuses them.
fn errors_alone_refute(summary: &Summary, judged: &ObjectiveJudgement) -> bool {
    let (cohort, decided) = (summary.cohort(), judged.decided as f64);
    let errors = ((cohort.failed + cohort.timed_out) as f64).min(decided);
    let phi = judged.overdispersion.unwrap_or(1.0).max(1.0);
    let lower = lower_bound(errors / phi, decided / phi, CONFIDENCE);
    judged.met == Some(false) && judged.allowed_share.is_some_and(|allowed| lower > allowed)
}

/// A fail outweighs what is open. An unhealthy generator turns a pass into inconclusive and leaves a fail only where
/// misses refute it that neither lateness nor shedding can have caused. A late send by itself doubts only the
/// objectives that it can have touched.
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
        // All that are not met, those too that a healthy generator would have to confirm.
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
