//! Owns the reading of `--extra-body` and `--metadata`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::cli::secrets::lacks_secret;
use crate::error::Error;
use crate::results::keep_secret;
use crate::units::Secrets;
use crate::units::secrets::{SECRET, is_secret_name, of_body};

/// The fields of `--extra-body`. Their secrets are kept from everything that is printed or written.
pub(super) fn extra_body_of(text: &str) -> Result<Map<String, Value>, Error> {
    keep_secret(&Secrets::new(of_body(text)));
    let body: Map<String, Value> = serde_json::from_str(text).map_err(|why| {
        Error::usage("--extra-body", format!("it is not a JSON object ({why})"), r#"accepted is '{"temperature": 0}'"#)
    })?;
    if lacks_secret(&body) {
        let why = "a value of it was left out when the configuration was stored";
        return Err(Error::usage("--extra-body", why, "give it again on the command line"));
    }
    Ok(body)
}

/// The keys and values of `--metadata`; the value of a key with a secret's name is left out.
pub(super) fn metadata_of(texts: &[String]) -> Result<BTreeMap<String, String>, Error> {
    let pair = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            let value = if is_secret_name(key) { SECRET } else { value.trim() };
            Ok((key.trim().to_owned(), value.to_owned()))
        }
        _ => Err(Error::usage("--metadata", format!("`{text}` is not a fact"), "accepted is K=V, as in gpu=H100")),
    };
    texts.iter().map(pair).collect()
}
