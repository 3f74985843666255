//! Owns Mooncake's JSONL: times in milliseconds, lengths in tokens, prefix blocks of 512 tokens by id.

use serde::Deserialize;
use serde_json::{Map, Number, Value};

use crate::trace::number::{json_ms_to_ns, json_tokens};
use crate::trace::rows::{BlockPool, RawRow};

/// Reads rows. Times with a fraction are only read where the format was named: seconds look like them.
pub(crate) struct Mooncake {
    pub(crate) named: bool,
}

#[derive(Deserialize)]
struct Line {
    timestamp: Number,
    input_length: Number,
    output_length: Number,
    #[serde(default)]
    hash_ids: Vec<u64>,
}

const KEYS: [&str; 3] = ["timestamp", "input_length", "output_length"];

impl Mooncake {
    /// One row; its block ids are put into `blocks`.
    pub(crate) fn row(&self, line: &str, blocks: &mut Vec<u64>) -> Result<RawRow, String> {
        let line: Line = serde_json::from_str(line).map_err(|why| {
            // Their line is always 1: ours stands in front.
            let why = why.to_string();
            format!("is no row of a Mooncake trace: {}", why.split(" at line ").next().unwrap_or(&why))
        })?;
        if !self.named && line.timestamp.is_f64() {
            return Err(format!(
                "timestamp {} has a fraction, as seconds have; if it is milliseconds, say --format mooncake",
                line.timestamp
            ));
        }
        let at_ns = json_ms_to_ns(&line.timestamp).ok_or_else(|| format!("timestamp {} is no number of milliseconds", line.timestamp))?;
        let (input_tokens, output_tokens) = (json_tokens(KEYS[1], &line.input_length)?, json_tokens(KEYS[2], &line.output_length)?);
        let most = input_tokens.div_ceil(BlockPool::BLOCK_TOKENS) as usize;
        if line.hash_ids.len() > most {
            return Err(format!(
                "has {} hash_ids for {input_tokens} tokens, and blocks of 512 tokens make at most {most}; blocks of another size (16 in Bailian \
                 traces, whose times are seconds) are not read",
                line.hash_ids.len()
            ));
        }
        *blocks = line.hash_ids;
        Ok(RawRow { at_ns, input_tokens, output_tokens })
    }
}

/// Whether a first line is Mooncake's; other formats share its keys with another unit of time, and are refused by name.
pub(crate) fn recognise(line: &str) -> Result<(), String> {
    let row: Map<String, Value> = serde_json::from_str(line)
        .map_err(|_| "starts with `{` and is no JSON object; a trace in JSON has one object a line".to_owned())?;
    if let Some(missing) = KEYS.into_iter().find(|key| !row.contains_key(*key)) {
        return Err(format!(
            "is JSON without `{missing}`; accepted is a Mooncake trace (timestamp, input_length, output_length, hash_ids)"
        ));
    }
    if row.contains_key("chat_id") || row.contains_key("parent_chat_id") {
        return Err("is a Bailian trace by its chat_id: times in seconds, blocks of 16 tokens; this version does not read it".to_owned());
    }
    match (&row["timestamp"], row.get("hash_ids")) {
        (Value::String(_), _) | (_, Some(Value::Object(_))) => {
            Err("is a RAGPulse trace by its text timestamps or grouped hash_ids; this version does not read it".to_owned())
        }
        (Value::Number(number), Some(Value::Array(_))) if !number.is_f64() => Ok(()),
        _ => Err("has the keys of a Mooncake trace, but not its whole numbers of milliseconds and lists of hash_ids: the unit of time \
                  cannot be told. If it is milliseconds, say --format mooncake"
            .to_owned()),
    }
}
