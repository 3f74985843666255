//! Owns the table of hostile answers: families times parameters, each with what must become of a request that meets it.

use super::server::Step::{self, Drip, Forever, Hold, Pause, Request, Reset, Write};

/// What must become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It completes: odd as it is, the answer says all that an answer must.
    Completes,
    /// It does not.
    Fails,
    /// Either: a parser may be strict or liberal here. It ends, and is counted.
    Either,
}

/// One kind of hostile server.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) family: &'static str,
    pub(crate) name: String,
    pub(crate) script: Vec<Step>,
    pub(crate) fate: Fate,
    /// Asked over TLS.
    pub(crate) secure: bool,
    /// What is asked for the models gets this, too.
    pub(crate) at_models: bool,
}

/// Acts on terminals in all the ways there are: titles, colours, C1, bells, directions, forged lines.
pub(crate) const NASTY: &str =
    "\u{1b}]0;owned\u{7}\u{1b}[2J\u{1b}[31m\u{9b}31m\u{90}\u{202e}evil\u{8}\u{7f}\u{0}\r\nerror: forged\u{85}\u{2028}x";

const TOKEN: &str = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
const FINISH: &str = r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#;

fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn head(more: &str) -> Vec<u8> {
    // Each connection has one answer: a request that meets its close would fail for another reason than the one in
    // question.
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n{more}\r\n").into_bytes()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    [head("transfer-encoding: chunked\r\n"), chunk(body), b"0\r\n\r\n".to_vec()].concat()
}

fn stream() -> String {
    event(TOKEN).repeat(3) + &event(FINISH) + &event("[DONE]")
}

/// An answer as it should be.
pub(crate) fn good() -> Vec<u8> {
    chunked(stream().as_bytes())
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Text as it may stand inside a JSON string where a server does not escape it.
fn status(line: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {line}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body]
        .concat()
}

struct Table(Vec<Case>);

impl Table {
    fn add(&mut self, family: &'static str, name: impl Into<String>, fate: Fate, script: Vec<Step>) -> &mut Case {
        let script = if matches!(script.first(), Some(Request)) { script } else { [vec![Request], script].concat() };
        self.0.push(Case { family, name: name.into(), script, fate, secure: false, at_models: false });
        self.0.last_mut().expect("just added")
    }

    fn answer(&mut self, family: &'static str, name: impl Into<String>, fate: Fate, bytes: Vec<u8>) {
        self.add(family, name, fate, vec![Write(bytes)]);
    }

    /// What is done before any request is read.
    fn at_once(&mut self, family: &'static str, name: impl Into<String>, secure: bool, script: Vec<Step>) {
        self.0.push(Case { family, name: name.into(), script, fate: Fate::Fails, secure, at_models: false });
    }
}

/// All of them.
pub(crate) fn table() -> Vec<Case> {
    let mut table = Table(Vec::new());
    floods(&mut table);
    framing(&mut table);
    breaks(&mut table);
    foreign(&mut table);
    statuses(&mut table);
    texts(&mut table);
    sizes(&mut table);
    models(&mut table);
    table.0
}

fn floods(table: &mut Table) {
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
    // After [DONE] all is said: what follows is not the answer's any more.
    table.add(
        "endless after [DONE]",
        "tokens",
        Either,
        vec![Write(head("")), Write(stream().into()), Forever(event(TOKEN).into())],
    );
}

fn framing(table: &mut Table) {
    use Fate::{Completes, Either, Fails};
    let body = stream();
    let with = |size: &str| {
        [head("transfer-encoding: chunked\r\n"), format!("{size}\r\n{body}\r\n0\r\n\r\n").into_bytes()].concat()
    };
    let right = format!("{:x}", body.len());
    for size in ["-1", "+5", "fffffffffffffffff", "0x10", "zz", "", "99999999999999999999"] {
        table.answer("chunk sizes", size, Fails, with(size));
    }
    // Larger than what comes; but all that an answer has to say is inside.
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

fn breaks(table: &mut Table) {
    use Fate::{Completes, Either, Fails};
    let good = good();
    let said = good.windows(6).position(|six| six == b"length").expect("a finish reason");
    for (how, end) in [("reset", Reset), ("hold", Hold)] {
        for part in 0..10 {
            let at = good.len() * part / 10;
            // What has been said in full by then is an answer: that its end did not come takes nothing from it.
            let fate = if at < said { Fails } else { Either };
            table.add(
                "broken off",
                format!("{how} after {part}/10"),
                fate,
                vec![Write(good[..at].to_vec()), end.clone()],
            );
        }
    }
    for part in [0, 1, 3, 5, 7] {
        let at = good.len() * part / 10;
        table.answer(
            "broken off",
            format!("closed after {part}/10"),
            if at < said { Fails } else { Either },
            good[..at].to_vec(),
        );
    }
    table.at_once("broken off", "reset at once", false, vec![Reset]);
    table.at_once("broken off", "closed at once", false, vec![Pause(1)]);
    table.at_once("broken off", "held unread", false, vec![Hold]);
    table.add("slow drip", "a byte in 1 ms", Completes, vec![Drip(good.clone(), 1)]);
    table.add("slow drip", "a byte in 50 ms", Fails, vec![Drip(good.clone(), 50)]);
    table.add("slow drip", "head in one piece, body slow", Fails, vec![Write(head("")), Drip(stream().into(), 50)]);
    table.add("slow drip", "a comment now and then", Fails, vec![Write(head("")), Drip(b": x\n\n".repeat(200), 20)]);
    table.add("slow drip", "1xx now and then", Fails, vec![Drip(b"HTTP/1.1 102 P\r\n\r\n".repeat(50), 10)]);
    table.add(
        "slow drip",
        "error body",
        Fails,
        vec![Write(b"HTTP/1.1 500 Oh\r\n\r\n".to_vec()), Drip(b"sorry ".repeat(100), 50)],
    );
}

fn foreign(table: &mut Table) {
    let banners: [(&str, Vec<u8>); 9] = [
        ("TLS alert", b"\x15\x03\x01\0\x02\x02\x46".to_vec()),
        ("HTTP/2 settings", b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64".to_vec()),
        ("HTTP/2 goaway", b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01".to_vec()),
        ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
        ("SMTP", b"220 mail ESMTP\r\n".to_vec()),
        ("Redis", b"-ERR unknown command 'POST'\r\n".to_vec()),
        ("Postgres", b"E\0\0\0\x85SFATAL\0".to_vec()),
        ("noise", (0..4000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
        ("escapes", NASTY.as_bytes().to_vec()),
    ];
    for (name, bytes) in &banners {
        table.add("not HTTP", *name, Fate::Fails, vec![Write(bytes.clone())]);
        table.at_once("not TLS", *name, true, vec![Write(bytes.clone()), Pause(50)]);
    }
    let record = |kind: u8, body: &[u8]| [&[kind, 3, 3][..], &(body.len() as u16).to_be_bytes(), body].concat();
    for (name, bytes) in [
        ("noise", (0..4096_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<u8>>()),
        ("empty handshake records", record(22, &[])),
        ("warnings", record(21, &[1, 90])),
        ("change cipher spec", record(20, &[1])),
        ("application data", record(23, &[7; 64])),
        ("hello requests", record(22, &[0, 0, 0, 0])),
        ("a handshake message without an end", record(22, &[2, 0xff, 0xff, 0xff, 0, 0, 0, 0])),
    ] {
        table.at_once("endless TLS records", name, true, vec![Forever(bytes)]);
    }
    table.at_once("TLS never agreed", "held", true, vec![Hold]);
    table.at_once("TLS never agreed", "closed", true, vec![Pause(1)]);
    table.at_once("TLS never agreed", "reset", true, vec![Reset]);
    table.at_once(
        "TLS never agreed",
        "plain HTTP",
        true,
        vec![Write(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), Pause(50)],
    );
    table.at_once("TLS never agreed", "dripped", true, vec![Drip(record(22, &[2; 200]), 20)]);
}

fn statuses(table: &mut Table) {
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
fn bomb() -> Vec<u8> {
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

fn bomb_bytes() -> usize {
    bomb().len()
}

fn texts(table: &mut Table) {
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
        // Half a character inside a text is a token of a healthy server; what follows is a whole answer.
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

fn sizes(table: &mut Table) {
    use Fate::{Completes, Either, Fails};
    for deep in [200, 100_000] {
        for (name, open, close) in [("lists", "[", "]"), ("objects", "{\"a\":", "}")] {
            let nested = format!("{}1{}", open.repeat(deep), close.repeat(deep));
            let event_of = |key: &str| chunked((event(&format!(r#"{{"{key}":{nested}}}"#)) + &stream()).as_bytes());
            // Well formed, and skipped without recursion: a healthy answer follows.
            table.answer("deep JSON", format!("{deep} {name} as choices"), Either, event_of("choices"));
            table.answer("deep JSON", format!("{deep} {name} as error"), Either, event_of("error"));
            table.answer("deep JSON", format!("{deep} {name} as another"), Either, event_of("other"));
            table.answer(
                "deep JSON",
                format!("{deep} {name} in an error"),
                Fails,
                status("400 Bad", "application/json", nested.as_bytes()),
            );
        }
    }
    for number in [
        "1e999",
        "-1",
        "1180591620717411303424",
        "4.5",
        "\"7\"",
        "NaN",
        "99999999999999999999999999999999999999999999999999",
    ] {
        let usage = format!(r#"{{"choices":[],"usage":{{"prompt_tokens":{number},"completion_tokens":{number}}}}}"#);
        table.answer(
            "odd numbers",
            format!("usage {number}"),
            Either,
            chunked((event(TOKEN) + &event(&usage) + &stream()).as_bytes()),
        );
        let index = format!(r#"{{"choices":[{{"index":{number},"delta":{{"content":"a"}}}}]}}"#);
        table.answer("odd numbers", format!("index {number}"), Either, chunked((event(&index) + &stream()).as_bytes()));
    }
    for megabytes in [2, 40] {
        let long = "a".repeat(megabytes << 20);
        let of = |start: &str, end: &str| {
            [head(""), format!("data: {start}{long}{end}\n\n{}", stream()).into_bytes()].concat()
        };
        let name = |what: &str| format!("{megabytes} MiB {what}");
        table.answer("large", name("token"), Either, of(r#"{"choices":[{"delta":{"content":""#, "\"}}]}"));
        table.answer(
            "large",
            name("finish reason"),
            Either,
            of(r#"{"choices":[{"delta":{},"finish_reason":""#, "\"}]}"),
        );
        table.answer("large", name("error"), Fails, of(r#"{"error":{"message":""#, "\"}}"));
        table.answer("large", name("id"), Either, of(r#"{"id":""#, r#"","choices":[]}"#));
        table.answer("large", name("error body"), Fails, status("500 Oh", "text/plain", long.as_bytes()));
        table.answer(
            "large",
            name("object"),
            Fails,
            status("200 OK", "application/json", format!("{{\"a\":\"{long}\"}}").as_bytes()),
        );
    }
    let choices = vec![r#"{"delta":{"content":"a"}}"#; 20_000].join(",");
    table.answer(
        "large",
        "20 000 choices",
        Completes,
        chunked((event(&format!(r#"{{"choices":[{choices}]}}"#)) + &stream()).as_bytes()),
    );
}

/// Hostile answers to the question for the models, before any load.
fn models(table: &mut Table) {
    let quoted = json_string(NASTY);
    let list = |id: &str| status("200 OK", "application/json", format!(r#"{{"data":[{{"id":{id}}}]}}"#).as_bytes());
    let whole: [(&str, Vec<Step>); 14] = [
        ("endless", vec![Write(b"HTTP/1.1 200 OK\r\n\r\n{\"data\":[".to_vec()), Forever(br#"{"id":"m"},"#.to_vec())]),
        ("endless headers", vec![Write(b"HTTP/1.1 200 OK\r\n".to_vec()), Forever(b"x: y\r\n".to_vec())]),
        ("endless error", vec![Write(b"HTTP/1.1 500 Oh\r\n\r\n".to_vec()), Forever(b"x".to_vec())]),
        ("large", vec![Write(list(&json_string(&"m".repeat(3 << 20))))]),
        ("long name", vec![Write(list(&json_string(&"m".repeat(5000))))]),
        ("escape codes in an error", vec![Write(status("500 Oh", "text/plain", NASTY.as_bytes()))]),
        (
            "escape codes in a page",
            vec![Write(status("200 OK", "text/html", format!("<title>{NASTY}</title>").as_bytes()))],
        ),
        ("escape codes in a location", vec![Write(b"HTTP/1.1 302 Go\r\nlocation: /\x1b[31m\r\n\r\n".to_vec())]),
        ("deep", vec![Write(status("200 OK", "application/json", "[".repeat(100_000).as_bytes()))]),
        ("not UTF-8", vec![Write(list("\"\u{fffd}\"")), Reset]),
        ("number for a name", vec![Write(list("7"))]),
        (
            "gzip",
            vec![Write(
                [
                    format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb_bytes())
                        .into(),
                    bomb(),
                ]
                .concat(),
            )],
        ),
        ("escape codes in a name", vec![Write(list(&quoted))]),
        ("not HTTP", vec![Write(NASTY.as_bytes().to_vec())]),
    ];
    for (name, script) in whole {
        // Where a name comes of it, the load meets the same answer: no stream.
        table.add("models", name, Fate::Fails, script).at_models = true;
    }
}
