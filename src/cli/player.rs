//! Owns `Player`, which runs loads one after the other on one live session, each with its files and its progress line.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::progress::Screen;
use crate::cli::terminal::say_all;
use crate::engine::LivePlayer;
use crate::error::Error;
use crate::figures::TrialView;
use crate::play::{Issued, Play, Segment, StopRule, Trial};
use crate::record::{Detail, Header};
use crate::results::{Filed, Filing, Folder, Kept, Lines, ServerFiled, ServerReadings, header_after, header_before};
use crate::scrape::Scraper;

/// Returns the beginning of a progress line, for a load's number (from 1) and label.
pub(super) type Heading<'a> = Box<dyn Fn(usize, &str) -> String + 'a>;

/// Hashes of plans by the numbers of their loads. A hash is computed once, when its load is filed.
pub(super) type Prints = Rc<RefCell<BTreeMap<usize, String>>>;

/// What servers and host said, by the numbers of the loads. It is taken when a load ends.
pub(super) type Servers = Rc<RefCell<BTreeMap<usize, ServerReadings>>>;

/// Gives `trial`, load number `place`, what servers and host said during it.
pub(super) fn put_server(servers: &Servers, place: usize, trial: &mut TrialView) {
    if let Some(readings) = servers.borrow_mut().remove(&place) {
        readings.put_into(trial);
    }
}

/// A live session that files the loads that it runs.
pub(super) struct Player<'a> {
    pub(super) session: LivePlayer,
    pub(super) folder: &'a Folder,
    /// The detail that is kept of each request; `None`: no files.
    pub(super) records: Option<Detail>,
    /// Whether the progress line is hidden.
    pub(super) hidden: bool,
    /// Messages that wait while a progress line is drawn.
    pub(super) lines: Lines,
    /// The number of the next load, from 0.
    pub(super) place: usize,
    /// Returns the beginning of the progress line of a load.
    pub(super) heading: Heading<'a>,
    /// The hash of the plan of each filed load, by the load's number from 0.
    pub(super) prints: Prints,
    /// What reads servers and host, if anything does.
    pub(super) scraper: Option<Rc<Scraper>>,
    /// What they said during each load, by the load's number from 0.
    pub(super) servers: Servers,
    /// The screen on which progress is drawn.
    pub(super) screen: Screen,
}

impl Player<'_> {
    /// Removes the progress line, and prints the waiting messages.
    pub(super) fn clear(&self) {
        self.screen.clear();
        say_all(&self.lines);
    }

    /// The observer of servers and host for load number `place`; `None` if nothing reads them. A full disk does not end
    /// the measurement.
    fn scraped(&self, place: usize) -> Option<ServerFiled> {
        let scraper = self.scraper.as_ref()?;
        let readings = ServerReadings::default();
        self.servers.borrow_mut().insert(place, readings.clone());
        let losses = self.folder.losses();
        let kept = self.records.filter(|_| !losses.any());
        let point = kept.and_then(|_| self.folder.existing_point(place));
        let filed = ServerFiled::new(scraper, &readings, point.as_ref());
        filed.map_err(|error| losses.note(&error)).or_else(|()| ServerFiled::new(scraper, &readings, None)).ok()
    }

    /// The files of the next load; `None` if none are kept or the disk is full. A full disk does not end the
    /// measurement.
    fn filing(&self, header: &Header) -> Option<Filing> {
        if self.records.is_none() || self.folder.losses().any() {
            return None;
        }
        let point = self.folder.point(self.place);
        let filing = point.and_then(|point| Filing::open(&point, header, Kept { texts: false, failures: true }));
        filing.map_err(|error| self.folder.losses().note(&error)).ok()
    }
}

impl Play for Player<'_> {
    type Settling = Pin<Box<dyn Future<Output = Result<Trial, Error>>>>;

    async fn play(&mut self, segment: Segment, stop: StopRule) -> Result<Issued<Self::Settling>, Error> {
        let header = header_before(&segment.plan, segment.streamed, self.records.unwrap_or(Detail::Full));
        let filing = Rc::new(RefCell::new(self.filing(&header)));
        self.clear();
        let (place, prints) = (self.place, Rc::clone(&self.prints));
        self.place += 1;
        let scraped = self.scraped(place);
        let lines = self.lines.prefixed((self.heading)(self.place, &segment.label));
        // A watched load ends when it is decided, so its end is not known.
        let progress = self.screen.progress(self.hidden, lines, matches!(stop, StopRule::Watch(_)));
        let plan = Arc::clone(&segment.plan);
        let observer = Box::new(((Filed::new(&filing, &plan), scraped), progress));
        let Issued { counts, watched, settling } = self.session.play_into(segment, stop, observer).await?;
        // A separate task, so that the files are complete as soon as the trial is final, even while the next load runs.
        let filed = tokio::task::spawn_local(async move {
            let trial = settling.await;
            let trial = trial?;
            let print = plan.fingerprint();
            prints.borrow_mut().insert(place, print.clone());
            let header = header_after(&header, &trial, print);
            // A failure to write has already been noted.
            _ = filing.take().map(|filing| filing.finish(&header));
            Ok(trial)
        });
        let settling: Self::Settling = Box::pin(async move {
            filed.await.map_err(|why| Error::Internal(format!("a load could not be filed: {why}")))?
        });
        Ok(Issued { counts, watched, settling })
    }

    async fn rest(&mut self) {
        self.session.rest().await;
    }

    fn follow_at_most(&mut self, drain: Duration) {
        self.session.follow_at_most(drain);
    }

    fn elapsed_s(&self) -> f64 {
        self.session.elapsed_s()
    }
}
