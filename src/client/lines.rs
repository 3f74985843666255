//! Owns the framing of NDJSON: cuts bytes, in pieces of any size, into lines.

use memchr::memchr;

use super::sse::{MOST_EVENT_BYTES, Oversize};

/// Cuts a byte stream into lines, which end in LF or CRLF. A last line without an end is delivered only by
/// [`Lines::finish`].
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The bytes of the unfinished line from earlier pieces.
    line: Vec<u8>,
}

impl Lines {
    /// Bytes kept of the unfinished line.
    pub(super) fn held_bytes(&self) -> usize {
        self.line.len()
    }

    /// Takes the next piece and hands each line that it completes to `on_line`, borrowed from the piece where possible.
    /// Blank lines are skipped. Fails when a line is too large.
    pub(super) fn feed(&mut self, piece: &[u8], mut on_line: impl FnMut(&[u8])) -> Result<(), Oversize> {
        let mut rest = piece;
        while let Some(end) = memchr(b'\n', rest) {
            let (head, tail) = rest.split_at(end);
            rest = &tail[1..];
            if self.line.is_empty() {
                hand(head, &mut on_line);
            } else {
                self.line.extend_from_slice(head);
                hand(&self.line, &mut on_line);
                self.line.clear();
            }
        }
        self.line.extend_from_slice(rest);
        if self.line.len() > MOST_EVENT_BYTES { Err(Oversize) } else { Ok(()) }
    }

    /// Hands over the last line, which has no end. Call it after the whole stream was fed.
    pub(super) fn finish(self, mut on_line: impl FnMut(&[u8])) {
        hand(&self.line, &mut on_line);
    }
}

fn hand(line: &[u8], on_line: &mut impl FnMut(&[u8])) {
    let line = line.trim_ascii();
    if !line.is_empty() {
        on_line(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines_of(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.feed(piece, |line| found.push(line.to_vec())).unwrap();
        }
        lines.finish(|line| found.push(line.to_vec()));
        found
    }

    #[test]
    fn lines_end_in_lf_or_crlf_and_blank_ones_are_skipped() {
        assert_eq!(lines_of(&[b"{\"a\":1}\r\n\n {}\n{\"b\"", b":2}"]), [&b"{\"a\":1}"[..], b"{}", b"{\"b\":2}"]);
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..80),
            cut in 0_usize..80,
        ) {
            let cut = cut.min(bytes.len());
            prop_assert_eq!(lines_of(&[&bytes]), lines_of(&[&bytes[..cut], &bytes[cut..]]));
        }
    }
}
