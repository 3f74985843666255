//! Owns `size --check`: the course of the demand over time, and its run against simulated replicas.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::load::lengths_of;
use crate::cli::mix::{mix_in, refuse_unknown_classes};
use crate::cli::size_found::Found;
use crate::cli::size_options::SizeOptions;
use crate::error::Error;
use crate::metrics::Objectives;
use crate::results::{RunSpec, Setting};
use crate::schedule::{Extent, Pattern, Process, Profile, Recorded, TimeScale, Timeline};
use crate::seed::Seed;
use crate::sizing::{Balancing, Check, CheckView, Demand, Growth, Stretch, busiest};
use crate::trace::{Choice as Rows, OnEmpty, Reshape, Selection};
use crate::units::{Offset, Window};
use crate::workload::{LengthSpec, SourceSpec, Workload, replay};

/// The seed of every check.
const SEED: Seed = Seed::new(1);
/// Requests of a check for each replica.
const REQUESTS_EACH: u64 = 5_000;
/// The length that is used of a profile without an end.
const A_DAY: Duration = Duration::from_hours(24);
/// The most arrivals that are drawn from a profile to find its busiest stretch.
const MOST_DRAWN: f64 = 2e7;

/// The course of the demand over time.
pub(super) enum DemandCourse {
    /// One constant rate.
    Steady,
    /// A rate that follows this profile.
    Profile(Profile),
    /// The rows of the trace in this file.
    Trace(Box<Selection>, PathBuf),
}

/// A check that the options ask for.
pub(super) struct Asked {
    check: Check,
    course: DemandCourse,
    growth: Option<Growth>,
    /// Whether lengths are drawn even if the demand is a trace.
    drawn: bool,
}

/// The check that the options ask for, of the one replica in `found`; `None` without `--check`.
pub(super) fn check_of(
    options: &SizeOptions,
    found: &[Found],
    objectives: Objectives,
    course: DemandCourse,
) -> Result<Option<Asked>, Error> {
    let lengths = [("--check-input", &options.check_input), ("--check-output", &options.check_output)];
    let Some(profile) = options.check else {
        return match lengths.into_iter().find(|(_, given)| given.is_some()) {
            Some((flag, _)) => {
                Err(Error::usage(flag, "speaks of a check, and none is asked for", "drop it, or give --check PROFILE"))
            }
            None => Ok(None),
        };
    };
    let [one] = found else {
        let why = "simulates one kind of replica and one kind of request";
        return Err(Error::usage("--check", why, "size one RESULT, or one --replica-rate, with it"));
    };
    let objectives = if objectives.is_empty() {
        let slo: Vec<&str> = one.config.slo.iter().map(Setting::text).collect();
        Objectives::parse(&slo, None, None).map_err(|refusal| refusal.at("--slo"))?
    } else {
        objectives
    };
    if objectives.is_empty() {
        return Err(Error::usage(
            "--check",
            "has nothing to hold the simulated replicas to",
            "give --slo, as in --slo 'p99 ttft<=200ms'",
        ));
    }
    let drawn = lengths.iter().any(|(_, given)| given.is_some());
    let workload = workload_of(&one.config, lengths)?;
    refuse_unknown_classes(&objectives, &workload)?;
    // A fleet that splits requests at random never sends a replica smoother arrivals than Poisson.
    let measured =
        one.capacity.process.as_ref().and_then(|text| text.parse::<Process>().ok()).unwrap_or(Process::Poisson);
    let process =
        if measured.cv() < 1.0 && options.balancing == Balancing::Random { Process::Poisson } else { measured };
    let check = Check {
        profile,
        workload,
        process,
        objectives: Arc::new(objectives),
        seed: SEED,
        requests_each: REQUESTS_EACH,
    };
    Ok(Some(Asked { check, course, growth: options.growth, drawn }))
}

/// The requests of a check: those of the result, or with the lengths of the options `given`.
fn workload_of(config: &RunSpec, given: [(&str, &Option<String>); 2]) -> Result<Workload, Error> {
    let usual = [LengthSpec::DEFAULT_INPUT, LengthSpec::DEFAULT_OUTPUT].map(|lengths| lengths.to_string());
    let stored = [&config.input_tokens, &config.output_tokens];
    let stored = [0, 1].map(|place| stored[place].as_ref().map_or(usual[place].as_str(), Setting::text));
    let is_given = given.map(|(_, lengths)| lengths.is_some());
    if let Some(mix) = config.mix.as_ref().filter(|_| is_given == [false; 2]) {
        return Ok(Workload::of(SourceSpec::Mixed(mix_in(mix.text(), stored, SEED.number())?)));
    }
    if (config.dataset.is_some() || config.mix.is_some()) && is_given != [true; 2] {
        let why = "simulates one law of lengths, and the result has a data set or a mix";
        return Err(Error::usage("--check", why, "add --check-input and --check-output"));
    }
    let lengths = |place: usize| {
        let (flag, given) = given[place];
        lengths_of(flag, given.as_deref().unwrap_or(stored[place]))
    };
    Ok(Workload::new(lengths(0)?, lengths(1)?))
}

impl Asked {
    /// The results of `replicas` simulated replicas under `demand`. A trace or a profile is run as it comes: the whole
    /// of it, or the stretch around its peak with [`REQUESTS_EACH`] requests for each replica.
    pub(super) fn play(self, demand: &Demand, replicas: u64) -> Result<CheckView, Error> {
        let Self { mut check, course, growth, drawn } = self;
        let most = (REQUESTS_EACH * replicas.max(1)) as usize;
        let window_s = demand.window_s.unwrap_or(1.0);
        let played = match course {
            DemandCourse::Steady => check.play(demand.rate_per_s, replicas),
            DemandCourse::Profile(profile) => {
                let stretch = drawn_of(&profile, check.process, growth, window_s, most)?;
                check.play_stretch(&stretch, demand.rate_per_s, replicas)
            }
            DemandCourse::Trace(selection, file) => {
                let (stretch, workload) = recorded_of(*selection, &file, growth, window_s, most)?;
                if !drawn {
                    check.workload = workload;
                }
                check.play_stretch(&stretch, demand.rate_per_s, replicas)
            }
        };
        played.map_err(|refusal| refusal.at("--check"))
    }
}

/// The busiest stretch of arrivals that follow `profile`. With a growth, as many independent draws are added together;
/// the last one is thinned.
fn drawn_of(
    profile: &Profile,
    process: Process,
    growth: Option<Growth>,
    window_s: f64,
    most: usize,
) -> Result<Stretch, Error> {
    let extent = profile.length().is_none().then_some(Extent::Duration(A_DAY));
    let factor = growth.map_or(1.0, Growth::factor);
    let mut instants: Vec<Offset> = Vec::new();
    for copy in 0..libm::ceil(factor) as u64 {
        let pattern = Pattern { profile: profile.clone(), overlays: Vec::new() };
        let seed = SEED.derived(&format!("check/{copy}"));
        let timeline = Timeline::shaped(process, pattern, extent, Duration::ZERO, Duration::ZERO, seed)
            .map_err(|refusal| refusal.at("--profile"))?;
        let many = timeline.rate_per_s() * timeline.spans().total_s() * factor;
        if many > MOST_DRAWN {
            let why = format!("would draw {many:.0} arrivals of the profile");
            return Err(Error::usage("--check", why, "give a shorter --profile, of the busy hours only"));
        }
        let share = (factor - copy as f64).min(1.0);
        // Keeps an evenly spaced share of the arrivals, so that the shape stays.
        let kept = |index: u64| libm::floor((index + 1) as f64 * share) > libm::floor(index as f64 * share);
        instants.extend(timeline.arrivals().filter(|arrival| kept(arrival.index)).map(|arrival| arrival.at));
    }
    instants.sort_unstable();
    let taken = busiest(&instants, window_s, most);
    let whole = taken.len() == instants.len();
    let first = if whole { Offset::ZERO } else { instants.get(taken.start).copied().unwrap_or_default() };
    let moved = instants[taken].iter().map(|at| Offset::from_nanos(at.as_nanos() - first.as_nanos()));
    let nothing =
        || Error::usage("--check", "has no request to play: the profile draws none", "give a profile of more requests");
    let recorded = Recorded::new(moved, None, TimeScale::ONE).ok_or_else(nothing)?;
    Ok(Stretch { recorded, process: process.to_string(), whole })
}

/// The busiest stretch of a trace, and its requests. With a growth, copies of its rows are added, as `replay
/// --rate-scale` does.
fn recorded_of(
    selection: Selection,
    file: &Path,
    growth: Option<Growth>,
    window_s: f64,
    most: usize,
) -> Result<(Stretch, Workload), Error> {
    let selection = match growth {
        Some(growth) => {
            let rate_scale =
                growth.factor().to_string().parse().map_err(|refusal: crate::error::Refusal| refusal.at("--growth"))?;
            selection
                .reshape(&Reshape { rate_scale, ..Reshape::default() }, SEED)
                .map_err(|refusal| refusal.at("--growth"))?
        }
        None => selection,
    };
    let instants: Vec<Offset> = selection.trace.rows().iter().map(|row| row.at).collect();
    let taken = busiest(&instants, window_s, most);
    let whole = taken.len() == instants.len();
    let selection = if whole {
        selection
    } else {
        let end = instants[taken.end - 1].plus(Duration::from_nanos(1));
        let window = Some(Window { start: instants[taken.start], end });
        selection.trace.select(&Rows { window, on_empty: Some(OnEmpty::Skip), ..Rows::default() }, file)?
    };
    let nothing = || Error::input(file, "has no request to play; give another trace");
    let (timeline, recording) = replay(selection, TimeScale::ONE, &file.to_string_lossy()).ok_or_else(nothing)?;
    let recorded =
        timeline.instants().cloned().ok_or_else(|| Error::Internal("a replay has no instants".to_owned()))?;
    Ok((Stretch { recorded, process: "recorded".to_owned(), whole }, Workload::recorded(recording)))
}
