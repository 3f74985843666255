//! Owns the framing of event streams: bytes in any pieces to events, as the WHATWG standard reads them, without a limit on lines.

use memchr::memchr2;

/// Bytes that one event may hold before the stream counts as malformed. Not a limit on lines: a bound on what a broken server can make us keep.
pub const MOST_EVENT_BYTES: usize = 64 << 20;

/// The byte order mark that a stream may start with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An event grew past [`MOST_EVENT_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oversize;

/// Cuts a byte stream into events. Lines end in LF, CRLF or CR; `data` lines of one event are joined by LF; comments and other fields
/// pass unseen; an event that no blank line ends is never delivered. Works on bytes, so that a character split between reads is whole
/// again inside its event.
#[derive(Debug)]
pub struct Framer {
    /// The line that has not ended yet, unless it lies wholly in the current piece.
    line: Vec<u8>,
    /// The data of the event that has not ended yet.
    data: Vec<u8>,
    /// Whether `data` holds at least one (perhaps empty) data line.
    has_data: bool,
    /// The last piece ended in CR: an LF at the start of the next one belongs to it.
    after_cr: bool,
    /// No line has been read: a byte order mark may still come.
    at_start: bool,
    most_bytes: usize,
}

impl Default for Framer {
    fn default() -> Self {
        Self::with_limit(MOST_EVENT_BYTES)
    }
}

impl Framer {
    /// A framer that refuses events above `most_bytes`.
    #[must_use]
    pub fn with_limit(most_bytes: usize) -> Self {
        Self { line: Vec::new(), data: Vec::new(), has_data: false, after_cr: false, at_start: true, most_bytes }
    }

    /// Takes the next piece and hands each event that it completes to `on_event`, borrowed from the piece where possible.
    pub fn feed(&mut self, piece: &[u8], mut on_event: impl FnMut(&[u8])) -> Result<(), Oversize> {
        let mut rest = piece;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        // The only data line of the current event, while it lies in this piece and nothing had to be copied.
        let mut borrowed: Option<&[u8]> = None;
        while let Some(end) = memchr2(b'\n', b'\r', rest) {
            let (head, tail) = rest.split_at(end);
            let in_piece = self.line.is_empty();
            let carried = if in_piece {
                Vec::new()
            } else {
                self.line.extend_from_slice(head);
                std::mem::take(&mut self.line)
            };
            let line = self.without_mark(if in_piece { head } else { &carried });
            rest = match tail {
                [b'\r', b'\n', after @ ..] | [_, after @ ..] => after,
                [] => tail,
            };
            self.after_cr = tail == b"\r";
            if line.is_empty() {
                self.dispatch(borrowed.take(), &mut on_event);
            } else if let Some(value) = data_value(line) {
                if in_piece && !self.has_data && borrowed.is_none() {
                    borrowed = Some(&head[head.len() - value.len()..]);
                } else {
                    self.keep(borrowed.take());
                    self.keep(Some(value));
                }
            }
            if self.data.len() > self.most_bytes || line.len() > self.most_bytes {
                return Err(Oversize);
            }
        }
        self.keep(borrowed);
        self.line.extend_from_slice(rest);
        if self.line.len() + self.data.len() > self.most_bytes { Err(Oversize) } else { Ok(()) }
    }

    /// Bytes kept of what has not ended yet.
    pub(super) fn held(&self) -> usize {
        self.line.capacity() + self.data.capacity()
    }

    fn without_mark<'line>(&mut self, line: &'line [u8]) -> &'line [u8] {
        if std::mem::take(&mut self.at_start) { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line }
    }

    /// Copies a data line into the event that has not ended yet.
    fn keep(&mut self, value: Option<&[u8]>) {
        if let Some(value) = value {
            if self.has_data {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value);
            self.has_data = true;
        }
    }

    fn dispatch(&mut self, borrowed: Option<&[u8]>, on_event: &mut impl FnMut(&[u8])) {
        if let Some(event) = borrowed {
            on_event(event);
        } else if std::mem::take(&mut self.has_data) {
            on_event(&self.data);
            self.data.clear();
        }
    }
}

/// The value of a `data` field, without the one space that may precede it; `None` for comments and other fields.
fn data_value(line: &[u8]) -> Option<&[u8]> {
    match line.strip_prefix(b"data")? {
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        [] => Some(&[]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events_of(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut framer = Framer::default();
        let mut events = Vec::new();
        for piece in pieces {
            framer.feed(piece, |event| events.push(event.to_vec())).unwrap();
        }
        events
    }

    /// The standard, read literally: the whole stream at once, one byte at a time, no thought of speed.
    fn oracle(stream: &[u8]) -> Vec<Vec<u8>> {
        let stream = stream.strip_prefix(BYTE_ORDER_MARK).unwrap_or(stream);
        let mut lines = vec![];
        let mut line = vec![];
        let mut i = 0;
        while i < stream.len() {
            match stream[i] {
                b'\r' => {
                    lines.push(std::mem::take(&mut line));
                    if stream.get(i + 1) == Some(&b'\n') {
                        i += 1;
                    }
                }
                b'\n' => lines.push(std::mem::take(&mut line)),
                byte => line.push(byte),
            }
            i += 1;
        }
        let mut events = vec![];
        let mut buffer: Vec<u8> = vec![];
        for line in lines {
            if line.is_empty() {
                if buffer.pop().is_some() {
                    events.push(std::mem::take(&mut buffer));
                }
                continue;
            }
            let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
            if &line[..colon] == b"data" {
                let value = line.get(colon + 1..).unwrap_or(&[]);
                buffer.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
                buffer.push(b'\n');
            }
        }
        events
    }

    #[test]
    fn every_line_ending_and_field_form_is_read() {
        let stream = b"\xef\xbb\xbf: hello\r\ndata:one\r\n\r\nevent: x\rdata: two\rdata:  three\r\rid: 7\ndata\n\ndata: cut off";
        assert_eq!(events_of(&[stream]), [b"one".to_vec(), b"two\n three".to_vec(), b"".to_vec()]);
    }

    #[test]
    fn a_comment_or_another_field_is_no_event() {
        assert_eq!(events_of(&[b": ping\n\nevent: message\n\ndatabase: 1\n\n"]), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn an_event_within_one_piece_is_not_copied() {
        let stream = b"data: {\"a\":1}\n\n";
        let mut framer = Framer::default();
        let mut inside = false;
        framer.feed(stream, |event| inside = stream.as_ptr_range().contains(&event.as_ptr())).unwrap();
        assert!(inside);
        assert_eq!((framer.line.capacity(), framer.data.capacity()), (0, 0), "nothing was kept");
    }

    #[test]
    fn an_event_without_end_is_refused_at_the_limit() {
        for endless in [b"data: xxxxxxxx".as_slice(), b"data: x\n"] {
            let mut framer = Framer::with_limit(1000);
            let fed = (0..1000).find(|_| framer.feed(endless, |_| ()).is_err());
            assert!(fed.is_some_and(|pieces| pieces < 1000), "{endless:?}");
        }
    }

    fn stream_pieces() -> impl Strategy<Value = Vec<u8>> {
        let words = prop_oneof![
            Just(b"data: ".to_vec()),
            Just(b"data:".to_vec()),
            Just(b"data".to_vec()),
            Just(b"\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\n\n".to_vec()),
            Just(b":".to_vec()),
            Just(b" ".to_vec()),
            Just(BYTE_ORDER_MARK.to_vec()),
            Just("é→🦀".as_bytes().to_vec()),
            Just(b"{\"x\":\"y\"}".to_vec()),
            prop::collection::vec(any::<u8>(), 0..4),
        ];
        prop::collection::vec(words, 0..40).prop_map(|words| words.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn any_split_gives_the_events_of_the_whole(stream in stream_pieces(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
            prop_assert_eq!(events_of(&pieces), oracle(&stream));
        }

        #[test]
        fn one_byte_at_a_time_gives_the_events_of_the_whole(stream in stream_pieces()) {
            let pieces: Vec<&[u8]> = stream.chunks(1).collect();
            prop_assert_eq!(events_of(&pieces), oracle(&stream));
        }
    }
}
