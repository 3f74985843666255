//! Owns the reading of a saved result.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::Error;
use crate::results::files::{Limit, read_bytes};
use crate::results::folder::{RECORDS, RESULT};
use crate::results::model::{Report, SCHEMA};

/// The path of the result in `path` (a folder or `result.json`), and the path of its records.
pub(crate) fn files_of(path: &Path) -> (PathBuf, PathBuf) {
    let result = if path.is_dir() { path.join(RESULT) } else { path.to_owned() };
    let records = result.with_file_name(RECORDS);
    (result, records)
}

pub(crate) fn read(path: &Path) -> Result<Report, Error> {
    let text = read_bytes(path, Limit::RESULT, "give a result folder or its result.json")?;
    let number =
        serde_json::from_slice::<Value>(&text).ok().and_then(|value| value.get("schema").and_then(Value::as_u64));
    match number {
        Some(number) if number == u64::from(SCHEMA) => {}
        Some(number) => {
            return Err(Error::input(
                path,
                format!("has schema {number}, but this version reads schema {SCHEMA}; use the version that wrote it"),
            ));
        }
        None => {
            let why = "is not a result of tonnage; give a result folder or its result.json (`report`, `compare` and \
                `size` also read results of vLLM, SGLang, GuideLLM, evalscope and AIPerf)";
            return Err(Error::input(path, why));
        }
    }
    serde_json::from_slice(&text)
        .map_err(|why| Error::input_at(path, why.line() as u64, format!("{why}; is the file complete?")))
}
