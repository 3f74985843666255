//! Owns the cases of texts that act on a terminal, or that are not valid UTF-8.

use super::{FINISH, Fate, NASTY, TOKEN, Table, chunked, event, json_string, status, stream};

pub(super) fn texts(table: &mut Table) {
    use Fate::{Completes, Either, Fails};
    let quoted = json_string(NASTY);
    for (name, bytes) in [
        ("reason", format!("HTTP/1.1 500 {}\r\n\r\n", "\u{1b}[31mred").into_bytes()),
        ("header", format!("HTTP/1.1 500 Oh\r\nserver: {}\r\n\r\n", "\u{1b}[31mred").into_bytes()),
        ("body", status("500 Oh", "text/plain", NASTY.as_bytes())),
        ("message", status("400 Bad", "application/json", format!(r#"{{"error":{{"message":{quoted}}}}}"#).as_bytes())),
        ("detail", status("422 What", "application/json", format!(r#"{{"detail":{quoted}}}"#).as_bytes())),
        (
            "fields",
            status(
                "422 What",
                "application/json",
                format!(r#"{{"detail":[{{"loc":[{quoted}],"msg":{quoted}}}]}}"#).as_bytes(),
            ),
        ),
        ("other JSON", status("500 Oh", "application/json", format!(r#"{{"why":{quoted}}}"#).as_bytes())),
        ("title", status("502 Who", "text/html", format!("<html><title>{NASTY}</title>").as_bytes())),
        ("content type", status("500 Oh", "\u{9b}31m", b"\xff\xfe\xfd")),
        ("error event", chunked(event(&format!(r#"{{"error":{{"message":{quoted}}}}}"#)).as_bytes())),
        ("error of text", chunked(event(&format!(r#"{{"error":{quoted}}}"#)).as_bytes())),
        ("malformed event", chunked(event(&NASTY.replace(['\r', '\n'], " ")).as_bytes())),
        ("no event", chunked(NASTY.as_bytes())),
        ("one object", status("200 OK", "application/json", format!(r#"{{"object":{quoted}}}"#).as_bytes())),
        ("one line of error", chunked(format!(r#"{{"error":{quoted}}}"#).as_bytes())),
    ] {
        table.answer("escape codes", name, Fails, bytes);
    }
    let finish = format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":{quoted}}}]}}"#);
    table.answer(
        "escape codes",
        "finish reason",
        Either,
        chunked((event(TOKEN) + &event(&finish) + &event("[DONE]")).as_bytes()),
    );
    let content = format!(r#"{{"choices":[{{"delta":{{"content":{quoted}}}}}]}}"#);
    table.answer(
        "escape codes",
        "content",
        Completes,
        chunked((event(&content) + &event(FINISH) + &event("[DONE]")).as_bytes()),
    );

    let bad = b"\xff\xfe\xc3\x28\xed\xa0\x80";
    for (name, bytes) in [
        ("data", [&b"data: "[..], bad, b"\n\n"].concat()),
        ("inside a string", [&b"data: {\"choices\":[{\"delta\":{\"content\":\""[..], bad, b"\"}}]}\n\n"].concat()),
        ("inside an error", [&b"data: {\"error\":{\"message\":\""[..], bad, b"\"}}\n\n"].concat()),
    ] {
        // Half a character inside a text can be a token of a healthy server; a complete response follows.
        let fate = if name == "inside a string" { Completes } else { Fails };
        table.answer("invalid UTF-8", name, fate, chunked(&[&bytes[..], stream().as_bytes()].concat()));
    }
    table.answer("invalid UTF-8", "error body", Fails, status("500 Oh", "text/plain", bad));
    table.answer(
        "invalid UTF-8",
        "error JSON",
        Fails,
        status("500 Oh", "application/json", &[&b"{\"error\":\""[..], bad, b"\"}"].concat()),
    );
    table.answer("invalid UTF-8", "header", Fails, [&b"HTTP/1.1 500 Oh\r\nx: "[..], bad, b"\r\n\r\n"].concat());
}
