//! Owns the reading of what is sent and when: from the options to a `Plan`, with the refusals that teach.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

use crate::cli::options::{ScheduleOptions, WorkloadOptions};
use crate::cli::progress::LongPass;
use crate::error::Error;
use crate::schedule::{Extent, Process, Timeline};
use crate::seed::Seed;
use crate::units::{Rate, count};
use crate::workload::{Closed, LengthSpec, Load, Plan, Salt, Workload};

/// What `run` and `plan` do without being told.
pub(super) const DEFAULT_RATE_PER_S: f64 = 10.0;
pub(super) const DEFAULT_DURATION: Duration = Duration::from_secs(20);

/// The plan that the options ask for; `closed` is the text of `--load`.
pub(super) fn plan_of(schedule: &ScheduleOptions, workload: &WorkloadOptions, closed: Option<&str>, salt: Salt) -> Result<Plan, Error> {
    let extent = extent_of(schedule)?;
    if closed.is_none() || matches!(extent, Extent::Requests(_)) {
        planned_about(schedule)?;
    }
    let seed = Seed::new(schedule.seed);
    let load = if let Some(name) = closed {
        refuse_open_options(schedule)?;
        let closed = Closed::named(name, extent, schedule.warmup, schedule.cooldown).map_err(|refusal| refusal.at("--load"))?;
        if matches!(extent, Extent::Requests(_)) && !schedule.cooldown.is_zero() {
            return Err(Error::usage(
                "--cooldown",
                "a closed loop by count ends with its last request, and nothing comes after it",
                "drop it, or give --duration instead of --requests",
            ));
        }
        Load::Closed(closed)
    } else {
        let rate = rate_of(schedule)?;
        let process = schedule.process.unwrap_or(Process::Poisson);
        // By count the timeline is drawn here, to find where it ends.
        let by_count = matches!(extent, Extent::Requests(_)) && process != Process::Even;
        let _pass = if by_count { LongPass::over(planned_about(schedule)?, "drawing") } else { None };
        Load::Open(Timeline::new(process, rate, extent, schedule.warmup, schedule.cooldown, seed))
    };
    Ok(Plan::new(load, workload_of(workload, salt)?, seed, schedule.quota))
}

/// What the options ask for in each request.
pub(super) fn workload_of(options: &WorkloadOptions, salt: Salt) -> Result<Workload, Error> {
    let (input, output) = (lengths_of("--input-tokens", &options.input_tokens)?, lengths_of("--output-tokens", &options.output_tokens)?);
    Ok(Workload::new(input, output).salted(salt))
}

/// The most requests of one plan: some minutes to draw, and more than one machine sends in a day.
const MOST_PLANNED: u64 = 1_000_000_000;

/// About how many requests an open load plans; refused where they are more than a plan holds.
pub(super) fn planned_about(schedule: &ScheduleOptions) -> Result<u64, Error> {
    let per_s = rate_of(schedule)?.per_s();
    let (flag, inside) = match extent_of(schedule)? {
        Extent::Duration(length) => ("--duration", per_s * length.as_secs_f64()),
        Extent::Requests(requests) => ("--requests", requests as f64),
    };
    let planned = (inside + per_s * (schedule.warmup + schedule.cooldown).as_secs_f64()) as u64;
    if planned <= MOST_PLANNED {
        return Ok(planned);
    }
    let why = format!("{} requests would be planned, and a plan holds up to {}", count(planned), count(MOST_PLANNED));
    Err(Error::usage(flag, why, "lower --rate, --duration or --requests, or split the load into several runs"))
}

/// Refuses an open load of no request.
pub(super) fn refuse_empty(plan: &Plan) -> Result<(), Error> {
    if matches!(plan.load(), Load::Open(_)) && plan.arrivals().next().is_none() {
        let why = "no request falls into so short a time at this rate";
        return Err(Error::usage("--duration", why, "give a longer one, a higher --rate, or --requests N"));
    }
    Ok(())
}

fn rate_of(schedule: &ScheduleOptions) -> Result<Rate, Error> {
    match schedule.rate {
        Some(rate) => Ok(rate),
        None => Rate::new(DEFAULT_RATE_PER_S).map_err(|refusal| refusal.at("--rate")),
    }
}

pub(super) fn extent_of(schedule: &ScheduleOptions) -> Result<Extent, Error> {
    match (schedule.duration, schedule.requests) {
        (Some(_), Some(_)) => Err(Error::usage(
            "--requests",
            "cannot be combined with --duration: each alone says where the measured window ends",
            "drop one of them (--rate 50/s --requests 3000 lasts about 60 s)",
        )),
        (Some(duration), None) if duration.is_zero() => {
            Err(Error::usage("--duration", "a window of no length measures nothing", "accepted is a time above 0, as in 60s"))
        }
        (Some(duration), None) => Ok(Extent::Duration(duration)),
        (None, Some(requests)) => Ok(Extent::Requests(requests)),
        (None, None) => Ok(Extent::Duration(DEFAULT_DURATION)),
    }
}

/// A closed loop has no instants of its own; what speaks of instants is refused, not ignored.
fn refuse_open_options(schedule: &ScheduleOptions) -> Result<(), Error> {
    let given = [("--rate", schedule.rate.is_some()), ("--process", schedule.process.is_some()), ("--quota", schedule.quota.is_some())];
    match given.into_iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((flag, _)) => Err(Error::usage(
            flag,
            "cannot be combined with --load: a closed loop sends when answers come, so it has no rate of its own",
            format!("drop --load for an open load, or {flag} for the closed loop"),
        )),
    }
}

fn lengths_of(flag: &str, text: &str) -> Result<LengthSpec, Error> {
    match LengthSpec::path_of(text) {
        Some(path) => {
            let path = Path::new(path);
            let file = File::open(path).map_err(|why| Error::input(path, format!("cannot be opened: {why}; check {flag}")))?;
            LengthSpec::from_lines(BufReader::new(file), path)
        }
        None => text.parse().map_err(|refusal: crate::error::Refusal| refusal.at(flag)),
    }
}

/// What `--salt` asks for; `random` is drawn here, once, so that the stored configuration repeats the bytes of this run.
pub(super) fn salt_of(text: &str) -> Result<Salt, Error> {
    match text {
        "" => Err(Error::usage("--salt", "an empty text marks nothing", "accepted is random, off or a text")),
        "off" => Ok(Salt::Off),
        "random" => Ok(Salt::Text(draw_salt())),
        text => Ok(Salt::Text(text.to_owned())),
    }
}

/// Sixteen letters that differ from run to run: the one number of a run that does not come from its seed. The standard library keys
/// its hash maps with the system's entropy, which is all that is needed here. Letters only: YAML takes no word for a number.
fn draw_salt() -> String {
    use std::hash::{BuildHasher, Hasher};
    let drawn = std::collections::hash_map::RandomState::new().build_hasher().finish();
    (0..16).map(|place| char::from(b'a' + ((drawn >> (4 * place)) & 15) as u8)).collect()
}
