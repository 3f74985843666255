//! Owns the secrets that this process knows, and removes them from every text that is printed or written.

use std::sync::{PoisonError, RwLock};

use serde::Serialize;

use crate::error::Error;
use crate::units::{Secrets, visible_json};

/// The secrets from the command line, from files and from the environment.
static KNOWN: RwLock<Option<Secrets>> = RwLock::new(None);

/// Adds secrets. From now on they are neither printed nor written.
pub(crate) fn keep_secret(secrets: &Secrets) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    *known = Some(known.as_ref().map_or_else(|| secrets.clone(), |known| known.and(secrets)));
}

/// All known secrets.
pub(crate) fn known_secrets() -> Secrets {
    KNOWN.read().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
}

/// `text` with all known secrets replaced.
pub(crate) fn hidden(text: &str) -> String {
    known_secrets().hide(text).into_owned()
}

/// `value` as printable JSON with secrets replaced. `what` names the value in an error message.
pub(crate) fn json_text(value: &impl Serialize, what: &str) -> Result<String, Error> {
    let text =
        serde_json::to_string_pretty(value).map_err(|why| Error::Internal(format!("{what} is no JSON: {why}")))?;
    Ok(visible_json(&hidden(&text)).into_owned() + "\n")
}
