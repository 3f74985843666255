//! Owns the cases of endless responses: headers, events, chunks, bodies.

use super::{FINISH, Fate, TOKEN, Table, chunk, event, head, stream};
use crate::hostile::server::Step::{Forever, Write};

pub(super) fn floods(table: &mut Table) {
    use Fate::{Either, Fails};
    for code in ["200 OK", "500 Oh", "307 There"] {
        for (name, line) in
            [("lines", "x-a: b\r\n"), ("one line", "a"), ("folded", " a\r\n"), ("long names", &"n".repeat(500))]
        {
            let start = format!("HTTP/1.1 {code}\r\nx: ").into_bytes();
            table.add(
                "endless headers",
                format!("{code}, {name}"),
                Fails,
                vec![Write(start), Forever(line.as_bytes().to_vec())],
            );
        }
    }
    for line in ["100 Continue", "102 Processing", "103 Early Hints", "199 Odd"] {
        let bytes = format!("HTTP/1.1 {line}\r\nlink: <a>\r\n\r\n").into_bytes();
        table.add("endless 1xx", line, Fails, vec![Forever(bytes)]);
    }
    table.add("endless status line", "", Fails, vec![Write(b"HTTP/1.1 200 ".to_vec()), Forever(b"a".to_vec())]);
    let events = [
        ("tokens", event(TOKEN), Fails),
        ("empty", event("{}"), Fails),
        ("no data", "data:\n\n".to_owned(), Fails),
        ("comments", ": still here\n\n".to_owned(), Fails),
        ("blank lines", "\n".to_owned(), Fails),
        ("other fields", "event: ping\nid: 7\nretry: 1\n\n".to_owned(), Fails),
        ("not JSON", event("oops"), Fails),
        ("errors", event(r#"{"error":{"message":"x"}}"#), Fails),
        ("usage", event(r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#), Fails),
        ("finish after finish", event(FINISH), Fails),
        ("a line without an end", "a".to_owned(), Fails),
        ("NULs", "\0".to_owned(), Fails),
    ];
    for (name, bytes, fate) in &events {
        let bytes = bytes.as_bytes();
        let start = if name.contains("line without") { b"data: ".as_slice() } else { b"" };
        for (how, more, piece) in [
            ("chunked", "transfer-encoding: chunked\r\n", chunk(bytes)),
            ("until the close", "", bytes.to_vec()),
            ("by length", "content-length: 1000000000000\r\n", bytes.to_vec()),
        ] {
            let start = if how == "chunked" && !start.is_empty() { chunk(start) } else { start.to_vec() };
            table.add(
                "endless events",
                format!("{name}, {how}"),
                *fate,
                vec![Write(head(more)), Write(start), Forever(piece)],
            );
        }
    }
    for (name, piece) in [("one byte", chunk(b"\n")), ("a byte of a token", chunk(b"d"))] {
        table.add(
            "endless tiny chunks",
            name,
            Fails,
            vec![Write(head("transfer-encoding: chunked\r\n")), Forever(piece)],
        );
    }
    for line in ["400 Bad", "500 Oh", "429 Slow"] {
        let start = format!("HTTP/1.1 {line}\r\ncontent-type: application/json\r\n\r\n{{\"error\":\"").into_bytes();
        table.add("endless error body", line, Fails, vec![Write(start), Forever(b"sorry ".to_vec())]);
    }
    // The response is complete with [DONE]; bytes after it do not belong to it.
    table.add(
        "endless after [DONE]",
        "tokens",
        Either,
        vec![Write(head("")), Write(stream().into()), Forever(event(TOKEN).into())],
    );
}
