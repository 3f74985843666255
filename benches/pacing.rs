//! Owns the pacing benchmark: send lag and arrival gaps of the tool against `clock_nanosleep`, interleaved on the
//! same cores.
//!
//! `cargo bench --bench pacing -- [--quick] [--repeats N] [candidates] [slow] [tool]`: about 10 minutes in all.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a bench prints, and stops where its machine fails it"
)]

mod common;

use std::path::Path;

use common::candidates::{Paced, spinning, timerfd};
use common::host::{choose_cores, pin, server_cpu, tool_cpu};
use common::instants::instants;
use common::sheet::{Sheet, progress};
use common::stats::{exponential_distance, gaps, median, quantile, variation};
use common::tool::{Server, run};
use common::wire::Template;
use common::{Asked, broken, pair};
use tonnage::schedule::Process;

/// Rates, and the seconds of one repeat; at 1 000/s ten repeats must give more than 10 000 gaps.
const RATES: [(u32, f64); 4] = [(10, 5.0), (100, 3.0), (1_000, 1.5), (5_000, 1.0)];
/// The rate at which the gaps are judged. From this rate on, a bare sender loads server and cores as much as the
/// tool, so its results show the limits of the machine.
const JUDGED: u32 = 1_000;
/// The server sends one token after 20 ms: this benchmark judges pacing; `throughput` judges reading.
const SIM: &str = "delay:ttft=20ms,itl=5ms";
/// Kept-alive connections of the control sender, in seconds of its load. Each connection sends again 200 ms after a
/// request that takes 20 ms, so a stall of the machine does not put two requests on one connection at once.
const CONNECTIONS_S: f64 = 0.2;
const INPUT_TOKENS: usize = 64;

/// The results of the repeats of one rate and process.
#[derive(Default)]
struct Seen {
    planned: u64,
    sent: u64,
    lag_p50_us: Vec<f64>,
    lag_p99_us: Vec<f64>,
    control_p50_us: Vec<f64>,
    control_p99_us: Vec<f64>,
    sender_p50_us: Vec<f64>,
    sender_p99_us: Vec<f64>,
    tool_gaps: Gaps,
    control_gaps: Gaps,
}

/// Gaps between arrivals, as the server saw them.
#[derive(Default)]
struct Gaps {
    variation: Vec<f64>,
    pooled: Vec<f64>,
}

impl Gaps {
    fn add(&mut self, arrivals: &[u64]) {
        let gaps = gaps(arrivals);
        self.variation.push(variation(&gaps));
        self.pooled.extend(gaps);
    }
}

fn main() {
    let asked = Asked::read();
    let repeats = asked.repeats(10);
    pin(server_cpu());
    let mut sheet = Sheet::open("Pacing");
    if asked.wants("candidates") {
        candidates(&sheet, &asked, repeats);
    }
    if asked.wants("slow") {
        slow(&mut sheet);
    }
    if asked.wants("tool") {
        tool(&mut sheet, &asked, repeats);
    }
    sheet.close(&format!("{repeats} interleaved repeats each, medians over repeats"));
}

fn candidates(sheet: &Sheet, asked: &Asked, repeats: usize) {
    const NAMES: [&str; 4] = [
        "clock_nanosleep, bare (reference)",
        "(a) timerfd in the worker's runtime (`clock::Pacer`)",
        "(b) spinning thread + channel, one core",
        "(b) spinning thread + channel, a core of its own",
    ];
    let mut rows = Vec::new();
    for rate in [1_000, 5_000] {
        let length = asked.span(1.0);
        let mut all: [Vec<Paced>; 4] = Default::default();
        for repeat in 0..repeats {
            let at = instants(Process::Poisson, f64::from(rate), length, repeat as u64 + 1);
            all[0].push(Paced { late_us: pair::bare(&at), cpu_s: f64::NAN });
            all[1].push(timerfd(&at));
            all[2].push(spinning(&at, tool_cpu()));
            all[3].push(spinning(&at, server_cpu()));
        }
        progress(&format!("candidates at {rate}/s done"));
        for (name, paced) in NAMES.iter().zip(&all) {
            let over = |figure: &dyn Fn(&Paced) -> f64| median(&paced.iter().map(figure).collect::<Vec<_>>());
            rows.push(vec![
                format!("{rate}"),
                (*name).to_owned(),
                format!("{:.1}", over(&|one| quantile(&one.late_us, 0.5))),
                format!("{:.1}", over(&|one| quantile(&one.late_us, 0.99))),
                Some(over(&|one| 100.0 * one.cpu_s / length.as_secs_f64()))
                    .filter(|cpu| cpu.is_finite())
                    .map_or("–".to_owned(), |cpu| format!("{cpu:.1}")),
            ]);
        }
    }
    sheet.table("Ways to pace (Poisson)", &["rate/s", "how", "late p50 µs", "late p99 µs", "CPU % of a core"], &rows);
}

/// Gaps of a second, longer than any look-ahead: a load generator that builds the next request before it sends the
/// present one is late here.
fn slow(sheet: &mut Sheet) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(folder.path(), SIM, false);
    let arguments = format!(
        "--rate 1/s --process even --duration 5s --input-tokens {INPUT_TOKENS} --output-tokens 1 --records off"
    );
    let run = run(folder.path(), &server, &arguments);
    server.stop();
    let most = 1e6 * run.metric("send_lag.value.max");
    sheet.criterion(
        "send lag max, 1/s even",
        format!("{most:.0} µs of {} requests", run.count("sent")),
        "≤ 5 000 µs",
        most <= 5_000.0,
    );
}

fn tool(sheet: &mut Sheet, asked: &Asked, repeats: usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let processes = [Process::Even, Process::Poisson];
    let mut all: Vec<(u32, Process, Seen)> =
        RATES.iter().flat_map(|(rate, _)| processes.map(|process| (*rate, process, Seen::default()))).collect();
    for repeat in 0..repeats {
        choose_cores();
        for (rate, process, seen) in &mut all {
            let seconds = RATES.iter().find(|known| known.0 == *rate).map_or(1.0, |known| known.1);
            let case = Case {
                rate: *rate,
                process: *process,
                seconds: asked.span(seconds).as_secs_f64(),
                seed: repeat as u64 + 1,
            };
            // The order alternates, because the first of a pair may meet another state of the machine than the
            // second.
            if repeat % 2 == 0 {
                one_control(folder.path(), &case, seen);
                one_run(folder.path(), &case, seen);
            } else {
                one_run(folder.path(), &case, seen);
                one_control(folder.path(), &case, seen);
            }
        }
        progress(&format!("repeat {} of {repeats} done", repeat + 1));
    }
    report(sheet, &all);
}

struct Case {
    rate: u32,
    process: Process,
    seconds: f64,
    seed: u64,
}

fn one_run(folder: &Path, case: &Case, seen: &mut Seen) {
    let Case { rate, process, seconds, seed } = case;
    let server = Server::start(folder, SIM, true);
    let arguments = format!(
        "--rate {rate}/s --process {process} --duration {seconds}s --seed {seed} --input-tokens {INPUT_TOKENS} \
         --output-tokens 1 --records off"
    );
    let run = run(folder, &server, &arguments);
    let truth = server.stop();
    seen.planned += run.count("planned");
    seen.sent += run.count("sent");
    if truth.len() as u64 != run.count("sent") {
        broken(&format!("{arguments}: the tool sent {}, the server saw {}", run.count("sent"), truth.len()));
    }
    seen.lag_p50_us.push(1e6 * run.metric("send_lag.value.p50"));
    seen.lag_p99_us.push(1e6 * run.metric("send_lag.value.p99"));
    seen.tool_gaps.add(&truth.iter().map(|row| row.received_ns).collect::<Vec<_>>());
}

fn one_control(folder: &Path, case: &Case, seen: &mut Seen) {
    let at = instants(case.process, f64::from(case.rate), std::time::Duration::from_secs_f64(case.seconds), case.seed);
    let late = pair::bare(&at);
    seen.control_p50_us.push(quantile(&late, 0.5));
    seen.control_p99_us.push(quantile(&late, 0.99));
    if case.rate >= JUDGED {
        let server = Server::start(folder, SIM, true);
        let template = Template::chat(server.address(), INPUT_TOKENS, 1, true);
        let sent = pair::send(server.address(), &template, &at, (CONNECTIONS_S * f64::from(case.rate)) as usize);
        let late = sent.unwrap_or_else(|why| broken(&format!("the control sender: {why}")));
        seen.sender_p50_us.push(quantile(&late, 0.5));
        seen.sender_p99_us.push(quantile(&late, 0.99));
        let truth = server.stop();
        if truth.len() != at.len() {
            broken(&format!("the control sent {}, the server saw {}", at.len(), truth.len()));
        }
        seen.control_gaps.add(&truth.iter().map(|row| row.received_ns).collect::<Vec<_>>());
    }
}

fn report(sheet: &mut Sheet, all: &[(u32, Process, Seen)]) {
    let (mut rows, mut gap_rows) = (Vec::new(), Vec::new());
    let sender =
        |late_us: &[f64]| if late_us.is_empty() { "–".to_owned() } else { format!("{:.1}", median(late_us)) };
    for (rate, process, seen) in all {
        let lag = [&seen.lag_p50_us, &seen.lag_p99_us].map(|values| median(values));
        let control = [&seen.control_p50_us, &seen.control_p99_us].map(|values| median(values));
        rows.push(vec![
            format!("{rate}"),
            process.to_string(),
            format!("{} / {}", seen.sent, seen.planned),
            format!("{:.1}", lag[0]),
            format!("{:.1}", lag[1]),
            format!("{:.1}", control[0]),
            format!("{:.1}", control[1]),
            sender(&seen.sender_p50_us),
            sender(&seen.sender_p99_us),
        ]);
        let what = |asked: &str| format!("{asked}, {rate}/s {process}");
        sheet.criterion(what("send lag p50"), format!("{:.1} µs", lag[0]), "≤ 60 µs", lag[0] <= 60.0);
        let most = 1.5 * control[1] + 100.0;
        sheet.criterion(
            what("send lag p99"),
            format!("{:.1} µs", lag[1]),
            format!("≤ {most:.0} µs (1.5 × control + 100)"),
            lag[1] <= most,
        );
        sheet.criterion(
            what("sent = planned"),
            format!("{} of {}", seen.sent, seen.planned),
            "all",
            seen.sent == seen.planned,
        );
        if seen.tool_gaps.pooled.is_empty() {
            continue;
        }
        let figures = |gaps: &Gaps| (median(&gaps.variation), exponential_distance(&gaps.pooled));
        let (tool, control) = (figures(&seen.tool_gaps), figures(&seen.control_gaps));
        let has_control = *rate >= JUDGED;
        let of_control = |text: String| if has_control { text } else { "–".to_owned() };
        gap_rows.push(vec![
            format!("{rate}"),
            process.to_string(),
            seen.tool_gaps.pooled.len().to_string(),
            format!("{:.3}", tool.0),
            of_control(format!("{:.3}", control.0)),
            format!("{:.4}", tool.1),
            of_control(format!("{:.4}", control.1)),
        ]);
        if *rate != JUDGED {
            continue;
        }
        if *process == Process::Even {
            let most = (1.3 * control.0).max(0.10);
            let asked = format!("≤ {most:.3} (max of 0.10 and 1.3 × control)");
            sheet.criterion(what("gap CV at the server"), format!("{:.3}", tool.0), asked, tool.0 <= most);
        } else {
            let gaps = seen.tool_gaps.pooled.len();
            let seen = format!("{:.4} over {gaps} gaps", tool.1);
            sheet.criterion(
                what("KS distance at the server"),
                seen,
                "≤ 0.02 over ≥ 10 000 gaps",
                tool.1 <= 0.02 && gaps >= 10_000,
            );
        }
    }
    let head = [
        "rate/s",
        "process",
        "sent / planned",
        "lag p50 µs",
        "lag p99 µs",
        "control p50 µs",
        "control p99 µs",
        "sender p50 µs",
        "sender p99 µs",
    ];
    let title = "Send lag (control: `clock_nanosleep` at the same instants; sender: the same, writing prebuilt \
        requests to the same server)";
    sheet.table(title, &head, &rows);
    let head = ["rate/s", "process", "gaps", "CV, tool", "CV, control", "KS from exponential, tool", "KS, control"];
    sheet.table("Gaps between arrivals, as the server sees them", &head, &gap_rows);
}
