//! Owns `Target`, a parsed base URL, and its addresses, which are looked up once before the run.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper::http::uri::Scheme;

use super::dialect::Endpoint;
use super::scheme::with_scheme;
use super::tls::{Secure, Tls};
use super::traffic::{Http2, HttpVersion, Traffic};
use super::unix;
use crate::error::Error;
use crate::units::seconds;
use crate::units::secrets::is_secret_name;

/// One server: its parsed base URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    url: Arc<str>,
    scheme: &'static str,
    host: String,
    port: u16,
    authority: String,
    /// The path as given, without a slash at its end.
    given: String,
    /// The path before the version.
    base: String,
    /// The path before `/chat/completions`, version included.
    api: String,
    /// The query with its question mark; empty without a query.
    query: String,
    /// The socket of this machine at which the server listens, in place of host and port.
    socket: Option<Arc<Path>>,
}

impl Target {
    /// Reads `--target`: one base URL, or several separated by commas.
    pub fn parse_list(urls: &str) -> Result<Vec<Self>, Error> {
        urls.split(',').map(|url| Self::parse(url.trim())).collect()
    }

    /// Reads one URL: a base URL with or without `/v1`, or the full URL of an endpoint, which is used as given. A query
    /// is kept, and sent with every request. `unix:/path` is a socket of this machine, `unix:/path:/v1` the same with a
    /// path of HTTP. An address without a scheme (`host:8000`) is asked over plain HTTP.
    pub fn parse(url: &str) -> Result<Self, Error> {
        if url.starts_with(unix::PREFIX) {
            let (path, http) = unix::split(url)?;
            let over_tcp = Self::parse(&http)?;
            let url = unix::joined(&path, Paths::of(&over_tcp.given).path).into();
            return Ok(Self { url, socket: Some(path.into()), ..over_tcp });
        }
        let typed = with_scheme(url);
        let url = typed.as_str();
        let refuse = |why: &str| {
            Error::usage("target", format!("`{url}` {why}"), "accepted is a base URL such as http://127.0.0.1:8000")
        };
        let uri: Uri = url.parse().map_err(|_| refuse("is not a URL"))?;
        let (scheme, port) = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => ("http", 80),
            Some(scheme) if *scheme == Scheme::HTTPS => ("https", 443),
            _ => return Err(refuse("does not start with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| refuse("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("carries a password: give it with the option api-key or the option header"));
        }
        let query = uri.query().unwrap_or("");
        let secret = query.split('&').filter_map(|pair| pair.split('=').next()).find(|name| is_secret_name(name));
        if let Some(name) = secret {
            let why = format!("`{}` carries a key in its query: `{name}`", uri.path());
            return Err(Error::usage("target", why, "give it with the option api-key or the option header"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || (authority.as_str() != authority.host() && authority.port_u16().is_none()) {
            return Err(refuse("names no host or no valid port"));
        }
        let given = uri.path().trim_end_matches('/');
        let Paths { path, base, api } = Paths::of(given);
        Ok(Self {
            url: format!("{scheme}://{authority}{path}").into(),
            scheme,
            host,
            port: authority.port_u16().unwrap_or(port),
            authority: authority.as_str().to_owned(),
            given: given.to_owned(),
            base,
            api,
            query: if query.is_empty() { String::new() } else { format!("?{query}") },
            socket: None,
        })
    }

    /// The base URL, for people and records.
    #[must_use]
    pub fn url(&self) -> &Arc<str> {
        &self.url
    }

    /// The path of an endpoint, with the query: `/v1/models` for `models`, `/api/chat` for `/api/chat` (below the base
    /// without a version), and the path as given for an empty path.
    #[must_use]
    pub fn path(&self, endpoint: &str) -> String {
        let query = &self.query;
        match endpoint {
            "" if self.given.is_empty() => format!("/{query}"),
            "" => format!("{}{query}", self.given),
            _ if endpoint.starts_with('/') => format!("{}{endpoint}{query}", self.base),
            _ => format!("{}/{endpoint}{query}", self.api),
        }
    }

    /// The full URL of an endpoint, with the query.
    #[must_use]
    pub fn endpoint(&self, endpoint: &str) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.path(endpoint))
    }

    /// The full URL of an endpoint without the query; `None` when the target has no query.
    pub(super) fn endpoint_without_query(&self, endpoint: &str) -> Option<String> {
        let url = self.endpoint(endpoint);
        if self.query.is_empty() { None } else { url.strip_suffix(&self.query).map(str::to_owned) }
    }

    /// The value of the `host` header: host and port as given.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether requests to it use TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.scheme == "https"
    }

    /// The socket of this machine at which the server listens; `None`: it listens at a host and a port.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// Looks up the host once, for at most `patience`; a numeric address needs no lookup. For an https target, `tls`
    /// decides which certificates are trusted.
    pub async fn resolve(&self, tls: &Tls, patience: Duration) -> Result<Addresses, Error> {
        let addresses = if self.socket.is_some() {
            Vec::new()
        } else if let Ok(ip) = self.host.parse::<IpAddr>() {
            vec![SocketAddr::new(ip, self.port)]
        } else {
            let found = tokio::time::timeout(patience, tokio::net::lookup_host((self.host.as_str(), self.port))).await;
            let found = found.map_err(|_| {
                let why =
                    format!("no answer about the name `{}` within {}", self.host, seconds(patience.as_secs_f64()));
                Error::target(
                    &*self.url,
                    format!(
                        "{why} (the option connect-timeout); check the machine's resolver, or give the address itself"
                    ),
                )
            })?;
            let mut distinct: Vec<SocketAddr> = Vec::new();
            for address in found.map_err(|error| self.unresolved(&error.to_string()))? {
                if !distinct.contains(&address) {
                    distinct.push(address);
                }
            }
            distinct
        };
        if addresses.is_empty() && self.socket.is_none() {
            return Err(self.unresolved("no address"));
        }
        let secure = if self.is_secure() { Some(tls.towards(&self.host)?) } else { None };
        Ok(Addresses {
            url: self.url.clone(),
            all: addresses.into(),
            socket: self.socket.clone(),
            secure,
            http: tls.http(),
            traffic: Arc::default(),
        })
    }

    fn unresolved(&self, why: &str) -> Error {
        Error::target(
            &*self.url,
            format!(
                "the name `{}` could not be resolved ({why}); check the option target, or give the address itself",
                self.host
            ),
        )
    }
}

/// The parts of a target's path.
struct Paths<'url> {
    /// The path without that of an endpoint.
    path: &'url str,
    /// The path before the version.
    base: String,
    /// The path before `/chat/completions`, version included.
    api: String,
}

impl<'url> Paths<'url> {
    fn of(given: &'url str) -> Self {
        let of_endpoint =
            Endpoint::ALL.iter().map(|endpoint| endpoint.path()).filter(|path| !path.is_empty()).find_map(|below| {
                let path = given.strip_suffix(below)?;
                // A path that begins with a slash is below the base without a version.
                if below.starts_with('/') { Some((path, true)) } else { Some((path.strip_suffix('/')?, false)) }
            });
        let (path, unversioned) = of_endpoint.unwrap_or((given, true));
        let (before, last) = path.rsplit_once('/').unwrap_or((path, ""));
        let versioned = last.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        // The full URL of an endpoint is used as given: no version is added to it.
        let api = if versioned || !unversioned { path.to_owned() } else { format!("{path}/v1") };
        Self { path, base: if versioned { before } else { path }.to_owned(), api }
    }
}

/// The addresses of a target; all workers share them.
#[derive(Debug, Clone)]
pub struct Addresses {
    url: Arc<str>,
    all: Arc<[SocketAddr]>,
    socket: Option<Arc<Path>>,
    secure: Option<Secure>,
    http: HttpVersion,
    traffic: Arc<Traffic>,
}

impl Addresses {
    /// All addresses, in the resolver's order; none for a socket of this machine.
    #[must_use]
    pub fn all(&self) -> &[SocketAddr] {
        &self.all
    }

    #[cfg(test)]
    pub(super) fn plain(addresses: &[SocketAddr]) -> Self {
        Self {
            url: "http://test".into(),
            all: addresses.into(),
            socket: None,
            secure: None,
            http: HttpVersion::Agreed,
            traffic: Arc::default(),
        }
    }

    /// The base URL that they belong to.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The path of a socket of this machine.
    pub(super) fn socket(&self) -> Option<&Arc<Path>> {
        self.socket.as_ref()
    }

    /// How connections are secured; `None`: plain TCP.
    pub(super) fn secure(&self) -> Option<&Secure> {
        self.secure.as_ref()
    }

    /// Whether connections begin with HTTP/2 without asking.
    pub(super) fn knows_two(&self) -> bool {
        self.secure.is_none() && self.http == HttpVersion::Two
    }

    /// What all workers have opened to it.
    pub(crate) fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// The connections of HTTP/2 that all workers have opened to it; `None` when there are none.
    #[must_use]
    pub fn http2(&self) -> Option<Http2> {
        self.traffic.figures()
    }

    /// Looks up every target, without a practical time limit (one hour each).
    pub async fn of(targets: &[Target], tls: &Tls) -> Result<Vec<Self>, Error> {
        Self::within(targets, tls, Duration::from_hours(1)).await
    }

    /// Looks up every target, each for at most `patience`.
    pub async fn within(targets: &[Target], tls: &Tls, patience: Duration) -> Result<Vec<Self>, Error> {
        let mut all = Vec::with_capacity(targets.len());
        for target in targets {
            all.push(target.resolve(tls, patience).await?);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_read_with_or_without_its_version() {
        for (url, endpoint) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1/models"),
            ("127.0.0.1:8000", "http://127.0.0.1:8000/v1/models"),
            ("gpu-1:8000/v1", "http://gpu-1:8000/v1/models"),
            ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/v1/models"),
            ("http://host/v1", "http://host/v1/models"),
            ("http://host/v1/", "http://host/v1/models"),
            ("http://host/gateway", "http://host/gateway/v1/models"),
            ("http://host/gateway/v3", "http://host/gateway/v3/models"),
            ("http://host/v1/chat/completions", "http://host/v1/models"),
            ("http://host/v1/completions", "http://host/v1/models"),
            ("http://host/v1beta/openai/chat/completions", "http://host/v1beta/openai/models"),
            ("http://host/chat/completions", "http://host/models"),
            ("http://host/v1?x=1", "http://host/v1/models?x=1"),
            ("http://host/api/chat", "http://host/v1/models"),
            ("https://host/v1", "https://host/v1/models"),
            ("http://[::1]:80", "http://[::1]:80/v1/models"),
        ] {
            assert_eq!(Target::parse(url).unwrap().endpoint("models"), endpoint, "{url}");
        }
    }

    #[test]
    fn the_full_url_of_an_endpoint_is_used_as_given_with_its_query() {
        for (url, path, full) in [
            ("http://h/v1beta/openai/chat/completions", "chat/completions", "/v1beta/openai/chat/completions"),
            ("http://h/chat/completions/", "chat/completions", "/chat/completions"),
            (
                "http://h/openai/deployments/d1/embeddings?api-version=2024-10-21",
                "embeddings",
                "/openai/deployments/d1/embeddings?api-version=2024-10-21",
            ),
            ("http://h/api/chat", "/api/chat", "/api/chat"),
            ("http://h", "/api/chat", "/api/chat"),
            ("http://h/v1", "/api/generate", "/api/generate"),
            ("http://h/gateway/v3", "/api/chat", "/gateway/api/chat"),
            ("http://h/gateway/api/chat", "chat/completions", "/gateway/v1/chat/completions"),
            ("http://h/generate_stream?x=1", "", "/generate_stream?x=1"),
            ("http://h", "", "/"),
        ] {
            assert_eq!(Target::parse(url).unwrap().path(path), full, "{url} {path}");
        }
        let error = Target::parse("http://h/v1?api_key=s3cret").unwrap_err().to_string();
        assert!(error.contains("carries a key") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn what_is_not_a_base_url_is_refused_with_what_is_accepted() {
        for url in ["", "host", "ftp://host", "http://", "http://u:p@host", "http://host:99999"] {
            let error = Target::parse(url).unwrap_err().to_string();
            assert!(error.starts_with("target: ") && error.contains("accepted is"), "{url}: {error}");
        }
    }

    #[test]
    fn a_socket_of_this_machine_is_a_target_with_or_without_a_path_of_http() {
        for (text, socket, url, full) in [
            ("unix:/run/vllm.sock", "/run/vllm.sock", "unix:/run/vllm.sock", "/v1/chat/completions"),
            ("unix:///run/vllm.sock", "/run/vllm.sock", "unix:/run/vllm.sock", "/v1/chat/completions"),
            ("unix:./a.sock:/api/v3", "./a.sock", "unix:./a.sock:/api/v3", "/api/v3/chat/completions"),
            ("unix:a:b.sock:/chat/completions?x=1", "a:b.sock", "unix:a:b.sock", "/chat/completions?x=1"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((target.socket(), &**target.url()), (Some(Path::new(socket)), url), "{text}");
            assert_eq!((target.path("chat/completions").as_str(), target.authority()), (full, "localhost"), "{text}");
            assert!(!target.is_secure());
        }
        let long = format!("unix:/{}", "a".repeat(107));
        for text in ["unix:", "unix::/v1", &long, "unix:/s:/v1?api_key=k"] {
            assert!(Target::parse(text).unwrap_err().to_string().starts_with("target: "), "{text}");
        }
    }

    #[test]
    fn several_targets_are_separated_by_commas() {
        let list = Target::parse_list("http://a, http://b:81/v1").unwrap();
        assert_eq!(list.iter().map(|target| &**target.url()).collect::<Vec<_>>(), ["http://a", "http://b:81/v1"]);
    }

    #[tokio::test]
    async fn a_numeric_address_needs_no_lookup() {
        let addresses = Target::parse("http://[::1]:8001")
            .unwrap()
            .resolve(&Tls::nobody().unwrap(), Duration::from_mins(1))
            .await
            .unwrap();
        assert_eq!(addresses.all(), ["[::1]:8001".parse().unwrap()]);
    }

    #[tokio::test]
    async fn a_name_without_address_is_a_target_error() {
        let error = Target::parse("http://no-such-host.invalid")
            .unwrap()
            .resolve(&Tls::nobody().unwrap(), Duration::from_mins(1))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, Error::Target { .. }) && error.to_string().contains("could not be resolved"),
            "{error}"
        );
    }
}
