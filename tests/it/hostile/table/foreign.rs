//! Owns the cases of servers that do not speak HTTP or TLS.

use super::{Fate, NASTY, Table};
use crate::hostile::server::Step::{Drip, Forever, Hold, Pause, Reset, Write};

pub(super) fn foreign(table: &mut Table) {
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
