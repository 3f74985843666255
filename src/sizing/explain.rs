//! Owns the words of a fleet: the formula with its numbers in it, what more testing would buy, what all that rests on.

use crate::metrics::VerdictResult;
use crate::schedule::Process;
use crate::sizing::{Balancing, Burst, Class, Evidence, Fleet, is_smooth};
use crate::units::{count, pace, per_second, seconds};

/// A rate that keys of a sticky routing are weighed by, in the example of imbalance: keys a replica, and the CV of
/// their weights.
const KEYS: (f64, f64) = (1_000.0, 2.0);

/// At most four significant digits, without zeros at the end: `4.43`, `50`, `0.1235`.
fn figure(value: f64) -> String {
    let digits = (3.0 - libm::floor(libm::log10(value.abs().max(1e-9)))).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn share(share: f64) -> String {
    format!("{}%", figure(share * 100.0))
}

/// The formula of `fleet`, which has to carry `required` requests per second.
pub(super) fn formula(fleet: &Fleet, required: f64) -> String {
    let (demand, headroom, imbalance) = (figure(fleet.demand_per_s), share(fleet.headroom), share(fleet.imbalance));
    let asked = format!("{demand} × (1 + {imbalance}) × (1 + {headroom})");
    let k = fleet.redundancy;
    if let Some(rate) = fleet.per_replica_rate_per_s {
        let replicas = fleet.replicas;
        return format!("N = ⌈{asked} ÷ {}⌉ + {k} = ⌈{}⌉ + {k} = {replicas}", figure(rate), figure(required / rate));
    }
    let used: Vec<_> = fleet.choices.iter().filter(|choice| choice.replicas > 0).collect();
    let rate = |choice: &&crate::sizing::ChoiceView| choice.capacity.rate_per_s.low().per_s();
    let parts: Vec<String> =
        used.iter().map(|choice| format!("{} × {}", choice.replicas, figure(rate(choice)))).collect();
    let mut by_rate = used.clone();
    by_rate.sort_by(|one, other| rate(other).total_cmp(&rate(one)));
    let (mut lost, mut loss) = (u64::from(k), 0.0);
    for choice in by_rate {
        let gone = lost.min(choice.replicas);
        lost -= gone;
        loss += gone as f64 * rate(&choice);
    }
    let carried: f64 = used.iter().map(|choice| choice.replicas as f64 * rate(choice)).sum();
    let lost = if k > 0 { format!(" − {} (the {k} largest)", figure(loss)) } else { String::new() };
    format!("{}{lost} = {} ≥ {asked} = {}", parts.join(" + "), figure(carried - loss), figure(required))
}

/// What more testing would buy, what the kinds of hardware come to, what the demand's shape says.
pub(super) fn sentences(fleet: &Fleet) -> Vec<String> {
    let mut lines: Vec<String> = fleet.demand.burst.map(|burst| bursts(fleet, &burst)).into_iter().collect();
    lines.push(testing(fleet));
    if fleet.choices.len() > 1 {
        let cost = |choice: &crate::sizing::ChoiceView| choice.at_slo_rate.map(|cost| cost.per_request);
        let gpus = |choice: &crate::sizing::ChoiceView| {
            f64::from(choice.gpus_per_replica) / choice.capacity.rate_per_s.low().per_s()
        };
        let mut ranked: Vec<_> = fleet.choices.iter().collect();
        ranked.sort_by(|one, other| {
            cost(one).unwrap_or_else(|| gpus(one)).total_cmp(&cost(other).unwrap_or_else(|| gpus(other)))
        });
        let names: Vec<&str> = ranked.iter().map(|choice| choice.name.as_str()).collect();
        let by = if fleet.cost_per_hour.is_some() {
            "cost of a request under the objectives"
        } else {
            "GPUs for a request per second"
        };
        lines.push(format!("by {by}, the least first: {}", names.join(", ")));
        if !fleet.proven_cheapest {
            lines.push("too many fleets to look at all: this one is good, and not proven the cheapest".to_owned());
        }
    }
    for choice in fleet.choices.iter().filter(|choice| choice.replicas > 0) {
        lines.extend(choice.capacity.doubts.iter().map(|doubt| format!("{}: {doubt}", choice.name)));
        lines.extend(burst(fleet, choice.capacity.process.as_deref()));
    }
    lines.dedup();
    lines
}

fn testing(fleet: &Fleet) -> String {
    let replicas = fleet.replicas;
    let measured =
        fleet.choices.iter().any(|choice| choice.replicas > 0 && choice.capacity.evidence != Evidence::Stated);
    let (best, least) = (fleet.replicas_at_best, fleet.interval[0]);
    if !measured {
        return "the rate of a replica is stated, so nothing is known of how far it may be off".to_owned();
    }
    let Some(least) = least else {
        return "no higher rate was measured: measure further up, and the fleet may shrink".to_owned();
    };
    if best < replicas {
        let more = if least < best { format!(", at most {}", replicas - least) } else { String::new() };
        return format!("more testing could save {} of {replicas} replicas{more}", replicas - best);
    }
    if least < replicas {
        let gap = match fleet.choices.iter().filter(|choice| choice.replicas > 0).collect::<Vec<_>>().as_slice() {
            [one] => one
                .capacity
                .rate_per_s
                .high()
                .map(|high| (per_second(one.capacity.rate_per_s.low().per_s()), per_second(high.per_s()))),
            _ => None,
        };
        let why = gap.map_or_else(String::new, |(low, high)| {
            format!(": {low} met the objectives, {high} did not for sure, and nothing between was measured")
        });
        return format!("more testing could save at most {} of {replicas} replicas{why}", replicas - least);
    }
    "more testing would not save a replica: the upper bound of the rate needs as many".to_owned()
}

/// The burst inside the window of the peak: how large, what it does, what would cover it.
fn bursts(fleet: &Fleet, burst: &Burst) -> String {
    let (length, window) = (seconds(burst.length_s), seconds(fleet.demand.window_s.unwrap_or_default()));
    let times =
        burst.times().map_or_else(String::new, |times| format!(" of ×{}", figure(libm::round(10.0 * times) / 10.0)));
    let mut text = format!(
        "bursts{times} for {length} within {window}: {} where the fleet is sized for {}, and Poisson arrivals stay \
         below {}",
        pace(burst.rate_per_s),
        pace(fleet.demand_per_s),
        pace(burst.poisson_per_s)
    );
    let carried = fleet.carried_per_s();
    let waiting = (burst.rate_per_s - carried) * burst.length_s;
    if waiting < 1.0 {
        return format!("{text}; {} replicas carry that too", count(fleet.replicas));
    }
    let (behind, last_s) = (count(libm::round(waiting) as u64), seconds(waiting / carried.max(f64::MIN_POSITIVE)));
    text = format!("{text}; each leaves about {behind} requests waiting, the last of them for about {last_s}");
    let cover = fleet.per_replica_rate_per_s.map(|rate| {
        let required = burst.rate_per_s * (1.0 + fleet.imbalance) * (1.0 + fleet.headroom);
        libm::ceil(required / rate * (1.0 - 1e-12)) as u64 + u64::from(fleet.redundancy)
    });
    let replicas = cover.map_or_else(String::new, |cover| format!(": {} replicas", count(cover)));
    format!("{text}; --peak-window {}s sizes for them{replicas}", burst.length_s)
}

/// Whether the demand is burstier than what the rate was measured with.
fn burst(fleet: &Fleet, process: Option<&str>) -> Option<String> {
    let seen = fleet.demand.burstiness?;
    let (name, cv) = match process.and_then(|text| Some((text, text.parse::<Process>().ok()?))) {
        Some((text, process)) => (text, process.cv()),
        None => ("poisson (assumed)", 1.0),
    };
    seen.exceeds(cv).then(|| {
        format!(
            "inside its windows the trace is burstier (dispersion {} of counts in 1 s) than the arrivals that the rate \
             was measured with \
             ({name}, {}): measure with the trace itself, `tonnage replay`, or with `--process gamma:{}`",
            figure(seen.dispersion),
            figure(cv * cv),
            figure(libm::sqrt(seen.dispersion).min(30.0))
        )
    })
}

/// What the answer rests on.
pub(super) fn assumptions(fleet: &Fleet) -> Vec<String> {
    let mut lines = Vec::new();
    for choice in fleet.choices.iter().filter(|choice| choice.replicas > 0) {
        let (name, rate) = (&choice.name, per_second(choice.capacity.rate_per_s.low().per_s()));
        let limited = choice.capacity.limited_by.as_ref().map(|by| format!(", limited by {by}")).unwrap_or_default();
        lines.push(match choice.capacity.evidence {
            Evidence::Search => format!("{name}: {rate} is the lower bound of a search{limited}"),
            Evidence::Stated => format!("{name}: {rate} is stated, not measured here; uncertified"),
            Evidence::Measured => format!(
                "{name}: {rate} is the largest rate measured that met the objectives; \
                uncertified"
            ),
            Evidence::Observed => format!(
                "{name}: {rate} is the largest rate whose observed figures met the objectives; no rate was decided; \
                 uncertified"
            ),
            Evidence::Vllm => format!(
                "{name}: {rate} is the largest rate that met the objectives in vLLM's results, where latencies are of \
                 completed requests \
                 and count from the send; uncertified"
            ),
            Evidence::Guidellm => format!(
                "{name}: {rate} is the largest rate that met the objectives in GuideLLM's report, where latencies are \
                 of completed requests \
                 and count from the send; uncertified"
            ),
        });
    }
    for classes in fleet.choices.iter().map(|choice| &choice.capacity.classes).filter(|classes| !classes.is_empty()) {
        let work = |class: &Class| (class.demand_per_s.per_s(), class.rate_per_s.low().per_s());
        let terms: Vec<String> = classes
            .iter()
            .map(|class| (class, work(class)))
            .map(|(class, (demand, rate))| format!("{} {} ÷ {}", class.name, figure(demand), figure(rate)))
            .collect();
        let sum: f64 = classes.iter().map(work).map(|(demand, rate)| demand / rate).sum();
        lines.push(format!(
            "classes share replicas by the linear rule, {} = {} replicas of work; a load of the mix itself would show \
             whether they disturb \
             each other",
            terms.join(" + "),
            figure(sum)
        ));
    }
    if fleet.choices.iter().any(|choice| choice.simulated && choice.replicas > 0) {
        lines.push("SIMULATED: measured on a pretend server, whose figures say nothing about any machine".to_owned());
    }
    if let Some(window_s) = fleet.demand.window_s {
        let window = seconds(window_s);
        let faster = match fleet.demand.burst {
            Some(_) => "the bursts inside it are not covered by that",
            None => "what varies faster is in the rate of a replica already",
        };
        lines.push(format!("the demand is the highest rate over {window}; {faster}"));
    }
    lines.push("requests like those measured: lengths, prefixes, arrivals".to_owned());
    if fleet.replicas > 1 {
        lines.push(balance(fleet));
    }
    if fleet.redundancy > 0 && fleet.is_mixed() {
        lines.push(format!("those lost are the {} largest", fleet.redundancy));
    }
    if fleet.cost_per_hour.is_some() {
        lines.push("every GPU is paid for by the hour, busy or not; a month has 730 hours".to_owned());
    }
    lines
}

/// Whether N × rate holds for the split that is assumed.
fn routed(fleet: &Fleet) -> String {
    if fleet.balancing == Balancing::RoundRobin {
        return "requests come to the fleet as evenly as they came to the replica that was measured, and are dealt in \
            turn (--balancing \
                round-robin)"
            .to_owned();
    }
    let used =
        || fleet.choices.iter().filter(|choice| choice.replicas > 0).map(|choice| choice.capacity.process.as_deref());
    if let Some(smooth) = used().flatten().find(|process| is_smooth(Some(process))) {
        return format!(
            "requests split at random come to a replica nearly as Poisson arrivals, and the rate was measured with \
             {smooth} ones: N × rate is \
             not enough then; measure with Poisson arrivals"
        );
    }
    let missed =
        |check: &crate::sizing::CheckView| check.policies.iter().any(|policy| policy.result == VerdictResult::Fail);
    if fleet.check.as_ref().is_some_and(missed) {
        return "requests are spread at random, in turn or to the least loaded: the check above shows for which of them \
            N simulated replicas \
                are too few"
            .to_owned();
    }
    let split = "requests are spread at random, in turn or to the least loaded";
    if used().all(|process| process.is_some()) {
        return format!("{split}: N × rate holds under any of them, and pooling may carry more");
    }
    format!("{split}: N × rate holds where the rate was measured with Poisson arrivals, and pooling may carry more")
}

fn balance(fleet: &Fleet) -> String {
    let (keys, cv) = KEYS;
    let hottest = libm::sqrt(2.0 * libm::log(fleet.replicas as f64) * (1.0 + cv * cv) / keys);
    let routed = routed(fleet);
    if fleet.imbalance > 0.0 {
        return format!(
            "{routed}; routing by key or prefix may load one replica up to {} above its share",
            share(fleet.imbalance)
        );
    }
    format!(
        "{routed}; routing by key or prefix needs --imbalance, about √(2 ln N (1 + c²) ÷ K): {} for N = {}, K = 1 000 \
         keys a replica whose \
         weights have CV c = 2",
        share(hottest),
        fleet.replicas
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_four_digits_at_most() {
        for (value, text) in
            [(4.43, "4.43"), (50.0, "50"), (11.286_7, "11.29"), (0.123_456, "0.1235"), (12_345.6, "12346"), (0.0, "0")]
        {
            assert_eq!(figure(value), text);
        }
    }
}
