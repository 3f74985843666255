//! Owns `Collector`, the address of an OTLP collector.

use std::str::FromStr;

use crate::error::Refusal;

/// Where traces are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Collector {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: String,
}

impl FromStr for Collector {
    type Err = Refusal;

    /// Reads `http://HOST:PORT`; without a port it is 4318, without a path `/v1/traces`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let accepted = "accepted is http://HOST:PORT, as in http://127.0.0.1:4318; a collector beside this tool can \
            pass traces on over https";
        let refuse = || Refusal::new(format!("`{}` is no collector", text.trim()), accepted);
        let rest = text.trim().strip_prefix("http://").ok_or_else(refuse)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| refuse())?),
            _ => (authority, 4318),
        };
        let host = host.trim_matches(['[', ']']);
        let is_clear = |part: &str| part.chars().all(|character| character.is_ascii_graphic());
        if host.is_empty() || !is_clear(rest) {
            return Err(refuse());
        }
        let path = if path.is_empty() { "/v1/traces".to_owned() } else { format!("/{path}") };
        Ok(Self { host: host.to_owned(), port, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_usual_port_and_path() {
        for (text, host, port, path) in [
            ("http://127.0.0.1:4318", "127.0.0.1", 4318, "/v1/traces"),
            ("http://collector", "collector", 4318, "/v1/traces"),
            ("http://[::1]:99/a/b", "::1", 99, "/a/b"),
            ("http://[::1]", "::1", 4318, "/v1/traces"),
        ] {
            let collector = Collector { host: host.to_owned(), port, path: path.to_owned() };
            assert_eq!(text.parse(), Ok(collector), "{text}");
        }
        for text in ["https://a", "a:4318", "http://", "http://a:b", "http://a\r\nb"] {
            assert!(text.parse::<Collector>().is_err(), "{text}");
        }
    }
}
