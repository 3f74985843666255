//! Owns the sentences of a sweep over closed loops: the best concurrency, and what to try next.

use crate::figures::TrialView;
use crate::search::mean_e2e_s;
use crate::units::{per_second, seconds};

/// The smallest share of completed requests at which a stage's mean latency counts. Below it, failures are the problem,
/// not the concurrency.
const LEAST_COMPLETED: f64 = 0.95;

/// The best concurrency and advice, for closed loops that ran one after the other.
pub(super) fn stage_sentences(trials: &[TrialView]) -> Vec<String> {
    // If few requests completed, their mean latency says little about the others.
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
        "highest throughput: {} with {in_flight} in flight, mean latency {}",
        per_second(*per_s),
        latency_text(*latency_s)
    )];
    sentences.extend(fastest.map(|fastest| {
        format!(
            "lowest mean latency: {} with {} in flight, {}",
            latency_text(fastest.2),
            fastest.0,
            per_second(fastest.1)
        )
    }));
    let (least, highest) =
        stages.iter().fold((u32::MAX, 0), |(least, highest), stage| (least.min(stage.0), highest.max(stage.0)));
    if stages.len() > 1 {
        sentences.push(if *in_flight == highest {
            format!(
                "throughput was highest with the most requests in flight: the service is not at its limit; try \
                more than {highest}"
            )
        } else if *in_flight == least {
            format!(
                "throughput was highest with the fewest requests in flight: further requests only queue; try fewer \
                 than {least}, or look at the service"
            )
        } else {
            format!("best near {in_flight} in flight: with fewer the service is partly idle, with more they only queue")
        });
    }
    for trial in trials {
        if let Some(share) = completed_share(trial).filter(|share| *share < LEAST_COMPLETED) {
            sentences.push(format!(
                "{}: only {:.0} % of its requests completed; look at `failures`, give the service more capacity, or \
                 lower the load",
                trial.label,
                100.0 * share
            ));
        }
    }
    sentences.push(
        "closed loops send fewer requests to a slow server: to measure what it carries, offer rates (`tonnage sweep` \
         without --concurrency)"
            .to_owned(),
    );
    sentences
}

/// The share of the planned requests that completed; `None` if no request was planned.
fn completed_share(trial: &TrialView) -> Option<f64> {
    let (planned, completed) = (trial.requests.planned, trial.requests.completed);
    (planned > 0).then(|| completed as f64 / planned as f64)
}

/// A mean latency as text; `—` if it is unknown.
fn latency_text(mean_s: Option<f64>) -> String {
    mean_s.map_or_else(|| "—".to_owned(), seconds)
}
