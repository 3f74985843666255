//! Owns the recognition of a format from the columns or keys of the first entry of a file, never from the size of a
//! number.

use serde_json::{Map, Value};

use crate::trace::columns::declared_columns;
use crate::trace::number::shown;
use crate::trace::otel::is_otel;
use crate::trace::table::has_columns;
use crate::trace::{Format, azure, burstgpt, litellm, mooncake, vidur};

/// The format of a file that starts with `line`. Refused when no format matches, or more than one.
pub(crate) fn format_of(line: &str) -> Result<Format, String> {
    if line.starts_with('{') {
        let object: Map<String, Value> = serde_json::from_str(line)
            .map_err(|_| "starts with `{` but is not a JSON object; write one object per line".to_owned())?;
        return match formats_of(&object).as_slice() {
            [] => Err(unknown_object(&object)),
            [format] => Ok(*format),
            several => Err(ambiguous(several)),
        };
    }
    let known = [
        (Format::Azure, &azure::COLUMNS),
        (Format::BurstGpt, &burstgpt::COLUMNS),
        (Format::Vidur, &vidur::COLUMNS),
        (Format::LiteLlm, &litellm::KEYS),
    ];
    let mut found: Vec<Format> =
        known.into_iter().filter(|(_, names)| has_columns(line, *names)).map(|(format, _)| format).collect();
    if declared_columns(&crate::trace::table::fields(line)).is_some() {
        found.push(Format::Csv);
    }
    match found.as_slice() {
        [] => Err(unknown_line(line)),
        [format] => Ok(*format),
        several => Err(ambiguous(several)),
    }
}

fn ambiguous(formats: &[Format]) -> String {
    let names: Vec<&str> = formats.iter().map(|format| format.name()).collect();
    format!("matches the formats {}; choose one with the option format", names.join(" and "))
}

/// Every format whose keys `object` has.
fn formats_of(object: &Map<String, Value>) -> Vec<Format> {
    let has = |key: &str| object.contains_key(key);
    let is_list = |key: &str| object.get(key).is_some_and(Value::is_array);
    let lengths = mooncake::KEYS.into_iter().all(has);
    let chats = has("chat_id") || has("parent_chat_id");
    let grouped = object.get("hash_ids").is_some_and(Value::is_object);
    let whole_milliseconds = object.get("timestamp").is_some_and(|time| time.is_u64() || time.is_i64());
    let keys: Vec<&str> = object.keys().map(String::as_str).collect();
    [
        (Format::Weka, is_list("requests") && !has("timestamp") && (has("block_size") || has("hash_id_scope"))),
        (Format::AiBrix, is_list("requests") && has("timestamp")),
        (Format::Otel, is_otel(object)),
        (Format::LiteLlm, has("startTime") && (has("prompt_tokens") || has("completion_tokens"))),
        (Format::Bodies, has("body") && has("timestamp")),
        (Format::Bailian, lengths && chats),
        (Format::RagPulse, lengths && grouped),
        // Without blocks, or with a fraction, the time may be in seconds.
        (Format::Mooncake, lengths && !chats && is_list("hash_ids") && whole_milliseconds),
        (Format::Jsonl, declared_columns(&keys).is_some()),
    ]
    .into_iter()
    .filter_map(|(format, is)| is.then_some(format))
    .collect()
}

fn unknown_object(object: &Map<String, Value>) -> String {
    if mooncake::KEYS.into_iter().all(|key| object.contains_key(key)) {
        return "has the keys of a Mooncake trace, but not its whole numbers of milliseconds and lists of hash_ids: the \
             unit of time cannot be told. If it is milliseconds, give the option format mooncake; otherwise give the \
             option columns time=timestamp,input=input_length,output=output_length and the option time-unit"
            .to_owned();
    }
    let keys: Vec<&str> = object.keys().map(String::as_str).take(8).collect();
    let missing: Vec<&str> = mooncake::KEYS.into_iter().filter(|key| !object.contains_key(*key)).collect();
    if missing.len() < mooncake::KEYS.len() {
        return format!(
            "has the keys {}; it looks like a Mooncake trace, but lacks {}: add it, or name other keys with the \
             option columns",
            keys.join(", "),
            missing.join(", ")
        );
    }
    format!(
        "has the keys {}, which match no known format; give the option format, or name the keys with the \
         option columns time=KEY,input=KEY,output=KEY and the option time-unit s",
        keys.join(", ")
    )
}

fn unknown_line(line: &str) -> String {
    let shown = shown(line);
    if has_columns(line, &vidur::COLUMNS[1..]) {
        return format!(
            "`{shown}` has lengths but no arrived_at, so it has no times; a run with the option input-tokens \
             file:PATH draws from lengths"
        );
    }
    if line.contains("\" 200") || line.contains(" - \"POST ") || line.contains(" - \"GET ") {
        return format!("`{shown}` is a line of an access log without times; write a log with times, as CSV or JSON");
    }
    if line.contains("Received request ") {
        return format!(
            "`{shown}` is a line of a server's log: its times have no year and only whole seconds, and it has no token \
             counts; record spans (otel) or a proxy's log (litellm)"
        );
    }
    format!(
        "`{shown}` is the header of no trace format that is known; give the option format, or name its columns with \
         the option columns time=…,input=…,output=… and the option time-unit s (known are azure: {}; burstgpt: {}; \
         vidur: {}; litellm: {})",
        azure::COLUMNS.join(", "),
        burstgpt::COLUMNS.join(", "),
        vidur::COLUMNS.join(", "),
        litellm::KEYS.join(", ")
    )
}
