//! Owns verb `report`: shows a saved result again with the same numbers, from its records if they exist.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::cli::exit::Exit;
use crate::cli::options::{LanguageOption, TEMPLATE};
use crate::cli::terminal::{ink, print, say, say_all};
use crate::error::Error;
use crate::foreign::ForeignResult;
use crate::meeting::{is_meeting_place, results_in};
use crate::report::{
    render, render_csv, render_csv_zh, render_evalscope, render_foreign, render_guidellm_text, render_html_in,
    render_lework, render_lework_line, render_llm_d, render_markdown, render_sglang, render_vllm, render_vllm_text,
    worded,
};
#[cfg(feature = "parquet")]
use crate::results::write_request_table;
use crate::results::{Lines, Missing, PAGES, Report, again, foreign, json_of, json_text, merge, write_page};
#[cfg(feature = "parquet")]
use crate::units::count;

/// Print a saved result again, with the same numbers, or write it as a page; or merge the shards of one plan
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage report results/tonnage-sim/20260102T030405Z-run
  tonnage report results/tonnage-sim/20260102T030405Z-run/result.json --json
  tonnage report one two three                              all shards of a plan
  tonnage report results/tonnage-sim/20260102T030405Z-run --to html
  tonnage report results/tonnage-sim/20260102T030405Z-run --to html --lang zh
  tonnage report DIR --to console,markdown,csv --out pages
",
    help_template = TEMPLATE
)]
pub(super) struct ReportArguments {
    /// A result folder, or its result.json. Records in the folder are evaluated again; without records the saved
    /// figures are shown. Several results must be all shards of one plan, with their records: they are merged into one
    /// result; a folder at which shards met (--meet) stands for all of them. Or a result of vLLM, SGLang, GuideLLM
    /// (benchmarks.json), AIPerf (its JSON), or a folder of evalscope
    #[arg(value_name = "DIR|FILE", required = true)]
    pub(super) results: Vec<PathBuf>,
    /// Print the result as JSON, and nothing else, on standard output
    #[arg(long, conflicts_with_all = ["to", "out"])]
    pub(super) json: bool,
    /// Forms of the page, comma-separated. html: report.html, one file with charts that needs no network; markdown:
    /// report.md; csv: report.csv, one row a trial, times in seconds. Files of other tools: vllm (`vllm bench serve`,
    /// one a trial), sglang (`sglang.bench_serving`, sglang.jsonl), evalscope (a folder a trial), llm-d (benchmark
    /// report 0.2.1, one a trial), lework (llm-benchmark, one file), csv-zh (the table of `FlyAIBox`, headings in
    /// Chinese, too). They are written beside result.json. On standard output: console, vllm-text (the block of `vllm
    /// bench serve`), guidellm-text (the tables of `GuideLLM`), lework-line
    #[arg(long, value_name = "FORM,…", value_delimiter = ',', default_value = "console")]
    pub(super) to: Vec<Form>,
    /// Merge the shards that are there, and name those that are missing; rates are those of what was sent
    #[arg(long)]
    pub(super) partial: bool,
    /// The folder of the pages, instead of the folder of the result
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    #[command(flatten)]
    language: LanguageOption,
}

/// A form of the page of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    Console,
    Html,
    Markdown,
    Csv,
    Vllm,
    VllmText,
    Sglang,
    Evalscope,
    LlmD,
    GuidellmText,
    Lework,
    LeworkLine,
    CsvZh,
    // A build without the feature answers with its name.
    #[cfg_attr(not(feature = "parquet"), value(hide = true))]
    Parquet,
}

impl Form {
    /// Whether the form is printed on standard output, not written to a file.
    const fn is_printed(self) -> bool {
        matches!(self, Self::Console | Self::VllmText | Self::GuidellmText | Self::LeworkLine)
    }
}

/// Shows a result again.
pub(super) fn report(arguments: &ReportArguments) -> Result<ExitCode, Error> {
    let folder = folder_of(arguments)?;
    let lang = arguments.language.lang(!arguments.json && arguments.to.contains(&Form::Html))?;
    if let [path] = arguments.results.as_slice()
        && let Some(found) = foreign(path)?
    {
        return report_foreign(arguments, path, &found);
    }
    let said = Lines::default();
    let missing = if arguments.partial { Missing::LeftOut } else { Missing::Refused };
    let report = match arguments.results.as_slice() {
        [path] if is_meeting_place(path) => {
            let left: Vec<PathBuf> = results_in(path).into_values().collect();
            if left.is_empty() {
                let why = "is a meeting place at which no shard has left a result; wait for the shards to end";
                return Err(Error::input(path, why));
            }
            merge(&left, missing, &said)
        }
        [path] => again(path, &said),
        paths => merge(paths, missing, &said),
    };
    say_all(&said);
    let mut report = report?;
    worded(&mut report);
    if arguments.json {
        print(&json_of(&report)?)?;
        return Ok(Exit::Done.into());
    }
    let [html, markdown, csv] = PAGES;
    let write = |what: &str, name: &str, text: &str| {
        // evalscope has a folder for each trial.
        let (inside, name) =
            name.rsplit_once('/').map_or((folder.clone(), name), |(inside, name)| (folder.join(inside), name));
        let path = write_page(&inside, name, text)?;
        say(&format!("{what} in {}", path.display()));
        Ok::<(), Error>(())
    };
    let write_all =
        |what: &str, files: Vec<(String, String)>| files.iter().try_for_each(|(name, text)| write(what, name, text));
    for form in &arguments.to {
        match form {
            Form::Console => print(&render(&report, ink()))?,
            Form::Html => write("html page", html, &render_html_in(&report, lang)?)?,
            Form::Markdown => write("md page", markdown, &render_markdown(&report))?,
            Form::Csv => write("csv page", csv, &render_csv(&report))?,
            Form::VllmText => print(&render_vllm_text(&report))?,
            Form::Vllm => write_all("vLLM's file", render_vllm(&report)?)?,
            Form::Sglang => write_all("SGLang's file", vec![render_sglang(&report)?])?,
            Form::Evalscope => write_all("evalscope's file", render_evalscope(&report)?)?,
            Form::LlmD => write_all("llm-d's report", render_llm_d(&report)?)?,
            Form::GuidellmText => print(&render_guidellm_text(&report))?,
            Form::Lework => write_all("lework's file", vec![render_lework(&report)?])?,
            Form::LeworkLine => print(&render_lework_line(&report))?,
            Form::Parquet => request_table(&arguments.results, &report, &folder)?,
            Form::CsvZh => write_all("csv page", vec![render_csv_zh(&report)])?,
        }
    }
    Ok(Exit::Done.into())
}

/// Shows the result of another load generator.
fn report_foreign(arguments: &ReportArguments, path: &Path, found: &ForeignResult) -> Result<ExitCode, Error> {
    if arguments.to != [Form::Console] || arguments.out.is_some() {
        let why = format!("is not written for a file of {}", found.tool);
        return Err(Error::usage("--to", why, "read it on the console, with --json, or with `tonnage compare`"));
    }
    print(&if arguments.json {
        json_text(found, "the result")?
    } else {
        render_foreign(found, &path.display().to_string(), ink())
    })?;
    Ok(Exit::Done.into())
}

/// Writes the records of the result as rows of a table.
#[cfg(feature = "parquet")]
fn request_table(results: &[PathBuf], report: &Report, folder: &Path) -> Result<(), Error> {
    let [path] = results else {
        return Err(Error::usage("--to", "parquet takes one result", "write the table of each shard by itself"));
    };
    let (table, rows) = write_request_table(path, report, folder)?;
    say(&format!("{} requests in {}", count(rows), table.display()));
    Ok(())
}

/// Refuses the table.
#[cfg(not(feature = "parquet"))]
fn request_table(_: &[PathBuf], _: &Report, _: &Path) -> Result<(), Error> {
    let why = "names parquet, which this build does not write";
    Err(Error::usage(
        "--to",
        why,
        "build with cargo's feature `parquet`, or read records.jsonl, one JSON line a request",
    ))
}

/// The folder of the pages: that of `--out`, else that of the result. Merged shards have none.
fn folder_of(arguments: &ReportArguments) -> Result<PathBuf, Error> {
    let is_written = arguments.to.iter().any(|form| !form.is_printed());
    match (&arguments.out, arguments.results.as_slice()) {
        (Some(_), _) if !is_written => Err(Error::usage(
            "--out",
            "has no meaning here: no page is written",
            "add a form that is a file, as in --to html",
        )),
        (Some(folder), _) => Ok(folder.clone()),
        (None, [path]) if path.is_dir() => Ok(path.clone()),
        (None, [path]) => {
            Ok(path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new(".")).to_owned())
        }
        (None, _) if is_written => {
            Err(Error::usage("--to", "needs --out here: merged shards have no folder", "name one with --out DIR"))
        }
        (None, _) => Ok(PathBuf::new()),
    }
}
