//! Owns the encoding of requests: options become headers and body bytes, before the request is due.

use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use serde_json::{Map, Value};

use super::dialect::{Endpoint, StreamFields};
use super::pool::Reservation;
use super::{LengthField, Route, Target};
use crate::error::Error;
use crate::units::Secrets;
use crate::workload::{Message, MessagePart, RequestSpec};

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, to be sent.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The options from which requests are made.
#[derive(Debug, Clone)]
pub struct RequestOptions {
    /// The servers, used in turn by request id.
    pub targets: Vec<Target>,
    /// The models, used in turn by request id: every model on every target.
    pub models: Vec<String>,
    /// Sent as a bearer token.
    pub api_key: Option<Secret>,
    /// Further headers, as `K: V`; they replace ours of the same name.
    pub headers: Vec<String>,
    /// Further keys of the body; they replace ours, except those that other options decide.
    pub extra_body: Map<String, Value>,
    /// The endpoint that requests go to.
    pub endpoint: Endpoint,
    /// Whether the response is streamed.
    pub stream: bool,
    /// The field that asks for the output length; `None`: the endpoint's default.
    pub length_field: Option<LengthField>,
    /// Send `ignore_eos: true` (vLLM, SGLang), so that the response has the length asked for.
    pub ignore_eos: bool,
    /// Send `min_tokens` equal to the length asked for (vLLM).
    pub min_tokens: bool,
    /// Ask for the token count in every event (vLLM's `continuous_usage_stats`).
    pub continuous_usage: bool,
    /// Keep the response text, for a tokenizer that counts it after the run.
    pub keep_text: bool,
    /// Texts that are hidden in records if a server echoes them.
    pub secrets: Secrets,
    /// A text whose hash stands in each `x-request-id` of this run. Servers use that id as a key, so two runs at the
    /// same time need two texts.
    pub request_id_prefix: String,
}

impl RequestOptions {
    /// Streamed requests to `targets` for `models`, with all other options at their defaults.
    #[must_use]
    pub fn new(targets: Vec<Target>, models: Vec<String>) -> Self {
        Self {
            targets,
            models,
            api_key: None,
            headers: Vec::new(),
            extra_body: Map::new(),
            endpoint: Endpoint::default(),
            stream: true,
            length_field: None,
            ignore_eos: false,
            min_tokens: false,
            continuous_usage: false,
            keep_text: false,
            secrets: Secrets::default(),
            request_id_prefix: "tonnage-".to_owned(),
        }
    }
}

/// Makes calls from request specs. Everything that does not depend on the request is rendered once.
#[derive(Debug)]
pub struct Encoder {
    targets: Vec<EncodedTarget>,
    models: Vec<EncodedModel>,
    endpoint: Endpoint,
    /// The bytes between the prompt and the output length; `None` when no length is asked for.
    before_length: Option<String>,
    min_tokens: bool,
    /// The end of every body, closing brace included.
    tail: Vec<u8>,
    stream: bool,
    keep_text: bool,
    secrets: Secrets,
    request_ids: RequestIds,
}

/// The name of `x-request-id`.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Makes the `x-request-id` of each request: a UUID (RFC 9562, version 4), because some servers require one.
///
/// - The first group is a hash of the prompt. Two loads of one session both number their requests from 0; the hash
///   keeps their ids apart while both are in flight.
/// - The next three groups are a hash of the run.
/// - The last group is the request number, so that a line in a server's log can be matched to a record.
#[derive(Debug)]
struct RequestIds {
    /// Groups two to four, version and variant included.
    of_run: String,
    /// The user's headers set one id for all requests.
    is_given: bool,
}

/// Bytes at the start of a prompt that are hashed to tell it from other prompts.
const TELLING_BYTES: usize = 256;

impl RequestIds {
    fn new(run: &str, is_given: bool) -> Self {
        let hash = blake3::hash(run.as_bytes()).to_hex();
        Self { of_run: format!("{}-4{}-a{}", &hash[..4], &hash[4..7], &hash[7..10]), is_given }
    }

    fn mark(&self, headers: &mut HeaderMap, id: u64, messages: &[Message]) {
        if self.is_given {
            return;
        }
        // FNV-1a: the input is not hostile, and the hash takes less than a microsecond.
        let texts = messages.iter().flat_map(|message| message.parts.iter()).map(MessagePart::text);
        let telling = texts.flat_map(str::bytes).take(TELLING_BYTES);
        let of_prompt = telling.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        if let Ok(name) =
            HeaderValue::try_from(format!("{of_prompt:08x}-{}-{:012x}", self.of_run, id & 0xffff_ffff_ffff))
        {
            headers.insert(REQUEST_ID, name);
        }
    }
}

/// The request number in `x_request_id`; `None` when it holds none.
#[must_use]
pub fn request_number(x_request_id: &str) -> Option<u64> {
    u64::from_str_radix(x_request_id.rsplit_once('-')?.1, 16).ok()
}

#[derive(Debug)]
struct EncodedTarget {
    url: Arc<str>,
    path: Uri,
    headers: HeaderMap,
}

#[derive(Debug)]
struct EncodedModel {
    name: Arc<str>,
    /// The start of every body, up to the value of the prompt.
    head: Vec<u8>,
}

/// Body keys that another option sets, for every endpoint, each with the advice to use that option.
fn owned_keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    let prompts = Endpoint::ALL.iter().map(|endpoint| (endpoint.dialect().prompt_key(), "use the workload options"));
    let lengths = [LengthField::MaxTokens, LengthField::MaxCompletionTokens];
    [("model", "use the option model")]
        .into_iter()
        .chain(prompts)
        .chain([("stream", "use the option no-stream")])
        .chain(lengths.map(|field| (field.name(), "use the option output-tokens")))
}

impl Encoder {
    /// An encoder for `options`. Refuses options that cannot be sent.
    pub fn new(options: &RequestOptions) -> Result<Self, Error> {
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
        for (key, instead) in owned_keys() {
            if options.extra_body.contains_key(key) {
                return Err(Error::usage("extra-body", format!("`{key}` is decided by another option"), instead));
            }
        }
        let dialect = options.endpoint.dialect();
        let length_key = dialect.length_key(options.length_field)?;
        let stream = options.stream && dialect.capabilities().streams;
        let common = common_headers(options, stream)?;
        let request_ids = RequestIds::new(&options.request_id_prefix, common.contains_key(REQUEST_ID));
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
        let models = options
            .models
            .iter()
            .map(|name| {
                let quoted = Value::from(name.as_str());
                let head = format!(r#"{{"model":{quoted},"{}":"#, dialect.prompt_key()).into_bytes();
                EncodedModel { name: options.secrets.hide(name).as_ref().into(), head }
            })
            .collect();
        Ok(Self {
            targets,
            models,
            endpoint: options.endpoint,
            before_length: length_key.map(|key| format!(r#","{key}":"#)),
            min_tokens: options.min_tokens && !options.extra_body.contains_key("min_tokens"),
            tail: body_tail(options, stream),
            stream,
            keep_text: options.keep_text,
            secrets: options.secrets.clone(),
            request_ids,
        })
    }

    /// Encodes one request: headers and body bytes, ready to be written.
    #[must_use]
    pub fn encode(&self, spec: &RequestSpec) -> Call {
        let (id, asked) = (spec.outline.id, spec.outline.output_tokens);
        let (targets, models) = (self.targets.len() as u64, self.models.len() as u64);
        let place = (id % targets) as usize;
        let target = &self.targets[place];
        let model = &self.models[(id / targets % models) as usize];

        let mut body = Vec::with_capacity(model.head.len() + prompt_room(&spec.messages) + self.tail.len() + 64);
        body.extend_from_slice(&model.head);
        self.endpoint.dialect().write_prompt(&mut body, &spec.messages);
        if let Some(before_length) = &self.before_length {
            body.extend_from_slice(before_length.as_bytes());
            body.extend_from_slice(asked.to_string().as_bytes());
        }
        if self.min_tokens {
            body.extend_from_slice(format!(r#","min_tokens":{asked}"#).as_bytes());
        }
        body.extend_from_slice(&self.tail);
        let body = Bytes::from(body);

        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = target.path.clone();
        *request.headers_mut() = target.headers.clone();
        self.request_ids.mark(request.headers_mut(), id, &spec.messages);
        let route = Route { target: target.url.clone(), model: model.name.clone() };
        Call {
            request,
            body,
            place,
            route,
            endpoint: self.endpoint,
            asked_tokens: asked,
            stream: self.stream,
            keep_text: self.keep_text,
            secrets: self.secrets.clone(),
            reservation: OnceCell::new(),
        }
    }
}

/// A request ready to be written.
#[derive(Debug)]
pub struct Call {
    pub(super) request: Request<Full<Bytes>>,
    pub(super) body: Bytes,
    /// Index of the target, from 0.
    pub(super) place: usize,
    pub(super) route: Route,
    /// The endpoint that the request goes to.
    pub(super) endpoint: Endpoint,
    pub(super) asked_tokens: u32,
    pub(super) stream: bool,
    /// Whether the response text is kept.
    pub(super) keep_text: bool,
    /// Texts that are hidden in its record.
    pub(super) secrets: Secrets,
    /// Held from `reserve` until the send, or until the call is dropped unsent.
    pub(super) reservation: OnceCell<Reservation>,
}

impl Call {
    /// The body bytes.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// All headers except `content-length`.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }
}

/// Estimated bytes of the encoded prompt, enough for most bodies: its texts, their escapes, and the frame of each part.
fn prompt_room(messages: &[Message]) -> usize {
    let parts = messages.iter().flat_map(|message| message.parts.iter());
    parts.map(|part| part.text().len() + part.text().len() / 16 + 48).sum()
}

fn body_tail(options: &RequestOptions, stream: bool) -> Vec<u8> {
    let fields = StreamFields { stream, continuous_usage: options.continuous_usage, ignore_eos: options.ignore_eos };
    let mut keys = options.endpoint.dialect().fields(fields);
    for (key, value) in &options.extra_body {
        match (keys.get_mut(key), value) {
            // `stream_options` from the user must not switch off `include_usage` by omission: the metrics need it.
            (Some(Value::Object(ours)), Value::Object(theirs)) => ours.extend(theirs.clone()),
            _ => {
                keys.insert(key.clone(), value.clone());
            }
        }
    }
    let mut tail = Value::Object(keys).to_string().into_bytes();
    tail[0] = b',';
    tail
}

fn header_value(option: &str, text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::try_from(text).map_err(|_| {
        Error::usage(option, "the value cannot stand in a header", "accepted is printable text on one line")
    })
}

/// The headers of every request. The user's (`--api-key`, `--header`) replace ours.
fn common_headers(options: &RequestOptions, stream: bool) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let accept = if stream { "text/event-stream" } else { "application/json" };
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("tonnage/", env!("CARGO_PKG_VERSION"))));
    headers.extend(access_headers(options.api_key.as_ref(), &options.headers)?);
    Ok(headers)
}

/// The headers given by `--api-key` and `--header 'K: V'`.
pub(super) fn access_headers(api_key: Option<&Secret>, lines: &[String]) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    if let Some(key) = api_key {
        let mut bearer = header_value("api-key", &format!("Bearer {}", key.reveal()))?;
        bearer.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, bearer);
    }
    for line in lines {
        let refuse = |why: &str| {
            Error::usage(
                "header",
                format!("`{}` {why}", line.split(':').next().unwrap_or("")),
                "accepted is 'Name: value'",
            )
        };
        let (name, value) = line.split_once(':').ok_or_else(|| refuse("has no colon"))?;
        let name = HeaderName::try_from(name.trim()).map_err(|_| refuse("is not a header name"))?;
        if [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::UPGRADE].contains(&name) {
            return Err(refuse("is decided by the transport"));
        }
        let mut value = header_value("header", value.trim())?;
        value.set_sensitive(name == header::AUTHORIZATION);
        headers.insert(name, value);
    }
    Ok(headers)
}
