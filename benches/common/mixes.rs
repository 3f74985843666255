//! Owns the cells of the coverage table whose load is a mix of classes, each with an objective of its own.
//!
//! One exponential server serves all classes alike, so the time of each request has the law of M/M/1 at the rate of all
//! classes: exponential with rate 1 − r. A class holds its p(1 − a) of T up to r = 1 + ln a ÷ T; R* is the lowest.
#![allow(dead_code, reason = "the bench uses its part")]

use std::num::NonZeroU32;
use std::time::Duration;

use tonnage::sim::{Law, Servers, VirtualPlayer};
use tonnage::workload::{LengthSpec, Mix, MixClass, SourceSpec, Workload};

use super::cell::Cell;

fn mixed(classes: &[(&str, f64)]) -> Workload {
    let one: LengthSpec = "1".parse().expect("a length");
    let class = |(name, weight): &(&str, f64)| MixClass::new(name, *weight, one.clone(), one.clone());
    Workload::of(SourceSpec::Mixed(Mix::new(classes.iter().map(class).collect()).expect("a mix")))
}

fn cell(name: &'static str, slo: &str, workload: fn() -> Workload, truth: f64) -> Cell {
    let law = || Law::exponential(Duration::from_secs(1)).expect("a law");
    Cell {
        name,
        group: "mixes",
        tuned_on: false,
        process: "poisson",
        slo: slo.to_owned(),
        tokens: ("1", "1"),
        workload: Some(workload),
        truth,
        truth_error: 0.0,
        capacity: 1.0,
        open: Box::new(move |seed| VirtualPlayer::over(Box::new(Servers::new(NonZeroU32::MIN, law(), seed)))),
    }
}

/// The cells.
pub(crate) fn cells() -> Vec<Cell> {
    let of = |allowed: f64, limit_s: f64| 1.0 + libm::log(allowed) / limit_s;
    vec![
        // The strictest class has a fifth of the requests; the other two hold up to 0.69 and 0.75.
        cell(
            "mix of three, M/M/1",
            "chat: p99 e2e<=15s; code: p95 e2e<=12s; batch: p90 e2e<=6s",
            || mixed(&[("chat", 50.0), ("code", 30.0), ("batch", 20.0)]),
            of(0.1, 6.0),
        ),
        // Two classes limit at nearly the same rate.
        cell(
            "mix of two, close",
            "chat: p99 e2e<=15s; batch: p90 e2e<=7600ms",
            || mixed(&[("chat", 70.0), ("batch", 30.0)]),
            of(0.01, 15.0),
        ),
    ]
}
