//! Owns the accuracy benchmark: how much the client adds to the server's own time to first token, per request.
//!
//! `cargo bench --bench accuracy -- [--quick] [--repeats N]`: about 2 minutes.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a bench prints, and stops where its machine fails it"
)]

mod common;

use std::collections::HashMap;
use std::path::Path;

use common::host::{choose_cores, pin, server_cpu};
use common::instants::instants;
use common::raw::{When, read};
use common::sheet::{Sheet, progress};
use common::stats::{mean, median, quantile};
use common::tool::{Server, Truth, run};
use common::wire::{Template, request_id};
use common::{Asked, broken};
use tonnage::client::request_number;
use tonnage::schedule::Process;

const INPUT_TOKENS: usize = 64;

/// A load, and its number of streams open at once.
struct Case {
    what: &'static str,
    sim: &'static str,
    rate: f64,
    output_tokens: u32,
    most_p50_ms: Option<f64>,
    most_p99_ms: f64,
    /// Whether the limit includes the control's p99.
    beside_control: bool,
}

const CASES: [Case; 2] = [
    Case {
        what: "500/s, 48 streams open",
        sim: "delay:ttft=20ms,itl=5ms",
        rate: 500.0,
        output_tokens: 16,
        most_p50_ms: Some(0.2),
        most_p99_ms: 1.0,
        beside_control: true,
    },
    // 500/s × 2 s; 32 000 events/s.
    Case {
        what: "1 000 streams open",
        sim: "delay:ttft=100ms,itl=30ms",
        rate: 500.0,
        output_tokens: 64,
        most_p50_ms: None,
        most_p99_ms: 5.0,
        beside_control: false,
    },
];

/// Added time to first token over the repeats, in milliseconds: the median of each repeat's percentiles.
#[derive(Default)]
struct Added {
    mean: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    most: Vec<f64>,
}

impl Added {
    fn add(&mut self, added_ms: &[f64]) {
        self.mean.push(mean(added_ms));
        self.p50.push(quantile(added_ms, 0.5));
        self.p99.push(quantile(added_ms, 0.99));
        self.most.push(quantile(added_ms, 1.0));
    }

    fn row(&self, what: &str, who: &str, matched: usize) -> Vec<String> {
        let figures = [&self.mean, &self.p50, &self.p99, &self.most].map(|values| format!("{:.3}", median(values)));
        [what.to_owned(), who.to_owned(), matched.to_string()].into_iter().chain(figures).collect()
    }
}

fn main() {
    let asked = Asked::read();
    let repeats = asked.repeats(5);
    pin(server_cpu());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut sheet = Sheet::open("Accuracy of time to first token");
    let mut rows = Vec::new();
    for case in &CASES {
        let (mut tool, mut reader) = (Added::default(), Added::default());
        let (mut by_tool, mut by_reader) = (0, 0);
        for repeat in 0..repeats {
            choose_cores();
            let (seed, seconds) = (repeat as u64 + 1, asked.span(6.0).as_secs_f64());
            let added = tool_added(folder.path(), case, seconds, seed);
            by_tool += added.len();
            tool.add(&added);
            let added = reader_added(folder.path(), case, seconds, seed);
            by_reader += added.len();
            reader.add(&added);
            progress(&format!("{}: repeat {} of {repeats} done", case.what, repeat + 1));
        }
        rows.push(tool.row(case.what, "tonnage", by_tool));
        rows.push(reader.row(case.what, "raw reader", by_reader));
        let (p50, p99, control) = (median(&tool.p50), median(&tool.p99), median(&reader.p99));
        if let Some(most) = case.most_p50_ms {
            sheet.criterion(
                format!("added TTFT p50, {}", case.what),
                format!("{p50:.3} ms"),
                format!("≤ {most} ms"),
                p50 <= most,
            );
        }
        let most = case.most_p99_ms + if case.beside_control { control } else { 0.0 };
        let why = if case.beside_control { format!(" ({} + control's p99)", case.most_p99_ms) } else { String::new() };
        sheet.criterion(
            format!("added TTFT p99, {}", case.what),
            format!("{p99:.3} ms"),
            format!("≤ {most:.2} ms{why}"),
            p99 <= most,
        );
    }
    let head = ["load", "who", "requests matched", "mean ms", "p50 ms", "p99 ms", "max ms"];
    sheet.table("Client's TTFT from its send − server's (first token written − request arrived)", &head, &rows);
    sheet.close(&format!("{repeats} interleaved repeats, medians over repeats"));
}

/// The server's own time to first token, in milliseconds, by request id.
fn truth_ms(rows: Vec<Truth>) -> HashMap<String, f64> {
    rows.into_iter()
        .filter_map(|row| Some((row.request_id, row.first_token_ns?.saturating_sub(row.received_ns) as f64 / 1e6)))
        .collect()
}

fn tool_added(folder: &Path, case: &Case, seconds: f64, seed: u64) -> Vec<f64> {
    let server = Server::start(folder, case.sim, true);
    let arguments = format!(
        "--rate {}/s --duration {seconds}s --seed {seed} --input-tokens {INPUT_TOKENS} --output-tokens {} --ignore-eos \
         --records compact",
        case.rate, case.output_tokens
    );
    let run = run(folder, &server, &arguments);
    run.must_be_whole(case.what);
    let by_number: HashMap<u64, f64> = truth_ms(server.stop())
        .into_iter()
        .filter_map(|(request_id, server_ms)| Some((request_number(&request_id)?, server_ms)))
        .collect();
    let added = |record: &serde_json::Value| {
        let server_ms = by_number.get(&record["id"].as_u64()?)?;
        Some(1e3 * (record["first_token_s"].as_f64()? - record["sent_s"].as_f64()?) - server_ms)
    };
    let added: Vec<f64> = run.records().iter().filter_map(added).collect();
    all_matched(added, run.count("sent"), "tonnage")
}

fn reader_added(folder: &Path, case: &Case, seconds: f64, seed: u64) -> Vec<f64> {
    let server = Server::start(folder, case.sim, true);
    let at = instants(Process::Poisson, case.rate, std::time::Duration::from_secs_f64(seconds), seed);
    let template = Template::chat(server.address(), INPUT_TOKENS, case.output_tokens, true);
    let seen = read(server.address(), &template, When::At(&at), 64, true)
        .unwrap_or_else(|why| broken(&format!("the raw reader: {why}")));
    let truth = truth_ms(server.stop());
    let added = |(number, ttft_us): &(u64, f64)| Some(ttft_us / 1e3 - truth.get(&request_id(*number))?);
    let added: Vec<f64> = seen.ttft_us.iter().filter_map(added).collect();
    all_matched(added, seen.sent, "the raw reader")
}

fn all_matched(added: Vec<f64>, sent: u64, who: &str) -> Vec<f64> {
    if added.len() as u64 != sent {
        broken(&format!(
            "{who} sent {sent}, of which {} have both a first token and a line in the truth log",
            added.len()
        ));
    }
    added
}
