//! Owns the options of a search, with their help texts.

use std::path::PathBuf;

use clap::Args;

use crate::cli::options::within;
use crate::error::Refusal;
use crate::schedule::TimeScale;
use crate::search::Axis;
use crate::search::step::Budget;
use crate::units::{Rate, Ratio, parse_duration};
use crate::workload::Closed;

/// The most requests in flight.
const CLOSED_MOST: u64 = Closed::MOST as u64;

/// What is searched for, and at what cost.
#[derive(Debug, Args)]
#[command(next_help_heading = "Search")]
pub(super) struct SearchOptions {
    /// What to vary: rate (of an open load), concurrency (of closed loops: users, each of whom waits for an answer) or
    /// time-scale (the speed of the trace in FILE, in times its recorded speed)
    #[arg(long, value_name = "WHAT", default_value = "rate", allow_hyphen_values = true)]
    pub(super) over: Axis,
    /// Wanted half width of the interval: 1% to 50%
    #[arg(long, value_name = "SHARE", default_value = "10%", value_parser = precision, allow_hyphen_values = true)]
    pub(super) precision: Ratio,
    /// Lowest rate of interest: if this rate fails, the search ends
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    pub(super) min_rate: Option<Rate>,
    /// Highest rate to offer
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    pub(super) max_rate: Option<Rate>,
    /// With --over concurrency: fewest requests in flight of interest
    #[arg(long, value_name = "N", value_parser = within::<u32>(1..=CLOSED_MOST), allow_hyphen_values = true)]
    pub(super) min_concurrency: Option<u32>,
    /// With --over concurrency: most requests in flight [default: 1024]
    #[arg(long, value_name = "N", value_parser = within::<u32>(1..=CLOSED_MOST), allow_hyphen_values = true)]
    pub(super) max_concurrency: Option<u32>,
    /// With --over time-scale: lowest speed of interest
    #[arg(long, value_name = "K", allow_hyphen_values = true)]
    pub(super) min_time_scale: Option<TimeScale>,
    /// With --over time-scale: highest speed
    #[arg(long, value_name = "K", allow_hyphen_values = true)]
    pub(super) max_time_scale: Option<TimeScale>,
    /// Most time (30m) or requests (50000) to spend: the search then answers with what it knows [default: what the
    /// precision takes]
    #[arg(long, value_name = "TIME|N", value_parser = budget, allow_hyphen_values = true)]
    pub(super) budget: Option<Budget>,
    /// Run a certificate whatever the budget: a new run at the lower bound of the answer, which must pass by itself
    /// [default: if --budget has room for it; its cost is printed in advance]
    #[arg(long, overrides_with = "no_certificate")]
    pub(super) certificate: bool,
    /// Run no certificate: the answer is an estimate
    #[arg(long, overrides_with = "certificate")]
    pub(super) no_certificate: bool,
    /// Continue the search in this result folder with the options that it was started with; finished loads are not
    /// repeated
    #[arg(long, value_name = "DIR")]
    pub(super) resume: Option<PathBuf>,
}

/// The smallest budget in requests: with fewer, the first steps of a search leave no room for a probe.
const LEAST_BUDGET: u64 = 500;

/// Reads `30m` or `50000`.
fn budget(text: &str) -> Result<Budget, Refusal> {
    let accepted = "accepted is a time, as in 30m, or a number of requests, as in 50000";
    if let Ok(requests) = text.trim().parse::<u64>() {
        if requests == 0 {
            return Err(Refusal::new("a budget of nothing buys nothing", accepted));
        }
        if requests < LEAST_BUDGET {
            let why = format!("a budget of {requests} requests buys nothing");
            return Err(Refusal::new(
                why,
                format!(
                    "for time write {requests}s or {requests}m; in requests accepted is {LEAST_BUDGET} or more, as in \
                     50000"
                ),
            ));
        }
        return Ok(Budget { requests: Some(requests), seconds: None });
    }
    let time = parse_duration(text).map_err(|refusal| Refusal::new(refusal.why, accepted))?;
    if time.is_zero() {
        return Err(Refusal::new("a budget of no time buys nothing", accepted));
    }
    Ok(Budget { requests: None, seconds: Some(time.as_secs_f64()) })
}

/// Reads `--precision`: 1 % to 50 %.
fn precision(text: &str) -> Result<Ratio, Refusal> {
    let typed = text.trim();
    let percent = typed.strip_suffix('%').unwrap_or(typed).trim().parse::<f64>();
    // A bare number from 1 to 50 is probably meant as a percentage.
    let meant = percent.ok().filter(|percent| !typed.ends_with('%') && (1.0..=50.0).contains(percent));
    let meant = meant.map_or_else(String::new, |percent| format!("for {percent} % write {percent}%; "));
    let accepted = format!("{meant}accepted is 1% to 50%");
    match typed.parse::<Ratio>() {
        Ok(ratio) if (0.01..=0.5).contains(&ratio.share()) => Ok(ratio),
        _ => Err(Refusal::new(format!("`{text}` is no precision"), accepted)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precision_has_one_range() {
        for (text, share) in [("10%", 0.1), ("0.1", 0.1), ("1%", 0.01), ("50 %", 0.5)] {
            assert_eq!(precision(text).map(Ratio::share), Ok(share), "{text}");
        }
        for text in ["10", "0.1%", "60%", "51", "0", "1", "-5%", "x", ""] {
            let refused = precision(text).unwrap_err();
            assert!(refused.accepted.ends_with("accepted is 1% to 50%"), "{text}: {refused}");
        }
        assert!(precision("10").unwrap_err().accepted.starts_with("for 10 % write 10%"));
    }
}
