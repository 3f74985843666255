//! Owns the secrets that this process knows, and texts without them: whatever is printed or written goes through here.

use std::sync::{PoisonError, RwLock};

use serde::Serialize;

use crate::error::Error;
use crate::units::{Secrets, visible_json};

/// The secrets that this process knows: what it was given on the command line, in files and in the environment.
static KNOWN: RwLock<Option<Secrets>> = RwLock::new(None);

/// Takes note of secrets: from now on they are neither printed nor written.
pub(crate) fn keep_secret(secrets: &Secrets) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    *known = Some(known.as_ref().map_or_else(|| secrets.clone(), |known| known.and(secrets)));
}

/// The secrets that are known.
pub(crate) fn known_secrets() -> Secrets {
    KNOWN.read().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
}

/// `text` without the secrets that are known.
pub(crate) fn hidden(text: &str) -> String {
    known_secrets().hide(text).into_owned()
}

/// `value` as JSON that can be printed; `what` it is, for the error.
pub(crate) fn json_text(value: &impl Serialize, what: &str) -> Result<String, Error> {
    let text =
        serde_json::to_string_pretty(value).map_err(|why| Error::Internal(format!("{what} is no JSON: {why}")))?;
    Ok(visible_json(&hidden(&text)).into_owned() + "\n")
}
