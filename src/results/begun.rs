//! Owns the result of a run before any load was sent.

use std::collections::BTreeMap;
use std::time::SystemTime;

use jiff::Timestamp;

use crate::results::host::{host, tool};
use crate::results::model::{Report, SCHEMA, Target};
use crate::results::spec::RunSpec;
use crate::seed::Seed;
use crate::service::Service;
use crate::workload::ESTIMATE_NAME;

impl Report {
    /// The report when `workers` threads are about to send the load of `config` to `service`.
    pub(crate) fn begun(config: RunSpec, seed: Seed, service: &Service, workers: usize, started: SystemTime) -> Self {
        Self {
            schema: SCHEMA,
            tool: tool(),
            started: rfc3339(started),
            host: host(workers, service.targets.iter().all(|target| target.socket().is_none())),
            command: Vec::new(),
            config,
            seed: seed.number(),
            plan_fingerprint: String::new(),
            body_fingerprint: None,
            target: Target {
                urls: service.targets.iter().map(|target| target.url().to_string()).collect(),
                model: service.models.join(","),
                simulated: service.simulated,
                http2: None,
            },
            label: None,
            metadata: BTreeMap::new(),
            token_estimate: ESTIMATE_NAME.to_owned(),
            notes: Vec::new(),
            preflight: service.preflight.clone(),
            preparation: service.preparation.clone(),
            clock: None,
            data_digest: None,
            trials: Vec::new(),
            sweep: None,
            search: None,
        }
    }
}

/// An instant in the format of results, RFC 3339.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}
