//! Owns verb `report`: shows a saved result again with the same numbers, from its records if they exist.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::cli::exit::Exit;
use crate::cli::options::{LanguageOption, TEMPLATE};
use crate::cli::terminal::{ink, print, say, say_all};
use crate::error::Error;
use crate::report::{
    render, render_csv, render_evalscope, render_html_in, render_llm_d, render_markdown, render_sglang, render_vllm,
    render_vllm_text, worded,
};
use crate::results::{Lines, PAGES, again, json_of, merge, write_page};

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
    /// result
    #[arg(value_name = "DIR|FILE", required = true)]
    pub(super) results: Vec<PathBuf>,
    /// Print the result as JSON, and nothing else, on standard output
    #[arg(long, conflicts_with_all = ["to", "out"])]
    pub(super) json: bool,
    /// Forms of the page, comma-separated. html: report.html, one file with charts that needs no network; markdown:
    /// report.md; csv: report.csv, one row a trial, times in seconds. Files of other tools: vllm (`vllm bench serve`,
    /// one a trial), sglang (`sglang.bench_serving`, sglang.jsonl), evalscope (a folder a trial), llm-d (benchmark
    /// report 0.2.1, one a trial). They are written beside result.json. On standard output: console, and vllm-text (the
    /// block of `vllm bench serve`)
    #[arg(long, value_name = "FORM,…", value_delimiter = ',', default_value = "console")]
    pub(super) to: Vec<Form>,
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
}

impl Form {
    /// Whether the form is printed on standard output, not written to a file.
    const fn is_printed(self) -> bool {
        matches!(self, Self::Console | Self::VllmText)
    }
}

/// Shows a result again.
pub(super) fn report(arguments: &ReportArguments) -> Result<ExitCode, Error> {
    let folder = folder_of(arguments)?;
    let lang = arguments.language.lang(!arguments.json && arguments.to.contains(&Form::Html))?;
    let said = Lines::default();
    let report = match arguments.results.as_slice() {
        [path] => again(path, &said),
        paths => merge(paths, &said),
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
        }
    }
    Ok(Exit::Done.into())
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
