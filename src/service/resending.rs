//! Owns the sending of single requests, one after another, without a load around them.

use std::time::Duration;

use crate::client::RequestOptions;
use crate::error::Error;
use crate::record::Exchange;
use crate::service::find::Service;
use crate::service::sounding::{Patience, Sounding};
use crate::workload::RequestSpec;

/// Single requests to a service, outside of every plan's time.
pub(crate) struct Resending {
    sounding: Sounding,
    timeout: Duration,
}

impl Resending {
    /// Requests to `service` as `requests` says, each with `timeout` for its answer.
    pub(crate) fn new(
        service: &Service,
        requests: &RequestOptions,
        timeout: Duration,
        connect_timeout: Duration,
    ) -> Result<Self, Error> {
        let patience = Patience { timeout, connect_timeout, wait_ready: Duration::ZERO, sample: false };
        Ok(Self { sounding: Sounding::new(service, requests, patience)?, timeout })
    }

    /// Sends `spec` once. Returns the base URL and the model that it was sent to, and what came of it.
    pub(crate) async fn send(&self, spec: &RequestSpec) -> (String, String, Exchange) {
        let (target, model) = self.sounding.route_of(spec);
        (target, model, self.sounding.exchange(spec, self.timeout).await)
    }
}
