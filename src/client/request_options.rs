//! Owns `RequestOptions`: what requests are made from, for all and for each class of a mix.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::access::{Secret, is_bearer};
use super::affinity::Affinity;
use super::dialect::Endpoint;
use super::pool::MOST_IDLE;
use super::{LengthField, RenewedKey, Target};
use crate::units::Secrets;

/// The options from which requests are made.
#[derive(Debug, Clone)]
pub struct RequestOptions {
    /// The servers, used in turn by request id.
    pub targets: Vec<Target>,
    /// The models, used in turn by request id: every model on every target.
    pub models: Vec<String>,
    /// What the classes of a mix say for themselves.
    pub classes: BTreeMap<Arc<str>, ClassRequests>,
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
            classes: BTreeMap::new(),
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

    /// The options of requests of `class`, which may have a model and an endpoint of its own.
    #[must_use]
    pub fn of_class(&self, class: &str) -> Self {
        let mut options = Self { classes: BTreeMap::new(), ..self.clone() };
        let Some(own) = self.classes.get(class) else { return options };
        if let Some(model) = &own.model {
            options.models = vec![model.clone()];
        }
        if let Some(form) = own.form.clone() {
            let EndpointOptions { endpoint, extra_body, length_field, ignore_eos, min_tokens, continuous_usage } = form;
            options = Self { extra_body, endpoint, length_field, ignore_eos, min_tokens, continuous_usage, ..options };
        }
        options
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

/// What one class of a mix says for itself of its requests.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClassRequests {
    /// The model that they name; `None`: the models of the load, in turn.
    pub model: Option<String>,
    /// The endpoint that they go to, with the options that it decides; `None`: those of the load.
    pub form: Option<EndpointOptions>,
}

/// An endpoint, and the options of requests that depend on it. The fields are those of [`RequestOptions`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EndpointOptions {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Further keys of the body.
    pub extra_body: Map<String, Value>,
    /// The field that asks for the output length; `None`: the endpoint's default.
    pub length_field: Option<LengthField>,
    /// Send `ignore_eos: true`.
    pub ignore_eos: bool,
    /// Send `min_tokens` equal to the length asked for.
    pub min_tokens: bool,
    /// Ask for the token count in every event.
    pub continuous_usage: bool,
}
