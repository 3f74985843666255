//! Owns `Form`: how the requests of one class are written. Everything that does not depend on the request is rendered
//! once.

use std::sync::Arc;

use bytes::Bytes;
use hyper::Uri;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::access::{access_headers, header_value};
use super::dialect::{BodyValues, Endpoint, StreamFields};
use super::request_options::RequestOptions;
use super::{LengthField, RenewedKey};
use crate::error::Error;
use crate::workload::{Message, MessagePart, RequestSpec};

/// How the requests of one class are written, or of all.
#[derive(Debug)]
pub(super) struct Form {
    targets: Vec<EncodedTarget>,
    models: Vec<EncodedModel>,
    endpoint: Endpoint,
    /// The headers of all requests, without `host`.
    headers: HeaderMap,
    /// The bytes before and after the output length; `None` when no length is asked for.
    around_length: Option<(String, String)>,
    min_tokens: bool,
    /// The end of every body, closing brace included.
    tail: Vec<u8>,
    stream: bool,
    /// Answers to each request.
    choices: u32,
    /// The key that is renewed while the load runs, and its header.
    renewed: Option<(HeaderName, Arc<RenewedKey>)>,
}

/// A target as requests address it.
#[derive(Debug)]
pub(super) struct EncodedTarget {
    url: Arc<str>,
    path: Uri,
    headers: HeaderMap,
}

/// A model as requests name it.
#[derive(Debug)]
pub(super) struct EncodedModel {
    /// Its name in records, secrets hidden.
    name: Arc<str>,
    /// Its name in requests.
    plain_name: String,
    /// The start of every body, up to the value of the prompt.
    head: Vec<u8>,
}

impl EncodedTarget {
    pub(super) fn url(&self) -> &Arc<str> {
        &self.url
    }

    pub(super) fn path(&self) -> &Uri {
        &self.path
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

impl EncodedModel {
    /// Its name in records, secrets hidden.
    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its name in requests.
    pub(super) fn plain_name(&self) -> &str {
        &self.plain_name
    }
}

/// Refuses body keys that another option sets, with the advice to use that option. `null` leaves a key out, except the
/// prompt.
fn refuse_owned(options: &RequestOptions, length_key: Option<&str>) -> Result<(), Error> {
    let dialect = options.endpoint.dialect();
    let prompt = "use the workload options";
    let lengths = [LengthField::MaxTokens, LengthField::MaxCompletionTokens].map(LengthField::name);
    let owned = [("model", "use the option model", true)]
        .into_iter()
        .chain([dialect.prompt_key(), "messages", "prompt"].map(|key| (key, prompt, false)))
        .chain([("stream", "use the option no-stream", true)])
        .chain(lengths.into_iter().chain(length_key).map(|key| (key, "use the option output-tokens", true)));
    for (key, instead, may_be_left_out) in owned {
        let value = options.extra_body.get(key);
        if value.is_some_and(|value| !(may_be_left_out && value.is_null())) {
            return Err(Error::usage("extra-body", format!("`{key}` is decided by another option"), instead));
        }
    }
    Ok(())
}

/// The bytes before and after the output length under `key`; `None` when the user leaves it out. The keys that the user
/// adds to the object that holds `key` are moved out of `extra`.
fn around_length(
    key: &'static str,
    parent: Option<&'static str>,
    extra: &mut Map<String, Value>,
) -> Option<(String, String)> {
    let Some(parent) = parent else {
        return (!extra.contains_key(key)).then(|| (format!(r#","{key}":"#), String::new()));
    };
    let rest = match extra.remove(parent) {
        // `null` leaves the object out.
        Some(Value::Null) => return None,
        Some(Value::Object(mut keys)) => {
            keys.remove(key);
            keys
        }
        Some(_) | None => Map::new(),
    };
    let rest = if rest.is_empty() { "}".to_owned() } else { format!(",{}", &Value::Object(rest).to_string()[1..]) };
    Some((format!(r#","{parent}":{{"{key}":"#), rest))
}

impl Form {
    /// The form of requests of `options`. Refuses options that cannot be sent.
    pub(super) fn new(options: &RequestOptions) -> Result<Self, Error> {
        if options.targets.is_empty() {
            return Err(Error::usage(
                "target",
                "no target given",
                "accepted is a base URL such as http://127.0.0.1:8000",
            ));
        }
        if options.models.is_empty() {
            return Err(Error::usage(
                "model",
                "no model given",
                "accepted is the name under which the server serves it",
            ));
        }
        let dialect = options.endpoint.dialect();
        let length_key = dialect.length_key(options.length_field)?;
        refuse_owned(options, length_key)?;
        let mut extra = options.extra_body.clone();
        let around_length = length_key.and_then(|key| around_length(key, dialect.length_parent(), &mut extra));
        let stream = options.stream && dialect.capabilities().streams;
        let common = common_headers(options, stream)?;
        let mut targets = Vec::with_capacity(options.targets.len());
        for target in &options.targets {
            let path = target.path(dialect.path());
            let path: Uri = path
                .parse()
                .map_err(|_| Error::usage("target", format!("`{path}` is not a path"), "accepted is a base URL"))?;
            let mut headers = common.clone();
            if !headers.contains_key(header::HOST) {
                headers.insert(header::HOST, header_value("target", target.authority())?);
            }
            targets.push(EncodedTarget { url: target.url().clone(), path, headers });
        }
        let encoded = |name: &String| {
            let quoted = Value::from(name.as_str());
            let unnamed = extra.contains_key("model") || !dialect.names_model();
            let model = if unnamed { String::new() } else { format!(r#""model":{quoted},"#) };
            let head = format!(r#"{{{model}"{}":"#, dialect.prompt_key()).into_bytes();
            EncodedModel { name: options.secrets.hide(name).as_ref().into(), plain_name: name.clone(), head }
        };
        Ok(Self {
            targets,
            models: options.models.iter().map(encoded).collect(),
            endpoint: options.endpoint,
            headers: common,
            around_length,
            min_tokens: options.min_tokens && !options.extra_body.contains_key("min_tokens"),
            tail: body_tail(options, &extra, stream),
            stream,
            choices: options.choices(),
            renewed: renewed_of(options)?,
        })
    }

    /// The headers of all requests, without `host`.
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The endpoint that requests go to.
    pub(super) fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// Whether answers are streamed.
    pub(super) fn streams(&self) -> bool {
        self.stream
    }

    /// Answers to each request.
    pub(super) fn choices(&self) -> u32 {
        self.choices
    }

    /// The key that is renewed while the load runs, and its header.
    pub(super) fn renewed(&self) -> Option<(&HeaderName, &Arc<RenewedKey>)> {
        self.renewed.as_ref().map(|(name, key)| (name, key))
    }

    /// The target, with its place from 0, and the model of a request with these numbers.
    pub(super) fn route(&self, [of_target, of_model]: [u64; 2]) -> (usize, &EncodedTarget, &EncodedModel) {
        let (targets, models) = (self.targets.len() as u64, self.models.len() as u64);
        let place = (of_target % targets) as usize;
        (place, &self.targets[place], &self.models[(of_model / targets % models) as usize])
    }

    /// The body of a request with messages.
    pub(super) fn body(&self, spec: &RequestSpec, model: &EncodedModel) -> Bytes {
        let (id, asked) = (spec.outline.id, spec.outline.output_tokens);
        let mut body = Vec::with_capacity(model.head.len() + prompt_room(&spec.messages) + self.tail.len() + 64);
        let dialect = self.endpoint.dialect();
        let values = BodyValues {
            model: &model.plain_name,
            id,
            output_tokens: asked,
            messages: &spec.messages,
            stream: self.stream,
        };
        if !dialect.write_body(&mut body, values) {
            body.extend_from_slice(&model.head);
            dialect.write_prompt(&mut body, &spec.messages);
            if let Some((before, after)) = &self.around_length {
                body.extend_from_slice(before.as_bytes());
                body.extend_from_slice(asked.to_string().as_bytes());
                body.extend_from_slice(after.as_bytes());
            }
            if self.min_tokens {
                body.extend_from_slice(format!(r#","min_tokens":{asked}"#).as_bytes());
            }
            body.extend_from_slice(&self.tail);
        }
        Bytes::from(body)
    }
}

/// The key that is renewed while the load runs, and its header.
fn renewed_of(options: &RequestOptions) -> Result<Option<(HeaderName, Arc<RenewedKey>)>, Error> {
    let Some(key) = &options.renewed_key else { return Ok(None) };
    let name = HeaderName::try_from(options.key_header()).map_err(|_| {
        Error::usage("auth-header", "is not the name of a header", "accepted is a name such as x-api-key")
    })?;
    Ok(Some((name, Arc::clone(key))))
}

/// Estimated bytes of the encoded prompt, enough for most bodies: its texts, their escapes, and the frame of each part.
fn prompt_room(messages: &[Message]) -> usize {
    let parts = messages.iter().flat_map(|message| message.parts.iter());
    let bytes = |part: &MessagePart| match part {
        MessagePart::Image(image) => image.base64().len(),
        part => part.text().len() + part.text().len() / 16,
    };
    parts.map(|part| bytes(part) + 96).sum()
}

fn body_tail(options: &RequestOptions, extra: &Map<String, Value>, stream: bool) -> Vec<u8> {
    let fields = StreamFields { stream, continuous_usage: options.continuous_usage, ignore_eos: options.ignore_eos };
    let mut keys = options.endpoint.dialect().fields(fields);
    for (key, value) in extra {
        match (keys.get_mut(key), value) {
            (_, Value::Null) => _ = keys.remove(key),
            // `stream_options` from the user must not switch off `include_usage` by omission: the metrics need it.
            (Some(Value::Object(ours)), Value::Object(theirs)) => {
                ours.extend(theirs.clone());
                ours.retain(|_, value| !value.is_null());
            }
            _ => {
                keys.insert(key.clone(), value.clone());
            }
        }
    }
    if keys.is_empty() {
        return b"}".to_vec();
    }
    let mut tail = Value::Object(keys).to_string().into_bytes();
    tail[0] = b',';
    tail
}

/// The headers of every request. The user's (`--api-key`, `--header`) replace ours.
fn common_headers(options: &RequestOptions, stream: bool) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let accept = if stream { options.endpoint.framing().content_type() } else { "application/json" };
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("tonnage/", env!("CARGO_PKG_VERSION"))));
    headers.extend(access_headers(options.bearer(), &options.access_lines())?);
    Ok(headers)
}
