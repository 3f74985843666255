//! Owns the step from the options to a `Plan`: what is sent and when, with refusals that say what to do.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::cli::options::ScheduleOptions;
use crate::cli::progress::LongPass;
use crate::error::{Error, Refusal};
use crate::results::{Limit, read_bytes, read_text};
use crate::schedule::{Extent, Overlay, Pattern, Process, Profile, Spans, Timeline};
use crate::seed::Seed;
use crate::units::{Rate, count, seconds, yaml_words};
use crate::workload::{Closed, LengthSpec, Load, Plan, Salt, Tokenizer, Workload};

/// The default rate of `run` and `plan`, in requests per second; [`DEFAULT_DURATION`] is their default window.
pub(super) const DEFAULT_RATE_PER_S: f64 = 10.0;
pub(super) const DEFAULT_DURATION: Duration = Duration::from_secs(20);

/// The plan of `workload` that the options ask for; `closed` is the text of `--load`.
pub(super) fn plan_of(schedule: &ScheduleOptions, workload: Workload, closed: Option<&str>) -> Result<Plan, Error> {
    let load = if let Some(name) = closed {
        refuse_open_options(schedule)?;
        let extent = extent_of(schedule)?.unwrap_or(Extent::Duration(DEFAULT_DURATION));
        if let Extent::Requests(requests) = extent {
            refuse_many(requests, "--requests")?;
        }
        let closed =
            Closed::named(name, extent, schedule.warmup, schedule.cooldown).map_err(|refusal| refusal.at("--load"))?;
        if matches!(extent, Extent::Requests(_)) && !schedule.cooldown.is_zero() {
            return Err(Error::usage(
                "--cooldown",
                "a closed loop by count ends with its last request, and nothing comes after it",
                "drop it, or give --duration instead of --requests",
            ));
        }
        Load::Closed(closed)
    } else {
        Load::Open(timeline_of(schedule)?)
    };
    Ok(Plan::new(load, workload, Seed::new(schedule.seed), schedule.quota))
}

/// The timeline that the options ask for. With `--requests` it is drawn here, to find its end.
pub(super) fn timeline_of(schedule: &ScheduleOptions) -> Result<Timeline, Error> {
    let (extent, process, seed) =
        (extent_of(schedule)?, schedule.process.unwrap_or(Process::Poisson), Seed::new(schedule.seed));
    let (warmup, cooldown) = (schedule.warmup, schedule.cooldown);
    let pattern = pattern_of(schedule)?;
    let drawn = match extent {
        Some(Extent::Requests(requests)) => refuse_many(requests, "--requests").map(|()| requests)?,
        _ => 0,
    };
    let flag = if schedule.requests.is_some() { "--requests" } else { "--duration" };
    if let Some(pattern) = pattern {
        let blamed = if schedule.profile.is_some() { "--profile" } else { "--overlay" };
        // Without a profile the overlays vary --rate, which has no length of its own.
        let extent = extent.or(schedule.profile.is_none().then_some(Extent::Duration(DEFAULT_DURATION)));
        let _pass = LongPass::over(drawn, "drawing");
        let timeline =
            Timeline::shaped(process, pattern, extent, warmup, cooldown, seed).map_err(|refusal| refusal.at(blamed))?;
        refuse_many(planned_about(&timeline), flag)?;
        return Ok(timeline);
    }
    let (rate, extent) = (rate_of(schedule)?, extent.unwrap_or(Extent::Duration(DEFAULT_DURATION)));
    let inside = match extent {
        Extent::Duration(length) => rate.per_s() * length.as_secs_f64(),
        Extent::Requests(requests) => requests as f64,
    };
    refuse_many((inside + rate.per_s() * (warmup + cooldown).as_secs_f64()) as u64, flag)?;
    let _pass = if process == Process::Even { None } else { LongPass::over(drawn, "drawing") };
    Ok(Timeline::new(process, rate, extent, warmup, cooldown, seed))
}

/// The most requests of one plan: some minutes to draw, and more than one machine sends in a day.
const MOST_PLANNED: u64 = 1_000_000_000;

pub(super) fn refuse_many(planned: u64, flag: &str) -> Result<(), Error> {
    if planned <= MOST_PLANNED {
        return Ok(());
    }
    let why = format!("{} requests would be planned, and a plan holds up to {}", count(planned), count(MOST_PLANNED));
    Err(Error::usage(flag, why, "lower --rate, --duration or --requests, or split the load into several runs"))
}

/// About how many requests a timeline plans; 0 for a recorded timeline.
pub(super) fn planned_about(timeline: &Timeline) -> u64 {
    timeline.law().map_or(0, |(_, curve)| curve.expected(timeline.spans().total_s()) as u64)
}

/// The rate over time; `None` if the rate is constant.
fn pattern_of(schedule: &ScheduleOptions) -> Result<Option<Pattern>, Error> {
    let profile = match (&schedule.profile, schedule.rate) {
        (Some(_), Some(_)) => {
            return Err(Error::usage(
                "--rate",
                "cannot be combined with --profile, whose rates are its own",
                "drop one of them (--rate 50/s --overlay 'sine amp=50% period=300s' varies a rate)",
            ));
        }
        (Some(text), None) => profile_of(text)?,
        (None, _) if schedule.overlay.is_empty() => return Ok(None),
        (None, _) => Profile::constant(rate_of(schedule)?),
    };
    Ok(Some(Pattern { profile, overlays: schedule.overlay.clone() }))
}

/// Reads a profile: a file by its ending, a list of mappings, AIBrix's JSON, or the text form.
pub(super) fn profile_of(text: &str) -> Result<Profile, Error> {
    let yaml = |text: &str| serde_saphyr::from_str::<Profile>(text).map_err(|why| (why.location(), yaml_words(&why)));
    let path = Path::new(text);
    let bytes = || read_bytes(path, Limit::PROFILE, "check --profile");
    let whole = || read_text(path, Limit::PROFILE, "check --profile");
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => return Profile::from_csv(bytes()?.as_slice(), path),
        Some("yaml" | "yml") => {
            let text = whole()?;
            // Check first whether a .yaml file holds something else, because the parser's message would only name the
            // place of the error.
            let stages = "give a list of stages, as in `- {shape: constant, rate: 50/s, for: 60s}`";
            match serde_saphyr::from_str::<Value>(&text) {
                Ok(Value::Object(keys)) if keys.contains_key("profile") => {
                    return Err(Error::input(
                        path,
                        "is a configuration file, with a profile in it; give it to --config instead of --profile",
                    ));
                }
                Ok(Value::Array(_)) => {}
                Err(_) if !text.trim().is_empty() => {}
                Ok(Value::Null) | Err(_) => return Err(Error::input(path, format!("is empty; {stages}"))),
                Ok(_) => return Err(Error::input(path, format!("holds no list of stages; {stages}"))),
            }
            return yaml(&text).map_err(|(place, why)| Error::Input {
                path: path.to_owned(),
                line: place.map(|place| place.line()),
                why: format!("{why}; see `tonnage help profiles` for the keys of each shape"),
            });
        }
        Some("json") if !text.trim_start().starts_with(['[', '{']) => {
            return Profile::from_aibrix(&whole()?).map_err(|refusal| Error::input(path, refusal.to_string()));
        }
        _ => {}
    }
    let read = if text.trim_start().starts_with('[') {
        yaml(text).map_err(|(_, why)| Refusal::new(why, "see `tonnage help profiles` for the keys of each shape"))
    } else if text.trim_start().starts_with('{') {
        Profile::from_aibrix(text)
    } else {
        text.parse()
    };
    read.map_err(|refusal| refusal.at("--profile"))
}

/// One note for each overlay that has no effect because the load ends before it begins.
pub(super) fn idle_overlays(overlays: &[Overlay], spans: Spans) -> Vec<String> {
    let length = spans.cooldown.end.since(spans.window.start);
    let idle = overlays.iter().filter(|overlay| overlay.comes_after(length));
    idle.map(|overlay| {
        format!("{overlay}: has no effect, because the load ends after {}", seconds(length.as_secs_f64()))
    })
    .collect()
}

/// Refuses an open load without requests.
pub(super) fn refuse_empty(plan: &Plan) -> Result<(), Error> {
    let Load::Open(timeline) = plan.load() else { return Ok(()) };
    if plan.arrivals().next().is_none() {
        if let (Some(_), Some((_, curve))) = (timeline.pattern(), timeline.law()) {
            let expected = curve.expected(timeline.spans().total_s());
            let why = format!("plans no request: by the integral of its rate {expected:.2} are expected in all");
            return Err(Error::usage("--profile", why, "give it higher rates, or a longer time"));
        }
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

/// The end of the measured window, by time or by count; `None` if the options do not give it.
pub(super) fn extent_of(schedule: &ScheduleOptions) -> Result<Option<Extent>, Error> {
    match (schedule.duration, schedule.requests) {
        (Some(_), Some(_)) => Err(Error::usage(
            "--requests",
            "cannot be combined with --duration: each alone says where the measured window ends",
            "drop one of them (--rate 50/s --requests 3000 lasts about 60 s)",
        )),
        (Some(duration), None) if duration.is_zero() => Err(Error::usage(
            "--duration",
            "a window of no length measures nothing",
            "accepted is a time above 0, as in 60s",
        )),
        (Some(duration), None) => Ok(Some(Extent::Duration(duration))),
        (None, Some(requests)) => Ok(Some(Extent::Requests(requests))),
        (None, None) => Ok(None),
    }
}

/// Refuses the options of an open load for a closed loop, which has no planned instants.
fn refuse_open_options(schedule: &ScheduleOptions) -> Result<(), Error> {
    let given = [
        ("--rate", schedule.rate.is_some()),
        ("--process", schedule.process.is_some()),
        ("--profile", schedule.profile.is_some()),
        ("--overlay", !schedule.overlay.is_empty()),
        ("--quota", schedule.quota.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((flag, _)) => Err(Error::usage(
            flag,
            "cannot be combined with --load: a closed loop sends when answers come, so it has no rate of its own",
            format!("drop --load for an open load, or {flag} for the closed loop"),
        )),
    }
}

pub(super) fn lengths_of(flag: &str, text: &str) -> Result<LengthSpec, Error> {
    match LengthSpec::path_of(text) {
        Some(path) => {
            let path = Path::new(path);
            let file =
                File::open(path).map_err(|why| Error::input(path, format!("cannot be opened: {why}; check {flag}")))?;
            LengthSpec::from_lines(BufReader::new(file), path)
        }
        None => text.parse().map_err(|refusal: Refusal| match flag {
            // The forms are those of lengths, but turns are no tokens.
            "--turns" => Error::usage(
                flag,
                format!("`{text}` is not a number of turns, nor a law of one"),
                "accepted is 1 to 1000, as in 8, 2..10, normal:8,2, lognormal:8,0.5 or file:PATH",
            ),
            _ => refusal.at(flag),
        }),
    }
}

/// The salt of `--salt`. `random` is drawn here, once, so that the stored configuration repeats the bytes of this run.
pub(super) fn salt_of(text: &str) -> Result<Salt, Error> {
    match text {
        "" => Err(Error::usage("--salt", "an empty text marks nothing", "accepted is random, off or a text")),
        "off" => Ok(Salt::Off),
        "random" => Ok(Salt::Text(draw_salt())),
        text => Ok(Salt::Text(text.to_owned())),
    }
}

/// Sixteen letters that differ from run to run: the only random value of a run that does not come from its seed. It
/// uses the random keys of the standard library's hash maps, which come from the system's entropy. Letters only, so
/// that YAML does not read it as a number.
fn draw_salt() -> String {
    use std::hash::{BuildHasher, Hasher};
    let drawn = std::collections::hash_map::RandomState::new().build_hasher().finish();
    (0..16).map(|place| char::from(b'a' + ((drawn >> (4 * place)) & 15) as u8)).collect()
}

/// Reads the tokenizer at `path`: the file itself, or `tokenizer.json` in that folder.
pub(super) fn tokenizer_of(path: &Path) -> Result<Tokenizer, Error> {
    let (file, name) = if path.is_dir() {
        let folder = path.file_name().map(|name| format!("{}/", name.to_string_lossy())).unwrap_or_default();
        (path.join("tokenizer.json"), format!("{folder}tokenizer.json"))
    } else {
        (path.to_owned(), path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned())
    };
    let bytes = read_bytes(&file, Limit::TOKENIZER, "give --tokenizer a tokenizer.json, or a folder that holds one")?;
    Tokenizer::from_json(&bytes, &name).map_err(|refusal| Error::input(&file, refusal.to_string()))
}
