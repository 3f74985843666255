//! Owns finding the target: the embedded server started, names looked up, readiness awaited, the model asked for.

use std::time::Duration;

use crate::cli::job::{Job, Whom};
use crate::cli::simulate::Embedded;
use crate::client::{Addresses, Discovery, Target};
use crate::error::Error;
use crate::sim::MODEL_NAME;

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
                let embedded = Embedded::start(*profile, job.seed)?;
                (vec![Target::parse(embedded.url())?], Some(embedded))
            }
        };
        let addresses = Addresses::of(&targets).await?;
        let discovery = Discovery::new(job.chat.api_key.as_ref(), &job.chat.headers)?;
        if job.wait_ready > Duration::ZERO {
            for target in &targets {
                discovery.wait_ready(target, job.wait_ready).await?;
            }
        }
        let models = match (job.models.is_empty(), targets.first()) {
            (true, Some(first)) => vec![discovery.first_model(first).await?],
            _ => job.models.clone(),
        };
        // A server of ours may also run elsewhere (`tonnage simulate`); its model's name gives it away.
        let simulated = embedded.is_some() || models.iter().any(|model| model == MODEL_NAME);
        Ok(Self { targets, addresses, models, simulated, embedded })
    }
}
