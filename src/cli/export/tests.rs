//! Owns the tests of the export: what a scrape has, and what the listener refuses.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::cli::export::exporter::Exporter;
use crate::cli::export::figures::Figures;
use crate::cli::export::listener::{Export, response};
use crate::metrics::examples::{at, cut, folded, frame, shed, status, streamed};
use crate::play::{LiveCounts, Look, Observer};
use crate::record::Outcome;

fn scraped(export: &Export, accept: &str) -> String {
    let address = export.url();
    let host = address.trim_start_matches("http://").trim_end_matches("/metrics");
    let mut client = TcpStream::connect(host).unwrap();
    write!(client, "GET /metrics HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

/// Export at any free port, and a load of three requests that is over but for two in flight.
fn loaded() -> (Export, Exporter) {
    let export = Export::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut exporter = Exporter::new(Some(&export), "run", 1);
    let records = [
        streamed(0, 1.0, 0.15, 5, 0.03),
        status(streamed(1, 1.1, 0.1, 5, 0.03), 503, 1.2),
        shed(streamed(2, 1.2, 0.1, 5, 0.03)),
        cut(streamed(3, 1.3, 0.1, 5, 0.03), Outcome::Unresolved, 1.35),
    ];
    let summary = folded(frame(0.0, 10.0), "", &records);
    for record in &records {
        exporter.settled(record);
    }
    let counts = LiveCounts { elapsed: at(2.0), due: 7, sent: 6, completed: 1, missed: 2, in_flight: 2 };
    exporter.tick(&Look { counts, summary: &summary });
    exporter.tick(&Look { counts, summary: &summary });
    (export, exporter)
}

#[test]
fn a_scrape_has_what_was_counted_in_both_formats() {
    let (export, exporter) = loaded();
    let new = scraped(&export, "application/openmetrics-text;version=1.0.0");
    let old = scraped(&export, "*/*");
    assert!(new.contains("Content-Type: application/openmetrics-text; version=1.0.0"), "{new}");
    assert!(new.ends_with("# EOF\n") && old.contains("Content-Type: text/plain; version=0.0.4"), "{old}");
    for line in [
        "tonnage_requests_planned_total 7",
        "tonnage_requests_sent_total 6",
        "tonnage_requests_completed_total 1",
        "tonnage_requests_failed_total{class=\"status_503\"} 1",
        "tonnage_requests_failed_total{class=\"shed\"} 1",
        "tonnage_requests_undecided_total{outcome=\"unresolved\"} 1",
        "tonnage_requests_in_flight 2",
        "tonnage_output_tokens_total 5",
        "tonnage_time_to_first_token_seconds_count 1",
        "tonnage_time_to_first_token_seconds_bucket{le=\"0.1\"} 0",
        "tonnage_time_to_first_token_seconds_bucket{le=\"0.25\"} 1",
        "tonnage_inter_token_latency_seconds_count 4",
        "tonnage_send_lag_seconds_count 3",
    ] {
        for text in [&new, &old] {
            assert!(text.lines().any(|told| told == line), "{line} is missing in\n{text}");
        }
    }
    let kinds = |text: &str| text.lines().filter(|line| line.starts_with("# TYPE")).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!("kinds", kinds(&old));
    drop(exporter);
    assert!(scraped(&export, "*/*").contains("tonnage_requests_in_flight 0\n"));
}

#[test]
fn a_busy_port_is_refused_with_what_to_do() {
    let (export, _) = loaded();
    let address = export.url().trim_start_matches("http://").trim_end_matches("/metrics").parse().unwrap();
    let why = Export::listen(address).unwrap_err().to_string();
    assert!(why.contains(&format!("another program has {address}")) && why.contains("give another port"), "{why}");
}

#[test]
fn what_is_no_scrape_is_answered_with_what_to_do() {
    let (_, registry) = Figures::new();
    let status = |head: &str| {
        let answer = String::from_utf8(response(head.as_bytes(), &registry)).unwrap();
        answer.lines().next().unwrap().to_owned()
    };
    assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 Not Found");
    assert_eq!(status("POST /metrics HTTP/1.1\r\n\r\n"), "HTTP/1.1 405 Method Not Allowed");
    assert_eq!(status("GET /metrics?a=b HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 OK");
    assert_eq!(status("\u{16}\u{3}\u{1}\r\n\r\n"), "HTTP/1.1 400 Bad Request");
    let head = response(b"HEAD /metrics HTTP/1.1\r\n\r\n", &registry);
    assert!(head.starts_with(b"HTTP/1.1 200 OK") && head.ends_with(b"\r\n\r\n"));
}
