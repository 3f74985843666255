//! Owns access to a service: the API key, and the headers that carry it.

use std::fmt;

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::error::Error;

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

/// Whether a key in this header is a bearer token.
#[must_use]
pub(crate) fn is_bearer(header: &str) -> bool {
    header.eq_ignore_ascii_case("authorization")
}

pub(super) fn header_value(option: &str, text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::try_from(text).map_err(|_| {
        Error::usage(option, "the value cannot stand in a header", "accepted is printable text on one line")
    })
}

/// The headers of an API key, as a bearer token, and of `lines` such as `K: V`.
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
