//! Owns whole request bodies: one JSON object per row, sent as it is.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::fault::{Fault, shown};
use super::row::{DataRow, Said};
use super::values::Placed;
use crate::workload::Few;

/// What a body tells about its answer.
#[derive(Deserialize)]
struct Told<'a> {
    /// The body of a recorded request beside other keys, as in `evalscope`'s `workload_trace`: an object, or its text.
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    max_completion_tokens: Option<u32>,
    max_output_tokens: Option<u32>,
    max_tokens: Option<u32>,
    #[serde(default)]
    stream: bool,
}

/// The rows of `values`. `streamed` is whether answers are read as streams.
pub(super) fn read(values: &[Placed<'_>], streamed: Option<bool>) -> Result<Vec<DataRow>, Fault> {
    values.iter().map(|(line, value)| one(value.get(), streamed).map_err(|why| Fault::new(*line, why))).collect()
}

fn one(text: &str, streamed: Option<bool>) -> Result<DataRow, String> {
    if !text.starts_with('{') {
        return Err(format!("`{}` is no request body; a body is a JSON object", shown(text)));
    }
    let told = |text: &str| {
        serde_json::from_str::<Told<'_>>(text).map(|told| (told.body.map(|body| body.get().to_owned()), told.read()))
    };
    let unlike = |why: serde_json::Error| format!("is no request body ({why})");
    let (inner, read) = told(text).map_err(unlike)?;
    let inner = match inner {
        Some(quoted) if quoted.starts_with('"') => Some(serde_json::from_str::<String>(&quoted).map_err(unlike)?),
        other => other.filter(|inner| inner.starts_with('{')),
    };
    let (body, (asked, streams)) = match inner {
        Some(inner) => {
            let (_, read) = told(&inner).map_err(unlike)?;
            (inner, read)
        }
        None => (text.to_owned(), read),
    };
    match streamed {
        Some(true) if !streams => {
            Err("has no `\"stream\": true`, and answers are read as streams; add it, or give the option no-stream"
                .to_owned())
        }
        Some(false) if streams => {
            Err("has `\"stream\": true`, and answers are read whole; remove it, or drop the option no-stream"
                .to_owned())
        }
        _ => {
            Ok(DataRow { said: Said::Body(Bytes::from(body)), output_tokens: asked, ..DataRow::of(Few::Many(vec![])) })
        }
    }
}

impl Told<'_> {
    /// The output tokens that the body asks for, and whether it asks for a stream.
    fn read(&self) -> (Option<u32>, bool) {
        let asked = self.max_completion_tokens.or(self.max_output_tokens).or(self.max_tokens);
        (asked.filter(|tokens| *tokens > 0), self.stream)
    }
}
