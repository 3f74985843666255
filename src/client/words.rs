//! Owns the one-line text for a server's failure: the message in its JSON, the title of its page, the target of its
//! redirect, or what kind of server it is.

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};

use super::dialect::Dialect;
use super::reading::read_object;
use super::said::{failure_text, spoken_in};
use crate::record::{FailedResponse, Failure, FailureCause, FailureClass};
use crate::units::visible;

/// Most bytes that are read of a body that explains a failure, and of a list of models.
pub(super) const MOST_ASIDE_BYTES: usize = 1 << 20;

/// Bytes kept of the start of a response: before its first event, to say what it is if no event comes, and of the body
/// of a failed one.
pub(super) const MOST_START_BYTES: usize = 4 << 10;

/// Most characters of a server's own text in a message.
const MOST_WORDS: usize = 240;

/// Headers of a failed response that are kept: those that say what failed, when to come again, who answered, and under
/// which name the request is in the logs. Those with a part of [`KEPT_PARTS`] in their name are kept, too.
const KEPT_HEADERS: [&str; 8] =
    ["allow", "cf-ray", "content-type", "location", "retry-after", "server", "via", "www-authenticate"];

/// Parts of the names of headers that are kept.
const KEPT_PARTS: [&str; 4] = ["request-id", "ratelimit", "trace-id", "error"];

/// Most headers kept of a failed response.
const MOST_KEPT_HEADERS: usize = 24;

/// Most bytes kept of each value of a header.
const MOST_VALUE_BYTES: usize = 256;

/// The failed response with `headers` and `body` as it is kept: the headers that matter, and the start of the body.
pub(super) fn response_of(headers: &HeaderMap, body: &[u8]) -> FailedResponse {
    let matters = |name: &str| KEPT_HEADERS.contains(&name) || KEPT_PARTS.iter().any(|part| name.contains(part));
    let start = |bytes: &[u8], most: usize| String::from_utf8_lossy(&bytes[..bytes.len().min(most)]).into();
    let kept = headers.iter().filter(|(name, _)| matters(name.as_str())).take(MOST_KEPT_HEADERS);
    FailedResponse {
        headers: kept.map(|(name, value)| (name.as_str().into(), start(value.as_bytes(), MOST_VALUE_BYTES))).collect(),
        body: start(body, MOST_START_BYTES),
    }
}

/// The failure of a status other than 2xx, with a text such as `400 Bad Request: too long`.
pub(super) fn of_status(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let location = headers.get(LOCATION).map(HeaderValue::as_bytes);
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    of_parts(status, location, || of_body(kind, body))
}

/// The status in a head that is not valid HTTP, with the failure if it is not 2xx. `None` when the head does not begin
/// like HTTP/1.
pub(super) fn of_head(head: &[u8]) -> Option<(StatusCode, Option<Failure>)> {
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = lines.next()?.strip_prefix(b"HTTP/1.")?;
    let status = StatusCode::from_bytes(first.split(|byte| *byte == b' ').nth(1)?.get(..3)?).ok()?;
    let location = lines.take_while(|line| !line.trim_ascii().is_empty()).find_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        line[..colon].eq_ignore_ascii_case(b"location").then(|| line[colon + 1..].trim_ascii())
    });
    let failure = || of_parts(status, location, || Some("one of its headers is not valid HTTP".to_owned()));
    Some((status, (!status.is_success()).then(failure)))
}

fn of_parts(status: StatusCode, location: Option<&[u8]>, otherwise: impl FnOnce() -> Option<String>) -> Failure {
    let location = location.filter(|_| status.is_redirection());
    let cause = if location.is_some() { FailureCause::Redirected } else { FailureCause::Other };
    let said = match location {
        // Escaped before `cut` joins words, so that control characters that count as white space stay visible.
        Some(location) => Some(format!("it redirects to {}", visible(&String::from_utf8_lossy(location)))),
        None => otherwise(),
    };
    let status = match (status.as_u16(), status.canonical_reason()) {
        (number, Some(reason)) => format!("{number} {reason}"),
        (529, None) => "529 Overloaded".to_owned(),
        (number, None) => number.to_string(),
    };
    let text = match said {
        Some(said) => format!("{status}: {}", cut(&said)),
        None => status,
    };
    Failure::new(FailureClass::Status, text).because(cause)
}

/// The text of a body that explains a failure; `None` when the body is empty.
pub(super) fn of_body(kind: Option<&str>, body: &[u8]) -> Option<String> {
    let body = body.trim_ascii();
    if body.is_empty() {
        return None;
    }
    let words = title_of(body).unwrap_or_else(|| match std::str::from_utf8(body) {
        // A body cut in the middle of a character is still text.
        Err(why) if why.error_len().is_some() => {
            format!("{} bytes of {}", body.len(), kind.unwrap_or("no stated type"))
        }
        _ => failure_text(body),
    });
    Some(cut(&words))
}

/// Describes a response that is not what was asked for, from its first bytes `start`. `stream` says that a stream of
/// events was asked for; otherwise one JSON object was. `None` when `start` is empty.
pub(super) fn of_other(dialect: &dyn Dialect, kind: Option<&str>, start: &[u8], stream: bool) -> Option<Failure> {
    let start = start.trim_ascii();
    let words = of_body(kind, start)?;
    let (asked, cause) = if stream {
        ("a stream of events", FailureCause::NoEvents)
    } else {
        ("one JSON object", FailureCause::NoObject)
    };
    let malformed = |text: String, cause| Some(Failure::new(FailureClass::Malformed, text).because(cause));
    let not_asked = |what: &str| malformed(format!("{what} where {asked} was asked for: `{words}`"), cause);
    if let Some(title) = title_of(start) {
        return malformed(format!("{title}, where {asked} was asked for"), cause);
    }
    if !stream && [&b"data:"[..], b"event:", b"id:", b"retry:", b":"].iter().any(|field| start.starts_with(field)) {
        let text = format!("the server streams, although {asked} was asked for: `{words}`");
        return malformed(text, FailureCause::StreamUnasked);
    }
    if !start.starts_with(b"{") {
        return if stream {
            malformed(format!("the answer ended before any event: `{words}`"), FailureCause::Other)
        } else {
            malformed(format!("the answer is no JSON object: `{words}`"), cause)
        };
    }
    let first_line = start.split(|byte| *byte == b'\n').next().unwrap_or(start);
    let (what, object) = match (read_object(start, dialect), read_object(first_line.trim_ascii(), dialect)) {
        (Ok(whole), _) => ("one JSON object", whole),
        (Err(_), Ok(first)) => ("lines of JSON (NDJSON)", first),
        (Err(_), Err(_)) => return not_asked("the start of a JSON object"),
    };
    let spoken = || if object.has_token() { None } else { spoken_in(start) };
    match object.error.clone().or_else(spoken) {
        Some(error) => Some(Failure::new(FailureClass::StreamError, cut(&error))),
        None => not_asked(what),
    }
}

/// Describes a server that does not speak HTTP/1.1, from the first bytes that it sent; `None` when it sent none.
pub(super) fn of_foreign(start: &[u8]) -> Option<String> {
    // HTTP/2 (RFC 9113, section 4.1): three bytes of length, then the type. A server sends SETTINGS or GOAWAY first.
    match start {
        [0x15 | 0x16, 0x03, ..] => Some("the server speaks TLS there; write https:// in the option target".to_owned()),
        [0, 0, _, 4 | 7, ..] => {
            Some("the server speaks only HTTP/2 on this port, and tonnage needs HTTP/1.1; use another port".to_owned())
        }
        [] => None,
        _ => Some(format!(
            "the server does not speak HTTP on this port; its first bytes are `{}`",
            visible(&String::from_utf8_lossy(start))
        )),
    }
}

/// A text for an HTML page, with its title if it has one; `None` when `body` is not an HTML page.
fn title_of(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&body[..body.len().min(64 << 10)]);
    // Only ASCII letters change, so that byte positions are the same in both texts.
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

/// `words` as one line: control characters escaped, and cut between words when it is long.
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
    use crate::client::Endpoint;

    fn of_other(kind: Option<&str>, start: &[u8], stream: bool) -> Option<Failure> {
        super::of_other(Endpoint::default().dialect(), kind, start, stream)
    }

    fn said(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> String {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        of_status(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes()).text.into()
    }

    #[test]
    fn the_headers_that_matter_and_the_start_of_the_body_are_kept_of_a_failed_response() {
        let headers = [
            ("retry-after", "7"),
            ("x-request-id", "r-1"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("set-cookie", "session=1"),
            ("date", "now"),
        ];
        let mut headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        headers.insert("via", HeaderValue::from_bytes(&[b'v'; 1_000]).unwrap());
        let kept = response_of(&headers, &[b'x'; 10_000]);
        let names: Vec<&str> = kept.headers.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["retry-after", "x-request-id", "x-ratelimit-remaining-tokens", "via"]);
        assert_eq!((&*kept.headers[0].1, kept.headers[3].1.len(), kept.body.len()), ("7", 256, 4096));
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
    fn what_is_not_what_was_asked_for_is_said_for_what_it_is() {
        use FailureCause::{NoObject, StreamUnasked};
        use FailureClass::{Malformed, StreamError};
        for (body, class, expected) in [
            (r#"{"error":{"message":"exceeds the context"}}"#, StreamError, "exceeds the context"),
            (r#"{"message":"try later"}"#, StreamError, "try later"),
            ("{\"error\":\"oom\"}\n{\"error\":\"oom\"}\n", StreamError, "oom"),
            ("{\"model\":\"m\"}\n{\"model\":\"m\"}\n", Malformed, "NDJSON"),
            (r#"{"choices":[]}"#, Malformed, "one JSON object"),
            (r#"{"choices":[{"message":{"content":"a"}}],"message":"fine"}"#, Malformed, "one JSON object"),
            (r#"{"choices":[{"mess"#, Malformed, "the start of a JSON object where a stream"),
            (
                "<html><title>Welcome to nginx!</title>",
                Malformed,
                "an HTML page, \"Welcome to nginx!\", where a stream of events was asked for",
            ),
            ("hello", Malformed, "the answer ended before any event: `hello`"),
        ] {
            let said = of_other(None, body.as_bytes(), true).unwrap();
            assert!(said.class == class && said.text.contains(expected), "{body}: {said:?}");
            let asked = said.text.contains("where a stream of events was asked for");
            assert_eq!(said.cause == FailureCause::NoEvents, asked, "{body}: {said:?}");
        }
        for (body, cause, expected) in [
            ("data: {}\n\n", StreamUnasked, "the server streams, although one JSON object was asked for: `data: {}`"),
            (
                ": ping\n\ndata: {}\n\n",
                StreamUnasked,
                "the server streams, although one JSON object was asked for: `: ping data: {}`",
            ),
            ("<html><title>Hi</title>", NoObject, "an HTML page, \"Hi\", where one JSON object was asked for"),
            ("hello", NoObject, "the answer is no JSON object: `hello`"),
        ] {
            let expected = Failure::new(Malformed, expected).because(cause);
            assert_eq!(of_other(None, body.as_bytes(), false).unwrap(), expected);
        }
        assert_eq!(of_other(None, b" \n", true), None);
    }

    #[test]
    fn a_head_that_is_no_valid_http_keeps_its_status() {
        for (head, expected) in [
            (
                &b"HTTP/1.1 301 Moved\r\nLocation: /\x1b[2J v1\r\n\r\n"[..],
                Some((301, Some("it redirects to /\\x1b[2J v1"))),
            ),
            (b"HTTP/1.1 308 x\r\nlocation : /a\r\n\r\nlocation: /b", Some((308, Some("not valid HTTP")))),
            (b"HTTP/1.0 404\r\nx\x01: y", Some((404, Some("404 Not Found: one of its headers is not valid HTTP")))),
            (b"HTTP/1.1 200 OK\r\nx: \x01", Some((200, None))),
            (b"HTTP/1.1 99 x", None),
            (b"HTTP/2 200 x", None),
            (b"", None),
        ] {
            let found = of_head(head);
            assert_eq!(found.as_ref().map(|(status, _)| status.as_u16()), expected.map(|(status, _)| status));
            let failure = found.and_then(|(_, failure)| failure);
            let redirects = failure.as_ref().is_some_and(|failure| failure.cause == FailureCause::Redirected);
            assert_eq!(redirects, matches!(expected, Some((301, _))), "{failure:?}");
            let words = failure.map_or_else(String::new, |failure| failure.text.into());
            let wanted = expected.and_then(|(_, words)| words);
            assert!(words.contains(wanted.unwrap_or_default()) && words.is_empty() == wanted.is_none(), "{words}");
        }
    }

    #[test]
    fn what_is_no_http_is_named() {
        for (start, expected) in [
            (&b"\x15\x03\x01\x00\x02"[..], "https://"),
            (b"\0\0\x12\x04\0\0\0\0\0", "HTTP/2"),
            (b"\0\0\x08\x07\0\0\0\0\0", "HTTP/2"),
            (b"SSH-2.0-Open", "first bytes are `SSH-2.0-Open`"),
            (b"\x1b[2J", "first bytes are `\\x1b[2J`"),
        ] {
            assert!(of_foreign(start).unwrap().contains(expected), "{expected}");
        }
        assert_eq!(of_foreign(b""), None);
    }
}
