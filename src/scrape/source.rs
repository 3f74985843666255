//! Owns `Source`: a page of metrics, or this host.

use std::collections::BTreeMap;

use crate::client::{Discovery, MetricsPages, Target};
use crate::error::Error;
use crate::scrape::host::Host;
use crate::telemetry::{Quantity, quantities_of};

/// Where quantities are read.
pub(crate) enum Source {
    /// A page in the Prometheus text format.
    Page {
        /// Its URL.
        url: String,
        /// Who asks for it.
        pages: MetricsPages,
    },
    /// The processors, the memory and the GPUs of this host.
    Host(Box<Host>),
}

impl Source {
    /// The page `/metrics` beside the API of `target`, asked for by `discovery`.
    pub(crate) fn beside(target: &Target, discovery: &Discovery) -> Result<Self, Error> {
        Ok(Self::Page { url: target.endpoint("/metrics"), pages: discovery.pages_of(target)? })
    }

    /// The page at the URL of `target`; `/metrics` where it has no path.
    pub(crate) fn at(target: &Target, discovery: &Discovery) -> Result<Self, Error> {
        let given = target.endpoint("");
        let is_bare = target.path("").trim_end_matches('/').is_empty();
        let url = if is_bare { target.endpoint("/metrics") } else { given };
        Ok(Self::Page { url, pages: discovery.pages_of(target)? })
    }

    /// This host. GPUs are read if `nvidia-smi` is found.
    pub(crate) fn host() -> Self {
        Self::Host(Box::new(Host::new()))
    }

    /// Its name on pages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Page { url, .. } => url.clone(),
            Self::Host(_) => "host".to_owned(),
        }
    }

    /// The known quantities now; else why they could not be read.
    pub(crate) async fn read(&mut self) -> Result<BTreeMap<Quantity, f64>, String> {
        match self {
            Self::Page { url, pages } => {
                let found = quantities_of(&pages.page(url).await?);
                if found.is_empty() {
                    return Err("it has no metric of vLLM, SGLang, TGI, llama.cpp, Triton or DCGM".to_owned());
                }
                Ok(found)
            }
            Self::Host(host) => host.read(),
        }
    }
}
