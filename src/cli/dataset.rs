//! Owns the workload of the options: drawn lengths, classes, or the rows of `--dataset`, with what cannot be combined
//! with them.

use std::sync::Arc;

use crate::cli::config::Parsed;
use crate::cli::load::{lengths_of, planned_about};
use crate::cli::mix::mix_of;
use crate::cli::options::{TargetOptions, WireOptions, WorkloadOptions};
use crate::cli::prefixes::sharing;
use crate::cli::sessions::sessions_of;
use crate::error::Error;
use crate::results::{Limit, read_bytes};
use crate::units::count;
use crate::workload::{
    DataFormat, DataReading, DataSet, Listed, Load, Plan, Salt, SourceSpec, TextKind, Workload, repeated_rows,
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
    let workload = match (listed_of(options, streamed)?, mix_of(options)?) {
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
    let workload = workload.in_sessions(sessions_of(options)?);
    sharing(workload, &options.prefix, seed)
}

/// `plan` with the prompts that the options ask for, which are stored with them.
pub(super) fn made_of_content(plan: Plan, options: &WorkloadOptions, parsed: &mut Parsed) -> Plan {
    let Some(text) = content_of(options) else { return plan };
    parsed.spec.content.get_or_insert_with(|| text.into());
    plan.made_of(text)
}

/// What synthetic prompts are made of; `None` if the prompts are those of a data set.
fn content_of(options: &WorkloadOptions) -> Option<TextKind> {
    options.dataset.is_none().then(|| options.content.unwrap_or(TextKind::USUAL))
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
    if options.content.is_some() {
        let why = "says what synthetic prompts are made of, and --dataset brings prompts";
        return Err(Error::usage("--content", why, "drop one of them"));
    }
    let bytes = read_bytes(path, Limit::DATA_SET, "check --dataset")?;
    let columns = options.dataset_columns.clone().unwrap_or_default();
    let reading = DataReading { format: options.dataset_format, columns, streamed, sessions: options.sessions };
    let data = Arc::new(DataSet::read(bytes, path, &reading)?);
    if options.sessions && !matches!(data.format(), DataFormat::ShareGpt | DataFormat::Messages) {
        let why = format!(
            "needs conversations, and the rows of {} are {} rows, of one request each",
            path.display(),
            data.format()
        );
        return Err(Error::usage("--sessions", why, "drop it, or give --dataset conversations: sharegpt or messages"));
    }
    let output = lengths_of("--output-tokens", &options.output_tokens)?;
    Ok(Some(Listed::new(data, options.dataset_order.unwrap_or_default(), output)))
}

/// The salt beside a data set: none, unless `--salt` was given, because the prompts are the user's. `None` without a
/// data set, and with prefixes in front of its rows, which are not the user's.
pub(super) fn salt_beside_data(options: &WorkloadOptions, wire: &WireOptions, parsed: &mut Parsed) -> Option<Salt> {
    let unasked = wire.salt == "random" && !parsed.given.contains("salt");
    if options.dataset.is_none() || options.prefix.is_given() || !unasked {
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
    if listed.data().format() != DataFormat::Bodies {
        return Ok(());
    }
    parsed.spec.output_tokens = None;
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
        ("--output-tokens", parsed.given.contains("output-tokens")),
        ("--salt", plan.workload().salt != Salt::Off),
    ];
    match changes.into_iter().find(|(_, given)| *given) {
        Some((flag, _)) => {
            let why = "would change the bodies of the data set, which are sent as they are";
            Err(Error::usage(flag, why, "drop it, and write it into the bodies"))
        }
        None => Ok(()),
    }
}

/// What is said about the data set of `plan` before the load.
pub(super) fn notes_of_data(plan: &Plan) -> Vec<String> {
    let Some(listed) = plan.workload().source.listed() else { return Vec::new() };
    let data = listed.data();
    let mut notes = vec![format!("{}, taken in the order {}", data.sentence(), listed.sampling())];
    if data.format() == DataFormat::Bodies {
        notes.push(
            "bodies are sent as they are: model, stream and lengths are theirs, and input tokens are the server's to \
             count"
                .to_owned(),
        );
    } else if plan.workload().tokenizer.is_none() {
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
