//! Owns the truth log: the server's own record of each request, and how late its writes were.

use std::cell::RefCell;
use std::io::Write;
use std::sync::mpsc;
use std::thread::JoinHandle;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::units::Offset;

/// Rows per batch. The writer gets rows in batches, so that the disk never delays a stream.
const BATCH: usize = 256;

/// One line of the truth log. Instants are nanoseconds of this host's `CLOCK_MONOTONIC`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct LogRow {
    pub(super) sequence: u64,
    pub(super) x_request_id: Option<Box<str>>,
    /// When its connection was accepted, possibly for an earlier request.
    pub(super) accepted_ns: u64,
    /// When the kernel received the last byte of the request; `arrived_ns` where the kernel does not stamp.
    pub(super) received_ns: u64,
    /// When the server had read the request.
    pub(super) arrived_ns: u64,
    pub(super) planned_first_token_ns: Option<u64>,
    pub(super) first_write_ns: Option<u64>,
    pub(super) first_token_write_ns: Option<u64>,
    pub(super) last_token_write_ns: Option<u64>,
    pub(super) last_write_ns: Option<u64>,
    pub(super) writes: u32,
    pub(super) max_write_gap_ns: u64,
    pub(super) late_mean_ns: u64,
    pub(super) late_max_ns: u64,
    pub(super) input_tokens: u32,
    pub(super) output_tokens: u32,
    pub(super) status: u16,
    pub(super) ended: Ended,
}

/// When a request arrived, and when its connection was accepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Came {
    pub(super) accepted: Offset,
    /// When the kernel received its last byte.
    pub(super) received: Offset,
    /// When the server had read it.
    pub(super) arrived: Offset,
}

/// How a request ended, as the server saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ended {
    /// The response is complete.
    Whole,
    /// A fault replaced the response or cut it short.
    Fault,
    /// The client left first.
    ClientLeft,
    /// The server was shut down first.
    Shutdown,
}

/// Collects rows and lateness for one server, on the server's runtime thread.
pub(super) struct Ledger {
    rows: RefCell<Vec<LogRow>>,
    writer: Option<Writer>,
    late_ns: RefCell<Histogram<u64>>,
    /// `CLOCK_MONOTONIC` at the clock's origin, in nanoseconds.
    origin_ns: u64,
}

struct Writer {
    sender: mpsc::Sender<Vec<LogRow>>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Ledger {
    pub(super) fn new(sink: Option<Box<dyn Write + Send>>, origin_ns: u64) -> std::io::Result<Self> {
        let writer = match sink {
            Some(sink) => {
                let (sender, rows) = mpsc::channel();
                let thread = std::thread::Builder::new().name("truth".into()).spawn(move || write_rows(sink, &rows))?;
                Some(Writer { sender, thread })
            }
            None => None,
        };
        // 1 ns to 1 h at 3 digits.
        let late = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).map_err(std::io::Error::other)?;
        Ok(Self { rows: RefCell::default(), writer, late_ns: RefCell::new(late), origin_ns })
    }

    /// Whether a truth log is written.
    pub(super) fn is_kept(&self) -> bool {
        self.writer.is_some()
    }

    pub(super) fn absolute_ns(&self, at: Offset) -> u64 {
        self.origin_ns.saturating_add(at.as_nanos())
    }

    pub(super) fn late(&self, by_ns: u64) {
        self.late_ns.borrow_mut().saturating_record(by_ns);
    }

    pub(super) fn push(&self, row: LogRow) {
        let mut rows = self.rows.borrow_mut();
        rows.push(row);
        if rows.len() >= BATCH {
            self.hand_over(&mut rows);
        }
    }

    /// Hands the collected rows to the writer, however few.
    pub(super) fn flush(&self) {
        self.hand_over(&mut self.rows.borrow_mut());
    }

    fn hand_over(&self, rows: &mut Vec<LogRow>) {
        if let Some(writer) = self.writer.as_ref().filter(|_| !rows.is_empty()) {
            // If the writer has failed, `finish` returns its error.
            let _ = writer.sender.send(std::mem::take(rows));
        }
    }

    /// Writes all rows; returns the lateness of all writes, in nanoseconds.
    pub(super) fn finish(self) -> std::io::Result<Histogram<u64>> {
        self.flush();
        if let Some(Writer { sender, thread }) = self.writer {
            drop(sender);
            thread.join().map_err(|_| std::io::Error::other("the thread that writes the truth log panicked"))??;
        }
        Ok(self.late_ns.into_inner())
    }
}

fn write_rows(sink: Box<dyn Write + Send>, batches: &mpsc::Receiver<Vec<LogRow>>) -> std::io::Result<()> {
    let mut sink = std::io::BufWriter::with_capacity(1 << 16, sink);
    while let Ok(batch) = batches.recv() {
        for row in batch {
            serde_json::to_writer(&mut sink, &row)?;
            sink.write_all(b"\n")?;
        }
        sink.flush()?;
    }
    sink.flush()
}

/// One request while it is being answered. Its row is pushed when it is dropped, for any reason.
pub(super) struct Entry<'a> {
    ledger: &'a Ledger,
    row: LogRow,
    late_total_ns: u64,
}

impl<'a> Entry<'a> {
    pub(super) fn new(ledger: &'a Ledger, sequence: u64, came: Came, x_request_id: Option<Box<str>>) -> Self {
        let row = LogRow {
            sequence,
            x_request_id,
            accepted_ns: ledger.absolute_ns(came.accepted),
            received_ns: ledger.absolute_ns(came.received),
            arrived_ns: ledger.absolute_ns(came.arrived),
            planned_first_token_ns: None,
            first_write_ns: None,
            first_token_write_ns: None,
            last_token_write_ns: None,
            last_write_ns: None,
            writes: 0,
            max_write_gap_ns: 0,
            late_mean_ns: 0,
            late_max_ns: 0,
            input_tokens: 0,
            output_tokens: 0,
            status: 200,
            ended: Ended::Shutdown,
        };
        Self { ledger, row, late_total_ns: 0 }
    }

    pub(super) fn row(&mut self) -> &mut LogRow {
        &mut self.row
    }

    pub(super) fn planned_first_token(&mut self, at: Offset) {
        self.row.planned_first_token_ns = Some(self.ledger.absolute_ns(at));
    }

    /// Records a write that began at `now` and was due at `due`; `tokens` is the total after it.
    pub(super) fn wrote(&mut self, due: Offset, now: Offset, tokens: u32) {
        let late_ns = now.as_nanos().saturating_sub(due.as_nanos());
        self.ledger.late(late_ns);
        let now_ns = self.ledger.absolute_ns(now);
        let row = &mut self.row;
        if let Some(before) = row.last_write_ns {
            row.max_write_gap_ns = row.max_write_gap_ns.max(now_ns - before);
        }
        row.writes += 1;
        row.first_write_ns = row.first_write_ns.or(Some(now_ns));
        row.last_write_ns = Some(now_ns);
        if tokens > row.output_tokens {
            row.output_tokens = tokens;
            row.first_token_write_ns = row.first_token_write_ns.or(Some(now_ns));
            row.last_token_write_ns = Some(now_ns);
        }
        row.late_max_ns = row.late_max_ns.max(late_ns);
        self.late_total_ns += late_ns;
        row.late_mean_ns = self.late_total_ns / u64::from(row.writes);
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if self.ledger.is_kept() {
            self.ledger.push(self.row.clone());
        }
    }
}
