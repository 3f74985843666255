//! Owns the sentences of a result: of warnings, of a sweep and of a search. They are made here and nowhere below.

mod ending;
mod search;
mod stages;
mod sweep;
#[cfg(test)]
mod tests;
mod warnings;

pub use ending::bounds_of;
pub use search::{headline, search_sentences};
pub use sweep::sweep_sentences;
pub use warnings::{fault, note, reason, verdict_reason};
