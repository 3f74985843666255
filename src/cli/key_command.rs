//! Owns `--api-key-command`: runs the command that prints the API key, and runs it again while a load runs.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::cli::terminal::say;
use crate::client::{RenewedKey, Secret};
use crate::error::Error;
use crate::results::keep_secret;
use crate::units::{Secrets, visible};

/// The flag of the command.
const FLAG: &str = "--api-key-command";

/// The key that `command` prints. The command runs in `sh`, without input, and must print one line. The key is hidden
/// from now on.
pub(super) fn printed_by(command: &str) -> Result<Secret, Error> {
    let refuse = |why: String| Error::usage(FLAG, why, format!("run it by hand: sh -c '{command}'"));
    let run = Command::new("sh").args(["-c", command]).stdin(Stdio::null()).output();
    let output = run.map_err(|why| refuse(format!("cannot run: {why}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("").trim().to_owned();
        let words = if said.is_empty() { String::new() } else { format!(": {}", visible(&said)) };
        return Err(refuse(format!("ended with {}{words}", output.status)));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    let mut lines = printed.lines().map(str::trim).filter(|line| !line.is_empty());
    match (lines.next(), lines.next()) {
        (Some(key), None) => {
            keep_secret(&Secrets::new([key.to_owned()]));
            Ok(Secret::new(key))
        }
        (None, _) => Err(refuse("printed no key".to_owned())),
        (Some(_), Some(_)) => Err(refuse("printed more than one line".to_owned())),
    }
}

/// The least time between two runs of the command.
const LEAST_PAUSE: Duration = Duration::from_secs(5);

/// Runs `command` again each time the key is `age` old, and after a server has refused it (401), until the process
/// ends. A failure is said, and the old key stays.
pub(super) fn keep_renewing(key: Arc<RenewedKey>, command: String, age: Duration) -> Result<(), Error> {
    let renew = move || {
        loop {
            // A server that refuses every key must not start a command for each request.
            thread::sleep(LEAST_PAUSE);
            key.wait(age.saturating_sub(LEAST_PAUSE));
            if let Err(why) = printed_by(&command).and_then(|new| key.renew(&new)) {
                say(&format!("the key was not renewed, and the old one stays: {why}"));
            }
        }
    };
    let started = thread::Builder::new().name("key".to_owned()).spawn(renew);
    started.map(drop).map_err(|why| Error::Internal(format!("cannot start a thread that renews the key: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_a_key_and_anything_else_is_refused_with_its_words() {
        assert_eq!(printed_by("echo; echo ' k3y-of-a-test '").unwrap().reveal(), "k3y-of-a-test");
        for (command, said) in [
            ("echo no login >&2; exit 3", "exit status: 3: no login"),
            ("true", "printed no key"),
            ("echo a; echo b", "more than one line"),
        ] {
            let error = printed_by(command).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("run it by hand"), "{error}");
        }
    }
}
