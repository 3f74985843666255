//! Owns the request for a server's page of metrics.

use super::Target;
use super::discover::{Discovery, body_within, unreachable_text};
use super::words;
use crate::error::Error;

/// Most bytes of a page. vLLM's have about 100 kB; a host with many GPUs has some more.
const MOST_PAGE_BYTES: usize = 8 << 20;

impl Discovery {
    /// A client for the pages of `target`; it keeps its connection between two requests.
    pub(crate) fn pages_of(&self, target: &Target) -> Result<MetricsPages, Error> {
        Ok(MetricsPages { http: self.http_for(target)? })
    }
}

/// Asks for pages of metrics.
#[derive(Debug, Clone)]
pub(crate) struct MetricsPages {
    http: reqwest::Client,
}

impl MetricsPages {
    /// The text of the page at `url`; else what was seen instead of it.
    pub(crate) async fn page(&self, url: &str) -> Result<String, String> {
        let response = self.http.get(url).send().await.map_err(|error| unreachable_text(&error))?;
        let (status, head) = (response.status(), response.headers().clone());
        let body = body_within(response, MOST_PAGE_BYTES).await.map_err(|error| error.to_string())?;
        let Some(body) = body else { return Err(format!("more than {MOST_PAGE_BYTES} bytes")) };
        if !status.is_success() {
            return Err(words::of_status(status, &head, &body).text.into());
        }
        String::from_utf8(body).map_err(|_| "a page that is not UTF-8".to_owned())
    }
}
