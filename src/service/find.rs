//! Owns finding the service: starts the embedded server, looks up names, waits until ready, finds the model.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::client::{Addresses, Discovery, Encoder, Http2, HttpClient, RequestOptions, Secret, Target, Tls};
use crate::clock::RunClock;
use crate::engine::{LivePlayer, Settings, Setup};
use crate::error::Error;
use crate::seed::Seed;
use crate::service::preflight::Preflight;
use crate::service::preparation::Preparation;
use crate::sim::{Embedded, MODEL_NAME, Options, ServiceProfile};

/// The servers to send requests to.
#[derive(Debug, Clone)]
pub(crate) enum Whom {
    /// Servers given by URL, used in turn.
    Given(Vec<Target>),
    /// A simulated server in this process.
    Embedded(ServiceProfile),
}

/// The options for finding a service.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// The servers to send requests to.
    pub whom: &'a Whom,
    /// The models to request; if empty, the first model that the service lists.
    pub models: &'a [String],
    /// The certificates to trust.
    pub tls: &'a Tls,
    /// Sent as a bearer token.
    pub api_key: Option<&'a Secret>,
    /// Further headers.
    pub headers: Vec<String>,
    /// Timeout for opening a connection.
    pub connect_timeout: Duration,
    /// How long to wait until the service is ready; 0 does not wait and does not query readiness.
    pub wait_ready: Duration,
    /// Whether a service whose models are given must list models all the same to be ready.
    pub lists_models: bool,
    /// Seed of the embedded server's random draws.
    pub seed: Seed,
}

/// Servers that can take requests.
#[derive(Debug)]
pub(crate) struct Service {
    /// Their base URLs.
    pub targets: Vec<Target>,
    /// Their addresses.
    pub addresses: Vec<Addresses>,
    /// The models to request, in turn.
    pub models: Vec<String>,
    /// Whether any of the servers is simulated.
    pub simulated: bool,
    /// What a small request showed before the load; `None` before it was sent.
    pub preflight: Option<Preflight>,
    /// What was done to its prefix caches before the load; `None` if nothing was.
    pub preparation: Option<Preparation>,
    /// The embedded server; it runs as long as this value is held.
    embedded: Option<Embedded>,
}

impl Service {
    /// Finds the `wanted` service. Fails when a name is unknown, a server does not answer, or no model is listed.
    pub(crate) async fn find(wanted: Wanted<'_>) -> Result<Self, Error> {
        let (targets, embedded) = match wanted.whom {
            Whom::Given(targets) => (targets.clone(), None),
            Whom::Embedded(profile) => {
                let options = Options { profile: *profile, seed: wanted.seed, ..Options::default() };
                let embedded = Embedded::start(options)?;
                (vec![Target::parse(embedded.url())?], Some(embedded))
            }
        };
        let addresses = Addresses::within(&targets, wanted.tls, wanted.connect_timeout).await?;
        let discovery =
            Discovery::connecting_within(wanted.connect_timeout, wanted.api_key, &wanted.headers, wanted.tls)?;
        if wanted.wait_ready > Duration::ZERO {
            for target in &targets {
                let listed = discovery.wait_ready(target, wanted.wait_ready).await;
                if wanted.lists_models || wanted.models.is_empty() {
                    listed?;
                }
            }
        }
        let models = match (wanted.models.is_empty(), targets.first()) {
            (true, Some(first)) => vec![discovery.first_model(first).await?],
            _ => wanted.models.to_vec(),
        };
        // A simulated server may also run in another process (`tonnage simulate`) and serve any model name.
        let simulated = embedded.is_some()
            || models.iter().any(|model| model == MODEL_NAME)
            || pretends(&discovery, &targets).await;
        // A target that has answered over HTTP/2 needs few connections: the first load begins with this knowledge.
        for (_, addresses) in targets.iter().zip(&addresses).filter(|(target, _)| discovery.spoke_two(target)) {
            addresses.traffic().note_two();
        }
        Ok(Self { targets, addresses, models, simulated, preflight: None, preparation: None, embedded })
    }

    /// The connections of HTTP/2 that all sessions have opened; `None` when there are none.
    #[must_use]
    pub(crate) fn http2(&self) -> Option<Http2> {
        Http2::of(self.addresses.iter().filter_map(Addresses::http2))
    }

    /// Whether it runs in this process.
    #[must_use]
    pub(crate) const fn is_embedded(&self) -> bool {
        self.embedded.is_some()
    }

    /// The options of requests to this service: `requests` with its targets and models.
    pub(super) fn requests(&self, requests: &RequestOptions) -> RequestOptions {
        RequestOptions {
            targets: self.targets.clone(),
            models: self.models.clone(),
            // Two runs at the same time must not give the same id to two requests.
            request_id_prefix: format!("{}-{:?}", std::process::id(), RunClock::starting_in(Duration::ZERO).wall()),
            ..requests.clone()
        }
    }

    /// A session with this service: `workers` threads that send requests as `requests` says, with the targets and
    /// models of this service. Fails when the options cannot be sent, or a thread or client cannot be made.
    pub(crate) fn session(
        &self,
        requests: &RequestOptions,
        settings: Settings,
        connect_timeout: Duration,
        workers: usize,
    ) -> Result<LivePlayer, Error> {
        let requests = self.requests(requests);
        let (idle_timeout, reuse) = (requests.idle_timeout, requests.reuse);
        let (addresses, next_worker) = (self.addresses.clone(), AtomicUsize::new(0));
        let setup = Setup {
            workers,
            encoder: Arc::new(Encoder::new(&requests)?),
            connect: Arc::new(move || {
                let worker = next_worker.fetch_add(1, Ordering::Relaxed);
                Ok(HttpClient::new(&addresses, connect_timeout, worker).keeping(idle_timeout, reuse))
            }),
        };
        LivePlayer::threads::<HttpClient>(settings, &setup)
    }
}

/// Timeout for finding out whether a target is a simulated server.
const GLANCE: Duration = Duration::from_secs(1);

/// Whether any target lists the simulated server's model. A server that does not answer within [`GLANCE`] counts as a
/// real one.
async fn pretends(discovery: &Discovery, targets: &[Target]) -> bool {
    let looked = tokio::time::timeout(GLANCE, async {
        for target in targets {
            if discovery.first_model(target).await.is_ok_and(|model| model == MODEL_NAME) {
                return true;
            }
        }
        false
    });
    looked.await.unwrap_or(false)
}
