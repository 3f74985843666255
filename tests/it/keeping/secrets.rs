//! Owns the matrix of secrets: every place where a secret can be given, and every place where text is written.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{Echo, http, models, stream};
use crate::cli::{folder, text, tonnage};

/// A secret with characters that JSON, YAML and URLs escape.
const SECRET: &str = "Zx9/q+7\"=Wv2Kp";
/// A secret that a URL contains without escapes.
const PLAIN: &str = "Zx9-q_7~Wv2Kp";

/// A place where a secret is given: command line arguments, a variable, files; and whether the secret is sent.
struct Place {
    name: &'static str,
    words: Vec<String>,
    variable: Option<(&'static str, String)>,
    file: Option<(&'static str, String)>,
    is_sent: bool,
}

fn place(name: &'static str, words: &[&str]) -> Place {
    Place {
        name,
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        variable: None,
        file: None,
        is_sent: true,
    }
}

fn places(url: &str) -> Vec<Place> {
    let host = url.trim_start_matches("http://");
    let header = |name: &str| format!("{name}: {SECRET}");
    let yaml = |text: &str| format!("'{text}'");
    let unsent = |place: Place| Place { is_sent: false, ..place };
    let with_file = |name, file, text: String, words: &[&str]| Place { file: Some((file, text)), ..place(name, words) };
    let with_variable = |name, variable, value: String| Place { variable: Some((variable, value)), ..place(name, &[]) };
    vec![
        place("--api-key", &["--api-key", SECRET]),
        place("--api-key=", &[&format!("--api-key={SECRET}")]),
        with_file("--api-key-file", "key.txt", format!("{SECRET}\n"), &["--api-key-file", "../given/key.txt"]),
        with_variable("OPENAI_API_KEY", "OPENAI_API_KEY", SECRET.to_owned()),
        place("--header Authorization", &["--header", &format!("Authorization: Bearer {SECRET}")]),
        place("--header X-Api-Key", &["--header", &header("X-Api-Key")]),
        place("--header=Ocp-Apim-Subscription-Key", &[&format!("--header={}", header("Ocp-Apim-Subscription-Key"))]),
        place("--header X-Amz-Signature", &["--header", &header("X-Amz-Signature")]),
        place("--header Cookie", &["--header", &format!("Cookie: theme=dark; sid={PLAIN}")]),
        place("--secret-header", &["--secret-header", &header("X-Odd")]),
        place("--header named by --secret-header", &["--header", &header("X-Odd"), "--secret-header=x-odd"]),
        place(
            "--extra-body",
            &["--extra-body", &serde_json::json!({"a": {"api_key": SECRET}, "top_k": 3}).to_string()],
        ),
        place(
            "--extra-body list",
            &["--extra-body", &serde_json::json!({"auth_tokens_and_keys": [PLAIN]}).to_string()],
        ),
        unsent(place("--extra-body, broken", &["--extra-body", &format!("{{\"api_key\": \"{PLAIN}\", ")])),
        with_file("api-key in a file", "c.yaml", format!("api-key: {}\n", yaml(SECRET)), &["-c", "../given/c.yaml"]),
        with_file(
            "header in a file",
            "c.yaml",
            format!("header:\n  - 'X-Api-Key: {SECRET}'\n"),
            &["-c", "../given/c.yaml"],
        ),
        with_file(
            "header map in a file",
            "c.yaml",
            format!("header: {{X-Api-Key: '{SECRET}'}}\n"),
            &["-c", "../given/c.yaml"],
        ),
        with_file(
            "extra-body in a file",
            "c.yaml",
            format!("extra-body:\n  api_key: {}\n", yaml(SECRET)),
            &["-c", "../given/c.yaml"],
        ),
        unsent(with_file(
            "a file with a mistake",
            "c.yaml",
            format!("api_key: {}\nraet: 5\n", yaml(PLAIN)),
            &["-c", "../given/c.yaml"],
        )),
        unsent(place("user of a URL", &["--target", &format!("http://me:{PLAIN}@{host}")])),
        unsent(place("token of a URL", &["--target", &format!("http://{PLAIN}@{host}/v1")])),
        unsent(place("query of a URL", &["--target", &format!("http://{host}/v1?api-version=1&sig={PLAIN}")])),
        unsent(with_variable("proxy", "https_proxy", format!("http://me:{PLAIN}@proxy:1"))),
        unsent(place("--metadata", &["--metadata", &format!("access_token={PLAIN}")])),
        unsent(place("a slip", &["--api-kee", PLAIN, "--auth-token", PLAIN])),
    ]
}

/// Checks that `bytes` does not contain the secret, neither as it is nor in the form of JSON or a URL.
fn assert_hidden(place: &str, what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let json = SECRET.replace('"', "\\\"");
    for form in [SECRET, &json, PLAIN, "Zx9%2Fq%2B7%22%3DWv2Kp", "Zx9/q+7", "q+7\\\"=W", "q_7~Wv2Kp"] {
        assert!(!text.contains(form), "{place}: {what} has `{form}`: {text}");
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
        }
    }
    files
}

/// Answers with everything that it received: in the model's name, in errors of several forms, in a finish reason.
fn echo() -> Echo {
    let turn = std::sync::atomic::AtomicUsize::new(0);
    Echo::start(move |request| {
        let values: Vec<&str> = request
            .lines()
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_once(": "))
            .map(|pair| pair.1)
            .collect();
        let (head, body) = (values.join(" "), request.split_once("\r\n\r\n").map_or("", |(_, body)| body));
        if request.starts_with("GET") {
            return models(&format!("model {head}"));
        }
        // The secret comes first, so that a cut of a long text keeps it whole, or exactly where a long text is cut.
        let sent = |text: &str| {
            [SECRET, PLAIN].into_iter().find(|secret| text.contains(*secret)).unwrap_or("nothing").to_owned()
        };
        let quoted = body.replace("\\\"", "\"");
        let known = format!("{} {}", sent(&head), sent(&quoted));
        match turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 6 {
            0 => http(
                "401 Unauthorized",
                "application/json",
                &serde_json::json!({"error": {"message": format!("no key {known}")}}).to_string(),
            ),
            1 => http(
                "400 Bad Request",
                "application/json",
                &serde_json::json!({"detail": [{"loc": ["body", known], "msg": head}]}).to_string(),
            ),
            2 => http("500 Oops", "text/html", &format!("<html><title>{known}</title>{head} {body}</html>")),
            3 => stream("hi", &sent(&format!("{head} {quoted}"))),
            4 => http(
                "200 OK",
                "text/event-stream",
                &format!("data: {}\n\n", serde_json::json!({"error": {"message": known}})),
            ),
            place => {
                let pad = "x".repeat(270 + place);
                http(
                    "503 Busy",
                    "application/json",
                    &serde_json::json!({"error": {"message": format!("{pad} {known}")}}).to_string(),
                )
            }
        }
    })
}

fn played(command: &mut Command, place: &Place) -> Output {
    if let Some((name, value)) = &place.variable {
        command.env(name, value);
    }
    command.output().expect("the binary runs")
}

#[test]
fn a_secret_goes_to_the_server_and_nowhere_else() {
    let server = echo();
    for place in places(&server.url) {
        let folder = folder();
        let (given, work) = (folder.path().join("given"), folder.path().join("work"));
        std::fs::create_dir_all(&given).expect("a folder");
        std::fs::create_dir_all(&work).expect("a folder");
        if let Some((name, text)) = &place.file {
            std::fs::write(given.join(name), text).expect("written");
        }
        let target = if place.words.iter().any(|word| word == "--target") {
            Vec::new()
        } else {
            vec!["--target", server.url.as_str()]
        };
        let load =
            ["run", "--requests", "12", "--rate", "200/s", "--process", "even", "--output-tokens", "2", "--out", "out"];
        server.seen.lock().expect("a lock").clear();
        let mut command = tonnage(&work);
        command.args(load).args(&target).args(&place.words);
        // First with the preflight, which puts the words of a server that refuses it on the screen.
        let tried = played(&mut command, &place);
        assert_hidden(place.name, "standard output", &tried.stdout);
        assert_hidden(place.name, "standard error", &tried.stderr);
        for path in files_below(&work) {
            assert_hidden(place.name, &path.display().to_string(), &std::fs::read(&path).expect("a file"));
        }
        command.arg("--force");
        server.seen.lock().expect("a lock").clear();
        let output = played(command.arg("--no-preflight"), &place);
        assert_hidden(place.name, "standard output", &output.stdout);
        assert_hidden(place.name, "standard error", &output.stderr);
        if place.is_sent {
            let seen = server.seen.lock().expect("a lock").replace("\\\"", "\"");
            assert!(
                seen.contains(SECRET) || seen.contains(PLAIN),
                "{}: the secret must be sent: {}",
                place.name,
                text(&output.stderr)
            );
            assert!(
                work.join("out/failures.jsonl").exists() && work.join("out/records.jsonl").exists(),
                "{}",
                place.name
            );
            assert!(
                text(&std::fs::read(work.join("out/failures.jsonl")).expect("failures")).contains("(secret)"),
                "{}",
                place.name
            );
        }
        for path in files_below(&work) {
            assert_hidden(place.name, &path.display().to_string(), &std::fs::read(&path).expect("a file"));
            assert_hidden(place.name, "the name of a file", path.to_string_lossy().as_bytes());
        }
        // Shown again, repeated from the stored configuration, and with a mistake that makes the message quote the
        // line.
        for words in [
            &["report", "out"][..],
            &["report", "out", "--json"],
            &["run", "-c", "out/config.yaml", "--requests", "2", "--out", "two"],
            &["run", "-c", "out/config.yaml", "--requests", "2", "--out", "three", "--json"],
            &["run", "--raet", "5"],
        ] {
            let output = played(
                tonnage(&work).args(words).args(if words[0] == "run" && words[1] == "--raet" {
                    &place.words[..]
                } else {
                    &[]
                }),
                &place,
            );
            assert_hidden(place.name, &format!("{words:?} on standard output"), &output.stdout);
            assert_hidden(place.name, &format!("{words:?} on standard error"), &output.stderr);
        }
        for path in files_below(&work) {
            assert_hidden(place.name, &path.display().to_string(), &std::fs::read(&path).expect("a file"));
        }
    }
}

#[test]
fn the_journal_of_a_search_and_the_points_of_a_sweep_hold_no_secret() {
    let server = echo();
    for (verb, more) in [
        ("search", &["--slo", "error_rate<=1%", "--budget", "5s"][..]),
        ("sweep", &["--rates", "50,100", "--duration", "200ms", "--warmup", "0s"]),
    ] {
        let folder = folder();
        let key = format!("--api-key={SECRET}");
        let words = [verb, "--target", &server.url, "--output-tokens", "2", "--timeout", "2s", "--out", "out", &key];
        let words = [&words[..], &["--no-preflight"]].concat();
        let output = tonnage(folder.path()).args(words).args(more).output().expect("the binary runs");
        assert_hidden(verb, "standard output", &output.stdout);
        assert_hidden(verb, "standard error", &output.stderr);
        let files = files_below(folder.path());
        assert!(files.iter().any(|path| path.ends_with("result.json")), "{verb}: {}", text(&output.stderr));
        for path in files {
            assert_hidden(verb, &path.display().to_string(), &std::fs::read(&path).expect("a file"));
        }
        let resumed = tonnage(folder.path()).args([verb, "--resume", "out", &key]).output().expect("the binary runs");
        assert_hidden(verb, "resumed", &[resumed.stdout, resumed.stderr].concat());
    }
}

#[test]
fn what_was_left_out_is_asked_for_again() {
    let server = echo();
    let folder = folder();
    let load = ["run", "--target", &server.url, "--requests", "2", "--rate", "200/s", "--output-tokens", "2"];
    let load = [&load[..], &["--no-preflight", "--quiet"]].concat();
    let body = serde_json::json!({"api_key": SECRET}).to_string();
    for (name, given, wanted) in [
        ("a", ["--secret-header", "X-Odd: value-of-mine"], "--secret-header"),
        ("b", ["--header", "X-Token: value-of-mine"], "--header"),
        ("c", ["--extra-body", &body], "--extra-body"),
    ] {
        tonnage(folder.path()).args(&load).args(given).args(["--out", name]).output().expect("the binary runs");
        let again = tonnage(folder.path())
            .args(["run", "-c", &format!("{name}/config.yaml"), "--out", "again"])
            .output()
            .expect("it runs");
        let said = text(&again.stderr);
        assert!(
            again.status.code() == Some(2)
                && said.contains(wanted)
                && said.contains("was left out")
                && said.contains("again"),
            "{said}"
        );
        let mut again = tonnage(folder.path());
        again.args(["run", "-c", &format!("{name}/config.yaml"), "--out", &format!("{name}2"), "--quiet"]).args(given);
        assert_ne!(again.output().expect("it runs").status.code(), Some(2));
    }
    // A key and a key file both answer the request for the key; a file in place of the environment variable does not.
    std::fs::write(folder.path().join("key"), "  k-from-file\n\n").expect("written");
    let both = ["--api-key", "k-typed", "--api-key-file", "key"];
    let output = tonnage(folder.path()).args(&load).args(both).output().expect("it runs");
    assert!(text(&output.stderr).contains("--api-key-file: cannot be combined"), "{}", text(&output.stderr));
    let mut command = tonnage(folder.path());
    command.args(&load).args(["--api-key-file", "key", "--out", "k"]).env("OPENAI_API_KEY", "k-from-environment");
    server.seen.lock().expect("a lock").clear();
    command.output().expect("it runs");
    assert!(server.seen.lock().expect("a lock").contains("Bearer k-from-file\r\n"));
    for text_of_file in ["", "one\ntwo\n"] {
        std::fs::write(folder.path().join("key"), text_of_file).expect("written");
        assert_eq!(
            tonnage(folder.path()).args(&load).args(["--api-key-file", "key"]).output().expect("it runs").status.code(),
            Some(2)
        );
    }
}
