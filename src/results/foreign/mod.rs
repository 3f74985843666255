//! Owns the recognition of files that other load generators wrote, and which reader takes them.

mod aiperf;
mod evalscope;
mod guidellm;
mod reader;
mod tool;
mod vllm;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::Error;
use crate::results::files::{Limit, read_bytes};
use crate::results::folder::RESULT;
pub(crate) use tool::{ForeignLoad, ForeignResult, ForeignTool, UNKNOWN_MODEL};

const ADVICE: &str =
    "give a result folder or its result.json, or a file of vLLM, SGLang, GuideLLM, evalscope or AIPerf";

/// The names by which a folder of another tool is known, in the order in which they are looked for.
const NAMES: [&str; 2] = ["profile_export_aiperf.json", "benchmarks.json"];

/// The result that another tool wrote to `path`: its file, or its folder. `None` for everything else: a result of
/// tonnage, and what no reader knows. Errors where the file cannot be read, or lacks what its tool always writes.
pub(crate) fn foreign(path: &Path) -> Result<Option<ForeignResult>, Error> {
    let files = files_of(path);
    let Some(file) = files.first() else { return Ok(None) };
    let rows = rows_of(&read_bytes(file, Limit::RESULT, ADVICE)?);
    let Some(first) = rows.first() else { return Ok(None) };
    let Some(tool) = tool_of(first) else { return Ok(None) };
    let found = match tool {
        ForeignTool::Vllm | ForeignTool::Sglang => vllm::read(tool, &rows),
        ForeignTool::GuideLlm => guidellm::read(first),
        ForeignTool::Evalscope => evalscope::read(&files)?,
        ForeignTool::Aiperf => aiperf::read(first),
    };
    match found {
        Some(result) if !result.loads.is_empty() => Ok(Some(result)),
        _ => Err(Error::input(
            file,
            format!("is a file of {tool}, but holds no load; give the file of a run that ended"),
        )),
    }
}

/// The files of another tool's result. A folder with `result.json` is one of tonnage.
fn files_of(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    if path.join(RESULT).exists() {
        return Vec::new();
    }
    let named = NAMES.iter().map(|name| path.join(name)).find(|file| file.exists());
    named.map_or_else(|| evalscope::summaries(path), |file| vec![file])
}

/// The JSON values of a file: one, or one a line. None where the first value is of no tool that is known.
fn rows_of(bytes: &[u8]) -> Vec<Value> {
    if let Ok(whole) = serde_json::from_slice(bytes) {
        return vec![whole];
    }
    let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let first = lines.next().and_then(|line| serde_json::from_slice(line).ok());
    let Some(first) = first.filter(|row| tool_of(row).is_some()) else { return Vec::new() };
    // A line that is cut off makes the whole file unknown.
    std::iter::once(Ok(first)).chain(lines.map(serde_json::from_slice)).collect::<Result<_, _>>().unwrap_or_default()
}

/// Which tool wrote `row`, by the keys that only this tool writes.
fn tool_of(row: &Value) -> Option<ForeignTool> {
    let has = |key: &str| row.get(key).is_some();
    if has("schema") {
        None
    } else if has("benchmarks") && row.get("metadata").is_some_and(|about| about.get("guidellm_version").is_some()) {
        Some(ForeignTool::GuideLlm)
    } else if has("Total Requests") && has("Success Requests") {
        Some(ForeignTool::Evalscope)
    } else if row.get("request_throughput").is_some_and(|rate| rate.get("unit").is_some()) {
        Some(ForeignTool::Aiperf)
    } else if has("request_throughput") && has("mean_e2e_latency_ms") {
        Some(ForeignTool::Sglang)
    } else if has("request_throughput") && has("completed") {
        Some(ForeignTool::Vllm)
    } else {
        None
    }
}
