//! Owns the entries of a text file: its lines, numbered, bounded, without blank ones, whatever ends them; or the
//! objects of a JSON document that spreads over lines. Compressed files (gzip) are read as what they hold.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::trace::table::{DELIMITERS, Scan};

/// The longest line that is read: an agent's session of two thousand requests in blocks of 64 tokens has fewer bytes.
const MOST_BYTES: u64 = 64 << 20;
/// The longest JSON document that spreads over lines, which has to be held whole.
const MOST_DOCUMENT_BYTES: u64 = 1 << 30;
/// The most bytes of a trace, unpacked: more than any trace that is published, and rows for a day of reading.
const MOST_TRACE_BYTES: u64 = 64 << 30;
/// A compressed file is a bomb where it unpacks to more than so many times its bytes (text of a trace: 5 to 50
/// times), ...
const MOST_RATIO: u64 = 100;
/// ... and to more than this: below it nothing is lost by reading on.
const SUSPECT_BYTES: u64 = 256 << 20;

/// Counts the bytes that go through.
struct Counted<R> {
    source: R,
    bytes: Rc<Cell<u64>>,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.bytes.set(self.bytes.get() + read as u64);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.source.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes as u64);
        self.source.consume(bytes);
    }
}

/// What a file unpacks to, which ends with an error where that is too much.
struct Bounded<R> {
    source: R,
    read: u64,
    most_bytes: u64,
    /// Bytes of the file itself, where it is compressed.
    packed: Option<Rc<Cell<u64>>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.read += read as u64;
        let too_much = |why: String| Err(std::io::Error::other(why));
        if self.read > self.most_bytes {
            return too_much(format!(
                "it holds more than {} GiB, the most that is read of a trace",
                self.most_bytes >> 30
            ));
        }
        match &self.packed {
            Some(packed) if self.read > SUSPECT_BYTES && self.read / MOST_RATIO > packed.get() => too_much(format!(
                "it unpacks to more than {MOST_RATIO} times its size, as no trace does; unpack it to see what it holds"
            )),
            _ => Ok(read),
        }
    }
}

/// Lines of a file, one at a time: CR, LF, a byte-order mark and blank lines taken away, the last line with or
/// without its end.
pub(crate) struct Lines<'a> {
    source: Box<dyn BufRead + 'a>,
    path: PathBuf,
    number: u64,
    /// The line where the entry begins: a row of a table may go on over several.
    entry: u64,
    buffer: Vec<u8>,
    document: Option<Document>,
    /// What separates the fields of a table, once that is known.
    delimiter: Option<char>,
}

/// A JSON document over several lines, and where its objects stand in it.
struct Document {
    text: String,
    objects: VecDeque<(u64, Range<usize>)>,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(mut source: impl BufRead + 'a, path: &Path) -> Result<Self, Error> {
        let start =
            source.fill_buf().map_err(|why| Error::input(path, format!("cannot be read: {why}; check the file")))?;
        // By content: a name says little, and some tools unpack on the way.
        let is_packed = start.starts_with(&[0x1f, 0x8b]);
        let bounded =
            |source: Box<dyn Read + 'a>, packed| Bounded { source, read: 0, most_bytes: MOST_TRACE_BYTES, packed };
        let bounded = if is_packed {
            let bytes = Rc::new(Cell::new(0));
            let source = Counted { source, bytes: Rc::clone(&bytes) };
            bounded(Box::new(MultiGzDecoder::new(source)), Some(bytes))
        } else {
            bounded(Box::new(source), None)
        };
        let source = Box::new(BufReader::with_capacity(1 << 18, bounded));
        Ok(Self {
            source,
            path: path.to_owned(),
            number: 0,
            entry: 0,
            buffer: Vec::new(),
            document: None,
            delimiter: None,
        })
    }

    /// From now on the entries are rows of a table, unless they are JSON.
    pub(crate) fn separated_by(&mut self, delimiter: char) {
        self.delimiter = Some(delimiter);
    }

    /// The next entry that is not blank, and its line from 1.
    pub(crate) fn advance(&mut self) -> Result<Option<(u64, &str)>, Error> {
        if self.document.is_none() && !self.read_line()? {
            return Ok(None);
        }
        if self.document.is_none() && self.number == 1 && starts_document(&self.buffer) {
            self.read_document()?;
        }
        if self.document.is_none() {
            self.read_quoted()?;
        }
        let next = match &mut self.document {
            Some(document) => document.objects.pop_front(),
            None => Some((self.entry, 0..self.buffer.len())),
        };
        let Some((number, range)) = next else { return Ok(None) };
        if let Some(document) = &self.document {
            return Ok(document.text.get(range).map(|text| (number, text)));
        }
        match std::str::from_utf8(&self.buffer) {
            // Tabs at the end are empty fields where tabs separate fields.
            Ok(text) if self.delimiter == Some('\t') => Ok(Some((number, text.trim_matches(['\r', '\n', ' '])))),
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
                    return Err(
                        self.refuse("is longer than 64 MiB; a trace has one request or session a line".to_owned())
                    );
                }
                Ok(_) => {}
            }
            if self.number == 1 && self.buffer.starts_with(b"\xef\xbb\xbf") {
                self.buffer.drain(..3);
            }
            if !self.buffer.trim_ascii().is_empty() {
                self.entry = self.number;
                return Ok(true);
            }
        }
    }

    /// Reads on while the row that was begun is within quotes: a line break there is text of its field (RFC 4180).
    fn read_quoted(&mut self) -> Result<(), Error> {
        if !self.buffer.contains(&b'"') || self.buffer.trim_ascii_start().starts_with(b"{") {
            return Ok(());
        }
        let opens = |delimiter: &char| Scan::new(*delimiter).is_open_after(&self.buffer);
        let delimiter = self.delimiter.or_else(|| DELIMITERS.into_iter().find(opens)).unwrap_or(',');
        let begun = self.number;
        // Each byte is looked at once: where the row stands goes from one line to the next.
        let mut scan = Scan::new(delimiter);
        let mut open = scan.is_open_after(&self.buffer);
        while open {
            let start = self.buffer.len();
            let room = MOST_BYTES.saturating_sub(start as u64);
            let read = (&mut self.source).take(room).read_until(b'\n', &mut self.buffer);
            match read {
                Err(why) => return Err(self.refuse(format!("cannot be read: {why}; check the file"))),
                Ok(0) => {
                    let why = "has a quote that is not closed within 64 MiB; close it, or leave the column out";
                    return Err(Error::input_at(&self.path, begun, why));
                }
                Ok(_) => self.number += 1,
            }
            open = scan.is_open_after(&self.buffer[start..]);
        }
        // Two quotes that belong to two rows would make one row of them, and lose the other.
        if self.number > begun && scan.is_broken() {
            let why = format!(
                "has a quote that is closed in line {} by one that does not end its field; double quotes within a \
                 field",
                self.number
            );
            return Err(Error::input_at(&self.path, begun, why));
        }
        Ok(())
    }

    /// Reads the rest, and finds the objects in it.
    fn read_document(&mut self) -> Result<(), Error> {
        let mut bytes = std::mem::take(&mut self.buffer);
        let read = (&mut self.source).take(MOST_DOCUMENT_BYTES).read_to_end(&mut bytes);
        read.map_err(|why| Error::input(&self.path, format!("cannot be read: {why}; check the file")))?;
        if bytes.len() as u64 >= MOST_DOCUMENT_BYTES {
            return Err(Error::input(&self.path, "is one JSON document of more than 1 GiB; write one object a line"));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| Error::input(&self.path, "is not UTF-8 text; a trace is a text file"))?;
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
            Error::input_at(
                &self.path,
                why.line() as u64,
                format!("is no JSON ({what}); write one whole object a line, or a list of them"),
            )
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
    line.starts_with(b"[")
        || (line.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(line).is_err_and(|why| why.is_eof()))
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
    fn a_trace_is_read_up_to_what_is_stated() {
        let bounded = |most_bytes| Bounded { source: &[b'x'; 100][..], read: 0, most_bytes, packed: None };
        assert_eq!(bounded(100).read_to_end(&mut Vec::new()).unwrap(), 100);
        assert!(
            bounded(99)
                .read_to_end(&mut Vec::new())
                .unwrap_err()
                .to_string()
                .contains("the most that is read of a trace")
        );
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_line() {
        assert!(all(b"a\n\xff\xfe\n").unwrap_err().to_string().starts_with("t:2: is not UTF-8"));
        assert!(all(b"\x1f\x8b\x08\0").unwrap_err().to_string().contains("cannot be read"));
    }
}
