//! Owns the framing of event streams: cuts bytes, in pieces of any size, into events as the WHATWG standard defines
//! them, without a limit on lines.

use memchr::memchr2;

/// Bytes that one event may hold before the stream counts as malformed. It bounds the memory that a broken server can
/// make us use.
pub const MOST_EVENT_BYTES: usize = 32 << 20;

/// The byte order mark that a stream may start with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An event grew past the limit of its framer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oversize;

/// One finding in the stream: an event, or a line that matters on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block<'a> {
    /// The data of an event.
    Data(&'a [u8]),
    /// An event whose name says error (`event: error`): its data, or else its comments. Also the value of a field
    /// `error`.
    Error(&'a [u8]),
    /// A line that is not a field of the standard: a bare JSON object, plain text, a line of an HTML page. The standard
    /// ignores such lines, but servers and proxies write error messages there.
    Stray(&'a [u8]),
}

/// Values of a field `error` that mean no error.
const NO_ERROR: [&[u8]; 6] = [b"", b"null", b"false", b"0", b"{}", b"[]"];

/// Bytes of an event's comments that are kept, in case its name says error.
const MOST_WORDS_BYTES: usize = 300;

/// Cuts a byte stream into events. Lines end in LF, CRLF or CR; `data` lines of one event are joined by LF. Comments
/// and other fields are ignored, except where servers report errors in them. An event without a closing blank line is
/// delivered only by [`Framer::finish`]. The framer works on bytes, so that a character split between two reads is
/// whole again inside its event.
#[derive(Debug)]
pub struct Framer {
    /// The bytes of the unfinished line from earlier pieces.
    line: Vec<u8>,
    /// The data of the unfinished event.
    data: Vec<u8>,
    /// Whether `data` holds at least one data line, which may be empty.
    has_data: bool,
    /// Whether the name of the unfinished event says error.
    is_error: bool,
    /// The start of the comments of the unfinished event.
    words: Vec<u8>,
    /// The last piece ended in CR: an LF at the start of the next piece belongs to the same line end.
    after_cr: bool,
    /// No line has been read yet: a byte order mark may still come.
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
        Self {
            line: Vec::new(),
            data: Vec::new(),
            has_data: false,
            is_error: false,
            words: Vec::new(),
            after_cr: false,
            at_start: true,
            most_bytes,
        }
    }

    /// Bytes kept of the unfinished line and event.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.line.len() + self.data.len()
    }

    /// Takes the next piece and hands each block that it completes to `on_block`, borrowed from the piece where
    /// possible. Fails when an event is too large.
    pub fn feed(&mut self, piece: &[u8], mut on_block: impl FnMut(Block<'_>)) -> Result<(), Oversize> {
        let mut rest = piece;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        // The data line of the current event, while it is the only one and lies in this piece: no copy is needed.
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
                self.dispatch(borrowed.take(), &mut on_block);
            } else if let Some(value) = field(line, b"data") {
                if in_piece && !self.has_data && borrowed.is_none() {
                    borrowed = Some(&head[head.len() - value.len()..]);
                } else {
                    self.keep(borrowed.take());
                    self.keep(Some(value));
                }
            } else {
                self.other_line(line, &mut on_block);
            }
            if self.data.len() > self.most_bytes || line.len() > self.most_bytes {
                return Err(Oversize);
            }
        }
        self.keep(borrowed);
        self.line.extend_from_slice(rest);
        if self.line.len() + self.data.len() > self.most_bytes { Err(Oversize) } else { Ok(()) }
    }

    fn without_mark<'line>(&mut self, line: &'line [u8]) -> &'line [u8] {
        if std::mem::take(&mut self.at_start) { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line }
    }

    /// Copies a data line into the unfinished event.
    fn keep(&mut self, value: Option<&[u8]>) {
        if let Some(value) = value {
            if self.has_data {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value);
            self.has_data = true;
        }
    }

    /// A line that is neither blank nor data.
    fn other_line(&mut self, line: &[u8], on_block: &mut impl FnMut(Block<'_>)) {
        if let [b':', comment @ ..] = line {
            let room = MOST_WORDS_BYTES.saturating_sub(self.words.len());
            if room > 0 {
                let comment = comment.trim_ascii();
                self.words.extend_from_slice(if self.words.is_empty() { b"" } else { b" " });
                self.words.extend_from_slice(&comment[..comment.len().min(room)]);
            }
        } else if let Some(name) = field(line, b"event") {
            self.is_error = names_error(name);
        } else if let Some(value) = field(line, b"error") {
            if !NO_ERROR.contains(&value.trim_ascii()) {
                on_block(Block::Error(value));
            }
        } else if !["id", "retry"].iter().any(|name| field(line, name.as_bytes()).is_some()) {
            on_block(Block::Stray(line));
        }
    }

    fn dispatch(&mut self, borrowed: Option<&[u8]>, on_block: &mut impl FnMut(Block<'_>)) {
        let is_error = std::mem::take(&mut self.is_error);
        let has_data = std::mem::take(&mut self.has_data);
        let data = borrowed.or_else(|| has_data.then_some(self.data.as_slice()));
        match (is_error, data) {
            (false, Some(data)) => on_block(Block::Data(data)),
            (true, Some(data)) if !data.trim_ascii().is_empty() => on_block(Block::Error(data)),
            (true, _) => on_block(Block::Error(&self.words)),
            (false, None) => {}
        }
        self.data.clear();
        self.words.clear();
    }

    /// Hands over the last event, which has no closing blank line. Call it after the whole stream was fed.
    pub fn finish(&mut self, mut on_block: impl FnMut(Block<'_>)) {
        let line = std::mem::take(&mut self.line);
        let line = self.without_mark(&line);
        if let Some(value) = field(line, b"data") {
            self.keep(Some(value));
        } else if !line.is_empty() {
            self.other_line(line, &mut on_block);
        }
        self.dispatch(None, &mut on_block);
    }
}

/// The value of the field `name`, without the one space that may precede it; `None` for comments and other fields.
fn field<'line>(line: &'line [u8], name: &[u8]) -> Option<&'line [u8]> {
    match line.strip_prefix(name)? {
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        [] => Some(&[]),
        _ => None,
    }
}

/// Whether the name of an event says error: `error`, `response.failed`, `exception` and similar names.
fn names_error(name: &[u8]) -> bool {
    let name = name.trim_ascii().to_ascii_lowercase();
    ["error", "exception", "failed", "failure", "abort"].iter().any(|word| name.ends_with(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events_of(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut framer = Framer::default();
        let mut events = Vec::new();
        for piece in pieces {
            framer
                .feed(piece, |block| {
                    if let Block::Data(event) = block {
                        events.push(event.to_vec());
                    }
                })
                .unwrap();
        }
        events
    }

    /// The standard, implemented literally: reads the whole stream byte by byte, without care for speed.
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
        let stream =
            b"\xef\xbb\xbf: hello\r\ndata:one\r\n\r\nevent: x\rdata: two\rdata:  three\r\rid: 7\ndata\n\ndata: cut off";
        assert_eq!(events_of(&[stream]), [b"one".to_vec(), b"two\n three".to_vec(), b"".to_vec()]);
    }

    #[test]
    fn a_comment_or_another_line_is_no_event() {
        assert_eq!(events_of(&[b": ping\n\nevent: message\n\ndatabase: 1\n\n"]), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn an_event_within_one_piece_is_not_copied() {
        let stream = b"data: {\"a\":1}\n\n";
        let mut framer = Framer::default();
        let mut inside = false;
        framer
            .feed(stream, |block| {
                inside = matches!(block, Block::Data(event) if stream.as_ptr_range().contains(&event.as_ptr()));
            })
            .unwrap();
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

    /// Every block of `stream`, its end included, as a letter and its bytes.
    fn blocks_of(stream: &[u8]) -> Vec<(char, String)> {
        let mut framer = Framer::default();
        let mut blocks = Vec::new();
        let mut note = |block: Block<'_>| {
            let (letter, bytes) = match block {
                Block::Data(bytes) => ('d', bytes),
                Block::Error(bytes) => ('e', bytes),
                Block::Stray(bytes) => ('s', bytes),
            };
            blocks.push((letter, String::from_utf8_lossy(bytes).into_owned()));
        };
        for byte in stream {
            framer.feed(std::slice::from_ref(byte), &mut note).unwrap();
        }
        framer.finish(&mut note);
        blocks
    }

    #[test]
    fn what_servers_say_beside_data_is_heard() {
        for (stream, expected) in [
            ("event: error\n: gave up\n\n", &[('e', "gave up")][..]),
            (": gave\n: up\nevent:error\n\n", &[('e', "gave up")]),
            ("event: error\ndata: {}\n\ndata: x\n\n", &[('e', "{}"), ('d', "x")]),
            ("event: error\ndata:\n: why\n\n", &[('e', "why")]),
            ("event: error\r\n\r\n", &[('e', "")]),
            ("event: response.failed\rdata: a\r\r", &[('e', "a")]),
            ("event: error\nevent: message\ndata: a\n\n", &[('d', "a")]),
            ("event: message\ndata: a\n\n: ping\n\n", &[('d', "a")]),
            ("data: a\n\n{\"error\":1}\n\n", &[('d', "a"), ('s', "{\"error\":1}")]),
            (
                "data: a\n\nInternal Server Error\n<p>x: y\n\n",
                &[('d', "a"), ('s', "Internal Server Error"), ('s', "<p>x: y")],
            ),
            ("id: 1\nretry: 5\nid\ndata: a\n\nOops", &[('d', "a"), ('s', "Oops")]),
            ("error: {\"code\":1}\n\n", &[('e', "{\"code\":1}")]),
            ("error: null\ndata: a\n\n", &[('d', "a")]),
            ("data: a\n\ndata: [DONE]", &[('d', "a"), ('d', "[DONE]")]),
            ("data: a\n\nevent: error\n: why", &[('d', "a"), ('e', "why")]),
        ] {
            let found = blocks_of(stream.as_bytes());
            let found: Vec<(char, &str)> = found.iter().map(|(letter, bytes)| (*letter, bytes.as_str())).collect();
            assert_eq!(found, expected, "{stream:?}");
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
        fn any_split_gives_the_events_of_the_whole(stream in stream_pieces(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
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
