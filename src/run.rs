//! Owns `Run`: one load against a service, built and run in ten lines.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::client::{RequestOptions, Secret, Target, Tls};
use crate::clock::RunClock;
use crate::engine::{HEAD_START, Settings, local_runtime};
use crate::error::{Error, Refusal};
use crate::metrics::Objectives;
use crate::play::{Observer, Segment, StopRule};
use crate::report::worded;
use crate::results::{Report, RunSpec};
use crate::schedule::{Extent, Process, Timeline};
use crate::seed::Seed;
use crate::service::{Service, Wanted, Whom, make_room};
use crate::sim::ServiceProfile;
use crate::units::{Rate, Secrets, parse_duration};
use crate::workload::{LengthSpec, Load, Plan, Salt, TextKind, Workload};

/// One load against a service: planned and validated, but not yet run.
///
/// ```
/// use tonnage::Run;
/// use tonnage::report::{Ink, render};
///
/// let report = Run::builder()
///     .target("http://127.0.0.1:8000")
///     # .simulated("delay:ttft=5ms,itl=1ms")
///     .rate("40/s")
///     .duration("500ms")
///     .input_tokens("128")
///     .output_tokens("4")
///     .objective("p90 ttft<=200ms")
///     .play()?;
/// let page = render(&report, Ink::Plain);
/// # assert!(page.contains("ttft"));
/// assert_eq!(report.trials[0].run_totals.completed, report.trials[0].run_totals.planned);
/// # Ok::<(), tonnage::error::Error>(())
/// ```
#[derive(Debug)]
pub struct Run {
    spec: RunSpec,
    whom: Whom,
    requests: RequestOptions,
    plan: Arc<Plan>,
    objectives: Arc<Objectives>,
    seed: Seed,
    settings: Settings,
    workers: usize,
}

/// How long opening a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl Run {
    /// A run of 10 requests per second for 20 seconds against the simulated server, by default.
    #[must_use]
    pub fn builder() -> RunBuilder {
        RunBuilder::default()
    }

    /// What will be sent, and when.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Runs the load and judges it. It takes as long as the load and its last answers. It creates its own runtime, so
    /// it must not be called inside a runtime.
    ///
    /// Fails if the service cannot be reached. The outcome of a request is in the report, and never an error.
    pub fn play(&self) -> Result<Report, Error> {
        self.play_watched(Box::new(()))
    }

    /// Like [`Run::play`], and reports progress to `observer`.
    pub fn play_watched(&self, observer: Box<dyn Observer>) -> Result<Report, Error> {
        let runtime = local_runtime()?;
        let report = runtime.block_on(self.played(observer));
        // A DNS resolver that does not answer cannot be cancelled: its thread is left behind.
        runtime.shutdown_background();
        report
    }

    async fn played(&self, observer: Box<dyn Observer>) -> Result<Report, Error> {
        let secure = matches!(&self.whom, Whom::Given(targets) if targets.iter().any(Target::is_secure));
        let tls = if secure { Tls::machine()? } else { Tls::nobody()? };
        let wanted = Wanted {
            whom: &self.whom,
            models: &self.requests.models,
            tls: &tls,
            api_key: self.requests.bearer(),
            headers: self.requests.access_lines(),
            connect_timeout: CONNECT_TIMEOUT,
            wait_ready: Duration::ZERO,
            lists_models: true,
            seed: self.seed,
        };
        let service = Service::find(wanted).await?;
        make_room(&self.plan, &service, self.settings.timeout, self.settings.max_in_flight)?;
        let mut session = service.session(&self.requests, self.settings.clone(), CONNECT_TIMEOUT, self.workers)?;
        let clock = RunClock::starting_in(HEAD_START);
        let segment = Segment {
            label: "run".to_owned(),
            plan: Arc::clone(&self.plan),
            objectives: Arc::clone(&self.objectives),
            streamed: self.requests.stream,
        };
        let trial = session.play_from(clock, segment, StopRule::Never, observer).await?.await?;
        let begun = Report::begun(self.spec.clone(), self.seed, &service, self.workers, clock.wall());
        let mut report = Report {
            plan_fingerprint: self.plan.fingerprint(),
            body_fingerprint: trial.body_fingerprint.clone(),
            token_estimate: self.plan.workload().counter(),
            trials: vec![trial.view()],
            ..begun
        };
        report.target.http2 = service.http2();
        worded(&mut report);
        Ok(report)
    }
}

/// The options of a run. Values are written as on the command line (`tonnage help run`). [`RunBuilder::build`]
/// refuses an impossible value with the name of its option.
#[derive(Debug, Clone)]
pub struct RunBuilder {
    targets: Vec<String>,
    simulated: String,
    models: Vec<String>,
    api_key: Option<String>,
    headers: Vec<String>,
    rate: String,
    process: String,
    duration: String,
    warmup: String,
    input_tokens: String,
    output_tokens: String,
    content: String,
    objectives: Vec<String>,
    workload: Option<Workload>,
    seed: u64,
    timeout: Duration,
    drain: Duration,
    workers: Option<usize>,
    stream: bool,
}

impl Default for RunBuilder {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            simulated: "small".to_owned(),
            models: Vec::new(),
            api_key: None,
            headers: Vec::new(),
            rate: "10/s".to_owned(),
            process: "poisson".to_owned(),
            duration: "20s".to_owned(),
            warmup: "0s".to_owned(),
            input_tokens: "128".to_owned(),
            output_tokens: "64".to_owned(),
            content: TextKind::USUAL.to_string(),
            objectives: Vec::new(),
            workload: None,
            seed: 17,
            timeout: Duration::from_mins(10),
            drain: Duration::from_mins(1),
            workers: None,
            stream: true,
        }
    }
}

impl RunBuilder {
    /// Sends requests to the server of this base URL; several servers are used in turn. Without a target, a simulated
    /// server is used.
    #[must_use]
    pub fn target(mut self, url: &str) -> Self {
        self.targets.push(url.to_owned());
        self
    }

    /// Sends requests to a simulated server of this profile (`8b-h100`, `mmc:servers=4,service=100ms`), and removes
    /// all targets.
    #[must_use]
    pub fn simulated(mut self, profile: &str) -> Self {
        self.targets.clear();
        profile.clone_into(&mut self.simulated);
        self
    }

    /// Requests this model; several models are requested in turn. Without one, the first model that the service lists
    /// is used.
    #[must_use]
    pub fn model(mut self, name: &str) -> Self {
        self.models.push(name.to_owned());
        self
    }

    /// Sends this key as a bearer token.
    #[must_use]
    pub fn api_key(mut self, key: &str) -> Self {
        self.api_key = Some(key.to_owned());
        self
    }

    /// Sends another header, `NAME: VALUE`.
    #[must_use]
    pub fn header(mut self, header: &str) -> Self {
        self.headers.push(header.to_owned());
        self
    }

    /// Requests per second, minute or hour: `50/s`.
    #[must_use]
    pub fn rate(mut self, rate: &str) -> Self {
        rate.clone_into(&mut self.rate);
        self
    }

    /// How arrivals are spread: `even`, `poisson`, `gamma:2`, `weibull:0.7`.
    #[must_use]
    pub fn process(mut self, law: &str) -> Self {
        law.clone_into(&mut self.process);
        self
    }

    /// Length of the measured window: `60s`.
    #[must_use]
    pub fn duration(mut self, time: &str) -> Self {
        time.clone_into(&mut self.duration);
        self
    }

    /// Time of the same load before the measured window: `10s`.
    #[must_use]
    pub fn warmup(mut self, time: &str) -> Self {
        time.clone_into(&mut self.warmup);
        self
    }

    /// Tokens of each prompt: `512`, `128..1024`, `lognormal:512,1.2`.
    #[must_use]
    pub fn input_tokens(mut self, lengths: &str) -> Self {
        lengths.clone_into(&mut self.input_tokens);
        self
    }

    /// Tokens of each answer, written like those of the prompt.
    #[must_use]
    pub fn output_tokens(mut self, lengths: &str) -> Self {
        lengths.clone_into(&mut self.output_tokens);
        self
    }

    /// What prompts are made of: `text` (English prose, the default), `words`, `english`, `code` or `chinese`.
    #[must_use]
    pub fn content(mut self, kind: &str) -> Self {
        kind.clone_into(&mut self.content);
        self
    }

    /// Sends this workload; `input_tokens`, `output_tokens` and `content` are then ignored.
    #[must_use]
    pub fn workload(mut self, workload: Workload) -> Self {
        self.workload = Some(workload);
        self
    }

    /// An objective of the service: `p99 ttft<=200ms`. All given objectives must hold.
    #[must_use]
    pub fn objective(mut self, objective: &str) -> Self {
        self.objectives.push(objective.to_owned());
        self
    }

    /// The seed: equal seeds give equal plans on every machine.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Timeout of a request, from its send; 10 minutes by default.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long requests are followed after the load has ended; 1 minute by default.
    #[must_use]
    pub const fn drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// Number of sending threads, at least 1; by default the number of cores.
    #[must_use]
    pub const fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Whether answers are streamed; true by default.
    #[must_use]
    pub const fn stream(mut self, stream: bool) -> Self {
        self.stream = stream;
        self
    }

    /// Builds the run. Fails with the name of the impossible option, and with what is accepted.
    pub fn build(&self) -> Result<Run, Error> {
        let at = |name: &'static str| move |refusal: Refusal| refusal.at(name);
        let rate: Rate = self.rate.parse().map_err(at("rate"))?;
        let process: Process = self.process.parse().map_err(at("process"))?;
        let duration = parse_duration(&self.duration).map_err(at("duration"))?;
        if duration.is_zero() {
            return Err(Error::usage("duration", "a window of no length measures nothing", "give a time above 0"));
        }
        let warmup = parse_duration(&self.warmup).map_err(at("warmup"))?;
        let workload = if let Some(workload) = &self.workload {
            workload.clone()
        } else {
            let input: LengthSpec = self.input_tokens.parse().map_err(at("input_tokens"))?;
            let output: LengthSpec = self.output_tokens.parse().map_err(at("output_tokens"))?;
            let content = self.content.parse().map_err(at("content"))?;
            Workload::new(input, output).salted(Salt::Text(format!("seed-{}", self.seed))).made_of(content)
        };
        let objectives = Objectives::parse(&self.objectives, None, None).map_err(at("objective"))?;
        let profile: ServiceProfile = self.simulated.parse().map_err(at("simulated"))?;
        let targets = self.targets.iter().map(|url| Target::parse(url)).collect::<Result<Vec<_>, _>>()?;
        let whom = if targets.is_empty() { Whom::Embedded(profile) } else { Whom::Given(targets) };
        let mut requests = RequestOptions::new(Vec::new(), self.models.clone());
        requests.api_key = self.api_key.clone().map(Secret::new);
        // A server may echo the key.
        requests.secrets = Secrets::new(self.api_key.clone());
        requests.headers.clone_from(&self.headers);
        requests.stream = self.stream;
        let seed = Seed::new(self.seed);
        let timeline = Timeline::new(process, rate, Extent::Duration(duration), warmup, Duration::ZERO, seed);
        let plan = Plan::new(Load::Open(timeline), workload, seed, None);
        if plan.arrivals().next().is_none() {
            return Err(Error::usage("duration", "no request falls into so short a time at this rate", "give more"));
        }
        plan.warm_up();
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Ok(Run {
            spec: self.spec()?,
            whom,
            requests,
            plan: Arc::new(plan),
            objectives: Arc::new(objectives),
            seed,
            settings: Settings { timeout: self.timeout, drain: self.drain, max_in_flight: None },
            workers: self.workers.unwrap_or(cores).max(1),
        })
    }

    /// The options kept with the result: all except the key, the headers and a given workload.
    fn spec(&self) -> Result<RunSpec, Error> {
        let at = |name: &'static str| move |refusal: Refusal| refusal.at(name);
        let lengths = |text: &String| self.workload.is_none().then(|| text.clone().into());
        let texts = |texts: &[String]| texts.iter().map(|text| text.clone().into()).collect();
        Ok(RunSpec {
            duration: Some(self.duration.parse().map_err(at("duration"))?),
            content: self.workload.is_none().then(|| self.content.parse().map_err(at("content"))).transpose()?,
            input_tokens: lengths(&self.input_tokens),
            model: texts(&self.models),
            no_stream: !self.stream,
            output_tokens: lengths(&self.output_tokens),
            process: Some(self.process.parse().map_err(at("process"))?),
            rate: Some(self.rate.parse().map_err(at("rate"))?),
            seed: Some(self.seed.into()),
            slo: texts(&self.objectives),
            target: texts(&self.targets),
            warmup: Some(self.warmup.parse().map_err(at("warmup"))?),
            ..RunSpec::default()
        })
    }

    /// [`RunBuilder::build`] and [`Run::play`] in one.
    pub fn play(&self) -> Result<Report, Error> {
        self.build()?.play()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let refused = |builder: RunBuilder| builder.build().map(|_| ()).unwrap_err().to_string();
        for (builder, name) in [
            (Run::builder().rate("fast"), "rate"),
            (Run::builder().process("odd"), "process"),
            (Run::builder().duration("0s"), "duration"),
            (Run::builder().rate("0.001/s").duration("1s"), "duration"),
            (Run::builder().input_tokens("many"), "input_tokens"),
            (Run::builder().content("prose"), "content"),
            (Run::builder().objective("p99 ttft is fine"), "objective"),
            (Run::builder().simulated("none"), "simulated"),
        ] {
            let said = refused(builder);
            assert!(said.starts_with(name), "{name}: {said}");
        }
    }

    #[test]
    fn its_configuration_is_as_it_was_written_and_reads_back() {
        let run = Run::builder().rate("50").duration("500ms").objective("p99 ttft<=2s").build().unwrap();
        let text = serde_json::to_string(&run.spec).unwrap();
        for part in [r#""rate":50,"#, r#""duration":"500ms""#, r#""slo":["p99 ttft<=2s"]"#, r#""input-tokens":128"#] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(serde_json::from_str::<RunSpec>(&text).unwrap(), run.spec);
    }

    #[test]
    fn the_same_seed_is_the_same_plan() {
        let print = |seed: u64| Run::builder().rate("50/s").seed(seed).build().unwrap().plan().fingerprint();
        assert_eq!(print(3), print(3));
        assert_ne!(print(3), print(4));
    }
}
