//! Owns the reading of `OpenTelemetry` spans of generative requests: OTLP exports as JSON, documents with the spans of
//! one session, and one span per line.

use serde_json::Value;

use crate::trace::number::{date_ns, scaled_decimal, shown, tokens};
use crate::trace::parser::Parser;
use crate::trace::rows::{Pending, RawRow};

/// Operations that are requests to a model. Other operations, such as `invoke_agent`, wrap these requests and repeat
/// their token counts.
const OPERATIONS: [&str; 3] = ["chat", "text_completion", "generate_content"];
/// The current key of the input tokens, then the older key that it replaced.
const INPUT: [&str; 2] = ["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"];
/// The current key of the output tokens, then the older key that it replaced.
const OUTPUT: [&str; 2] = ["gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"];

/// Reads spans.
pub(crate) struct Otel;

/// Whether an object has spans, or is itself a span.
pub(crate) fn is_otel(object: &serde_json::Map<String, Value>) -> bool {
    let has = |key: &str| object.contains_key(key);
    has("resourceSpans") || has("spans") || (has("attributes") && (has("startTimeUnixNano") || has("start_time")))
}

impl Parser for Otel {
    fn take(&mut self, text: &str, pending: &mut Pending) -> Result<(), String> {
        let value: Value =
            serde_json::from_str(text).map_err(|why| format!("is not JSON: {why}; write one object per line"))?;
        if !value.as_object().is_some_and(is_otel) {
            return Err("has no spans; accepted is resourceSpans (OTLP), spans, or one span with attributes".to_owned());
        }
        if let Some(resources) = value.get("resourceSpans") {
            for scope in list(resources).iter().flat_map(|resource| list(&resource["scopeSpans"])) {
                list(&scope["spans"]).iter().try_for_each(|span| take_span(span, None, pending))?;
            }
            return Ok(());
        }
        match value.get("spans") {
            Some(spans) => {
                let session = value.get("trace_id").and_then(Value::as_str);
                list(spans).iter().try_for_each(|span| take_span(span, session, pending))
            }
            None => take_span(&value, None, pending),
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], |list| list)
}

fn take_span(span: &Value, session: Option<&str>, pending: &mut Pending) -> Result<(), String> {
    let attribute = |name: &str| attribute(&span["attributes"], name);
    let count = |names: [&str; 2]| names.into_iter().find_map(attribute);
    let (input, output) = (count(INPUT), count(OUTPUT));
    let is_request = match attribute("gen_ai.operation.name") {
        Some(operation) => OPERATIONS.contains(&operation.as_str()),
        None => input.is_some() || output.is_some(),
    };
    if !is_request {
        pending.pass_over();
        return Ok(());
    }
    let of = |name: &str, count: Option<String>| count.map_or(Ok(0), |count| tokens(name, &count));
    let at_ns = start_of(span)?;
    let row = RawRow { at_ns, input_tokens: of(INPUT[0], input)?, output_tokens: of(OUTPUT[0], output)? };
    let conversation = attribute("gen_ai.conversation.id");
    pending.answered_in(end_of(span).map(|end_ns| end_ns.saturating_sub(at_ns)));
    pending.push(row, &[], conversation.as_deref().or(session))
}

/// The start of a span, in nanoseconds since 1970. OTLP writes nanoseconds in quotes, because many JSON readers keep
/// too few digits of a number; other exporters write a date.
fn start_of(span: &Value) -> Result<i64, String> {
    match (&span["startTimeUnixNano"], &span["start_time"]) {
        (Value::Null, Value::String(date)) => date_ns(date).ok_or_else(|| {
            format!("start_time is `{}`, not a date and time such as 2026-01-02T03:04:05.678901", shown(date))
        }),
        (Value::Null, Value::Null) => {
            Err("a span has neither startTimeUnixNano nor start_time; a replay needs one of them".to_owned())
        }
        (Value::Null, other) => {
            Err(format!("start_time is {other}: a number without its unit; write a date, or startTimeUnixNano"))
        }
        (nanos, _) => {
            let text = text_of(nanos).unwrap_or_default();
            scaled_decimal(&text, 0)
                .ok_or_else(|| format!("startTimeUnixNano is `{}`, not a whole number of nanoseconds", shown(&text)))
        }
    }
}

/// The end of the span, in nanoseconds since 1970; `None` when it is not recorded.
fn end_of(span: &Value) -> Option<i64> {
    let nanos = text_of(&span["endTimeUnixNano"]).and_then(|nanos| scaled_decimal(&nanos, 0));
    nanos.or_else(|| span["end_time"].as_str().and_then(date_ns))
}

/// The attribute `name` of a span, from an object or from OTLP's list of pairs.
fn attribute(attributes: &Value, name: &str) -> Option<String> {
    match attributes {
        Value::Object(object) => object.get(name).and_then(text_of),
        Value::Array(pairs) => {
            let value = &pairs.iter().find(|pair| pair["key"] == name)?["value"];
            ["intValue", "stringValue", "doubleValue"].into_iter().find_map(|kind| value.get(kind).and_then(text_of))
        }
        _ => None,
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
