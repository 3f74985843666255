//! Owns the sentences of a fleet: one for each kind of doubt and note, with its numbers and advice.

use crate::report::sentences::formula::figure;
use crate::sizing::{Backlog, Burst, CheckNote, FleetNote, RankedBy, RateDoubt};
use crate::units::{count, pace, per_second, seconds};

/// The reason why the rate of a replica is in doubt, with advice.
pub(crate) fn rate_doubt(doubt: &RateDoubt) -> String {
    match doubt {
        RateDoubt::SearchInDoubt { doubt } => {
            format!("the search is in doubt ({doubt}): search again before you buy hardware")
        }
        RateDoubt::BudgetSpent => "the search ended before its interval was narrow enough: the fleet is \
            sized by its lower bound; a larger --budget may save replicas"
            .to_owned(),
        RateDoubt::CertificateNotPassed { result } => {
            format!("the certificate of the search did not pass ({result}): its lower bound is an estimate")
        }
        RateDoubt::NoCertificate => "the search has no certificate: its lower bound is an estimate; `tonnage search \
             --resume DIR --certificate` tests it"
            .to_owned(),
        RateDoubt::LowerRateMissed { missed_per_s, met_per_s } => format!(
            "{} did not meet the objectives, and {} above it did: measure both again, longer",
            per_second(*missed_per_s),
            per_second(*met_per_s)
        ),
        RateDoubt::NoRateDecided { largest_per_s } => format!(
            "no rate was decided: each window has too few requests. {} is the largest whose observed figures met the \
             objectives; measure it again with a longer --duration",
            per_second(*largest_per_s)
        ),
        RateDoubt::SmoothArrivals { process } => format!(
            "the rate was measured with {process} arrivals, but a fleet that splits requests at random sends each \
             replica nearly Poisson arrivals, which cause more misses: N × rate is not safe; measure again with \
             Poisson arrivals"
        ),
        RateDoubt::OfClass { class, doubt } => format!("{class}: {}", rate_doubt(doubt)),
    }
}

/// One note about a fleet, for example how many replicas more testing could save.
pub(crate) fn fleet_note(note: &FleetNote) -> String {
    match note {
        FleetNote::Bursts { burst, window_s, demand_per_s, replicas, backlog } => {
            format!("{}; {}", size_of(burst, *window_s, *demand_per_s), effect_of(burst, *replicas, backlog.as_ref()))
        }
        FleetNote::RateStated => "the rate of a replica is stated, so its uncertainty is not known".to_owned(),
        FleetNote::NoHigherRate => {
            "no higher rate was measured: measure higher rates, and the fleet may shrink".to_owned()
        }
        FleetNote::TestingCouldSave { replicas, saved_at_best, saved_at_most } => {
            let more = if saved_at_most > saved_at_best { format!(", at most {saved_at_most}") } else { String::new() };
            format!("more testing could save {saved_at_best} of {replicas} replicas{more}")
        }
        FleetNote::TestingCouldSaveAtMost { replicas, saved_at_most, between_per_s } => {
            let why = between_per_s.map_or_else(String::new, |[low, high]| {
                format!(
                    ": {} met the objectives, {} did not for sure, and nothing between was measured",
                    per_second(low),
                    per_second(high)
                )
            });
            format!("more testing could save at most {saved_at_most} of {replicas} replicas{why}")
        }
        FleetNote::TestingSavesNone => {
            "more testing would not save a replica: the upper bound of the rate needs the same number".to_owned()
        }
        FleetNote::Ranking { by, names } => {
            let by = match by {
                RankedBy::CostPerRequest => "cost per request under the objectives",
                RankedBy::Gpus => "GPUs per request/s",
            };
            format!("by {by}, lowest first: {}", names.join(", "))
        }
        FleetNote::NotProvenCheapest => {
            "too many possible fleets to check them all: this one is good, but not proven to be the cheapest".to_owned()
        }
        FleetNote::RateInDoubt { choice, doubt } => format!("{choice}: {}", rate_doubt(doubt)),
        FleetNote::Burstier { dispersion, process, measured_dispersion } => format!(
            "inside its windows the trace is burstier (dispersion {} of counts in 1 s) than the arrivals that the rate \
             was measured with ({}, {}): measure with the trace itself, `tonnage replay`, or with `--process \
             gamma:{}`",
            figure(*dispersion),
            process.as_deref().unwrap_or("poisson (assumed)"),
            figure(*measured_dispersion),
            figure(libm::sqrt(*dispersion).min(30.0))
        ),
    }
}

/// How large a burst is, against the rate that the fleet is sized for and against Poisson arrivals.
fn size_of(burst: &Burst, window_s: f64, demand_per_s: f64) -> String {
    let times =
        burst.times().map_or_else(String::new, |times| format!(" of ×{}", figure(libm::round(10.0 * times) / 10.0)));
    format!(
        "bursts{times} for {} within {}: {}, but the fleet is sized for {}, and Poisson arrivals stay below {}",
        seconds(burst.length_s),
        seconds(window_s),
        pace(burst.rate_per_s),
        pace(demand_per_s),
        pace(burst.poisson_per_s)
    )
}

/// The effect of a burst on the fleet, and the number of replicas that would cover it.
fn effect_of(burst: &Burst, replicas: u64, backlog: Option<&Backlog>) -> String {
    let Some(Backlog { requests, last_s, replicas_to_cover }) = backlog else {
        return format!("{} replicas carry the bursts too", count(replicas));
    };
    let cover = replicas_to_cover.map_or_else(String::new, |cover| format!(": {} replicas", count(cover)));
    format!(
        "each burst leaves about {} requests waiting, the last one for about {}; --peak-window {}s sizes the fleet for \
         bursts{cover}",
        count(libm::round(*requests) as u64),
        seconds(*last_s),
        burst.length_s
    )
}

/// One note about a check by simulation, with advice.
pub(crate) fn check_note(note: CheckNote) -> String {
    match note {
        CheckNote::LengthsAlike => "every request has the same lengths, so answers begin and end together and \
             latencies come in steps; give lengths that vary, for example --check-input lognormal:512,0.8 \
             --check-output lognormal:128,0.8"
            .to_owned(),
    }
}
