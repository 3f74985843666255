//! Owns verb `trace`: looks at a recorded trace, and says what in it to beware of.

use std::process::ExitCode;

use crate::cli::arguments::{InspectArguments, TraceArguments, TraceVerb};
use crate::cli::exit::Exit;
use crate::cli::replay::read;
use crate::cli::terminal::{ink, print};
use crate::error::Error;
use crate::report::render_inspection;
use crate::schedule::Observer;
use crate::trace::{Choice, Selection, inspect as inspect_rows};
use crate::units::Offset;

/// Does what the verb under `trace` says.
pub(super) fn trace(arguments: &TraceArguments) -> Result<ExitCode, Error> {
    match &arguments.verb {
        TraceVerb::Inspect(arguments) => inspect(arguments),
    }
}

fn inspect(arguments: &InspectArguments) -> Result<ExitCode, Error> {
    let path = &arguments.file;
    let choice = Choice { on_empty: arguments.on_empty, ..Choice::default() };
    let selection = read(path, &arguments.reading.reading())?.select(&choice, path)?;
    let Some(inspection) = inspect_rows(&selection) else {
        return Err(Error::input(path, "has no row that is not empty; drop --on-empty to see it as it is"));
    };
    if arguments.json {
        let text = serde_json::to_string_pretty(&inspection).map_err(|why| Error::Internal(format!("the figures are no JSON: {why}")))?;
        print(&format!("{text}\n"))?;
    } else {
        print(&render_inspection(&path.to_string_lossy(), &inspection, &picture_of(&selection), ink()))?;
    }
    Ok(Exit::Done.into())
}

/// The rate over trace time.
fn picture_of(selection: &Selection) -> String {
    let rows = selection.trace.rows();
    let last = rows.last().map_or(Offset::ZERO, |row| row.at);
    let mut observer = Observer::new(last.plus(std::time::Duration::from_nanos(1)));
    for row in rows {
        observer.add(row.at);
    }
    observer.shape().picture
}
