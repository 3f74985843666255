//! Owns the records file: a header line, then one JSON line for each record (`cli.md`, "A record").

use std::io::{BufRead, Seek, Write};

use crate::error::Error;
use crate::record::Record;
use crate::units::{Offset, Window};

/// How much of each record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Everything.
    Full,
    /// Without `event_gaps_us` and `event_tokens`; then itl, tbt and stall cannot be read again.
    Compact,
}

/// The first line of a records file.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Hash of the plan; absent until the run has ended.
    pub plan_fingerprint: Option<String>,
    /// The measured window.
    pub window: Window,
    /// When the drain ended; absent until it has.
    pub drain_end: Option<Offset>,
    /// What the lines hold.
    pub detail: Detail,
}

/// Writes a records file.
#[derive(Debug)]
pub struct Writer<W: Write + Seek> {
    #[expect(dead_code, reason = "skeleton")]
    sink: W,
}

impl<W: Write + Seek> Writer<W> {
    /// Starts a file with a header that [`Writer::finish`] completes in place.
    pub fn new(_sink: W, _header: &Header) -> std::io::Result<Self> {
        todo!()
    }

    /// Appends one record.
    pub fn write(&mut self, _record: &Record) -> std::io::Result<()> {
        todo!()
    }

    /// Completes the header and flushes.
    pub fn finish(self, _header: &Header) -> std::io::Result<()> {
        todo!()
    }
}

/// Reads a records file.
#[derive(Debug)]
pub struct Reader<R: BufRead> {
    #[expect(dead_code, reason = "skeleton")]
    source: R,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header; `path` is for messages.
    pub fn new(_source: R, _path: &std::path::Path) -> Result<Self, Error> {
        todo!()
    }

    /// The header.
    pub fn header(&self) -> &Header {
        todo!()
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Record, Error>;
    fn next(&mut self) -> Option<Self::Item> {
        todo!()
    }
}
