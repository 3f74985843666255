//! Owns the sentences of a result: warnings, sweep, search and fleet. No lower layer writes such sentences.

mod anomalies;
mod assumptions;
mod comparison;
mod ending;
mod formula;
mod growth;
mod preflight;
mod preparation;
mod search;
mod sizing;
#[cfg(test)]
mod sizing_tests;
mod stages;
mod sweep;
#[cfg(test)]
mod tests;
mod warnings;

pub(super) use anomalies::anomaly;
pub(super) use assumptions::assumption;
pub(super) use comparison::{amount, answer, caution, change, is_better, need, ruling, value, verdict, withheld};
pub(crate) use ending::bounds_of;
pub(super) use formula::formula;
pub(super) use preflight::finding;
pub(crate) use preflight::{preflight_sentences, unprimed_text, unready_text};
pub(crate) use preparation::preparation_sentences;
pub use search::{headline, search_sentences};
pub(super) use sizing::{check_note, fleet_note, rate_doubt};
pub use sweep::sweep_sentences;
pub(crate) use warnings::{fault, note, reason, verdict_reason};
