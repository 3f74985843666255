//! Owns `Description`: the summary of a plan that `tonnage plan` shows before anything is sent.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::Refusal;
use crate::schedule::{Dispersion, GapShape, LawCheck, LawVerdict, Observer, draw_rate};
use crate::units::Shard;
use crate::workload::{CacheShare, Dropped, Load, Plan, Removal, infinite_caches, repeated_rows, sentence_of_prefixes};

/// A plan in numbers. Serialises to the keys of `plan --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// Planned requests of all shards together, warm-up and cool-down included, quota applied.
    pub planned: u64,
    /// Number of later turns of sessions. They have no planned instant: each is released when the previous turn has
    /// completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released: Option<u64>,
    /// From the origin to the end of the cool-down, in seconds.
    pub span_s: f64,
    /// `planned` ÷ `span_s`, per second; `None` for an empty span.
    pub rate_per_s: Option<f64>,
    /// Gaps between planned requests, quota applied.
    pub gap: GapShape,
    /// Dispersion of the counts of planned requests, quota applied.
    pub dispersion: Dispersion,
    /// Whether the arrivals follow the requested law. The test uses the arrivals *before* a quota, because arrivals
    /// after a quota no longer follow the law. `None` if there is nothing to test, or if the instants are recorded.
    pub law: Option<LawVerdict>,
    /// [`Plan::fingerprint`].
    pub fingerprint: String,
    /// The part that one shard sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// Number of removed requests, by reason.
    pub dropped: Dropped,
    /// The data set that requests come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<DataDescription>,
    /// What prompts share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<SharedDescription>,
    /// The rate over time, quota applied: two lines of text of at most 72 columns.
    #[serde(skip)]
    pub picture: String,
    /// The requested rate over time, if it varies: two lines of text of at most 72 columns.
    #[serde(skip)]
    pub rate_picture: Option<String>,
}

/// The data set of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DataDescription {
    /// The file, its rows, and how it was read, in one sentence.
    pub sentence: String,
    /// The hash of everything that its rows say.
    pub digest: String,
    /// The number of rows.
    pub rows: u64,
    /// The order in which requests take rows.
    pub order: &'static str,
    /// The number of requests (texts of a batch) whose row was sent before.
    pub repeated: u64,
}

/// What the prompts of a plan share.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SharedDescription {
    /// What they share, in words.
    pub sentence: String,
    /// The share that prefix caches hold.
    #[serde(flatten)]
    pub cache: CacheShare,
    /// The share that prefix caches hold of each class of a mix; empty unless a class has prefixes of its own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<String, CacheShare>,
}

/// The part of a plan that one shard sends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// The shard.
    pub shard: Shard,
    /// Number of planned requests of the shard.
    pub planned: u64,
}

/// Describes the plan of an open load, in one pass. Refused for a closed loop, which has no planned instants.
pub fn describe(plan: &Plan) -> Result<Description, Refusal> {
    let Load::Open(timeline) = plan.load() else {
        return Err(Refusal::new(
            "a closed loop has no timeline: its requests are released by completions",
            "accepted is an open load, as in the option rate 10/s",
        ));
    };
    let spans = timeline.spans();
    let mut law = timeline.law().map(|(process, curve)| LawCheck::new(process, curve.clone()));
    let mut observer = Observer::new(spans.cooldown.end);
    let mut hasher = plan.hasher();
    let mut gate = plan.quota().map(crate::schedule::Quota::gate);
    let mut share = plan.shard().map(|shard| Share { shard, planned: 0 });
    let mut refused = 0;
    let mut released = plan.turns().map(|_| 0);
    for arrival in timeline.arrivals() {
        if let Some(law) = &mut law {
            law.add(arrival);
        }
        if gate.as_mut().is_some_and(|gate| !gate.admits(arrival.at)) {
            refused += 1;
            continue;
        }
        if let Some(share) = share.as_mut().filter(|share| share.shard.takes(arrival.index)) {
            share.planned += 1;
        }
        if let Some(released) = &mut released {
            *released += plan.requests_from(arrival.index) - 1;
        }
        observer.add(arrival.at);
        plan.hash(&mut hasher, arrival.index, Some(arrival.at));
    }
    let shape = observer.shape();
    let span_s = spans.total_s();
    let mut dropped = plan.left_out();
    if refused > 0 {
        dropped.insert(Removal::Quota, refused);
    }
    Ok(Description {
        planned: shape.count,
        released,
        span_s,
        rate_per_s: (span_s > 0.0).then(|| shape.count as f64 / span_s),
        gap: shape.gap,
        dispersion: shape.dispersion,
        law: law.and_then(LawCheck::verdict),
        fingerprint: hasher.hex(),
        share,
        dropped,
        data: plan.workload().source.listed().map(|listed| DataDescription {
            sentence: listed.data().sentence(),
            digest: listed.data().digest().to_owned(),
            rows: listed.data().len() as u64,
            order: listed.sampling().name(),
            repeated: repeated_rows(plan).unwrap_or(0),
        }),
        shared: infinite_caches(plan).map(|(cache, classes)| SharedDescription {
            sentence: sentence_of_prefixes(plan),
            cache,
            classes,
        }),
        picture: shape.picture,
        rate_picture: timeline.pattern().and(timeline.law()).map(|(_, curve)| draw_rate(curve, spans.cooldown.end)),
    })
}
