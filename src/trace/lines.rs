//! Owns the lines of a text file: numbered, bounded, without blank ones, whatever ends them.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The longest line that is read: a request of ten million tokens in blocks of 16 has fewer bytes.
const MOST_BYTES: u64 = 16 << 20;

/// Lines of a file, one at a time: CR, LF, a byte-order mark and blank lines taken away, the last line with or without its end.
pub(crate) struct Lines<R> {
    source: R,
    path: PathBuf,
    number: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(source: R, path: &Path) -> Self {
        Self { source, path: path.to_owned(), number: 0, buffer: Vec::new() }
    }

    /// The next line that is not blank, and its number from 1.
    pub(crate) fn advance(&mut self) -> Result<Option<(u64, &str)>, Error> {
        loop {
            self.buffer.clear();
            let read = (&mut self.source).take(MOST_BYTES).read_until(b'\n', &mut self.buffer);
            self.number += 1;
            match read {
                Err(why) => return Err(self.refuse(format!("cannot be read: {why}"))),
                Ok(0) => return Ok(None),
                Ok(bytes) if bytes as u64 == MOST_BYTES && !self.buffer.ends_with(b"\n") => {
                    return Err(self.refuse("is longer than 16 MiB; a trace has one request a line".to_owned()));
                }
                Ok(_) => {}
            }
            if self.number == 1 && self.buffer.starts_with(&[0x1f, 0x8b]) {
                return Err(Error::input(&self.path, "is compressed (gzip); give what `gunzip --keep` makes of it"));
            }
            if self.number == 1 && self.buffer.starts_with(b"\xef\xbb\xbf") {
                self.buffer.drain(..3);
            }
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        match std::str::from_utf8(&self.buffer) {
            Ok(text) => Ok(Some((self.number, text.trim()))),
            Err(_) => Err(self.refuse("is not UTF-8 text; a trace is a text file".to_owned())),
        }
    }

    fn refuse(&self, why: String) -> Error {
        Error::input_at(&self.path, self.number, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<(u64, String)>, Error> {
        let mut lines = Lines::new(bytes, Path::new("t"));
        let mut seen = Vec::new();
        while let Some((number, text)) = lines.advance()? {
            seen.push((number, text.to_owned()));
        }
        Ok(seen)
    }

    #[test]
    fn every_way_to_end_a_line_gives_the_same_lines() {
        let wanted = vec![(1, "a".to_owned()), (3, "b".to_owned())];
        for text in ["a\n\nb\n", "a\r\n\r\nb", "\u{feff}a\n \nb\n\n", "a\n\nb\r\n\r\n"] {
            assert_eq!(all(text.as_bytes()).unwrap(), wanted, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_line() {
        assert!(all(b"a\n\xff\xfe\n").unwrap_err().to_string().starts_with("t:2: is not UTF-8"));
        assert!(all(b"\x1f\x8b\x08\0").unwrap_err().to_string().contains("gunzip"));
    }
}
