//! Owns the terms of the pages, each with its meaning in one sentence.

use crate::metrics::Metric;

/// A term that is no metric, with its meaning.
#[rustfmt::skip]
const TERMS: &[(&str, &str)] = &[
    ("planned instant",
        "When the plan says that a request leaves. Latencies count from it, so a late send cannot hide a slow \
         service."),
    ("p50, p90, p99",
        "50, 90 or 99 % of the requests were at most this slow. Failed, timed-out and shed requests count as \
         infinitely slow."),
    ("95 % interval",
        "The range that holds the true figure of the service in 95 of 100 repeated runs. Requests that depend \
         on each other widen it. — means that the run has too few requests."),
    ("sent", "The latency from the instant at which the request really left."),
    ("objective",
        "A limit that was asked for with --slo. It is met only if the run is long enough to be sure."),
    ("95 % bounds",
        "The lower and the upper bound of the share of requests beyond the limit, each with 95 % confidence."),
    ("PASS, FAIL, INCONCLUSIVE",
        "The objectives are met for sure, missed for sure, or the run cannot tell; the reason says what \
         would."),
    ("good request", "A request that completed and met every limit for a single request."),
    ("goodput", "Good requests per second."),
    ("attained", "Good requests as a share of all requests offered."),
    ("warm-up", "The time before the measured window. Its requests are sent, but not counted."),
    ("in flight", "Requests that were sent and have not ended."),
    ("class", "The requests of one part of a mix (--mix), with their own lengths, model and objectives."),
    ("open loop",
        "Requests leave when the plan says, whether the service has answered earlier ones or not: as \
         independent users do."),
    ("closed loop",
        "Each answer releases the next request, so a slow service gets fewer requests."),
    ("timed out", "The request had no complete answer within --timeout."),
    ("unresolved", "The request was still open when the drain after the load ended."),
    ("cancelled",
        "The client gave the request up, as --cancel asks of some. No latency and no objective counts those."),
    ("shed", "The request was not sent, because --max-in-flight was reached. It counts as a miss."),
    ("session",
        "The turns of one user: each later turn is sent when the answer before it has ended and the think time \
         has passed. New sessions begin at planned instants."),
    ("turn", "One request of a session. It carries the conversation before it where the load is made of sessions."),
    ("knee",
        "The highest rate at which the service is stable, below the lowest rate that saturates it."),
    ("saturation rate", "The rate at which the service completes requests when more are offered."),
    ("strained, saturated",
        "Some signs of overload are visible; all signs that prove overload are visible."),
    ("probe", "One load of a search, long enough to judge the objective at its rate."),
    ("interval of the search",
        "The range that holds the highest rate that meets the objectives, with the stated confidence."),
    ("best estimate",
        "The most likely highest rate that meets the objectives. The answer is the lower end of the interval."),
    ("episodes of misses",
        "Misses come in groups, and requests of one group say the same. The number of groups decides how much \
         is known."),
    ("certificate", "A fresh load at the answer, which no earlier step has seen."),
    ("plan fingerprint",
        "A hash of all planned instants, lengths and sessions. Equal fingerprints mean equal load."),
    ("body fingerprint", "A hash of the bytes of all requests."),
    ("seed",
        "The number from which everything random follows. The same seed gives the same plan on every machine."),
    ("salt",
        "A text in the prompts that keeps a prefix cache from knowing them from an earlier run."),
];

/// The meaning of each of `names`: keys of metrics, and terms of the list above. An unknown name is left out.
pub(super) fn terms(names: &[&'static str]) -> Vec<(&'static str, String)> {
    let meaning = |name: &&'static str| {
        if let Some(metric) = Metric::ALL.into_iter().find(|metric| metric.key() == *name) {
            return Some((*name, format!("{}. {}", metric.row().title, metric.row().sentence)));
        }
        TERMS.iter().find(|(term, _)| term == name).map(|(term, meaning)| (*term, (*meaning).to_owned()))
    };
    names.iter().filter_map(meaning).collect()
}
