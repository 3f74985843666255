//! Owns the cases of responses that break off, or that arrive byte by byte.

use super::{Fate, Table, good, head, stream};
use crate::hostile::server::Step::{Drip, Hold, Pause, Reset, Write};

pub(super) fn breaks(table: &mut Table) {
    use Fate::{Completes, Either, Fails};
    let good = good();
    let said = good.windows(6).position(|six| six == b"length").expect("a finish reason");
    for (how, end) in [("reset", Reset), ("hold", Hold)] {
        for part in 0..10 {
            let at = good.len() * part / 10;
            // A response that is complete by then counts, even if its end marker is missing.
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
