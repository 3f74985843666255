//! Owns the files and folders of other load generators: which of them hold a result, and their reading.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::Error;
use crate::foreign::{ForeignResult, ForeignTool, evalscope, foreign_result, tool_of};
use crate::results::files::{Limit, read_bytes, read_text};
use crate::results::folder::RESULT;

const ADVICE: &str =
    "give a result folder or its result.json, or a file of vLLM, SGLang, GuideLLM, evalscope or AIPerf";

/// The names by which a result is found among other files of its tool, in the order in which they are looked for.
const NAMES: [&str; 2] = ["profile_export_aiperf.json", "benchmarks.json"];
/// The files of a load of evalscope.
const SUMMARY: &str = "benchmark_summary.json";
const PERCENTILES: &str = "benchmark_percentile.json";
const ARGUMENTS: &str = "benchmark_args.json";

/// The result that another tool wrote to `path`: its file, or its folder. `None` for everything else: a result of
/// tonnage, and what no reader knows. Errors where a file cannot be read, or lacks what its tool always writes, and
/// where a folder holds files of two tools.
pub(crate) fn foreign(path: &Path) -> Result<Option<ForeignResult>, Error> {
    if path.join(RESULT).exists() {
        return Ok(None);
    }
    let mut found: Option<ForeignResult> = None;
    for file in files_of(path) {
        let rows = rows_of(&read_bytes(&file, Limit::RESULT, ADVICE)?);
        let Some(first) = rows.first() else { continue };
        let Some(tool) = tool_of(first) else { continue };
        let result = if tool == ForeignTool::Evalscope {
            let beside = |name: &str| json_beside(&file, name);
            Some(evalscope(first, &beside(PERCENTILES)?, &beside(ARGUMENTS)?))
        } else {
            foreign_result(tool, &rows)
        };
        let Some(result) = result.filter(|result| !result.loads.is_empty()) else {
            let why = format!("is a file of {tool}, but holds no load; give the file of a run that ended");
            return Err(Error::input(&file, why));
        };
        match &mut found {
            Some(known) if known.tool == tool => known.add(result),
            Some(known) => {
                let why = format!("holds files of {} and of {tool}; give one of the files", known.tool);
                return Err(Error::input(path, why));
            }
            None => found = Some(result),
        }
    }
    // The names of evalscope's folders sort 10 before 9.
    if let Some(result) = found.as_mut().filter(|result| result.tool == ForeignTool::Evalscope) {
        result.sort();
    }
    Ok(found)
}

/// The files in which a result may stand: the file itself; in a folder, the file with the name that its tool gives it,
/// or the summaries of evalscope, or all JSON files.
fn files_of(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    if let Some(file) = NAMES.iter().map(|name| path.join(name)).find(|file| file.exists()) {
        return vec![file];
    }
    let summaries = summaries(path);
    if !summaries.is_empty() {
        return summaries;
    }
    let is_json = |file: &PathBuf| file.extension().is_some_and(|ending| ending == "json" || ending == "jsonl");
    let mut files: Vec<PathBuf> = below(path).filter(is_json).collect();
    files.sort();
    files
}

fn below(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path())
}

/// The summaries of evalscope in `folder` and in the folders below it, one for each load; in the order of their names.
fn summaries(folder: &Path) -> Vec<PathBuf> {
    let folders = std::iter::once(folder.to_owned()).chain(below(folder));
    let mut found: Vec<PathBuf> = folders.map(|inside| inside.join(SUMMARY)).filter(|file| file.is_file()).collect();
    found.sort();
    found
}

/// The JSON of the file `name` beside `file`; `null` where it does not exist.
fn json_beside(file: &Path, name: &str) -> Result<Value, Error> {
    let path = file.with_file_name(name);
    if !path.exists() {
        return Ok(Value::Null);
    }
    let text = read_text(&path, Limit::RESULT, "give the folder as evalscope wrote it")?;
    serde_json::from_str(&text).map_err(|why| Error::input_at(&path, why.line() as u64, why.to_string()))
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
