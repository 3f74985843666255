//! Owns `FailureCause`: what is known about a failure beyond its class, so that no code has to read its text.

use serde::{Deserialize, Serialize};

/// What is known about a failure beyond its class: the key `cause`. The advice depends on it, and so does the decision
/// that a target is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCause {
    /// Nothing more than the class says.
    #[default]
    Other,
    /// This machine ran out of file descriptors.
    NoDescriptors,
    /// This machine ran out of ports.
    NoPorts,
    /// No connection was made within the connect timeout.
    ConnectTimeout,
    /// The server redirects to another URL.
    Redirected,
    /// The server sent a stream of events although one JSON object was asked for.
    StreamUnasked,
    /// The server did not send the JSON object that was asked for.
    NoObject,
    /// The server did not send the stream of events that was asked for.
    NoEvents,
    /// The response is compressed, although this was not asked for.
    Compressed,
}

impl FailureCause {
    /// The cause of a connection that could not be opened.
    #[must_use]
    pub fn of_connection(error: &std::io::Error) -> Self {
        // EMFILE, ENFILE and EADDRNOTAVAIL of Linux.
        match error.raw_os_error() {
            Some(24 | 23) => Self::NoDescriptors,
            Some(99) => Self::NoPorts,
            _ => Self::Other,
        }
    }

    /// The cause, read from the words of a version that did not store it. `kind` is the class, or a status such as
    /// `status_301`.
    #[must_use]
    pub(crate) fn in_words(kind: &str, words: &str) -> Self {
        let words = words.to_lowercase();
        let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
        match kind {
            "connect" if says(&["(os error 24)", "(os error 23)"]) => Self::NoDescriptors,
            "connect" if says(&["(os error 99)"]) => Self::NoPorts,
            "connect" if says(&["within"]) => Self::ConnectTimeout,
            "malformed" if says(&["the server streams, although"]) => Self::StreamUnasked,
            "malformed" if says(&["where one json object was asked for", "the answer is no json object"]) => {
                Self::NoObject
            }
            "malformed" if says(&["ndjson", "html", "json object"]) => Self::NoEvents,
            "malformed" if says(&["compressed"]) => Self::Compressed,
            kind if (kind == "status" || kind.starts_with("status_3")) && says(&["it redirects to"]) => {
                Self::Redirected
            }
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Failure;

    #[test]
    fn words_of_older_versions_have_the_cause_that_is_stored_today() {
        for (kind, words, cause) in [
            ("connect", "127.0.0.1:80: Too many open files (os error 24)", FailureCause::NoDescriptors),
            ("connect", "Too many open files in system (os error 23)", FailureCause::NoDescriptors),
            ("connect", "Cannot assign requested address (os error 99)", FailureCause::NoPorts),
            ("connect", "no connection within 5.0 s (--connect-timeout)", FailureCause::ConnectTimeout),
            ("connect", "Connection refused (os error 111)", FailureCause::Other),
            ("reset", "Too many open files (os error 24)", FailureCause::Other),
            ("status", "307 Temporary Redirect: it redirects to http://a/", FailureCause::Redirected),
            ("status_307", "307 Temporary Redirect: it redirects to http://a/", FailureCause::Redirected),
            ("status_307", "307 Temporary Redirect", FailureCause::Other),
            ("status_500", "500: it redirects to nothing", FailureCause::Other),
            (
                "malformed",
                "the server streams, although --no-stream asks for one JSON object: `data: {}`",
                FailureCause::StreamUnasked,
            ),
            ("malformed", "an HTML page, \"Hi\", where one JSON object was asked for", FailureCause::NoObject),
            ("malformed", "the answer is no JSON object: `hello`", FailureCause::NoObject),
            ("malformed", "an HTML page, where a stream of events was asked for", FailureCause::NoEvents),
            ("malformed", "lines of JSON (NDJSON) where a stream of events was asked for", FailureCause::NoEvents),
            ("malformed", "the answer is compressed (gzip), which was not asked for", FailureCause::Compressed),
            ("malformed", "an event is not JSON", FailureCause::Other),
        ] {
            assert_eq!(FailureCause::in_words(kind, words), cause, "{kind}: {words}");
        }
    }

    #[test]
    fn a_stored_cause_stands_and_one_that_was_not_stored_is_read_from_the_words() {
        for (stored, cause) in [
            (r#"{"class":"connect","text":"no address left (os error 99)"}"#, FailureCause::NoPorts),
            (r#"{"class":"connect","cause":"other","text":"no address left (os error 99)"}"#, FailureCause::Other),
            (r#"{"class":"connect","cause":"no_ports","text":"no address left"}"#, FailureCause::NoPorts),
        ] {
            let read: Failure = serde_json::from_str(stored).unwrap();
            assert_eq!(read.cause, cause, "{stored}");
            let again: Failure = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
            assert_eq!(again, read);
        }
    }

    #[test]
    fn a_connection_that_fails_for_want_of_descriptors_or_ports_says_so() {
        for (number, cause) in [
            (23, FailureCause::NoDescriptors),
            (24, FailureCause::NoDescriptors),
            (99, FailureCause::NoPorts),
            (111, FailureCause::Other),
        ] {
            assert_eq!(FailureCause::of_connection(&std::io::Error::from_raw_os_error(number)), cause, "{number}");
        }
    }
}
