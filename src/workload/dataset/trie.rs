//! Owns sessions of agents that are lengths only, as in the workloads `trie` that `evalscope` plays: a prompt, and tool
//! outputs that follow answers after the time that the tool took.

use serde::Deserialize;

use super::fault::shown;
use super::row::DataRow;
use super::values::what_of;

/// The key by which the format is recognised.
pub(super) const KEY: &str = "input_prompt_length";

/// One session. Other keys are ignored.
#[derive(Deserialize)]
struct Session {
    input_prompt_length: u32,
    num_turns: u32,
    assistant_response_length: Vec<u32>,
    tool_call_output_length: Vec<u32>,
    /// In seconds.
    tool_call_latency: Vec<f64>,
    final_assistant_response_length: u32,
}

/// The turns of one session: the prompt, and each tool output, which is sent after its tool's time. A length of 0
/// becomes 1, because a message is never empty.
pub(super) fn session(text: &str) -> Result<Vec<DataRow>, String> {
    let read: Session = serde_json::from_str(text).map_err(|why| {
        format!("is no session of lengths ({}); it needs {KEY} and the lists of its turns", what_of(&why))
    })?;
    let turns = read.num_turns as usize;
    let lists = [
        ("assistant_response_length", read.assistant_response_length.len()),
        ("tool_call_output_length", read.tool_call_output_length.len()),
        ("tool_call_latency", read.tool_call_latency.len()),
    ];
    if let Some((name, length)) = lists.into_iter().find(|(_, length)| *length != turns) {
        return Err(format!("has num_turns {turns} and {length} items in {name}; complete the row, or remove it"));
    }
    let inputs = std::iter::once(&read.input_prompt_length).chain(&read.tool_call_output_length);
    let outputs = read.assistant_response_length.iter().chain([&read.final_assistant_response_length]);
    let thinks =
        std::iter::once(Ok(None)).chain(read.tool_call_latency.iter().map(|seconds| nanoseconds(*seconds).map(Some)));
    let rows = inputs.zip(outputs).zip(thinks).map(|((input, output), think)| {
        let think_ns = think?;
        Ok(DataRow { output_tokens: Some((*output).max(1)), think_ns, ..DataRow::length((*input).max(1)) })
    });
    rows.collect()
}

/// `seconds` in nanoseconds; refused outside 0 to 7 days.
fn nanoseconds(seconds: f64) -> Result<u64, String> {
    const LONGEST_S: f64 = 7.0 * 86_400.0;
    if (0.0..=LONGEST_S).contains(&seconds) {
        Ok((seconds * 1e9) as u64)
    } else {
        Err(format!("has the tool_call_latency {}; accepted is 0 to 604800 seconds", shown(&seconds.to_string())))
    }
}
