//! Owns finding the target: the embedded server started, names looked up, readiness awaited, the model asked for.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::cli::files::{Limit, read_bytes};
use crate::cli::job::{Job, Whom};
use crate::cli::options::TargetOptions;
use crate::client::{Addresses, Discovery, Target, Tls};
use crate::error::Error;
use crate::figures::TrialView;
use crate::sim::{Embedded, MODEL_NAME, Options};

/// What `--insecure` means for a result, told wherever it is shown.
pub(super) const INSECURE: &str =
    "certificates were not checked (--insecure): whoever answered, it may not have been the target";

/// Whom the options trust. What speaks of certificates is refused where there are none.
pub(super) fn trust_of(options: &TargetOptions, whom: &Whom) -> Result<Tls, Error> {
    let secure = matches!(whom, Whom::Given(targets) if targets.iter().any(Target::is_secure));
    let flag = if options.insecure { Some("--insecure") } else { options.ca_cert.as_ref().map(|_| "--ca-cert") };
    match (flag, &options.ca_cert) {
        (Some(flag), _) if !secure => Err(Error::usage(
            flag,
            "has nothing to do: no target is asked over TLS",
            "drop it, or give an https:// target",
        )),
        (Some(_), Some(_)) if options.insecure => {
            Err(Error::usage("--insecure", "trusts anyone, and --ca-cert someone", "drop one of them"))
        }
        (_, Some(path)) => {
            let pem = read_bytes(path, Limit::CERTIFICATES, "check --ca-cert")?;
            Tls::machine_and(&pem, path)
        }
        (Some(_), None) => Tls::anyone(),
        (None, None) if secure => Tls::machine(),
        (None, None) => Tls::nobody(),
    }
}

/// `view` with what `config` says of the trust behind it. The records do not hold it, so that it is added whenever
/// they are folded.
pub(super) fn with_trust(mut view: TrialView, config: &Map<String, Value>) -> TrialView {
    if config.get("insecure") == Some(&Value::Bool(true)) {
        view.health.notes.push(INSECURE.to_owned());
    }
    view
}

/// Servers that can be asked.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) targets: Vec<Target>,
    pub(super) addresses: Vec<Addresses>,
    pub(super) models: Vec<String>,
    /// Whether any of it is pretence.
    pub(super) simulated: bool,
    /// Runs as long as it is held.
    pub(super) embedded: Option<Embedded>,
}

impl Found {
    /// Finds whom `job` wants to ask.
    pub(super) async fn of(job: &Job) -> Result<Self, Error> {
        let (targets, embedded) = match &job.whom {
            Whom::Given(targets) => (targets.clone(), None),
            Whom::Embedded(profile) => {
                let embedded = Embedded::start(Options { profile: *profile, seed: job.seed, ..Options::default() })?;
                (vec![Target::parse(embedded.url())?], Some(embedded))
            }
        };
        let addresses = Addresses::within(&targets, &job.tls, job.connect_timeout).await?;
        let discovery =
            Discovery::connecting_within(job.connect_timeout, job.chat.api_key.as_ref(), &job.chat.headers, &job.tls)?;
        if job.wait_ready > Duration::ZERO {
            for target in &targets {
                discovery.wait_ready(target, job.wait_ready).await?;
            }
        }
        let models = match (job.models.is_empty(), targets.first()) {
            (true, Some(first)) => vec![discovery.first_model(first).await?],
            _ => job.models.clone(),
        };
        // A server of ours may also run elsewhere (`tonnage simulate`), under whatever model's name it is asked for.
        let simulated = embedded.is_some()
            || models.iter().any(|model| model == MODEL_NAME)
            || pretends(&discovery, &targets).await;
        Ok(Self { targets, addresses, models, simulated, embedded })
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
