//! Owns two sentences of a sweep, said only where they are sure: that requests fail, and that latency grows.

use crate::figures::TrialView;
use crate::metrics::{Known, Metric};
use crate::stats::proportion::exceeds;
use crate::units::{count, plain, seconds};

/// The share of requests that may fail without a word.
const MOST_FAILED: f64 = 0.05;
/// The confidence of both sentences, each end of an interval for itself.
const SURE: f64 = 0.975;
/// The least factor of the growth that is worth a sentence.
const LEAST_GROWTH: f64 = 2.0;

/// Whether surely too many of `planned` requests did not complete.
fn is_failing(planned: u64, completed: u64) -> bool {
    exceeds(planned.saturating_sub(completed) as f64, planned as f64, MOST_FAILED, SURE)
}

/// One sentence for each load of which surely more than one request in twenty did not complete.
pub(super) fn failing(trials: &[TrialView]) -> Vec<String> {
    let sentence = |trial: &TrialView| {
        let requests = &trial.requests;
        format!(
            "{}: only {:.0} % of {} requests completed: look at its failures, or lower the load",
            trial.label,
            100.0 * requests.completed as f64 / requests.planned as f64,
            count(requests.planned)
        )
    };
    trials.iter().filter(|trial| is_failing(trial.requests.planned, trial.requests.completed)).map(sentence).collect()
}

/// The median of e2e at a load, and its 95 % interval, in seconds.
struct Median<'trial> {
    label: &'trial str,
    value_s: f64,
    ends_s: [f64; 2],
}

/// That the median latency grows with the load, from the lowest rate to the highest; `None` unless it surely doubles.
pub(super) fn growth(trials: &[TrialView]) -> Option<String> {
    let mut loads: Vec<(f64, &TrialView)> =
        trials.iter().filter_map(|trial| Some((trial.load.rate_per_s?, trial))).collect();
    loads.sort_by(|one, other| one.0.total_cmp(&other.0));
    grown(&median(loads.first()?.1)?, &median(loads.last()?.1)?)
}

fn median(trial: &TrialView) -> Option<Median<'_>> {
    let stats = trial.metrics.get(&Metric::E2e)?.headline();
    let Some(Known::At(value_s)) = stats.p50 else { return None };
    Some(Median { label: &trial.label, value_s, ends_s: stats.p50_ci95? })
}

fn grown(lowest: &Median<'_>, highest: &Median<'_>) -> Option<String> {
    let factor = highest.ends_s[0] / lowest.ends_s[1];
    (lowest.ends_s[1] > 0.0 && factor >= LEAST_GROWTH).then(|| {
        format!(
            "the median e2e grows at least {}-fold from {} to {} ({} to {}): where latency matters, stay below",
            plain(factor),
            lowest.label,
            highest.label,
            seconds(lowest.value_s),
            seconds(highest.value_s)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_said_where_the_intervals_are_surely_apart() {
        let of = |label, value_s, ends_s| Median { label, value_s, ends_s };
        let low = of("20.0/s", 0.1, [0.09, 0.11]);
        for (value_s, ends_s, expected) in [
            (0.4, [0.33, 0.5], Some("grows at least 3.00-fold from 20.0/s to 80.0/s (100 ms to 400 ms)")),
            (0.4, [0.2, 0.9], None),
            (0.1, [0.09, 0.12], None),
        ] {
            let said = grown(&low, &of("80.0/s", value_s, ends_s));
            let is_as_expected = match (&said, expected) {
                (Some(said), Some(expected)) => said.contains(expected),
                (said, expected) => said.is_none() && expected.is_none(),
            };
            assert!(is_as_expected, "{said:?}");
        }
        assert_eq!(grown(&of("a", 0.0, [0.0, 0.0]), &low), None);
    }

    #[test]
    fn a_load_fails_where_surely_more_than_one_in_twenty_did_not_complete() {
        for (planned, completed, fails) in
            [(0, 0, false), (10, 9, false), (10, 5, true), (200, 190, false), (200, 170, true), (200, 200, false)]
        {
            assert_eq!(is_failing(planned, completed), fails, "{completed} of {planned}");
        }
    }
}
