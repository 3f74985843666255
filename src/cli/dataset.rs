//! Owns the workload of the options: drawn lengths, classes, or the rows of `--dataset`, with what cannot be combined
//! with them.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;

use crate::cli::config::Parsed;
use crate::cli::load::{lengths_of, planned_about};
use crate::cli::mix::mix_of;
use crate::cli::options::{TargetOptions, WireOptions, WorkloadOptions};
use crate::cli::prefixes::sharing;
use crate::cli::sessions::sessions_of;
use crate::error::Error;
use crate::results::{Limit, read_bytes};
use crate::trace::{Reading, Trace};
use crate::units::count;
use crate::workload::{
    DataFormat, DataReading, DataSet, Listed, Load, Plan, Salt, SessionSpec, SourceSpec, TextKind, Workload,
    repeated_rows,
};

/// The most requests whose rows are counted before the load; more would take seconds.
const MOST_COUNTED: u64 = 20_000_000;

/// The workload that the options ask for: the content of each request. `streamed` is whether answers are streamed, if
/// requests are sent. `seed` is that of the load.
pub(super) fn workload_of(
    options: &WorkloadOptions,
    salt: Salt,
    streamed: Option<bool>,
    seed: u64,
) -> Result<Workload, Error> {
    let workload = match (listed_of(options, streamed)?, mix_of(options, seed)?) {
        (Some(_), Some(_)) => {
            let why = "has lengths of its own, and the rows of --dataset have theirs";
            return Err(Error::usage("--mix", why, "drop one of them"));
        }
        (Some(listed), None) => Workload::of(SourceSpec::Listed(listed)),
        (None, Some(mix)) => Workload::of(SourceSpec::Mixed(mix)),
        (None, None) => Workload::new(
            lengths_of("--input-tokens", &options.input_tokens)?,
            lengths_of("--output-tokens", &options.output_tokens)?,
        ),
    };
    let workload = workload.salted(salt).made_of(content_of(options).unwrap_or_default());
    let sessions = thinking(sessions_of(options)?, options, &workload)?;
    let workload = workload.in_sessions(sessions);
    sharing(workload, &options.prefix, seed)
}

/// `plan` with the prompts that the options ask for, which are stored with them.
pub(super) fn made_of_content(plan: Plan, options: &WorkloadOptions, parsed: &mut Parsed) -> Plan {
    let Some(text) = content_of(options) else { return plan };
    parsed.spec.content.get_or_insert_with(|| text.into());
    plan.made_of(text)
}

/// `sessions` with the think times of the data set, if its rows give some.
fn thinking(
    sessions: Option<SessionSpec>,
    options: &WorkloadOptions,
    workload: &Workload,
) -> Result<Option<SessionSpec>, Error> {
    let gives_times = workload.source.listed().is_some_and(|listed| listed.data().format().is_lengths());
    match sessions {
        sessions if !gives_times => Ok(sessions),
        Some(_) if options.think_time.is_some() => {
            let why = "draws times between turns, and the data set gives the time that each tool took";
            Err(Error::usage("--think-time", why, "drop it"))
        }
        sessions => Ok(sessions.map(SessionSpec::thinking_as_recorded)),
    }
}

/// Whether `--dataset` names a file of lengths, to which texts are made: told by its first bytes, because the salt is
/// chosen before the file is read.
fn is_of_lengths(options: &WorkloadOptions) -> bool {
    const LOOKED_AT: u64 = 4096;
    let Some(path) = &options.dataset else { return false };
    if let Some(format) = options.dataset_format {
        return format.is_lengths();
    }
    let start = File::open(path).and_then(|file| {
        let mut start = Vec::new();
        file.take(LOOKED_AT).read_to_end(&mut start)?;
        Ok(start)
    });
    start.is_ok_and(|start| DataFormat::begins_lengths(&start))
}

/// What synthetic prompts are made of; `None` if the prompts are those of a data set.
fn content_of(options: &WorkloadOptions) -> Option<TextKind> {
    (options.dataset.is_none() || is_of_lengths(options)).then(|| options.content.unwrap_or(TextKind::USUAL))
}

/// The requests of the data set that the options name; `None` without one. `streamed` is whether answers are streamed,
/// if requests are sent.
fn listed_of(options: &WorkloadOptions, streamed: Option<bool>) -> Result<Option<Listed>, Error> {
    let Some(path) = &options.dataset else {
        let without = [
            ("--dataset-format", options.dataset_format.is_some()),
            ("--dataset-columns", options.dataset_columns.is_some()),
            ("--dataset-order", options.dataset_order.is_some()),
        ];
        return match without.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(Error::usage(flag, "speaks of a data set, and none is given", "add --dataset FILE")),
            None => Ok(None),
        };
    };
    if options.content.is_some() && !is_of_lengths(options) {
        let why = "says what synthetic prompts are made of, and --dataset brings prompts";
        return Err(Error::usage("--content", why, "drop one of them"));
    }
    if !path.exists()
        && let Some(id) = hub_id_of(path)
    {
        let why = format!(
            "is not a file; if it is the id of a data set of a hub, download it with `hf download {id} --repo-type \
             dataset --local-dir data` and give --dataset the path of a file in data"
        );
        return Err(Error::input(path, why));
    }
    let bytes = read_bytes(path, Limit::DATA_SET, "check --dataset")?;
    let columns = options.dataset_columns.clone().unwrap_or_default();
    let reading = DataReading { format: options.dataset_format, columns, streamed, sessions: options.sessions };
    let data = DataSet::read(bytes, path, &reading).map_err(|why| trace_instead(path, &reading).unwrap_or(why))?;
    let data = Arc::new(data);
    if options.sessions && !data.format().has_sessions() {
        let why = format!(
            "needs conversations, and the rows of {} are {} rows, of one request each",
            path.display(),
            data.format()
        );
        let advice = "drop it, or give --dataset conversations: sharegpt, messages, agentic or trie";
        return Err(Error::usage("--sessions", why, advice));
    }
    if !options.sessions && data.format().is_lengths() {
        let why = format!("{} holds sessions of agents, whose turns follow one another", path.display());
        return Err(Error::usage("--dataset", why, "add --sessions; --rate is then that of new sessions"));
    }
    let output = lengths_of("--output-tokens", &options.output_tokens)?;
    Ok(Some(Listed::new(data, options.dataset_order.unwrap_or_default(), output)))
}

/// Why the file at `path`, which cannot be read as a data set, is none: it is a trace, if its format was recognised.
fn trace_instead(path: &Path, reading: &DataReading) -> Option<Error> {
    let file = File::open(path).ok().filter(|_| reading.format.is_none())?;
    let trace = Trace::read(BufReader::new(file), path, &Reading::default()).ok()?;
    let why = format!(
        "is a trace in the format {}, which has lengths and no texts; `tonnage replay` sends it, its sessions as \
         sessions with --think after-completion",
        trace.format()
    );
    Some(Error::input(path, why))
}

/// The id of a data set of a hub that `path` may be: an owner and a name, perhaps after the hub's address.
fn hub_id_of(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    let hubs = ["hf://datasets/", "https://huggingface.co/datasets/", "https://www.modelscope.cn/datasets/"];
    let named = hubs.iter().find_map(|hub| text.strip_prefix(hub));
    let id = named.unwrap_or(text);
    let is_plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let mut parts = id.split('/');
    let (owner, name) = (parts.next()?, parts.next()?);
    let is_id = is_plain(owner) && is_plain(name) && (named.is_some() || parts.next().is_none());
    let is_file = named.is_none() && (Path::new(owner).is_dir() || path.extension().is_some());
    (is_id && !is_file).then(|| format!("{owner}/{name}"))
}

/// The salt beside a data set: none, unless `--salt` was given, because the prompts are the user's. `None` without a
/// data set, and with prefixes in front of its rows, which are not the user's.
pub(super) fn salt_beside_data(options: &WorkloadOptions, wire: &WireOptions, parsed: &mut Parsed) -> Option<Salt> {
    let unasked = wire.salt == "random" && !parsed.given.contains("salt");
    if options.dataset.is_none() || options.prefix.is_given() || !unasked || is_of_lengths(options) {
        return None;
    }
    parsed.spec.salt = "off".parse().ok();
    Some(Salt::Off)
}

/// Refuses what a data set decides, and for whole bodies every option that would change them. What it decides is not
/// stored.
pub(super) fn refuse_beside_data(
    plan: &Plan,
    target: &TargetOptions,
    wire: &WireOptions,
    parsed: &mut Parsed,
) -> Result<(), Error> {
    if plan.recording().is_some_and(|recording| recording.with_body() > 0) {
        let salted = parsed.given.contains("salt") && wire.salt != "off";
        refuse_changes("the trace", salted, target, wire)?;
        if plan.workload().salt == Salt::Off {
            parsed.spec.salt = "off".parse().ok();
        }
        return Ok(());
    }
    let Some(listed) = plan.workload().source.listed() else { return Ok(()) };
    if parsed.given.contains("input-tokens") {
        let why = "cannot be combined with --dataset, whose rows have lengths of their own";
        return Err(Error::usage("--input-tokens", why, "drop one of them"));
    }
    parsed.spec.input_tokens = None;
    let in_sessions = plan.workload().sessions.is_some();
    if in_sessions && listed.data().has_output_lengths() && parsed.given.contains("output-tokens") {
        let why = "has no effect: each turn asks for as many tokens as its recorded answer has";
        return Err(Error::usage("--output-tokens", why, "drop it"));
    }
    let bodies = listed.data().bodies();
    if bodies == 0 {
        return Ok(());
    }
    let only_bodies = bodies == listed.data().len();
    if only_bodies {
        parsed.spec.output_tokens = None;
    }
    if only_bodies && parsed.given.contains("output-tokens") {
        return Err(changing("--output-tokens", "the data set"));
    }
    refuse_changes("the data set", plan.workload().salt != Salt::Off, target, wire)
}

/// The refusal of `flag`, which would change the bodies of `source`.
fn changing(flag: &str, source: &str) -> Error {
    let why = format!("would change the bodies of {source}, which are sent as they are");
    Error::usage(flag, why, "drop it, and write it into the bodies")
}

/// Refuses every option that would change the whole bodies of `source`.
fn refuse_changes(source: &str, salted: bool, target: &TargetOptions, wire: &WireOptions) -> Result<(), Error> {
    let changes = [
        ("--endpoint raw", target.endpoint.has_template()),
        ("--extra-body", target.extra_body.is_some()),
        ("--omit", !wire.omit.is_empty()),
        ("--temperature", wire.temperature.is_some()),
        ("--top-p", wire.top_p.is_some()),
        ("--stop", !wire.stop.is_empty()),
        ("--choices", wire.choices.is_some()),
        ("--images", wire.images.is_some()),
        ("--batch-size", wire.batch_size.is_some()),
        ("--ignore-eos", wire.ignore_eos),
        ("--min-tokens", wire.min_tokens),
        ("--continuous-usage", wire.continuous_usage),
        ("--output-field", wire.output_field.is_some()),
        ("--salt", salted),
    ];
    match changes.into_iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(changing(flag, source)),
        None => Ok(()),
    }
}

/// What is said about the data set of `plan` before the load.
pub(super) fn notes_of_data(plan: &Plan) -> Vec<String> {
    let Some(listed) = plan.workload().source.listed() else { return Vec::new() };
    let data = listed.data();
    let mut notes = vec![format!("{}, taken in the order {}", data.sentence(), listed.sampling())];
    if data.bodies() == data.len() && data.format() == DataFormat::Bodies {
        notes.push(
            "bodies are sent as they are: model, stream and lengths are theirs, and input tokens are the server's to \
             count"
                .to_owned(),
        );
    } else if data.bodies() > 0 {
        notes.push(format!(
            "{} of {} rows are whole bodies, sent as they are; what they lack of model and stream is filled in",
            count(data.bodies() as u64),
            count(data.len() as u64)
        ));
    } else if data.format().is_lengths() {
        notes.push(
            "texts are made to the lengths of the data set; --ignore-eos makes answers as long as recorded".to_owned(),
        );
    }
    if data.bodies() < data.len() && !data.format().is_lengths() && plan.workload().tokenizer.is_none() {
        notes.push("input lengths are estimated from the text; --tokenizer counts them".to_owned());
    }
    let about = if let Load::Open(timeline) = plan.load() { planned_about(timeline) } else { 0 };
    if about <= MOST_COUNTED
        && let Some(repeated) = repeated_rows(plan).filter(|repeated| *repeated > 0)
    {
        let (what, row) =
            if plan.workload().sessions.is_some() { ("sessions", "conversation") } else { ("requests", "row") };
        notes.push(format!(
            "{} {what} repeat a {row} that was sent before (the data set has {}), so the server\u{2019}s prefix cache \
             may answer them: a longer data set avoids it",
            count(repeated),
            count(data.units() as u64)
        ));
    }
    notes
}
