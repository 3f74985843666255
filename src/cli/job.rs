//! Owns `Job`, a validated run: every option that can be checked without the target and the result folder has been
//! checked.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::cli::chat_template::{counter_of, refuse_unanswerable};
use crate::cli::classes::{going_to_endpoints, options_of_endpoint, requests_of_classes};
use crate::cli::config::Parsed;
use crate::cli::dataset::{made_of_content, notes_of_data, refuse_beside_data, salt_beside_data, workload_of};
use crate::cli::endpoint::{
    endpoint_of, images_of, is_streamed, key_header_of, refuse_unknown, refuse_unsendable, texts_of,
};
use crate::cli::endpoints::Endpoints;
use crate::cli::export::Export;
#[cfg(feature = "otlp")]
use crate::cli::export::Traces;
use crate::cli::judgement::objectives_of;
use crate::cli::key_command::{keep_renewing, printed_by};
use crate::cli::load::{DEFAULT_DURATION, DEFAULT_RATE_PER_S, idle_overlays, plan_of, refuse_empty, salt_of};
use crate::cli::meet::Meet;
use crate::cli::mix::{objectives_of_mix, refuse_beside_streams, refuse_cancellations, refuse_unknown_classes};
use crate::cli::options::{LoadArguments, RecordsDetail, TargetOptions, WireOptions, WorkloadOptions};
use crate::cli::prefixes::{notes_of_prefixes, refuse_batches, shared_in_load};
use crate::cli::secrets::of_headers;
use crate::cli::server_metrics::Watching;
use crate::cli::sessions::{
    affinity_of, flag_of_sessions, notes_of_sessions, refuse_beside_sessions, refuse_loads_of_sessions,
};
use crate::cli::shard::{notes_of, salt_of_all, sharded};
use crate::cli::trust::trust_of;
use crate::cli::typed::{extra_body_of, metadata_of};
use crate::client::{Endpoint, EndpointOptions, RenewedKey, RequestOptions, Secret, Target, Tls, is_bearer};
use crate::error::Error;
use crate::metrics::{Note, Objectives};
use crate::record::Detail;
use crate::report::note;
use crate::results::{Limit, Replace, RunSpec, keep_secret, known_secrets, read_text};
use crate::schedule::Extent;
use crate::seed::Seed;
use crate::service::{Wanted, Whom};
use crate::sim::ServiceProfile;
use crate::units::Secrets;
use crate::units::secrets::SECRET;
use crate::workload::{Closed, Load, Plan, Recording, Salt, Tokenizer, Workload};

/// A run.
#[derive(Debug)]
pub(super) struct Job {
    /// The verb of the run.
    pub(super) verb: &'static str,
    pub(super) whom: Whom,
    /// The models to request. Empty: the first model that the target lists.
    pub(super) models: Vec<String>,
    /// How requests are written. Targets and models are filled in when they are known.
    pub(super) chat: RequestOptions,
    pub(super) tls: Tls,
    pub(super) connect_timeout: Duration,
    pub(super) wait_ready: Duration,
    /// Whether a small request is sent before the load.
    pub(super) preflight: bool,
    /// Whether the prefix caches of the targets are emptied before the load.
    pub(super) resets_cache: bool,
    /// Whether the prompt and the answer of that request are shown.
    pub(super) show_sample: bool,
    pub(super) plan: Arc<Plan>,
    /// The tokenizer that counts prompts and answers; without one, an estimate counts prompts.
    pub(super) tokenizer: Option<Arc<Tokenizer>>,
    pub(super) seed: Seed,
    pub(super) objectives: Arc<Objectives>,
    pub(super) timeout: Duration,
    pub(super) drain: Duration,
    pub(super) max_in_flight: Option<u64>,
    /// The origin of the load on the system's clock; `None` means at once.
    pub(super) start_at: Option<Timestamp>,
    /// Where the shards of the plan meet.
    pub(super) meet: Option<Meet>,
    pub(super) workers: usize,
    pub(super) out: Option<PathBuf>,
    /// What to do with an earlier result in `out`.
    pub(super) replace: Replace,
    /// What is kept of each request; `None`: nothing.
    pub(super) records: Option<Detail>,
    /// What is read while the load runs.
    pub(super) watching: Watching,
    pub(super) json: bool,
    pub(super) quiet: bool,
    /// Whether progress is a line instead of a live view.
    pub(super) plain: bool,
    /// Serves the figures while the load runs.
    pub(super) export: Option<Rc<Export>>,
    /// Sends traces of some requests.
    #[cfg(feature = "otlp")]
    pub(super) traces: Option<Rc<Traces>>,
    pub(super) label: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
    /// Every option in force, with the drawn salt, so that the stored configuration repeats the same bytes.
    pub(super) spec: RunSpec,
    /// Notes to print before the load begins.
    pub(super) notes: Vec<String>,
}

impl Job {
    /// Validates the options of `run`. Reads no files but the tokenizer's, the data set's and those of `file:PATH`
    /// lengths.
    pub(super) fn of_run(arguments: LoadArguments, parsed: &mut Parsed) -> Result<Self, Error> {
        let beside = salt_beside_data(&arguments.workload, &arguments.wire, parsed);
        let of_all = salt_of_all(&arguments.wire.salt, &arguments.shard, &parsed.given, arguments.schedule.seed)?;
        let salt = beside.or(of_all).map_or_else(|| salt_of(&arguments.wire.salt), Ok)?;
        refuse_loads_of_sessions(&arguments.workload, &arguments.schedule, arguments.play.load.as_deref())?;
        let workload = workload_of(
            &arguments.workload,
            salt.clone(),
            Some(is_streamed(&arguments.target)),
            arguments.schedule.seed,
        )?;
        let closed = arguments.play.load.as_ref().map(|_| "--load");
        refuse_beside_streams(&workload, &arguments.schedule, closed)?;
        let plan = plan_of(&arguments.schedule, workload, arguments.play.load.as_deref())?;
        Self::new("run", arguments, plan, &salt, parsed)
    }

    /// How to find the service.
    pub(super) fn wanted(&self) -> Wanted<'_> {
        Wanted {
            whom: &self.whom,
            models: &self.models,
            tls: &self.tls,
            api_key: self.chat.bearer(),
            headers: self.chat.access_lines(),
            connect_timeout: self.connect_timeout,
            wait_ready: self.wait_ready,
            lists_models: !self.preflight,
            seed: self.seed,
        }
    }

    /// `workload` as the job's endpoint needs it.
    pub(super) fn of_endpoint(&self, workload: Workload) -> Workload {
        let Workload { text, texts, no_output, images, choices, prefixes, cancel, .. } = self.plan.workload();
        // The classes of a mix go to their endpoints, and their prefixes are as the load needs them.
        let source = self.plan.workload().source.clone();
        let workload = if source.mix().is_some() { Workload { source, ..workload } } else { workload };
        let workload = workload.made_of(*text).of_texts(*texts, *no_output).of_images(*images, *choices);
        workload.sharing_prefixes(prefixes.clone()).cancelling(*cancel)
    }

    /// `workload` with prompts of exactly the length that the job's tokenizer counts, if it has one. For many loads,
    /// the prompts are prepared while each load runs, and the server counts the answers.
    pub(super) fn counted(&mut self, workload: Workload) -> Workload {
        let Some(tokenizer) = &self.tokenizer else { return workload };
        if workload.source.listed().is_some() {
            // The rows were counted for the job's plan, and are not counted again.
            let source = self.plan.workload().source.clone();
            return Workload { source, tokenizer: Some(Arc::clone(tokenizer)), ..workload };
        }
        self.notes.push(format!(
            "prompts have exactly the length that {} counts; they are made while the load runs, about a millisecond \
             for 1 000 tokens, and the server counts the answers",
            tokenizer.name()
        ));
        workload.counted_by(Arc::clone(tokenizer))
    }

    /// Validates everything around a plan. Reads no files but the tokenizer's, that of `--ca-cert` and that of
    /// `--api-key-file`.
    pub(super) fn new(
        verb: &'static str,
        arguments: LoadArguments,
        mut plan: Plan,
        salt: &Salt,
        parsed: &mut Parsed,
    ) -> Result<Self, Error> {
        let LoadArguments { mut target, workload: content, wire, schedule, shard, play, judgement, output } = arguments;
        target.endpoint = endpoint_of(&target)?;
        plan = going_to_endpoints(plan, &target, &wire, content.mix.as_deref())?;
        let endpoints = Endpoints::of(&plan, target.endpoint)?;
        refuse_unknown(&endpoints, &target, &wire, parsed)?;
        refuse_beside_data(&plan, &target, &wire, parsed)?;
        refuse_batches(&content.prefix, &endpoints, &plan)?;
        refuse_beside_sessions(&plan, &content, &endpoints, &wire)?;
        refuse_empty(&plan)?;
        plan = made_of_content(plan, &content, parsed);
        let of_many = matches!(verb, "sweep" | "search");
        plan = shared_in_load(plan, of_many, &endpoints);
        plan = sharded(plan.cancelling(target.cancel), &shard)?;
        if of_many {
            refuse_cancellations(&plan)?;
        }
        if target.reset_cache && shard.shard.is_some() {
            let why = "would empty the cache under the other shards, which begin at their own instants";
            return Err(Error::usage("--reset-cache", why, "drop it, and empty the cache before all shards begin"));
        }
        plan = plan.of_texts(texts_of(target.endpoint, &wire), !target.endpoint.capabilities().output_tokens);
        let mut notes = idle_overlays(&schedule.overlay, plan.spans());
        notes.extend(notes_of(&plan, !parsed.given.contains("salt"), target.target.is_empty()));
        let tokenizer = counter_of(&wire, &target, &endpoints, &plan, parsed, &mut notes)?;
        plan = counted(plan, tokenizer.as_ref())?;
        if play.load.is_some() && play.max_in_flight.is_some() {
            let why = "a closed loop has its own number in flight";
            return Err(Error::usage("--max-in-flight", why, "drop it, or give --load concurrent:N"));
        }
        let whom = whom_of(&target.target, target.sim)?;
        let tls = trust_of(&target, &whom)?;
        if target.show_sample && target.no_preflight {
            let why = "shows the request before the load, which --no-preflight leaves out";
            return Err(Error::usage("--show-sample", why, "drop one of them"));
        }
        if target.insecure {
            notes.push(note(&Note::Insecure));
        }
        let mut judgement = judgement;
        judgement.slo.extend(objectives_of_mix(&content, parsed)?);
        let objectives = objectives_of(&judgement, &endpoints, target.no_stream)?;
        refuse_unknown_classes(&objectives, plan.workload())?;
        if objectives.attainment_implied() {
            notes.push(
                "objectives without a statistic: joint attainment of 99 % is required (--attainment changes it)"
                    .to_owned(),
            );
        }
        // In a sweep or a search the server counts the answers, because the texts of many loads would fill the disk.
        let keep_text = plan.keeps_answers() || (tokenizer.is_some() && !matches!(verb, "sweep" | "search"));
        let affinity = affinity_of(&plan, &target)?;
        let extra = target.extra_body.as_deref().map_or_else(|| Ok(Map::new()), extra_body_of)?;
        let usual = request_options(&target, &wire, &endpoints, &extra, parsed)?;
        let classes = requests_of_classes(&plan, &endpoints, &usual, &extra, &wire)?;
        let chat = RequestOptions { classes, affinity, keep_text, ..usual };
        refuse_unsendable(&chat)?;
        refuse_several_answers(&plan, &content, tokenizer.is_some(), &chat)?;
        plan = plan.of_images(images_of(&wire)?, chat.choices());
        plan.warm_up();
        let of_requests = notes_of_data(&plan).into_iter().chain(notes_of_prefixes(&plan, target.reset_cache));
        notes.extend(of_requests.chain(notes_of_sessions(&plan, of_many)));
        let workers = play.workers.map_or_else(|| default_workers(&whom), usize::from);
        Ok(Self {
            verb,
            spec: spec_of(std::mem::take(&mut parsed.spec), &whom, &plan, salt),
            models: models_of(&target.model, &endpoints)?,
            whom,
            chat,
            tls,
            connect_timeout: positive("--connect-timeout", target.connect_timeout)?,
            wait_ready: target.wait_ready,
            preflight: !target.no_preflight,
            resets_cache: target.reset_cache,
            show_sample: target.show_sample,
            plan: Arc::new(plan),
            tokenizer,
            seed: Seed::new(schedule.seed),
            objectives: Arc::new(objectives),
            timeout: positive("--timeout", target.timeout)?,
            drain: play.drain,
            max_in_flight: play.max_in_flight,
            meet: Meet::of(&shard)?,
            start_at: shard.start_at,
            workers,
            watching: Watching::of(&output)?,
            out: output.out,
            replace: if output.force { Replace::Asked } else { Replace::Never },
            records: detail_of(output.records),
            json: output.json,
            quiet: output.quiet,
            plain: output.plain,
            export: output.prometheus.map(Export::listen).transpose()?.map(Rc::new),
            #[cfg(feature = "otlp")]
            traces: Traces::asked(output.otlp, output.otlp_share, output.quiet || output.json)?,
            label: output.label,
            metadata: metadata_of(&output.metadata)?,
            notes,
        })
    }
}

/// What is kept of each request; `None`: nothing.
const fn detail_of(records: RecordsDetail) -> Option<Detail> {
    match records {
        RecordsDetail::Jsonl => Some(Detail::Full),
        RecordsDetail::Compact => Some(Detail::Compact),
        RecordsDetail::Off => None,
    }
}

/// Refuses several answers to a request where one text is counted, or is replied to.
fn refuse_several_answers(
    plan: &Plan,
    content: &WorkloadOptions,
    is_counted: bool,
    chat: &RequestOptions,
) -> Result<(), Error> {
    if plan.workload().sessions.is_some() && chat.choices() > 1 {
        let why = "is a conversation, and each request has several answers";
        let flag = flag_of_sessions(content).unwrap_or("--turns");
        return Err(Error::usage(flag, why, "drop it, or --choices (n in --extra-body)"));
    }
    if is_counted && chat.keep_text && chat.choices() > 1 {
        let why = "counts the text of one answer, and each request has several";
        return Err(Error::usage("--tokenizer", why, "drop it, or --choices (n in --extra-body)"));
    }
    Ok(())
}

/// The options of every request: key, headers, and the fields of its body.
fn request_options(
    target: &TargetOptions,
    wire: &WireOptions,
    endpoints: &Endpoints,
    extra: &Map<String, Value>,
    parsed: &Parsed,
) -> Result<RequestOptions, Error> {
    let mut chat = RequestOptions::new(Vec::new(), Vec::new());
    chat.endpoint = target.endpoint;
    chat.api_key = api_key_of(target, parsed)?.map(Secret::new);
    chat.headers = headers_of(target.header.clone(), target.secret_header.clone())?;
    let authorized =
        chat.headers.iter().any(|header| header.to_ascii_lowercase().trim_start().starts_with("authorization"));
    if authorized && parsed.key_is_typed && chat.api_key.is_some() {
        let why = "an Authorization header cannot be combined with --api-key, which sets that header too";
        return Err(Error::usage("--header", why, "drop one of them"));
    }
    chat.secrets = known_secrets();
    chat.session_header.clone_from(&target.session_header);
    chat.stream = !target.no_stream && endpoints.any(|endpoint| endpoint.capabilities().streams);
    (chat.idle_timeout, chat.reuse) = (target.idle_timeout, !target.no_reuse);
    chat.key_header = key_header_of(target)?;
    if let Some(command) = &target.api_key_command {
        let key = printed_by(command)?;
        chat.secrets = known_secrets();
        let renewed = Arc::new(RenewedKey::new(&key, is_bearer(chat.key_header()), &chat.secrets)?);
        chat.api_key = Some(key);
        keep_renewing(Arc::clone(&renewed), command.clone(), positive("--api-key-age", target.api_key_age)?)?;
        chat.renewed_key = Some(renewed);
    }
    if wire.continuous_usage && target.no_stream {
        let why = "asks for a token count in every event, and --no-stream for an answer without events";
        return Err(Error::usage("--continuous-usage", why, "drop one of them"));
    }
    let EndpointOptions { extra_body, length_field, ignore_eos, min_tokens, continuous_usage, .. } =
        options_of_endpoint(target.endpoint, endpoints, wire, extra)?;
    Ok(RequestOptions { extra_body, length_field, ignore_eos, min_tokens, continuous_usage, ..chat })
}

/// `plan` with prompts counted by `tokenizer`, if there is one.
fn counted(plan: Plan, tokenizer: Option<&Arc<Tokenizer>>) -> Result<Plan, Error> {
    let Some(tokenizer) = tokenizer else { return Ok(plan) };
    if plan.recording().is_some_and(Recording::has_blocks) {
        let why = "cannot size a trace's prefix blocks, whose text is made of words";
        return Err(Error::usage("--tokenizer", why, "drop it, or replay a trace without blocks (Azure, BurstGPT)"));
    }
    let plan = plan.counted_by(Arc::clone(tokenizer));
    refuse_unanswerable(&plan, tokenizer)?;
    Ok(plan)
}

/// The service that the run uses: the given targets, or the embedded server.
fn whom_of(targets: &[String], profile: Option<ServiceProfile>) -> Result<Whom, Error> {
    match (targets.is_empty(), profile) {
        (false, Some(_)) => {
            let why = "cannot be combined with --target: it says how the embedded server behaves, which is not \
                asked then";
            Err(Error::usage("--sim", why, "drop one of them"))
        }
        (false, None) => {
            let targets = targets.iter().map(|url| Target::parse(url));
            Ok(Whom::Given(targets.collect::<Result<_, _>>()?))
        }
        (true, profile) => Ok(Whom::Embedded(profile.unwrap_or_default())),
    }
}

fn default_workers(whom: &Whom) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    match whom {
        Whom::Given(_) => cores,
        Whom::Embedded(_) => cores.saturating_sub(1).max(1),
    }
}

fn positive(flag: &str, time: Duration) -> Result<Duration, Error> {
    if time.is_zero() {
        Err(Error::usage(flag, "a patience of 0 answers nothing", "accepted is a time above 0, as in 600s"))
    } else {
        Ok(time)
    }
}

fn models_of(names: &[String], endpoints: &Endpoints) -> Result<Vec<String>, Error> {
    if names.is_empty() && !endpoints.any(Endpoint::names_model) {
        // No request names the model, so the service is not asked for one.
        return Ok(vec!["unnamed".to_owned()]);
    }
    let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
    if names.iter().any(String::is_empty) {
        let accepted = "accepted is NAME[,NAME…]; leave the option out to ask for the first of /v1/models";
        return Err(Error::usage("--model", "a model without a name was given", accepted));
    }
    Ok(names)
}

/// The API key that is sent with requests. A key file has precedence over the environment.
fn api_key_of(target: &TargetOptions, parsed: &Parsed) -> Result<Option<String>, Error> {
    let given = target.api_key.clone().filter(|key| !key.is_empty() && key != SECRET);
    if target.api_key_command.is_some() {
        let other = if target.api_key_file.is_some() { Some("--api-key-file") } else { None };
        if let Some(other) = other.or((parsed.key_is_typed && given.is_some()).then_some("--api-key")) {
            let why = format!("cannot be combined with {other}");
            return Err(Error::usage("--api-key-command", why, "drop one of them"));
        }
        return Ok(None);
    }
    let Some(path) = &target.api_key_file else { return Ok(given) };
    if parsed.key_is_typed && given.is_some() {
        return Err(Error::usage("--api-key-file", "cannot be combined with --api-key", "drop one of them"));
    }
    let text = read_text(path, Limit::KEY, "check --api-key-file")?;
    keep_secret(&Secrets::new(text.lines().map(str::to_owned)));
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    match (lines.next(), lines.next()) {
        (Some(key), None) => Ok(Some(key.to_owned())),
        (None, _) => Err(Error::input(path, "holds no key; write the key into it, alone on one line")),
        (Some(_), Some(_)) => {
            Err(Error::input(path, "holds more than one line; write the key into it, alone on one line"))
        }
    }
}

/// All headers to send. A `--secret-header` without a colon only names one of the other headers.
fn headers_of(headers: Vec<String>, secret: Vec<String>) -> Result<Vec<String>, Error> {
    keep_secret(&of_headers(&headers, &secret));
    let named: Vec<&String> = secret.iter().filter(|header| !header.contains(':')).collect();
    let is_given = |name: &str| {
        headers
            .iter()
            .any(|header| header.split(':').next().is_some_and(|given| given.trim().eq_ignore_ascii_case(name.trim())))
    };
    if let Some(name) = named.iter().find(|name| !is_given(name)) {
        let why = format!("`{name}` names no header that --header gives");
        return Err(Error::usage("--secret-header", why, "accepted is 'NAME: VALUE', or the NAME of one of --header"));
    }
    let all = headers.into_iter().map(|header| ("--header", header));
    let all: Vec<(&str, String)> = all
        .chain(secret.into_iter().filter(|header| header.contains(':')).map(|header| ("--secret-header", header)))
        .collect();
    for (flag, header) in &all {
        let (name, value) = header.split_once(':').unwrap_or((header, ""));
        if value.trim().is_empty() {
            // The text after the first word may be the value, and may contain a key.
            let shown = name.split([' ', '=', '\t']).next().unwrap_or_default();
            let why = format!("`{shown}…` has no `:` with a value behind it");
            return Err(Error::usage(*flag, why, "accepted is 'NAME: VALUE'"));
        }
        if value.trim() == SECRET {
            let why = format!("the value of `{}` was left out when the configuration was stored", name.trim());
            return Err(Error::usage(*flag, why, "give the header again on the command line"));
        }
    }
    Ok(all.into_iter().map(|(_, header)| header).collect())
}

/// The options as typed, completed by defaults: the load in force, the embedded server, the drawn salt.
fn spec_of(mut spec: RunSpec, whom: &Whom, plan: &Plan, salt: &Salt) -> RunSpec {
    if let Whom::Embedded(profile) = whom {
        spec.sim = Some((*profile).into());
    }
    let extent = match plan.load() {
        Load::Open(timeline) => {
            if let Some((process, _)) = timeline.law() {
                if spec.profile.is_some() {
                    // Stored as text even if it came from a file, so that the stored configuration needs no other file.
                    if let Some(pattern) = timeline.pattern() {
                        spec.profile = Some(pattern.profile.to_string().into());
                    }
                } else {
                    spec.rate = spec.rate.take().or_else(|| format!("{DEFAULT_RATE_PER_S}/s").parse().ok());
                }
                spec.process.get_or_insert_with(|| process.into());
            }
            None
        }
        Load::Closed(Closed { extent, .. }) => Some(*extent),
    };
    let by_itself = spec.requests.is_some() || spec.profile.is_some();
    if plan.recording().is_none() && !by_itself && !matches!(extent, Some(Extent::Requests(_))) {
        spec.duration = spec.duration.take().or_else(|| format!("{}s", DEFAULT_DURATION.as_secs()).parse().ok());
    }
    if let Salt::Text(text) = salt {
        spec.salt = Some(text.clone().into());
    }
    spec
}
