//! Owns `Secrets`: names whose value is a credential, the known secret values, and their removal from text.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

/// The text that replaces a secret.
pub const SECRET: &str = "(secret)";

/// Parts of a name that make its value a credential.
const SECRET_PARTS: [&str; 16] = [
    "key",
    "token",
    "secret",
    "auth",
    "credential",
    "signature",
    "subscription",
    "cookie",
    "password",
    "passwd",
    "passphrase",
    "bearer",
    "session-id",
    "sessionid",
    "jwt",
    "private",
];
/// Whole names that make their value a credential.
const SECRET_NAMES: [&str; 6] = ["sig", "pwd", "pass", "sas", "code", "credentials"];
/// Parts of harmless names that contain a secret part: they count tokens, or name a tokenizer or an author.
const HARMLESS_PARTS: [&str; 6] = ["tokens", "tokenizer", "token_id", "token-id", "tokenize", "author"];
/// Query fields that say what is requested, not who requests it.
const HARMLESS_QUERY: [&str; 10] =
    ["api-version", "version", "v", "model", "deployment", "deployment-id", "region", "location", "stream", "beta"];
/// Bytes. A shorter value is not searched for in pages, because it would match unrelated words.
const SHORTEST: usize = 4;
/// Bytes. A shorter value is not searched for in server texts either.
const SHORTEST_ECHO: usize = 3;
/// Bytes. A shorter beginning of a secret at the end of a cut text is not recognised.
const SHORTEST_CUT: usize = 6;
/// Characters. A shorter text was not cut.
const SHORTEST_CUT_TEXT: usize = 100;
/// Bytes. A shorter value is replaced only where it is a whole word.
const SURE: usize = 8;

/// Whether the name of a header, option, query field or body key says that its value is a credential.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    if SECRET_NAMES.contains(&name.as_str()) {
        return true;
    }
    // Only the harmless parts are removed, so that `x-auth-tokens` still contains `auth`.
    let name = HARMLESS_PARTS.iter().fold(name, |name, part| {
        if *part == "author" && name.contains("authori") { name } else { name.replace(part, "") }
    });
    SECRET_PARTS.iter().any(|part| name.contains(part))
}

/// A header line, without its value if its name (or one of `named`) says that the value is a credential.
#[must_use]
pub fn header_without_secret(line: &str, named: &[String]) -> String {
    let (name, _) = line.split_once(':').unwrap_or((line, ""));
    let asked =
        named.iter().any(|other| other.split(':').next().unwrap_or("").trim().eq_ignore_ascii_case(name.trim()));
    if asked || is_secret_name(name) { format!("{name}: {SECRET}") } else { line.to_owned() }
}

/// `body` with the texts under secret names replaced, at any depth.
#[must_use]
pub fn body_without_secrets(body: &Value) -> Value {
    fn walk(value: &Value, secret: bool) -> Value {
        match value {
            Value::String(text) if secret && !text.is_empty() => Value::from(SECRET),
            Value::Array(items) => items.iter().map(|item| walk(item, secret)).collect(),
            Value::Object(keys) => Value::Object(
                keys.iter().map(|(key, value)| (key.clone(), walk(value, secret || is_secret_name(key)))).collect(),
            ),
            other => other.clone(),
        }
    }
    walk(body, false)
}

/// Values that must never be written or shown. Cloning shares them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// Longest first, so that a whole secret is replaced before a part of it.
    values: Arc<[String]>,
    /// Secrets that look like ordinary words or numbers: replaced only in server texts.
    common: Arc<[String]>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.values.len())
    }
}

impl Secrets {
    /// The secrets in `given`. A common word, a number or a very short value is replaced only in server texts.
    pub fn new(given: impl IntoIterator<Item = String>) -> Self {
        let all = given.into_iter().flat_map(|value| forms_of(&value)).filter(|value| value != SECRET);
        let (values, common): (Vec<String>, Vec<String>) = all.partition(|value| is_distinct(value));
        Self {
            values: ordered(values),
            common: ordered(common.into_iter().filter(|value| value.len() >= SHORTEST_ECHO).collect()),
        }
    }

    /// The secrets of `self` and of `others`.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        let both = |ours: &[String], theirs: &[String]| ordered(ours.iter().chain(theirs).cloned().collect());
        Self { values: both(&self.values, &others.values), common: both(&self.common, &others.common) }
    }

    /// Whether there are no secrets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.common.is_empty()
    }

    /// `text` with every secret in it replaced.
    #[must_use]
    pub fn hide<'text>(&self, text: &'text str) -> Cow<'text, str> {
        let mut shown = Cow::Borrowed(text);
        for value in self.values.iter() {
            if let Some(without) = replaced(&shown, value) {
                shown = Cow::Owned(without);
            }
        }
        shown
    }

    /// Like [`Secrets::hide`], for a server text: it may echo any secret, even a common word, and may be cut in the
    /// middle of a secret.
    #[must_use]
    pub fn hide_echo<'text>(&self, text: &'text str) -> Cow<'text, str> {
        let mut shown = self.hide(text);
        for value in self.common.iter() {
            if let Some(without) = without_word(&shown, value) {
                shown = Cow::Owned(without);
            }
        }
        if shown.chars().count() < SHORTEST_CUT_TEXT {
            return shown;
        }
        let body = shown.trim_end_matches(['…', '.', '"', '\'', ')', ' ']);
        let ends = |value: &String| {
            (SHORTEST_CUT..value.len())
                .rev()
                .find(|length| value.is_char_boundary(*length) && body.ends_with(&value[..*length]))
        };
        match self.values.iter().filter_map(ends).max() {
            Some(length) => Cow::Owned(format!("{}{SECRET}{}", &body[..body.len() - length], &shown[body.len()..])),
            None => shown,
        }
    }
}

fn ordered(mut values: Vec<String>) -> Arc<[String]> {
    values.sort_by(|one, two| two.len().cmp(&one.len()).then_with(|| one.cmp(two)));
    values.dedup();
    values.into()
}

/// Whether a value cannot be confused with ordinary text.
fn is_distinct(value: &str) -> bool {
    let plain_word = value.bytes().all(|byte| byte.is_ascii_lowercase());
    let number = value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    value.len() >= SHORTEST && (value.len() >= SURE || !(plain_word || number))
}

/// `text` without `value`; `None` if `text` does not contain it.
fn replaced(text: &str, value: &str) -> Option<String> {
    if !text.contains(value) {
        return None;
    }
    if value.len() >= SURE { Some(text.replace(value, SECRET)) } else { without_word(text, value) }
}

/// `text` without `value` where it is a whole word; `None` if `text` does not contain it.
fn without_word(text: &str, value: &str) -> Option<String> {
    if !text.contains(value) {
        return None;
    }
    let mut without = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(value) {
        let (before, after) = (&rest[..start], &rest[start + value.len()..]);
        let word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
        let within =
            word(before.chars().next_back().or_else(|| without.chars().next_back())) || word(after.chars().next());
        without.push_str(before);
        without.push_str(if within { value } else { SECRET });
        rest = after;
    }
    without.push_str(rest);
    Some(without)
}

/// The forms in which a value may come back: unchanged, in JSON, percent-encoded and percent-decoded.
fn forms_of(value: &str) -> Vec<String> {
    let value = value.trim().to_owned();
    let json = Value::from(value.as_str()).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let encoded = percent_encoded(&value);
    let decoded = percent_decoded(&value);
    vec![value, json, encoded, decoded]
}

fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut place) = (Vec::with_capacity(bytes.len()), 0);
    while place < bytes.len() {
        let code = text.get(place + 1..place + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(code) if bytes[place] == b'%' => {
                out.push(code);
                place += 3;
            }
            _ => {
                out.push(bytes[place]);
                place += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The secrets in a header's value: the whole value, the part after the scheme, the values of cookies, and the
/// credentials that `Basic` encodes.
#[must_use]
pub fn of_header(value: &str) -> Vec<String> {
    let value = value.trim();
    let mut found = vec![value.to_owned()];
    if let Some((scheme, rest)) = value.split_once(' ') {
        found.push(rest.trim().to_owned());
        if scheme.eq_ignore_ascii_case("basic") {
            found.extend(of_basic(rest.trim()));
        }
    }
    for part in value.split([';', ',', ' ']) {
        found.extend(part.split_once('=').map(|(_, value)| value.trim().trim_matches('"').to_owned()));
    }
    found
}

fn of_basic(code: &str) -> Vec<String> {
    use base64::Engine as _;
    let decoded =
        base64::engine::general_purpose::STANDARD.decode(code).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.map_or_else(Vec::new, |pair| {
        let password = pair.split_once(':').map(|(_, password)| password.to_owned());
        std::iter::once(pair).chain(password).collect()
    })
}

/// The secrets in a URL: the user and password before the host, and the query fields that may be secret.
#[must_use]
pub fn of_url(url: &str) -> Vec<String> {
    use base64::Engine as _;
    let mut found = Vec::new();
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = place.split('/').next().unwrap_or("");
    if let Some((user, _)) = authority.rsplit_once('@') {
        found.push(user.to_owned());
        found.push(base64::engine::general_purpose::STANDARD.encode(percent_decoded(user)));
        found.extend(user.split_once(':').map(|(_, password)| password.to_owned()));
    }
    for field in query.split('&') {
        if let Some((name, value)) = field.split_once('=')
            && !HARMLESS_QUERY.contains(&name.to_ascii_lowercase().as_str())
        {
            found.push(value.to_owned());
        }
    }
    found
}

/// The secrets in a JSON body, valid or not: texts under secret names.
#[must_use]
pub fn of_body(text: &str) -> Vec<String> {
    fn walk(value: &Value, secret: bool, found: &mut Vec<String>) {
        match value {
            Value::String(text) if secret => found.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| walk(item, secret, found)),
            Value::Object(keys) => {
                keys.iter().for_each(|(key, value)| walk(value, secret || is_secret_name(key), found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        walk(&value, false, &mut found);
    } else {
        // Invalid JSON is refused, and the refusal quotes it.
        let words: Vec<&str> = text
            .split(['"', '\'', ':', ',', '{', '}', '[', ']'])
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .collect();
        found.extend(words.windows(2).filter(|pair| is_secret_name(pair[0])).map(|pair| pair[1].to_owned()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_whether_their_value_is_a_credential() {
        for name in [
            "Authorization",
            "X-Api-Key",
            "Ocp-Apim-Subscription-Key",
            "x-subscription",
            "Cookie",
            "Set-Cookie",
            "X-Amz-Signature",
            "sig",
            "X-Credential",
            "proxy-authorization",
            "api_token",
            "client-secret",
            "X-Auth",
            "password",
            "Authority-Token",
            "x-auth-tokens",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "Accept",
            "x-request-id",
            "max_tokens",
            "input-tokens",
            "tokenizer",
            "stop_token_ids",
            "temperature",
            "author",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn known_values_are_replaced_wherever_they_stand() {
        let secrets = Secrets::new([
            "sk-live-0123456789".to_owned(),
            "hun7er".to_owned(),
            "a+b/c=d\"e!".to_owned(),
            "none".to_owned(),
        ]);
        for (text, shown) in [
            ("key sk-live-0123456789 is bad", "key (secret) is bad"),
            ("xsk-live-0123456789x", "x(secret)x"),
            ("hun7er, hun7ers, \"hun7er\"", "(secret), hun7ers, \"(secret)\""),
            ("none of it", "none of it"),
            ("?k=a%2Bb%2Fc%3Dd%22e%21", "?k=(secret)"),
            ("{\"k\":\"a+b/c=d\\\"e!\"}", "{\"k\":\"(secret)\"}"),
        ] {
            assert_eq!(secrets.hide(text), shown);
        }
        let long = "x".repeat(120);
        for (end, shown) in [
            (" key sk-live-01234", " key (secret)"),
            (" key \"sk-live-01234…", " key \"(secret)…"),
            (" key none is bad", " key (secret) is bad"),
            (" stop", " stop"),
        ] {
            assert_eq!(secrets.hide_echo(&format!("{long}{end}")), format!("{long}{shown}"));
        }
        assert_eq!(secrets.hide_echo("sk-live"), "sk-live", "short texts are not cut");
    }

    #[test]
    fn secrets_are_found_where_they_are_given() {
        let all = |found: Vec<String>, wanted: &[&str]| wanted.iter().all(|value| found.iter().any(|one| one == value));
        assert!(all(of_header("Bearer abc-def"), &["Bearer abc-def", "abc-def"]));
        assert!(all(of_header("Basic dXNlcjpwYXNzd29yZA=="), &["user:password", "password"]));
        assert!(all(of_header("sid=s3ss10n; theme=dark"), &["s3ss10n"]));
        assert!(all(of_url("https://user:pa55@host:1/v1?api-version=1&sig=s1gn"), &["user:pa55", "pa55", "s1gn"]));
        assert!(!all(of_url("https://host/v1?api-version=2024-02-01"), &["2024-02-01"]));
        assert!(all(of_url("https://t0ken@host"), &["t0ken"]));
        assert!(all(of_body(r#"{"a": {"api_key": "deep"}, "tokens": ["x"], "keys": ["one"]}"#), &["deep", "one"]));
        assert!(all(of_body(r#"{"api_key": "broken", "#), &["broken"]));
        assert!(all(of_body("{api_key: bare}"), &["bare"]));
        let body = serde_json::json!({"temperature": 0, "auth": {"user": "u", "n": 3}, "max_tokens": "5"});
        assert_eq!(
            body_without_secrets(&body),
            serde_json::json!({"temperature": 0, "auth": {"user": SECRET, "n": 3}, "max_tokens": "5"})
        );
    }
}
