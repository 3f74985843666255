//! Owns `Figures`, what is exported while loads run: counters, gauges and histograms, with the names of the field.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::metrics::Metric;

/// Upper ends of the buckets of times to the first token and of end-to-end latencies, in seconds. They include those
/// of vLLM below 160 s, so that both histograms can be laid over each other.
const LATENCY_S: [f64; 26] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.3, 0.5, 0.75, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 7.5, 10.0,
    15.0, 20.0, 40.0, 60.0, 80.0, 160.0,
];
/// Upper ends of the buckets of times between tokens, in seconds: those of vLLM, and three smaller ones.
const TOKEN_S: [f64; 19] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 20.0];
/// Upper ends of the buckets of the send lag, in seconds. 2 ms is what a verdict tolerates at least.
const LAG_S: [f64; 12] = [0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 1.0, 10.0];

/// Names and values of labels.
pub(super) type Labels = Vec<(String, String)>;

/// The histograms: each with its metric, the name without unit, what it shows, and its buckets.
const HISTOGRAMS: [(Metric, &str, &str, &[f64]); 5] = [
    (Metric::Ttft, "time_to_first_token", "Planned instant to first token; failed requests are left out", &LATENCY_S),
    (Metric::Tpot, "time_per_output_token", "Time per output token after the first, by request", &TOKEN_S),
    (Metric::Itl, "inter_token_latency", "Gaps between token-bearing events, pooled", &TOKEN_S),
    (Metric::E2e, "e2e_request_latency", "Planned instant to last token; failed requests are left out", &LATENCY_S),
    (Metric::SendLag, "send_lag", "How late the load generator itself sent", &LAG_S),
];

/// The exported figures of all loads of this process. A clone counts into the same figures.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures {
    pub(super) planned: Counter,
    pub(super) sent: Counter,
    pub(super) completed: Counter,
    pub(super) failed: Family<Labels, Counter>,
    pub(super) undecided: Family<Labels, Counter>,
    pub(super) input_tokens: Counter,
    pub(super) output_tokens: Counter,
    pub(super) in_flight: Gauge,
    /// 1 for the load that began last, whose name is in the labels.
    pub(super) load: Family<Labels, Gauge>,
    pub(super) histograms: Vec<(Metric, Histogram)>,
}

impl Figures {
    /// All figures at zero, and the registry that writes them.
    pub(super) fn new() -> (Self, Registry) {
        let mut registry = Registry::with_prefix("tonnage");
        let figures = Self {
            histograms: HISTOGRAMS
                .iter()
                .map(|(metric, _, _, ends)| (*metric, Histogram::new(ends.iter().copied())))
                .collect(),
            ..Self::default()
        };
        registry.register("requests_planned", "Planned instants that have passed", figures.planned.clone());
        registry.register("requests_sent", "Requests whose send began", figures.sent.clone());
        registry.register("requests_completed", "Requests that completed", figures.completed.clone());
        registry.register("requests_failed", "Requests that failed, by class", figures.failed.clone());
        let undecided = "Requests that neither completed nor failed: cancelled, cut off by the drain, or never sent";
        registry.register("requests_undecided", undecided, figures.undecided.clone());
        registry.register("input_tokens", "Input tokens of completed requests", figures.input_tokens.clone());
        registry.register("output_tokens", "Output tokens of completed requests", figures.output_tokens.clone());
        registry.register("requests_in_flight", "Requests in flight", figures.in_flight.clone());
        registry.register("load_info", "The load that runs: its verb, number and name", figures.load.clone());
        for ((_, name, help, _), (_, histogram)) in HISTOGRAMS.iter().zip(&figures.histograms) {
            registry.register_with_unit(*name, *help, Unit::Seconds, histogram.clone());
        }
        (figures, registry)
    }
}

/// The figures in `OpenMetrics` text.
pub(super) fn openmetrics(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    _ = encode(&mut text, registry);
    text
}
