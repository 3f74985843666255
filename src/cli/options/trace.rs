//! Owns the options of a recorded trace: how it is read, what is taken from it.

use std::time::Duration;

use clap::Args;

use super::numbers::{MOST, within};
use crate::schedule::TimeScale;
use crate::trace::{
    Columns, Format, OnEmpty, RateScale, Reading, Reshape, Sample, Spread, Think, TimeUnit, parse_delimiter,
    parse_window,
};
use crate::units::{Rate, Window, parse_duration};

/// How a trace is read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Trace")]
pub(in crate::cli) struct ReadingOptions {
    /// Format of the trace: azure, burstgpt, mooncake, bailian, ragpulse, weka, aibrix, vidur, otel, litellm, csv or
    /// jsonl, each compressed (gzip) or not [default: what its first line says]
    #[arg(long, value_name = "FORMAT", allow_hyphen_values = true)]
    pub(in crate::cli) format: Option<Format>,
    /// Columns of a CSV or keys of JSON lines (a.b: b inside a): time=NAME,input=NAME,output=NAME[,session=NAME]
    #[arg(long, value_name = "NAMES", allow_hyphen_values = true)]
    pub(in crate::cli) columns: Option<Columns>,
    /// Unit of the times in those columns: s, ms, us, ns or date; never guessed
    #[arg(long, value_name = "UNIT", allow_hyphen_values = true)]
    pub(in crate::cli) time_unit: Option<TimeUnit>,
    /// What separates the fields of a CSV: `,`, `;`, `|` or tab [default: what its first line has]
    #[arg(long, value_name = "CHAR", value_parser = parse_delimiter, allow_hyphen_values = true)]
    pub(in crate::cli) delimiter: Option<char>,
    /// Which of several recordings in one file to take, from 1: where its clock jumps back by more than 5 minutes,
    /// another begins
    #[arg(long, value_name = "N", value_parser = within::<u32>(1..=MOST), allow_hyphen_values = true)]
    pub(in crate::cli) segment: Option<u32>,
}

impl ReadingOptions {
    pub(in crate::cli) fn reading(&self) -> Reading {
        Reading {
            format: self.format,
            columns: self.columns.clone(),
            time_unit: self.time_unit,
            delimiter: self.delimiter,
            segment: self.segment,
        }
    }
}

/// What is taken from a trace, and what is done to it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Trace")]
pub(in crate::cli) struct ReplayOptions {
    #[command(flatten)]
    pub(in crate::cli) reading: ReadingOptions,
    /// How many times as fast as recorded: offsets are divided by K
    #[arg(long, value_name = "K", default_value = "1", allow_hyphen_values = true)]
    pub(in crate::cli) time_scale: TimeScale,
    /// How many times the rate, over the same time: below 1 rows are left out by chance, above 1 copies are laid over
    /// them
    #[arg(long, value_name = "R", default_value = "1", allow_hyphen_values = true)]
    pub(in crate::cli) rate_scale: RateScale,
    /// Span of trace time, before scaling: 0s..300s (the end outside; instants count from its start) [default: all of
    /// it]
    #[arg(long, value_name = "START..END", value_parser = parse_window, allow_hyphen_values = true)]
    pub(in crate::cli) window: Option<Window>,
    /// Rows of 0 input or output tokens: skip them, min1 (send 1 token for 0) or fail
    #[arg(long, value_name = "POLICY", default_value = "skip", allow_hyphen_values = true)]
    pub(in crate::cli) on_empty: OnEmpty,
    /// Leave out, and count, rows of more than N input tokens
    #[arg(long, value_name = "N", value_parser = within::<u32>(1..=MOST), allow_hyphen_values = true)]
    pub(in crate::cli) max_input: Option<u32>,
    /// Cut gaps between rows, and think times between turns, to at most this, in trace time
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(in crate::cli) gap_cap: Option<Duration>,
    /// Move rows that share an instant, because the recorder's clock ticks, into their tick: even or random
    #[arg(long, value_name = "HOW", allow_hyphen_values = true)]
    pub(in crate::cli) spread: Option<Spread>,
    /// Take a share (0.1, 10%) or a number (500) of the rows by chance, of whole sessions where there are sessions
    #[arg(long, value_name = "SAMPLE", allow_hyphen_values = true)]
    pub(in crate::cli) sample: Option<Sample>,
    /// Play the trace N times, one behind the other, its span and one mean gap apart
    #[arg(long = "loop", value_name = "N", default_value = "1", value_parser = within::<u16>(1..=65_535),
        allow_hyphen_values = true)]
    pub(in crate::cli) loops: u16,
    /// How many sessions begin in a second, minute or hour, by chance, where the trace does not say when (weka)
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    pub(in crate::cli) session_rate: Option<Rate>,
    /// When later turns of a session are sent: recorded (at their instants, open loop) or after-completion (released
    /// when the turn before has completed and its think time has passed, as long as --drain lasts; turns after a lost
    /// one are skipped)
    #[arg(long, value_name = "WHEN", default_value = "recorded", allow_hyphen_values = true)]
    pub(in crate::cli) think: Think,
    /// Print, draw and check the timeline; send nothing
    #[arg(long)]
    pub(in crate::cli) plan_only: bool,
}

impl ReplayOptions {
    pub(in crate::cli) fn reshape(&self) -> Reshape {
        Reshape {
            gap_cap: self.gap_cap,
            spread: self.spread,
            sample: self.sample,
            loops: self.loops,
            rate_scale: self.rate_scale,
        }
    }
}
