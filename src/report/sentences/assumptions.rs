//! Owns the sentences on what a fleet rests on: one for each kind of assumption, with its numbers.

use crate::report::sentences::formula::{figure, share};
use crate::sizing::{Assumption, Class, Evidence, Spread};
use crate::units::{per_second, seconds};

/// What a fleet rests on.
pub(crate) fn assumption(assumption: &Assumption) -> String {
    match assumption {
        Assumption::Rate { choice, rate_per_s, evidence, limited_by } => {
            let limited = limited_by.as_ref().map(|by| format!(", limited by {by}")).unwrap_or_default();
            let certain = if evidence.is_certified() { limited } else { "; uncertified".to_owned() };
            format!("{choice}: {} is {}{certain}", per_second(*rate_per_s), origin(*evidence))
        }
        Assumption::ClassesShare { classes, replicas } => {
            let term = |class: &Class| {
                let (demand, rate) = (class.demand_per_s.per_s(), class.rate_per_s.low().per_s());
                format!("{} {} ÷ {}", class.name, figure(demand), figure(rate))
            };
            format!(
                "classes share replicas by the linear rule, {} = {} replicas of work; a load of the mix itself would \
                 show whether they disturb each other",
                classes.iter().map(term).collect::<Vec<_>>().join(" + "),
                figure(*replicas)
            )
        }
        Assumption::Simulated => {
            "SIMULATED: measured on a pretend server, whose figures say nothing about any machine".to_owned()
        }
        Assumption::PeakOverWindow { window_s, bursts } => {
            let faster = if *bursts {
                "the bursts inside it are not covered by that"
            } else {
                "what varies faster is in the rate of a replica already"
            };
            format!("the demand is the highest rate over {}; {faster}", seconds(*window_s))
        }
        Assumption::RequestsAlike => "requests like those measured: lengths, prefixes, arrivals".to_owned(),
        Assumption::Balance { spread, imbalance, .. } if *imbalance > 0.0 => format!(
            "{}; routing by key or prefix may load one replica up to {} above its share",
            routed(spread),
            share(*imbalance)
        ),
        Assumption::Balance { spread, keyed_imbalance, replicas, .. } => format!(
            "{}; routing by key or prefix needs --imbalance, about √(2 ln N (1 + c²) ÷ K): {} for N = {replicas}, K = \
             1 000 keys a replica whose weights have CV c = 2",
            routed(spread),
            share(*keyed_imbalance)
        ),
        Assumption::LargestLost { redundancy } => format!("those lost are the {redundancy} largest"),
        Assumption::PaidByHour { hours_per_month } => {
            format!("every GPU is paid for by the hour, busy or not; a month has {hours_per_month} hours")
        }
    }
}

/// Where a rate is from.
const fn origin(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Search => "the lower bound of a search",
        Evidence::Stated => "stated, not measured here",
        Evidence::Measured => "the largest rate measured that met the objectives",
        Evidence::Observed => "the largest rate whose observed figures met the objectives; no rate was decided",
        Evidence::Vllm => {
            "the largest rate that met the objectives in vLLM's results, where latencies are of completed requests and \
             count from the send"
        }
        Evidence::Guidellm => {
            "the largest rate that met the objectives in GuideLLM's report, where latencies are of completed requests \
             and count from the send"
        }
    }
}

/// Whether N × rate holds for the split that is assumed.
fn routed(spread: &Spread) -> String {
    const SPLIT: &str = "requests are spread at random, in turn or to the least loaded";
    match spread {
        Spread::DealtInTurn => "requests come to the fleet as evenly as they came to the replica that was measured, \
             and are dealt in turn (--balancing round-robin)"
            .to_owned(),
        Spread::SmoothArrivals { process } => format!(
            "requests split at random come to a replica nearly as Poisson arrivals, and the rate was measured with \
             {process} ones: N × rate is not enough then; measure with Poisson arrivals"
        ),
        Spread::MissedInCheck => {
            format!("{SPLIT}: the check above shows for which of them N simulated replicas are too few")
        }
        Spread::Holds => format!("{SPLIT}: N × rate holds under any of them, and pooling may carry more"),
        Spread::HoldsIfPoisson => format!(
            "{SPLIT}: N × rate holds where the rate was measured with Poisson arrivals, and pooling may carry more"
        ),
    }
}
