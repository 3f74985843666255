//! Owns the reading of servers and of this host while loads run, on a thread of its own.

mod gpus;
mod host;
mod scraper;
mod source;

pub(crate) use scraper::{Reading, Scraper};
pub(crate) use source::Source;
