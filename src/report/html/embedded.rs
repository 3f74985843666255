//! Owns the JSON of the result inside its page: as it is where it fits, else compressed, else without its time series.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::report::html::parts::Page;
use crate::report::text::Said;
use crate::report::words::page as words;
use crate::results::{Report, json_of};
use crate::units::visible_json;

/// Stands in the page where the JSON goes. Text of the page cannot contain it, because `<` is escaped there.
pub(super) const PLACE: &str = "<!--result-->";

/// What is left out of the JSON where it is too long even when compressed: keys of each trial, and their name.
const LEFT_OUT: [(&[&str], Said); 2] = [
    (&["samples", "blocks", "sampled"], words::LACKS_SERIES),
    (&["histograms", "asked_histograms", "classes"], words::LACKS_HISTOGRAMS),
];

/// The page `text` with the JSON of `report`, at most `most` bytes long: parts of the JSON are left out where it is too
/// long, and at last all of it.
pub(super) fn with_json(page: &Page, text: &str, report: &Report, most: usize) -> Result<String, Error> {
    let mut value: Value = serde_json::from_str(&json_of(report)?)
        .map_err(|why| Error::Internal(format!("the result is no JSON: {why}")))?;
    let room = most.saturating_sub(text.len());
    let plain = block(&value);
    if plain.len() <= room {
        return Ok(text.replace(PLACE, &plain));
    }
    let packed = packed(&value)?;
    if packed.len() <= room {
        return Ok(text.replace(PLACE, &packed));
    }
    let note = |said: &str| format!("<p class=\"note\">{said}</p>");
    for (keys, what) in LEFT_OUT {
        for trial in value.get_mut("trials").and_then(Value::as_array_mut).into_iter().flatten() {
            for key in keys {
                let Some(series) = trial.get_mut(key) else { continue };
                *series = if series.is_array() { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
            }
        }
        let short = note(words::JSON_LACKS.with([what.into()]).of(page.lang)) + &self::packed(&value)?;
        if short.len() <= room {
            return Ok(text.replace(PLACE, &short));
        }
    }
    Ok(text.replace(PLACE, &note(page.say(words::NO_JSON))))
}

/// The JSON as a block of the page. `<` is written as an escape, so no text in it can end the block.
pub(super) fn block(value: &Value) -> String {
    let text = visible_json(&value.to_string()).replace('<', "\\u003c");
    format!("<script type=\"application/json\" id=\"result\">{text}</script>")
}

/// The JSON compressed: gzip in base64.
fn packed(value: &Value) -> Result<String, Error> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    let bytes = packer
        .write_all(value.to_string().as_bytes())
        .and_then(|()| packer.finish())
        .map_err(|why| Error::Internal(format!("the result cannot be compressed: {why}")))?;
    let text = STANDARD.encode(bytes);
    Ok(format!("<script type=\"application/gzip;base64\" id=\"result\">{text}</script>"))
}
