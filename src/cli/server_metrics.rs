//! Owns `--server-metrics` and `--host-metrics`: what is read while loads run, and what is said when it cannot be read.

use std::rc::Rc;
use std::time::Duration;

use crate::cli::options::OutputOptions;
use crate::cli::terminal::say;
use crate::client::{Discovery, Target};
use crate::error::Error;
use crate::scrape::{Scraper, Source};
use crate::service::{Service, Wanted};

/// The value of `--server-metrics` that stands for the pages beside the targets.
const AUTO: &str = "auto";

/// Longest time for the first reading, which shows whether a page can be read.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is read while loads run.
#[derive(Debug, Default)]
pub(super) struct Watching {
    /// Whether the pages beside the targets are read.
    beside: bool,
    /// Further pages.
    pages: Vec<Target>,
    host: bool,
}

impl Watching {
    /// What the options ask for. Refuses what is no URL.
    pub(super) fn of(options: &OutputOptions) -> Result<Self, Error> {
        let (auto, given): (Vec<&String>, Vec<&String>) =
            options.server_metrics.iter().partition(|text| text.as_str() == AUTO);
        let refused = |why: String| {
            let advice = "give the URL of a page of metrics, as in http://127.0.0.1:9400/metrics, or no value \
                for /metrics of each target; a FILE that follows goes before the option";
            Error::usage("--server-metrics", why, advice)
        };
        let page = |text: &String| {
            // Without this, the name of a file would be that of a host.
            if !text.contains("://") {
                return Err(refused(format!("`{text}` is not a URL")));
            }
            Target::parse(text).map_err(|error| match error {
                Error::Usage { why, .. } => refused(why),
                other => other,
            })
        };
        let pages = given.into_iter().map(page).collect::<Result<_, _>>()?;
        Ok(Self { beside: !auto.is_empty(), pages, host: options.host_metrics })
    }

    /// What reads the sources for `found`; `None` where nothing is asked for. Each source is read once before the load,
    /// so that a wrong URL is said at once, unless it is `quiet`.
    pub(super) async fn begin(
        &self,
        wanted: &Wanted<'_>,
        found: &Service,
        quiet: bool,
    ) -> Result<Option<Rc<Scraper>>, Error> {
        let mut sources = self.sources(wanted, found)?;
        if sources.is_empty() {
            return Ok(None);
        }
        for source in &mut sources {
            let why = match tokio::time::timeout(PATIENCE, source.read()).await {
                Ok(Ok(_)) => continue,
                Ok(Err(why)) => why,
                Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
            };
            if !quiet {
                say(&format!("warning: {}: {why}; the load is sent all the same, without its metrics", source.name()));
            }
        }
        Ok(Some(Rc::new(Scraper::begin(sources)?)))
    }

    /// The sources for `found`. A page of another host than a target's is asked without key and headers.
    fn sources(&self, wanted: &Wanted<'_>, found: &Service) -> Result<Vec<Source>, Error> {
        let known = Discovery::connecting_within(wanted.connect_timeout, wanted.api_key, &wanted.headers, wanted.tls)?;
        let plain = Discovery::connecting_within(wanted.connect_timeout, None, &[], wanted.tls)?;
        let beside = found.targets.iter().filter(|_| self.beside).map(|target| Source::beside(target, &known));
        let pages = self.pages.iter().map(|page| {
            let is_known = found.targets.iter().any(|target| target.authority() == page.authority());
            Source::at(page, if is_known { &known } else { &plain })
        });
        let host = self.host.then(|| Ok(Source::host()));
        beside.chain(pages).chain(host).collect()
    }
}
