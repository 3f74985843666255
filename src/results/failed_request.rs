//! Owns `FailedRequest`, a line of `failures.jsonl`, and the reading of that file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;
use crate::results::files::{Limit, read_bytes};

/// The file of the failed requests of a load.
pub(crate) const FAILURES: &str = "failures.jsonl";

/// A line of `failures.jsonl`: a failed request, with its prompt, and what came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FailedRequest<'a> {
    pub(crate) id: u64,
    pub(super) scheduled_s: f64,
    pub(crate) outcome: Cow<'a, str>,
    pub(super) failure: Option<Cow<'a, str>>,
    pub(super) status: Option<u16>,
    pub(crate) error: Option<Cow<'a, str>>,
    /// Headers of the response that matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) headers: Option<BTreeMap<Cow<'a, str>, Cow<'a, str>>>,
    /// The start of the response's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<Cow<'a, str>>,
    pub(super) target: Cow<'a, str>,
    pub(super) model: Cow<'a, str>,
    pub(crate) prompt: Cow<'a, str>,
    /// What of the request is missing in `prompt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) left_out: Option<Cow<'a, str>>,
}

/// Reads the failed requests in `folder`, in the order of their failures. A file that was cut off in its last line is
/// read up to there.
pub(crate) fn failed_requests(folder: &Path) -> Result<Vec<FailedRequest<'static>>, Error> {
    let path = folder.join(FAILURES);
    let text = read_bytes(&path, Limit::FAILURES, "give the folder of a result with failed requests")?;
    let text = String::from_utf8_lossy(&text);
    let (mut found, lines) = (Vec::new(), text.lines().count());
    for (number, line) in (1..).zip(text.lines()) {
        let value = match serde_json::from_str::<Value>(line) {
            Ok(value) => value,
            Err(_) if number == lines => break,
            Err(why) => return Err(Error::input_at(&path, number as u64, format!("{why}; is the file complete?"))),
        };
        // The last line may say how many requests did not fit.
        if value.get("id").is_none() && value.get("left_out").is_some() {
            continue;
        }
        let request = serde_json::from_value(value).map_err(|why| {
            Error::input_at(&path, number as u64, format!("{why}; give a failures.jsonl that tonnage wrote"))
        })?;
        found.push(request);
    }
    Ok(found)
}
