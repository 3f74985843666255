//! Owns `RenewedKey`: an API key that changes while a load runs. Requests take the present key when they are encoded.

use std::fmt;
use std::sync::{Condvar, Mutex, PoisonError, RwLock};
use std::time::Duration;

use hyper::header::HeaderValue;

use super::access::Secret;
use crate::error::Error;
use crate::units::Secrets;

/// An API key that changes while a load runs. Workers read it, whoever renews it writes it.
pub struct RenewedKey {
    /// Whether the key is a bearer token.
    is_bearer: bool,
    present: RwLock<Present>,
    /// Whether a server has refused the key since the last renewal.
    refused: Mutex<bool>,
    wake: Condvar,
}

struct Present {
    value: HeaderValue,
    /// Every key so far, to be hidden in records.
    secrets: Secrets,
}

impl RenewedKey {
    /// The key before its first renewal. `is_bearer`: it is sent as a bearer token. `secrets` are hidden in records,
    /// beside the keys. Fails when the key cannot stand in a header.
    pub fn new(key: &Secret, is_bearer: bool, secrets: &Secrets) -> Result<Self, Error> {
        let value = value_of(key, is_bearer)?;
        let secrets = secrets.and(&Secrets::new([key.reveal().to_owned()]));
        Ok(Self {
            is_bearer,
            present: RwLock::new(Present { value, secrets }),
            refused: Mutex::new(false),
            wake: Condvar::new(),
        })
    }

    /// Replaces the key. Fails, and keeps the old one, when the key cannot stand in a header.
    pub fn renew(&self, key: &Secret) -> Result<(), Error> {
        let value = value_of(key, self.is_bearer)?;
        let mut present = self.present.write().unwrap_or_else(PoisonError::into_inner);
        present.secrets = present.secrets.and(&Secrets::new([key.reveal().to_owned()]));
        present.value = value;
        drop(present);
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = false;
        Ok(())
    }

    /// Waits until the key is `age` old, or until a server has refused it. Returns whether a server has refused it.
    pub fn wait(&self, age: Duration) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.wake.wait_timeout_while(refused, age, |refused| !*refused);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Notes that a server has refused the key.
    pub(super) fn note_refused(&self) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wake.notify_all();
    }

    /// The present value of the header, and the texts to hide.
    pub(super) fn present(&self) -> (HeaderValue, Secrets) {
        let present = self.present.read().unwrap_or_else(PoisonError::into_inner);
        (present.value.clone(), present.secrets.clone())
    }
}

impl fmt::Debug for RenewedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RenewedKey(***)")
    }
}

fn value_of(key: &Secret, is_bearer: bool) -> Result<HeaderValue, Error> {
    let text = if is_bearer { format!("Bearer {}", key.reveal()) } else { key.reveal().to_owned() };
    let mut value = HeaderValue::try_from(text).map_err(|_| {
        let why = "printed a text that cannot stand in a header";
        Error::usage("api-key-command", why, "accepted is printable text on one line")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_present_key_is_sent_and_every_key_is_hidden() {
        let key = RenewedKey::new(&Secret::new("first-k3y-42"), true, &Secrets::default()).unwrap();
        assert_eq!(key.present().0, "Bearer first-k3y-42");
        assert!(!key.wait(Duration::ZERO), "nobody refused it");
        key.note_refused();
        assert!(key.wait(Duration::from_hours(1)), "the refusal ends the wait");
        key.renew(&Secret::new("second-k3y-43")).unwrap();
        assert!(!key.wait(Duration::ZERO), "the new key has not been refused");
        let (value, secrets) = key.present();
        assert_eq!(value, "Bearer second-k3y-43");
        let hidden = secrets.hide("first-k3y-42 second-k3y-43");
        assert!(!hidden.contains("k3y"), "{hidden}");
        assert!(key.renew(&Secret::new("a\nb")).is_err() && key.present().0 == "Bearer second-k3y-43");
    }
}
