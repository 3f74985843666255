//! Owns the sentences of a ladder of closed loops: the best configuration, and what to try next.

use crate::figures::TrialView;
use crate::search::mean_e2e_s;
use crate::units::{per_second, seconds};

/// A stage that completes a smaller share of its requests has more to mend than its concurrency.
const LEAST_COMPLETED: f64 = 0.95;

/// Best configuration and advice, for closed loops played one after the other.
pub(super) fn stage_sentences(trials: &[TrialView]) -> Vec<String> {
    // The mean of the few that were answered in time says little of the rest.
    let latency_s = |trial: &TrialView| {
        mean_e2e_s(trial).filter(|_| completed_share(trial).is_none_or(|share| share >= LEAST_COMPLETED))
    };
    let stage = |trial: &TrialView| Some((trial.load.concurrency?, trial.throughput.requests_per_s?, latency_s(trial)));
    let stages: Vec<_> = trials.iter().filter_map(stage).collect();
    let most = stages.iter().max_by(|one, other| one.1.total_cmp(&other.1));
    let fastest = stages
        .iter()
        .filter(|stage| stage.2.is_some())
        .min_by(|one, other| one.2.partial_cmp(&other.2).unwrap_or(one.0.cmp(&other.0)));
    let Some((in_flight, per_s, latency_s)) = most else { return Vec::new() };
    let mut sentences = vec![format!(
        "most requests: {} with {in_flight} in flight, {} each in the mean",
        per_second(*per_s),
        latency_text(*latency_s)
    )];
    sentences.extend(fastest.map(|fastest| {
        format!(
            "lowest latency: {} in the mean with {} in flight, {}",
            latency_text(fastest.2),
            fastest.0,
            per_second(fastest.1)
        )
    }));
    let (least, highest) =
        stages.iter().fold((u32::MAX, 0), |(least, highest), stage| (least.min(stage.0), highest.max(stage.0)));
    if stages.len() > 1 {
        sentences.push(if *in_flight == highest {
            format!("the most came with the most in flight: the service is not at its limit; try more than {highest}")
        } else if *in_flight == least {
            format!(
                "the most came with the fewest in flight: more only queues; try fewer than {least}, or look at the \
                service"
            )
        } else {
            format!("best near {in_flight} in flight: fewer leave it idle, more only queue")
        });
    }
    for trial in trials {
        if let Some(share) = completed_share(trial).filter(|share| *share < LEAST_COMPLETED) {
            sentences.push(format!(
                "{}: only {:.0} % of its requests completed; look at `failures`, give the service more, or ask less of \
                 it",
                trial.label,
                100.0 * share
            ));
        }
    }
    sentences.push(
        "closed loops give way to a slow server: for what it carries, offer rates (`tonnage sweep` without \
         --concurrency)"
            .to_owned(),
    );
    sentences
}

/// Of its requests those that completed; none where there was none.
fn completed_share(trial: &TrialView) -> Option<f64> {
    let (planned, completed) = (trial.requests.planned, trial.requests.completed);
    (planned > 0).then(|| completed as f64 / planned as f64)
}

/// Latency for people, in sentences about a trial.
fn latency_text(mean_s: Option<f64>) -> String {
    mean_s.map_or_else(|| "—".to_owned(), seconds)
}
