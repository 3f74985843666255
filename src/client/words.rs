//! Owns what a server says of a failure, cut to one line: its JSON's message, its page's title, where it redirects
//! to, or what it is at all.

use hyper::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use serde_json::Value;

use super::delta::failure_text;
use crate::units::visible;

/// Bytes read of a body that only explains a failure, and of a list of models.
pub(super) const MOST_ASIDE_BYTES: usize = 1 << 20;

/// Bytes kept of an answer that has brought no event yet, to say what it is if none comes.
pub(super) const MOST_START_BYTES: usize = 4 << 10;

/// Characters of a server's own words.
const MOST_WORDS: usize = 240;

/// Refused fields that are told of in one line.
const MOST_FIELDS: usize = 3;

/// What came with a status other than 2xx: `400 Bad Request: too long`.
pub(super) fn of_status(status: hyper::StatusCode, headers: &HeaderMap, body: &[u8]) -> String {
    let location = headers.get(LOCATION).filter(|_| status.is_redirection());
    let said = match location {
        Some(location) => Some(format!("it redirects to {}", String::from_utf8_lossy(location.as_bytes()))),
        None => of_body(headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()), body),
    };
    let status = match (status.as_u16(), status.canonical_reason()) {
        (number, Some(reason)) => format!("{number} {reason}"),
        (529, None) => "529 Overloaded".to_owned(),
        (number, None) => number.to_string(),
    };
    match said {
        Some(said) => format!("{status}: {}", cut(&said)),
        None => status,
    }
}

/// What a body says that explains a failure; nothing where it is empty.
pub(super) fn of_body(kind: Option<&str>, body: &[u8]) -> Option<String> {
    let body = body.trim_ascii();
    if body.is_empty() {
        return None;
    }
    let words = of_fields(body).or_else(|| title_of(body)).unwrap_or_else(|| match std::str::from_utf8(body) {
        // Cut in the middle of a character it is text all the same.
        Err(why) if why.error_len().is_some() => {
            format!("{} bytes of {}", body.len(), kind.unwrap_or("no stated type"))
        }
        _ => failure_text(body),
    });
    Some(cut(&words))
}

/// What an answer was that ended without any event, from its first bytes: whether the server says that it failed, and
/// the words.
pub(super) fn of_start(kind: Option<&str>, start: &[u8]) -> Option<(bool, String)> {
    let start = start.trim_ascii();
    let words = of_body(kind, start)?;
    if let Some(title) = title_of(start) {
        return Some((false, format!("{title}, where a stream of events was asked for")));
    }
    if !start.starts_with(b"{") {
        return Some((false, format!("the answer ended before any event: `{words}`")));
    }
    let whole = serde_json::from_slice::<Value>(start).ok();
    if whole.as_ref().is_some_and(|json| {
        ["error", "message", "detail"].iter().any(|key| json.get(key).is_some_and(|said| !said.is_null()))
    }) {
        return Some((true, words));
    }
    let what = if whole.is_some() { "one JSON object" } else { "lines of JSON (NDJSON)" };
    Some((false, format!("{what} where a stream of events was asked for: `{words}`")))
}

/// What speaks no HTTP, from the first bytes that it sent.
pub(super) fn of_foreign(start: &[u8]) -> Option<String> {
    // RFC 9113, section 4.1: three bytes of length, then the type. A server sends SETTINGS first, or GOAWAY at once.
    match start {
        [0x15 | 0x16, 0x03, ..] => Some("the server speaks TLS there; write https:// in --target".to_owned()),
        [0, 0, _, 4 | 7, ..] => Some(
            "the server speaks HTTP/2 only there, and tonnage speaks HTTP/1.1; ask a port that offers it".to_owned(),
        ),
        [] => None,
        _ => Some(format!(
            "the server does not speak HTTP there; it began with `{}`",
            visible(&String::from_utf8_lossy(start))
        )),
    }
}

/// `loc: msg` of the fields that were refused, as `FastAPI` and pydantic list them.
fn of_fields(body: &[u8]) -> Option<String> {
    let json: Value = serde_json::from_slice(body).ok()?;
    let fields = json.get("detail")?.as_array()?;
    let part = |part: &Value| part.as_str().map_or_else(|| part.to_string(), str::to_owned);
    let told = fields.iter().take(MOST_FIELDS).filter_map(|field| {
        let why = field.get("msg")?.as_str()?;
        let place =
            field.get("loc").and_then(Value::as_array).map(|loc| loc.iter().map(part).collect::<Vec<_>>().join("."));
        Some(place.filter(|place| !place.is_empty()).map_or_else(|| why.to_owned(), |place| format!("{place}: {why}")))
    });
    let told = told.collect::<Vec<_>>();
    (!told.is_empty()).then(|| {
        let more = fields.len().saturating_sub(told.len());
        let rest = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        told.join("; ") + &rest
    })
}

/// The title of an HTML page, or that it is one.
fn title_of(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&body[..body.len().min(64 << 10)]);
    // Of ASCII letters alone, so that places in one are places in the other.
    let lower = text.to_ascii_lowercase();
    if !lower.starts_with('<')
        || !["<html", "<!doctype html", "<head", "<title", "<body"].iter().any(|tag| lower.contains(tag))
    {
        return None;
    }
    let title = lower.find("<title").and_then(|at| {
        let from = at + lower[at..].find('>')? + 1;
        let until = from + lower[from..].find("</title")?;
        Some(text[from..until].trim())
    });
    Some(
        title
            .filter(|title| !title.is_empty())
            .map_or_else(|| "an HTML page".to_owned(), |title| format!("an HTML page, \"{title}\"")),
    )
}

/// One line, without what acts on a terminal, cut between words where it is long.
fn cut(words: &str) -> String {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = visible(&line);
    let Some((end, _)) = line.char_indices().nth(MOST_WORDS) else { return line.into_owned() };
    let head = &line[..end];
    let head = head.rfind(' ').filter(|space| *space > end / 2).map_or(head, |space| &head[..space]);
    format!("{head} …")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::StatusCode;

    fn said(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> String {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        of_status(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
    }

    #[test]
    fn a_failure_is_told_in_the_servers_own_words() {
        let vllm = r#"{"object":"error","message":"This model's maximum context length is 4096 tokens.","code":400}"#;
        let fastapi = concat!(
            r#"{"detail":[{"loc":["body","messages",0,"content"],"msg":"field required"},{"loc":[],"#,
            r#""msg":"no"},{"msg":"x"},{"msg":"y"}]}"#,
        );
        let html = "<html>\r\n<head><TITLE>504 Gateway\n Time-out</TITLE></head><body>\u{1b}[31m</body>";
        for (status, headers, body, expected) in [
            (400, &[][..], vllm, "400 Bad Request: This model's maximum context length is 4096 tokens."),
            (
                422,
                &[],
                fastapi,
                "422 Unprocessable Entity: body.messages.0.content: field required; no; x (and 1 more)",
            ),
            (404, &[], r#"{"detail":"Not Found"}"#, "404 Not Found: Not Found"),
            (504, &[], html, "504 Gateway Timeout: an HTML page, \"504 Gateway Time-out\""),
            (502, &[], "<!DOCTYPE html><p>x", "502 Bad Gateway: an HTML page"),
            (
                307,
                &[("location", "http://127.0.0.1:1/v1/")],
                "",
                "307 Temporary Redirect: it redirects to http://127.0.0.1:1/v1/",
            ),
            (503, &[], "", "503 Service Unavailable"),
            (
                500,
                &[],
                "\u{1b}]0;owned\u{7} error: x\nerror: forged",
                "500 Internal Server Error: \\x1b]0;owned\\x07 error: x error: forged",
            ),
        ] {
            assert_eq!(said(status, headers, body), expected);
        }
        assert_eq!(of_body(Some("image/png"), b"\x89PNG\xff\xfe").unwrap(), "6 bytes of image/png");
    }

    #[test]
    fn long_words_are_cut_between_words() {
        let told = said(400, &[], &format!(r#"{{"error":{{"message":"{}"}}}}"#, "word ".repeat(400)));
        assert!(told.ends_with("word …") && told.chars().count() <= MOST_WORDS + 20, "{told}");
        assert!(said(400, &[], &"é".repeat(5000)).chars().count() <= MOST_WORDS + 20);
    }

    #[test]
    fn an_answer_without_events_is_said_for_what_it_is() {
        for (body, failed, expected) in [
            (r#"{"error":{"message":"exceeds the context"}}"#, true, "exceeds the context"),
            ("{\"model\":\"m\"}\n{\"model\":\"m\"}\n", false, "NDJSON"),
            (r#"{"choices":[]}"#, false, "one JSON object"),
            (
                "<html><title>Welcome to nginx!</title>",
                false,
                "an HTML page, \"Welcome to nginx!\", where a stream of events was asked for",
            ),
            ("hello", false, "the answer ended before any event: `hello`"),
        ] {
            let (said_failed, said) = of_start(None, body.as_bytes()).unwrap();
            assert!(said_failed == failed && said.contains(expected), "{body}: {said}");
        }
        assert_eq!(of_start(None, b" \n"), None);
    }

    #[test]
    fn what_is_no_http_is_named() {
        for (start, expected) in [
            (&b"\x15\x03\x01\x00\x02"[..], "https://"),
            (b"\0\0\x12\x04\0\0\0\0\0", "HTTP/2"),
            (b"\0\0\x08\x07\0\0\0\0\0", "HTTP/2"),
            (b"SSH-2.0-Open", "began with `SSH-2.0-Open`"),
            (b"\x1b[2J", "began with `\\x1b[2J`"),
        ] {
            assert!(of_foreign(start).unwrap().contains(expected), "{expected}");
        }
        assert_eq!(of_foreign(b""), None);
    }
}
