//! Owns `Virtual`: a load against a simulated server in virtual time, as a result folder or as estimates.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tonnage::metrics::{Frame, LoadFacts, Measure, Objectives, Portions, Summary, Withheld};
use tonnage::play::{StopRule, Trial};
use tonnage::record::{Detail, Failure, FailureClass, Header, Outcome, Record, Writer};
use tonnage::results::{Host, Report, SCHEMA, Target, Tool};
use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::seed::Seed;
use tonnage::sim::{Played, VirtualPlayer};
use tonnage::stats::contrast::Estimate;
use tonnage::units::Rate;
use tonnage::workload::{LengthSpec, Load, Plan, Workload};

/// A Poisson load against a simulated server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Virtual {
    pub(super) sim: &'static str,
    /// Requests per second.
    pub(super) rate: f64,
    /// Length of the window.
    pub(super) seconds: f64,
    /// Output tokens of a request.
    pub(super) output: u32,
    /// Every n-th request fails, n this number; none fails where it is 0.
    pub(super) fail_one_in: u64,
    pub(super) model: &'static str,
    /// An objective.
    pub(super) slo: Option<&'static str>,
}

impl Virtual {
    pub(super) const fn new(sim: &'static str, rate: f64, seconds: f64) -> Self {
        Self { sim, rate, seconds, output: 8, fail_one_in: 0, model: "m", slo: None }
    }

    /// The records and the plan, after a warm-up of 30 s.
    fn records(&self, seed: u64) -> (Plan, Played, Vec<Record>) {
        let span = Duration::from_secs_f64;
        let (rate, extent) = (Rate::new(self.rate).unwrap(), Extent::Duration(span(self.seconds)));
        let timeline = Timeline::new(Process::Poisson, rate, extent, span(30.0), Duration::ZERO, Seed::new(seed));
        let length = |tokens| LengthSpec::fixed(tokens).unwrap();
        let plan =
            Plan::new(Load::Open(timeline), Workload::new(length(128), length(self.output)), Seed::new(seed), None);
        let mut player = VirtualPlayer::new(self.sim.parse().unwrap(), Seed::new(seed));
        let mut records = Vec::new();
        let played = player.play_into(&plan, true, &StopRule::Never, |mut record| {
            if self.fail_one_in > 0 && record.id.is_multiple_of(self.fail_one_in) {
                record.exchange.outcome = Outcome::Failed(Failure::new(FailureClass::Status, "no"));
            }
            records.push(record);
        });
        (plan, played, records)
    }

    /// The estimates of `measures`.
    pub(super) fn estimates(&self, seed: u64, measures: &[Measure]) -> Vec<Result<Estimate, Withheld>> {
        let (_, played, records) = self.records(seed);
        let frame = Frame { window: played.window, load_end: played.load_end, streamed: true };
        let objectives = Arc::new(Objectives::default());
        let (mut portions, mut summary) =
            (Portions::new(frame, Arc::clone(&objectives)), Summary::new(frame, objectives));
        for record in &records {
            portions.add(record);
            summary.add(record);
        }
        portions.estimates(measures, &summary, false)
    }

    /// Writes the result with its records into folder `name` of `place`.
    pub(super) fn saved(&self, place: &Path, name: &str, seed: u64) {
        let (plan, played, records) = self.records(seed);
        let frame = Frame { window: played.window, load_end: played.load_end, streamed: true };
        let slo: Vec<&str> = self.slo.into_iter().collect();
        let mut summary = Summary::new(frame, Arc::new(Objectives::parse(&slo, None, None).unwrap()));
        for record in &records {
            summary.add(record);
        }
        let folder = place.join(name);
        std::fs::create_dir(&folder).unwrap();
        let header = Header {
            plan_fingerprint: None,
            window: frame.window,
            load_end: frame.load_end,
            drain_end: Some(played.drain_end),
            not_due: Some(0),
            streamed: true,
            detail: Detail::Full,
            shard: None,
        };
        let mut writer = Writer::new(File::create(folder.join("records.jsonl")).unwrap(), &header).unwrap();
        for record in &records {
            writer.write(record).unwrap();
        }
        writer.finish(&header).unwrap();
        let trial = Trial {
            label: "run".to_owned(),
            load: LoadFacts::of(&plan),
            drain_end: played.drain_end,
            ended: played.ended,
            not_due: 0,
            due: None,
            concurrency: Some(played.concurrency),
            body_fingerprint: None,
            sequence: None,
            summary,
        };
        let report = Report {
            schema: SCHEMA,
            tool: Tool { name: "tonnage".to_owned(), version: "0.1.0".to_owned(), git: None },
            started: format!("2026-01-02T03:04:{seed:02}.123Z"),
            host: Host { name: "h".to_owned(), system: "Linux".to_owned(), cores: 8, workers: 8, receive_clock: None },
            command: vec!["tonnage".to_owned(), "run".to_owned()],
            config: serde_json::from_value(serde_json::json!({"slo": slo})).unwrap(),
            seed,
            plan_fingerprint: format!("plan of {} at {} and seed {seed}", self.seconds, self.rate),
            body_fingerprint: None,
            target: Target { urls: vec!["sim".to_owned()], model: self.model.to_owned(), simulated: true, http2: None },
            label: None,
            metadata: BTreeMap::new(),
            token_estimate: "words-v1".to_owned(),
            notes: Vec::new(),
            preflight: None,
            preparation: None,
            clock: None,
            data_digest: None,
            trials: vec![trial.view()],
            sweep: None,
            search: None,
        };
        serde_json::to_writer(File::create(folder.join("result.json")).unwrap(), &report).unwrap();
    }
}
