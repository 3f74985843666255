//! Owns verb `aggregate`: one table, and one index page, of all results below folders.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::cli::exit::Exit;
use crate::cli::options::{LanguageOption, TEMPLATE};
use crate::cli::terminal::{ink, print, say};
use crate::error::Error;
use crate::report::{
    Lang, render_aggregate, render_aggregate_csv, render_aggregate_markdown, render_csv_zh_of, render_index,
};
use crate::results::{Gathered, Report, write_page};

/// The files of the table and of the index page.
const INDEX: &str = "index.html";
const CSV: &str = "aggregate.csv";
const MARKDOWN: &str = "aggregate.md";

/// One table of many results: those of batches, and all others below folders
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage aggregate results
  tonnage aggregate results/nightly results/weekly --to csv,markdown --out pages
  tonnage aggregate results --to html         index.html: heat maps and history
  tonnage aggregate results --to csv-zh       the table of FlyAIBox
",
    help_template = TEMPLATE
)]
pub(super) struct AggregateArguments {
    /// Folders; results in them and in the folders below are taken
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,
    /// Forms of the table, comma-separated. html: index.html, with links to the page of each result, heat maps over
    /// lengths and loads, and the history; csv: aggregate.csv, one row a load, times in seconds; markdown:
    /// aggregate.md; csv-zh: the table of `FlyAIBox`, headings in Chinese, too
    #[arg(long, value_name = "FORM,…", value_delimiter = ',', default_value = "console")]
    to: Vec<Form>,
    /// The folder of the files [default: the folder, if one is given]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    language: LanguageOption,
}

/// A form of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Console,
    Html,
    Markdown,
    Csv,
    CsvZh,
}

/// Writes the table of all results below the folders.
pub(super) fn aggregate(arguments: &AggregateArguments) -> Result<ExitCode, Error> {
    let lang = arguments.language.lang(arguments.to.contains(&Form::Html))?;
    let is_written = arguments.to.iter().any(|form| *form != Form::Console);
    let home = match (&arguments.out, arguments.folders.as_slice()) {
        (Some(_), _) if !is_written => {
            let why = "has no meaning here: no file is written";
            return Err(Error::usage("--out", why, "add a form that is a file, as in --to html"));
        }
        (Some(out), _) => out.clone(),
        (None, [folder]) => folder.clone(),
        (None, _) if is_written => {
            return Err(Error::usage("--to", "needs --out here: several folders are given", "name one with --out DIR"));
        }
        (None, _) => PathBuf::new(),
    };
    // Links of the index begin at its own folder.
    let gathered = Gathered::below(&arguments.folders, &home)?;
    if gathered.entries.is_empty() {
        let why = "holds no result; give a folder with results of `run`, `sweep`, `search` or `batch`";
        return Err(Error::input(&arguments.folders[0], why));
    }
    let name = arguments.folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
    let write = |name: &str, text: &str| {
        let path = write_page(&home, name, text)?;
        say(&format!("table in {}", path.display()));
        Ok::<(), Error>(())
    };
    for form in &arguments.to {
        match form {
            Form::Console => print(&render_aggregate(&gathered, ink()))?,
            Form::Html => write(INDEX, &render_index(&gathered, &name, lang))?,
            Form::Markdown => write(MARKDOWN, &render_aggregate_markdown(&gathered, &name))?,
            Form::Csv => write(CSV, &render_aggregate_csv(&gathered))?,
            Form::CsvZh => {
                let reports: Vec<&Report> = gathered.entries.iter().filter_map(|entry| entry.report.as_ref()).collect();
                let (name, text) = render_csv_zh_of(&reports);
                write(&name, &text)?;
            }
        }
    }
    Ok(Exit::Done.into())
}

/// Writes the index page and the tables of `gathered` into `folder`.
pub(super) fn write_pages(gathered: &Gathered, folder: &Path) -> Result<(), Error> {
    let name = folder.display().to_string();
    write_page(folder, INDEX, &render_index(gathered, &name, Lang::English))?;
    write_page(folder, CSV, &render_aggregate_csv(gathered))?;
    write_page(folder, MARKDOWN, &render_aggregate_markdown(gathered, &name))?;
    Ok(())
}
