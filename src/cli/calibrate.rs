//! Owns verb `calibrate`: the tool's own error on this machine, as a table or as JSON.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::calibrate::{Calibration, Settings, Spread, Step, calibrate as measure};
use crate::cli::exit::Exit;
use crate::cli::options::{TEMPLATE, within};
use crate::cli::terminal::{print, say};
use crate::engine::local_runtime;
use crate::error::Error;
use crate::report::wrapped;
use crate::results::{Host, Tool, host, json_text, tool};
use crate::units::{count, per_second, seconds};

/// The tool's own error and capacity on this machine, against the embedded simulated server (about 25 s)
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage calibrate              send lag, added TTFT, ITL error, capacity
  tonnage calibrate --workers 2 --json
",
    help_template = TEMPLATE
)]
pub(super) struct CalibrateArguments {
    /// Sending threads [default: one less than the number of cores; the simulated server takes the other core]
    #[arg(long, value_name = "N", value_parser = within::<u16>(1..=1024))]
    pub(super) workers: Option<u16>,
    /// Print the figures as JSON, and nothing else, on standard output
    #[arg(long)]
    pub(super) json: bool,
}

const WIDTH: usize = 80;

/// What `--json` prints.
#[derive(Serialize)]
struct Printed<'a> {
    tool: Tool,
    host: Host,
    #[serde(flatten)]
    calibration: &'a Calibration,
}

/// Measures the tool's own error and capacity, and prints them.
pub(super) fn calibrate(arguments: &CalibrateArguments) -> Result<ExitCode, Error> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let workers = arguments.workers.map_or_else(|| cores.saturating_sub(1).max(1), usize::from);
    let told = |stage: &str| {
        if !arguments.json {
            say(stage);
        }
    };
    let calibration = local_runtime()?.block_on(measure(&Settings::standard(workers), told))?;
    if arguments.json {
        let printed = Printed { tool: tool(), host: host(workers, true), calibration: &calibration };
        print(&json_text(&printed, "the calibration")?)?;
    } else {
        print(&text_of(&calibration))?;
    }
    Ok(Exit::Done.into())
}

fn text_of(calibration: &Calibration) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let mut line = |line: String| _ = writeln!(text, "{}", line.trim_end());
    let load = |at: Option<f64>| at.map_or_else(|| "unknown".to_owned(), |load| format!("{load:.2}"));
    line(format!(
        "{} cores, workers: {}, load average {} before and {} after",
        calibration.cores,
        calibration.workers,
        load(calibration.load_average[0]),
        load(calibration.load_average[1])
    ));
    line(String::new());
    let head = ["rate", "send lag", "p99", "added TTFT", "p99", "ITL error", "kept"].map(str::to_owned);
    line(row(&head));
    for step in calibration.steps.iter().chain(&calibration.search) {
        line(row(&cells(step)));
    }
    line(String::new());
    line("Medians and p99; ITL error: of a request's mean ITL, p99 only.".to_owned());
    let highest_kept = calibration.steps.iter().chain(&calibration.search).filter(|step| step.kept);
    let highest_kept = highest_kept.max_by(|one, other| one.rate_per_s.total_cmp(&other.rate_per_s));
    if let Some((step, lag)) = highest_kept.and_then(|step| Some((step, step.wake_lag_s?))) {
        let said = format!(
            "wake lag at {}: {}, p99 {}; the kernel stamps arriving bytes, so no latency includes it",
            per_second(step.rate_per_s),
            seconds(lag.p50),
            seconds(lag.p99)
        );
        line(wrapped(&said, WIDTH, 0));
    } else {
        let said = "the kernel does not stamp arriving bytes here: latencies include the wake lag of our threads";
        line(wrapped(said, WIDTH, 0));
    }
    line(format!("closed loop, not streamed: {}", per_second(calibration.closed_loop_per_s)));
    let cpu = |us: Option<f64>| us.map_or_else(|| "unknown".to_owned(), |us| seconds(us / 1e6));
    line(format!(
        "CPU of the sending threads: {} a request, {} an event",
        cpu(calibration.cpu_us_per_request),
        cpu(calibration.cpu_us_per_event)
    ));
    line(String::new());
    for advice in &calibration.advice {
        line(wrapped(&format!("- {advice}"), WIDTH, 2));
    }
    text
}

fn cells(step: &Step) -> [String; 7] {
    let of = |spread: Option<Spread>, which: fn(Spread) -> f64| {
        spread.map_or_else(|| "—".to_owned(), |spread| seconds(which(spread)))
    };
    let (p50, p99) = (|spread: Spread| spread.p50, |spread: Spread| spread.p99);
    let kept = match (step.kept, step.planned - step.completed) {
        (true, _) => "yes".to_owned(),
        (false, 0) => "no".to_owned(),
        (false, lost) => format!("no, {} lost", count(lost)),
    };
    [
        per_second(step.rate_per_s),
        of(step.send_lag_s, p50),
        of(step.send_lag_s, p99),
        of(step.added_ttft_s, p50),
        of(step.added_ttft_s, p99),
        of(step.itl_error_s, p99),
        kept,
    ]
}

fn row(cells: &[String; 7]) -> String {
    let [rate, lag50, lag99, ttft50, ttft99, itl, kept] = cells;
    format!("{rate:>8}  {lag50:>8}  {lag99:>8}  {ttft50:>10}  {ttft99:>8}  {itl:>9}  {kept}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_fits_80_columns_and_says_what_is_not_known() {
        let spread = Some(Spread { p50: 0.000_104, p99: 0.001_2 });
        let step = Step {
            rate_per_s: 500.0,
            planned: 1_000,
            completed: 1_000,
            send_lag_s: spread,
            wake_lag_s: spread,
            added_ttft_s: spread,
            itl_error_s: None,
            cpu_us_per_request: None,
            kept: true,
        };
        let lost = Step { rate_per_s: 8_000.0, completed: 900, kept: false, ..step.clone() };
        let calibration = Calibration {
            cores: 2,
            workers: 1,
            output_tokens: 16,
            load_average: [Some(0.5), None],
            steps: vec![step],
            search: vec![lost],
            capacity_per_s: Some(500.0),
            capacity_is_bounded: true,
            closed_loop_per_s: 9_876.5,
            cpu_us_per_request: Some(41.2),
            cpu_us_per_event: None,
            advice: vec!["be careful ".repeat(12)],
        };
        insta::assert_snapshot!(text_of(&calibration));
        assert!(text_of(&calibration).lines().all(|line| line.chars().count() <= 80));
    }
}
