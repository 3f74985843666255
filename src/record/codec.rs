//! Owns the records file: a header line, then one JSON line for each record.

use std::io::{BufRead, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::record::Record;
use crate::record::line::{Line, Names};
use crate::units::{Offset, Shard, Window};

/// The schema number this version writes and the only one it reads.
pub(crate) const SCHEMA: u32 = 1;

/// Bytes of the header line, its newline included: padded with spaces, so that it can be completed in place.
const HEADER_BYTES: usize = 1_024;

/// Maximum length of a line: a file without newlines must not fill the memory.
const MOST_LINE_BYTES: u64 = 64 << 20;

/// How much of each record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// The measured window; its end is [`Offset::NEVER`] while a closed loop by count still runs.
    pub window: Window,
    /// When the planned load ends, cool-down included ([`Offset::NEVER`] while unknown).
    pub load_end: Offset,
    /// When the drain ended; absent until it has, so absent from the file of a killed run.
    pub drain_end: Option<Offset>,
    /// Requests that were planned but not due when the run was cut short; absent until it has ended.
    pub not_due: Option<u64>,
    /// Whether answers were streamed: without streaming there is no ttft, ttfo, tpot, itl, tbt, stall or output speed.
    pub streamed: bool,
    /// How much of each record the lines hold.
    pub detail: Detail,
    /// The part of the plan that the records belong to; absent for the whole plan.
    pub shard: Option<Shard>,
}

/// The header as written in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine {
    tonnage_records: u32,
    plan_fingerprint: Option<String>,
    window: WindowLine,
    load_end_s: Option<Offset>,
    drain_end_s: Option<Offset>,
    not_due: Option<u64>,
    streamed: bool,
    detail: Detail,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shard: Option<Shard>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowLine {
    start_s: Offset,
    end_s: Option<Offset>,
}

fn known(at: Offset) -> Option<Offset> {
    (at != Offset::NEVER).then_some(at)
}

impl Header {
    fn to_line(&self) -> std::io::Result<Vec<u8>> {
        let line = HeaderLine {
            tonnage_records: SCHEMA,
            plan_fingerprint: self.plan_fingerprint.clone(),
            window: WindowLine { start_s: self.window.start, end_s: known(self.window.end) },
            load_end_s: known(self.load_end),
            drain_end_s: self.drain_end,
            not_due: self.not_due,
            streamed: self.streamed,
            detail: self.detail,
            shard: self.shard,
        };
        let mut bytes = serde_json::to_vec(&line)?;
        if bytes.len() >= HEADER_BYTES {
            return Err(std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "the header of the records does not fit its line",
            ));
        }
        bytes.resize(HEADER_BYTES - 1, b' ');
        bytes.push(b'\n');
        Ok(bytes)
    }

    fn from_line(line: HeaderLine) -> Self {
        Self {
            plan_fingerprint: line.plan_fingerprint,
            window: Window { start: line.window.start_s, end: line.window.end_s.unwrap_or(Offset::NEVER) },
            load_end: line.load_end_s.unwrap_or(Offset::NEVER),
            drain_end: line.drain_end_s,
            not_due: line.not_due,
            streamed: line.streamed,
            detail: line.detail,
            shard: line.shard,
        }
    }
}

/// Writes a records file. It does not buffer: pass a `BufWriter`.
#[derive(Debug)]
pub struct Writer<W: Write + Seek> {
    sink: W,
    start: u64,
    detail: Detail,
    line: Vec<u8>,
}

impl<W: Write + Seek> Writer<W> {
    /// Starts a file at the sink's position with a header that [`Writer::finish`] completes in place.
    pub fn new(mut sink: W, header: &Header) -> std::io::Result<Self> {
        let start = sink.stream_position()?;
        sink.write_all(&header.to_line()?)?;
        Ok(Self { sink, start, detail: header.detail, line: Vec::with_capacity(1_024) })
    }

    /// Appends one record.
    pub fn write(&mut self, record: &Record) -> std::io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, &Line::of(record, self.detail == Detail::Full))?;
        self.line.push(b'\n');
        self.sink.write_all(&self.line)
    }

    /// The sink that the file is written to.
    pub fn sink(&self) -> &W {
        &self.sink
    }

    /// Flushes the sink, so that a killed run loses little.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.sink.flush()
    }

    /// Completes the header in place (`detail` stays as the file was started) and flushes.
    pub fn finish(mut self, header: &Header) -> std::io::Result<()> {
        let header = Header { detail: self.detail, ..header.clone() };
        self.sink.seek(SeekFrom::Start(self.start))?;
        self.sink.write_all(&header.to_line()?)?;
        self.sink.seek(SeekFrom::End(0))?;
        self.sink.flush()
    }
}

/// Reads a records file, strictly: an unknown key, a missing one or an impossible value is an [`Error::Input`] that
/// names the line. The iterator ends after its first error.
#[derive(Debug)]
pub struct Reader<R: BufRead> {
    source: R,
    path: PathBuf,
    header: Header,
    names: Names,
    line: Vec<u8>,
    line_number: u64,
    done: bool,
    truncated: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header; `path` is for messages.
    pub fn new(mut source: R, path: &Path) -> Result<Self, Error> {
        let mut line = Vec::new();
        source
            .by_ref()
            .take(MOST_LINE_BYTES)
            .read_until(b'\n', &mut line)
            .map_err(|e| Error::input(path, e.to_string()))?;
        let parsed: HeaderLine = serde_json::from_slice(&line).map_err(|e| {
            Error::input_at(
                path,
                1,
                format!("not the header of a records file ({e}); hand in a records.jsonl that tonnage wrote"),
            )
        })?;
        if parsed.tonnage_records != SCHEMA {
            let found = parsed.tonnage_records;
            let why = format!(
                "records of schema {found}, this version reads {SCHEMA}; read them with the version that wrote them"
            );
            return Err(Error::input_at(path, 1, why));
        }
        Ok(Self {
            source,
            path: path.to_owned(),
            header: Header::from_line(parsed),
            names: Names::default(),
            line,
            line_number: 1,
            done: false,
            truncated: false,
        })
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Whether the error that ended the iterator was a last line cut short (a killed run): the records before it are
    /// good.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    fn read(&mut self) -> Result<Option<Record>, Error> {
        self.line.clear();
        self.line_number += 1;
        let refuse = |why: String| Error::input_at(&self.path, self.line_number, why);
        let read = self.source.by_ref().take(MOST_LINE_BYTES).read_until(b'\n', &mut self.line);
        if read.map_err(|e| refuse(format!("{e}; copy the file again")))? == 0 {
            return Ok(None);
        }
        let whole = self.line.ends_with(b"\n");
        let parsed = serde_json::from_slice::<Line<'_>>(&self.line).map_err(|e| e.to_string());
        match parsed.and_then(|line| line.into_record(&mut self.names)) {
            Ok(record) => Ok(Some(record)),
            Err(_) if !whole => {
                self.truncated = true;
                let before = self.line_number - 2;
                Err(refuse(format!(
                    "the last line is cut short (the run was killed?); the {before} records before it are good"
                )))
            }
            Err(why) => Err(refuse(format!(
                "not a record: {why}; restore the file from a copy, or move it away to see the saved figures"
            ))),
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.read().transpose();
        self.done = !matches!(item, Some(Ok(_)));
        item
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::record::{Counting, Exchange, Failure, FailureCause, FailureClass, Origin, Outcome, Usage};

    fn header(detail: Detail) -> Header {
        Header {
            plan_fingerprint: None,
            window: Window { start: Offset::from_nanos(1), end: Offset::NEVER },
            load_end: Offset::NEVER,
            drain_end: None,
            not_due: None,
            streamed: true,
            detail,
            shard: None,
        }
    }

    fn written(records: &[Record], detail: Detail) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = Writer::new(&mut bytes, &header(detail)).unwrap();
        for record in records {
            writer.write(record).unwrap();
        }
        let last = Header {
            plan_fingerprint: Some("f".repeat(64)),
            drain_end: Some(Offset::from_secs(70.5)),
            not_due: Some(3),
            ..header(detail)
        };
        writer.finish(&last).unwrap();
        bytes.into_inner()
    }

    fn read(bytes: &[u8]) -> (Vec<Record>, Option<String>, bool) {
        let mut reader = match Reader::new(bytes, Path::new("records.jsonl")) {
            Ok(reader) => reader,
            Err(error) => return (Vec::new(), Some(error.to_string()), false),
        };
        let (mut records, mut error) = (Vec::new(), None);
        for item in &mut reader {
            match item {
                Ok(record) => records.push(record),
                Err(e) => error = Some(e.to_string()),
            }
        }
        (records, error, reader.truncated())
    }

    prop_compose! {
        fn any_exchange()(
            instants in prop::collection::vec(prop::option::of(0u64..4_000_000_000_000_000), 9),
            gaps in prop::collection::vec(any::<u32>(), 0..4),
            tokens in prop::collection::vec(any::<u32>(), 0..4),
            usage in prop::option::of((any::<u32>(), any::<u32>(), prop::option::of(any::<u32>()))),
            (events, status, reason) in (any::<u32>(), prop::option::of(any::<u16>()), prop::option::of(".*")),
            (outcome, text) in (0usize..8, ".{0,40}"),
            (counted_input_tokens, counted_output_tokens) in any::<(Option<u32>, Option<u32>)>(),
            (first_event_tokens, hidden_tokens, one_read, usage_odd) in any::<(Option<u32>, u32, bool, bool)>(),
            retried in any::<bool>(),
            (wake_lag_us, late_us) in any::<(Option<u32>, Option<u32>)>(),
            counting in prop::option::of((any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>())),
        ) -> Exchange {
            let at = |i: usize| instants[i].map(Offset::from_nanos);
            Exchange {
                sent: at(0), connected: at(1), written: at(2), headers: at(3), first_event: at(4), first_token: at(5),
                first_answer: at(6), last_token: at(7), ended: at(8), events, event_gaps_us: gaps, event_tokens: tokens,
                usage: usage.map(|(input_tokens, output_tokens, cached_tokens)| Usage { input_tokens, output_tokens,
                    cached_tokens }),
                counted_input_tokens, counted_output_tokens, text: None, failed_response: None,
                first_event_tokens, hidden_tokens, one_read,
                    usage_odd, retried, wake_lag: wake_lag_us.map(|us| Duration::from_micros(us.into())),
                built_late: late_us.map(|us| Duration::from_micros(us.into())),
                counting: counting.map(|(first, first_tokens, last, last_tokens)| Counting {
                    first: Offset::from_nanos(first.into()), first_tokens, last: Offset::from_nanos(last.into()),
                        last_tokens,
                }),
                status, finish_reason: reason.map(String::into_boxed_str),
                outcome: [
                    Outcome::Completed,
                    Outcome::Failed(Failure::new(FailureClass::StreamError, text).because(FailureCause::NoPorts)),
                    Outcome::TimedOut,
                    Outcome::Unresolved, Outcome::Shed, Outcome::Cancelled, Outcome::Skipped, Outcome::Abandoned,
                ][outcome].clone(),
            }
        }
    }

    prop_compose! {
        fn any_record()(
            id in any::<u64>(), class in ".{0,9}", session in prop::option::of(any::<u64>()),
                (turn, turns) in any::<(Option<u32>, Option<u32>)>(),
            released in any::<bool>(), scheduled in 0u64..4_000_000_000_000_000, asked in any::<(u32, u32)>(),
                (exchange, cancelled) in (any_exchange(), prop::option::of(0u64..4_000_000_000_000_000)),
        ) -> Record {
            Record {
                id, class: Arc::from(class), session, turn, turns,
                    origin: if released { Origin::Released } else { Origin::Planned },
                scheduled: Offset::from_nanos(scheduled), asked_input_tokens: asked.0, asked_output_tokens: asked.1,
                cancel_after: cancelled.map(Duration::from_nanos),
                target: Arc::from("http://h:1"), model: Arc::from("m"), exchange,
            }
        }
    }

    proptest! {
        #[test]
        fn a_record_survives_its_line(records in prop::collection::vec(any_record(), 0..5)) {
            prop_assert_eq!(read(&written(&records, Detail::Full)), (records, None, false));
        }

        #[test]
        fn a_compact_record_loses_the_two_lists_only(mut record in any_record()) {
            let bytes = written(std::slice::from_ref(&record), Detail::Compact);
            record.exchange.event_gaps_us.clear();
            record.exchange.event_tokens.clear();
            prop_assert_eq!(read(&bytes).0, vec![record]);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(head in any::<bool>(), noise in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = if head { written(&[], Detail::Full) } else { Vec::new() };
            bytes.extend(noise);
            read(&bytes);
        }

        #[test]
        fn no_damaged_record_makes_the_reader_panic(record in any_record(), at in any::<prop::sample::Index>(),
            byte in any::<u8>()) {
            let mut bytes = written(&[record], Detail::Full);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            read(&bytes);
        }
    }

    fn plain() -> Record {
        let mut exchange = Exchange {
            sent: Some(Offset::from_secs(1.000_000_001)),
            outcome: Outcome::Completed,
            ..Exchange::default()
        };
        exchange.note_token_event(Offset::from_secs(1.5), true);
        exchange.note_token_event(Offset::from_secs(1.75), true);
        Record {
            id: 7,
            class: Arc::from("default"),
            session: None,
            turn: None,
            turns: None,
            origin: Origin::Planned,
            scheduled: Offset::from_secs(1.0),
            asked_input_tokens: 3,
            asked_output_tokens: 2,
            cancel_after: None,
            target: Arc::from("http://h:1"),
            model: Arc::from("m"),
            exchange,
        }
    }

    #[test]
    fn the_file_is_a_padded_header_and_one_line_each() {
        let text = String::from_utf8(written(&[plain()], Detail::Full)).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        {"tonnage_records":1,"plan_fingerprint":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","window":{"start_s":1e-9,"end_s":null},"load_end_s":null,"drain_end_s":70.5,"not_due":3,"streamed":true,"detail":"full"}
        {"id":7,"class":"default","origin":"planned","scheduled_s":1.0,"sent_s":1.000000001,"first_token_s":1.5,"first_answer_s":1.5,"last_token_s":1.75,"event_gaps_us":[250000],"events":2,"asked_input_tokens":3,"asked_output_tokens":2,"outcome":"completed","target":"http://h:1","model":"m"}
        "#);
        assert_eq!(text.find('\n'), Some(HEADER_BYTES - 1));
    }

    #[test]
    fn the_header_is_completed_in_place() {
        let bytes = written(&[plain()], Detail::Compact);
        let reader = Reader::new(&*bytes, Path::new("records.jsonl")).unwrap();
        assert_eq!(reader.header().drain_end, Some(Offset::from_secs(70.5)));
        assert_eq!((reader.header().window.end, reader.header().detail), (Offset::NEVER, Detail::Compact));
    }

    #[test]
    fn a_last_line_cut_short_is_reported_and_the_records_before_it_are_kept() {
        let bytes = written(&[plain(), plain()], Detail::Full);
        let (records, error, truncated) = read(&bytes[..bytes.len() - 9]);
        assert_eq!((records.len(), truncated), (1, true));
        insta::assert_snapshot!(error.unwrap(), @"records.jsonl:3: the last line is cut short (the run was killed?); \
            the 1 records before it are good");
    }

    #[test]
    fn a_line_of_an_older_version_is_read() {
        let line = concat!(
            r#"{"id":1,"class":"default","origin":"planned","scheduled_s":1.0,"sent_s":1.0,"#,
            r#""first_token_s":1.5,"last_token_s":1.75,"ended_s":1.75,"event_gaps_us":[250000],"#,
            r#""event_tokens":[3,1],"events":2,"input_tokens":3,"output_tokens":4,"asked_input_tokens":3,"#,
            r#""asked_output_tokens":4,"outcome":"completed","target":"http://h:1","model":"m"}"#,
        );
        let mut bytes = written(&[], Detail::Full);
        bytes.extend(format!("{line}\n").bytes());
        let (records, error, _) = read(&bytes);
        let exchange = &records[0].exchange;
        assert_eq!(
            (error, exchange.first_event_tokens, exchange.counting, exchange.one_read),
            (None, None, None, false)
        );
        assert_eq!(exchange.event_tokens, [3, 1]);
    }

    #[test]
    fn a_line_that_is_no_record_is_named() {
        let good = String::from_utf8(written(&[plain()], Detail::Full)).unwrap();
        for (from, to, said) in [
            ("\"events\":2", "\"evnts\":2", "unknown field `evnts`"),
            ("\"outcome\":\"completed\"", "\"outcome\":\"failed\"", "`failed` without a failure"),
            ("\"outcome\":\"completed\"", "\"outcome\":\"fine\"", "unknown variant `fine`"),
            ("\"scheduled_s\":1.0,", "", "missing field `scheduled_s`"),
        ] {
            let (records, error, truncated) = read(good.replace(from, to).as_bytes());
            let error = error.unwrap_or_default();
            assert!(
                records.is_empty() && !truncated && error.contains("records.jsonl:2:") && error.contains(said),
                "{error}"
            );
        }
    }
}
