//! Owns the encoding of requests: options become headers and body bytes, before the request is due.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use serde_json::{Map, Value};

use super::access::{Secret, access_headers, header_value, is_bearer};
use super::affinity::{Affinity, SessionHeader};
use super::dialect::{BodyValues, Endpoint, StreamFields};
use super::pool::{MOST_IDLE, Reservation};
use super::{LengthField, RenewedKey, Route, Target};
use crate::error::Error;
use crate::units::Secrets;
use crate::workload::{Message, MessagePart, RequestSpec};

/// The options from which requests are made.
#[derive(Debug, Clone)]
pub struct RequestOptions {
    /// The servers, used in turn by request id.
    pub targets: Vec<Target>,
    /// The models, used in turn by request id: every model on every target.
    pub models: Vec<String>,
    /// The models of the classes of a mix that name one, instead of those above.
    pub class_models: BTreeMap<Arc<str>, String>,
    /// What all requests of a session go to.
    pub affinity: Affinity,
    /// The header that carries the id of the request's session.
    pub session_header: Option<String>,
    /// The API key.
    pub api_key: Option<Secret>,
    /// The header that carries the API key; `None`: the endpoint's own. In `authorization` it is a bearer token.
    pub key_header: Option<String>,
    /// The API key where it is renewed while the load runs; it replaces `api_key`.
    pub renewed_key: Option<Arc<RenewedKey>>,
    /// Further headers, as `K: V`; they replace ours of the same name.
    pub headers: Vec<String>,
    /// Further keys of the body; they replace ours, except those that other options decide. `null` leaves a key out.
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
    /// Whether a connection is used again after a response.
    pub reuse: bool,
    /// How long a connection may be idle before it is dropped.
    pub idle_timeout: Duration,
    /// Keep the response text, for a tokenizer that counts it after the run or for the next turn of a session.
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
            class_models: BTreeMap::new(),
            affinity: Affinity::None,
            session_header: None,
            api_key: None,
            key_header: None,
            renewed_key: None,
            headers: Vec::new(),
            extra_body: Map::new(),
            endpoint: Endpoint::default(),
            stream: true,
            length_field: None,
            ignore_eos: false,
            min_tokens: false,
            continuous_usage: false,
            reuse: true,
            idle_timeout: MOST_IDLE,
            keep_text: false,
            secrets: Secrets::default(),
            request_id_prefix: "tonnage-".to_owned(),
        }
    }

    /// The header that carries the API key.
    #[must_use]
    pub fn key_header(&self) -> &str {
        self.key_header.as_deref().unwrap_or(self.endpoint.key_header())
    }

    /// The API key, if it is sent as a bearer token.
    #[must_use]
    pub fn bearer(&self) -> Option<&Secret> {
        self.api_key.as_ref().filter(|_| is_bearer(self.key_header()))
    }

    /// The answers to each request, by the user's keys of the body.
    #[must_use]
    pub fn choices(&self) -> u32 {
        let given = self.endpoint.choices_key().and_then(|key| self.extra_body.get(key)).and_then(Value::as_u64);
        given.and_then(|number| u32::try_from(number).ok()).map_or(1, |number| number.max(1))
    }

    /// The header lines that give access to the service, beside the bearer token: the endpoint's own, the API key in a
    /// header of its own, and the user's.
    #[must_use]
    pub fn access_lines(&self) -> Vec<String> {
        let own = self.endpoint.dialect().headers().iter().map(|(name, value)| format!("{name}: {value}"));
        let key = self.api_key.as_ref().filter(|_| self.bearer().is_none());
        let key = key.map(|key| format!("{}: {}", self.key_header(), key.reveal()));
        own.chain(key).chain(self.headers.iter().cloned()).collect()
    }
}

/// Makes calls from request specs. Everything that does not depend on the request is rendered once.
#[derive(Debug)]
pub struct Encoder {
    targets: Vec<EncodedTarget>,
    models: Vec<EncodedModel>,
    /// The models of the classes that name one.
    class_models: Vec<(Arc<str>, EncodedModel)>,
    affinity: Affinity,
    session_header: Option<SessionHeader>,
    endpoint: Endpoint,
    /// The bytes before and after the output length; `None` when no length is asked for.
    around_length: Option<(String, String)>,
    min_tokens: bool,
    /// The end of every body, closing brace included.
    tail: Vec<u8>,
    stream: bool,
    keep_text: bool,
    /// Answers to each request.
    choices: u32,
    secrets: Secrets,
    /// The key that is renewed while the load runs, and its header.
    renewed: Option<(HeaderName, Arc<RenewedKey>)>,
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

    fn mark(&self, headers: &mut HeaderMap, spec: &RequestSpec) {
        if self.is_given {
            return;
        }
        // FNV-1a: the input is not hostile, and the hash takes less than a microsecond.
        let texts = spec.messages.iter().flat_map(|message| message.parts.iter()).map(MessagePart::text);
        let whole = spec.body.iter().flat_map(|body| body.iter().copied());
        let telling = texts.flat_map(str::bytes).chain(whole).take(TELLING_BYTES);
        let of_prompt = telling.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        if let Ok(name) = HeaderValue::try_from(format!(
            "{of_prompt:08x}-{}-{:012x}",
            self.of_run,
            spec.outline.id & 0xffff_ffff_ffff
        )) {
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
    /// Its name in records, secrets hidden.
    name: Arc<str>,
    /// Its name in requests.
    plain_name: String,
    /// The start of every body, up to the value of the prompt.
    head: Vec<u8>,
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
        let dialect = options.endpoint.dialect();
        let length_key = dialect.length_key(options.length_field)?;
        refuse_owned(options, length_key)?;
        let mut extra = options.extra_body.clone();
        let around_length = length_key.and_then(|key| around_length(key, dialect.length_parent(), &mut extra));
        let stream = options.stream && dialect.capabilities().streams;
        let common = common_headers(options, stream)?;
        let request_ids = RequestIds::new(&options.request_id_prefix, common.contains_key(REQUEST_ID));
        let session_header = options.session_header.as_deref();
        let session_header =
            session_header.map(|name| SessionHeader::new(name, &request_ids.of_run, &common)).transpose()?;
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
        let models = options.models.iter().map(encoded).collect();
        let class_models =
            options.class_models.iter().map(|(class, name)| (Arc::clone(class), encoded(name))).collect();
        Ok(Self {
            targets,
            models,
            class_models,
            affinity: options.affinity,
            session_header,
            endpoint: options.endpoint,
            around_length,
            min_tokens: options.min_tokens && !options.extra_body.contains_key("min_tokens"),
            tail: body_tail(options, &extra, stream),
            stream,
            keep_text: options.keep_text,
            choices: options.choices(),
            secrets: options.secrets.clone(),
            renewed: renewed_of(options)?,
            request_ids,
        })
    }

    /// The body of a request with messages.
    fn body(&self, spec: &RequestSpec, model: &EncodedModel) -> Bytes {
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

    /// Encodes one request: headers and body bytes, ready to be written.
    #[must_use]
    pub fn encode(&self, spec: &RequestSpec) -> Call {
        let asked = spec.outline.output_tokens;
        let (targets, models) = (self.targets.len() as u64, self.models.len() as u64);
        let [of_target, of_model] = self.affinity.numbers(&spec.outline);
        let place = (of_target % targets) as usize;
        let target = &self.targets[place];
        let of_class = self.class_models.iter().find(|(class, _)| *class == spec.outline.class);
        let model = of_class.map_or(&self.models[(of_model / targets % models) as usize], |(_, model)| model);
        let body = match &spec.body {
            Some(whole) => whole.for_model(&model.plain_name),
            None => self.body(spec, model),
        };

        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = target.path.clone();
        *request.headers_mut() = target.headers.clone();
        let mut secrets = self.secrets.clone();
        if let Some((name, key)) = &self.renewed {
            let (value, hidden) = key.present();
            request.headers_mut().insert(name, value);
            secrets = hidden;
        }
        self.request_ids.mark(request.headers_mut(), spec);
        if let Some(header) = &self.session_header {
            header.mark(request.headers_mut(), &spec.outline);
        }
        let route = Route { target: target.url.clone(), model: model.name.clone() };
        Call {
            request,
            body,
            place,
            route,
            endpoint: self.endpoint,
            asked_tokens: asked.saturating_mul(self.choices),
            stream: self.stream,
            keep_text: self.keep_text,
            secrets,
            renewed: self.renewed.as_ref().map(|(_, key)| Arc::clone(key)),
            reservation: OnceCell::new(),
        }
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
    /// Output tokens of all choices together.
    pub(super) asked_tokens: u32,
    pub(super) stream: bool,
    /// Whether the response text is kept.
    pub(super) keep_text: bool,
    /// Texts that are hidden in its record.
    pub(super) secrets: Secrets,
    /// The key that it carries, where it is renewed.
    pub(super) renewed: Option<Arc<RenewedKey>>,
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
