//! Owns verb `size`: reads the capacity of one replica and the demand, and prints the fleet for them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::json;

use crate::cli::exit::Exit;
use crate::cli::load::profile_of;
use crate::cli::mix::mix_in;
use crate::cli::options::{LanguageOption, ReadingOptions, TEMPLATE};
use crate::cli::recorded::{read, refuse_restart};
use crate::cli::size_check::{DemandCourse, check_of};
use crate::cli::size_found::Found;
use crate::cli::size_options::SizeOptions;
use crate::cli::terminal::{ink, print};
use crate::error::Error;
use crate::metrics::Objectives;
use crate::report::{render_fleet, render_fleet_html, worded_fleet};
use crate::results::{Limit, SCHEMA, Setting, files_of, foreign, json_text, read as read_result, read_bytes, tool};
use crate::sizing::{
    Capacity, Choice, Class, Demand, Evidence, MOST_CHOICES, SearchFigures, Terms, capacity_of_classes,
    capacity_of_rows, capacity_of_search, capacity_of_trials, demand_of_profile, demand_of_rate, demand_of_rows,
    foreign_rows, size,
};
use crate::trace::{Choice as Rows, OnEmpty};
use crate::units::Rate;
use crate::workload::LengthSpec;

/// Replicas, GPUs and cost for a demand
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage size results/m/sweep --demand 50/s --slo 'p99 ttft<80ms'
  tonnage size --replica-rate 4.43/s --demand 50/s --headroom 20% --redundancy 1
  tonnage size results/m/sweep --demand-trace trace.csv --peak-window 60s
  tonnage size h100 l40s --demand 50/s --price 2.5/h,0.9/h --stock 8,40
  tonnage size vllm-results/ --demand 50/s --slo 'p99 ttft<80ms'
  tonnage size h100 --demand 50/s --to html > fleet.html
  tonnage size chat rag --demand 30/s,5/s                classes that share replicas
  tonnage size --replica-rate 6/s --demand 40/s --check small --slo 'p99 ttft<=1s'
",
    help_template = TEMPLATE
)]
pub(super) struct SizeArguments {
    /// What one replica carries: a result folder or result.json of `run`, `sweep` or `search`, or a file or folder of
    /// vLLM `bench serve`, SGLang, GuideLLM, evalscope or AIPerf. Several are hardware choices, at most 4
    #[arg(value_name = "RESULT")]
    pub(super) results: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) size: SizeOptions,
    #[command(flatten)]
    pub(super) reading: ReadingOptions,
    /// Print the fleet as JSON, and nothing else, on standard output
    #[arg(long, help_heading = "Output", conflicts_with = "to")]
    pub(super) json: bool,
    /// The form of the page on standard output; html is one file that needs no network
    #[arg(long, value_name = "FORM", default_value = "console", help_heading = "Output")]
    pub(super) to: Form,
    #[command(flatten, next_help_heading = "Output")]
    language: LanguageOption,
}

/// A form of the page of a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    Console,
    Html,
}

/// The default window of the peak of a demand.
const PEAK_WINDOW: Duration = Duration::from_mins(1);

/// Sizes a fleet, and prints it.
pub(super) fn size_fleet(arguments: &SizeArguments, command: &[String]) -> Result<ExitCode, Error> {
    let options = &arguments.size;
    let lang = arguments.language.lang(!arguments.json && arguments.to == Form::Html)?;
    let (demand, course) = demand_of(arguments)?;
    let objectives = Objectives::parse(&options.slo, None, None).map_err(|refusal| refusal.at("--slo"))?;
    if let Some(class) = objectives.classes().first().filter(|_| options.check.is_none()) {
        let why = format!("speaks of the class `{class}`, and a result is judged again over all its requests only");
        let instead = "drop it; search with that objective (`tonnage search --mix FILE --slo …`), and size its result";
        return Err(Error::usage("--slo", why, instead));
    }
    let found = replicas_of(&arguments.results, options, &objectives)?;
    let check = check_of(options, &found, objectives, course)?;
    let classes = if options.demand.len() > 1 { Vec::new() } else { shares_of(&found)? };
    let choices = if options.demand.len() > 1 { vec![shared(found, options)?] } else { choices_of(found, options)? };
    let terms = Terms { headroom: options.headroom, imbalance: options.imbalance, redundancy: options.redundancy };
    let flag = if choices.len() > MOST_CHOICES { "RESULT" } else { "--stock" };
    let mut fleet = size(&demand, &terms, &choices).map_err(|refusal| refusal.at(flag))?.balanced(options.balancing);
    fleet = fleet.of_classes(&classes);
    if let Some(check) = check {
        let view = check.play(&demand, fleet.replicas_to_carry)?;
        fleet = fleet.checked(view);
    }
    if !arguments.json && arguments.to == Form::Console {
        print(&render_fleet(&fleet, ink()))?;
        return Ok(Exit::Done.into());
    }
    worded_fleet(&mut fleet);
    let page = json!({"schema": SCHEMA, "tool": tool(), "command": command, "fleet": fleet});
    print(&if arguments.json { json_text(&page, "the fleet")? } else { render_fleet_html(&fleet, &page, lang) })?;
    Ok(Exit::Done.into())
}

/// The classes of the mix that the rates in `found` were measured with, and their shares of the requests; none without
/// a mix. Refuses results of two mixes, because a fleet is sized for one.
fn shares_of(found: &[Found]) -> Result<Vec<(String, f64)>, Error> {
    let mut shares: Option<(&str, Vec<(String, f64)>)> = None;
    for one in found {
        let Some(text) = one.config.mix.as_ref().map(Setting::text) else { continue };
        let usual = [LengthSpec::DEFAULT_INPUT, LengthSpec::DEFAULT_OUTPUT].map(|lengths| lengths.to_string());
        let mix = mix_in(text, [&usual[0], &usual[1]], 0)?;
        let own = mix.classes().iter().enumerate().map(|(place, class)| (class.name.to_string(), mix.share(place)));
        let own: Vec<(String, f64)> = own.collect();
        let is_alike = |other: &[(String, f64)]| {
            let alike = |((name, share), (other, of_other)): (&(String, f64), &(String, f64))| {
                name == other && libm::fabs(share - of_other) < 1e-9
            };
            own.len() == other.len() && own.iter().zip(other).all(alike)
        };
        match &shares {
            Some((first, other)) if !is_alike(other) => {
                let why = format!("{} was measured with other classes of requests than {first}", one.name);
                return Err(Error::usage("RESULT", why, "measure both with one --mix"));
            }
            Some(_) => {}
            None => shares = Some((&one.name, own)),
        }
    }
    Ok(shares.map(|(_, shares)| shares).unwrap_or_default())
}

/// The demand with its growth, and its course over time.
fn demand_of(arguments: &SizeArguments) -> Result<(Demand, DemandCourse), Error> {
    let (demand, course) = demand_today(arguments)?;
    let grown = arguments.size.growth.map_or(Ok(demand.clone()), |growth| demand.grown(growth));
    Ok((grown.map_err(|refusal| refusal.at("--growth"))?, course))
}

fn demand_today(arguments: &SizeArguments) -> Result<(Demand, DemandCourse), Error> {
    let (options, reading) = (&arguments.size, arguments.reading.reading());
    let window = options.peak_window.unwrap_or(PEAK_WINDOW);
    let one = "give one of --demand 50/s, --profile TEXT and --demand-trace FILE";
    if options.demand_trace.is_none() {
        let given = [
            ("--format", reading.format.is_some()),
            ("--columns", reading.columns.is_some()),
            ("--time-unit", reading.time_unit.is_some()),
            ("--segment", reading.segment.is_some()),
        ];
        if let Some((flag, _)) = given.into_iter().find(|(_, given)| *given) {
            return Err(Error::usage(
                flag,
                "speaks of a trace, and none is given",
                "drop it, or give --demand-trace FILE",
            ));
        }
    }
    match (options.demand.as_slice(), &options.profile, &options.demand_trace) {
        ([_, ..], None, None) if options.peak_window.is_some() => Err(Error::usage(
            "--peak-window",
            "has no meaning for a rate that does not vary",
            "drop it, or give --demand-trace or --profile",
        )),
        ([rates @ .., last], None, None) => {
            let all = rates.iter().map(|rate| rate.per_s()).sum::<f64>() + last.per_s();
            Ok((demand_of_rate(Rate::new(all).map_err(|refusal| refusal.at("--demand"))?), DemandCourse::Steady))
        }
        ([], Some(text), None) => {
            let profile = profile_of(text)?;
            let demand = demand_of_profile(&profile, window).map_err(|refusal| refusal.at("--profile"))?;
            Ok((demand, DemandCourse::Profile(profile)))
        }
        ([], None, Some(file)) => {
            let trace = read(file, &reading)?;
            refuse_restart(&trace, file)?;
            if trace.has_relative_sessions() && trace.sessions().number() > 1 {
                let why = "has sessions that count each from its own start, so that its rate is not recorded; give \
                    --demand instead";
                return Err(Error::input(file, why));
            }
            // The same rows that a replay would send.
            let selection = trace.select(&Rows { on_empty: Some(OnEmpty::Skip), ..Rows::default() }, file)?;
            let name = file.to_string_lossy();
            let demand =
                demand_of_rows(selection.trace.rows(), window, &name).map_err(|refusal| refusal.at("--peak-window"))?;
            Ok((demand, DemandCourse::Trace(Box::new(selection), file.clone())))
        }
        ([], None, None) => Err(Error::usage("--demand", "no demand is given", one)),
        _ => Err(Error::usage("--demand", "the demand is given twice", one)),
    }
}

/// One of `values` for each of `count` choices. `values` may hold none, one for all, or one for each; other numbers are
/// refused.
fn each<T: Clone>(flag: &str, values: &[T], count: usize) -> Result<Vec<Option<T>>, Error> {
    match values {
        [] => Ok(vec![None; count]),
        [one] => Ok(vec![Some(one.clone()); count]),
        many if many.len() == count => Ok(many.iter().cloned().map(Some).collect()),
        many => Err(Error::usage(
            flag,
            format!("has {} values for {count} hardware choices", many.len()),
            "give one for all, or one for each, with commas between",
        )),
    }
}

/// The capacity of each kind of replica, or of a replica under each class of requests.
fn replicas_of(results: &[PathBuf], options: &SizeOptions, objectives: &Objectives) -> Result<Vec<Found>, Error> {
    let mut found: Vec<Found> = match (results, options.replica_rate.as_slice()) {
        ([], []) => {
            let accepted = "give a result of `tonnage sweep` or `tonnage run`, or --replica-rate 4.43/s";
            return Err(Error::usage("RESULT", "nothing says what a replica carries", accepted));
        }
        (_, []) => results.iter().map(|path| found_in(path, objectives)).collect::<Result<_, _>>()?,
        ([], _) if !objectives.is_empty() && options.check.is_none() => {
            return Err(Error::usage(
                "--slo",
                "says which rate of a result counts, and --replica-rate says the rate",
                "drop one of them",
            ));
        }
        ([], rates) => rates.iter().map(|rate| Found::of(Capacity::stated(*rate), rate.to_string())).collect(),
        _ => {
            return Err(Error::usage(
                "--replica-rate",
                "stands instead of a RESULT, and both are given",
                "drop one of them",
            ));
        }
    };
    for (place, found) in found.iter_mut().enumerate() {
        let held = options.balancing.hold(found.capacity.clone());
        let at = |refusal: crate::error::Refusal| match results.get(place) {
            Some(path) => Error::input(path, refusal.to_string()),
            None => refusal.at("--replica-rate"),
        };
        found.capacity = held.map_err(at)?;
    }
    let count = found.len();
    let (names, tokens) =
        (each("--name", &options.name, count)?, each("--output-tokens", &options.output_tokens, count)?);
    for ((found, name), tokens) in found.iter_mut().zip(names).zip(tokens) {
        found.name = name.unwrap_or_else(|| std::mem::take(&mut found.name));
        found.capacity.output_tokens = tokens.map(f64::from).or(found.capacity.output_tokens);
    }
    Ok(found)
}

/// The one kind of replica that several classes of requests share, from the demand of each class and the rate that a
/// replica carries of it alone.
fn shared(found: Vec<Found>, options: &SizeOptions) -> Result<Choice, Error> {
    if found.len() != options.demand.len() {
        return Err(Error::usage(
            "--demand",
            format!("has {} rates, and what a replica carries is given for {}", options.demand.len(), found.len()),
            "give one for each class of requests, or one demand for all",
        ));
    }
    let (names, simulated) =
        (found.iter().map(|class| class.name.clone()).collect::<Vec<_>>(), found.iter().any(|class| class.simulated));
    let class = |(found, demand): (Found, &Rate)| {
        let Found { capacity, name, .. } = found;
        (Class { name, demand_per_s: *demand, rate_per_s: capacity.rate_per_s }, capacity)
    };
    let classes: Vec<(Class, Capacity)> = found.into_iter().zip(&options.demand).map(class).collect();
    let capacity = capacity_of_classes(&classes).map_err(|refusal| refusal.at("--demand"))?;
    let mut choices = choices_of(vec![Found { simulated, ..Found::of(capacity, names.join(" + ")) }], options)?;
    choices.pop().ok_or_else(|| Error::Internal("classes of requests have no replicas".to_owned()))
}

fn choices_of(found: Vec<Found>, options: &SizeOptions) -> Result<Vec<Choice>, Error> {
    let count = found.len();
    let gpus = each("--gpus-per-replica", &options.gpus_per_replica, count)?;
    let (prices, stocks) = (each("--price", &options.price, count)?, each("--stock", &options.stock, count)?);
    let own = found.into_iter().zip(gpus).zip(prices).zip(stocks);
    Ok(own
        .map(|(((found, gpus), price), stock)| Choice {
            name: found.name,
            capacity: found.capacity,
            gpus_per_replica: gpus.unwrap_or(1),
            price,
            stock,
            simulated: found.simulated,
        })
        .collect())
}

/// What the result in `path` says of one replica.
fn found_in(path: &Path, objectives: &Objectives) -> Result<Found, Error> {
    let place = path
        .file_stem()
        .map_or_else(|| path.to_string_lossy().into_owned(), |stem| stem.to_string_lossy().into_owned());
    let Some(found) = foreign(path)? else { return found_in_ours(path, place, objectives) };
    if objectives.is_empty() {
        let why =
            "is no result of tonnage, whose verdict could count; give the objectives, as in --slo 'p99 ttft<=200ms'";
        return Err(Error::input(path, why));
    }
    let refuse = |refusal: crate::error::Refusal| Error::input(path, refusal.to_string());
    let rows = foreign_rows(&found, objectives).map_err(refuse)?;
    Ok(Found::of(capacity_of_rows(&rows, Evidence::Foreign(found.tool)).map_err(refuse)?, place))
}

/// What a result of tonnage says of one replica; `place` is its name where it has no label.
fn found_in_ours(path: &Path, place: String, objectives: &Objectives) -> Result<Found, Error> {
    let (result, _) = files_of(path);
    let report = read_result(&result)?;
    let asked = (!objectives.is_empty()).then_some(objectives);
    let refuse = |refusal: crate::error::Refusal| Error::input(path, refusal.to_string());
    let capacity = if report.search.is_some() {
        if asked.is_some() {
            let why = "cannot change what a search has searched for";
            return Err(Error::usage("--slo", why, "drop it, or search again with these objectives"));
        }
        let process = report.config.process.as_ref().map(|process| process.text().to_owned());
        capacity_of_search(&search_figures(&result)?, process)
    } else {
        capacity_of_trials(&report.trials, asked)
    };
    Ok(Found {
        capacity: capacity.map_err(refuse)?,
        name: report.label.unwrap_or(place),
        simulated: report.target.simulated,
        config: report.config,
    })
}

/// The figures of the search in the file `result`.
fn search_figures(result: &Path) -> Result<SearchFigures, Error> {
    #[derive(Deserialize)]
    struct WithSearch {
        search: SearchFigures,
    }
    let text = read_bytes(result, Limit::RESULT, "give a result folder or a file")?;
    let found: WithSearch = serde_json::from_slice(&text)
        .map_err(|why| Error::input(result, format!("has a search that cannot be read: {why}; is the file whole?")))?;
    Ok(found.search)
}
