//! Owns `ForeignResult`: results of other load generators, recognised by their keys and read into our units.

mod aiperf;
mod evalscope;
mod guidellm;
mod reader;
mod tool;
mod vllm;

use serde_json::Value;

pub(crate) use evalscope::evalscope;
pub(crate) use tool::{ForeignLoad, ForeignResult, ForeignTool, UNKNOWN_MODEL};

/// The result in `rows`, the JSON values of a file, which `tool` wrote; `None` where it does not read so. A result of
/// evalscope stands in several files: see [`evalscope`].
pub(crate) fn foreign_result(tool: ForeignTool, rows: &[Value]) -> Option<ForeignResult> {
    match tool {
        ForeignTool::Vllm | ForeignTool::Sglang => vllm::read(tool, rows),
        ForeignTool::GuideLlm => guidellm::read(rows.first()?),
        ForeignTool::Aiperf => rows.first().map(aiperf::read),
        ForeignTool::Evalscope => None,
    }
}

/// Which tool wrote `row`, by keys that only this tool writes; `None` for everything else.
pub(crate) fn tool_of(row: &Value) -> Option<ForeignTool> {
    let has = |key: &str| row.get(key).is_some();
    if has("schema") {
        None
    } else if row.get("benchmarks").is_some_and(Value::is_array) && has("metadata") {
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
