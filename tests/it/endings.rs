//! Owns the tests of how runs end: failure messages with advice, a lost target, and signals.

use std::io::{BufRead, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};

use crate::cli::{folder, json, run, text, tonnage};
use crate::hostile::server::Step::{Hold, Request, Write};
use crate::hostile::server::{Healthy, Step, serve};
use crate::hostile::table;

fn status(line: &str, kind: &str, more: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n{more}\r\n{body}", body.len())
        .into_bytes()
}

const LOAD: [&str; 14] = [
    "run",
    "--requests",
    "16",
    "--rate",
    "100/s",
    "--process",
    "even",
    "--input-tokens",
    "10",
    "--output-tokens",
    "4",
    "--drain",
    "500ms",
    "--no-preflight",
];

/// Runs against `address`; returns exit code, standard output and standard error, with wrapped lines joined.
fn said(address: SocketAddr, more: &[&str]) -> (Option<i32>, String, String) {
    let folder = folder();
    let scheme = if more.contains(&"--insecure") { "https" } else { "http" };
    let url = format!("{scheme}://{address}");
    let own = ["--target", &url, "--model", "m", "--out", "out"];
    let output = run(folder.path(), &[&LOAD[..], &own, more].concat());
    let joined = |bytes: &[u8]| {
        text(bytes).split_whitespace().collect::<Vec<_>>().join(" ").replace(&address.to_string(), "SERVER")
    };
    (output.status.code(), joined(&output.stdout), joined(&output.stderr))
}

/// A name, the server's response, and the words that the output must contain.
type Told = (&'static str, Vec<u8>, &'static [&'static str]);

const JSON: &str = "application/json";
const LENGTH: &str = concat!(
    r#"{"object":"error","message":"This model's maximum context length is 4096 tokens. However,"#,
    r#" you requested 6009 tokens.","type":"BadRequestError","param":null,"code":400}"#,
);
const BARE: &str = concat!(
    r#"{"error":{"code":400,"message":"request (6009 tokens) exceeds the context (4096 tokens)","#,
    r#""type":"exceed_context_size_error"}}"#,
);
const FIELDS: &str = concat!(
    r#"{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"#,
    r#""msg":"Extra inputs are not permitted"}]}"#,
);

/// Responses caused by a wrong address, key or request.
fn refusals() -> Vec<Told> {
    vec![
        (
            "400, length",
            status("400 Bad Request", JSON, "", LENGTH),
            &[
                "400 Bad Request: This model's maximum context length is 4096 tokens. However, you requested 6009 \
                 tokens.",
                "lower --input-tokens or --output-tokens",
            ],
        ),
        (
            "307",
            status("307 Go", JSON, "location: http://127.0.0.1:1/chat/completions/\r\n", ""),
            &["it redirects to http://127.0.0.1:1/chat/completions/", "redirects are not followed: give the URL"],
        ),
        (
            "301 to an invalid URL",
            status("301 Go", JSON, "location: /\u{1b}[31m\r\n", ""),
            &["301 Moved Permanently: it redirects to /\\x1b[31m", "redirects are not followed: give the URL"],
        ),
        (
            "a page inside the stream",
            status("200 OK", "text/event-stream", "", "data: {}\n\n<html>\n<title>502 Bad Gateway</title>\n"),
            &["text between its events: `an HTML page, \"502 Bad Gateway\"`", "ended answers early: look at its log"],
        ),
        (
            "one bare line of JSON",
            status("200 OK", "text/event-stream", "", BARE),
            &[
                "stream error: request (6009 tokens) exceeds the context (4096 tokens)",
                "lower --input-tokens or --output-tokens",
            ],
        ),
        (
            "401",
            status("401 No", JSON, "", r#"{"error":{"message":"Incorrect API key provided"}}"#),
            &["401 Unauthorized: Incorrect API key provided", "give the key with --api-key"],
        ),
        (
            "404 of a path",
            status("404 No", JSON, "", r#"{"detail":"Not Found"}"#),
            &["404 Not Found: Not Found", "check --target"],
        ),
        (
            "404 of a model",
            status("404 No", JSON, "", r#"{"message":"The model `m` does not exist."}"#),
            &["The model `m` does not exist.", "check --model"],
        ),
    ]
}

/// Responses caused by a size, a rate, a gateway or a protocol.
fn failures() -> Vec<Told> {
    vec![
        (
            "413",
            status("413 No", "text/html", "", "<html><head><title>413 Request Entity Too Large</title>"),
            &["an HTML page, \"413 Request Entity Too Large\"", "lower --input-tokens"],
        ),
        (
            "422",
            status("422 No", JSON, "", FIELDS),
            &[
                "422 Unprocessable Entity: body.stream_options: Extra inputs are not permitted",
                "--omit stream_options leaves it out",
            ],
        ),
        (
            "429",
            status("429 No", JSON, "", r#"{"error":"slow down"}"#),
            &["429 Too Many Requests: slow down", "limits the rate"],
        ),
        (
            "500",
            status("500 No", "text/plain", "", "Traceback"),
            &["500 Internal Server Error: Traceback", "look at the server's log"],
        ),
        (
            "502",
            status("502 No", "text/html", "", "<html><title>502 Bad Gateway</title>"),
            &["\"502 Bad Gateway\"", "the gateway's timeout"],
        ),
        (
            "JSON for a stream",
            status("200 OK", JSON, "", r#"{"object":"chat.completion","choices":[]}"#),
            &["one JSON object where a stream of events was asked for", "check --target and --endpoint"],
        ),
        (
            "NDJSON",
            status("200 OK", "application/x-ndjson", "", "{\"done\":false}\n{\"done\":true}\n"),
            &["lines of JSON (NDJSON)", "below /v1"],
        ),
        (
            "a page",
            status("200 OK", "text/html", "", "<html><title>Welcome to nginx!</title>"),
            &["\"Welcome to nginx!\"", "check --target"],
        ),
        (
            "422 inside the stream",
            status("200 OK", "text/event-stream", "", &format!("data: {FIELDS}\n\n")),
            &["stream error: body.stream_options: Extra inputs are not permitted"],
        ),
        ("http to TLS", b"\x15\x03\x01\0\x02\x02\x46".to_vec(), &["speaks TLS there; write https://"]),
        ("HTTP/2 only", b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64".to_vec(), &["speaks only HTTP/2"]),
    ]
}

#[test]
fn each_failure_is_told_in_the_servers_words_with_the_advice_of_its_class() {
    for (name, bytes, wanted) in refusals().into_iter().chain(failures()) {
        is_told(name, bytes, wanted, &[]);
    }
}

#[test]
fn what_comes_instead_of_one_object_is_told() {
    let cases: [(&str, Vec<u8>, &[&str]); 2] = [
        (
            "a stream",
            status(
                "200 OK",
                "text/event-stream",
                "",
                "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n",
            ),
            &["the server streams, although one JSON object was asked for", "drop --no-stream"],
        ),
        (
            "a page",
            status("200 OK", "text/html", "", "<html><title>Hi</title>"),
            &["an HTML page, \"Hi\", where one JSON object was asked for", "answers with one JSON object"],
        ),
    ];
    for (name, bytes, wanted) in cases {
        is_told(name, bytes, wanted, &["--no-stream"]);
    }
}

/// When a server answers with `bytes`, the screen and the last line must contain every text of `wanted`.
fn is_told(name: &str, bytes: Vec<u8>, wanted: &[&str], more: &[&str]) {
    let address = serve(vec![Request, Write(bytes.clone()), Request, Write(bytes)], false, Healthy(0));
    let (code, out, err) = said(address, more);
    assert_eq!(code, Some(3), "{name}: {err}");
    for part in wanted {
        assert!(out.contains(part), "{name}: the screen lacks `{part}`: {out}");
        assert!(err.contains(part), "{name}: the last line lacks `{part}`: {err}");
    }
    assert!(!err.contains("its address, its model and its key"), "{name}: {err}");
}

#[test]
fn what_never_answers_is_told_by_how_far_it_came() {
    let plain = serve(vec![Write(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), Step::Pause(200)], false, Healthy(0));
    let (code, out, err) = said(plain, &["--insecure"]);
    assert_eq!(code, Some(3));
    assert!(out.contains("does not speak TLS") || out.contains("ended the connection during the handshake"), "{out}");
    assert!(err.contains("http://") || err.contains("https://"), "{err}");
    let silent = serve(vec![Request, Hold], false, Healthy(0));
    let (code, out, err) = said(silent, &["--timeout", "200ms"]);
    assert_eq!(code, Some(3));
    assert!(
        out.contains("timed out: no byte of an answer had arrived") && err.contains("longer --timeout"),
        "{out} {err}"
    );
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let (code, _, err) = said(closed, &[]);
    assert_eq!(code, Some(3));
    assert!(err.contains("Connection refused") && err.contains("check its address, and that it is running"), "{err}");
}

#[test]
fn the_account_of_failures_is_as_it_was() {
    let body = concat!(
        r#"{"error":{"message":"too long: \u001b[31m6009 tokens exceed the maximum context length\u009b of"#,
        r#" 4096 tokens"}}"#,
    );
    let address = serve(vec![Request, Write(status("400 Bad", "application/json", "", body))], false, Healthy(1));
    let folder = folder();
    let url = format!("http://{address}");
    let output = run(folder.path(), &[&LOAD[..], &["--target", &url, "--model", "m", "--out", "out"]].concat());
    assert_eq!(output.status.code(), Some(0), "some requests completed: {}", text(&output.stderr));
    let shown = text(&output.stdout);
    let from = shown.find("failures:").expect("an account");
    let until = from + shown[from..].find("throughput").expect("the next table");
    insta::assert_snapshot!("failures", &shown[from..until]);
    assert_eq!(
        text(&run(folder.path(), &["report", "out"]).stdout),
        shown,
        "a report from the records must give the same text"
    );
}

/// Answers `answers` requests, one per connection, then stops.
fn mortal(answers: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut left = answers;
        while left > 0 {
            let Ok((mut socket, _)) = listener.accept() else { return };
            // Requests for the model list come on their own connections and do not count.
            let mut head = [0; 4];
            _ = std::io::Read::read_exact(&mut socket, &mut head);
            left -= usize::from(&head == b"POST");
            let whole = table::good();
            _ = socket.write_all(&whole);
            _ = socket.shutdown(std::net::Shutdown::Write);
            _ = std::io::copy(&mut socket, &mut std::io::sink());
        }
    });
    address
}

#[test]
fn a_target_that_dies_during_the_load_is_lost_and_it_is_said_when() {
    let folder = folder();
    let url = format!("http://{}", mortal(10));
    let words = [
        "run",
        "--target",
        &url,
        "--model",
        "m",
        "--rate",
        "40/s",
        "--requests",
        "60",
        "--process",
        "even",
        "--no-preflight",
        "--out",
        "out",
    ];
    let output = run(folder.path(), &[&words[..], &["--slo", "error_rate<=1%"]].concat());
    let said = text(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("error: the target was lost at ") && said.contains("look at its log"), "{said}");
    let shown = text(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("the target was lost at ") && !shown.contains("lower the rate"), "{shown}");
    let trial = &json(&folder.path().join("out/result.json"))["trials"][0];
    assert_eq!((&trial["run_totals"]["completed"], &trial["run_totals"]["planned"]), (&10.into(), &60.into()));
    assert!(
        trial["lost"]["at_s"].as_f64() >= trial["lost"]["last_answer_s"].as_f64()
            && trial["lost"]["requests"].as_u64() >= Some(40),
        "{trial}"
    );
}

/// A run that waits for a server that never responds.
fn waiting(folder: &std::path::Path, script: Vec<Step>, at_models: bool, more: &[&str]) -> Child {
    let url = format!("http://{}", serve(script, at_models, Healthy(0)));
    let mut command = tonnage(folder);
    command.args([
        "run",
        "--target",
        &url,
        "--rate",
        "20/s",
        "--duration",
        "2m",
        "--timeout",
        "20m",
        "--drain",
        "20m",
        "--no-preflight",
        "--out",
        "out",
    ]);
    command.args(more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
}

fn send(child: &Child, signal: Signal) {
    kill(nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("an id")), signal).expect("a signal");
}

/// Waits until the folder of the run contains `name`.
fn until(folder: &std::path::Path, name: &str, child: &mut Child) {
    while !folder.join("out").join(name).exists() {
        assert!(child.try_wait().expect("a child").is_none(), "the run must still be in progress");
        std::thread::yield_now();
    }
}

/// Whether this process, and so each run that it starts, ignores SIGHUP.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("the ignored signals");
    // Signal 1 is the lowest bit.
    u64::from_str_radix(ignored.trim(), 16).expect("a mask") & 1 == 1
}

#[test]
fn a_second_signal_ends_at_once_and_any_signal_counts() {
    for (first, second) in [(Signal::SIGINT, Signal::SIGINT), (Signal::SIGHUP, Signal::SIGTERM)] {
        if first == Signal::SIGHUP && hangup_is_ignored() {
            println!("skipped SIGHUP: it is ignored here, as under nohup, and so is it by the run");
            continue;
        }
        let folder = folder();
        let mut child = waiting(folder.path(), vec![Request, Hold], false, &["--model", "m"]);
        until(folder.path(), "records.jsonl", &mut child);
        let mut heard = BufReader::new(child.stderr.take().expect("piped"));
        send(&child, first);
        // The second signal is sent when the first was handled: the system may merge two signals that come together.
        // The sentence may be wrapped anywhere.
        let mut said = String::new();
        while !said.split_whitespace().collect::<Vec<_>>().join(" ").contains("interrupt again") {
            assert!(heard.read_line(&mut said).expect("a line") > 0, "the run must announce the first signal");
        }
        // The drain would take 20 minutes, so only the second signal can end the run.
        send(&child, second);
        assert_eq!(child.wait().expect("it ends").code(), Some(130));
        // The run has half a second left to write its result. On a busy machine this can be too short; the previous
        // result is then complete.
        assert!(json(&folder.path().join("out/result.json"))["trials"].is_array());
    }
}

#[test]
fn who_interrupts_a_long_plan_does_not_wait_for_its_hash() {
    let folder = folder();
    let load =
        ["run", "--rate", "100/s", "--process", "even", "--duration", "14h", "--output-tokens", "2", "--out", "out"];
    let mut child = tonnage(folder.path())
        .args(load)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    until(folder.path(), "records.jsonl", &mut child);
    send(&child, Signal::SIGINT);
    let output = child.wait_with_output().expect("it ends");
    let shown = text(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        shown.contains("the plan of 5 040 000 requests was not hashed") && shown.contains("plan not hashed ·"),
        "{shown}"
    );
    assert_eq!(json(&folder.path().join("out/result.json"))["plan_fingerprint"], "not hashed");
    assert_eq!(
        text(&run(folder.path(), &["report", "out"]).stdout),
        text(&output.stdout),
        "a report from the records must give the same text"
    );
}

#[test]
fn before_anything_was_sent_one_signal_ends_it_and_leaves_nothing() {
    let folder = folder();
    let mut child = waiting(folder.path(), vec![Request, Hold], true, &["--wait-ready", "10m"]);
    while !folder.path().join("out").exists() {
        assert!(child.try_wait().expect("a child").is_none(), "the run must still be in progress");
        std::thread::yield_now();
    }
    send(&child, Signal::SIGTERM);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(!folder.path().join("out").exists());
}
