//! Owns `Health`: whether the generator did what was planned, and what the numbers cannot show.

use serde::{Deserialize, Serialize};

use crate::metrics::{
    AnswersView, Circumstances, Ended, Fault, Known, Lateness, Limit, LoadKind, Metric, Note, Objective, Objectives,
    OriginOf, Summary, TokenCountsView,
};

/// Lag that is never held against the generator.
const LEAST_LAG_LIMIT_S: f64 = 0.002;
/// Share of a limit up to which a lag is not held against the generator.
const LAG_SHARE: f64 = 0.05;
/// Of the planned requests, those that have to be sent.
const LEAST_SENT_SHARE: f64 = 0.999;
/// Little's law may be off by this much.
const LITTLE_TOLERANCE: f64 = 0.001;
/// Of the cohort's time in the system, what may lie after the load.
const MOST_TAIL_SHARE: f64 = 0.05;
/// Little's residual over the window beyond which the window is not called steady.
const STEADY_RESIDUAL: f64 = 0.1;

/// The generator's own health: *sent* against *planned*, never against a law.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// Whether nothing below is wrong with the generator.
    pub healthy: bool,
    /// p99 of send lag of the planned requests, in seconds.
    pub send_lag_p99_s: Option<Known>,
    /// p50 of the wake lag: how much later than its arrival our thread read the first token. No latency contains it if
    /// the kernel stamps; absent if the kernel does not.
    #[serde(default)]
    pub wake_lag_p50_s: Option<Known>,
    /// p99 of the wake lag.
    #[serde(default)]
    pub wake_lag_p99_s: Option<Known>,
    /// The limit of the send lag p99: max(2 ms, 5 % of the smallest limit that counts from the planned instant).
    pub send_lag_limit_s: f64,
    /// Sent over planned, of the planned requests; absent without any.
    pub sent_share: Option<f64>,
    /// Requests shed because the in-flight cap was reached.
    pub shed: u64,
    /// Tasks of ours that died; must be 0.
    pub abandoned: u64,
    /// (∫ in flight dt − Σ (ended − sent)) ÷ the latter, over the whole run; absent where the player did not count.
    pub little_residual: Option<f64>,
    /// The same over the window, mean in flight against rate × time in the system: a sign of steady state, never of
    /// health.
    pub window_residual: Option<f64>,
    /// Whether the window looks steady (residual ≤ 10 %).
    pub steady: Option<bool>,
    /// Share of the cohort's time in the system after the load had ended.
    pub tail_share: Option<f64>,
    /// More than 5 %: its last requests saw an emptying server.
    pub tail_unloaded: bool,
    /// Completed requests whose length differs from what was asked.
    pub length_mismatch: u64,
    /// Completed requests without the server's token counts.
    pub usage_missing: u64,
    /// Those of them whose output tokens a tokenizer counted.
    #[serde(default)]
    pub usage_counted: u64,
    /// How the completed answers came, where it was not as an API says.
    #[serde(default)]
    pub answers: AnswersView,
    /// Whether the send lag is above that limit, and some objective counts from the planned instant (or there is none).
    /// Then `fault_kinds` has it too.
    #[serde(default)]
    pub late: bool,
    /// What is wrong with the generator: each makes a pass inconclusive (lateness only that of what it can touch).
    /// Empty in a result of an older version, which has sentences only.
    #[serde(default)]
    pub fault_kinds: Vec<Fault>,
    /// What the reader should know. Empty in a result of an older version, which has sentences only.
    #[serde(default)]
    pub note_kinds: Vec<Note>,
}

/// The send lag in seconds up to which `limit` is not doubted: max(2 ms, 5 % of it). `None` where it counts from the
/// send or between tokens, which a late send cannot touch.
fn lag_limit_of(limit: &Limit) -> Option<f64> {
    let planned = limit.origin == OriginOf::Scheduled
        && matches!(limit.metric, Metric::Ttft | Metric::Ttfo | Metric::E2e | Metric::Ntpot);
    planned.then(|| (limit.limit.as_secs_f64() * LAG_SHARE).max(LEAST_LAG_LIMIT_S))
}

/// The send lag up to which `objective` is not doubted; `None` where a late send cannot touch it. Attainment and
/// goodput have the smallest of the limits that each request is held to.
pub(super) fn lag_limit_s(objectives: &Objectives, objective: &Objective) -> Option<f64> {
    match objective {
        Objective::Latency(limit) => lag_limit_of(limit),
        Objective::Attainment(_) | Objective::Goodput(_) => {
            objectives.limits().filter_map(|(_, limit)| lag_limit_of(limit)).min_by(f64::total_cmp)
        }
        Objective::ErrorRate(_) => None,
    }
}

impl Health {
    /// Whether nothing is wrong that concerns an objective which bears `send_lag_limit_s`.
    pub(super) fn is_sound_for(&self, send_lag_limit_s: Option<f64>) -> bool {
        let lag_s = match self.send_lag_p99_s {
            Some(Known::At(lag_s) | Known::Above { above: lag_s }) => lag_s,
            _ => 0.0,
        };
        self.fault_kinds.iter().all(|fault| matches!(fault, Fault::Late(_)))
            && send_lag_limit_s.is_none_or(|limit_s| lag_s <= limit_s)
    }
}

/// Looks at a segment whose service is asked `objectives`.
#[must_use]
pub fn examine(summary: &Summary, went: &Circumstances<'_>, objectives: &Objectives) -> Health {
    let (planned, sent) = summary.planned_and_sent();
    let flow = summary.flow();
    let window_s = went.window.length_s();
    let share = |part: u128, whole: u128| (whole > 0).then(|| part as f64 / whole as f64);
    let little_residual = went.concurrency.filter(|_| flow.total_flight_ns > 0).map(|concurrency| {
        let settled_s = flow.total_flight_ns as f64 / 1e9;
        (concurrency.integral_s - settled_s) / settled_s
    });
    // Both over the same length: ∫ over the window against the cohort's own time in the system.
    let window_residual =
        share(flow.window_flight_ns, flow.cohort_flight_ns).filter(|_| window_s > 0.0).map(|ratio| ratio - 1.0);
    let tail_share = share(flow.tail_flight_ns, flow.cohort_flight_ns);
    let touched =
        objectives.items().iter().filter_map(|objective| lag_limit_s(objectives, objective)).min_by(f64::total_cmp);
    let send_lag_limit_s = touched.unwrap_or(LEAST_LAG_LIMIT_S);
    let send_lag_p99_s = summary.planned_send_lag().at_share(0.99);
    let wake_lag = summary.distribution(Metric::WakeLag, OriginOf::Scheduled);
    let lags =
        matches!(send_lag_p99_s, Some(Known::At(lag_s) | Known::Above { above: lag_s }) if lag_s > send_lag_limit_s);
    let mut health = Health {
        healthy: true,
        send_lag_p99_s,
        wake_lag_p50_s: wake_lag.at_share(0.5),
        wake_lag_p99_s: wake_lag.at_share(0.99),
        send_lag_limit_s,
        late: lags && (objectives.is_empty() || touched.is_some()),
        sent_share: (planned > 0).then(|| sent as f64 / planned as f64),
        shed: summary.cohort().shed,
        abandoned: summary.totals().abandoned,
        little_residual,
        window_residual,
        steady: window_residual.map(|residual| libm::fabs(residual) <= STEADY_RESIDUAL),
        tail_share,
        tail_unloaded: tail_share.is_some_and(|share| share > MOST_TAIL_SHARE),
        length_mismatch: summary.length_mismatches(),
        usage_missing: summary.usage_missing(),
        usage_counted: summary.tokens().counted_for_server(),
        answers: summary.answers(),
        fault_kinds: Vec::new(),
        note_kinds: Vec::new(),
    };
    health.fault_kinds = faults(&health, summary, went);
    health.healthy = health.fault_kinds.is_empty();
    health.note_kinds = notes(&health, summary, went);
    health
}

fn faults(health: &Health, summary: &Summary, went: &Circumstances<'_>) -> Vec<Fault> {
    let load = went.load.kind;
    let mut faults = Vec::new();
    if health.late {
        faults.push(Fault::Late(lateness(health, load)));
    }
    if let Some(sent_share) = health.sent_share.filter(|share| *share < LEAST_SENT_SHARE) {
        faults.push(Fault::NotSent { sent_share, load });
    }
    if health.shed > 0 {
        faults.push(Fault::Shed { requests: health.shed });
    }
    if health.abandoned > 0 {
        faults.push(Fault::Abandoned { requests: health.abandoned });
    }
    if let Some(residual) = health.little_residual.filter(|residual| libm::fabs(*residual) > LITTLE_TOLERANCE) {
        faults.push(Fault::LittleLaw { residual });
    }
    if !summary.totals().balance() {
        faults.push(Fault::CountsDoNotBalance);
    }
    let recorded = summary.totals().planned;
    if let Some(due) = went.due.filter(|due| *due != recorded) {
        faults.push(Fault::RecordsMissing { due, recorded });
    }
    let limit_s = health.send_lag_limit_s;
    if let Some(merged) = went.load.merged.filter(|merged| merged.origins_apart_s > limit_s) {
        faults.push(Fault::ShardsApart { apart_s: merged.origins_apart_s, limit_s });
    }
    faults
}

/// How late requests were sent.
fn lateness(health: &Health, load: LoadKind) -> Lateness {
    let send_lag_p99_s = health.send_lag_p99_s.map_or(0.0, |lag| match lag {
        Known::At(lag_s) | Known::Above { above: lag_s } | Known::Below { below: lag_s } => lag_s,
    });
    Lateness { send_lag_p99_s, send_lag_limit_s: health.send_lag_limit_s, load }
}

/// Mean token counts that differ by more than this share get a note.
const APART: f64 = 0.05;

/// What was asked and the server's count, as means, where both are known and more than a twentieth apart.
fn apart(tokens: &TokenCountsView) -> Option<(f64, f64)> {
    let (asked, server) = tokens.asked.filter(|asked| *asked > 0.0).zip(tokens.server)?;
    (libm::fabs(server / asked - 1.0) > APART).then_some((asked, server))
}

/// That `answers` have another length than was asked.
fn lengths(answers: u64, output: &TokenCountsView) -> Note {
    match apart(output) {
        Some((asked_mean, server_mean)) if server_mean > asked_mean => {
            Note::AnswersLonger { answers, asked_mean, server_mean }
        }
        _ => Note::LengthMismatch { answers },
    }
}

/// That the server counts other prompt tokens than were asked.
fn prompts(input: &TokenCountsView) -> Option<Note> {
    let (asked_mean, server_mean) = apart(input)?;
    Some(Note::PromptTokensApart { asked_mean, server_mean, counted: input.counted.is_some() })
}

fn notes(health: &Health, summary: &Summary, went: &Circumstances<'_>) -> Vec<Note> {
    let load = went.load.kind;
    let mut notes = Vec::new();
    let lags = matches!(health.send_lag_p99_s,
        Some(Known::At(lag_s) | Known::Above { above: lag_s }) if lag_s > health.send_lag_limit_s);
    if lags && !health.late {
        notes.push(Note::LateUntouched(lateness(health, load)));
    }
    if health.tail_unloaded {
        notes.push(Note::TailUnloaded { tail_share: health.tail_share.unwrap_or_default(), load });
    }
    if health.steady == Some(false) {
        notes.push(Note::Unsteady { window_residual: health.window_residual.unwrap_or_default(), load });
    }
    let tokens = summary.tokens().view();
    if health.length_mismatch > 0 {
        notes.push(lengths(health.length_mismatch, &tokens.output));
    }
    notes.extend(prompts(&tokens.input));
    notes.extend(health.answers.notes());
    let uncounted = health.usage_missing.saturating_sub(health.usage_counted);
    if uncounted > 0 {
        notes.push(Note::UsageMissing { answers: uncounted, streamed: summary.frame().streamed });
    }
    if health.usage_counted > 0 {
        notes.push(Note::UsageCounted { answers: health.usage_counted });
    }
    if went.not_due > 0 {
        notes.push(match went.ended {
            Ended::Complete => Note::TurnsNotDue { turns: went.not_due },
            Ended::Stopped | Ended::Interrupted => Note::RequestsNotDue { requests: went.not_due },
        });
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(asked: f64, server: f64) -> TokenCountsView {
        TokenCountsView { asked: Some(asked), server: Some(server), ..TokenCountsView::default() }
    }

    #[test]
    fn answers_that_are_longer_are_another_kind_than_answers_that_end_early() {
        assert_eq!(
            lengths(16, &counts(4.0, 40.0)),
            Note::AnswersLonger { answers: 16, asked_mean: 4.0, server_mean: 40.0 }
        );
        for other in [counts(40.0, 21.0), counts(40.0, 41.0), TokenCountsView::default()] {
            assert_eq!(lengths(16, &other), Note::LengthMismatch { answers: 16 });
        }
    }

    #[test]
    fn prompt_tokens_more_than_a_twentieth_apart_are_told_of() {
        let seen = |input: &TokenCountsView| match prompts(input) {
            Some(Note::PromptTokensApart { asked_mean, server_mean, counted }) => {
                Some((asked_mean, server_mean, counted))
            }
            other => {
                assert_eq!(other, None);
                None
            }
        };
        assert_eq!(seen(&counts(10.0, 17.0)), Some((10.0, 17.0, false)));
        assert_eq!(seen(&TokenCountsView { counted: Some(10.0), ..counts(10.0, 9.0) }), Some((10.0, 9.0, true)));
        assert_eq!((seen(&counts(512.0, 530.0)), seen(&TokenCountsView::default())), (None, None));
    }
}
