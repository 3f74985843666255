//! Owns finding the service: the embedded server started, names looked up, readiness awaited, the model asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::client::{Addresses, Discovery, Encoder, HttpClient, RequestOptions, Secret, Target, Tls};
use crate::clock::RunClock;
use crate::engine::{Session, Settings, Setup};
use crate::error::Error;
use crate::seed::Seed;
use crate::sim::{Embedded, MODEL_NAME, Options, Profile};

/// Whom to ask.
#[derive(Debug, Clone)]
pub enum Whom {
    /// Servers given by URL, asked in turn.
    Given(Vec<Target>),
    /// A simulated server of our own.
    Embedded(Profile),
}

/// How a service is looked for.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// Whom to ask.
    pub whom: &'a Whom,
    /// The models to ask for; without any, the first that the service lists.
    pub models: &'a [String],
    /// Whom to trust.
    pub tls: &'a Tls,
    /// Sent as a bearer token.
    pub api_key: Option<&'a Secret>,
    /// Further headers.
    pub headers: &'a [String],
    /// The most that opening a connection may take.
    pub connect_timeout: Duration,
    /// How long the service may take to become ready; 0 asks nothing.
    pub wait_ready: Duration,
    /// Of the embedded server's draws.
    pub seed: Seed,
}

/// Servers that can be asked.
#[derive(Debug)]
pub struct Service {
    /// Their base URLs.
    pub targets: Vec<Target>,
    /// Their addresses.
    pub addresses: Vec<Addresses>,
    /// The models to ask for, in turn.
    pub models: Vec<String>,
    /// Whether any of it is pretence.
    pub simulated: bool,
    /// Runs as long as it is held.
    embedded: Option<Embedded>,
}

impl Service {
    /// Finds whom is `wanted`. Fails where a name is unknown, nobody answers, or no model is listed.
    pub async fn find(wanted: Wanted<'_>) -> Result<Self, Error> {
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
            Discovery::connecting_within(wanted.connect_timeout, wanted.api_key, wanted.headers, wanted.tls)?;
        if wanted.wait_ready > Duration::ZERO {
            for target in &targets {
                discovery.wait_ready(target, wanted.wait_ready).await?;
            }
        }
        let models = match (wanted.models.is_empty(), targets.first()) {
            (true, Some(first)) => vec![discovery.first_model(first).await?],
            _ => wanted.models.to_vec(),
        };
        // A server of ours may also run elsewhere (`tonnage simulate`), under whatever model's name it is asked for.
        let simulated = embedded.is_some()
            || models.iter().any(|model| model == MODEL_NAME)
            || pretends(&discovery, &targets).await;
        Ok(Self { targets, addresses, models, simulated, embedded })
    }

    /// Whether it runs in this process.
    #[must_use]
    pub const fn is_embedded(&self) -> bool {
        self.embedded.is_some()
    }

    /// A live session with it: `workers` threads that send what `requests` says, targets and models filled in.
    pub fn session(
        &self,
        requests: &RequestOptions,
        settings: Settings,
        connect_timeout: Duration,
        workers: usize,
    ) -> Result<Session, Error> {
        let mut requests = requests.clone();
        requests.targets.clone_from(&self.targets);
        requests.models.clone_from(&self.models);
        // Two runs at once must not give one name to two requests.
        requests.request_id_prefix =
            format!("{}-{:?}", std::process::id(), RunClock::starting_in(Duration::ZERO).wall());
        let (addresses, next_worker) = (self.addresses.clone(), AtomicUsize::new(0));
        let setup = Setup {
            workers,
            encoder: Arc::new(Encoder::new(&requests)?),
            connect: Arc::new(move || {
                let worker = next_worker.fetch_add(1, Ordering::Relaxed);
                Ok(HttpClient::new(&addresses, connect_timeout, worker))
            }),
        };
        Session::threads::<HttpClient>(settings, &setup)
    }
}

/// How long it may take to find out whether a target is a simulated server.
const GLANCE: Duration = Duration::from_secs(1);

/// Whether any of them lists the simulated server's model. A server that does not say so soon is taken for a real one.
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
