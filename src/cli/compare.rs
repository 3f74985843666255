//! Owns verb `compare`: saved results side by side, each difference with its interval, and `--fail-on` for CI.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli::exit::Exit;
use crate::cli::options::{LanguageOption, TEMPLATE};
use crate::cli::terminal::{ink, print, say_all};
use crate::error::Error;
use crate::metrics::Allowance;
use crate::report::{render_comparison, render_comparison_html, render_comparison_markdown, worded_comparison};
use crate::results::{Comparison, Lines, SCHEMA, compare as compared, json_text, tool};

/// Differences between results, each with an interval; --fail-on for CI
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage compare results/m/before results/m/after
  tonnage compare before after --fail-on 'p99 ttft +10%'   for CI
  tonnage compare model-a model-b model-c --to markdown
  tonnage compare before after --to html > comparison.html
  tonnage compare sweep-a sweep-b                the loads that both have
  tonnage compare vllm.json results/m/run        a file of another tool
",
    after_help = "Exit code:
  0    done; with --fail-on: no change is surely larger than accepted
  1    a change is surely larger than --fail-on accepts
  2    wrong usage or input",
    help_template = TEMPLATE
)]
pub(super) struct CompareArguments {
    /// Result folders, or their result.json, of `run`, `replay` or `sweep`. The first one is the baseline. Records in
    /// the folders give the intervals; without records the stored intervals count. Files of vLLM, SGLang, GuideLLM,
    /// AIPerf and folders of evalscope are compared by their values, without intervals
    #[arg(value_name = "DIR|FILE", required = true, num_args = 2..)]
    pub(super) results: Vec<PathBuf>,
    /// Exit with 1 if a result is surely (95 %) worse than the baseline by more than this. Repeatable: `p99 ttft +10%`,
    /// `p50 e2e +20ms`, `tokens/s -5%`, `requests/s -5%`, `goodput -5%`, `error_rate +1%` (points of a percent)
    #[arg(long, value_name = "CHANGE")]
    pub(super) fail_on: Vec<Allowance>,
    /// Print the comparison as JSON, and nothing else, on standard output
    #[arg(long, conflicts_with = "to")]
    pub(super) json: bool,
    /// The form of the page on standard output; html is one file with a chart that needs no network
    #[arg(long, value_name = "FORM", default_value = "console")]
    pub(super) to: Form,
    #[command(flatten)]
    language: LanguageOption,
}

/// A form of the page of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    Console,
    Markdown,
    Html,
}

/// Most results that are compared at once: their letters are A to Z.
const MOST: usize = 26;

/// Compares results, and prints the comparison.
pub(super) fn compare(arguments: &CompareArguments, command: &[String]) -> Result<ExitCode, Error> {
    if arguments.results.len() > MOST {
        let accepted = format!("compare at most {MOST} results at once");
        return Err(Error::usage("DIR|FILE", format!("{} results are given", arguments.results.len()), accepted));
    }
    let lang = arguments.language.lang(!arguments.json && arguments.to == Form::Html)?;
    let said = Lines::default();
    let comparison = compared(&arguments.results, &arguments.fail_on, &said);
    say_all(&said);
    let mut comparison = comparison?.ruled(&arguments.fail_on);
    refuse_absent(&arguments.fail_on, &comparison)?;
    worded_comparison(&mut comparison);
    let page = json!({"schema": SCHEMA, "tool": tool(), "command": command, "comparison": comparison});
    if arguments.json {
        print(&json_text(&page, "the comparison")?)?;
    } else {
        print(&match arguments.to {
            Form::Console => render_comparison(&comparison, ink()),
            Form::Markdown => render_comparison_markdown(&comparison),
            Form::Html => render_comparison_html(&comparison, &page, lang)?,
        })?;
    }
    Ok(if comparison.is_worse() { Exit::Failed } else { Exit::Done }.into())
}

/// Refuses an allowance on a figure that no result has: it would pass for ever.
fn refuse_absent(allowances: &[Allowance], comparison: &Comparison) -> Result<(), Error> {
    for allowance in allowances {
        let known = |ruled: &crate::results::Ruled| ruled.measure == allowance.measure;
        if !comparison.rulings.iter().any(known) {
            let accepted =
                "name a figure of the results; goodput needs objectives, ttft and tpot need streamed answers";
            return Err(Error::usage("--fail-on", format!("no result has `{}`", allowance.measure), accepted));
        }
    }
    Ok(())
}
