//! Owns the reading of whole request bodies with their instants, as `workload_trace` of `evalscope` writes them: JSON
//! lines, times in seconds or as dates.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::trace::json::{Figure, parse, tokens_or_none};
use crate::trace::number::{date_ns, scaled_decimal, shown};
use crate::trace::parser::Parser;
use crate::trace::rows::{Pending, RawRow};
use crate::units::estimate::{estimate_text, text_of_body};

/// Reads one body per line.
pub(crate) struct WholeBodies;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    timestamp: Figure<'a>,
    /// An object, or its text; `null` where the body was not kept.
    #[serde(borrow)]
    body: &'a RawValue,
    headers: Option<IgnoredAny>,
    #[serde(borrow)]
    prompt_tokens: Option<Figure<'a>>,
    #[serde(borrow)]
    completion_tokens: Option<Figure<'a>>,
    #[serde(borrow)]
    session_id: Option<Figure<'a>>,
}

/// What a body tells about its answer.
#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "these are keys of bodies, of which one may have several")]
struct Told<'a> {
    #[serde(borrow)]
    max_completion_tokens: Option<Figure<'a>>,
    #[serde(borrow)]
    max_output_tokens: Option<Figure<'a>>,
    #[serde(borrow)]
    max_tokens: Option<Figure<'a>>,
}

impl Parser for WholeBodies {
    /// Input tokens are those recorded, else estimated from the body; output tokens those recorded, else the most that
    /// the body asks for, else 0.
    fn take(&mut self, text: &str, pending: &mut Pending) -> Result<(), String> {
        let line: Line<'_> = parse(text, "request with its body")?;
        let time = line.timestamp.text();
        let at_ns = scaled_decimal(time, 9).or_else(|| date_ns(time)).ok_or_else(|| {
            format!("timestamp is `{}`, neither a number of seconds nor a date and time", shown(time))
        })?;
        let body = body_of(line.body)?;
        let estimated =
            || body.as_ref().map_or(0, |body| estimate_text(text_of_body(body.as_bytes()).trim_end()).max(1));
        let input_tokens = match line.prompt_tokens {
            Some(counted) => tokens_or_none("prompt_tokens", Some(counted))?,
            None => estimated(),
        };
        let told = body.as_ref().map(|body| parse::<Told<'_>>(body, "request body")).transpose()?;
        let asked = told.and_then(|told| told.max_completion_tokens.or(told.max_output_tokens).or(told.max_tokens));
        let output = line.completion_tokens.or(asked).filter(|figure| figure.name().is_some());
        let row = RawRow { at_ns, input_tokens, output_tokens: tokens_or_none("completion_tokens", output)? };
        pending.with_body(body.clone(), line.headers.is_some());
        pending.push(row, &[], line.session_id.and_then(Figure::name).as_deref())
    }
}

/// The text of the body `raw`: an object, or a text that holds one; `None` for `null`.
fn body_of(raw: &RawValue) -> Result<Option<Arc<str>>, String> {
    let is_object = |text: &str| text.starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok();
    match raw.get() {
        "null" => Ok(None),
        quoted if quoted.starts_with('"') => {
            let text: String = parse(quoted, "text of a body")?;
            let text = text.trim();
            let unlike = || format!("has the body `{}`, and no JSON object", shown(text));
            is_object(text).then(|| Some(text.into())).ok_or_else(unlike)
        }
        object if is_object(object) => Ok(Some(object.into())),
        other => Err(format!("has the body `{}`, where a JSON object is needed", shown(other))),
    }
}
