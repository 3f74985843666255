//! Owns what servers and this host say about themselves while a load runs: quantities, pages, series, averages.

mod exposition;
mod names;
mod quantity;
mod series;
mod view;

pub(crate) use names::quantities_of;
pub use quantity::{Combined, Quantity};
pub(crate) use series::{Scraped, ServerSeries};
pub use view::{LevelView, ServerPoint, ServerView};
