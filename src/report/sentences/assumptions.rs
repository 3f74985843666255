//! Owns the sentences about the assumptions of a fleet: one for each kind of assumption, with its numbers.

use crate::report::sentences::formula::{figure, share};
use crate::sizing::{Assumption, Class, Evidence, Spread};
use crate::units::{per_second, seconds};

/// One assumption of a fleet as a sentence.
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
                "classes share replicas by the linear rule, {} = {} replicas of work; a load of the mixed classes \
                 would show whether they slow each other down",
                classes.iter().map(term).collect::<Vec<_>>().join(" + "),
                figure(*replicas)
            )
        }
        Assumption::Simulated => {
            "SIMULATED: measured on a simulated server; its figures do not describe any real machine".to_owned()
        }
        Assumption::PeakOverWindow { window_s, bursts } => {
            let faster = if *bursts {
                "the bursts inside that window are not covered"
            } else {
                "faster variation is already part of the rate of a replica"
            };
            format!("the demand is the highest rate over {}; {faster}", seconds(*window_s))
        }
        Assumption::RequestsAlike => "requests are like the measured ones: lengths, prefixes, arrivals".to_owned(),
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
        Assumption::LargestLost { redundancy } => format!("the {redundancy} largest replicas are lost"),
        Assumption::PaidByHour { hours_per_month } => {
            format!("every GPU is paid for by the hour, busy or not; a month has {hours_per_month} hours")
        }
    }
}

/// The source of a rate.
fn origin(evidence: Evidence) -> String {
    let fixed = match evidence {
        Evidence::Search => "the lower bound of a search",
        Evidence::Stated => "stated, not measured here",
        Evidence::Measured => "the largest rate measured that met the objectives",
        Evidence::Observed => "the largest rate whose observed figures met the objectives; no rate was decided",
        Evidence::Foreign(tool) => {
            return format!(
                "the largest rate that met the objectives in results of {tool}, whose latencies cover completed \
                 requests only and count from the send"
            );
        }
    };
    fixed.to_owned()
}

/// Whether N × rate holds for the assumed routing.
fn routed(spread: &Spread) -> String {
    const SPLIT: &str = "requests are routed at random, in turn or to the least loaded replica";
    match spread {
        Spread::DealtInTurn => "requests reach the fleet as evenly as they reached the measured replica, and are \
            routed in turn (--balancing round-robin)"
            .to_owned(),
        Spread::SmoothArrivals { process } => format!(
            "a random split sends each replica nearly Poisson arrivals, but the rate was measured with {process} \
             arrivals: N × rate is then not enough; measure with Poisson arrivals"
        ),
        Spread::MissedInCheck => {
            format!("{SPLIT}: the check above shows for which of these policies N simulated replicas are too few")
        }
        Spread::Holds => format!("{SPLIT}: N × rate holds under each policy, and pooling may carry more"),
        Spread::HoldsIfPoisson => format!(
            "{SPLIT}: N × rate holds if the rate was measured with Poisson arrivals, and pooling may carry more"
        ),
    }
}
