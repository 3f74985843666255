//! Owns the text form of a target that is a socket of this machine: `unix:/path`, or `unix:/path:/v1` with a path of
//! HTTP.

use std::path::{Path, PathBuf};

use crate::error::Error;

/// How the form begins.
pub(super) const PREFIX: &str = "unix:";

/// What the header `host` says, as clients of such sockets usually do.
const HOST: &str = "http://localhost";

/// The longest path of a socket, in bytes: Linux's `sun_path` has 108, one of them for the end.
const MOST_PATH_BYTES: usize = 107;

/// The path of the socket in `url`, and the URL of a server that would have the same paths over TCP.
pub(super) fn split(url: &str) -> Result<(PathBuf, String), Error> {
    let refuse = |why: &str| {
        let accepted = "accepted is unix:/path/to.sock, or unix:/path/to.sock:/v1 with a path of HTTP";
        Error::usage("target", format!("`{url}` {why}"), accepted)
    };
    let named = url.strip_prefix(PREFIX).ok_or_else(|| refuse("is not a socket"))?;
    // As in `curl --unix-socket`, nothing of the path is escaped; `unix://` is what some servers write.
    let named = named.strip_prefix("//").unwrap_or(named);
    let (path, rest) = match named.find(":/") {
        Some(at) => (&named[..at], &named[at + 1..]),
        None => (named, ""),
    };
    match path {
        "" => Err(refuse("names no socket")),
        _ if path.len() > MOST_PATH_BYTES => {
            Err(refuse("is longer than the system allows for a socket (107 bytes); give a link to it"))
        }
        _ => Ok((PathBuf::from(path), format!("{HOST}{rest}"))),
    }
}

/// How a target at the socket `path` is written; `http` is the path of HTTP.
pub(super) fn joined(path: &Path, http: &str) -> String {
    let colon = if http.is_empty() { "" } else { ":" };
    format!("{PREFIX}{}{colon}{http}", path.display())
}
