//! Owns the cost benchmark: the tool on one core, against a raw reader of the same stream on the same core.
//!
//! `cargo bench --bench throughput -- [--quick] [--long] [--repeats N] [cpu versions saturation limit closed streams
//! start] [growth]`: about 9 minutes in all; `growth` (two million requests, some more minutes) runs when named or with
//! `--long`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a bench prints, and stops where its machine fails it"
)]

mod common;

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use common::host::{choose_cores, connections_to, memory_mib, pin, server_cpu};
use common::instants::instants;
use common::raw::{Seen, When, read};
use common::sheet::{Sheet, progress};
use common::stats::{median, quantile};
use common::tool::{Server, run, run_watched};
use common::wire::Template;
use common::{Asked, broken};
use tonnage::schedule::Process;

/// First token after 20 ms, then one every 5 ms, each in its own segment.
const STREAMED: &str = "delay:ttft=20ms,itl=5ms";
/// All tokens at once: the load generator is the bottleneck.
const AT_ONCE: &str = "delay:ttft=0s,itl=0s";
const INPUT_TOKENS: usize = 64;
/// The period that counts as the start of a run, in nanoseconds.
const START_NS: u64 = 50_000_000;

/// A section: its name, and the function that measures it.
type Section = (&'static str, fn(&mut Sheet, &Asked, &Path));

const SECTIONS: [Section; 7] = [
    ("cpu", cpu_per_request),
    ("versions", versions),
    ("saturation", saturation),
    ("limit", highest_rate),
    ("closed", closed_loop),
    ("streams", open_streams),
    ("start", start),
];

fn main() {
    let asked = Asked::read();
    pin(server_cpu());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut sheet = Sheet::open("Throughput on one core");
    for (name, section) in SECTIONS {
        if asked.wants(name) {
            section(&mut sheet, &asked, folder.path());
            progress(&format!("{name} done"));
        }
    }
    if asked.long || asked.names("growth") {
        growth(&mut sheet, &asked, folder.path());
    }
    sheet.close("medians over interleaved repeats where repeats are given");
}

/// One figure of each repeat, for the tool and the reader.
#[derive(Default)]
struct Pair {
    tool: Vec<f64>,
    reader: Vec<f64>,
}

impl Pair {
    fn medians(&self) -> (f64, f64) {
        (median(&self.tool), median(&self.reader))
    }
}

fn read_or_break(server: &Server, template: &Template, when: When<'_>, idle: usize) -> Seen {
    let seen = read(server.address(), template, when, idle, false)
        .unwrap_or_else(|why| broken(&format!("the raw reader: {why}")));
    if seen.completed == 0 {
        broken("the raw reader completed nothing");
    }
    seen
}

fn cpu_per_request(sheet: &mut Sheet, asked: &Asked, folder: &Path) {
    let repeats = asked.repeats(5);
    let length = asked.span(5.0);
    let mut rows = Vec::new();
    for rate in [1_000.0, 4_000.0] {
        let (mut cpu, mut server_busy, mut lag_p99_ms) = (Pair::default(), Pair::default(), Pair::default());
        for repeat in 0..repeats {
            choose_cores();
            let seed = repeat as u64 + 1;
            let server = Server::start(folder, STREAMED, false);
            let tool = run(folder, &server, &streamed_run(rate, length.as_secs_f64(), seed));
            tool.must_be_whole("CPU per request");
            cpu.tool.push(1_000.0 * tool.cpu_s / tool.count("sent") as f64);
            server_busy.tool.push(100.0 * server.cpu_s() / length.as_secs_f64());
            lag_p99_ms.tool.push(1e3 * tool.metric("send_lag.value.p99"));
            server.stop();
            let server = Server::start(folder, STREAMED, false);
            let at = instants(Process::Poisson, rate, length, seed);
            let template = Template::chat(server.address(), INPUT_TOKENS, 16, true);
            let reader = read_or_break(&server, &template, When::At(&at), (rate * 0.1) as usize);
            cpu.reader.push(1_000.0 * reader.cpu_s / reader.sent as f64);
            server_busy.reader.push(100.0 * server.cpu_s() / length.as_secs_f64());
            lag_p99_ms.reader.push(quantile(&reader.lag_us, 0.99) / 1e3);
            server.stop();
        }
        let ((tool, reader), busy, lag) = (cpu.medians(), server_busy.medians(), lag_p99_ms.medians());
        for (who, cpu, busy, lag) in [("tonnage", tool, busy.0, lag.0), ("raw reader", reader, busy.1, lag.1)] {
            rows.push(vec![
                format!("{rate}"),
                who.to_owned(),
                format!("{cpu:.3}"),
                format!("{:.1}", cpu * 1e3 / 16.0),
                format!("{:.0} %", cpu * rate / 10.0),
                format!("{lag:.2}"),
                format!("{busy:.0} %"),
            ]);
        }
        if rate > 1_000.0 {
            let ratio = tool / reader;
            sheet.criterion(
                "CPU against the raw reader, 4 000/s × 16 events",
                format!("{ratio:.2} ×"),
                "≤ 1.5 ×",
                ratio <= 1.5,
            );
            sheet.criterion(
                "CPU-s per 1 000 requests, 4 000/s × 16 events",
                format!("{tool:.3}"),
                "≤ 0.15 (aim)",
                tool <= 0.15,
            );
        }
    }
    let head =
        ["rate/s", "who", "CPU-s per 1 000 requests", "µs an event", "of its core", "send lag p99 ms", "server's core"];
    sheet.table(&format!("CPU per streamed request: 16 events, one a segment, {repeats} repeats"), &head, &rows);
}

fn streamed_run(rate: f64, seconds: f64, seed: u64) -> String {
    format!(
        "--rate {rate}/s --duration {seconds}s --seed {seed} --input-tokens {INPUT_TOKENS} --output-tokens 16 \
         --ignore-eos --records off"
    )
}

/// What HTTP/2 costs beside HTTP/1.1: the same load on the same server, in turn.
fn versions(sheet: &mut Sheet, asked: &Asked, folder: &Path) {
    let repeats = asked.repeats(5);
    let length = asked.span(5.0);
    let mut rows = Vec::new();
    for rate in [200.0, 2_000.0] {
        let (mut cpu, mut lag_p99_ms) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        for repeat in 0..repeats {
            choose_cores();
            for (place, version) in ["--http1", "--http2"].into_iter().enumerate() {
                let server = Server::start(folder, STREAMED, false);
                let load = streamed_run(rate, length.as_secs_f64(), repeat as u64 + 1);
                let tool = run(folder, &server, &format!("{load} {version}"));
                tool.must_be_whole("versions of HTTP");
                server.stop();
                cpu[place].push(1_000.0 * tool.cpu_s / tool.count("sent") as f64);
                lag_p99_ms[place].push(1e3 * tool.metric("send_lag.value.p99"));
            }
        }
        let [one, two] = cpu.each_ref().map(|cpu| median(cpu));
        for (what, cpu, lag_ms) in [("HTTP/1.1", one, &lag_p99_ms[0]), ("HTTP/2", two, &lag_p99_ms[1])] {
            let lag = format!("{:.2}", median(lag_ms));
            rows.push(vec![
                format!("{rate}"),
                what.to_owned(),
                format!("{cpu:.3}"),
                format!("{:.2} ×", cpu / one),
                lag,
            ]);
        }
    }
    let head = ["rate/s", "version", "CPU-s per 1 000 requests", "against HTTP/1.1", "send lag p99 ms"];
    sheet.table(&format!("Versions of HTTP: streams of 16 events, {repeats} repeats in turn"), &head, &rows);
}

fn saturation(sheet: &mut Sheet, asked: &Asked, folder: &Path) {
    const TOKENS: u32 = 500;
    let repeats = asked.repeats(3);
    let length = asked.span(5.0);
    let mut rows = Vec::new();
    // With one event per segment and a gap of 1 ms the server is as busy as the tool; with all events at once the
    // server is hardly busy.
    for (what, sim, in_flight) in
        [("one event a segment", "delay:ttft=1ms,itl=1ms", 256_usize), ("events in bulk", AT_ONCE, 32)]
    {
        let (mut events, mut cpu) = (Pair::default(), Pair::default());
        for _ in 0..repeats {
            choose_cores();
            let server = Server::start(folder, sim, false);
            let arguments = format!(
                "--load concurrent:{in_flight} --duration {}s --input-tokens {INPUT_TOKENS} --output-tokens {TOKENS} \
                 --ignore-eos --records off",
                length.as_secs_f64()
            );
            let tool = run(folder, &server, &arguments);
            server.stop();
            let done = tool.count("completed") as f64 * f64::from(TOKENS);
            events.tool.push(tool.figure("throughput.output_tokens_per_s"));
            cpu.tool.push(1e6 * tool.cpu_s / done);
            let server = Server::start(folder, sim, false);
            let template = Template::chat(server.address(), INPUT_TOKENS, TOKENS, true);
            let reader = read_or_break(&server, &template, When::Closed(in_flight, length), in_flight);
            server.stop();
            let done = reader.completed as f64 * f64::from(TOKENS);
            events.reader.push(done / reader.span_s);
            cpu.reader.push(1e6 * reader.cpu_s / done);
        }
        let (rate, cost) = (events.medians(), cpu.medians());
        for (who, rate, cost) in [("tonnage", rate.0, cost.0), ("raw reader", rate.1, cost.1)] {
            let busy = rate * cost / 1e4;
            rows.push(vec![
                what.to_owned(),
                who.to_owned(),
                format!("{rate:.0}"),
                format!("{cost:.2}"),
                format!("{busy:.0} %"),
            ]);
        }
        let ratio = rate.0 / rate.1;
        if sim == AT_ONCE {
            // Shown without a criterion: here the tool parses every event and the reader skips them.
            continue;
        }
        // If the core is not busy, the server is the limit; the cost per event then says more than the ratio.
        let bound = if rate.0 * cost.0 / 1e4 < 90.0 { "; bound by the server" } else { "" };
        let seen = format!("{ratio:.2} of the raw reader's{bound}");
        sheet.criterion("events/s at saturation, one event a segment", seen, "≥ 0.85", ratio >= 0.85);
    }
    let head = ["stream", "who", "events/s", "CPU µs an event", "of its core"];
    sheet.table(&format!("Closed loop, {TOKENS}-token streams, {repeats} repeats"), &head, &rows);
}

fn highest_rate(sheet: &mut Sheet, asked: &Asked, folder: &Path) {
    const MOST_LAG_MS: f64 = 5.0;
    choose_cores();
    let length = asked.span(4.0);
    let (mut rows, mut best) = (Vec::new(), [0.0_f64; 2]);
    let mut holds = [true; 2];
    let mut rate = 3_000.0;
    while holds != [false; 2] && rate <= 16_000.0 {
        let mut row = vec![format!("{rate}")];
        for who in 0..2 {
            if !holds[who] {
                row.push("–".to_owned());
                continue;
            }
            // One disturbed run must not end the climb: a rate counts as held if one of two runs held it.
            let lag_ms =
                (0..2).map(|seed| lag_at(folder, who == 0, rate, length, seed + 1)).fold(f64::INFINITY, f64::min);
            holds[who] = lag_ms < MOST_LAG_MS;
            if holds[who] {
                best[who] = rate;
            }
            row.push(format!("{lag_ms:.2}"));
        }
        progress(&format!("{} requests/s: {}", row[0], row[1..].join(" and ")));
        rows.push(row);
        rate += 500.0;
    }
    sheet.table("Send lag p99 in ms (better of two runs; streams of 16)", &["rate/s", "tonnage", "raw reader"], &rows);
    let seen = format!("{} (raw reader {})", best[0], best[1]);
    sheet.criterion("highest rate with send lag p99 < 5 ms", seen, "≥ 6000 (aim)", best[0] >= 6_000.0);
}

fn lag_at(folder: &Path, tool: bool, rate: f64, length: Duration, seed: u64) -> f64 {
    let server = Server::start(folder, STREAMED, false);
    let lag_ms = if tool {
        let run = run(folder, &server, &streamed_run(rate, length.as_secs_f64(), seed));
        if run.count("sent") != run.count("planned") || run.count("completed") < run.count("sent") {
            progress(&format!(
                "at {rate}/s: planned {}, sent {}, completed {}",
                run.count("planned"),
                run.count("sent"),
                run.count("completed")
            ));
        }
        1e3 * run.metric("send_lag.value.p99")
    } else {
        let at = instants(Process::Poisson, rate, length, seed);
        let template = Template::chat(server.address(), INPUT_TOKENS, 16, true);
        match read(server.address(), &template, When::At(&at), (rate * 0.1) as usize, false) {
            Ok(seen) => quantile(&seen.lag_us, 0.99) / 1e3,
            Err(_) => f64::INFINITY,
        }
    };
    server.stop();
    if lag_ms.is_nan() { f64::INFINITY } else { lag_ms }
}

fn closed_loop(sheet: &mut Sheet, asked: &Asked, folder: &Path) {
    const IN_FLIGHT: usize = 64;
    let repeats = asked.repeats(3);
    let length = asked.span(5.0);
    let (mut rates, mut cpu) = (Pair::default(), Pair::default());
    for _ in 0..repeats {
        choose_cores();
        let server = Server::start(folder, AT_ONCE, false);
        let arguments = format!(
            "--load concurrent:{IN_FLIGHT} --no-stream --duration {}s --input-tokens {INPUT_TOKENS} --output-tokens 16 \
             --ignore-eos --records off",
            length.as_secs_f64()
        );
        let tool = run(folder, &server, &arguments);
        server.stop();
        rates.tool.push(tool.figure("throughput.requests_per_s"));
        cpu.tool.push(1e6 * tool.cpu_s / tool.count("completed") as f64);
        let server = Server::start(folder, AT_ONCE, false);
        let template = Template::chat(server.address(), INPUT_TOKENS, 16, false);
        let reader = read_or_break(&server, &template, When::Closed(IN_FLIGHT, length), IN_FLIGHT);
        server.stop();
        rates.reader.push(reader.completed as f64 / reader.span_s);
        cpu.reader.push(1e6 * reader.cpu_s / reader.completed as f64);
    }
    let (rate, cost) = (rates.medians(), cpu.medians());
    let rows: Vec<Vec<String>> = [("tonnage", rate.0, cost.0), ("raw reader", rate.1, cost.1)]
        .map(|(who, rate, cost)| {
            vec![who.to_owned(), format!("{rate:.0}"), format!("{cost:.1}"), format!("{:.0} %", rate * cost / 1e4)]
        })
        .into();
    let head = ["who", "requests/s", "CPU µs a request", "of its core"];
    sheet.table(&format!("Closed loop, {IN_FLIGHT} in flight, not streamed, {repeats} repeats"), &head, &rows);
    sheet.criterion(
        "requests/s, closed loop, not streamed",
        format!("{:.0}", rate.0),
        "≥ 15 000 (aim)",
        rate.0 >= 15_000.0,
    );
}

fn open_streams(sheet: &mut Sheet, asked: &Asked, folder: &Path) {
    let (wait_s, rate) = if asked.quick { (4, 500) } else { (12, 1_000) };
    let server = Server::start(folder, &format!("delay:ttft={wait_s}s,itl=1ms"), false);
    let arguments = format!(
        "--rate {rate}/s --process even --duration {wait_s}s --input-tokens {INPUT_TOKENS} --output-tokens 4 \
         --ignore-eos --records off"
    );
    let mut most_open = 0;
    let port = server.address().port();
    let run = run_watched(folder, &server, &arguments, Duration::from_millis(250), &mut |_, _| {
        most_open = connections_to(port).max(most_open);
    });
    server.stop();
    run.must_be_whole("open streams");
    let each = 1024.0 * run.peak_mib / most_open as f64;
    let row = vec![most_open.to_string(), format!("{:.0}", run.peak_mib), format!("{each:.1}")];
    sheet.table("Memory with many open streams", &["most streams open", "peak RSS MiB", "KiB a stream"], &[row]);
    let enough = most_open >= 10_000 && run.peak_mib <= 400.0;
    sheet.criterion(
        "RSS with 10 000 open streams",
        format!("{:.0} MiB at {most_open}", run.peak_mib),
        "≤ 400 MB",
        enough,
    );
}

fn start(sheet: &mut Sheet, asked: &Asked, folder: &Path) {
    let repeats = asked.repeats(10);
    let (mut first_ms, mut most_at_start, mut most_later, mut opened) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for repeat in 0..repeats {
        choose_cores();
        let server = Server::start(folder, STREAMED, true);
        let started = run(folder, &server, &format!("{} --process even", streamed_run(200.0, 0.5, 1)));
        let first = server
            .stop()
            .iter()
            .map(|row| row.received_ns)
            .min()
            .unwrap_or_else(|| broken("the server saw no request"));
        first_ms.push((first - started.spawned_ns) as f64 / 1e6);

        let server = Server::start(folder, STREAMED, true);
        let whole = run(folder, &server, &streamed_run(4_000.0, 0.6, repeat as u64 + 1));
        whole.must_be_whole("start");
        // The server's own timestamps: one per connection, at its acceptance.
        let mut accepted: Vec<u64> = server.stop().iter().map(|row| row.accepted_ns).collect();
        accepted.sort_unstable();
        accepted.dedup();
        let within = |from: u64| accepted.iter().filter(|at| (from..from + 10_000_000).contains(*at)).count() as f64;
        let most_from =
            |span: Range<u64>| accepted.iter().filter(|at| span.contains(at)).map(|at| within(*at)).fold(0.0, f64::max);
        let first = accepted.first().copied().unwrap_or_default();
        most_at_start.push(most_from(first..first + START_NS));
        most_later.push(most_from(first + START_NS..u64::MAX));
        opened.push(accepted.len() as f64);
    }
    let worst = |values: &[f64]| quantile(values, 1.0);
    let rows = vec![
        vec![
            "launch to first request at the server, ms".to_owned(),
            format!("{:.1}", median(&first_ms)),
            format!("{:.1}", worst(&first_ms)),
        ],
        vec![
            "connections taken in any 10 ms of the first 50, most, at 4 000/s".to_owned(),
            format!("{:.0}", median(&most_at_start)),
            format!("{:.0}", worst(&most_at_start)),
        ],
        vec![
            "the same later, where a stall of the machine has to be made good".to_owned(),
            format!("{:.0}", median(&most_later)),
            format!("{:.0}", worst(&most_later)),
        ],
        vec![
            "connections taken at 4 000/s".to_owned(),
            format!("{:.0}", median(&opened)),
            format!("{:.0}", worst(&opened)),
        ],
    ];
    sheet.table(&format!("Start, {repeats} repeats"), &["what", "median", "most"], &rows);
    let first = median(&first_ms);
    sheet.criterion("launch to first request", format!("{first:.0} ms"), "≤ 200 ms", first <= 200.0);
    // At 4 000/s, 40 connections open in 10 ms before the first one is free again; more than three times as many
    // would be a burst.
    let most = median(&most_at_start);
    sheet.criterion("no connect burst at 4 000/s", format!("{most:.0} in 10 ms"), "≤ 128 in 10 ms", most <= 128.0);
}

fn growth(sheet: &mut Sheet, asked: &Asked, folder: &Path) {
    choose_cores();
    // A closed loop ends as soon as the machine allows. The server responds at once, so requests pass at an even
    // pace.
    let total = if asked.quick { 100_000 } else { 2_000_000 };
    let server = Server::start(folder, AT_ONCE, false);
    let arguments = format!(
        "--load concurrent:64 --requests {total} --no-stream --input-tokens 8 --output-tokens 1 --ignore-eos --records \
         compact"
    );
    let mut resident = Vec::new();
    let run = run_watched(folder, &server, &arguments, Duration::from_millis(100), &mut |pid, at_ns| {
        resident.extend(memory_mib(pid, "VmRSS").map(|mib| (at_ns, mib)));
    });
    server.stop();
    let whole_ns = resident.last().map_or(0, |look| look.0) as f64;
    let at =
        |share: f64| resident.iter().find(|look| look.0 as f64 >= share * whole_ns).map_or(f64::NAN, |look| look.1);
    let rows: Vec<Vec<String>> = [0.05, 0.25, 0.5, 0.75, 0.95]
        .map(|share| vec![format!("{:.0}", share * f64::from(total)), format!("{:.1}", at(share))])
        .into();
    sheet.table(
        &format!("Memory as a run grows: {} of {} completed", run.count("completed"), run.count("planned")),
        &["request", "RSS MiB"],
        &rows,
    );
    let grown = at(0.95) - at(0.25);
    sheet.criterion(
        format!("RSS growth from request {} to {}", total / 4, total * 19 / 20),
        format!("{grown:.1} MiB"),
        "≤ 10 MiB",
        grown <= 10.0,
    );
}
