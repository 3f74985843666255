//! Owns verb `trace`: inspects a recorded trace and its anomalies, writes it in another format, fits laws to it, and
//! makes up a sample.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::cli::exit::Exit;
use crate::cli::recorded::{read, refuse_restart};
use crate::cli::terminal::{ink, print, say};
use crate::cli::trace_arguments::{
    ConvertArguments, FitArguments, InspectArguments, SampleArguments, TraceArguments, TraceVerb,
};
use crate::error::Error;
use crate::report::{render_fit, render_inspection, worded_inspection};
use crate::results::{create, create_out, json_text, not_written};
use crate::schedule::Observer;
use crate::seed::Seed;
use crate::trace::{Choice, Format, OnEmpty, Selection, Trace, inspect as inspect_rows, made_up, write};
use crate::units::{Offset, count, visible};
use crate::workload::{LengthFit, TraceFit, fit_trace};

/// Runs the verb under `trace`.
pub(super) fn trace(arguments: &TraceArguments) -> Result<ExitCode, Error> {
    match &arguments.verb {
        TraceVerb::Inspect(arguments) => inspect(arguments),
        TraceVerb::Convert(arguments) => convert(arguments),
        TraceVerb::Fit(arguments) => fit(arguments),
        TraceVerb::Sample(arguments) => sample(arguments),
    }
}

fn inspect(arguments: &InspectArguments) -> Result<ExitCode, Error> {
    let path = &arguments.file;
    let choice = Choice { on_empty: arguments.on_empty, ..Choice::default() };
    let selection = read(path, &arguments.reading.reading())?.select(&choice, path)?;
    let Some(mut inspection) = inspect_rows(&selection) else {
        return Err(Error::input(path, "has no row that is not empty; drop --on-empty to see it as it is"));
    };
    if arguments.json {
        worded_inspection(&mut inspection);
        print(&json_text(&inspection, "the figures")?)?;
    } else {
        print(&render_inspection(&path.to_string_lossy(), &inspection, &picture_of(&selection), ink()))?;
    }
    Ok(Exit::Done.into())
}

fn convert(arguments: &ConvertArguments) -> Result<ExitCode, Error> {
    if arguments.out.canonicalize().is_ok_and(|out| arguments.file.canonicalize().is_ok_and(|file| file == out)) {
        return Err(Error::usage("-o", "names the trace itself, which would be overwritten", "name another file"));
    }
    let trace = read(&arguments.file, &arguments.reading.reading())?;
    refuse_restart(&trace, &arguments.file)?;
    let lost = write_to(&trace, arguments.to, &arguments.out)?;
    let rows = count(trace.rows().len() as u64);
    let line = format!("{rows} rows of {} written as {} to {}", trace.format(), arguments.to, arguments.out.display());
    print(&(visible(&line).into_owned() + "\n"))?;
    for what in lost {
        say(&format!("lost: {what}"));
    }
    Ok(Exit::Done.into())
}

fn sample(arguments: &SampleArguments) -> Result<ExitCode, Error> {
    let trace = made_up(arguments.requests, arguments.to, Seed::new(arguments.seed))
        .ok_or_else(|| Error::Internal("the made-up trace has no rows".to_owned()))?;
    write_to(&trace, arguments.to, &arguments.out)?;
    let line = format!(
        "{} made-up rows written as {} to {}",
        count(trace.rows().len() as u64),
        arguments.to,
        arguments.out.display()
    );
    print(&(visible(&line).into_owned() + "\n"))?;
    Ok(Exit::Done.into())
}

/// Writes `trace` to `path`, compressed if its name ends in .gz. Returns what the format cannot hold.
fn write_to(trace: &Trace, format: Format, path: &Path) -> Result<Vec<String>, Error> {
    let failed = |why: std::io::Error| not_written(path, &why, "out");
    let mut sink = BufWriter::new(File::create(path).map_err(failed)?);
    let lost = if path.extension().is_some_and(|ending| ending == "gz") {
        let mut packed = GzEncoder::new(&mut sink, Compression::default());
        write(trace, format, &mut packed).and_then(|lost| packed.finish().map(|_| lost))
    } else {
        write(trace, format, &mut sink)
    };
    lost.and_then(|lost| sink.flush().map(|()| lost)).map_err(failed)
}

fn fit(arguments: &FitArguments) -> Result<ExitCode, Error> {
    let path = &arguments.file;
    // An absolute path, because `run -c` may be typed in another folder.
    let folder = arguments
        .out
        .as_deref()
        .map(|folder| std::path::absolute(folder).map_err(|why| Error::output(folder, format!("{why}; check --out"))));
    let folder = folder.transpose()?;
    let trace = read(path, &arguments.reading.reading())?;
    refuse_restart(&trace, path)?;
    let selection = trace.select(&Choice { on_empty: Some(OnEmpty::Skip), ..Choice::default() }, path)?;
    let Some(fit) = fit_trace(&selection) else {
        return Err(Error::input(
            path,
            "has no two rows at different instants with input and output tokens; a law needs more",
        ));
    };
    let yaml = yaml_of(&fit, path, folder.as_deref())?;
    if let Some(folder) = &folder {
        write_fit(&fit, &selection, &yaml, folder, arguments.force)?;
    }
    if arguments.json {
        print(&json_text(&fit, "the figures")?)?;
    } else {
        print(&render_fit(&path.to_string_lossy(), &fit, &yaml, ink()))?;
    }
    Ok(Exit::Done.into())
}

/// The configuration file for `run -c` and `plan -c`: the fitted laws replace the trace. Lengths that no law fits are
/// read from the files of --out.
fn yaml_of(fit: &TraceFit, path: &Path, folder: Option<&Path>) -> Result<String, Error> {
    let law = |lengths: &LengthFit, file: &str| match folder {
        Some(folder) if !lengths.is_near() => format!("file:{}", folder.join(file).display()),
        _ => lengths.law.clone(),
    };
    let mut options = serde_json::json!({
        "rate": if fit.rate_per_s < 1.0 { format!("{:.4}/h", fit.rate_per_s * 3600.0) } else { format!("{:.6}/s",
            fit.rate_per_s) },
        "process": fit.arrivals.process.to_string(),
        "duration": format!("{:.3}s", fit.length_s),
        "input-tokens": law(&fit.input_tokens, "input.txt"),
        "output-tokens": law(&fit.output_tokens, "output.txt"),
    });
    if let (Some(folder), Some(options)) = (folder, options.as_object_mut()) {
        // The profile gives the rate and the duration.
        options.retain(|key, _| key != "rate" && key != "duration");
        options.insert("profile".to_owned(), folder.join("profile.csv").display().to_string().into());
    }
    let text = serde_saphyr::to_string(&options)
        .map_err(|why| Error::Internal(format!("the laws cannot be written as YAML: {why}")))?;
    Ok(format!("# laws fitted to {}\n{text}", visible(&path.to_string_lossy())))
}

/// Writes the files of `--out`. Fails if one exists already, unless `force` is set.
fn write_fit(fit: &TraceFit, selection: &Selection, yaml: &str, folder: &Path, force: bool) -> Result<(), Error> {
    create_out(folder)?;
    let lengths = |of: fn(&crate::trace::Row) -> u32| {
        let lines: Vec<String> = selection.trace.rows().iter().map(|row| format!("{}\n", of(row))).collect();
        lines.concat()
    };
    let files = [
        ("fit.yaml", yaml.to_owned()),
        ("profile.csv", fit.profile.csv()),
        ("input.txt", lengths(|row| row.input_tokens)),
        ("output.txt", lengths(|row| row.output_tokens)),
    ];
    let there = |name: &str| folder.join(name).symlink_metadata().ok();
    if let Some((name, _)) = files.iter().find(|(name, _)| there(name).is_some_and(|about| !force || !about.is_file()))
    {
        return Err(Error::output(
            folder.join(name),
            "is there already; give --force to replace it, or name another folder with --out",
        ));
    }
    for (name, text) in files {
        let path = folder.join(name);
        let failed = |why: std::io::Error| Error::output(&path, format!("{why}; check --out"));
        if there(name).is_some() {
            std::fs::remove_file(&path).map_err(failed)?;
        }
        create(&path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)?;
    }
    Ok(())
}

/// The drawing of the rate over trace time.
fn picture_of(selection: &Selection) -> String {
    let rows = selection.trace.rows();
    let last = rows.last().map_or(Offset::ZERO, |row| row.at);
    let mut observer = Observer::new(last.plus(std::time::Duration::from_nanos(1)));
    for row in rows {
        observer.add(row.at);
    }
    observer.shape().picture
}
