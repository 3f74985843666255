//! Owns the tests of `--think after-completion` as a user gives it: the plan, the report, and refusals.

use std::path::Path;

use crate::cli::{all_refused, folder, json, run, text};
use crate::sessions::trace_of;

/// The repository's own sample, copied beside the test, with its sessions released: a short path keeps the output
/// independent of where the repository is.
fn sample(folder: &Path) -> String {
    let name = "sample.jsonl";
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/sample_mooncake.jsonl"), folder.join(name))
        .expect("a copy");
    name.to_owned()
}

#[test]
fn a_plan_and_a_report_name_both_origins() {
    let folder = folder();
    let sample = sample(folder.path());
    let plan =
        run(folder.path(), &["replay", &sample, "--think", "after-completion", "--plan-only", "--export", "t.csv"]);
    assert_eq!(plan.status.code(), Some(0), "{}", text(&plan.stderr));
    let shown = text(&plan.stdout);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    insta::assert_snapshot!("replay_after_completion_plan", shown);
    assert!(text(&plan.stderr).contains("23 later turns have no planned instant"), "{}", text(&plan.stderr));
    let played =
        ["replay", &sample, "--think", "after-completion", "--time-scale", "100", "--sim", "delay:ttft=20ms,itl=0ms"];
    let output =
        run(folder.path(), &[&played[..], &["--salt", "seed-17", "--workers", "1", "--out", "whole"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.contains("*mixed*: ") && said.contains(" released after completion of the previous turn"), "{said}");
    let result = json(&folder.path().join("whole/result.json"));
    let trial = &result["trials"][0];
    assert_eq!((&trial["load"]["origin"], &trial["load"]["trace"]["released"]), (&"mixed".into(), &23.into()));
    assert_eq!(trial["run_totals"]["planned"], 40, "every row of the trace must be planned");
    assert!(result["notes"].to_string().contains("17 planned + 23 released after completion"), "{}", result["notes"]);
    let again = run(folder.path(), &["report", "whole"]);
    assert_eq!(text(&again.stdout).lines().nth(2), said.lines().nth(2), "a second report must show the same line");
    for part in ["1/2", "2/2"] {
        let done = run(
            folder.path(),
            &[&played[..], &["--shard", part, "--workers", "1", "--out", &part[..1], "--quiet"]].concat(),
        );
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    }
    let merged = run(folder.path(), &["report", "1", "2", "--json"]);
    assert_eq!(merged.status.code(), Some(0), "{}", text(&merged.stderr));
    let merged: serde_json::Value = serde_json::from_slice(&merged.stdout).expect("JSON");
    for key in ["plan_fingerprint", "body_fingerprint"] {
        assert_eq!(merged[key], result[key], "{key}");
    }
    assert_eq!(merged["trials"][0]["run_totals"]["completed"], 40);
    // The files of a killed run: no trial, and records up to some instant.
    let mut left = result.clone();
    (left["plan_fingerprint"], left["trials"]) = ("".into(), serde_json::json!([]));
    std::fs::write(folder.path().join("whole/result.json"), left.to_string()).expect("written");
    let salvaged = run(folder.path(), &["report", "whole"]);
    let shown = text(&salvaged.stdout);
    assert!(
        shown.contains("replay of sessions") && shown.contains("the run did not end: 40 records"),
        "{shown}{}",
        text(&salvaged.stderr)
    );
}

#[test]
fn what_has_no_turns_to_release_is_refused() {
    let folder = folder();
    let sample = sample(folder.path());
    std::fs::write(folder.path().join("plain.csv"), "Timestamp,Request tokens,Response tokens\n0,1,1\n1,1,1\n")
        .expect("a file");
    std::fs::write(folder.path().join("single.csv"), trace_of(&[(0.0, "a", ""), (1.0, "b", "")])).expect("a file");
    let think = ["--think", "after-completion"];
    let cases: &[(&[&str], &[&str])] = &[
        (&["replay", "plain.csv", think[0], think[1]], &["--think", "the trace tells no sessions"]),
        (&["replay", "single.csv", think[0], think[1]], &["--think", "no session has a second turn"]),
        (&["replay", &sample, think[0], think[1], "--quota", "5/s"], &["--quota", "drop one of them"]),
        (&["replay", &sample, think[0], "later"], &["--think", "recorded or after-completion"]),
    ];
    all_refused(folder.path(), cases);
}
