//! Owns the accuracy benchmark: how much the client adds to the server's own time to first token, per request, at five
//! rates, with its core alone and with half of it taken by another process; and how long a written request takes to
//! leave.
//!
//! `cargo bench --bench accuracy -- [--quick] [--repeats N]`: about 12 minutes.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a bench prints, and stops where its machine fails it"
)]

mod common;

use std::collections::HashMap;
use std::path::Path;

use common::departures::departures;
use common::host::{Neighbour, choose_cores, pin, server_cpu};
use common::instants::instants;
use common::raw::{When, read};
use common::sheet::{Sheet, progress};
use common::stats::{median, quantile};
use common::tool::{Server, Truth, run};
use common::wire::{Template, request_id};
use common::{Asked, broken};
use tonnage::client::request_number;
use tonnage::schedule::Process;

const INPUT_TOKENS: usize = 64;
const SIM: &str = "delay:ttft=20ms,itl=5ms";
const OUTPUT_TOKENS: u32 = 16;
/// Requests per second.
const RATES: [f64; 5] = [100.0, 500.0, 1_000.0, 2_000.0, 4_000.0];
/// Milliseconds that the tool may add to p99, at any rate, with and without a neighbour.
const MOST_P99_MS: f64 = 0.3;

/// Who measured.
const WHO: [&str; 3] = ["tonnage (kernel's stamps)", "tonnage (own stamps)", "raw reader (own stamps)"];

/// Added time to first token over the repeats, in milliseconds: each repeat's percentiles.
#[derive(Default)]
struct Added {
    matched: usize,
    p50: Vec<f64>,
    p99: Vec<f64>,
    most: Vec<f64>,
}

impl Added {
    fn add(&mut self, added_ms: &[f64]) {
        self.matched += added_ms.len();
        self.p50.push(quantile(added_ms, 0.5));
        self.p99.push(quantile(added_ms, 0.99));
        self.most.push(quantile(added_ms, 1.0));
    }

    fn row(&self, what: &str, who: &str) -> Vec<String> {
        let figures = [&self.p50, &self.p99, &self.most].map(|values| format!("{:.3}", median(values)));
        [what.to_owned(), who.to_owned(), self.matched.to_string()].into_iter().chain(figures).collect()
    }
}

fn main() {
    let asked = Asked::read();
    let repeats = asked.repeats(5);
    pin(server_cpu());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut sheet = Sheet::open("Accuracy of time to first token");
    let mut rows = Vec::new();
    for rate in RATES {
        for beside in [false, true] {
            let what = format!("{rate}/s{}", if beside { ", half of the core taken" } else { "" });
            let mut added: [Added; 3] = Default::default();
            for repeat in 0..repeats {
                choose_cores();
                let load = Load { rate, seconds: asked.span(6.0).as_secs_f64(), seed: repeat as u64 + 1 };
                let neighbour = beside.then(Neighbour::start);
                let [kernel, own] = tool_added(folder.path(), &load);
                let reader = reader_added(folder.path(), &load);
                drop(neighbour);
                for (place, measured) in [kernel, own, reader].iter().enumerate() {
                    added[place].add(measured);
                }
                progress(&format!("{what}: repeat {} of {repeats} done", repeat + 1));
            }
            rows.extend(WHO.iter().zip(&added).map(|(who, added)| added.row(&what, who)));
            let p99 = median(&added[0].p99);
            let most = format!("≤ {MOST_P99_MS} ms");
            sheet.criterion(format!("added TTFT p99, {what}"), format!("{p99:.3} ms"), most, p99 <= MOST_P99_MS);
        }
    }
    let head = ["load", "who", "requests matched", "p50 ms", "p99 ms", "max ms"];
    sheet.table("Client's TTFT from its send − server's (first token written − request received)", &head, &rows);
    let server = Server::start(folder.path(), SIM, false);
    let template = Template::chat(server.address(), INPUT_TOKENS, OUTPUT_TOKENS, true);
    let left = departures(server.address(), &template, if asked.quick { 200 } else { 2_000 })
        .unwrap_or_else(|why| broken(&format!("transmit stamps: {why}")));
    let at = |share| format!("{:.1}", quantile(&left, share));
    sheet.table(
        "From the call that writes a request to its transmission (SO_TIMESTAMPING)",
        &["requests", "p50 µs", "p99 µs", "max µs"],
        &[vec![left.len().to_string(), at(0.5), at(0.99), at(1.0)]],
    );
    drop(server);
    sheet.close(&format!("{repeats} interleaved repeats, medians over repeats"));
}

/// A load of the bench.
struct Load {
    rate: f64,
    seconds: f64,
    seed: u64,
}

/// The server's own time to first token, in milliseconds, by request id.
fn truth_ms(rows: Vec<Truth>) -> HashMap<String, f64> {
    rows.into_iter()
        .filter_map(|row| Some((row.request_id, row.first_token_ns?.saturating_sub(row.received_ns) as f64 / 1e6)))
        .collect()
}

/// What the tool added to each request's time to first token: by the kernel's receive stamps, and by its own.
fn tool_added(folder: &Path, load: &Load) -> [Vec<f64>; 2] {
    let server = Server::start(folder, SIM, true);
    let Load { rate, seconds, seed } = load;
    let arguments = format!(
        "--rate {rate}/s --duration {seconds}s --seed {seed} --input-tokens {INPUT_TOKENS} --output-tokens \
         {OUTPUT_TOKENS} --ignore-eos --records compact"
    );
    let run = run(folder, &server, &arguments);
    run.must_be_whole("accuracy");
    let by_number: HashMap<u64, f64> = truth_ms(server.stop())
        .into_iter()
        .filter_map(|(request_id, server_ms)| Some((request_number(&request_id)?, server_ms)))
        .collect();
    let added = |record: &serde_json::Value| {
        let server_ms = by_number.get(&record["id"].as_u64()?)?;
        let kernel = 1e3 * (record["first_token_s"].as_f64()? - record["sent_s"].as_f64()?) - server_ms;
        // A stamp of the tool's own comes later by the time that its thread took to wake.
        Some((kernel, kernel + 1e3 * record["wake_lag_s"].as_f64()?))
    };
    let (kernel, own): (Vec<f64>, Vec<f64>) = run.records().iter().filter_map(added).unzip();
    [all_matched(kernel, run.count("sent"), "tonnage"), own]
}

fn reader_added(folder: &Path, load: &Load) -> Vec<f64> {
    let server = Server::start(folder, SIM, true);
    let at = instants(Process::Poisson, load.rate, std::time::Duration::from_secs_f64(load.seconds), load.seed);
    let template = Template::chat(server.address(), INPUT_TOKENS, OUTPUT_TOKENS, true);
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
