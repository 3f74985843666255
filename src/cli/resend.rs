//! Owns verb `resend`: failed requests of a saved result, sent again one after another.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command, FromArgMatches};
use serde_json::json;

use crate::cli::config::{Stop, parse};
use crate::cli::exit::Exit;
use crate::cli::job::Job;
use crate::cli::options::TEMPLATE;
use crate::cli::replay::{ReplayArguments, job_of_replay};
use crate::cli::run::RunArguments;
use crate::cli::signals::{self, Signals};
use crate::cli::terminal::{ink, print, say};
use crate::engine::local_runtime;
use crate::error::Error;
use crate::metrics::FailureGroup;
use crate::record::Exchange;
use crate::report::render_resent;
use crate::results::{
    FAILURES, FailedRequest, Resent, ResentRequest, SCHEMA, failed_requests, files_of, json_text, read, tool,
};
use crate::service::{Resending, Service};
use crate::units::Offset;

/// Failed requests of a result, sent again one after another
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage resend results/m/20260102T030405Z-run
  tonnage resend results/m/run --id 17 --id 212
  tonnage resend results/m/run -- --target http://h2:8000 --api-key-file key
",
    after_help = "Exit code:
  0    every request was answered
  1    at least one failed again
  2    wrong usage or input
  3    none was answered
  130  interrupted; what was sent is shown",
    help_template = TEMPLATE
)]
pub(super) struct ResendArguments {
    /// The folder of a result of `run` or `replay`, or its failures.jsonl. The requests are made again from the
    /// configuration beside it
    #[arg(value_name = "DIR|FILE")]
    result: PathBuf,
    /// Number of a failed request to send (repeatable) [default: the first ones]
    #[arg(long, value_name = "N")]
    id: Vec<u64>,
    /// Most requests to send
    #[arg(long, value_name = "N", default_value_t = 10, conflicts_with = "id")]
    most: usize,
    /// Print what came of them as JSON, and nothing else, on standard output
    #[arg(long)]
    json: bool,
    /// Options of the run to change, after `--`: where the requests go, keys, headers, and times, as in `-- --target
    /// http://h2:8000`
    #[arg(last = true, value_name = "OPTIONS")]
    options: Vec<OsString>,
}

/// The options that may be changed: the others would change the requests.
const CHANGEABLE: [&str; 19] = [
    "api-key",
    "api-key-age",
    "api-key-command",
    "api-key-file",
    "auth-header",
    "ca-cert",
    "client-cert",
    "client-key",
    "connect-timeout",
    "extra-body",
    "header",
    "http1",
    "http2",
    "insecure",
    "model",
    "no-reuse",
    "secret-header",
    "target",
    "timeout",
];

/// Sends failed requests again, and prints what came of them.
pub(super) fn resend(arguments: &ResendArguments, definition: Command, command: &[String]) -> Result<ExitCode, Error> {
    let folder = folder_in(&arguments.result);
    if !folder.join(FAILURES).exists() && files_of(&folder).0.exists() {
        let why = "holds no failures.jsonl: no request failed, or --records off kept none";
        return Err(Error::input(&folder, format!("{why}; give a result with failed requests")));
    }
    let failed = failed_requests(&folder)?;
    let job = job_of(&folder, definition, &arguments.options)?;
    let chosen = chosen(&failed, arguments)?;
    let resent = local_runtime()?.block_on(sent(&job, &folder, &chosen, failed.len() as u64))?;
    if arguments.json {
        let page = json!({"schema": SCHEMA, "tool": tool(), "command": command, "resent": resent});
        print(&json_text(&page, "the requests")?)?;
    } else {
        print(&render_resent(&resent, ink()))?;
    }
    if signals::any() {
        return Ok(Exit::Interrupted.into());
    }
    Ok(match (resent.answered(), resent.requests.len() as u64) {
        (answered, sent) if answered == sent && sent > 0 => Exit::Done,
        (0, _) => Exit::TargetLost,
        _ => Exit::Failed,
    }
    .into())
}

/// The folder of the result that `path` names.
fn folder_in(path: &Path) -> PathBuf {
    if path.is_file() { path.parent().unwrap_or(Path::new("")).to_owned() } else { path.to_owned() }
}

/// The job of the result in `folder`, with `options` changed.
fn job_of(folder: &Path, definition: Command, options: &[OsString]) -> Result<Job, Error> {
    let report = read(&files_of(folder).0)?;
    if report.sweep.is_some() || report.search.is_some() {
        let why = "is of many loads, and the requests of one of them are not made again; its failures.jsonl holds \
            their prompts";
        return Err(Error::input(folder, format!("{why}: give the result of a run or of a replay")));
    }
    let replays = report.config.replays();
    let verb = if replays { "replay" } else { "run" };
    let stored = folder.join("config.yaml");
    let mut line: Vec<OsString> = vec!["tonnage".into(), verb.into(), "--config".into(), stored.into()];
    line.extend(options.iter().cloned());
    let (matches, mut parsed) = parse(&line, definition).map_err(|stop| match stop {
        Stop::Error(error) => error,
        Stop::Clap(error) => refused(&error.to_string()),
    })?;
    refuse_changed(&parsed.typed)?;
    let matches = matches.subcommand_matches(verb);
    let unreadable = |error: clap::Error| refused(&error.to_string());
    let Some(matches) = matches else { return Err(refused("it is no load")) };
    let mut job = if replays {
        job_of_replay(ReplayArguments::from_arg_matches(matches).map_err(unreadable)?, &mut parsed)
    } else {
        Job::of_run(RunArguments::from_arg_matches(matches).map_err(unreadable)?.load, &mut parsed)
    }?;
    job.preflight = false;
    Ok(job)
}

fn refused(words: &str) -> Error {
    let words = words.trim_start_matches("error: ").lines().next().unwrap_or_default();
    Error::usage("OPTIONS", words.to_owned(), "accepted after -- are options of the run, as in -- --target URL")
}

/// Refuses options that would change the requests.
fn refuse_changed(typed: &BTreeSet<String>) -> Result<(), Error> {
    let changes = |key: &&String| *key != "config" && !CHANGEABLE.contains(&key.as_str());
    match typed.iter().find(changes) {
        Some(key) => Err(Error::usage(
            format!("--{key}"),
            "would change the requests that failed",
            "accepted after -- is where they go: --target, --model, keys, headers, --extra-body, --timeout",
        )),
        None => Ok(()),
    }
}

/// The requests to send: those that `--id` names, or the first ones.
fn chosen<'failed, 'text>(
    failed: &'failed [FailedRequest<'text>],
    arguments: &ResendArguments,
) -> Result<Vec<&'failed FailedRequest<'text>>, Error> {
    if arguments.id.is_empty() {
        return Ok(failed.iter().filter(|request| request.left_out.is_none()).take(arguments.most).collect());
    }
    let named = |id: &u64| {
        failed.iter().find(|request| request.id == *id).ok_or_else(|| {
            let why = format!("request {id} is not among the failed requests of this result");
            Error::usage("--id", why, "accepted are the ids in its failures.jsonl")
        })
    };
    arguments.id.iter().map(named).collect()
}

/// Sends the `chosen` requests of `job`, one after another. A signal ends the sending.
async fn sent(job: &Job, folder: &Path, chosen: &[&FailedRequest<'_>], failed_then: u64) -> Result<Resent, Error> {
    let mut resent = Resent {
        result: folder.display().to_string(),
        requests: Vec::new(),
        failed_then,
        without_conversation: Vec::new(),
    };
    let mut signals = Signals::listen()?;
    let service = tokio::select! {
        found = Service::find(job.wanted()) => found?,
        () = signals.next() => return Ok(resent),
    };
    let resending = Resending::new(&service, &job.chat, job.timeout, job.connect_timeout)?;
    for request in chosen {
        let (spec, is_whole) = job.plan.spec_without_answers(request.id);
        if !is_whole {
            resent.without_conversation.push(request.id);
            continue;
        }
        if spec.prompt() != request.prompt {
            let why = format!(
                "the prompt of request {} is made otherwise now than in failures.jsonl: its data set, its trace or its \
                 tokenizer has changed since, or another version of tonnage wrote it",
                request.id
            );
            return Err(Error::input(folder, format!("{why}; put back what it was made of")));
        }
        let (target, model, exchange) = tokio::select! {
            sent = resending.send(&spec) => sent,
            () = signals.next() => {
                say("interrupted: no more requests are sent");
                break;
            }
        };
        resent.requests.push(resent_request(request, target, model, &exchange));
    }
    Ok(resent)
}

/// What came of `request`, sent again.
fn resent_request(request: &FailedRequest<'_>, target: String, model: String, exchange: &Exchange) -> ResentRequest {
    let then = request.error.as_deref().unwrap_or(&request.outcome).replace('_', " ");
    let since_written = |at: Option<Offset>| at.zip(exchange.written).map(|(at, written)| at.secs_since(written));
    ResentRequest {
        id: request.id,
        target,
        model,
        then,
        failed_now: FailureGroup::of(exchange).map(|failure| failure.words),
        status: exchange.status,
        ttft_s: since_written(exchange.first_token),
        e2e_s: since_written(exchange.ended),
        input_tokens: exchange.server_input_tokens(),
        output_tokens: exchange.server_output_tokens(),
    }
}
