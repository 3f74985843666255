//! Owns discovery before the run, off the hot path: whether a server is ready, and which model it serves.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::header::HeaderMap;
use reqwest::header::CONTENT_ENCODING;
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode, Version};
use serde::{Deserialize, Deserializer};

use super::access::{Secret, access_headers};
use super::tls::{tls_error, tls_words};
use super::words::{self, MOST_ASIDE_BYTES};
use super::{HttpVersion, Target, Tls};
use crate::clock::RunClock;
use crate::error::Error;
use crate::units::{Offset, count, visible};

/// Timeout of one query.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pause between two queries to a server that is not ready.
const PAUSE: Duration = Duration::from_millis(500);

/// Most bytes of a model's name. A longer text is not a name, and it would be repeated in every request and record.
const MOST_NAME_BYTES: usize = 512;

/// Queries servers about themselves. No proxy, no redirect, no retry.
#[derive(Debug, Clone)]
pub struct Discovery {
    http: reqwest::Client,
    /// What a client for a socket of this machine is made from.
    headers: HeaderMap,
    patience: Duration,
    tls: Tls,
    /// Base URLs of the targets that have answered over HTTP/2.
    over_two: Arc<Mutex<BTreeSet<Arc<str>>>>,
}

#[derive(Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    #[serde(deserialize_with = "name")]
    id: String,
}

/// Reads a model's name: a text, or a number that some servers write instead.
fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(name) => Ok(name),
        serde_json::Value::Number(name) => Ok(name.to_string()),
        other => Err(serde::de::Error::custom(format!("a model's id is not a name but {}", kind_of(&other)))),
    }
}

fn kind_of(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "true or false",
        serde_json::Value::Array(_) => "a list",
        _ => "an object",
    }
}

/// Why a query failed, and whether a new try may help.
struct Unanswered {
    error: Error,
    passing: bool,
}

impl Discovery {
    /// A client for queries, with the same key, headers and trusted certificates as the requests of the run.
    pub fn new(api_key: Option<&Secret>, headers: &[String], tls: &Tls) -> Result<Self, Error> {
        Self::connecting_within(PATIENCE, api_key, headers, tls)
    }

    /// Like [`Discovery::new`], with `patience` as the time limit for connecting: name lookup, TCP and TLS together.
    pub fn connecting_within(
        patience: Duration,
        api_key: Option<&Secret>,
        headers: &[String],
        tls: &Tls,
    ) -> Result<Self, Error> {
        let headers: HeaderMap = access_headers(api_key, headers)?;
        let http = Self::client(patience, headers.clone(), tls, None)?;
        Ok(Self { http, headers, patience, tls: tls.clone(), over_two: Arc::default() })
    }

    /// Whether `target` has answered a query over HTTP/2.
    #[must_use]
    pub fn spoke_two(&self, target: &Target) -> bool {
        self.over_two.lock().unwrap_or_else(PoisonError::into_inner).contains(target.url())
    }

    /// A client, all of whose connections go to `socket` if that is given.
    fn client(
        patience: Duration,
        headers: HeaderMap,
        tls: &Tls,
        socket: Option<&Path>,
    ) -> Result<reqwest::Client, Error> {
        let mut http = reqwest::Client::builder()
            // A response with an invalid header still has a status, which says more than the header.
            .http1_ignore_invalid_headers_in_responses(true)
            .no_proxy()
            .tls_backend_preconfigured(tls.config().clone())
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .timeout(PATIENCE)
            .connect_timeout(patience)
            .default_headers(headers);
        if tls.http() == HttpVersion::Two {
            http = http.http2_prior_knowledge();
        }
        if let Some(socket) = socket {
            http = http.unix_socket(socket);
        }
        http.build().map_err(|error| Error::Internal(format!("cannot make an HTTP client: {error}")))
    }

    /// The client for `target`.
    pub(super) fn http_for(&self, target: &Target) -> Result<reqwest::Client, Error> {
        match target.socket() {
            None => Ok(self.http.clone()),
            socket => Self::client(self.patience, self.headers.clone(), &self.tls, socket),
        }
    }

    /// The first model that the server lists. Fails when the server does not answer or lists no model.
    pub async fn first_model(&self, target: &Target) -> Result<String, Error> {
        let models = self.models(target).await.map_err(|unanswered| unanswered.error)?;
        let first = models.into_iter().next();
        first.ok_or_else(|| Error::target(&**target.url(), "it lists no model; give one with the option model"))
    }

    /// Waits until the server lists its models. Queries it every half second for at most `patience`, and at least once.
    ///
    /// A failure that waiting cannot cure (a refused key, a page that is not an API) ends the wait at once.
    pub async fn wait_ready(&self, target: &Target, patience: Duration) -> Result<(), Error> {
        let clock = RunClock::starting_in(Duration::ZERO);
        let deadline = Offset::from(patience);
        loop {
            match self.models(target).await {
                Ok(_) => return Ok(()),
                Err(unanswered) if !unanswered.passing || clock.now().plus(PAUSE) > deadline => {
                    return Err(unanswered.error);
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn models(&self, target: &Target) -> Result<Vec<String>, Unanswered> {
        let mut url = target.endpoint("models");
        let refuse = |passing: bool, why: String| Unanswered { error: Error::target(&**target.url(), why), passing };
        let http = self.http_for(target).map_err(|error| Unanswered { error, passing: false })?;
        let mut asked = http.get(&url).send().await;
        // A query belongs to the endpoint that was given; a list of models beside it may not know the query.
        let unknown = asked.as_ref().is_ok_and(|response| response.status() == StatusCode::NOT_FOUND);
        if let Some(plain) = target.endpoint_without_query("models").filter(|_| unknown) {
            asked = http.get(&plain).send().await;
            url = plain;
        }
        let response = asked.map_err(|error| refuse(true, unreachable_text(&error)))?;
        if response.version() == Version::HTTP_2 {
            self.over_two.lock().unwrap_or_else(PoisonError::into_inner).insert(target.url().clone());
        }
        let (status, head) = (response.status(), response.headers().clone());
        let body = match body_of(response).await {
            Ok(Some(body)) => body,
            Ok(None) => {
                let most = count(MOST_ASIDE_BYTES as u64);
                return Err(refuse(
                    false,
                    format!(
                        "{url} answers with more than {most} bytes; check the option target, or give the option model \
                         to skip this question"
                    ),
                ));
            }
            Err(error) => return Err(refuse(true, format!("the answer to {url} broke off ({})", innermost(&error)))),
        };
        if !status.is_success() {
            let said = words::of_status(status, &head, &body).text;
            let skip = "check the option target, or give the option model to skip this question";
            return Err(match status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    refuse(false, format!("it answers {said}; give the key with the option api-key or OPENAI_API_KEY"))
                }
                StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                    refuse(false, format!("{url} answers {said}: not an OpenAI-compatible base URL; {skip}"))
                }
                _ if status.is_redirection() => refuse(
                    false,
                    format!(
                        "{url} answers {said}; redirects are not followed: give the final URL with the option target"
                    ),
                ),
                _ => refuse(
                    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS,
                    format!("{url} answers {said}; see the server's log"),
                ),
            });
        }
        if let Some(encoding) = head
            .get(CONTENT_ENCODING)
            .and_then(|encoding| encoding.to_str().ok())
            .filter(|encoding| *encoding != "identity")
        {
            let why = format!(
                "{url} answers compressed ({}), which was not asked for; give the option model to skip this question",
                visible(encoding)
            );
            return Err(refuse(false, why));
        }
        // Parsed into a tree of values first: there the last value of a repeated key counts.
        let tree = serde_json::from_slice::<serde_json::Value>(&body);
        let models: Models = tree.and_then(serde_json::from_value).map_err(|error| {
            let said = words::of_body(None, &body).map_or_else(String::new, |said| format!(", but with `{said}`"));
            let error = visible(&error.to_string()).into_owned();
            refuse(
                false,
                format!(
                    "{url} does not answer with a list of models{said} ({error}); check the option target, or give the \
                     option model to skip this question"
                ),
            )
        })?;
        if models.data.iter().any(|model| model.id.len() > MOST_NAME_BYTES) {
            let why = format!(
                "{url} lists a model whose name has more than {MOST_NAME_BYTES} bytes; give one with the option \
                     model"
            );
            return Err(refuse(false, why));
        }
        Ok(models.data.into_iter().map(|model| model.id).collect())
    }
}

/// The whole body; `None` when it is longer than [`MOST_ASIDE_BYTES`].
pub(super) async fn body_of(response: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    body_within(response, MOST_ASIDE_BYTES).await
}

/// The whole body; `None` when it has more than `most` bytes.
pub(super) async fn body_within(mut response: Response, most: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(body))
}

/// The text for a query that did not reach the server.
pub(super) fn unreachable_text(error: &reqwest::Error) -> String {
    let cause = visible(&innermost(error)).into_owned();
    if error.is_timeout() && error.is_connect() {
        "no connection within the option connect-timeout; check the option target, or wait for the server with the \
         option wait-ready 5m"
            .to_owned()
    } else if error.is_timeout() {
        format!(
            "no answer within {} s; check the option target, or wait for the server with the option wait-ready 5m",
            PATIENCE.as_secs()
        )
    } else if cause.contains("resolve") || cause.contains("lookup") || cause.contains("Name or service") {
        format!("its name could not be resolved ({cause}); check the option target, or give the address itself")
    } else if let Some(tls) = tls_error(error) {
        format!("the TLS handshake failed: {}", tls_words(tls))
    } else if speaks_no_http(error) {
        format!(
            "something answers there, and it does not speak HTTP ({cause}); check the port of the option target, and \
             whether it wants https:// or speaks HTTP/2 only"
        )
    } else {
        format!("no connection ({cause}); is the server running? the option wait-ready 5m waits for it")
    }
}

/// Whether the response could not be read as HTTP.
fn speaks_no_http(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(this) = cause {
        if this.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return true;
        }
        cause = this.source();
    }
    false
}

/// The innermost cause of `error`, as text.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
