//! Owns the options of a recorded trace: how it is read, and what is taken from it.

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
    /// Format of the trace: azure, burstgpt, mooncake, bailian, ragpulse, weka, aibrix, vidur, otel, litellm, bodies
    /// (whole request bodies, which are sent as they are), csv or jsonl, each compressed (gzip) or not [default:
    /// recognised by its first line]
    #[arg(long, value_name = "FORMAT", allow_hyphen_values = true)]
    pub(in crate::cli) format: Option<Format>,
    /// Columns of a CSV or keys of JSON lines (a.b: b inside a): time=NAME,input=NAME,output=NAME[,session=NAME]
    #[arg(long, value_name = "NAMES", allow_hyphen_values = true)]
    pub(in crate::cli) columns: Option<Columns>,
    /// Unit of the times in those columns: s, ms, us, ns or date; never guessed
    #[arg(long, value_name = "UNIT", allow_hyphen_values = true)]
    pub(in crate::cli) time_unit: Option<TimeUnit>,
    /// Separator of the fields of a CSV: `,`, `;`, `|` or tab [default: recognised by its first line]
    #[arg(long, value_name = "CHAR", value_parser = parse_delimiter, allow_hyphen_values = true)]
    pub(in crate::cli) delimiter: Option<char>,
    /// Number of the recording to take, from 1, if a file holds several: a new recording begins where the clock jumps
    /// back by more than 5 minutes
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

/// What is taken from a trace, and how it is changed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Trace")]
pub(in crate::cli) struct ReplayOptions {
    #[command(flatten)]
    pub(in crate::cli) reading: ReadingOptions,
    /// Factor by which to speed up the trace: offsets are divided by K
    #[arg(long, value_name = "K", default_value = "1", allow_hyphen_values = true)]
    pub(in crate::cli) time_scale: TimeScale,
    /// Factor by which to change the rate over the same time: below 1 rows are left out at random, above 1 copies of
    /// rows are added
    #[arg(long, value_name = "R", default_value = "1", allow_hyphen_values = true)]
    pub(in crate::cli) rate_scale: RateScale,
    /// Span of trace time to use, before scaling: 0s..300s (without its end; instants count from its start) [default:
    /// all of it]
    #[arg(long, value_name = "START..END", value_parser = parse_window, allow_hyphen_values = true)]
    pub(in crate::cli) window: Option<Window>,
    /// Rows with 0 input or output tokens: skip them, min1 (send 1 token for 0) or fail
    #[arg(long, value_name = "POLICY", default_value = "skip", allow_hyphen_values = true)]
    pub(in crate::cli) on_empty: OnEmpty,
    /// Leave out, and count, rows with more than N input tokens
    #[arg(long, value_name = "N", value_parser = within::<u32>(1..=MOST), allow_hyphen_values = true)]
    pub(in crate::cli) max_input: Option<u32>,
    /// Shorten longer gaps between rows, and longer think times between turns, to this much trace time
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(in crate::cli) gap_cap: Option<Duration>,
    /// Spread rows that share an instant, because the recorder's clock is coarse, over one tick of that clock: even or
    /// random
    #[arg(long, value_name = "HOW", allow_hyphen_values = true)]
    pub(in crate::cli) spread: Option<Spread>,
    /// Take a share (0.1, 10%) or a number (500) of the rows at random; of whole sessions where the trace has sessions
    #[arg(long, value_name = "SAMPLE", allow_hyphen_values = true)]
    pub(in crate::cli) sample: Option<Sample>,
    /// Repeat the trace N times, one after the other, with one mean gap between the end of one and the start of the
    /// next
    #[arg(long = "loop", value_name = "N", default_value = "1", value_parser = within::<u16>(1..=65_535),
        allow_hyphen_values = true)]
    pub(in crate::cli) loops: u16,
    /// Rate at which sessions start at random, per second, minute or hour, for traces that do not record it (weka)
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    pub(in crate::cli) session_rate: Option<Rate>,
    /// When later turns of a session are sent: recorded (at their recorded instants, open loop) or after-completion
    /// (released when the previous turn has completed and the think time has passed, until --drain ends; turns after
    /// one that did not complete are skipped)
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
