//! Owns whole request bodies: one JSON object per row, sent as it is.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::fault::{Fault, shown};
use super::row::DataRow;
use super::values::{Placed, what_of};
use crate::workload::WholeBody;

/// What a body tells about its answer.
#[derive(Deserialize)]
struct Told<'a> {
    /// The body of a recorded request beside other keys, as in `evalscope`'s `workload_trace`: an object, or its text.
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    max_completion_tokens: Option<u32>,
    max_output_tokens: Option<u32>,
    max_tokens: Option<u32>,
    stream: Option<bool>,
    model: Option<IgnoredAny>,
    stream_options: Option<IgnoredAny>,
}

/// What a reader does with a body that lacks its model, or whether it streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gaps {
    /// It is sent as it is.
    Kept,
    /// Both are filled in.
    Filled,
}

/// The rows of `values`. `streamed` is whether answers are read as streams.
pub(super) fn read(values: &[Placed<'_>], streamed: Option<bool>) -> Result<Vec<DataRow>, Fault> {
    values
        .iter()
        .map(|(line, value)| one(value.get(), streamed, Gaps::Kept).map_err(|why| Fault::new(*line, why)))
        .collect()
}

/// The row of the body `text`.
pub(super) fn one(text: &str, streamed: Option<bool>, gaps: Gaps) -> Result<DataRow, String> {
    if !text.starts_with('{') {
        return Err(format!("`{}` is no request body; a body is a JSON object", shown(text)));
    }
    let told = |text: &str| {
        let told = serde_json::from_str::<Told<'_>>(text)?;
        Ok((told.body.map(|body| body.get().to_owned()), told.read()))
    };
    let unlike = |why: serde_json::Error| format!("is no request body ({})", what_of(&why));
    let (inner, mut read) = told(text).map_err(unlike)?;
    let inner = match inner {
        Some(quoted) if quoted.starts_with('"') => Some(serde_json::from_str::<String>(&quoted).map_err(unlike)?),
        other => other.filter(|inner| inner.starts_with('{')),
    };
    let mut body = text.to_owned();
    if let Some(inner) = inner {
        inner.trim().clone_into(&mut body);
        if !body.starts_with('{') {
            return Err(format!("has the body `{}`, and no JSON object", shown(&body)));
        }
        (_, read) = told(&body).map_err(unlike)?;
    }
    if gaps == Gaps::Filled && read.stream.is_none() && streamed == Some(true) {
        // The last key of an object may be followed by no comma.
        let comma = if body[1..].trim_start().starts_with('}') { "" } else { "," };
        let usage = if read.has_stream_options { "" } else { r#","stream_options":{"include_usage":true}"# };
        body = format!(r#"{{"stream":true{usage}{comma}{}"#, &body[1..]);
        read.stream = Some(true);
    }
    match (streamed, read.stream.unwrap_or(false)) {
        (Some(true), false) => {
            Err("has no `\"stream\": true`, and answers are read as streams; add it, or give the option no-stream"
                .to_owned())
        }
        (Some(false), true) => {
            Err("has `\"stream\": true`, and answers are read whole; remove it, or drop the option no-stream"
                .to_owned())
        }
        _ => {
            let needs_model = gaps == Gaps::Filled && !read.has_model;
            let body = if needs_model { WholeBody::without_model(body.into()) } else { WholeBody::new(body.into()) };
            Ok(DataRow { output_tokens: read.output_tokens, ..DataRow::whole(body) })
        }
    }
}

/// What is read of a body.
struct Read {
    output_tokens: Option<u32>,
    stream: Option<bool>,
    has_model: bool,
    has_stream_options: bool,
}

impl Told<'_> {
    fn read(&self) -> Read {
        let asked = self.max_completion_tokens.or(self.max_output_tokens).or(self.max_tokens);
        Read {
            output_tokens: asked.filter(|tokens| *tokens > 0),
            stream: self.stream,
            has_model: self.model.is_some(),
            has_stream_options: self.stream_options.is_some(),
        }
    }
}
