//! Owns the short forms of an address to listen on.

/// An address with its host: `:8000` and `8000` are those of this machine only, `*:8000` those of every network.
pub(in crate::cli) fn whole_address(text: &str) -> String {
    let text = text.trim();
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    match host {
        "" | "localhost" => format!("127.0.0.1:{port}"),
        "*" => format!("0.0.0.0:{port}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_host_only_this_machine_is_served() {
        for (text, whole) in [
            (":9464", "127.0.0.1:9464"),
            (" 9464 ", "127.0.0.1:9464"),
            ("localhost:1", "127.0.0.1:1"),
            ("*:9464", "0.0.0.0:9464"),
            ("[::1]:80", "[::1]:80"),
            ("10.0.0.1:80", "10.0.0.1:80"),
        ] {
            assert_eq!(whole_address(text), whole, "{text}");
        }
    }
}
