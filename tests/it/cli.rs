//! Owns the command line's tests: the binary as a user runs it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

pub(crate) fn tonnage(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tonnage"));
    alone(&mut command).current_dir(folder).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Removes from `command` the environment variables of the test that set keys, proxies, terminals, time zones and
/// languages.
pub(crate) fn alone(command: &mut Command) -> &mut Command {
    let kept = ["PATH", "HOME", "TMPDIR"].map(|name| (name, std::env::var_os(name)));
    // With wide columns each message is one line, so the tests can search for its words.
    command.env_clear().envs(kept.into_iter().filter_map(|(name, value)| Some((name, value?)))).env("COLUMNS", "9999")
}

pub(crate) fn run(folder: &Path, words: &[&str]) -> Output {
    tonnage(folder).args(words).output().expect("the binary runs")
}

/// Each of `cases` (arguments, and the words of the refusal) must be refused with exit code 2, an empty standard
/// output, and no file left behind.
pub(crate) fn all_refused(folder: &Path, cases: &[(&[&str], &[&str])]) {
    for (words, wanted) in cases {
        let output = run(folder, words);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(output.stdout.is_empty(), "{words:?}");
        for part in *wanted {
            assert!(said.contains(part), "{words:?} lacks `{part}`: {said}");
        }
    }
    assert!(!folder.join("results").exists(), "a refused command must leave no folder behind");
}

pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
}

/// A simulated server in its own process; killed when dropped.
pub(crate) struct Simulated {
    child: Child,
    pub(crate) url: String,
}

impl Simulated {
    pub(crate) fn start(folder: &Path, words: &[&str]) -> Self {
        Self::start_at(folder, "127.0.0.1:0", words)
    }

    /// A server that listens at `address`.
    pub(crate) fn start_at(folder: &Path, address: &str, words: &[&str]) -> Self {
        let mut command = tonnage(folder);
        command.args(["simulate", "--listen", address]).args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let mut url = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut url).expect("the URL");
        Self { child, url: url.trim().to_owned() }
    }

    /// Ends it as Ctrl-C does; returns the exit code and the standard error.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        interrupt(&self.child);
        let said = std::io::read_to_string(self.child.stderr.take().expect("piped")).expect("text");
        (self.child.wait().expect("it ends").code(), said)
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn interrupt(child: &Child) {
    let id = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("an id"));
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).expect("a signal");
}

#[test]
fn help_shows_examples_first_and_nothing_that_is_not_built() {
    let folder = folder();
    for (name, words) in [
        ("help", vec!["--help"]),
        ("help_run", vec!["run", "--help"]),
        ("help_sweep", vec!["sweep", "--help"]),
        ("help_search", vec!["search", "--help"]),
        ("help_replay", vec!["replay", "--help"]),
        ("help_plan", vec!["plan", "--help"]),
        ("help_trace", vec!["trace", "--help"]),
        ("help_trace_inspect", vec!["trace", "inspect", "--help"]),
        ("help_report", vec!["report", "--help"]),
        ("help_batch", vec!["batch", "--help"]),
        ("help_aggregate", vec!["aggregate", "--help"]),
        ("help_compare", vec!["compare", "--help"]),
        ("help_resend", vec!["resend", "--help"]),
        ("help_simulate", vec!["simulate", "--help"]),
        ("help_help", vec!["help", "--help"]),
        ("help_calibrate", vec!["calibrate", "--help"]),
        ("help_size", vec!["size", "--help"]),
    ] {
        let output = run(folder.path(), &words);
        assert_eq!(output.status.code(), Some(0), "{name}");
        insta::assert_snapshot!(name, text(&output.stdout));
    }
    assert_eq!(
        text(&run(folder.path(), &["help", "run"]).stdout),
        text(&run(folder.path(), &["run", "--help"]).stdout)
    );
    for topic in ["metrics", "slo", "sim", "profiles"] {
        let shown = text(&run(folder.path(), &["help", topic]).stdout);
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{topic}: {shown}");
    }
    let (short, long) =
        (text(&run(folder.path(), &["run", "-h"]).stdout), text(&run(folder.path(), &["run", "--help"]).stdout));
    assert!(short.lines().count() < 70 && short.contains("--help shows all") && short.contains("--rate"), "{short}");
    assert!(!short.contains("--ca-cert") && long.contains("--ca-cert"), "{short}");
    assert!(text(&run(folder.path(), &["help", "metrics"]).stdout).contains("ttft"));
    assert!(text(&run(folder.path(), &["help", "slo"]).stdout).contains("@chat"));
}

#[test]
fn what_cannot_be_is_refused_with_flag_value_and_what_is_accepted() {
    let folder = folder();
    std::fs::write(folder.path().join("bad.yaml"), "raet: 5/s\n").expect("a file");
    std::fs::write(folder.path().join("lengths.txt"), "12\nmany\n").expect("a file");
    let cases: &[(&[&str], &[&str])] = &[
        (&["run", "--raet", "5"], &["--raet", "--rate"]),
        (&["run", "--rate", "fast"], &["--rate", "`fast`", "accepted is 12.5/s"]),
        (&["run", "--process", "lumpy"], &["--process", "gamma:CV"]),
        (&["run", "--duration", "60"], &["--duration", "`60`", "1.5s"]),
        (&["run", "--rate", "0.001", "--duration", "1ms"], &["--duration", "no request falls"]),
        (&["run", "--duration", "0s"], &["--duration", "above 0"]),
        (&["run", "--load", "synchronous", "--rate", "5"], &["--rate", "--load", "closed loop"]),
        (&["run", "--load", "sometimes"], &["--load", "concurrent:N"]),
        (&["run", "--duration", "3s", "--requests", "3"], &["--requests", "--duration", "drop one"]),
        (&["run", "--target", "http://h", "--sim", "small"], &["--sim", "--target"]),
        (&["run", "--target", "h"], &["--target", "http://127.0.0.1:8000"]),
        (&["run", "--no-stream", "--slo", "p99 ttft<=1s"], &["--slo", "ttft", "--no-stream"]),
        (&["run", "--endpoint", "chats"], &["--endpoint", "`chats`", "completions"]),
        (&["run", "--continuous-usage", "--no-stream"], &["--continuous-usage", "--no-stream"]),
        (&["run", "--insecure"], &["--insecure", "https"]),
        (&["run", "--target", "http://h", "--ca-cert", "lengths.txt"], &["--ca-cert", "https"]),
        (&["run", "--target", "https://h", "--ca-cert", "lengths.txt"], &["lengths.txt", "no certificate"]),
        (&["run", "--target", "https://h", "--ca-cert", "lengths.txt", "--insecure"], &["--insecure", "--ca-cert"]),
        (&["run", "--slo", "p99 ttft<=200"], &["--slo", "no unit"]),
        (&["run", "--goodput", "ttft"], &["--goodput", "milliseconds"]),
        (&["run", "--attainment", "90%"], &["--attainment", "nothing to attain"]),
        (&["run", "--input-tokens", "some"], &["--input-tokens", "lognormal"]),
        (&["run", "--input-tokens", "file:lengths.txt"], &["lengths.txt:2", "`many`"]),
        (&["run", "--input-tokens", "file:none.txt"], &["none.txt", "cannot be opened"]),
        (&["run", "--rate", "-1"], &["--rate", "-1", "out of range"]),
        (&["run", "--timeout", "-1s"], &["--timeout", "`-1s`", "0 to 1 year"]),
        (&["run", "--requests", "-1"], &["--requests", "`-1`", "from 1"]),
        (&["run", "--seed", "-1"], &["--seed", "`-1`", "accepted is 0"]),
        (&["run", "--workers", "-1"], &["--workers", "-1", "from 1 to 1024"]),
        (&["run", "--input-tokens", "-1"], &["--input-tokens", "`-1`", "accepted is 512"]),
        (&["run", "--connect-timeout", "0s"], &["--connect-timeout", "above 0"]),
        (&["run", "--model", ""], &["--model", "without a name", "/v1/models"]),
        (&["run", "--salt", ""], &["--salt", "random, off or a text"]),
        (&["run", "--api-key", "k", "--header", "Authorization: Bearer k"], &["--header", "--api-key", "drop one"]),
        (&["plan", "--rate", "0.001", "--duration", "1ms"], &["--duration", "no request falls"]),
        (&["plan", "--rate", "100000/s", "--duration", "8760h"], &["--duration", "1 000 000 000", "lower --rate"]),
        (&["plan", "--requests", "18446744073709551615"], &["--requests", "1 000 000 000", "lower --rate"]),
        (&["plan", "--input-tokens", "file:/dev/zero"], &["/dev/zero", "larger than 64 MiB"]),
        (&["run", "--extra-body", "[1]"], &["--extra-body", "JSON object"]),
        (&["run", "--header", "X"], &["--header", "NAME: VALUE"]),
        (&["run", "--metadata", "x"], &["--metadata", "K=V"]),
        (&["run", "--out", "lengths.txt"], &["lengths.txt", "--out"]),
        (&["run", "-c", "none.yaml"], &["none.yaml", "cannot be read"]),
        (&["run", "-c", "bad.yaml"], &["bad.yaml", "`raet`", "did you mean `rate`?"]),
        (&["plan", "--rate", "0"], &["--rate", "out of range"]),
        (&["plan", "--export", "none/t.csv"], &["none/t.csv", "--export"]),
        (&["report", "none"], &["none", "result folder"]),
        (&["report", "lengths.txt"], &["lengths.txt", "not a result"]),
        (&["report", "a", "b"], &["a", "cannot be read"]),
        (&["simulate", "--fault", "explode"], &["--fault", "slow-first-byte:TIME"]),
        (&["simulate", "--sim", "huge"], &["--sim", "mmc:servers"]),
        (&["help", "nothing"], &["`nothing`", "metrics"]),
        (&["search"], &["search"]),
    ];
    all_refused(folder.path(), cases);
}

#[test]
fn a_target_that_cannot_be_used_is_said_at_once() {
    let folder = folder();
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address")
    };
    for (url, wanted) in [
        (format!("http://{closed}"), "no connection"),
        ("http://no-such-host.invalid".to_owned(), "could not be resolved"),
    ] {
        let output = run(folder.path(), &["run", "--target", &url, "--out", "out"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(&url) && said.contains(wanted), "{said}");
        assert!(!folder.path().join("out").exists());
    }
    let server = Simulated::start(folder.path(), &["--api-key", "right"]);
    let output = run(folder.path(), &["run", "--target", &server.url, "--api-key", "wrong"]);
    assert_eq!((output.status.code(), text(&output.stderr).contains("--api-key")), (Some(3), true));
    // With --model the server is not asked for its models first, and with --no-preflight it is not tried: refused
    // connections are counted, and no request completes.
    let words = [
        "run",
        "--target",
        &format!("http://{closed}"),
        "--model",
        "m",
        "--no-preflight",
        "--requests",
        "5",
        "--rate",
        "100",
        "--out",
        "out",
    ];
    let output = run(folder.path(), &words);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let result = json(&folder.path().join("out/result.json"));
    assert_eq!(result["trials"][0]["run_totals"]["failures"]["connect"], 5);
    assert_eq!(std::fs::read_to_string(folder.path().join("out/failures.jsonl")).expect("failures").lines().count(), 5);
}

#[test]
fn a_plan_is_described_exported_and_the_same_again() {
    let folder = folder();
    let words = ["plan", "--rate", "50", "--duration", "10s", "--warmup", "1s", "--export", "t.csv"];
    let output = run(folder.path(), &words);
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!("plan", text(&output.stdout));
    let table = std::fs::read_to_string(folder.path().join("t.csv")).expect("a table");
    let described: Value = serde_json::from_slice(
        &run(folder.path(), &["plan", "--rate", "50", "--duration", "10s", "--warmup", "1s", "--json"]).stdout,
    )
    .expect("JSON");
    assert_eq!(described["planned"], table.lines().count() - 1);
    for key in ["planned", "span_s", "rate_per_s", "gap", "dispersion", "law", "fingerprint", "dropped"] {
        assert!(described.get(key).is_some(), "{key}");
    }
    let even = run(folder.path(), &["plan", "--process", "even", "--rate", "200", "--duration", "10s", "--json"]);
    assert_eq!(serde_json::from_slice::<Value>(&even.stdout).expect("JSON")["planned"], 2_000);
}

#[test]
fn the_usage_line_names_tonnage_whatever_the_file_is_called() {
    // The usage line is copied by users, so it must not show the name of a renamed binary or a build path.
    let folder = folder();
    let mut command = tonnage(folder.path());
    std::os::unix::process::CommandExt::arg0(&mut command, "/tmp/elsewhere");
    let output = command.args(["run", "--raet", "5"]).output().expect("the binary runs");
    assert!(text(&output.stderr).contains("Usage: tonnage run"), "{}", text(&output.stderr));
}

#[test]
fn a_plan_under_a_quota_says_when_its_law_was_judged() {
    // The arrivals that a quota leaves are not a Poisson process; the law is checked on the arrivals before the
    // quota.
    let output = run(folder().path(), &["plan", "--rate", "50", "--duration", "10s", "--quota", "600/min"]);
    assert!(text(&output.stdout).contains("judged before the quota"), "{}", text(&output.stdout));
}

#[test]
fn the_default_seed_draws_about_as_many_requests_as_are_asked_for() {
    let folder = folder();
    for (rate, duration, expected) in [
        ("2/s", "20s", 40.0),
        ("10/s", "20s", 200.0),
        ("10/s", "60s", 600.0),
        ("50/s", "60s", 3_000.0),
        ("1000/s", "20s", 20_000.0),
    ] {
        let output = run(folder.path(), &["plan", "--rate", rate, "--duration", duration, "--json"]);
        let plan: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let planned = plan["planned"].as_f64().expect("a number");
        assert!(
            (planned - expected).abs() <= expected.sqrt(),
            "{rate} for {duration}: {planned}, one standard deviation is {}",
            expected.sqrt()
        );
    }
}
