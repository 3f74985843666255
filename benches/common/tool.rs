//! Owns the tool as a child process: the simulated server with its truth log, a run with its result, CPU time and
//! memory.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::common::broken;
use crate::common::host::{children_cpu_s, memory_mib, now_ns, pin, running_cpu_s, server_cpu, sleep, tool_cpu};

const TONNAGE: &str = env!("CARGO_BIN_EXE_tonnage");

/// One line of the truth log, with the fields that benchmarks need. Instants are nanoseconds on `CLOCK_MONOTONIC`.
pub(crate) struct Truth {
    pub(crate) request_id: String,
    pub(crate) accepted_ns: u64,
    /// When the server's kernel received the request.
    pub(crate) received_ns: u64,
    pub(crate) first_token_ns: Option<u64>,
}

/// `tonnage simulate` on the server's core.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    truth: PathBuf,
}

/// Children that have not been waited for, so that a failed benchmark leaves none behind.
static CHILDREN: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

fn children() -> MutexGuard<'static, Vec<Pid>> {
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the children that this benchmark has started and not waited for.
pub(crate) fn end_children() {
    for child in children().drain(..) {
        _ = kill_process(child, Signal::KILL);
    }
}

fn spawn_on(cpu: usize, command: &mut Command) -> Child {
    pin(cpu);
    let child = command.stdin(Stdio::null()).spawn();
    pin(server_cpu());
    let child = child.unwrap_or_else(|error| broken(&format!("{TONNAGE} does not start: {error}")));
    children().push(Pid::from_child(&child));
    child
}

/// Notes that a child has been waited for.
fn is_gone(child: &Child) {
    children().retain(|pid| *pid != Pid::from_child(child));
}

fn create(path: &Path) -> File {
    File::create(path).unwrap_or_else(|error| broken(&format!("{}: {error}", path.display())))
}

/// The first `http://HOST:PORT` in `text`.
fn address_in(text: &str) -> Option<SocketAddr> {
    let rest = &text[text.find("http://")? + "http://".len()..];
    let end = rest.find(|character: char| !(character.is_ascii_digit() || ".:".contains(character)))?;
    rest[..end].parse().ok()
}

impl Server {
    /// Starts a server with profile `sim`, with a truth log if `truth` is set.
    pub(crate) fn start(folder: &Path, sim: &str, truth: bool) -> Self {
        let (log, said) = (folder.join("truth.jsonl"), folder.join("simulate.out"));
        _ = fs::remove_file(&log);
        let mut command = Command::new(TONNAGE);
        command.args(["simulate", "--listen", "127.0.0.1:0", "--sim", sim]);
        if truth {
            command.arg("--truth").arg(&log);
        }
        let file = create(&said);
        let errors = file.try_clone().unwrap_or_else(|error| broken(&error.to_string()));
        let mut child = spawn_on(server_cpu(), command.stdout(file).stderr(errors));
        for _ in 0..2_000 {
            if let Some(address) = address_in(&fs::read_to_string(&said).unwrap_or_default()) {
                return Self { child, address, truth: log };
            }
            if child.try_wait().is_ok_and(|status| status.is_some()) {
                break;
            }
            sleep(Duration::from_millis(5));
        }
        broken(&format!("the simulated server gave no address: {}", fs::read_to_string(&said).unwrap_or_default()))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// CPU seconds it has used so far.
    pub(crate) fn cpu_s(&self) -> f64 {
        running_cpu_s(self.child.id())
    }

    /// Stops the server; returns the lines of its truth log, if it had one.
    pub(crate) fn stop(mut self) -> Vec<Truth> {
        let pid = Pid::from_child(&self.child);
        if kill_process(pid, Signal::INT).is_err() || self.child.wait().is_err() {
            broken("the simulated server does not stop");
        }
        is_gone(&self.child);
        let log = fs::read_to_string(&self.truth).unwrap_or_default();
        let row = |line: &str| {
            let row: Value = serde_json::from_str(line).ok()?;
            Some(Truth {
                request_id: row["x_request_id"].as_str().unwrap_or_default().to_owned(),
                accepted_ns: row["accepted_ns"].as_u64()?,
                received_ns: row["received_ns"].as_u64()?,
                first_token_ns: row["first_token_write_ns"].as_u64(),
            })
        };
        log.lines().filter_map(row).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Only needed when a benchmark ends early; a stopped server is already gone.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The result of a run of the tool.
pub(crate) struct Run {
    pub(crate) spawned_ns: u64,
    pub(crate) cpu_s: f64,
    pub(crate) peak_mib: f64,
    trial: Value,
    records: PathBuf,
}

/// A callback while the tool runs; it receives the tool's process id and the nanoseconds since its start.
pub(crate) type Watch<'a> = &'a mut dyn FnMut(u32, u64);

/// Runs `tonnage run` with one worker on the tool's core against `server`, to its end.
pub(crate) fn run(folder: &Path, server: &Server, arguments: &str) -> Run {
    run_watched(folder, server, arguments, Duration::from_millis(40), &mut |_, _| ())
}

/// Runs `tonnage run` as `run` does, and calls `watch` every `step` with the tool's process id and the nanoseconds
/// since it was spawned.
pub(crate) fn run_watched(folder: &Path, server: &Server, arguments: &str, step: Duration, watch: Watch<'_>) -> Run {
    let (out, said) = (folder.join("run.json"), folder.join("run.err"));
    let results = folder.join("results");
    _ = fs::remove_dir_all(&results);
    let mut command = Command::new(TONNAGE);
    command.args(["run", "--json", "--quiet", "--no-preflight", "--workers", "1"]);
    command.args(["--target", &server.url(), "--out"]).arg(&results);
    command.args(arguments.split_whitespace()).stdout(create(&out)).stderr(create(&said));
    let cpu_before = children_cpu_s();
    let spawned_ns = now_ns();
    let mut child = spawn_on(tool_cpu(), &mut command);
    let mut peak_mib = 0.0_f64;
    let status = loop {
        peak_mib = memory_mib(child.id(), "VmHWM").unwrap_or(0.0).max(peak_mib);
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => {}
            Err(error) => broken(&error.to_string()),
        }
        watch(child.id(), now_ns() - spawned_ns);
        sleep(step);
    };
    is_gone(&child);
    let cpu_s = children_cpu_s() - cpu_before;
    let errors = fs::read_to_string(&said).unwrap_or_default();
    if !status.success() {
        broken(&format!("tonnage run {arguments}: {status}\n{errors}"));
    }
    let result: Value = serde_json::from_str(&fs::read_to_string(&out).unwrap_or_default()).unwrap_or_else(|error| {
        broken(&format!("tonnage run {arguments}: standard output is no JSON: {error}\n{errors}"))
    });
    let run =
        Run { spawned_ns, cpu_s, peak_mib, trial: result["trials"][0].clone(), records: results.join("records.jsonl") };
    if run.count("sent") == 0 {
        broken(&format!("tonnage run {arguments} sent nothing\n{errors}"));
    }
    run
}

impl Run {
    /// A count of the whole run: `planned`, `sent`, `completed`, ….
    pub(crate) fn count(&self, what: &str) -> u64 {
        self.trial["run_totals"][what].as_u64().unwrap_or(0)
    }

    /// A figure of a metric in its own unit; NaN if it is undefined or censored.
    pub(crate) fn metric(&self, path: &str) -> f64 {
        let figure = path.split('.').fold(&self.trial["metrics"], |value, key| &value[key]);
        figure.as_f64().unwrap_or(f64::NAN)
    }

    /// A figure of the trial itself, such as `throughput.requests_per_s`.
    pub(crate) fn figure(&self, path: &str) -> f64 {
        path.split('.').fold(&self.trial, |value, key| &value[key]).as_f64().unwrap_or(f64::NAN)
    }

    /// Ends the benchmark unless every planned request was sent and completed.
    pub(crate) fn must_be_whole(&self, what: &str) {
        let counts = ["planned", "sent", "completed"].map(|name| self.count(name));
        if counts[0] != counts[1] || counts[1] != counts[2] {
            broken(&format!("{what}: planned, sent, completed are {counts:?}: {}", self.trial["run_totals"]));
        }
    }

    /// The records, each as JSON.
    pub(crate) fn records(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.records)
            .unwrap_or_else(|error| broken(&format!("{}: {error}", self.records.display())));
        text.lines().skip(1).filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}
