//! Owns the entries of a text file: its numbered lines without blank lines, with any line ending and a maximum length,
//! or the objects of a JSON document that spans several lines. Compressed files (gzip) are unpacked.

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
use crate::units::{not_utf_8, utf_16_of};

/// Maximum length of a line, in bytes (64 MiB). An agent's session of 2 000 requests in blocks of 64 tokens is shorter.
const MOST_BYTES: u64 = 64 << 20;
/// Maximum size of a JSON document that spans several lines, in bytes (1 GiB). It is held in memory as a whole.
const MOST_DOCUMENT_BYTES: u64 = 1 << 30;
/// Maximum size of a trace after unpacking, in bytes (64 GiB). No published trace is larger.
const MOST_TRACE_BYTES: u64 = 64 << 30;
/// Maximum ratio of unpacked to packed bytes. A file above it, and above `SUSPECT_BYTES`, counts as a decompression
/// bomb. The text of a trace has a ratio of 5 to 50.
const MOST_RATIO: u64 = 100;
/// Unpacked bytes (256 MiB) up to which `MOST_RATIO` is not checked, because reading them costs little.
const SUSPECT_BYTES: u64 = 256 << 20;

/// A reader that counts the bytes read from `source`.
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

/// The unpacked contents of a file. Reading fails when they are too large.
struct Bounded<R> {
    source: R,
    read: u64,
    most_bytes: u64,
    /// Bytes read from the compressed file; `None` when it is not compressed.
    packed: Option<Rc<Cell<u64>>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.read += read as u64;
        let too_much = |why: String| Err(std::io::Error::other(why));
        if self.read > self.most_bytes {
            return too_much(format!(
                "it holds more than {} GiB, the maximum size of a trace; split it",
                self.most_bytes >> 30
            ));
        }
        match &self.packed {
            Some(packed) if self.read > SUSPECT_BYTES && self.read / MOST_RATIO > packed.get() => too_much(format!(
                "it unpacks to more than {MOST_RATIO} times its size, unlike any trace; unpack it and check it"
            )),
            _ => Ok(read),
        }
    }
}

/// The lines of a file, one at a time, without CR, LF, byte-order mark and blank lines. The last line may lack a line
/// ending.
pub(crate) struct Lines<'a> {
    source: Box<dyn BufRead + 'a>,
    path: PathBuf,
    number: u64,
    /// The line where the entry begins. A row of a table may span several lines.
    entry: u64,
    buffer: Vec<u8>,
    document: Option<Document>,
    /// The separator of the fields of a table; `None` until it is known.
    delimiter: Option<char>,
}

/// A JSON document over several lines, with the line and the byte range of each of its objects.
struct Document {
    text: String,
    objects: VecDeque<(u64, Range<usize>)>,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(mut source: impl BufRead + 'a, path: &Path) -> Result<Self, Error> {
        let start =
            source.fill_buf().map_err(|why| Error::input(path, format!("cannot be read: {why}; check the file")))?;
        // Compression is detected by content: the file name is unreliable, and some tools unpack a file on the way.
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

    /// Sets the separator: from now on the entries are rows of a table, unless they are JSON.
    pub(crate) fn separated_by(&mut self, delimiter: char) {
        self.delimiter = Some(delimiter);
    }

    /// The next entry that is not blank, with its line from 1; `None` at the end of the file.
    pub(crate) fn advance(&mut self) -> Result<Option<(u64, &str)>, Error> {
        if self.document.is_none() && !self.read_line()? {
            return Ok(None);
        }
        if self.number == 1
            && let Some(why) = utf_16_of(&self.buffer)
        {
            return Err(self.refuse(why));
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
            // When tabs separate fields, tabs at the end are empty fields and must stay.
            Ok(text) if self.delimiter == Some('\t') => Ok(Some((number, text.trim_matches(['\r', '\n', ' '])))),
            Ok(text) => Ok(Some((number, text.trim()))),
            Err(why) => Err(self.refuse(not_utf_8(&self.buffer, why.valid_up_to()).1)),
        }
    }

    /// Reads the next line that is not blank. Returns whether there was one.
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
                        self.refuse("is longer than 64 MiB; a trace has one request or session per line".to_owned())
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

    /// Reads further lines while the row is inside quotes: a line break there belongs to the field (RFC 4180).
    fn read_quoted(&mut self) -> Result<(), Error> {
        if !self.buffer.contains(&b'"') || self.buffer.trim_ascii_start().starts_with(b"{") {
            return Ok(());
        }
        let opens = |delimiter: &char| Scan::new(*delimiter).is_open_after(&self.buffer);
        let delimiter = self.delimiter.or_else(|| DELIMITERS.into_iter().find(opens)).unwrap_or(',');
        let begun = self.number;
        // Each byte is scanned once: the state of the scan is kept from one line to the next.
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
        // Stray quotes in two rows would merge these rows into one and lose the other.
        if self.number > begun && scan.is_broken() {
            let why = format!(
                "has a quote that is closed in line {} by a quote that does not end its field; double the quotes in \
                 a field",
                self.number
            );
            return Err(Error::input_at(&self.path, begun, why));
        }
        Ok(())
    }

    /// Reads the rest of the file and finds the JSON objects in it.
    fn read_document(&mut self) -> Result<(), Error> {
        let mut bytes = std::mem::take(&mut self.buffer);
        let read = (&mut self.source).take(MOST_DOCUMENT_BYTES).read_to_end(&mut bytes);
        read.map_err(|why| Error::input(&self.path, format!("cannot be read: {why}; check the file")))?;
        if bytes.len() as u64 >= MOST_DOCUMENT_BYTES {
            return Err(Error::input(&self.path, "is one JSON document of more than 1 GiB; write one object per line"));
        }
        let text = String::from_utf8(bytes).map_err(|why| {
            let (line, words) = not_utf_8(why.as_bytes(), why.utf8_error().valid_up_to());
            Error::input_at(&self.path, line, words)
        })?;
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
                format!("is not JSON ({what}); write one whole object per line, or a list of objects"),
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

/// Whether `line` begins a JSON list, or a JSON object that continues on the next line.
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
        assert!(all(b"{\n\"a\":\n").unwrap_err().to_string().starts_with("t:3: is not JSON"), "cut off");
    }

    #[test]
    fn a_trace_is_read_up_to_what_is_stated() {
        let bounded = |most_bytes| Bounded { source: &[b'x'; 100][..], read: 0, most_bytes, packed: None };
        assert_eq!(bounded(100).read_to_end(&mut Vec::new()).unwrap(), 100);
        assert!(
            bounded(99).read_to_end(&mut Vec::new()).unwrap_err().to_string().contains("the maximum size of a trace")
        );
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_line() {
        assert!(all(b"a\n\xff\xfe\n").unwrap_err().to_string().starts_with("t:2: is not UTF-8"));
        assert!(all(b"\x1f\x8b\x08\0").unwrap_err().to_string().contains("cannot be read"));
    }
}
