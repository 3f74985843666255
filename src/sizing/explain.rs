//! Owns the reasons behind a fleet: its assumptions and its notes, for example what more testing could save.

use crate::metrics::VerdictResult;
use crate::schedule::Process;
use crate::sizing::{
    Assumption, Backlog, Balancing, Burst, CheckView, ChoiceView, Evidence, Fleet, FleetNote, HOURS_PER_MONTH,
    RankedBy, Spread, is_smooth,
};

/// The example of routing by key: the number of keys per replica, and the coefficient of variation of their weights.
const KEYS: (f64, f64) = (1_000.0, 2.0);

/// The kinds of hardware that have replicas in `fleet`.
fn used(fleet: &Fleet) -> impl Iterator<Item = &ChoiceView> {
    fleet.choices.iter().filter(|choice| choice.replicas > 0)
}

/// The notes of `fleet`: bursts of the demand, what more testing could save, the ranking of the hardware, and doubts.
pub(super) fn notes(fleet: &Fleet) -> Vec<FleetNote> {
    let mut notes: Vec<FleetNote> = fleet.demand.burst.map(|burst| bursts(fleet, burst)).into_iter().collect();
    notes.push(testing(fleet));
    if fleet.choices.len() > 1 {
        notes.push(ranking(fleet));
        if !fleet.proven_cheapest {
            notes.push(FleetNote::NotProvenCheapest);
        }
    }
    for choice in used(fleet) {
        let in_doubt = |doubt| FleetNote::RateInDoubt { choice: choice.name.clone(), doubt };
        notes.extend(choice.capacity.doubt_kinds.iter().cloned().map(in_doubt));
        notes.extend(burstier(fleet, choice.capacity.process.as_deref()));
    }
    notes.dedup();
    notes
}

fn ranking(fleet: &Fleet) -> FleetNote {
    let cost = |choice: &ChoiceView| choice.at_slo_rate.map(|cost| cost.per_request);
    let gpus = |choice: &ChoiceView| f64::from(choice.gpus_per_replica) / choice.capacity.rate_per_s.low().per_s();
    let mut ranked: Vec<_> = fleet.choices.iter().collect();
    ranked.sort_by(|one, other| {
        cost(one).unwrap_or_else(|| gpus(one)).total_cmp(&cost(other).unwrap_or_else(|| gpus(other)))
    });
    FleetNote::Ranking {
        by: if fleet.cost_per_hour.is_some() { RankedBy::CostPerRequest } else { RankedBy::Gpus },
        names: ranked.iter().map(|choice| choice.name.clone()).collect(),
    }
}

fn testing(fleet: &Fleet) -> FleetNote {
    let replicas = fleet.replicas;
    if used(fleet).all(|choice| choice.capacity.evidence == Evidence::Stated) {
        return FleetNote::RateStated;
    }
    let (best, Some(least)) = (fleet.replicas_at_best, fleet.interval[0]) else { return FleetNote::NoHigherRate };
    let saved_at_most = replicas.saturating_sub(least);
    if best < replicas {
        return FleetNote::TestingCouldSave { replicas, saved_at_best: replicas - best, saved_at_most };
    }
    if least < replicas {
        let between_per_s = match used(fleet).collect::<Vec<_>>().as_slice() {
            [one] => {
                let rate = one.capacity.rate_per_s;
                rate.high().map(|high| [rate.low().per_s(), high.per_s()])
            }
            _ => None,
        };
        return FleetNote::TestingCouldSaveAtMost { replicas, saved_at_most, between_per_s };
    }
    FleetNote::TestingSavesNone
}

/// The note about the burst inside the peak window: its size, its backlog, and the replicas that would cover it.
fn bursts(fleet: &Fleet, burst: Burst) -> FleetNote {
    let carried = fleet.carried_per_s();
    let waiting = (burst.rate_per_s - carried) * burst.length_s;
    let cover = |rate: f64| {
        let required = burst.rate_per_s * (1.0 + fleet.imbalance) * (1.0 + fleet.headroom);
        libm::ceil(required / rate * (1.0 - 1e-12)) as u64 + u64::from(fleet.redundancy)
    };
    FleetNote::Bursts {
        burst,
        window_s: fleet.demand.window_s.unwrap_or_default(),
        demand_per_s: fleet.demand_per_s,
        replicas: fleet.replicas,
        backlog: (waiting >= 1.0).then(|| Backlog {
            requests: waiting,
            last_s: waiting / carried.max(f64::MIN_POSITIVE),
            replicas_to_cover: fleet.per_replica_rate_per_s.map(cover),
        }),
    }
}

/// A note if the demand is burstier than the arrivals of `process`, with which the rate was measured.
fn burstier(fleet: &Fleet, process: Option<&str>) -> Option<FleetNote> {
    let seen = fleet.demand.burstiness?;
    let (process, cv) = match process.and_then(|text| Some((text, text.parse::<Process>().ok()?))) {
        Some((text, process)) => (Some(text.to_owned()), process.cv()),
        None => (None, 1.0),
    };
    let burstier = || FleetNote::Burstier { dispersion: seen.dispersion, process, measured_dispersion: cv * cv };
    seen.exceeds(cv).then(burstier)
}

/// The assumptions of `fleet`.
pub(super) fn assumptions(fleet: &Fleet) -> Vec<Assumption> {
    let of_rate = |choice: &ChoiceView| Assumption::Rate {
        choice: choice.name.clone(),
        rate_per_s: choice.capacity.rate_per_s.low().per_s(),
        evidence: choice.capacity.evidence,
        limited_by: choice.capacity.limited_by.clone(),
    };
    let mut found: Vec<Assumption> = used(fleet).map(of_rate).collect();
    for classes in fleet.choices.iter().map(|choice| &choice.capacity.classes).filter(|classes| !classes.is_empty()) {
        let replicas = classes.iter().map(|class| class.demand_per_s.per_s() / class.rate_per_s.low().per_s()).sum();
        found.push(Assumption::ClassesShare { classes: classes.clone(), replicas });
    }
    if used(fleet).any(|choice| choice.simulated) {
        found.push(Assumption::Simulated);
    }
    if let Some(window_s) = fleet.demand.window_s {
        found.push(Assumption::PeakOverWindow { window_s, bursts: fleet.demand.burst.is_some() });
    }
    found.push(Assumption::RequestsAlike);
    if fleet.replicas > 1 {
        found.push(balance(fleet));
    }
    if fleet.redundancy > 0 && fleet.is_mixed() {
        found.push(Assumption::LargestLost { redundancy: fleet.redundancy });
    }
    if fleet.cost_per_hour.is_some() {
        found.push(Assumption::PaidByHour { hours_per_month: HOURS_PER_MONTH });
    }
    found
}

/// How requests reach a replica, and whether N × rate holds for it.
fn spread(fleet: &Fleet) -> Spread {
    if fleet.balancing == Balancing::RoundRobin {
        return Spread::DealtInTurn;
    }
    let processes = || used(fleet).map(|choice| choice.capacity.process.as_deref());
    if let Some(process) = processes().flatten().find(|process| is_smooth(Some(process))) {
        return Spread::SmoothArrivals { process: process.to_owned() };
    }
    let missed = |check: &CheckView| check.policies.iter().any(|policy| policy.result == VerdictResult::Fail);
    if fleet.check.as_ref().is_some_and(missed) {
        return Spread::MissedInCheck;
    }
    if processes().all(|process| process.is_some()) { Spread::Holds } else { Spread::HoldsIfPoisson }
}

/// The assumption that every replica gets its share. Under routing by key, each of N replicas has K keys whose weights
/// have coefficient of variation c. The busiest replica then gets about √(2 ln N (1 + c²) ÷ K) more than its share: the
/// maximum of N nearly normal sums.
fn balance(fleet: &Fleet) -> Assumption {
    let (keys, cv) = KEYS;
    Assumption::Balance {
        spread: spread(fleet),
        imbalance: fleet.imbalance,
        keyed_imbalance: libm::sqrt(2.0 * libm::log(fleet.replicas as f64) * (1.0 + cv * cv) / keys),
        replicas: fleet.replicas,
    }
}
