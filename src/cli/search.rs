//! Owns verb `search`: the highest load that meets the objectives, each load filed as it ends, and what they come to.

use std::cell::RefCell;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::cli::arguments::SearchArguments;
use crate::cli::config::Parsed;
use crate::cli::deliver::deliver;
use crate::cli::job::Job;
use crate::cli::load::{salt_of, workload_of};
use crate::cli::many::{begun_in, finished, folder_of, hear, refuse_another_target};
use crate::cli::player::{Player, Prints};
use crate::cli::replay::{NOT_OF_A_REPLAY, notes_of, plan_of};
use crate::cli::run::{announce, ending, make_room, on_target, session_of, skeleton};
use crate::cli::search_account::{Shown, account, bracket_of, foretell};
use crate::cli::search_options::SearchOptions;
use crate::cli::signals::Signals;
use crate::cli::target::Found;
use crate::clock::RunClock;
use crate::error::Error;
use crate::report::{bounds_of, worded};
use crate::results::{Folder, Replace, Report};
use crate::schedule::{Extent, Process, TimeScale};
use crate::search::hunt::{Aim, Event, Journal, Load as Played, Outcome, SearchFindings, Wanted, hunt};
use crate::search::{Blueprint, Over, Pass};
use crate::seed::Seed;
use crate::units::Rate;
use crate::workload::{Closed, Lengths, Load, Plan, Salt, joint_fingerprint};

/// Options of a run that a search answers itself, and what to do instead.
pub(super) const NOT_OF_A_SEARCH: &[(&str, &str)] = &[
    (
        "rate",
        "drop it; --min-rate and --max-rate bound the rate that is searched for, and `tonnage run --rate` plays one",
    ),
    ("profile", "drop it; each probe has one rate, and `tonnage run --profile` plays one that varies"),
    ("overlay", "drop it; each probe has one rate, and `tonnage run --overlay` plays one that varies"),
    ("duration", "drop it; the search chooses how long each probe is, and --budget bounds them all"),
    ("requests", "drop it; the search chooses how long each probe is, and --budget 50000 bounds them all"),
    ("warmup", "drop it; the search discards what comes before the service is steady"),
    ("cooldown", "drop it; the search goes on sending while what it measures is followed"),
    ("quota", "drop it; --max-rate bounds what is sent"),
    ("max-in-flight", "drop it; an overload ends its probe by itself, and what would be shed would look like one"),
    ("shard", "drop it; the probes of a search follow from one another, so one machine plays them all"),
    ("start-at", "drop it; a search begins at once"),
    ("load", "drop it; --over concurrency searches closed loops, and `tonnage run --load` plays one"),
    ("time-scale", "drop it; --over time-scale searches for it, and `tonnage replay --time-scale` plays one"),
    (
        "think",
        "drop it; every turn stands at its recorded instant, as what waits for answers gives way to a slow service",
    ),
    ("plan-only", "drop it; `tonnage replay --plan-only` shows what a pass would send"),
];

/// Options that speak of a trace.
const OF_A_TRACE: &[&str] = &[
    "format",
    "columns",
    "time-unit",
    "segment",
    "rate-scale",
    "window",
    "on-empty",
    "max-input",
    "gap-cap",
    "spread",
    "sample",
    "loop",
    "session-rate",
];

/// The most in flight where nobody says.
const MAX_CONCURRENCY: u32 = 2 * Closed::THROUGHPUT;

/// Options that may be given with `--resume`: they change nothing of what was measured.
const OF_A_RESUMPTION: &[&str] = &[
    "resume",
    "budget",
    "certificate",
    "no-certificate",
    "json",
    "quiet",
    "api-key",
    "api-key-file",
    "header",
    "secret-header",
];

/// Searches, or goes on with a search.
pub(super) fn search(arguments: SearchArguments, mut parsed: Parsed) -> Result<ExitCode, Error> {
    let begun = arguments.search.resume.as_deref().map(|folder| begun(folder, &parsed)).transpose()?;
    parsed.refuse(NOT_OF_A_SEARCH, "has no meaning in a search, which chooses its loads itself")?;
    let folder = arguments.search.resume.clone();
    let more = arguments.search.resume.is_some() && parsed.typed.contains("budget");
    let (mut job, aim, blueprint) = prepared(arguments, &mut parsed)?;
    if let Some(report) = begun.as_ref().filter(|report| is_finished(report, more, aim.certificate() == Wanted::Always))
    {
        return finished(&job, report);
    }
    if folder.is_some() {
        (job.out, job.replace) = (folder, Replace::Resumed);
    }
    let command = parsed.command;
    on_target(job, async |job, found, claimed, signals| {
        play(job, &aim, &blueprint, begun, found, claimed, signals, command).await
    })
}

/// The result of the search that is to go on.
fn begun(folder: &Path, parsed: &Parsed) -> Result<Report, Error> {
    let (path, report) = begun_in(folder, parsed, OF_A_RESUMPTION)?;
    if report.search.is_none() {
        return Err(Error::input(path, "is not the result of a search; give the folder of one to --resume"));
    }
    Ok(report)
}

/// Whether there is nothing to go on with; `more` is to be spent, and whether a certificate is wanted.
fn is_finished(report: &Report, more: bool, certificate: bool) -> bool {
    let Some(findings) = &report.search else { return false };
    let certified = !certificate || findings.certificate.is_some() || !findings.doubts.is_empty();
    match findings.finished {
        None | Some(Outcome::TargetLost | Outcome::GeneratorUnfit) => false,
        Some(Outcome::BudgetSpent) => !more && certified,
        Some(
            Outcome::Found | Outcome::MaxRateReached | Outcome::MaxConcurrencyReached | Outcome::MaxTimeScaleReached,
        ) => certified,
        Some(Outcome::Infeasible) => true,
    }
}

/// The options as a job, what is searched for, and what all loads have in common.
fn prepared(arguments: SearchArguments, parsed: &mut Parsed) -> Result<(Job, Aim, Blueprint), Error> {
    let SearchArguments { file, search: options, replay, load, config: _ } = arguments;
    refuse_other_axes(options.over, file.is_some(), parsed)?;
    let salt = salt_of(&load.wire.salt)?;
    let process = load.schedule.process.unwrap_or(Process::Poisson);
    if options.over == Over::Rate {
        parsed.spec.process.get_or_insert_with(|| process.into());
    }
    let trace = match &file {
        Some(file) => Some(plan_of(file, &replay, &load.schedule, salt.clone())?),
        None => None,
    };
    let recorded = trace
        .as_ref()
        .and_then(|plan| if let Load::Open(timeline) = plan.load() { timeline.instants().cloned() } else { None });
    let mut blueprint = Blueprint {
        workload: trace
            .as_ref()
            .map_or_else(|| workload_of(&load.workload, salt.clone()), |plan| Ok(plan.workload().clone()))?,
        process,
        recorded,
        quota: None,
        seed: Seed::new(load.schedule.seed),
        window: Duration::ZERO,
        cooldown: Duration::ZERO,
        objectives: Arc::default(),
        streamed: !load.target.no_stream,
    };
    // What the job is checked by: the load that needs the most of this machine.
    let most = match options.over {
        Over::Rate | Over::TimeScale => Closed::THROUGHPUT,
        Over::Concurrency => options.max_concurrency.unwrap_or(MAX_CONCURRENCY),
    };
    let heaviest = Closed {
        concurrency: most,
        ..Closed::throughput(Extent::Duration(Duration::from_secs(1)), Duration::ZERO, Duration::ZERO)
    };
    let plan = Plan::new(Load::Closed(heaviest), blueprint.workload.clone(), blueprint.seed, None);
    let mut job = Job::new("search", load, plan, &salt, parsed)?;
    job.spec.duration = None;
    blueprint.objectives = Arc::clone(&job.objectives);
    blueprint.workload = job.counted(blueprint.workload);
    if let Some((plan, recording)) = trace.as_ref().and_then(|plan| Some((plan, plan.recording()?))) {
        job.notes.splice(..0, notes_of(recording.provenance(), plan));
        if recording.has_blocks() && salt == Salt::Off {
            job.notes.push(
                "--salt off: each pass sends the same prefix blocks, which the service may still hold from the one \
                 before"
                    .to_owned(),
            );
        }
    }
    let aim = aim_of(&options, &job, process, blueprint.recorded.as_ref().map(Pass::of))?;
    Ok((job, aim, blueprint))
}

fn aim_of(options: &SearchOptions, job: &Job, process: Process, pass: Option<Pass>) -> Result<Aim, Error> {
    let precision = options.precision.share();
    let aim = Aim::new(&job.objectives, precision).map_err(|refusal| refusal.at("--slo"))?;
    let question = aim.question.clone().within(options.budget.unwrap_or_default());
    let (question, bounds) = match (options.over, pass) {
        (Over::TimeScale, Some(pass)) => (
            question.replaying(pass),
            [options.min_time_scale, options.max_time_scale].map(|scale| scale.map(TimeScale::factor)),
        ),
        (Over::Rate | Over::TimeScale, _) => (
            question.arriving(process.cv() * process.cv()),
            [options.min_rate, options.max_rate].map(|rate| rate.map(Rate::per_s)),
        ),
        (Over::Concurrency, _) => {
            let bounds = [options.min_concurrency, options.max_concurrency.or(Some(MAX_CONCURRENCY))];
            (question.in_flight(), bounds.map(|number| number.map(f64::from)))
        }
    };
    let question = question.between(bounds[0], bounds[1]).map_err(|refusal| refusal.at(bounds_of(options.over)[0]))?;
    let wanted = match (options.certificate, options.no_certificate, options.over) {
        (true, ..) => Wanted::Always,
        (_, true, _) | (_, _, Over::TimeScale) => Wanted::Never,
        _ => Wanted::WithinBudget,
    };
    Ok(aim.asking(question).certified(wanted))
}

/// Refuses what speaks of something else than what is varied.
fn refuse_other_axes(over: Over, has_file: bool, parsed: &mut Parsed) -> Result<(), Error> {
    let others = Over::NAMES.into_iter().filter(|(other, _)| *other != over);
    for (flag, name) in others.flat_map(|(other, name)| bounds_of(other).map(|flag| (flag, name))) {
        if parsed.given.contains(flag.trim_start_matches('-')) {
            let why = format!("bounds a search over the {name}, and this one is over the {over}");
            return Err(Error::usage(
                flag,
                why,
                format!("drop it, or give --over {name}; {} bound this one", bounds_of(over).join(" and ")),
            ));
        }
    }
    if over == Over::TimeScale {
        if !has_file {
            return Err(Error::usage(
                "FILE",
                "no trace is given",
                "name one, as in `tonnage search --over time-scale trace.csv`",
            ));
        }
        let whole = "drop it; every probe is one already, and `tonnage replay FILE --time-scale K --slo …` plays \
            another at the lower bound";
        parsed.refuse(&[("certificate", whole)], "is a run of its own, and one pass of a trace is as long as it is")?;
        let says_itself = ["process", "input-tokens", "output-tokens"];
        let says_itself: Vec<_> =
            NOT_OF_A_REPLAY.iter().filter(|(key, _)| says_itself.contains(key)).copied().collect();
        return parsed.refuse(&says_itself, "has no meaning with --over time-scale: the trace says it itself");
    }
    if has_file {
        return Err(Error::usage(
            "FILE",
            format!("is a trace, and this search is over the {over}"),
            "drop it, or give --over time-scale",
        ));
    }
    let of_a_trace: Vec<_> =
        OF_A_TRACE.iter().map(|key| (*key, "drop it, or give --over time-scale and the trace")).collect();
    parsed.refuse(&of_a_trace, "speaks of a trace, and none is searched over")?;
    if over == Over::Concurrency {
        parsed.refuse(
            &[("process", "drop one of them")],
            "has no meaning with --over concurrency: closed loops send when answers come",
        )?;
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "everything that a search is played with, once")]
async fn play(
    mut job: Job,
    aim: &Aim,
    blueprint: &Blueprint,
    begun: Option<Report>,
    found: Found,
    claimed: Option<Folder>,
    signals: Signals,
    command: Vec<String>,
) -> Result<ExitCode, Error> {
    make_room(&mut job, &found, if aim.question.over() == Over::Concurrency { "--max-concurrency" } else { "search" })?;
    let started = RunClock::starting_in(Duration::ZERO).wall();
    let folder = folder_of(&job, &found, claimed, started, begun.is_some())?;
    foretell(&mut job, aim, begun.as_ref().and_then(|report| report.search.as_ref()));
    announce(&mut job, &found);
    let report = if let Some(mut report) = begun {
        refuse_another_target(&job, &found, &report)?;
        refuse_another_trace(blueprint, &report)?;
        report.notes.push(format!(
            "interrupted after {} loads and resumed: connections, and whatever the service remembered, are new from \
             there on",
            report.trials.len()
        ));
        report.config.clone_from(&job.spec);
        report
    } else {
        let findings = SearchFindings::of(aim, &Journal::default(), blueprint.process.to_string(), Vec::new(), None);
        Report { search: Some(findings), ..skeleton(&job, &found, started, command) }
    };
    let mut report = live(&job, aim, blueprint, &found, &folder, report, signals).await?;
    deliver(&job, &mut report, &folder, ending)
}

/// Refuses to go on with other rows than `report` began with.
fn refuse_another_trace(blueprint: &Blueprint, report: &Report) -> Result<(), Error> {
    let Lengths::Recorded(recording) = &blueprint.workload.lengths else { return Ok(()) };
    let (now, begun) = (recording.provenance(), report.trials.iter().find_map(|trial| trial.load.trace.as_ref()));
    match begun.filter(|begun| (begun.rows, begun.scheduled) != (now.rows, now.scheduled)) {
        None => Ok(()),
        Some(begun) => {
            let why = format!(
                "has {} rows, and the search began with {}; begin a new one without --resume",
                now.rows, begun.rows
            );
            Err(Error::input(&now.file, why))
        }
    }
}

async fn live(
    job: &Job,
    aim: &Aim,
    blueprint: &Blueprint,
    found: &Found,
    folder: &Folder,
    mut report: Report,
    signals: Signals,
) -> Result<Report, Error> {
    let session = session_of(job, found)?;
    let lines = folder.losses().lines();
    let halted = Arc::new(AtomicBool::new(false));
    let heard = tokio::task::spawn_local(hear(signals, session.interrupter(), Arc::clone(&halted), lines.clone()));
    let hidden = job.quiet || job.json;
    let (mut journal, mut loads) =
        report.search.as_ref().map(|findings| (findings.journal(), findings.loads.clone())).unwrap_or_default();
    let status: Rc<RefCell<String>> = Rc::default();
    let shown = Rc::clone(&status);
    let left_shown = Shown::default();
    let prints = Prints::default();
    let mut player = Player {
        session,
        folder,
        records: job.records,
        hidden,
        lines: lines.clone(),
        place: journal.begun,
        heading: Box::new(move |_, label| format!("{label} · {}", shown.borrow())),
        prints: Rc::clone(&prints),
        halted: Arc::clone(&halted),
        drawn: None,
    };
    let yaml = job.spec.to_yaml()?;
    let process = blueprint.process.to_string();
    let told = |journal: &Journal, event: Event| {
        let mut ended = None;
        if let Event::Ends { place, purpose, kept, trial, .. } = event {
            let plan_fingerprint = prints.borrow().get(&place).cloned().unwrap_or_default();
            loads.push(Played { point: place + 1, purpose, kept, plan_fingerprint });
            let view = job.spec.with_trust(*trial);
            ended = Some((purpose, kept, view.clone()));
            report.trials.push(view);
        }
        let findings = SearchFindings::of(aim, journal, process.clone(), loads.clone(), None);
        if let Some((purpose, kept, view)) = ended {
            *status.borrow_mut() = bracket_of(&findings, aim, &left_shown);
            if !hidden {
                lines.push(account(&findings, aim, &left_shown, (purpose, kept), &view));
            }
        }
        report.search = Some(findings);
        worded(&mut report);
        // Written before anything else is sent: what is final is never sent again.
        folder.keep_result(&report, &yaml);
        Ok(())
    };
    let goes_on = || !halted.load(Ordering::Relaxed);
    let conclusion = hunt(&mut player, aim, blueprint, &mut journal, told, goes_on).await;
    heard.abort();
    player.clear().await;
    let conclusion = conclusion?;
    let findings = SearchFindings::of(aim, &journal, process, loads, Some(&conclusion));
    if findings.finished.is_some() {
        report.plan_fingerprint = joint_fingerprint(findings.loads.iter().map(|load| load.plan_fingerprint.as_str()));
    }
    report.search = Some(findings);
    Ok(report)
}
