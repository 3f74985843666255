//! Owns the sources of secrets (options, configuration files, the environment) and what is stored in place of a secret.

use std::ffi::OsString;

use serde_json::{Map, Value};

use crate::units::Secrets;
use crate::units::secrets::{
    SECRET, body_without_secrets, header_without_secret, is_secret_name, of_body, of_header, of_url,
};

/// Environment variables that hold a key.
const KEY_VARIABLES: [&str; 1] = ["OPENAI_API_KEY"];
/// Environment variables that name a proxy, and may hold a password.
const PROXY_VARIABLES: [&str; 6] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];

/// The secrets in the environment.
pub(super) fn of_environment() -> Secrets {
    let value = |name: &&str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let keys = KEY_VARIABLES.iter().filter_map(value);
    let proxies = PROXY_VARIABLES.iter().filter_map(value).flat_map(|url| of_url(&url));
    Secrets::new(keys.chain(proxies))
}

/// The secrets in a command line, found before it is parsed.
pub(super) fn of_line(line: &[OsString]) -> Secrets {
    let words: Vec<String> = line.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut found = Vec::new();
    for (place, word) in words.iter().enumerate() {
        let Some(name) = word.strip_prefix("--") else {
            let option = place.checked_sub(1).and_then(|before| words[before].strip_prefix("--"));
            if !option.is_some_and(|name| WITH_AT.contains(&name)) {
                found.extend(of_urls(word));
            }
            continue;
        };
        match name.split_once('=') {
            Some((name, value)) => found.extend(of_option(name, value)),
            None => found.extend(
                words
                    .get(place + 1)
                    .filter(|next| !next.starts_with("--"))
                    .into_iter()
                    .flat_map(|value| of_option(name, value)),
            ),
        }
    }
    Secrets::new(found)
}

/// The secrets in headers: in headers with the name of a credential, and in headers that are `named` as secret.
pub(super) fn of_headers(headers: &[String], named: &[String]) -> Secrets {
    let is_named = |name: &str| {
        named.iter().any(|other| other.split(':').next().unwrap_or("").trim().eq_ignore_ascii_case(name.trim()))
    };
    let pairs = headers.iter().filter_map(|header| header.split_once(':'));
    Secrets::new(
        pairs.filter(|(name, _)| is_secret_name(name) || is_named(name)).flat_map(|(_, value)| of_header(value)),
    )
}

/// The secrets in the text of a configuration, found in each line `key: value` before it is parsed.
pub(super) fn of_config(text: &str) -> Secrets {
    let mut found = Vec::new();
    let mut listed = String::new();
    for line in text.lines() {
        let item = line.trim().strip_prefix("- ").map(str::trim);
        let pair = line
            .trim()
            .split_once(':')
            .map(|(key, value)| (key.trim_matches(['"', '\'', '-', ' ']), value.trim().trim_matches(['"', '\''])));
        match (item, pair) {
            // An item of a list belongs to the key above the list.
            (Some(item), _) => found.extend(of_option(&listed, item.trim_matches(['"', '\'']))),
            (None, Some((key, value))) => {
                key.clone_into(&mut listed);
                found.extend(of_option(&key.replace('_', "-"), value));
            }
            (None, None) => {}
        }
        if !OF_CLASSES.contains(&listed.as_str()) {
            found.extend(of_body(line));
        }
    }
    Secrets::new(found)
}

/// The secrets in the value of an option.
fn of_option(name: &str, value: &str) -> Vec<String> {
    if value.is_empty() || value == SECRET || name == "api-key-file" {
        return Vec::new();
    }
    match name {
        "header" | "secret-header" => {
            let (header, text) = value.split_once(':').unwrap_or((value, ""));
            if name == "secret-header" || is_secret_name(header) { of_header(text) } else { of_urls(text) }
        }
        "extra-body" => of_body(value),
        "metadata" | "label" => value
            .split_once('=')
            .filter(|(key, _)| is_secret_name(key))
            .map(|(_, text)| text.to_owned())
            .into_iter()
            .collect(),
        name if is_secret_name(name) && !is_ours(name) => of_header(value),
        name if WITH_AT.contains(&name) => {
            value.split([',', ' ']).filter(|part| part.contains("://")).flat_map(of_url).collect()
        }
        _ => of_urls(value),
    }
}

/// Our options whose values may contain `@` (`@chat`, `status=500@2%`). In these values only a whole URL can hold user
/// info.
const WITH_AT: [&str; 3] = ["slo", "fault", "goodput"];

/// Our options in whose values the user's names of classes stand before a colon. A class named `code` holds no secret.
const OF_CLASSES: [&str; 2] = ["slo", "mix"];

/// Whether this is one of our options whose name only looks like that of a secret.
fn is_ours(name: &str) -> bool {
    const OURS: [&str; 9] = [
        "api-key-age",
        "api-key-command",
        "auth-header",
        "client-key",
        "input-tokens",
        "output-tokens",
        "min-tokens",
        "tokenizer",
        "session-rate",
    ];
    OURS.contains(&name)
}

fn of_urls(text: &str) -> Vec<String> {
    text.split([',', ' ']).filter(|part| part.contains("://") || part.contains('@')).flat_map(of_url).collect()
}

/// The value of an option as it is stored, without secrets.
pub(super) fn stored(key: &str, text: &str, named: &[String]) -> Value {
    match key {
        "api-key" => Value::from(SECRET),
        "secret-header" if text.contains(':') => Value::from(header_without_secret(text, &[text.to_owned()])),
        "header" => Value::from(header_without_secret(text, named)),
        "extra-body" => Value::from(stored_body(text)),
        "metadata" => Value::from(stored_fact(text)),
        _ => match text.parse::<u64>() {
            Ok(number) if number.to_string() == text => Value::from(number),
            _ => Value::from(text),
        },
    }
}

fn stored_body(text: &str) -> String {
    serde_json::from_str::<Value>(text).map_or_else(
        |_| text.to_owned(),
        |body| {
            let without = body_without_secrets(&body);
            if without == body { text.to_owned() } else { without.to_string() }
        },
    )
}

fn stored_fact(text: &str) -> String {
    match text.split_once('=') {
        Some((key, value)) if is_secret_name(key) && !value.trim().is_empty() => format!("{key}={SECRET}"),
        _ => text.to_owned(),
    }
}

/// Whether a secret was left out of a stored body.
pub(super) fn lacks_secret(body: &Map<String, Value>) -> bool {
    body.values().any(|value| match value {
        Value::String(text) => text == SECRET,
        Value::Array(items) => items.iter().any(|item| item == SECRET),
        Value::Object(keys) => lacks_secret(keys),
        _ => false,
    })
}

/// The command line as it is stored.
pub(super) fn line_without_secrets(line: &[OsString], known: &Secrets) -> Vec<String> {
    let words: Vec<String> = line.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let named: Vec<String> = words
        .iter()
        .enumerate()
        .filter_map(|(place, word)| {
            let value = word.strip_prefix("--secret-header=").map(str::to_owned);
            value.or_else(|| (word == "--secret-header").then(|| words.get(place + 1).cloned()).flatten())
        })
        .collect();
    let mut shown = Vec::with_capacity(words.len());
    let mut before = "";
    for word in &words {
        let kept = match (before.strip_prefix("--"), word.strip_prefix("--").and_then(|word| word.split_once('='))) {
            (_, Some((name, value))) => format!("--{name}={}", text_of(name, value, &named)),
            (Some(name), None) if !word.starts_with("--") => text_of(name, word, &named),
            _ => word.clone(),
        };
        shown.push(known.hide(&kept).into_owned());
        before = word;
    }
    shown
}

fn text_of(name: &str, value: &str, named: &[String]) -> String {
    if is_secret_name(name) && !is_ours(name) && !["api-key-file", "secret-header"].contains(&name) {
        return SECRET.to_owned();
    }
    match stored(name, value, named) {
        Value::String(text) => text,
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_before_anything_is_understood() {
        let line: Vec<OsString> = [
            "tonnage",
            "run",
            "--api-kee",
            "typed-wr0ng",
            "--auth-token=als0-wrong",
            "http://u:passw0rd@h",
            "--label",
            "key=labelled",
        ]
        .map(OsString::from)
        .to_vec();
        let hidden = of_line(&line).hide("typed-wr0ng als0-wrong passw0rd labelled").into_owned();
        // A value is hidden only if its name is that of a secret.
        assert_eq!(hidden, "typed-wr0ng (secret) (secret) (secret)");
        let line: Vec<OsString> =
            ["tonnage", "run", "--slo", "ttft<=200ms@p99", "--slo=http://u:p4ss@h", "--targt", "u:w0rd@h", "--slo"]
                .map(OsString::from)
                .to_vec();
        let hidden = of_line(&line).hide("ttft<=200ms@p99 p4ss w0rd").into_owned();
        assert_eq!(
            hidden, "ttft<=200ms@p99 (secret) (secret)",
            "user info of a URL is hidden, other text before `@` is not"
        );
        let text = "api_key: 'file-k3y'\nheader:\n  - 'X-Api-Key: file-h3ad'\nsecret-header: ['X-Other: \
            oth3r-one']\nextra-body: {auth_token: b0dy-token}\n";
        let hidden = of_config(text).hide("file-k3y file-h3ad b0dy-token").into_owned();
        assert_eq!(hidden, "(secret) (secret) (secret)");
        let of_classes = "mix: '{\"code\":{\"weight\":1}}'\nslo:\n- 'code: p90 e2e<=5s'\ncode: s3cret-one\n";
        let hidden = of_config(of_classes).hide("code: p90 e2e<=5s {weight s3cret-one").into_owned();
        assert_eq!(hidden, "code: p90 e2e<=5s {weight (secret)", "a class named `code` is no credential");
    }

    #[test]
    fn what_is_stored_names_the_place_and_not_the_value() {
        let line = [
            "tonnage",
            "run",
            "--api-key",
            "k1",
            "--header",
            "X-A: plain",
            "--secret-header=X-B: v",
            "--extra-body",
            r#"{"api_key":"v","n":1}"#,
        ];
        let line: Vec<OsString> = line.map(OsString::from).to_vec();
        assert_eq!(
            line_without_secrets(&line, &Secrets::default())[2..],
            [
                "--api-key",
                SECRET,
                "--header",
                "X-A: plain",
                "--secret-header=X-B: (secret)",
                "--extra-body",
                r#"{"api_key":"(secret)","n":1}"#
            ]
        );
        assert_eq!(stored("header", "X-Odd: v", &["x-odd".to_owned()]), Value::from("X-Odd: (secret)"));
        assert_eq!(stored("metadata", "token=v", &[]), Value::from("token=(secret)"));
        assert_eq!(stored("rate", "5", &[]), Value::from(5));
    }
}
