//! Owns the choice of a file's parser, from the first line and from what the user said about the file.

use crate::trace::aibrix::AiBrix;
use crate::trace::azure::Azure;
use crate::trace::bailian::Bailian;
use crate::trace::bodies::WholeBodies;
use crate::trace::burstgpt::BurstGpt;
use crate::trace::format::Format;
use crate::trace::generic::{GenericCsv, GenericJson};
use crate::trace::litellm::LiteLlm;
use crate::trace::mooncake::Mooncake;
use crate::trace::otel::Otel;
use crate::trace::parser::Parser;
use crate::trace::ragpulse::RagPulse;
use crate::trace::reading::Reading;
use crate::trace::recognise::format_of;
use crate::trace::table::{DELIMITERS, with_commas};
use crate::trace::vidur::Vidur;
use crate::trace::weka::Weka;

/// A file whose first line has been seen.
pub(crate) struct Opened {
    pub(crate) format: Format,
    pub(crate) time_unit: &'static str,
    pub(crate) parser: Box<dyn Parser>,
    /// Whether the first line is a header and not a row.
    pub(crate) is_header: bool,
}

/// The parser of a file that starts with `line`, and the separator of its fields. A comma is tried first. Another
/// separator is taken only when the line is a header with that separator and is no header with commas.
pub(crate) fn opened_with(line: &str, reading: &Reading) -> Result<(Opened, char), String> {
    if line.starts_with(['{', '[']) {
        if reading.delimiter.is_some() {
            return Err("is JSON, which has no delimiter; drop the option delimiter".to_owned());
        }
        return parser_of(line, reading).map(|opened| (opened, ','));
    }
    if let Some(delimiter) = reading.delimiter {
        return parser_of(&with_commas(line, delimiter), reading).map(|opened| (opened, delimiter));
    }
    let refused = match parser_of(line, reading) {
        Ok(opened) => return Ok((opened, ',')),
        Err(why) => why,
    };
    let others = DELIMITERS.into_iter().filter(|delimiter| *delimiter != ',' && line.contains(*delimiter));
    let mut opened =
        others.filter_map(|delimiter| Some((parser_of(&with_commas(line, delimiter), reading).ok()?, delimiter)));
    opened.next().ok_or(refused)
}

/// The parser of a file that starts with `line`, about which the user said `reading`.
pub(crate) fn parser_of(line: &str, reading: &Reading) -> Result<Opened, String> {
    let asks_columns = reading.columns.is_some() || reading.time_unit.is_some();
    let format = match reading.format {
        Some(format) => format,
        None if asks_columns => {
            if line.starts_with('{') {
                Format::Jsonl
            } else {
                Format::Csv
            }
        }
        None => format_of(line)?,
    };
    if asks_columns && !format.is_generic() {
        return Err(format!(
            "is read as {format}, whose columns and unit of time are known ({}); drop the option columns and the \
             option time-unit, or give the option format csv or jsonl",
            format.time_unit()
        ));
    }
    let named = reading.format.is_some();
    let parser = parser(format, line, reading, named).map_err(|why| {
        if named && !format.is_generic() {
            format!("{why}; a {format} trace starts with its header; check the option format")
        } else {
            why
        }
    })?;
    let is_header = match format {
        Format::Azure | Format::BurstGpt | Format::Vidur | Format::Csv => true,
        Format::LiteLlm => !line.starts_with('{'),
        _ => false,
    };
    Ok(Opened { format, time_unit: format.time_unit(), parser, is_header })
}

fn parser(format: Format, line: &str, reading: &Reading, named: bool) -> Result<Box<dyn Parser>, String> {
    Ok(match format {
        Format::Azure => Box::new(Azure::new(line)?),
        Format::BurstGpt => Box::new(BurstGpt::new(line)?),
        Format::Mooncake => Box::new(Mooncake { named }),
        Format::Bailian => Box::new(Bailian::default()),
        Format::RagPulse => Box::new(RagPulse),
        Format::Weka => Box::new(Weka),
        Format::AiBrix => Box::new(AiBrix),
        Format::Vidur => Box::new(Vidur::new(line)?),
        Format::Otel => Box::new(Otel),
        Format::LiteLlm => Box::new(LiteLlm::new(line)?),
        Format::Bodies => Box::new(WholeBodies),
        Format::ServeGen => return Err("is a file, and servegen is a folder of clients".to_owned()),
        Format::Csv => Box::new(GenericCsv::new(line, reading.columns.as_ref(), reading.time_unit)?),
        Format::Jsonl => Box::new(GenericJson::new(line, reading.columns.as_ref(), reading.time_unit)?),
    })
}
