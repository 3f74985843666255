//! Owns the tests of shared prefixes on the command line: the three shares, priming, resetting, refusals.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::cli::{Simulated, all_refused, folder, interrupt, json, run, text, tonnage};

const SHORT: [&str; 9] = ["run", "--rate", "50", "--requests", "100", "--input-tokens", "512", "--output-tokens", "4"];

#[test]
fn the_three_shares_stand_side_by_side_in_result_and_page() {
    let folder = folder();
    let asked = ["--sim", "8b-h100", "--prefix-groups", "4", "--reset-cache", "--out", "out", "--force"];
    for (share, primed) in [("0%", 0), ("30%", 4), ("80%", 4)] {
        let output = run(folder.path(), &[&SHORT[..], &asked, &["--cache-hit", share]].concat());
        let page = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{page}{}", text(&output.stderr));
        let result = json(&folder.path().join("out/result.json"));
        let trial = &result["trials"][0];
        let (cache, server) = (&trial["load"]["cache"], trial["tokens"]["cache"]["share"].as_f64().unwrap());
        let (asked, infinite) = (cache["asked"].as_f64().unwrap(), cache["infinite"].as_f64().unwrap());
        assert!((infinite - asked).abs() < 0.02 && (server - infinite).abs() < 0.02, "{cache}, server {server}");
        assert!(
            page.contains(&format!("prefix cache: asked {asked}").replace("0.3", "30.0").replace("0.8", "80.0")),
            "{page}"
        );
        assert_eq!(result["preparation"]["primers"]["requests"].as_u64().unwrap_or(0), primed, "{result}");
        assert_eq!(result["preparation"]["resets"][0]["reset"]["path"], "/reset_prefix_cache");
        assert_eq!(trial["run_totals"]["planned"], 100, "primers are in no figure");
        assert_eq!(text(&run(folder.path(), &["report", "out"]).stdout), page);
    }
    // The stored configuration repeats plan and bodies.
    let again = run(folder.path(), &["run", "-c", "out/config.yaml", "--out", "two", "--json"]);
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    let first = json(&folder.path().join("out/result.json"));
    for key in ["plan_fingerprint", "body_fingerprint"] {
        assert_eq!(again[key], first[key], "{key}");
    }
}

#[test]
fn a_reset_and_a_second_run_find_the_cache_as_they_should() {
    let folder = folder();
    let server = Simulated::start(folder.path(), &["--sim", "8b-h100"]);
    let target = server.url.clone();
    let shared = ["--prefix-tokens", "256", "--prefix-groups", "20", "--target", &target, "--json", "--no-preflight"];
    let hits = |more: &[&str]| {
        let output = run(folder.path(), &[&SHORT[..], &shared, more].concat());
        let result: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
        result["trials"][0]["tokens"]["cache"]["share"].as_f64().unwrap()
    };
    let cold = hits(&["--salt", "a"]);
    assert!((0.35..0.45).contains(&cold), "20 of 100 requests are the first of their group: {cold}");
    assert!(hits(&["--salt", "b"]) < 0.45, "another salt finds nothing of the run before");
    assert!(hits(&["--salt", "a"]) > 0.49, "the same salt finds what the first run left");
    assert!(hits(&["--salt", "a", "--reset-cache"]) < 0.45, "and nothing after a reset");
    assert!(hits(&["--salt", "c", "--prime"]) > 0.49, "a primed run finds every prefix");
    server.end();
}

#[test]
fn a_server_without_a_cache_to_reset_is_said_and_gets_its_load() {
    let folder = folder();
    let output = run(
        folder.path(),
        &[&SHORT[..], &["--sim", "delay:ttft=1ms,itl=1ms", "--reset-cache", "--system-tokens", "100"]].concat(),
    );
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("was not emptied: the server has neither"), "{said}");
    assert!(text(&output.stdout).contains("server —"), "no cached tokens are reported");
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let folder = folder();
    std::fs::write(folder.path().join("chat.jsonl"), CHAT).unwrap();
    all_refused(
        folder.path(),
        &[
            (&["run", "--prefix-groups", "4"], &["--prefix-groups", "add --prefix-tokens 256"]),
            (&["run", "--prefix-tokens", "128"], &["--prefix-tokens", "prompt of 128 tokens", "at least 129"]),
            (&["run", "--system-tokens", "100", "--prefix-tokens", "28"], &["--prefix-tokens", "128 tokens together"]),
            (&["run", "--cache-hit", "95%"], &["--cache-hit", "87.5%", "longer --input-tokens"]),
            (&["run", "--cache-hit", "30"], &["--cache-hit", "write 30%"]),
            (&["run", "--cache-hit", "30%", "--prefix-tokens", "9"], &["--cache-hit", "drop one of them"]),
            (&["run", "--cache-hit", "30%", "--turns", "3"], &["--cache-hit", "later turns of a session"]),
            (
                &["run", "--prefix-tokens", "9", "--prefix-popularity", "zipf:1"],
                &["--prefix-popularity", "there is one"],
            ),
            (&["run", "--prime"], &["--prime", "prompts share none"]),
            (&["run", "--endpoint", "embeddings", "--system-tokens", "9"], &["--system-tokens", "batches of texts"]),
            (&["replay", "x.csv", "--cache-hit", "9%"], &["--cache-hit", "the trace brings the prefixes"]),
            (
                &["search", "--over", "time-scale", "x.csv", "--slo", "p99 ttft<=1s", "--system-tokens", "9"],
                &["--system-tokens", "the trace says it itself"],
            ),
            (&["sweep", "--system-tokens", "9", "--no-prime"], &["--no-prime", "every load but the first"]),
            (&["run", "--dataset", "chat.jsonl", "--cache-hit", "9%"], &["--cache-hit", "--prefix-tokens"]),
            (&["run", "--dataset", "chat.jsonl", "--system-tokens", "9"], &["--system-tokens", "system message"]),
            (&["run", "--shard", "1/2", "--reset-cache"], &["--reset-cache", "other shards"]),
        ],
    );
}

/// A conversation with a system message.
const CHAT: &str = r#"{"messages":[{"role":"system","content":"be brief"},{"role":"user","content":"why"}]}"#;

#[test]
fn a_priming_that_is_interrupted_says_how_far_it_came() {
    let folder = folder();
    let server = Simulated::start(folder.path(), &["--sim", "delay:ttft=20ms,itl=1ms"]);
    let mut command = tonnage(folder.path());
    command.args(["run", "--prefix-groups", "900000", "--prefix-tokens", "32", "--prime", "--no-preflight"]);
    command.args(["--target", &server.url, "--out", "out"]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut said = BufReader::new(child.stderr.take().expect("piped"));
    // It is announced when it takes long, with the time that is left.
    let mut line = String::new();
    while !line.contains("priming: ") {
        line.clear();
        assert!(said.read_line(&mut line).expect("text") > 0, "it must be announced");
    }
    assert!(line.contains("of 900 000 prefixes") && line.contains("to go (--no-prime leaves them out)"), "{line}");
    interrupt(&child);
    let rest = std::io::read_to_string(said).expect("text");
    assert_eq!(child.wait().expect("gone").code(), Some(130));
    assert!(rest.contains("interrupted before the load, after ") && rest.contains("nothing was measured"), "{rest}");
    server.end();
}

#[test]
fn a_row_that_comes_again_is_in_an_infinite_cache() {
    let folder = folder();
    let rows: Vec<String> = (0..50).map(|row| format!("{} {row}", "word ".repeat(400))).collect();
    std::fs::write(folder.path().join("rows.txt"), rows.join("\n")).expect("a file");
    let words = ["--dataset", "rows.txt", "--prefix-tokens", "64", "--sim", "8b-h100", "--salt", "s", "--json"];
    let load = ["run", "--rate", "50", "--requests", "100", "--output-tokens", "4"];
    let output = run(folder.path(), &[&load[..], &words].concat());
    let result: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    let trial = &result["trials"][0];
    let (infinite, server) =
        (trial["load"]["cache"]["infinite"].as_f64().unwrap(), trial["tokens"]["cache"]["share"].as_f64().unwrap());
    // The second 50 requests repeat the rows of the first. All rows begin alike, which only the server knows.
    assert!((0.5..0.62).contains(&infinite), "{infinite}");
    assert!(server >= infinite - 0.02, "server {server}, infinite {infinite}");
}
