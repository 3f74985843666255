//! Owns `Encoder` and `Call`: a request becomes headers and body bytes, before it is due.

use std::cell::OnceCell;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};

use super::affinity::{Affinity, SessionHeader};
use super::dialect::Endpoint;
use super::form::Form;
use super::pool::Reservation;
use super::request_options::RequestOptions;
use super::{RenewedKey, Route};
use crate::error::Error;
use crate::units::Secrets;
use crate::workload::{MessagePart, RequestSpec};

/// Makes calls from request specs. Everything that does not depend on the request is rendered once.
#[derive(Debug)]
pub struct Encoder {
    /// How requests are written, of every class but the following.
    usual: Form,
    /// How requests of a class are written that has a model or an endpoint of its own.
    classes: Vec<(Arc<str>, Form)>,
    affinity: Affinity,
    session_header: Option<SessionHeader>,
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

impl Encoder {
    /// An encoder for `options`. Refuses options that cannot be sent.
    pub fn new(options: &RequestOptions) -> Result<Self, Error> {
        let usual = Form::new(options)?;
        let request_ids = RequestIds::new(&options.request_id_prefix, usual.headers().contains_key(REQUEST_ID));
        let session_header = options.session_header.as_deref();
        let session_header =
            session_header.map(|name| SessionHeader::new(name, &request_ids.of_run, usual.headers())).transpose()?;
        let of_class = |class: &Arc<str>| Ok((Arc::clone(class), Form::new(&options.of_class(class))?));
        Ok(Self {
            classes: options.classes.keys().map(of_class).collect::<Result<_, Error>>()?,
            usual,
            affinity: options.affinity,
            session_header,
            keep_text: options.keep_text,
            secrets: options.secrets.clone(),
            request_ids,
        })
    }

    /// Encodes one request: headers and body bytes, ready to be written.
    #[must_use]
    pub fn encode(&self, spec: &RequestSpec) -> Call {
        let own = self.classes.iter().find(|(class, _)| *class == spec.outline.class);
        let form = own.map_or(&self.usual, |(_, form)| form);
        let (place, target, model) = form.route(self.affinity.numbers(&spec.outline));
        let body = match &spec.body {
            Some(whole) => whole.for_model(model.plain_name()),
            None => form.body(spec, model),
        };

        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = target.path().clone();
        *request.headers_mut() = target.headers().clone();
        let mut secrets = self.secrets.clone();
        if let Some((name, key)) = form.renewed() {
            let (value, hidden) = key.present();
            request.headers_mut().insert(name, value);
            secrets = hidden;
        }
        self.request_ids.mark(request.headers_mut(), spec);
        if let Some(header) = &self.session_header {
            header.mark(request.headers_mut(), &spec.outline);
        }
        Call {
            request,
            body,
            place,
            route: Route { target: target.url().clone(), model: model.name().clone() },
            endpoint: form.endpoint(),
            asked_tokens: spec.outline.output_tokens.saturating_mul(form.choices()),
            stream: form.streams(),
            keep_text: self.keep_text,
            secrets,
            renewed: form.renewed().map(|(_, key)| Arc::clone(key)),
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
