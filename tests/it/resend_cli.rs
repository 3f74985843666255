//! Owns the tests of `resend`: failed requests of a result, sent again one after another.

use std::path::Path;

use serde_json::Value;

use crate::cli::{Simulated, all_refused, folder, json, run, text};

/// A result in `out` of a load that failed, and the server that failed it.
fn failed(folder: &Path, words: &[&str]) -> Simulated {
    let server = Simulated::start(folder, &["--fault", "status:429"]);
    let load = ["run", "--target", &server.url, "--no-preflight", "--requests", "12", "--rate", "400", "--out", "out"];
    let output = run(folder, &[&load[..], words].concat());
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    server
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("lines");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_failed_request_keeps_its_prompt_the_headers_that_matter_and_the_start_of_the_body() {
    let folder = folder();
    failed(folder.path(), &[]);
    let lines = lines(&folder.path().join("out/failures.jsonl"));
    assert_eq!(lines.len(), 12);
    for line in lines {
        assert_eq!((&line["headers"]["retry-after"], &line["status"]), (&"1".into(), &429.into()), "{line}");
        let body: Value = serde_json::from_str(line["body"].as_str().expect("a text")).expect("JSON");
        assert_eq!(body["error"]["message"], "injected fault");
        assert!(line["prompt"].as_str().expect("a text").split(' ').count() > 50, "{line}");
    }
    let records = std::fs::read_to_string(folder.path().join("out/records.jsonl")).expect("records");
    assert!(!records.contains("retry-after"), "headers belong to the failures alone");
    run(folder.path(), &["report", "out", "--to", "markdown"]);
    let page = std::fs::read_to_string(folder.path().join("out/report.md")).expect("a page");
    assert!(page.contains("tonnage resend failures.jsonl"), "{page}");
}

#[test]
fn failed_requests_are_sent_again_as_they_were_and_each_says_what_came_of_it() {
    let folder = folder();
    let broken = failed(folder.path(), &[]);
    let again = run(folder.path(), &["resend", "out/failures.jsonl", "--most", "2"]);
    let shown = text(&again.stdout);
    assert_eq!(again.status.code(), Some(3), "{shown}{}", text(&again.stderr));
    assert!(shown.starts_with("all 2 requests failed again\n"), "{shown}");
    assert!(shown.contains("now   failed again: 429 Too Many Requests: injected fault"), "{shown}");
    assert!(shown.contains("10 more failed requests were not sent"), "{shown}");
    drop(broken);
    let truth = folder.path().join("truth.jsonl");
    let server = Simulated::start(folder.path(), &["--truth", truth.to_str().expect("a path")]);
    let to = ["--", "--target", &server.url];
    let again = run(folder.path(), &[&["resend", "out", "--id", "7", "--id", "3", "--json"][..], &to].concat());
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    let resent: Value = serde_json::from_slice(&again.stdout).expect("JSON");
    let sent = resent["resent"]["requests"].as_array().expect("requests");
    assert_eq!(sent.iter().map(|request| request["id"].as_u64()).collect::<Vec<_>>(), [Some(7), Some(3)]);
    let records = lines(&folder.path().join("out/records.jsonl"));
    for request in sent {
        assert_eq!((&request["failed_now"], &request["status"]), (&Value::Null, &200.into()), "{request}");
        assert_eq!((&request["input_tokens"], &request["output_tokens"]), (&128.into(), &64.into()), "{request}");
        assert!(request["ttft_s"].as_f64() > Some(0.0) && request["e2e_s"].as_f64() > request["ttft_s"].as_f64());
    }
    assert_eq!(server.end().0, Some(0));
    assert_eq!((lines(&truth).len(), records.len()), (2, 13), "two requests must have come, and no record");
    assert_eq!(json(&folder.path().join("out/result.json"))["trials"][0]["run_totals"]["failed"], 12);
}

#[test]
fn what_cannot_be_sent_again_is_refused_with_what_to_do() {
    let folder = folder();
    std::fs::write(folder.path().join("asks.txt"), "one question\nanother question\n").expect("a file");
    let server = failed(folder.path(), &["--dataset", "asks.txt"]);
    let done =
        ["run", "--target", &server.url, "--no-preflight", "--requests", "2", "--records", "off", "--out", "off"];
    run(folder.path(), &done);
    let swept = ["sweep", "--rates", "40", "--duration", "1s", "--out", "swept", "--quiet"];
    assert_eq!(run(folder.path(), &swept).status.code(), Some(0));
    std::fs::write(folder.path().join("swept/failures.jsonl"), "").expect("a file");
    std::fs::write(folder.path().join("asks.txt"), "a question\nthat was not asked\n").expect("a file");
    let cases: &[(&[&str], &[&str])] = &[
        (&["resend", "nowhere"], &["nowhere", "give the folder of a result with failed requests"]),
        (&["resend", "off"], &["holds no failures.jsonl", "--records off"]),
        (&["resend", "swept"], &["is of many loads", "give the result of a run or of a replay"]),
        (&["resend", "out", "--id", "99"], &["--id", "99 is not among the failed requests", "failures.jsonl"]),
        (&["resend", "out", "--", "--rate", "5"], &["--rate", "would change the requests", "--target"]),
        (&["resend", "out", "--", "--raet", "5"], &["OPTIONS", "--raet", "-- --target URL"]),
        (&["resend", "out"], &["is made otherwise now", "data set", "put back"]),
    ];
    all_refused(folder.path(), cases);
}
