//! Owns the scheme of a URL as typed: an address without one is asked over plain HTTP.

/// The URL of a target as typed. Without a scheme, plain HTTP is used.
pub(super) fn with_scheme(url: &str) -> String {
    let url = url.trim();
    if url.starts_with('[') && url.contains(']') {
        return format!("http://{url}");
    }
    if let Ok(address) = url.parse::<std::net::Ipv6Addr>() {
        return format!("http://[{address}]");
    }
    let host = url.split(['/', ':']).next().unwrap_or("");
    let plain = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let port = url[host.len()..].strip_prefix(':').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    // A name alone may be a typing error; with a port or a dot it is an address.
    if !url.contains("://") && plain && (port || host.contains('.') || host == "localhost") {
        format!("http://{url}")
    } else {
        url.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::with_scheme;

    #[test]
    fn an_address_without_a_scheme_is_asked_over_plain_http() {
        for (typed, url) in [
            ("localhost:8000", "http://localhost:8000"),
            ("gpu-1.local:8000/v1", "http://gpu-1.local:8000/v1"),
            ("10.0.0.1", "http://10.0.0.1"),
            ("[::1]:8000", "http://[::1]:8000"),
            ("[fe80::1]/v1", "http://[fe80::1]/v1"),
            ("::1", "http://[::1]"),
            (" 2001:db8::2 ", "http://[2001:db8::2]"),
            ("https://[::1]:8000", "https://[::1]:8000"),
            ("host", "host"),
            ("[::1", "[::1"),
            ("::1:x", "::1:x"),
        ] {
            assert_eq!(with_scheme(typed), url);
        }
    }
}
