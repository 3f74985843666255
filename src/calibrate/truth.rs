//! Owns the comparison of the client's measurements with the simulated server's own log, request by request.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use crate::client::request_number;
use crate::metrics::send_lag;
use crate::record::{Outcome, Record};

/// The truth log of the simulated server, in memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Its rows, by request number. Complete only after its server has stopped.
    pub(super) fn rows(&self) -> HashMap<u64, TruthRow> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<TruthRow>(line).ok());
        rows.filter_map(|row| Some((request_number(row.x_request_id.as_deref()?)?, row))).collect()
    }
}

/// The server's row for one request; instants in nanoseconds of one clock.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct TruthRow {
    x_request_id: Option<String>,
    received_ns: u64,
    first_token_write_ns: Option<u64>,
    last_token_write_ns: Option<u64>,
    output_tokens: u32,
}

impl TruthRow {
    fn ttft_s(&self) -> Option<f64> {
        Some(self.first_token_write_ns?.checked_sub(self.received_ns)? as f64 / 1e9)
    }

    fn mean_gap_s(&self) -> Option<f64> {
        let span_ns = self.last_token_write_ns?.checked_sub(self.first_token_write_ns?)?;
        (self.output_tokens > 1).then(|| span_ns as f64 / 1e9 / f64::from(self.output_tokens - 1))
    }
}

/// The client's measurements of one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received {
    id: u64,
    pub(super) completed: bool,
    pub(super) events: u32,
    pub(super) send_lag_s: Option<f64>,
    pub(super) wake_lag_s: Option<f64>,
    ttft_s: Option<f64>,
    mean_gap_s: Option<f64>,
}

impl From<&Record> for Received {
    fn from(record: &Record) -> Self {
        let exchange = &record.exchange;
        let span_s = exchange.last_token.zip(exchange.first_token).map(|(last, first)| last.secs_since(first));
        Self {
            id: record.id,
            completed: exchange.outcome == Outcome::Completed,
            events: exchange.events,
            send_lag_s: send_lag(record).map(|lag| lag.as_secs_f64()),
            wake_lag_s: exchange.wake_lag.map(|lag| lag.as_secs_f64()),
            ttft_s: exchange.first_token.zip(exchange.sent).map(|(first, sent)| first.secs_since(sent)),
            mean_gap_s: span_s.filter(|_| exchange.events > 1).map(|span_s| span_s / f64::from(exchange.events - 1)),
        }
    }
}

impl Received {
    /// Time to first token as the client measured it minus the server's own, in seconds.
    pub(super) fn added_ttft_s(&self, rows: &HashMap<u64, TruthRow>) -> Option<f64> {
        Some(self.ttft_s? - rows.get(&self.id)?.ttft_s()?)
    }

    /// Absolute difference between the client's and the server's mean gap between tokens, in seconds.
    pub(super) fn itl_error_s(&self, rows: &HashMap<u64, TruthRow>) -> Option<f64> {
        Some(libm::fabs(self.mean_gap_s? - rows.get(&self.id)?.mean_gap_s()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_adds_is_matched_by_request_id() {
        let mut log = Log::default();
        for line in [
            concat!(
                r#"{"x_request_id":"c-000000000007","received_ns":1000000000,"#,
                r#""first_token_write_ns":1020000000,"last_token_write_ns":1030000000,"output_tokens":3}"#,
            ),
            concat!(
                r#"{"x_request_id":null,"received_ns":1,"first_token_write_ns":null,"#,
                r#""last_token_write_ns":null,"output_tokens":0}"#,
            ),
        ] {
            log.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
        let rows = log.rows();
        assert_eq!(rows.len(), 1);
        let seen = Received {
            id: 7,
            completed: true,
            events: 3,
            send_lag_s: Some(0.0),
            wake_lag_s: None,
            ttft_s: Some(0.0205),
            mean_gap_s: Some(0.0052),
        };
        let near = |found: Option<f64>, expected: f64| {
            assert!(found.is_some_and(|found| (found - expected).abs() < 1e-9), "{found:?}");
        };
        near(seen.added_ttft_s(&rows), 0.0005);
        near(seen.itl_error_s(&rows), 0.0002);
        assert_eq!(Received { id: 8, ..seen }.added_ttft_s(&rows), None, "the server does not know this request");
    }
}
