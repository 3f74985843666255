//! Owns verb `search`: finds the highest load that meets the objectives; each load is filed as it ends.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::cli::config::Parsed;
use crate::cli::dataset::{salt_beside_data, workload_of};
use crate::cli::deliver::deliver;
use crate::cli::display::Display;
use crate::cli::endpoint::is_streamed;
use crate::cli::job::Job;
use crate::cli::live::{
    announce, ending, folder_of, on_target, preflight_again, room_for, scraper_of, session_of, skeleton,
};
use crate::cli::load::salt_of;
use crate::cli::many::{begun_in, finished, hear, refuse_another_target, refuse_other_data};
use crate::cli::mix::refuse_beside_streams;
use crate::cli::options::{ConfigOption, LoadArguments, ReplayOptions, TEMPLATE};
use crate::cli::player::{Player, Prints, Servers, put_server};
use crate::cli::recorded::{notes_of_trace, plan_of_trace};
use crate::cli::search_account::{Shown, account, bracket_of, foretell};
use crate::cli::search_options::SearchOptions;
use crate::cli::sessions::{refuse_closed_loops_of_sessions, refuse_loads_of_sessions};
use crate::cli::signals::Signals;
use crate::cli::table::{PREFIX_KEYS, Playing, of_a_trace, refused_by};
use crate::cli::view::of_search;
use crate::clock::RunClock;
use crate::engine::Halt;
use crate::error::Error;
use crate::report::{bounds_of, worded};
use crate::results::{Folder, Replace, Report};
use crate::schedule::{Extent, Process, TimeScale};
use crate::search::maximum::{Aim, Journal, Load as Played, Outcome, Purpose, SearchCampaign, SearchFindings, Wanted};
use crate::search::{Axis, Blueprint, Event, Pass, drive};
use crate::seed::Seed;
use crate::service::Service;
use crate::units::Rate;
use crate::workload::{Closed, Load, Plan, Salt, SourceSpec, Workload, joint_fingerprint};

/// The highest rate that meets the objectives; or the most users, or the highest speed of a recorded trace
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage search --target http://127.0.0.1:8000 --slo 'p99 ttft<=200ms' --slo 'p99 tpot<=50ms'
  tonnage search --slo 'p99 ttft<=500ms' --precision 20% --budget 10m
  tonnage search --slo 'error_rate<=1%, p95 e2e<=10s' --process gamma:2 --max-rate 100/s
  tonnage search --turns 2..8 --think-time exp:5s --slo 'p99 ttft<=2s'   the rate of new sessions
  tonnage search --over concurrency --slo 'p99 ttft<=2s'   users in closed loops, instead of a rate
  tonnage search --over time-scale tuesday.csv --window 9h..10h --slo 'p99 ttft<=2s'
  tonnage search --resume results/m/20260102T030405Z-search   continue after a crash
",
    after_help = "Exit code:
  0    answered: found, or the highest rate allowed (--max-rate) meets the objectives
  1    infeasible: the unloaded service, or the lowest rate of interest (--min-rate), misses an objective
  2    wrong usage or input, or the result could not be written
  3    the service stopped answering, or cannot be used; --resume continues
  4    inconclusive: the budget is spent, or the checks disagree
  130  interrupted; the results so far are written, --resume continues",
    help_template = TEMPLATE
)]
pub(super) struct SearchArguments {
    /// With --over time-scale: the trace, in any format of --format
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) search: SearchOptions,
    #[command(flatten)]
    pub(super) replay: ReplayOptions,
    #[command(flatten)]
    pub(super) load: LoadArguments,
    #[command(flatten)]
    pub(super) config: ConfigOption,
}

/// The most requests in flight if `--max-concurrency` is not given.
const MAX_CONCURRENCY: u32 = 2 * Closed::THROUGHPUT;

/// Runs a search, or resumes one.
pub(super) fn search(arguments: SearchArguments, mut parsed: Parsed) -> Result<ExitCode, Error> {
    let begun = arguments.search.resume.as_deref().map(|folder| begun(folder, &parsed)).transpose()?;
    parsed.refuse(&refused_by(Playing::Search), "has no meaning in a search, which chooses its loads itself")?;
    let folder = arguments.search.resume.clone();
    let more = arguments.search.resume.is_some() && parsed.typed.contains("budget");
    let (mut job, aim, blueprint) = prepared(arguments, &mut parsed)?;
    if let Some(report) = begun.as_ref().filter(|report| is_finished(report, more, aim.certificate() == Wanted::Always))
    {
        return finished(&job, report);
    }
    if let Some(report) = &begun {
        refuse_other_data(&job, report)?;
    }
    if folder.is_some() {
        (job.out, job.replace) = (folder, Replace::Resumed);
    }
    let command = parsed.command;
    on_target(job, async |job, found, claimed, signals| {
        Box::pin(play(job, &aim, &blueprint, begun, found, claimed, signals, command)).await
    })
}

/// The result of the search to resume.
fn begun(folder: &Path, parsed: &Parsed) -> Result<Report, Error> {
    let (path, report) = begun_in(folder, parsed)?;
    if report.search.is_none() {
        return Err(Error::input(path, "is not the result of a search; give the folder of one to --resume"));
    }
    Ok(report)
}

/// Whether nothing is left to run. `more`: there is more budget to spend. `certificate`: a certificate is wanted.
fn is_finished(report: &Report, more: bool, certificate: bool) -> bool {
    let Some(findings) = &report.search else { return false };
    let certified = !certificate || findings.certificate.is_some() || !findings.doubts.is_empty();
    match findings.finished {
        None | Some(Outcome::TargetLost | Outcome::GeneratorUnfit) => false,
        Some(Outcome::BudgetSpent) => !more && certified,
        Some(Outcome::Found | Outcome::MostReached(_)) => certified,
        Some(Outcome::Infeasible | Outcome::Unsettled) => true,
    }
}

/// The options as a job, the aim of the search, and what all loads have in common.
fn prepared(arguments: SearchArguments, parsed: &mut Parsed) -> Result<(Job, Aim, Blueprint), Error> {
    let SearchArguments { file, search: options, replay, load, config: _ } = arguments;
    refuse_other_axes(options.over, file.is_some(), parsed)?;
    refuse_loads_of_sessions(&load.workload, &load.schedule, None)?;
    if options.over != Axis::Rate {
        refuse_closed_loops_of_sessions(&load.workload, &format!("--over {}", options.over))?;
    }
    let beside = salt_beside_data(&load.workload, &load.wire, parsed);
    let salt = beside.map_or_else(|| salt_of(&load.wire.salt), Ok)?;
    let streamed = Some(is_streamed(&load.target));
    let process = load.schedule.process.unwrap_or(Process::Poisson);
    if options.over == Axis::Rate {
        parsed.spec.process.get_or_insert_with(|| process.into());
    }
    if let (Some(_), Some(data)) = (&file, &load.workload.dataset) {
        let why = format!("cannot be combined with a trace ({}), which brings the requests", data.display());
        return Err(Error::usage("--dataset", why, "drop one of them"));
    }
    if let (Some(_), Some(_)) = (&file, &load.workload.mix) {
        let why = "cannot be combined with a trace, which brings the requests";
        return Err(Error::usage("--mix", why, "drop one of them"));
    }
    let trace = match &file {
        Some(file) => Some(plan_of_trace(file, &replay, &load.schedule, salt.clone(), streamed)?),
        None => None,
    };
    let recorded = trace
        .as_ref()
        .and_then(|plan| if let Load::Open(timeline) = plan.load() { timeline.instants().cloned() } else { None });
    let mut blueprint = Blueprint {
        workload: trace.as_ref().map_or_else(
            || workload_of(&load.workload, salt.clone(), streamed, load.schedule.seed),
            |plan| Ok(plan.workload().clone()),
        )?,
        process,
        recorded,
        quota: None,
        seed: Seed::new(load.schedule.seed),
        window: Duration::ZERO,
        cooldown: Duration::ZERO,
        objectives: Arc::default(),
        streamed: true,
    };
    let closed = (options.over == Axis::Concurrency).then_some("--over concurrency");
    refuse_beside_streams(&blueprint.workload, &load.schedule, closed)?;
    // The job is checked with the load that needs the most resources of this machine.
    let most = match options.over {
        Axis::Rate | Axis::Sessions | Axis::TimeScale => Closed::THROUGHPUT,
        Axis::Concurrency => options.max_concurrency.unwrap_or(MAX_CONCURRENCY),
    };
    let heaviest = Closed {
        concurrency: most,
        ..Closed::throughput(Extent::Duration(Duration::from_secs(1)), Duration::ZERO, Duration::ZERO)
    };
    let plan = Plan::new(Load::Closed(heaviest), blueprint.workload.clone(), blueprint.seed, None);
    // A trace of bodies takes no salt.
    let salt = plan.workload().salt.clone();
    let mut job = Job::new("search", load, plan, &salt, parsed)?;
    job.spec.duration = None;
    blueprint.objectives = Arc::clone(&job.objectives);
    blueprint.streamed = job.chat.stream;
    blueprint.workload = job.of_endpoint(blueprint.workload);
    blueprint.workload = job.counted(blueprint.workload);
    if let Some((plan, recording)) = trace.as_ref().and_then(|plan| Some((plan, plan.recording()?))) {
        job.notes.splice(..0, notes_of_trace(recording.provenance(), plan));
        if recording.has_blocks() && salt == Salt::Off {
            job.notes.push(
                "--salt off: each pass sends the same prefix blocks, which the service may still have cached from \
                 the previous pass"
                    .to_owned(),
            );
        }
    }
    let aim = aim_of(&options, &job, process, blueprint.recorded.as_ref().map(Pass::of))?;
    Ok((job, aim, blueprint))
}

/// The time that a search may use, in seconds; `None` if it has no such budget. Checks its options, and sends nothing.
pub(super) fn budget_of(arguments: SearchArguments, parsed: &mut Parsed) -> Result<Option<f64>, Error> {
    let budget = arguments.search.budget.unwrap_or_default();
    prepared(arguments, parsed)?;
    Ok(budget.seconds)
}

/// The squared coefficient of variation of the gaps: for several streams the mean of theirs, weighted by their rates,
/// which is the variance of a large number of arrivals ÷ that number.
fn cv2_of(process: Process, workload: &Workload) -> f64 {
    let square = |process: Process| process.cv() * process.cv();
    let streams = workload.source.mix().and_then(|mix| mix.streams(process));
    streams.map_or_else(|| square(process), |all| all.iter().map(|one| one.share * square(one.process)).sum())
}

fn aim_of(options: &SearchOptions, job: &Job, process: Process, pass: Option<Pass>) -> Result<Aim, Error> {
    let precision = options.precision.share();
    let aim = Aim::new(&job.objectives, precision).map_err(|refusal| refusal.at("--slo"))?;
    let question = aim.question.clone().within(options.budget.unwrap_or_default());
    let (question, bounds) = match (options.over, pass) {
        (Axis::TimeScale, Some(pass)) => (
            question.replaying(pass),
            [options.min_time_scale, options.max_time_scale].map(|scale| scale.map(TimeScale::factor)),
        ),
        (Axis::Rate | Axis::Sessions | Axis::TimeScale, _) => (
            match job.plan.session_law() {
                Some(sessions) => question.beginning(sessions),
                None => question,
            }
            .arriving(cv2_of(process, job.plan.workload())),
            [options.min_rate, options.max_rate].map(|rate| rate.map(Rate::per_s)),
        ),
        (Axis::Concurrency, _) => {
            let bounds = [options.min_concurrency, options.max_concurrency.or(Some(MAX_CONCURRENCY))];
            (question.in_flight(), bounds.map(|number| number.map(f64::from)))
        }
    };
    let question = question.between(bounds[0], bounds[1]).map_err(|refusal| refusal.at(bounds_of(options.over)[0]))?;
    let wanted = match (options.certificate, options.no_certificate, options.over) {
        (true, ..) => Wanted::Always,
        (_, true, _) | (_, _, Axis::TimeScale) => Wanted::Never,
        _ => Wanted::WithinBudget,
    };
    Ok(aim.asking(question).certified(wanted))
}

/// Refuses the options that belong to another axis than the one that is varied.
fn refuse_other_axes(over: Axis, has_file: bool, parsed: &mut Parsed) -> Result<(), Error> {
    let others = Axis::NAMES.into_iter().filter(|(other, _)| *other != over);
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
    if over == Axis::TimeScale {
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
        let of_prompts = |key: &str| says_itself.contains(&key) || PREFIX_KEYS.contains(&key);
        let says_itself: Vec<_> = refused_by(Playing::Replay).into_iter().filter(|(key, _)| of_prompts(key)).collect();
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
        of_a_trace().map(|key| (key, "drop it, or give --over time-scale and the trace")).collect();
    parsed.refuse(&of_a_trace, "speaks of a trace, and none is searched over")?;
    if over == Axis::Concurrency {
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
    found: Service,
    claimed: Option<Folder>,
    signals: Signals,
    command: Vec<String>,
) -> Result<ExitCode, Error> {
    room_for(&mut job, &found, if aim.question.over() == Axis::Concurrency { "--max-concurrency" } else { "search" })?;
    let started = RunClock::starting_in(Duration::ZERO).wall();
    let folder = folder_of(&job, &found, claimed, started, begun.is_some())?;
    foretell(&mut job, aim, begun.as_ref().and_then(|report| report.search.as_ref()));
    announce(&mut job, &found);
    let report = if let Some(mut report) = begun {
        refuse_another_target(&job, &found, &report)?;
        refuse_another_trace(blueprint, &report)?;
        preflight_again(&mut report, &found);
        report.notes.push(format!(
            "interrupted after {} loads and resumed: from there on connections are new, and the service may have lost \
             its caches",
            report.trials.len()
        ));
        report.config.clone_from(&job.spec);
        report
    } else {
        let findings = SearchFindings::of(aim, &Journal::default(), blueprint.process.to_string(), Vec::new(), None);
        Report { search: Some(findings), ..skeleton(&job, &found, started, command) }
    };
    let mut report = Box::pin(live(&job, aim, blueprint, &found, &folder, report, signals)).await?;
    deliver(&job, &mut report, &folder, ending)
}

/// Refuses to resume with a trace whose rows differ from those that `report` began with.
fn refuse_another_trace(blueprint: &Blueprint, report: &Report) -> Result<(), Error> {
    let SourceSpec::Recorded(recording) = &blueprint.workload.source else { return Ok(()) };
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
    found: &Service,
    folder: &Folder,
    mut report: Report,
    signals: Signals,
) -> Result<Report, Error> {
    let mut session = session_of(job, found)?;
    let lines = folder.losses().lines();
    let halt = Halt::default();
    session.halted_by(halt.clone());
    let heard = tokio::task::spawn_local(hear(signals, session.interrupter(), halt.clone(), lines.clone()));
    let hidden = job.quiet || job.json;
    let display = Display::of(job, &report.target);
    let (journal, mut loads) =
        report.search.as_ref().map(|findings| (findings.journal(), findings.loads.clone())).unwrap_or_default();
    let status: Rc<RefCell<String>> = Rc::default();
    let shown = Rc::clone(&status);
    let left_shown = Shown::default();
    let prints = Prints::default();
    let servers = Servers::default();
    let mut player = Player {
        session,
        folder,
        records: job.records,
        lines: lines.clone(),
        place: journal.begun,
        heading: Box::new(move |_, label| format!("{label} · {}", shown.borrow())),
        prints: Rc::clone(&prints),
        scraper: scraper_of(job, found).await?,
        servers: Rc::clone(&servers),
        display: display.clone(),
    };
    let yaml = job.spec.to_yaml()?;
    let process = blueprint.process.to_string();
    if let Some(findings) = report.search.as_ref().filter(|findings| !findings.probes.is_empty()) {
        display.learn(|| of_search(&report, findings, &job.objectives));
    }
    let mut search = SearchCampaign::after(aim.clone(), journal);
    let told = |search: &SearchCampaign, event: Event<Purpose>| {
        let mut ended = None;
        if let Event::Ends { place, purpose, kept, trial, .. } = event {
            let plan_fingerprint = prints.borrow().get(&place).cloned().unwrap_or_default();
            loads.push(Played { point: place + 1, purpose, kept, plan_fingerprint });
            let mut view = job.spec.completed(*trial);
            put_server(&servers, place, &mut view);
            ended = Some((purpose, kept, view.clone()));
            report.trials.push(view);
        }
        let findings = SearchFindings::of(aim, search.journal(), process.clone(), loads.clone(), None);
        if let Some((purpose, kept, view)) = ended {
            *status.borrow_mut() = bracket_of(&findings, aim, &left_shown);
            if !hidden {
                lines.push(account(&findings, aim, &left_shown, (purpose, kept), &view));
            }
        }
        display.learn(|| of_search(&report, &findings, &job.objectives));
        report.search = Some(findings);
        worded(&mut report);
        // Written before the next load is sent, so that a finished load is never sent again.
        folder.keep_result(&report, &yaml);
        Ok(())
    };
    let conclusion = drive(&mut player, &mut search, blueprint, told, || halt.is_asked()).await;
    heard.abort();
    display.close(&lines);
    let conclusion = conclusion?;
    let findings = SearchFindings::of(aim, search.journal(), process, loads, Some(&conclusion));
    if findings.finished.is_some() {
        report.plan_fingerprint = joint_fingerprint(findings.loads.iter().map(|load| load.plan_fingerprint.as_str()));
    }
    report.search = Some(findings);
    report.target.http2 = found.http2();
    Ok(report)
}
