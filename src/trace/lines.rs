//! Owns the entries of a text file: its lines, numbered, bounded, without blank ones, whatever ends them; or the objects of a JSON
//! document that spreads over lines. Compressed files (gzip) are read as what they hold.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::error::Error;

/// The longest line that is read: an agent's session of two thousand requests in blocks of 64 tokens has fewer bytes.
const MOST_BYTES: u64 = 64 << 20;
/// The longest JSON document that spreads over lines, which has to be held whole.
const MOST_DOCUMENT_BYTES: u64 = 1 << 30;

/// Lines of a file, one at a time: CR, LF, a byte-order mark and blank lines taken away, the last line with or without its end.
pub(crate) struct Lines<'a> {
    source: Box<dyn BufRead + 'a>,
    path: PathBuf,
    number: u64,
    buffer: Vec<u8>,
    document: Option<Document>,
}

/// A JSON document over several lines, and where its objects stand in it.
struct Document {
    text: String,
    objects: VecDeque<(u64, Range<usize>)>,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(mut source: impl BufRead + 'a, path: &Path) -> Result<Self, Error> {
        let start = source.fill_buf().map_err(|why| Error::input(path, format!("cannot be read: {why}; check the file")))?;
        // By content: a name says little, and some tools unpack on the way.
        let source: Box<dyn BufRead + 'a> = if start.starts_with(&[0x1f, 0x8b]) {
            Box::new(BufReader::with_capacity(1 << 18, MultiGzDecoder::new(source)))
        } else {
            Box::new(source)
        };
        Ok(Self { source, path: path.to_owned(), number: 0, buffer: Vec::new(), document: None })
    }

    /// The next entry that is not blank, and its line from 1.
    pub(crate) fn advance(&mut self) -> Result<Option<(u64, &str)>, Error> {
        if self.document.is_none() && !self.read_line()? {
            return Ok(None);
        }
        if self.document.is_none() && self.number == 1 && starts_document(&self.buffer) {
            self.read_document()?;
        }
        let next = match &mut self.document {
            Some(document) => document.objects.pop_front(),
            None => Some((self.number, 0..self.buffer.len())),
        };
        let Some((number, range)) = next else { return Ok(None) };
        if let Some(document) = &self.document {
            return Ok(document.text.get(range).map(|text| (number, text)));
        }
        match std::str::from_utf8(&self.buffer) {
            Ok(text) => Ok(Some((number, text.trim()))),
            Err(_) => Err(self.refuse("is not UTF-8 text; a trace is a text file".to_owned())),
        }
    }

    /// Whether there is another line that is not blank.
    fn read_line(&mut self) -> Result<bool, Error> {
        loop {
            self.buffer.clear();
            let read = (&mut self.source).take(MOST_BYTES).read_until(b'\n', &mut self.buffer);
            self.number += 1;
            match read {
                Err(why) => return Err(self.refuse(format!("cannot be read: {why}; check the file"))),
                Ok(0) => return Ok(false),
                Ok(bytes) if bytes as u64 == MOST_BYTES && !self.buffer.ends_with(b"\n") => {
                    return Err(self.refuse("is longer than 64 MiB; a trace has one request or session a line".to_owned()));
                }
                Ok(_) => {}
            }
            if self.number == 1 && self.buffer.starts_with(b"\xef\xbb\xbf") {
                self.buffer.drain(..3);
            }
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    /// Reads the rest, and finds the objects in it.
    fn read_document(&mut self) -> Result<(), Error> {
        let mut bytes = std::mem::take(&mut self.buffer);
        let read = (&mut self.source).take(MOST_DOCUMENT_BYTES).read_to_end(&mut bytes);
        read.map_err(|why| Error::input(&self.path, format!("cannot be read: {why}; check the file")))?;
        if bytes.len() as u64 >= MOST_DOCUMENT_BYTES {
            return Err(Error::input(&self.path, "is one JSON document of more than 1 GiB; write one object a line"));
        }
        let text = String::from_utf8(bytes).map_err(|_| Error::input(&self.path, "is not UTF-8 text; a trace is a text file"))?;
        let mut objects = VecDeque::new();
        let (mut line, mut counted) = (1, 0);
        let mut add = |value: &RawValue| {
            let start = value.get().as_ptr().addr() - text.as_ptr().addr();
            line += memchr::memchr_iter(b'\n', &text.as_bytes()[counted..start]).count() as u64;
            counted = start;
            objects.push_back((line, start..start + value.get().len()));
        };
        let broken = |why: serde_json::Error| {
            let said = why.to_string();
            let what = said.split(" at line ").next().unwrap_or(&said).to_owned();
            Error::input_at(&self.path, why.line() as u64, format!("is no JSON ({what}); write one whole object a line, or a list of them"))
        };
        for value in serde_json::Deserializer::from_str(&text).into_iter::<&RawValue>() {
            let value = value.map_err(broken)?;
            if value.get().starts_with('[') {
                let list: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(broken)?;
                list.into_iter().for_each(&mut add);
            } else {
                add(value);
            }
        }
        self.document = Some(Document { text, objects });
        Ok(())
    }

    fn refuse(&self, why: String) -> Error {
        Error::input_at(&self.path, self.number, why)
    }
}

/// Whether JSON begins here that goes on behind this line, or a list.
fn starts_document(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.starts_with(b"[") || (line.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(line).is_err_and(|why| why.is_eof()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn all(bytes: &[u8]) -> Result<Vec<(u64, String)>, Error> {
        let mut lines = Lines::new(bytes, Path::new("t"))?;
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
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(text.as_bytes()).unwrap();
            assert_eq!(all(&packed.finish().unwrap()).unwrap(), wanted, "{text:?}, compressed");
        }
    }

    #[test]
    fn a_document_over_several_lines_is_its_objects() {
        let wanted = |lines: [u64; 2]| vec![(lines[0], "{\"a\": 1}".to_owned()), (lines[1], "{\"b\": [2]}".to_owned())];
        for (text, lines) in [
            ("[{\"a\": 1}, {\"b\": [2]}]", [1, 1]),
            ("[\n {\"a\": 1},\n {\"b\": [2]}\n]\n", [2, 3]),
            ("\u{feff}[\n{\"a\": 1}\n,\n\n{\"b\": [2]}]", [2, 5]),
            ("{\"a\": 1}\n{\"b\": [2]}", [1, 2]),
        ] {
            assert_eq!(all(text.as_bytes()).unwrap(), wanted(lines), "{text}");
        }
        assert_eq!(all(b"{\n\"a\":\n1}\n{\n}").unwrap(), [(1, "{\n\"a\":\n1}".to_owned()), (4, "{\n}".to_owned())]);
        assert!(all(b"{\n\"a\":\n").unwrap_err().to_string().starts_with("t:3: is no JSON"), "cut off");
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_line() {
        assert!(all(b"a\n\xff\xfe\n").unwrap_err().to_string().starts_with("t:2: is not UTF-8"));
        assert!(all(b"\x1f\x8b\x08\0").unwrap_err().to_string().contains("cannot be read"));
    }
}
