//! Owns `Scraper`: the thread that reads all sources once a second, as long as it is held.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::RunClock;
use crate::error::Error;
use crate::scrape::source::Source;
use crate::telemetry::Quantity;
use crate::units::Offset;

/// Time between two readings of a source. Prometheus itself asks less often; an engine changes within a second.
pub(crate) const EVERY: Duration = Duration::from_secs(1);

/// One reading.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// When its answer had come, by the scraper's clock.
    pub(crate) at: Offset,
    /// The number of its round.
    pub(crate) round: u64,
    /// The number of its source.
    pub(crate) source: usize,
    /// The values, or why there are none.
    pub(crate) values: Result<BTreeMap<Quantity, f64>, String>,
}

/// Reads sources on a thread of its own, so that a slow page delays neither a send nor a record.
pub(crate) struct Scraper {
    clock: RunClock,
    sources: Vec<String>,
    readings: Arc<Mutex<Vec<Reading>>>,
    /// The thread ends when this is dropped.
    _held: watch::Sender<()>,
}

impl Scraper {
    /// Begins to read `sources`: at once, then every [`EVERY`].
    pub(crate) fn begin(sources: Vec<Source>) -> Result<Self, Error> {
        let clock = RunClock::starting_in(Duration::ZERO);
        let readings: Arc<Mutex<Vec<Reading>>> = Arc::default();
        let names = sources.iter().map(Source::name).collect();
        let (held, mut ended) = watch::channel(());
        let into = Arc::clone(&readings);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|why| Error::Internal(format!("no runtime for the server's metrics: {why}")))?;
        let work = move || {
            runtime.block_on(async {
                for (number, source) in sources.into_iter().enumerate() {
                    tokio::spawn(follow(number, source, clock, Arc::clone(&into)));
                }
                // An error: the sender is gone.
                while ended.changed().await.is_ok() {}
            });
            runtime.shutdown_background();
        };
        thread::Builder::new()
            .name("scraper".to_owned())
            .spawn(work)
            .map_err(|why| Error::Internal(format!("no thread for the server's metrics: {why}")))?;
        Ok(Self { clock, sources: names, readings, _held: held })
    }

    /// The names of the sources.
    pub(crate) fn sources(&self) -> &[String] {
        &self.sources
    }

    /// The clock of the readings.
    pub(crate) fn clock(&self) -> RunClock {
        self.clock
    }

    /// The readings from number `from` on.
    pub(crate) fn since(&self, from: usize) -> Vec<Reading> {
        let readings = self.readings.lock().unwrap_or_else(PoisonError::into_inner);
        readings.get(from..).unwrap_or_default().to_vec()
    }

    /// The number of readings so far.
    pub(crate) fn count(&self) -> usize {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Reads `source` once a round. A round that begins while the last answer is awaited is left out.
async fn follow(number: usize, mut source: Source, clock: RunClock, into: Arc<Mutex<Vec<Reading>>>) {
    let every_ns = EVERY.as_nanos() as u64;
    let mut round = 0;
    loop {
        tokio::time::sleep(clock.until(Offset::from_nanos(round * every_ns))).await;
        let values = source.read().await;
        let at = clock.now();
        let reading = Reading { at, round, source: number, values };
        into.lock().unwrap_or_else(PoisonError::into_inner).push(reading);
        round = (round + 1).max(at.as_nanos().div_ceil(every_ns));
    }
}
