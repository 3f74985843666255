//! Owns `Chunks`: a chunked request body, put together as its bytes come.

use crate::sim::server::request::{BadHead, MOST_BODY_BYTES};

/// The longest line of a chunk size or a trailer, in bytes.
const MOST_LINE_BYTES: usize = 8 << 10;

/// A chunked body of which some bytes have come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chunks {
    pub(super) body: Vec<u8>,
    /// Bytes after the head that have been used.
    pub(super) used: usize,
    place: Place,
}

/// Which part of the framing comes next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Size,
    /// Data, this many bytes more.
    Data(usize),
    /// The line end after the data.
    DataEnd,
    Trailer,
    Done,
}

const BAD: BadHead = BadHead(400, "the chunks of the body are not framed as HTTP/1.1 asks");

impl Chunks {
    /// Uses what has come after the head, `raw`, as far as possible; true once the body is whole. No input makes it
    /// panic.
    pub(super) fn take(&mut self, raw: &[u8]) -> Result<bool, BadHead> {
        loop {
            let rest = raw.get(self.used..).unwrap_or_default();
            match self.place {
                Place::Done => return Ok(true),
                Place::Data(left) => {
                    let now = left.min(rest.len());
                    self.body.extend_from_slice(&rest[..now]);
                    self.used += now;
                    self.place = if now == left { Place::DataEnd } else { Place::Data(left - now) };
                    if now < left {
                        return Ok(false);
                    }
                }
                Place::Size | Place::DataEnd | Place::Trailer => {
                    let Some(end) = memchr::memchr(b'\n', rest) else {
                        return if rest.len() > MOST_LINE_BYTES { Err(BAD) } else { Ok(false) };
                    };
                    let line = rest[..end].strip_suffix(b"\r").ok_or(BAD)?;
                    self.used += end + 1;
                    self.place = self.after(line)?;
                }
            }
        }
    }

    /// What comes after the line `line`.
    fn after(&self, line: &[u8]) -> Result<Place, BadHead> {
        match self.place {
            Place::DataEnd if line.is_empty() => Ok(Place::Size),
            Place::Trailer if line.is_empty() => Ok(Place::Done),
            Place::Trailer => Ok(Place::Trailer),
            Place::Size => {
                let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(BAD);
                }
                let size = std::str::from_utf8(digits).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
                match size.ok_or(BAD)? {
                    0 => Ok(Place::Trailer),
                    size if size > MOST_BODY_BYTES - self.body.len() => Err(BadHead(413, "the body exceeds 64 MiB")),
                    size => Ok(Place::Data(size)),
                }
            }
            Place::DataEnd | Place::Data(_) | Place::Done => Err(BAD),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_chunked_body_is_the_same_whatever_the_reads() {
        let raw = b"5\r\nhello\r\n1;name=\"v\"\r\n \r\nA\r\n0123456789\r\n0\r\nx-sum: 1\r\n\r\nGET / HTTP/1.1\r\n";
        let framed = raw.len() - b"GET / HTTP/1.1\r\n".len();
        for width in 1..raw.len() {
            let mut chunks = Chunks::default();
            let mut end = 0;
            while !chunks.take(&raw[..end]).unwrap() {
                assert!(end < raw.len());
                end = (end + width).min(raw.len());
            }
            assert_eq!((chunks.body.as_slice(), chunks.used), (&b"hello 0123456789"[..], framed), "reads of {width}");
        }
        for bad in ["g\r\n", "-1\r\n", "5\nhello", "1\r\nab\r\n", "ffffffffffffffffff\r\n", "5 5\r\n"] {
            assert!(Chunks::default().take(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert_eq!(Chunks::default().take(b"5000000\r\n").unwrap_err().0, 413);
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in "[0-9a-f;\r\n \\PC]{0,80}") {
            let _ = Chunks::default().take(bytes.as_bytes());
        }
    }
}
