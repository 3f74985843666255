//! Owns the cases of responses with wrong framing: chunk sizes, lengths, versions, NULs.

use super::{Fate, Table, chunk, event, head, stream};
use crate::hostile::server::Step::{Forever, Hold, Write};

pub(super) fn framing(table: &mut Table) {
    use Fate::{Completes, Either, Fails};
    let body = stream();
    let with = |size: &str| {
        [head("transfer-encoding: chunked\r\n"), format!("{size}\r\n{body}\r\n0\r\n\r\n").into_bytes()].concat()
    };
    let right = format!("{:x}", body.len());
    for size in ["-1", "+5", "fffffffffffffffff", "0x10", "zz", "", "99999999999999999999"] {
        table.answer("chunk sizes", size, Fails, with(size));
    }
    // The announced size exceeds the data, but the data contains the complete response.
    for size in ["ffffffffffffffff", "7fffffffffffffff", "1e3"] {
        table.answer("chunk sizes", size, Either, with(size));
    }
    for (name, size) in
        [("space", format!(" {right}")), ("extension", format!("{right};a=b")), ("zeros", format!("0000{right}"))]
    {
        table.answer("chunk sizes", name, Either, with(&size));
    }
    let start = head("transfer-encoding: chunked\r\n");
    table.add("chunk sizes", "endless size", Fails, vec![Write(start.clone()), Forever(b"0".to_vec())]);
    table.add(
        "chunk sizes",
        "endless extension",
        Fails,
        vec![Write([&start[..], b"5;"].concat()), Forever(b"a".to_vec())],
    );
    let trailers = [&start[..], &chunk(body.as_bytes()), b"0\r\n"].concat();
    table.add("endless trailers", "lines", Either, vec![Write(trailers.clone()), Forever(b"x-a: b\r\n".to_vec())]);
    table.add("endless trailers", "one line", Either, vec![Write(trailers), Forever(b"a".to_vec())]);
    table.answer(
        "chunk sizes",
        "data longer than said",
        Either,
        [&start[..], b"5\r\n", body.as_bytes(), b"\r\n0\r\n\r\n"].concat(),
    );

    let length = body.len();
    for (name, lie, fate) in [
        ("too short", (length - 20).to_string(), Either),
        ("nothing", "0".to_owned(), Fails),
        ("too long", (length + 50).to_string(), Either),
        ("negative", "-5".to_owned(), Fails),
        ("huge", "99999999999999999999999".to_owned(), Fails),
        ("exponent", "1e3".to_owned(), Fails),
        ("hex", "0x100".to_owned(), Fails),
        ("list", format!("{length}, {length}"), Either),
        ("two in a list", format!("{length}, 7"), Fails),
        ("empty", String::new(), Fails),
    ] {
        table.answer(
            "content-length lies",
            name,
            fate,
            [head(&format!("content-length: {lie}\r\n")), body.clone().into_bytes()].concat(),
        );
    }
    let two = head(&format!("content-length: {length}\r\ncontent-length: 7\r\n"));
    table.answer("content-length lies", "two", Fails, [two, body.clone().into_bytes()].concat());
    let longer = head(&format!("content-length: {}\r\n", length + 50));
    table.add(
        "content-length lies",
        "too long, held",
        Either,
        vec![Write([longer, body.clone().into_bytes()].concat()), Hold],
    );

    let framed = [chunk(body.as_bytes()), b"0\r\n\r\n".to_vec()].concat();
    for (name, more) in [
        ("TE then CL", "transfer-encoding: chunked\r\ncontent-length: 5\r\n"),
        ("CL then TE", "content-length: 5\r\ntransfer-encoding: chunked\r\n"),
        ("TE twice", "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"),
        ("chunked, chunked", "transfer-encoding: chunked, chunked\r\n"),
        ("gzip, chunked", "transfer-encoding: gzip, chunked\r\n"),
        ("identity", "transfer-encoding: identity\r\n"),
        ("chunked not last", "transfer-encoding: chunked, gzip\r\n"),
        ("unknown", "transfer-encoding: \u{b}chunked\r\n"),
    ] {
        table.answer("both TE and CL", name, Either, [head(more), framed.clone()].concat());
    }
    for version in ["HTTP/0.9", "HTTP/1.0", "HTTP/2", "HTTP/3.0", "ICY", "http/1.1", ""] {
        let bytes = format!("{version} 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{body}").into_bytes();
        table.answer("versions", version, if version == "HTTP/1.0" { Completes } else { Fails }, bytes);
    }
    for (name, bytes, fate) in [
        ("status line", "HTTP/1.1 200 \0OK\r\n\r\n".to_owned(), Fails),
        ("header name", "HTTP/1.1 200 OK\r\nx\0y: z\r\n\r\n".to_owned(), Fails),
        ("header value", "HTTP/1.1 200 OK\r\nx: \0\r\n\r\n".to_owned(), Fails),
        ("in the data", format!("HTTP/1.1 200 OK\r\n\r\n{}{body}", event("\0")), Fails),
        ("between events", format!("HTTP/1.1 200 OK\r\n\r\n\0\0\0\n{body}"), Either),
        ("alone", "\0\0\0\0\0\0\0\0\r\n\r\n".to_owned(), Fails),
    ] {
        table.answer("NULs", name, fate, bytes.into_bytes());
    }
}
