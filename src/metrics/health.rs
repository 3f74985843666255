//! Owns `Health`: whether the generator did what was planned, and what the numbers cannot show.

use serde::{Deserialize, Serialize};

use crate::metrics::{
    AnswersView, Circumstances, Ended, Known, Limit, LoadKind, Metric, Objective, Objectives, OriginOf, Summary,
    TokenCountsView,
};
use crate::units::{count, seconds};

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
    /// What it is held against: max(2 ms, 5 % of the smallest limit that counts from the planned instant).
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
    /// Those of them whose output tokens `--tokenizer` counted.
    #[serde(default)]
    pub usage_counted: u64,
    /// How the completed answers came, where it was not as an API says.
    #[serde(default)]
    pub answers: AnswersView,
    /// Whether the send lag is above that limit, and some objective counts from the planned instant (or there is none).
    /// Then the first of the faults says so.
    #[serde(default)]
    pub late: bool,
    /// What is wrong with the generator: each makes a pass inconclusive (lateness only that of what it can touch). Each
    /// ends with advice.
    pub faults: Vec<String>,
    /// What the reader should know. Each ends with advice where there is some.
    pub notes: Vec<String>,
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
        self.faults.len() == usize::from(self.late) && send_lag_limit_s.is_none_or(|limit_s| lag_s <= limit_s)
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
    let lags =
        matches!(send_lag_p99_s, Some(Known::At(lag_s) | Known::Above { above: lag_s }) if lag_s > send_lag_limit_s);
    let mut health = Health {
        healthy: true,
        send_lag_p99_s,
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
        faults: Vec::new(),
        notes: Vec::new(),
    };
    let advice = Advice::of(went.load.kind);
    health.faults = faults(&health, &advice);
    if !summary.totals().balance() {
        health.faults.push("the books do not balance, an error of ours; please report it".to_owned());
    }
    if let Some(due) = went.due.filter(|due| *due != summary.totals().planned) {
        let recorded = count(summary.totals().planned);
        health.faults.push(format!(
            "{} planned requests came due and {recorded} left a record, an error of ours; please report it",
            count(due)
        ));
    }
    if let Some(merged) = went.load.merged.filter(|merged| merged.origins_apart_s > health.send_lag_limit_s) {
        health.faults.push(format!(
            "the shards began {} apart where {} is borne, and so made no one load; give all of them the same \
             --start-at",
            seconds(merged.origins_apart_s),
            seconds(health.send_lag_limit_s)
        ));
    }
    health.healthy = health.faults.is_empty();
    health.notes = notes(&health, summary, went, &advice);
    health
}

/// What can be done about a load: only what its verb takes.
struct Advice {
    less: &'static str,
    before: &'static str,
    after: &'static str,
}

impl Advice {
    const fn of(kind: LoadKind) -> Self {
        match kind {
            LoadKind::Open => {
                Self { less: "a lower rate", before: "add --warmup or run longer", after: "add --cooldown" }
            }
            // A trace has no load of its own before its first row, nor after its last.
            LoadKind::Replay => Self {
                less: "a smaller --time-scale",
                before: "where the trace itself is steady, replay a longer --window of it",
                after: "replay a longer --window",
            },
            LoadKind::Synchronous | LoadKind::Concurrent | LoadKind::Throughput => Self {
                less: "fewer in flight",
                before: "add --warmup or run longer",
                after: "give --duration, and add --cooldown",
            },
        }
    }
}

fn faults(health: &Health, advice: &Advice) -> Vec<String> {
    let mut faults = Vec::new();
    if health.late {
        faults.push(lateness(health, advice));
    }
    if let Some(share) = health.sent_share.filter(|share| *share < LEAST_SENT_SHARE) {
        faults.push(format!(
            "only {:.2}% of the planned requests were sent; raise --max-in-flight or use {}",
            share * 100.0,
            advice.less
        ));
    }
    if health.shed > 0 {
        faults.push(format!("{} requests were shed at the in-flight cap; raise --max-in-flight", count(health.shed)));
    }
    if health.abandoned > 0 {
        faults.push(format!("{} requests were abandoned by our own tasks; please report it", count(health.abandoned)));
    }
    if let Some(residual) = health.little_residual.filter(|residual| libm::fabs(*residual) > LITTLE_TOLERANCE) {
        faults.push(format!("Little's law is off by {:.2}%, an error of ours; please report it", residual * 100.0));
    }
    faults
}

/// That requests were sent late, and what to do.
fn lateness(health: &Health, advice: &Advice) -> String {
    let lag = health.send_lag_p99_s.map_or(0.0, |lag| match lag {
        Known::At(lag_s) | Known::Above { above: lag_s } | Known::Below { below: lag_s } => lag_s,
    });
    format!(
        "requests left late: send lag p99 is {}, above the limit of {}; use more --workers, {} or a faster machine",
        seconds(lag),
        seconds(health.send_lag_limit_s),
        advice.less
    )
}

/// Counts that differ by more than this share are told of.
const APART: f64 = 0.05;

/// The server's count over what was asked, where both are known and more than a twentieth apart.
fn apart(tokens: &TokenCountsView) -> Option<(f64, f64, f64)> {
    let (asked, server) = tokens.asked.filter(|asked| *asked > 0.0).zip(tokens.server)?;
    let ratio = server / asked;
    (libm::fabs(ratio - 1.0) > APART).then_some((asked, server, ratio))
}

/// That answers have another length than was asked, and which option is the one for it.
fn lengths(number: u64, output: &TokenCountsView) -> String {
    let number = count(number);
    match apart(output) {
        Some((asked, server, ratio)) if ratio > 1.0 => format!(
            "{number} answers are longer than was asked (a mean of {server:.0} tokens for {asked:.0}): the server does \
             not know the field of the length; \
             try --output-field max_tokens, or max_completion_tokens where that was given"
        ),
        _ => format!("{number} answers are not as long as was asked; use --ignore-eos where the server knows it"),
    }
}

/// That the server counts other prompt tokens than were asked.
fn prompts(input: &TokenCountsView) -> Option<String> {
    let (asked, server, ratio) = apart(input)?;
    // A tokenizer of the user's own leaves the chat template alone, which is none of the text.
    let cause = if input.counted.is_some() {
        "the chat template, or another tokenizer"
    } else {
        "the chat template, or a tokenizer that is not ours"
    };
    let advice = if input.counted.is_some() { "" } else { "; --tokenizer makes prompts of the model's own tokens" };
    Some(format!(
        "the server counts a mean of {server:.0} prompt tokens where {asked:.0} were asked ({:+.0} %): {cause}{advice}",
        100.0 * (ratio - 1.0)
    ))
}

fn notes(health: &Health, summary: &Summary, went: &Circumstances<'_>, advice: &Advice) -> Vec<String> {
    let mut notes = Vec::new();
    let lags = matches!(health.send_lag_p99_s,
        Some(Known::At(lag_s) | Known::Above { above: lag_s }) if lag_s > health.send_lag_limit_s);
    if lags && !health.late {
        notes.push(format!("{}; no objective here counts from the planned instant", lateness(health, advice)));
    }
    if health.tail_unloaded {
        let share = health.tail_share.unwrap_or_default() * 100.0;
        notes.push(format!(
            "tail_unloaded: {share:.0}% of the time in the system lies after the load had ended; {}",
            advice.after
        ));
    }
    if health.steady == Some(false) {
        notes.push(format!("the window is not steady: requests in flight grew or shrank over it; {}", advice.before));
    }
    let tokens = summary.tokens().view();
    if health.length_mismatch > 0 {
        notes.push(lengths(health.length_mismatch, &tokens.output));
    }
    notes.extend(prompts(&tokens.input));
    notes.extend(health.answers.notes());
    let events = health.usage_missing.saturating_sub(health.usage_counted);
    if events > 0 {
        let (are, ask) = if summary.frame().streamed {
            ("events", "ask the server for usage in the stream, or give --tokenizer")
        } else {
            ("those asked for, where they ended at that length, else unknown", "give --tokenizer")
        };
        notes
            .push(format!("{} answers came without token counts: their output tokens are {are}; {ask}", count(events)));
    }
    if health.usage_counted > 0 {
        notes.push(format!(
            "{} answers came without the server's token counts: their output tokens are those that --tokenizer counts \
             in the text",
            count(health.usage_counted)
        ));
    }
    if went.not_due > 0 {
        notes.push(match went.ended {
            Ended::Complete => format!(
                "{} turns were not due when the drain ended: the turns before them were not over; give a longer \
                 --drain",
                count(went.not_due)
            ),
            Ended::Stopped | Ended::Interrupted => {
                format!("{} planned requests were not due when the run was stopped", count(went.not_due))
            }
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
    fn lengths_that_the_server_ignores_name_the_option_for_it() {
        assert!(lengths(16, &counts(4.0, 40.0)).contains("try --output-field max_tokens"));
        assert!(lengths(16, &counts(40.0, 21.0)).contains("use --ignore-eos"));
    }

    #[test]
    fn prompt_tokens_more_than_a_twentieth_apart_are_told_of() {
        let said = prompts(&counts(10.0, 17.0)).unwrap();
        assert!(
            said.contains("17 prompt tokens where 10 were asked (+70 %)") && said.contains("--tokenizer"),
            "{said}"
        );
        assert_eq!((prompts(&counts(512.0, 530.0)), prompts(&TokenCountsView::default())), (None, None));
    }
}
