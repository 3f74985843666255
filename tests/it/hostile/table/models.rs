//! Owns the cases of hostile responses to the request for the models, before any load.

use super::statuses::{bomb, bomb_bytes};
use super::{Fate, NASTY, Table, json_string, status};
use crate::hostile::server::Step::{self, Forever, Reset, Write};

pub(super) fn models(table: &mut Table) {
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
        // If a name is read from the response, the load gets the same response, which is not a stream.
        table.add("models", name, Fate::Fails, script).at_models = true;
    }
}
