//! Owns verb `sweep`: runs many loads on one session, and files each as it ends.

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
use crate::cli::load::{DEFAULT_DURATION, extent_of, planned_about, refuse_many, salt_of};
use crate::cli::many::{begun_in, finished, hear, refuse_another_target, refuse_other_data};
use crate::cli::mix::refuse_beside_streams;
use crate::cli::options::{ConfigOption, LoadArguments, TEMPLATE, within};
use crate::cli::player::{Player, Prints, Servers, put_server};
use crate::cli::sessions::{refuse_closed_loops_of_sessions, refuse_loads_of_sessions};
use crate::cli::signals::Signals;
use crate::cli::table::{Playing, refused_by};
use crate::cli::view::of_sweep;
use crate::clock::RunClock;
use crate::engine::Halt;
use crate::error::Error;
use crate::figures::{MetricView, TrialView};
use crate::metrics::{Ended, Metric};
use crate::report::{shown_figure, worded};
use crate::results::{Folder, Replace, Report};
use crate::schedule::{Extent, Process};
use crate::search::{
    Blueprint, Event, Finished, Level, Point, PointFindings, Stability, Sweep, SweepCampaign, SweepCourse,
    SweepFindings, drive, is_unanswered, parse_concurrencies, parse_rates, rates_as_given,
};
use crate::seed::Seed;
use crate::service::Service;
use crate::units::{Rate, per_second, seconds};
use crate::workload::{Closed, Load, joint_fingerprint};

/// Where a service saturates: synchronous, throughput, and rates between them
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage sweep --target http://127.0.0.1:8000 --duration 30s
  tonnage sweep --rates 1..10:0.5 --slo 'p99 ttft<=200ms'
  tonnage sweep --concurrency 1,50,100,200,300   closed loops
  tonnage sweep --turns 2..8 --think-time exp:5s   over the rate of new sessions
  tonnage sweep --resume results/m/20260102T030405Z-sweep   continue after a crash
",
    after_help = "Exit code:
  0    done
  2    wrong usage or input, or the result could not be written
  3    no request completed, or the target cannot be used
  130  interrupted; the results so far are written, --resume continues",
    help_template = TEMPLATE
)]
pub(super) struct SweepArguments {
    #[command(flatten)]
    pub(super) sweep: SweepOptions,
    #[command(flatten)]
    pub(super) load: LoadArguments,
    #[command(flatten)]
    pub(super) config: ConfigOption,
}

/// The help text of `--warmup` in a sweep.
pub(super) const WARMUP_OF_A_SWEEP: &str = "Load before each window, which is discarded [default: 0.3 of the window \
    (0.7 after an overload), at least twice the time in the system]";

/// Which loads a sweep runs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sweep")]
pub(super) struct SweepOptions {
    /// Number of rates between synchronous and throughput; the last ones lie around the knee
    #[arg(long, value_name = "N", default_value = "8", value_parser = within::<u32>(1..=1_000))]
    pub(super) points: u32,
    /// Run these rates instead, in ascending order, up to the first that saturates: 1,2,4.5 or 1..10:0.5
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub(super) rates: Option<String>,
    /// Highest rate to offer
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    pub(super) max_rate: Option<Rate>,
    /// Run closed loops with these numbers of requests in flight instead, in this order: 1,50,100
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub(super) concurrency: Option<String>,
    /// Continue the sweep in this result folder with the options that it was started with; finished loads are not
    /// repeated
    #[arg(long, value_name = "DIR")]
    pub(super) resume: Option<PathBuf>,
}

/// Runs a sweep, or resumes one.
pub(super) fn sweep(arguments: SweepArguments, mut parsed: Parsed) -> Result<ExitCode, Error> {
    let begun = arguments.sweep.resume.as_deref().map(|folder| begun(folder, &parsed)).transpose()?;
    parsed
        .refuse(&refused_by(Playing::Sweep), "has no meaning in a sweep, which plays many loads of one length each")?;
    let folder = arguments.sweep.resume.clone();
    let (mut job, sweep, blueprint) = prepared(arguments, &mut parsed)?;
    if let Some(report) = begun.as_ref().filter(|report| !report.is_unfinished()) {
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
        Box::pin(play(job, &sweep, &blueprint, begun, found, claimed, signals, command)).await
    })
}

/// The result of the sweep to resume, without loads that were cut off or not answered.
fn begun(folder: &Path, parsed: &Parsed) -> Result<Report, Error> {
    let (path, mut report) = begun_in(folder, parsed)?;
    let Some(findings) = report.sweep.as_mut() else {
        return Err(Error::input(path, "is not the result of a sweep; give the folder of one to --resume"));
    };
    let whole =
        report.trials.iter().take_while(|trial| trial.ended == Ended::Complete && !is_unanswered(trial)).count();
    report.trials.truncate(whole);
    findings.points.truncate(whole);
    Ok(report)
}

/// The options as a job, a sweep, and what all loads have in common.
fn prepared(arguments: SweepArguments, parsed: &mut Parsed) -> Result<(Job, Sweep, Blueprint), Error> {
    let SweepArguments { sweep: options, load, config: _ } = arguments;
    let course = course_of(&options, parsed)?;
    let beside = salt_beside_data(&load.workload, &load.wire, parsed);
    let salt = beside.map_or_else(|| salt_of(&load.wire.salt), Ok)?;
    let streamed = Some(is_streamed(&load.target));
    if matches!(course, SweepCourse::Concurrencies(_)) {
        let given = [("--process", load.schedule.process.is_some()), ("--quota", load.schedule.quota.is_some())];
        let given = given.into_iter().chain([("--max-in-flight", load.play.max_in_flight.is_some())]);
        if let Some((flag, _)) = given.into_iter().find(|(_, given)| *given) {
            return Err(Error::usage(
                flag,
                "has no meaning with --concurrency: closed loops send when answers come",
                "drop one of them",
            ));
        }
    } else {
        let process = load.schedule.process.unwrap_or(Process::Poisson);
        parsed.spec.process.get_or_insert_with(|| process.into());
    }
    refuse_loads_of_sessions(&load.workload, &load.schedule, None)?;
    if matches!(course, SweepCourse::Concurrencies(_)) {
        refuse_closed_loops_of_sessions(&load.workload, "--concurrency")?;
    }
    let window = match extent_of(&load.schedule)? {
        Some(Extent::Duration(window)) => window,
        Some(Extent::Requests(_)) | None => DEFAULT_DURATION,
    };
    // The default of --warmup does not count: unless it was given, the sweep chooses.
    let discard = parsed.given.contains("warmup").then_some(load.schedule.warmup);
    if discard.is_none() {
        parsed.spec.warmup = None;
    }
    let mut blueprint = Blueprint {
        workload: workload_of(&load.workload, salt.clone(), streamed, load.schedule.seed)?,
        process: load.schedule.process.unwrap_or(Process::Poisson),
        recorded: None,
        quota: load.schedule.quota,
        seed: Seed::new(load.schedule.seed),
        window,
        cooldown: load.schedule.cooldown,
        objectives: Arc::default(),
        streamed: true,
    };
    let closed = matches!(course, SweepCourse::Concurrencies(_)).then_some("--concurrency");
    refuse_beside_streams(&blueprint.workload, &load.schedule, closed)?;
    // The job is checked with the load that needs the most resources of this machine.
    let heaviest = match &course {
        SweepCourse::Between { .. } => Level::Concurrency(Closed::THROUGHPUT),
        SweepCourse::Concurrencies(stages) => Level::Concurrency(stages.iter().copied().max().unwrap_or(1)),
        SweepCourse::Rates(rates) => rates.last().map_or(Level::Concurrency(1), |rate| (*rate).into()),
    };
    let plan = blueprint
        .plan(0, &Point { level: heaviest, discard: Duration::ZERO })
        .map_err(|refusal| refusal.at("--concurrency"))?;
    if let Load::Open(timeline) = plan.load() {
        refuse_many(planned_about(timeline), "--duration")?;
    }
    let sweep = Sweep { course, window, discard, sessions: plan.session_law() };
    let mut job = Job::new("sweep", load, plan, &salt, parsed)?;
    job.spec.rate = None;
    blueprint.objectives = Arc::clone(&job.objectives);
    blueprint.streamed = job.chat.stream;
    blueprint.workload = job.of_endpoint(blueprint.workload);
    blueprint.workload = job.counted(blueprint.workload);
    Ok((job, sweep, blueprint))
}

/// About how long a sweep sends, in seconds. Checks its options, and sends nothing.
pub(super) fn about_s_of(arguments: SweepArguments, parsed: &mut Parsed) -> Result<f64, Error> {
    prepared(arguments, parsed).map(|(_, sweep, _)| sweep.about_s())
}

fn course_of(options: &SweepOptions, parsed: &mut Parsed) -> Result<SweepCourse, Error> {
    let between = |flag: &str, parsed: &mut Parsed| {
        let chosen = [("points", parsed.given.contains("points")), ("max-rate", options.max_rate.is_some())];
        parsed.spec.points = None;
        match chosen.into_iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(Error::usage(
                format!("--{key}"),
                format!("speaks of rates that the sweep chooses, and {flag} names them"),
                "drop one of them",
            )),
            None => Ok(()),
        }
    };
    match (&options.rates, &options.concurrency) {
        (Some(_), Some(_)) => Err(Error::usage(
            "--concurrency",
            "cannot be combined with --rates: closed loops have no rate",
            "drop one of them",
        )),
        (Some(rates), None) => {
            between("--rates", parsed)?;
            Ok(SweepCourse::Rates(parse_rates(rates).map_err(|refusal| refusal.at("--rates"))?))
        }
        (None, Some(stages)) => {
            between("--concurrency", parsed)?;
            Ok(SweepCourse::Concurrencies(parse_concurrencies(stages).map_err(|refusal| refusal.at("--concurrency"))?))
        }
        (None, None) => Ok(SweepCourse::Between { points: options.points, most: options.max_rate }),
    }
}

#[expect(clippy::too_many_arguments, reason = "everything that a sweep is played with, once")]
async fn play(
    mut job: Job,
    sweep: &Sweep,
    blueprint: &Blueprint,
    begun: Option<Report>,
    found: Service,
    claimed: Option<Folder>,
    signals: Signals,
    command: Vec<String>,
) -> Result<ExitCode, Error> {
    room_for(
        &mut job,
        &found,
        if matches!(sweep.course, SweepCourse::Concurrencies(_)) { "--concurrency" } else { "--points" },
    )?;
    let started = RunClock::starting_in(Duration::ZERO).wall();
    let folder = folder_of(&job, &found, claimed, started, begun.is_some())?;
    let resumed = begun.is_some();
    foretell(&mut job, sweep, begun.as_ref().map_or(0, |report| report.trials.len()));
    announce(&mut job, &found);
    let report = if let Some(report) = begun {
        let mut report = resumable(report, blueprint, &folder)?;
        preflight_again(&mut report, &found);
        report.notes.push(format!(
            "interrupted after load {} and resumed: from there on connections are new, and the service may have lost \
             its caches",
            report.trials.len()
        ));
        report
    } else {
        Report { sweep: Some(SweepFindings::default()), ..skeleton(&job, &found, started, command) }
    };
    if resumed {
        refuse_another_target(&job, &found, &report)?;
    }
    folder.write_result(&report, &job.spec.to_yaml()?)?;
    let mut report = Box::pin(live(&job, sweep, blueprint, &found, &folder, report, signals)).await?;
    deliver(&job, &mut report, &folder, ending)
}

/// Announces how long the sweep will take.
fn foretell(job: &mut Job, sweep: &Sweep, done: usize) {
    let most = sweep.most_points();
    let left = most.saturating_sub(done);
    let each_s = sweep.about_s() / most.max(1) as f64;
    let resumed = if done > 0 { format!(" ({done} are done)") } else { String::new() };
    job.notes.push(format!(
        "up to {left} {}{resumed} of {} each, window {}: about {}, plus the time of slow answers and draining",
        if left == 1 { "load" } else { "loads" },
        seconds(each_s),
        seconds(sweep.window.as_secs_f64()),
        seconds(left as f64 * each_s)
    ));
    let typed = job.spec.rates.as_ref().and_then(|rates| rates_as_given(rates.text()).ok());
    if let SweepCourse::Rates(rates) = &sweep.course
        && typed.is_some_and(|typed| typed != *rates)
    {
        job.notes.push("the rates are run in ascending order, each once".to_owned());
    }
    if job.max_in_flight.is_some() && matches!(sweep.course, SweepCourse::Between { .. }) {
        job.notes.push("--max-in-flight limits the open loads; the closed loads have 1 and 512 in flight".to_owned());
    }
}

/// The result to resume. Refused if its loads are not those that this sweep would have run.
fn resumable(report: Report, blueprint: &Blueprint, folder: &Folder) -> Result<Report, Error> {
    let saved = report.sweep.iter().flat_map(|findings| &findings.points);
    for (place, (trial, point)) in report.trials.iter().zip(saved).enumerate() {
        if plan_fingerprint(blueprint, place, trial).as_deref() != Some(point.plan_fingerprint.as_str()) {
            let why = format!(
                "load {} ({}) is not what this configuration and version would have sent; begin a new sweep without \
                 --resume",
                place + 1,
                point.label
            );
            return Err(Error::input(folder.file("result.json"), why));
        }
    }
    Ok(report)
}

/// The fingerprint of the plan of `trial`, load number `place`; `None` if it cannot be made.
fn plan_fingerprint(blueprint: &Blueprint, place: usize, trial: &TrialView) -> Option<String> {
    let discard = Duration::from_nanos(trial.window.start.as_nanos());
    let point = Point { level: Level::of(&trial.load)?, discard };
    blueprint.plan(place, &point).ok().map(|plan| plan.fingerprint())
}

async fn live(
    job: &Job,
    sweep: &Sweep,
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
    let trials = report.trials.clone();
    let saved = report.sweep.iter().flat_map(|findings| &findings.points).map(|point| point.plan_fingerprint.clone());
    let prints: Prints = Rc::new(RefCell::new(saved.enumerate().collect()));
    let first = |loads: usize| prints.borrow().values().take(loads).cloned().collect::<Vec<_>>();
    let servers = Servers::default();
    let mut player = Player {
        session,
        folder,
        records: job.records,
        lines: lines.clone(),
        place: trials.len(),
        heading: Box::new(|place, label| format!("{place}/{} {label} · ", sweep.most_points())),
        prints: Rc::clone(&prints),
        scraper: scraper_of(job, found).await?,
        servers: Rc::clone(&servers),
        display: display.clone(),
    };
    let yaml = job.spec.to_yaml()?;
    let are_loops = matches!(sweep.course, SweepCourse::Concurrencies(_));
    if let Some(findings) = report.sweep.as_ref().filter(|_| !report.trials.is_empty()) {
        display.learn(|| of_sweep(&report.trials, findings, are_loops));
    }
    let mut campaign = SweepCampaign::after(sweep.clone(), trials);
    let told = |_: &SweepCampaign, event: Event<Point>| {
        let Event::Ends { place, trial, .. } = event else { return Ok(()) };
        let mut view = job.spec.completed(*trial);
        put_server(&servers, place, &mut view);
        report.trials.push(view.clone());
        let findings = SweepFindings::of(&report.trials, &first(report.trials.len()), None);
        display.learn(|| of_sweep(&report.trials, &findings, are_loops));
        report.sweep = Some(findings);
        worded(&mut report);
        // Written before the next load is sent, so that a finished load is never sent again.
        folder.keep_result(&report, &yaml);
        if !hidden {
            lines.push(format!("{}/{} {}", place + 1, sweep.most_points(), account(&view)));
        }
        Ok(())
    };
    let driven = drive(&mut player, &mut campaign, blueprint, told, || halt.is_asked()).await;
    heard.abort();
    display.close(&lines);
    let finished = driven?;
    report.target.http2 = found.http2();
    let prints = first(report.trials.len());
    report.sweep = Some(SweepFindings::of(&report.trials, &prints, finished));
    if finished.is_some_and(|finished| finished != Finished::NoAnswer) {
        report.plan_fingerprint = joint_fingerprint(prints.iter().map(String::as_str));
    }
    Ok(report)
}

/// The line on one load.
fn account(trial: &TrialView) -> String {
    let p99 =
        |metric: Metric| shown_figure(trial.metrics.get(&metric).map(MetricView::headline).and_then(|stats| stats.p99));
    let point = PointFindings::of(trial, String::new());
    format!(
        "{}: {} done, p99 ttft {}, e2e {}{}",
        trial.label,
        trial.throughput.requests_per_s.map_or_else(|| "—".to_owned(), per_second),
        p99(Metric::Ttft),
        p99(Metric::E2e),
        point.stability.map(Stability::name).map_or_else(String::new, |state| format!(", {state}")),
    )
}
