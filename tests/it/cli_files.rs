//! Owns the command line's tests of incomplete result folders: altered, cut short, or left by a killed run.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::cli::{folder, json, run, text, tonnage};

/// The records of the run in `out`, header first.
fn lines(folder: &Path) -> Vec<String> {
    let whole = std::fs::read_to_string(folder.join("out/records.jsonl")).expect("records");
    whole.lines().map(str::to_owned).collect()
}

fn write(folder: &Path, lines: &[String]) {
    std::fs::write(folder.join("out/records.jsonl"), lines.join("\n") + "\n").expect("written");
}

#[test]
fn records_that_are_not_those_of_the_run_are_refused() {
    // Lost, duplicated or edited lines: before the check, `report` gave wrong numbers for them without a warning.
    let folder = folder();
    let words = [
        "run",
        "--rate",
        "100",
        "--process",
        "even",
        "--requests",
        "40",
        "--output-tokens",
        "4",
        "--out",
        "out",
        "--quiet",
    ];
    assert_eq!(run(folder.path(), &words).status.code(), Some(0));
    let whole = lines(folder.path());
    let refused = |lines: &[String], wanted: &str| {
        write(folder.path(), lines);
        let output = run(folder.path(), &["report", "out"]);
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{said}");
        assert!(said.contains("records.jsonl") && said.contains(wanted) && said.contains("restore the file"), "{said}");
    };
    refused(&whole[..27], "holds 26 of 40 records");
    refused(&[&whole[..], &whole[1..2]].concat(), "a second time");
    let altered = |from: &str, to: &str| {
        let mut lines = whole.clone();
        lines[5] = lines[5].replace(from, to);
        assert_ne!(lines, whole);
        lines
    };
    refused(&altered("\"completed\"", "\"timed_out\""), "was altered: its requests");
    refused(&altered("\"ended_s\":", "\"connected_s\":0.5,\"ended_s\":9"), "was altered");
    refused(&altered("\"id\"", "\"it\""), "not a record");
    write(folder.path(), &whole);
    assert_eq!(run(folder.path(), &["report", "out"]).status.code(), Some(0));
    // A result of an earlier build that did not keep the send lag over time: nothing else differs.
    let path = folder.path().join("out/result.json");
    let mut result: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).expect("a result")).expect("JSON");
    let without_lag = |most: usize| {
        let mut result = result.clone();
        let samples = result["trials"][0]["samples"].as_array_mut().expect("samples");
        let known = samples.iter_mut().filter(|point| point["send_lag_max_s"].is_number()).take(most);
        let points = known.filter_map(serde_json::Value::as_object_mut);
        let removed = points.map(|point| (point.remove("send_lag_mean_s"), point.remove("send_lag_max_s")));
        assert!(removed.count() > 0);
        std::fs::write(&path, result.to_string()).expect("written");
        let output = run(folder.path(), &["report", "out"]);
        (output.status.code(), text(&output.stderr))
    };
    assert_eq!(without_lag(usize::MAX), (Some(0), String::new()));
    // A result of an earlier build that did not have a metric yet, and defined another one differently.
    let metrics = result["trials"][0]["metrics"].as_object_mut().expect("metrics");
    assert!(metrics.remove("wake_lag").is_some());
    metrics["send_lag"]["value"]["max"] = serde_json::json!(9.5);
    std::fs::write(&path, result.to_string()).expect("written");
    let output = run(folder.path(), &["report", "out"]);
    let said = text(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("the figures of this version are shown"), "{said}");
}

#[test]
fn a_killed_run_leaves_what_was_on_disk() {
    // SIGKILL: the process writes nothing when it ends, so records, configuration and a first result must already be
    // on disk.
    let folder = folder();
    let mut command = tonnage(folder.path());
    command.args([
        "run",
        "--rate",
        "50",
        "--duration",
        "10m",
        "--output-tokens",
        "4",
        "--slo",
        "p50 e2e<=10s",
        "--out",
        "out",
        "--quiet",
    ]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary runs");
    let records = folder.path().join("out/records.jsonl");
    while std::fs::read(&records).map_or(0, |bytes| bytes.split(|byte| *byte == b'\n').count()) < 8 {
        assert!(child.try_wait().expect("a child").is_none(), "the run must still be in progress");
        std::thread::yield_now();
    }
    child.kill().expect("killed");
    child.wait().expect("gone");
    assert!(folder.path().join("out/config.yaml").exists());
    assert_eq!(json(&folder.path().join("out/result.json"))["trials"], Value::Array(Vec::new()));
    // As if the last line had been only partly written.
    let whole = std::fs::read_to_string(&records).expect("records");
    let held = whole.matches('\n').count() - 1;
    std::fs::write(&records, whole + "{\"id\":").expect("written");

    let output = run(folder.path(), &["report", "out"]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(shown.contains(&format!("the run did not end: {held} records were on disk")), "{shown}");
    assert!(
        shown.contains("SIMULATED") && shown.contains("poisson at 50/s") && shown.contains("INCONCLUSIVE"),
        "{shown}"
    );
    let trial = serde_json::from_slice::<Value>(&run(folder.path(), &["report", "out", "--json"]).stdout)
        .expect("JSON")["trials"][0]
        .take();
    assert_eq!((&trial["run_totals"]["planned"], &trial["ended"]), (&Value::from(held), &Value::from("interrupted")));
    assert!(
        trial["window"]["end_s"].as_f64().is_some_and(|end_s| end_s < 300.0),
        "the window must end with the records: {}",
        trial["window"]
    );
    std::fs::remove_file(&records).expect("removed");
    let output = run(folder.path(), &["report", "out"]);
    assert_eq!((output.status.code(), text(&output.stderr).contains("run it again")), (Some(2), true));
}

#[test]
fn a_key_that_was_left_out_of_a_stored_configuration_is_asked_for() {
    // The configuration of another user, without its key: without a check, the run would only get refusals from the
    // server.
    let folder = folder();
    std::fs::write(folder.path().join("stored.yaml"), "api-key: (secret)\n").expect("a file");
    let output = run(folder.path(), &["run", "-c", "stored.yaml"]);
    assert_eq!(
        (output.status.code(), text(&output.stderr).contains("give --api-key")),
        (Some(2), true),
        "{}",
        text(&output.stderr)
    );
}
