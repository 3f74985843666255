//! Owns the measurement of the batching engine: the speed of virtual time, and whether runs over sockets agree with
//! virtual time.
//!
//! `cargo bench --bench engine -- [--quick] [virtual] [sockets]`: about 5 minutes in all.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a bench prints, and stops where its machine fails it"
)]

mod common;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tonnage::client::{Addresses, Encoder, HttpClient, RequestOptions, Target, Tls};
use tonnage::engine::{LivePlayer, Settings, Setup};
use tonnage::metrics::Objectives;
use tonnage::play::{Segment, StopRule};
use tonnage::record::{Outcome, Record};
use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::seed::Seed;
use tonnage::sim::{MODEL_NAME, ServiceProfile, run};
use tonnage::units::{Offset, Rate};
use tonnage::workload::{LengthSpec, Load, Plan, Workload};

use common::host::{now_ns, pin, server_cpu, tool_cpu};
use common::sheet::{Sheet, progress};
use common::stats::quantile;
use common::tool::Server;
use common::{Asked, broken};

/// The largest relative difference allowed between sockets and virtual time, for every figure.
const MOST_DIFFERENCE: f64 = 0.05;

fn plan(per_s: f64, extent: Extent, input_tokens: u32, output_tokens: u32, seed: u64) -> Plan {
    let rate = Rate::new(per_s).unwrap_or_else(|why| broken(&why.to_string()));
    let length = |tokens: u32| LengthSpec::fixed(tokens).unwrap_or_else(|why| broken(&why.to_string()));
    let timeline = Timeline::new(Process::Poisson, rate, extent, Duration::ZERO, Duration::ZERO, Seed::new(seed));
    Plan::new(Load::Open(timeline), Workload::new(length(input_tokens), length(output_tokens)), Seed::new(seed), None)
}

fn profile(text: &str) -> ServiceProfile {
    text.parse().unwrap_or_else(|_| broken(text))
}

fn capacity_per_s(profile: ServiceProfile, input_tokens: u32, output_tokens: u32) -> f64 {
    let most = profile.setup().and_then(|setup| setup.saturation_per_s(input_tokens, output_tokens));
    most.unwrap_or_else(|| broken("no closed form for this load"))
}

fn virtual_time(asked: &Asked, sheet: &mut Sheet) {
    let requests = if asked.quick { 20_000 } else { 100_000 };
    let mut rows = Vec::new();
    for (text, share) in [("small", 0.8), ("8b-h100", 0.8), ("70b-4xh100", 0.8), ("small", 1.2)] {
        let per_s = share * capacity_per_s(profile(text), 128, 64);
        let plan = plan(per_s, Extent::Requests(requests), 128, 64, 1);
        let started_ns = now_ns();
        let records = run(&plan, profile(text), Seed::new(1));
        let took_s = (now_ns() - started_ns) as f64 / 1e9;
        let simulated_s = records.iter().filter_map(|record| record.exchange.ended).max().map_or(0.0, Offset::as_secs);
        let row = [
            text.to_owned(),
            format!("{share}"),
            records.len().to_string(),
            format!("{took_s:.2}"),
            format!("{:.0}", records.len() as f64 / took_s),
            format!("{:.0}", simulated_s / took_s),
        ];
        rows.push(row.to_vec());
        sheet.criterion(
            format!("{requests} requests of 64 tokens, {text} at {share}"),
            format!("{took_s:.2} s"),
            "≤ 5 s",
            took_s <= 5.0,
        );
    }
    let head = ["engine", "share of capacity", "requests", "wall s", "requests/s", "times real"];
    sheet.table("Virtual time (prompt 128, output 64)", &head, &rows);
}

/// Runs `plan` on the live run engine against the server; returns the records by id.
fn over_sockets(plan: Plan, server: &Server) -> Vec<Record> {
    let broke = |why: &dyn std::fmt::Display| -> ! { broken(&why.to_string()) };
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .unwrap_or_else(|why| broke(&why));
    let mut records = runtime.block_on(async {
        let target = Target::parse(&server.url()).unwrap_or_else(|why| broke(&why));
        let tls = Tls::nobody().unwrap_or_else(|why| broke(&why));
        let addresses = Addresses::of(std::slice::from_ref(&target), &tls).await.unwrap_or_else(|why| broke(&why));
        let options = RequestOptions::new(vec![target], vec![MODEL_NAME.to_owned()]);
        let setup = Setup {
            workers: 1,
            encoder: Arc::new(Encoder::new(&options).unwrap_or_else(|why| broke(&why))),
            connect: Arc::new(move || {
                // The worker thread calls this once, at its start.
                pin(tool_cpu());
                Ok(HttpClient::new(&addresses, Duration::from_secs(5), 0))
            }),
        };
        let settings =
            Settings { timeout: Duration::from_mins(10), drain: Duration::from_mins(1), max_in_flight: None };
        let mut session = LivePlayer::threads::<HttpClient>(settings, &setup).unwrap_or_else(|why| broke(&why));
        let records = Rc::new(RefCell::new(Vec::new()));
        let filed = Rc::clone(&records);
        let sink = Box::new(move |record: &Record| filed.borrow_mut().push(record.clone()));
        let objectives = Arc::new(Objectives::default());
        let segment = Segment { label: "engine".to_owned(), plan: Arc::new(plan), objectives, streamed: true };
        let settling = session.play_into(segment, StopRule::Never, sink).await.unwrap_or_else(|why| broke(&why));
        settling.await.unwrap_or_else(|why| broke(&why));
        records.take()
    });
    records.sort_by_key(|record| record.id);
    records
}

/// TTFT and TPOT of all requests, in milliseconds.
fn latencies_ms(records: &[Record]) -> [Vec<f64>; 2] {
    let ttft = |record: &Record| Some(1e3 * record.exchange.first_token?.secs_since(record.scheduled));
    let tpot = |record: &Record| {
        let between = record.exchange.last_token?.secs_since(record.exchange.first_token?);
        Some(1e3 * between / f64::from(record.asked_output_tokens.saturating_sub(1).max(1)))
    };
    if records.iter().any(|record| record.exchange.outcome != Outcome::Completed) {
        broken("a request was not answered");
    }
    [records.iter().filter_map(ttft).collect(), records.iter().filter_map(tpot).collect()]
}

fn sockets(asked: &Asked, folder: &Path, sheet: &mut Sheet) {
    let seconds = asked.span(60.0);
    let mut rows = Vec::new();
    for text in ["small", "8b-h100"] {
        for share in [0.5, 0.8] {
            // The 8B engine gets few long requests: at its full rate the benchmark would measure the writes of 10 000
            // tokens a second.
            let (input, output) = if text == "small" { (128, 64) } else { (1_024, 32) };
            let per_s = share * capacity_per_s(profile(text), input, output);
            let plan = || plan(per_s, Extent::Duration(seconds), input, output, 7);
            let server = Server::start(folder, text, false);
            let seen = latencies_ms(&over_sockets(plan(), &server));
            server.stop();
            let known = latencies_ms(&run(&plan(), profile(text), Seed::new(1)));
            for (metric, seen, known) in [("TTFT", &seen[0], &known[0]), ("TPOT", &seen[1], &known[1])] {
                for q in [0.5, 0.99] {
                    let (seen_ms, known_ms) = (quantile(seen, q), quantile(known, q));
                    let difference = seen_ms / known_ms - 1.0;
                    let what = format!("{text} at {share}: {metric} p{}", 100.0 * q);
                    let row =
                        [format!("{known_ms:.2}"), format!("{seen_ms:.2}"), format!("{:+.1} %", 100.0 * difference)];
                    rows.push([what.clone(), seen.len().to_string()].into_iter().chain(row).collect());
                    let asked = format!("within {} %", 100.0 * MOST_DIFFERENCE);
                    sheet.criterion(
                        what,
                        format!("{:+.1} %", 100.0 * difference),
                        asked,
                        difference.abs() <= MOST_DIFFERENCE,
                    );
                }
            }
            progress(&format!("{text} at {share} done"));
        }
    }
    sheet.table(
        "The same plan in virtual time and over sockets",
        &["figure", "requests", "virtual ms", "sockets ms", "difference"],
        &rows,
    );
}

fn main() {
    let asked = Asked::read();
    pin(server_cpu());
    let folder = tempfile::tempdir().unwrap_or_else(|why| broken(&why.to_string()));
    let mut sheet = Sheet::open("The batching engine");
    if asked.wants("virtual") {
        virtual_time(&asked, &mut sheet);
    }
    if asked.wants("sockets") {
        sockets(&asked, folder.path(), &mut sheet);
    }
    sheet.close("one run of each");
}
