//! Owns `Health`: whether the generator sent what was planned, and the notes on what the figures cannot show.

use serde::{Deserialize, Serialize};

use crate::metrics::{
    AnswersView, Circumstances, Ended, Fault, Known, Lateness, Limit, LoadKind, Metric, Note, Objective, Objectives,
    OriginOf, Punctuality, Summary, TokenCountsView,
};

/// Send lag in seconds up to which the generator is never late: 2 ms, whatever the limits.
const LEAST_LAG_LIMIT_S: f64 = 0.002;
/// Seconds. If half of the reads come later than this after the kernel's stamp, the generator itself, and nothing on
/// the way, is why whole answers come in one read.
const READ_LATE_S: f64 = 0.005;
/// Send lag, as a share of a limit, up to which the generator is not late.
const LAG_SHARE: f64 = 0.05;
/// The least share of the planned requests that must be sent.
const LEAST_SENT_SHARE: f64 = 0.999;
/// The largest relative residual of Little's law over the whole run.
const LITTLE_TOLERANCE: f64 = 0.001;
/// The largest share of the cohort's time in the system that may lie after the end of the load.
const MOST_TAIL_SHARE: f64 = 0.05;
/// The largest relative residual of Little's law over the window at which the window is called steady.
const STEADY_RESIDUAL: f64 = 0.1;

/// The generator's own health. It compares *sent* with *planned*, never with an arrival law.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// Whether `fault_kinds` is empty.
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
    /// The limit of `send_lag_p99_s`, in seconds: max(2 ms, 5 % of the smallest limit that counts from the planned
    /// instant).
    pub send_lag_limit_s: f64,
    /// Sent ÷ planned, of the planned requests; absent without planned requests.
    pub sent_share: Option<f64>,
    /// Planned requests whose body was built after the planned instant. More than 0.1 % of them are a fault.
    #[serde(default)]
    pub bodies_late: u64,
    /// Requests shed because the in-flight cap was reached.
    pub shed: u64,
    /// Requests whose task in the generator died; must be 0.
    pub abandoned: u64,
    /// (∫ in flight dt − Σ (ended − sent)) ÷ Σ (ended − sent), over the whole run; absent where requests in flight were
    /// not counted.
    pub little_residual: Option<f64>,
    /// Relative difference of ∫ in flight dt over the window from the cohort's time in the system: a sign of steady
    /// state, never of health.
    pub window_residual: Option<f64>,
    /// Whether the window looks steady: `window_residual` is within ±10 %.
    pub steady: Option<bool>,
    /// Share of the cohort's time in the system that lies after the end of the load.
    pub tail_share: Option<f64>,
    /// Whether `tail_share` is above 5 %: the cohort's last requests saw an emptying server.
    pub tail_unloaded: bool,
    /// Completed requests whose length differs from what was asked.
    pub length_mismatch: u64,
    /// Completed requests without the server's token counts.
    pub usage_missing: u64,
    /// Completed requests without the server's token counts whose output tokens a tokenizer counted.
    #[serde(default)]
    pub usage_counted: u64,
    /// Counts of the completed answers that deviate from the API.
    #[serde(default)]
    pub answers: AnswersView,
    /// Whether the p99 send lag is above `send_lag_limit_s` and can affect the verdict: a latency objective counts from
    /// the planned instant, or there are no objectives. Then `fault_kinds` has a `late` fault.
    #[serde(default)]
    pub late: bool,
    /// What is wrong with the generator. Each fault makes a pass inconclusive; lateness does so only for objectives
    /// that it can affect. Empty in a result of an older version, which has sentences only.
    #[serde(default)]
    pub fault_kinds: Vec<Fault>,
    /// Notes for the reader. Empty in a result of an older version, which has sentences only.
    #[serde(default)]
    pub note_kinds: Vec<Note>,
}

/// The send lag in seconds up to which `limit` is not doubted: max(2 ms, 5 % of the limit). `None` where the limit
/// counts from the send or between tokens, because a late send cannot affect it.
fn lag_limit_of(limit: &Limit) -> Option<f64> {
    let planned = limit.origin == OriginOf::Scheduled
        && matches!(limit.metric, Metric::Ttft | Metric::Ttfo | Metric::E2e | Metric::Ntpot);
    planned.then(|| (limit.limit.as_secs_f64() * LAG_SHARE).max(LEAST_LAG_LIMIT_S))
}

/// The send lag in seconds up to which `objective` is not doubted; `None` where a late send cannot affect it. For
/// attainment and goodput it is the smallest over all per-request limits.
pub(super) fn lag_limit_s(objectives: &Objectives, objective: &Objective) -> Option<f64> {
    match objective {
        Objective::Latency(limit) => lag_limit_of(limit),
        Objective::Attainment(_) | Objective::Goodput(_) => {
            objectives.limits().filter_map(lag_limit_of).min_by(f64::total_cmp)
        }
        Objective::ErrorRate(_) => None,
    }
}

impl Health {
    /// Whether no fault affects an objective whose send lag limit is `send_lag_limit_s` (`None`: a late send cannot
    /// affect it).
    pub(super) fn is_sound_for(&self, send_lag_limit_s: Option<f64>) -> bool {
        let lag_s = match self.send_lag_p99_s {
            Some(Known::At(lag_s) | Known::Above { above: lag_s }) => lag_s,
            _ => 0.0,
        };
        self.fault_kinds.iter().all(|fault| matches!(fault, Fault::Late(_)))
            && send_lag_limit_s.is_none_or(|limit_s| lag_s <= limit_s)
    }
}

/// Examines the generator's health over a segment that is judged by `objectives`.
#[must_use]
pub(crate) fn examine(summary: &Summary, went: &Circumstances<'_>, objectives: &Objectives) -> Health {
    let &Punctuality { planned, sent, bodies_late, .. } = summary.punctuality();
    let flow = summary.flow();
    let window_s = went.window.length_s();
    let share = |part: u128, whole: u128| (whole > 0).then(|| part as f64 / whole as f64);
    let little_residual = went.concurrency.filter(|_| flow.total_flight_ns > 0).map(|concurrency| {
        let settled_s = flow.total_flight_ns as f64 / 1e9;
        (concurrency.integral_s - settled_s) / settled_s
    });
    // Both cover the window's length: ∫ in flight over the window, and the cohort's time in the system.
    let window_residual =
        share(flow.window_flight_ns, flow.cohort_flight_ns).filter(|_| window_s > 0.0).map(|ratio| ratio - 1.0);
    let tail_share = share(flow.tail_flight_ns, flow.cohort_flight_ns);
    let touched =
        objectives.items().iter().filter_map(|objective| lag_limit_s(objectives, objective)).min_by(f64::total_cmp);
    let send_lag_limit_s = touched.unwrap_or(LEAST_LAG_LIMIT_S);
    let send_lag_p99_s = summary.punctuality().send_lag.at_share(0.99);
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
        bodies_late,
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
    let late_share = health.bodies_late as f64 / summary.punctuality().planned.max(1) as f64;
    if late_share > 1.0 - LEAST_SENT_SHARE {
        faults.push(Fault::BodiesLate { requests: health.bodies_late, share: late_share, load });
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
    // Origins that are further apart than half of the mean gap make another arrival process of the plan's.
    let half_gap_s = went.load.rate_per_s.filter(|per_s| *per_s > 0.0).map_or(f64::INFINITY, |per_s| 0.5 / per_s);
    let limit_s = health.send_lag_limit_s.min(half_gap_s);
    if let Some(merged) = went.load.merged.filter(|merged| merged.origins_apart_s > limit_s) {
        faults.push(Fault::ShardsApart { apart_s: merged.origins_apart_s, limit_s });
    }
    faults
}

/// The lateness of a segment, for a fault or a note.
fn lateness(health: &Health, load: LoadKind) -> Lateness {
    let send_lag_p99_s = health.send_lag_p99_s.map_or(0.0, |lag| match lag {
        Known::At(lag_s) | Known::Above { above: lag_s } | Known::Below { below: lag_s } => lag_s,
    });
    Lateness { send_lag_p99_s, send_lag_limit_s: health.send_lag_limit_s, load }
}

/// Mean token counts that differ by more than this share get a note: 5 %.
const APART: f64 = 0.05;

/// The mean tokens asked for and the server's mean count, where both are known and more than 5 % apart.
fn apart(tokens: &TokenCountsView) -> Option<(f64, f64)> {
    apart_of(tokens.asked, tokens.server)
}

/// Two means, where both are known and the second is more than 5 % off the first.
fn apart_of(first: Option<f64>, second: Option<f64>) -> Option<(f64, f64)> {
    let (first, second) = first.filter(|first| *first > 0.0).zip(second)?;
    (libm::fabs(second / first - 1.0) > APART).then_some((first, second))
}

/// The note that the length of `answers` answers differs from the length asked for.
fn lengths(answers: u64, output: &TokenCountsView) -> Note {
    match apart(output) {
        Some((asked_mean, server_mean)) if server_mean > asked_mean => {
            Note::AnswersLonger { answers, asked_mean, server_mean }
        }
        _ => Note::LengthMismatch { answers },
    }
}

/// The note that the server's count of prompt tokens differs from the number asked for.
fn prompts(input: &TokenCountsView) -> Option<Note> {
    let (asked_mean, server_mean) = apart(input)?;
    let counted = input.counted.is_some();
    Some(Note::PromptTokensApart { asked_mean, server_mean, counted, templated: false })
}

/// The note that the server's count of output tokens differs from that of our tokenizer, where both counted the same
/// number of answers.
fn outputs(output: &TokenCountsView) -> Option<Note> {
    let counted = output.counted.filter(|_| output.counted_requests == output.server_requests);
    let (counted_mean, server_mean) = apart_of(counted, output.server)?;
    Some(Note::AnswerTokensApart { counted_mean, server_mean })
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
    let cohort = summary.cohort();
    if cohort.to_cancel > 0 {
        notes.push(Note::Cancelled { picked: cohort.to_cancel, cancelled: cohort.cancelled });
    }
    let tokens = summary.tokens().view();
    if health.length_mismatch > 0 {
        notes.push(lengths(health.length_mismatch, &tokens.output));
    }
    notes.extend(prompts(&tokens.input));
    notes.extend(outputs(&tokens.output));
    let late_by_s = match health.wake_lag_p50_s {
        Some(Known::At(lag_s) | Known::Above { above: lag_s }) => Some(lag_s).filter(|lag_s| *lag_s > READ_LATE_S),
        _ => None,
    };
    notes.extend(health.answers.notes(late_by_s));
    let uncounted = health.usage_missing.saturating_sub(health.usage_counted);
    if uncounted > 0 {
        let answers = uncounted;
        notes.push(match tokens.output.asked {
            Some(_) => Note::UsageMissing { answers, streamed: summary.frame().streamed },
            None => Note::InputAsAsked { answers },
        });
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
    fn answers_that_server_and_tokenizer_count_more_than_a_twentieth_apart_are_told_of() {
        let of = |counted, server_requests| {
            outputs(&TokenCountsView { counted, counted_requests: 9, server_requests, ..counts(64.0, 64.0) })
        };
        let found = Note::AnswerTokensApart { counted_mean: 50.0, server_mean: 64.0 };
        assert_eq!((of(Some(50.0), 9), of(Some(50.0), 8), of(Some(62.0), 9)), (Some(found), None, None));
        assert_eq!(of(None, 9), None);
    }

    #[test]
    fn prompt_tokens_more_than_a_twentieth_apart_are_told_of() {
        let seen = |input: &TokenCountsView| match prompts(input) {
            Some(Note::PromptTokensApart { asked_mean, server_mean, counted, templated: false }) => {
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
