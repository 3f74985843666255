//! Owns the cases of unusual statuses, content types, and compressed responses.

use super::{Fate, TOKEN, Table, chunk, head, status, stream};

pub(super) fn statuses(table: &mut Table) {
    use Fate::{Either, Fails};
    for code in [
        "101 Switching",
        "199 Odd",
        "204 No Content",
        "206 Part",
        "304 Not Modified",
        "400 Bad",
        "401 No",
        "403 No",
        "404 Where",
        "405 How",
        "408 Late",
        "413 Large",
        "418 Tea",
        "422 What",
        "429 Slow",
        "500 Oh",
        "502 Who",
        "503 Busy",
        "504 Late",
        "529 Full",
        "599 Odd",
        "600 Odd",
        "999 Odd",
        "000 None",
        "20 Short",
        "2000 Long",
        "-200 Less",
        "two hundred",
    ] {
        let body = br#"{"error":{"message":"the server says why"}}"#;
        table.answer("statuses", code, Fails, status(code, "application/json", body));
    }
    for code in [301, 302, 303, 307, 308] {
        for (name, to) in
            [("to itself", "/v1/chat/completions"), ("nowhere", ""), ("elsewhere", "http://127.0.0.1:1/\u{1b}[31m")]
        {
            let bytes = format!("HTTP/1.1 {code} Go\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n").into_bytes();
            table.answer("redirects", format!("{code} {name}"), Fails, bytes);
        }
    }
    for kind in ["text/html", "application/json", "application/x-ndjson", "application/octet-stream", ""] {
        let page = status("200 OK", kind, b"<html><title>Welcome</title></html>");
        table.answer("content types", format!("{kind} page"), Fails, page);
        table.answer("content types", format!("{kind} object"), Fails, status("200 OK", kind, TOKEN.as_bytes()));
        table.answer("content types", format!("{kind} stream"), Either, status("200 OK", kind, stream().as_bytes()));
    }
    for coding in ["gzip", "deflate", "br", "zstd", "x-\u{1b}[2J"] {
        let bomb = [
            head(&format!("content-encoding: {coding}\r\ntransfer-encoding: chunked\r\n")),
            chunk(&bomb()),
            b"0\r\n\r\n".to_vec(),
        ];
        table.answer("gzip bombs", coding, Fails, bomb.concat());
        table.answer("gzip bombs", format!("{coding} error"), Fails, {
            let start =
                format!("HTTP/1.1 500 Oh\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n", bomb_bytes());
            [start.into_bytes(), self::bomb()].concat()
        });
    }
}

/// 64 MiB of zeros, in gzip.
pub(super) fn bomb() -> Vec<u8> {
    use std::io::Write as _;
    use std::sync::OnceLock;
    static BOMB: OnceLock<Vec<u8>> = OnceLock::new();
    BOMB.get_or_init(|| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let zeros = vec![0; 1 << 20];
        for _ in 0..64 {
            packed.write_all(&zeros).expect("memory");
        }
        packed.finish().expect("memory")
    })
    .clone()
}

pub(super) fn bomb_bytes() -> usize {
    bomb().len()
}
