//! Owns the arguments of verb `batch`: reads a matrix, shows or runs its cells, and writes the index of all results.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, printed as they stand")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command, ValueEnum};

use crate::cli::aggregate::write_pages;
use crate::cli::batch::cells::cells_of;
use crate::cli::batch::check::checked;
use crate::cli::batch::course::{Course, Planned};
use crate::cli::batch::matrix::Matrix;
use crate::cli::exit::Exit;
use crate::cli::options::TEMPLATE;
use crate::cli::signals::Signals;
use crate::cli::terminal::{ink, print, say};
use crate::engine::local_runtime;
use crate::error::Error;
use crate::report::{render_aggregate, render_matrix};
use crate::results::{BatchFolder, Gathered, file_name, hidden};

/// Many loads, one after another: models × targets × lengths × loads × processes, from one file
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage batch --example lework > nightly.yaml   a matrix to begin with
  tonnage batch nightly.yaml --dry-run   the cells, and how long they take
  tonnage batch nightly.yaml             run them: results/nightly/index.html
  tonnage batch nightly.yaml --resume    go on after a crash or an interrupt
  tonnage batch nightly.yaml --after-command './serve.sh \"$TONNAGE_NEXT_MODEL\"'

A file:
  base: {duration: 30s, slo: [p99 ttft<=500ms]}   options of every cell
  models: [a, b]
  targets: [http://h1:8000]
  lengths: [[512, 128], [1024, 256]]
  loads: [2/s, 4/s, concurrent:50]
  processes: [poisson, gamma:2]   closed loops have none, and are there once
  cells:
  - {match: {models: b, loads: 4/s}, set: {duration: 60s}}
  - {match: {lengths: [1024, 256], loads: concurrent:50}, skip: true}
  after-command: sleep 5
",
    after_help = "Exit code:
  0    every cell has a result, and met its objectives
  1    an objective failed in a cell
  2    wrong usage or input, or a result could not be written
  3    a cell has no result, or --after-command failed
  4    a cell is inconclusive
  130  interrupted; --resume goes on",
    help_template = TEMPLATE
)]
pub(in crate::cli) struct BatchArguments {
    /// The file of the matrix. base: options of every cell, each with the name that it has in `tonnage run`; models,
    /// targets, lengths, loads, processes: lists of values, each of which meets each of the others; a value may be
    /// options with a name, as in {name: h1, model: m, target: http://h1:8000}; cells: what some cells have otherwise;
    /// verb: run, sweep or search; after-command
    #[arg(value_name = "FILE.yaml", required_unless_present = "example")]
    file: Option<PathBuf>,
    /// Print the cells and about how long they take; send nothing
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,
    /// Go on with the last batch in the folder: cells with a result are not run again, a cell that was cut off or
    /// failed begins anew. --after-command runs first, if a cell has ended before
    #[arg(long)]
    resume: bool,
    /// The folder of the batches, with index.html, aggregate.csv and aggregate.md over all of them; a result is in
    /// DIR/<model>/<time>/<cell> [default: results/<name of the file>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Command that runs in `sh` after each cell, for example to start the next server. Its environment has
    /// TONNAGE_CELL, _MODEL, _TARGET, _LENGTHS, _LOAD, _PROCESS, _FOLDER and _EXIT_CODE of the cell that ended, and
    /// TONNAGE_NEXT_CELL, _NEXT_MODEL, … of the one that comes next (empty after the last). What it prints goes to
    /// after-command.log. If it fails, the batch stops, because the next cell would load the wrong server; end it in
    /// `|| true` to go on all the same
    #[arg(long, value_name = "COMMAND")]
    after_command: Option<String>,
    /// Errors only
    #[arg(long)]
    quiet: bool,
    /// Print a matrix: that of lework/llm-benchmark or of FlyAIBox/llm_benchmark. Both run as they stand, against the
    /// embedded simulated server
    #[arg(long, value_name = "NAME", conflicts_with_all = ["file", "dry_run", "resume", "out", "after_command"])]
    example: Option<Example>,
}

/// A ready matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Example {
    Lework,
    Flyaibox,
}

impl Example {
    /// The text of its file.
    const fn text(self) -> &'static str {
        match self {
            Self::Lework => include_str!("../../../datasets/batch/lework.yaml"),
            Self::Flyaibox => include_str!("../../../datasets/batch/flyaibox.yaml"),
        }
    }
}

/// Shows or runs the cells of a matrix.
pub(in crate::cli) fn batch(arguments: &BatchArguments, definition: &Command) -> Result<ExitCode, Error> {
    if let Some(example) = arguments.example {
        print(example.text())?;
        return Ok(Exit::Done.into());
    }
    let path = arguments.file.as_deref().unwrap_or(Path::new(""));
    let matrix = Matrix::read(path)?;
    let mut planned = Vec::new();
    for cell in cells_of(&matrix, path)? {
        let checked = checked(&cell, matrix.verb, path, definition)?;
        planned.push(Planned { cell, checked });
    }
    let after = arguments.after_command.clone().or_else(|| matrix.after_command.clone());
    if arguments.dry_run {
        let cells: Vec<_> = planned.iter().map(Planned::about).collect();
        print(&render_matrix(&cells, after.as_deref(), ink()))?;
        return Ok(Exit::Done.into());
    }
    let root = arguments.out.clone().unwrap_or_else(|| default_folder(path, matrix.name.as_deref()));
    if arguments.resume && !BatchFolder::is_begun(&root) {
        let why = format!("no batch has begun in {}", root.display());
        return Err(Error::usage("--resume", why, "drop it, or name the folder with --out"));
    }
    let mut folder = BatchFolder::claim(&root)?;
    let course = Course {
        verb: matrix.verb,
        cells: planned,
        after,
        quiet: arguments.quiet,
        again: again(path, &root, arguments),
    };
    let runtime = local_runtime()?;
    let played = runtime.block_on(async {
        let signals = Signals::listen()?;
        course.play(&mut folder, path, arguments.resume, signals).await
    });
    runtime.shutdown_background();
    let exit = played?;
    show(&folder, arguments.quiet)?;
    Ok(exit.into())
}

/// `results/<name>`: the name in the file, or that of the file.
fn default_folder(path: &Path, name: Option<&str>) -> PathBuf {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = file_name(&hidden(name.map_or_else(|| stem.unwrap_or_default(), str::to_owned).as_str()));
    PathBuf::from("results").join(if name.is_empty() { "batch" } else { &name })
}

/// The command that goes on with the batch.
fn again(path: &Path, root: &Path, arguments: &BatchArguments) -> String {
    let mut words = vec!["tonnage".to_owned(), "batch".to_owned(), path.display().to_string()];
    if arguments.out.is_some() {
        words.extend(["--out".to_owned(), root.display().to_string()]);
    }
    words.extend(arguments.after_command.iter().flat_map(|command| ["--after-command".to_owned(), command.clone()]));
    words.push("--resume".to_owned());
    crate::report::shell_line(&words)
}

/// Writes the pages over all batches, and prints the table of the last one.
fn show(folder: &BatchFolder, quiet: bool) -> Result<(), Error> {
    let mut gathered = Gathered::below(&[folder.path().to_owned()], folder.path())?;
    write_pages(&gathered, folder.path())?;
    if quiet {
        return Ok(());
    }
    let last = gathered.batches.len().checked_sub(1);
    gathered.entries.retain(|entry| entry.cell.as_ref().map(|(batch, ..)| *batch) == last);
    print(&render_aggregate(&gathered, ink()))?;
    say(&format!("index in {}", folder.path().join("index.html").display()));
    Ok(())
}
