//! Owns the tests of searches cut off by a dead service, a kill or an interrupt: what is stored of them, and how they
//! resume.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::cli::{Simulated, folder, interrupt, json, text, tonnage};
use crate::search_cli::searched;

#[test]
fn a_service_that_dies_ends_the_search_with_exit_3_and_what_was_found_is_kept() {
    let folder = folder();
    let server = Simulated::start(folder.path(), &["--sim", "mmc:servers=4,service=2ms"]);
    let mut command = tonnage(folder.path());
    let words = [
        "--target",
        &server.url,
        "--input-tokens",
        "1",
        "--output-tokens",
        "1",
        "--slo",
        "p99 ttft<=1s",
        "--out",
        "out",
    ];
    command.arg("search").args(words).arg("--quiet").stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the binary runs");
    holds(&folder.path().join("out/result.json"), &mut child, |result| result["search"]["capacity"].is_object());
    drop(server);
    assert_eq!(child.wait().expect("gone").code(), Some(3));
    let result = json(&folder.path().join("out/result.json"));
    assert_eq!(result["search"]["finished"], "target_lost");
    let kept: Vec<&str> =
        result["search"]["loads"].as_array().expect("loads").iter().filter_map(|load| load["kept"].as_str()).collect();
    assert_eq!((&kept[..3], kept.last()), (["evidence"; 3].as_slice(), Some(&"lost")), "{kept:?}");
    assert!(
        result["search"]["capacity"]["reached"].as_f64().is_some_and(|per_s| per_s > 500.0),
        "{}",
        result["search"]["capacity"]
    );
}

#[test]
fn a_search_that_was_killed_or_interrupted_goes_on_and_repeats_nothing() {
    let folder = folder();
    let server = Simulated::start(folder.path(), &["--sim", "mmc:servers=4,service=2ms"]);
    let result = folder.path().join("out/result.json");
    let begin = |words: &[&str]| {
        let mut command = tonnage(folder.path());
        command.arg("search").args(words).arg("--quiet").stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the binary runs")
    };
    let asked = [
        "--target",
        &server.url,
        "--input-tokens",
        "1",
        "--output-tokens",
        "1",
        "--slo",
        "p50 ttft<=1s",
        "--max-rate",
        "400/s",
        "--precision",
        "50%",
        "--no-certificate",
    ];
    let mut child = begin(&[asked.as_slice(), &["--out", "out"]].concat());
    until(&result, 1, &mut child);
    child.kill().expect("killed");
    child.wait().expect("gone");
    let killed = json(&result);
    let refused = searched(folder.path(), &["--resume", "out", "--max-rate", "500/s"]);
    assert_eq!(
        (refused.status.code(), text(&refused.stderr).contains("--max-rate: cannot be changed")),
        (Some(2), true)
    );
    let mut child = begin(&["--resume", "out"]);
    until(&result, 2, &mut child);
    interrupt(&child);
    assert_eq!(child.wait().expect("gone").code(), Some(130));
    let interrupted = json(&result);
    assert!(interrupted["search"]["finished"].is_null());
    let done = searched(folder.path(), &["--resume", "out"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let after = json(&result);
    let prefix = |value: &Value, number: usize| value["trials"].as_array().expect("trials")[..number].to_vec();
    for before in [killed, interrupted] {
        let kept = before["trials"].as_array().map_or(0, Vec::len);
        assert!(kept >= 1 && prefix(&after, kept) == prefix(&before, kept), "{kept} loads must be kept unchanged");
    }
    let loads = after["search"]["loads"].as_array().expect("loads");
    let number =
        |purpose: &str| loads.iter().filter(|load| load["purpose"] == purpose && load["kept"] == "evidence").count();
    assert_eq!((number("floor"), number("saturation")), (1, 1), "{loads:?}");
    let mut prints: Vec<&str> = loads.iter().filter_map(|load| load["plan_fingerprint"].as_str()).collect();
    prints.sort_unstable();
    prints.dedup();
    assert_eq!(prints.len(), loads.len(), "each load must have its own draws");
    let notes = after["notes"].to_string();
    assert!(notes.contains("resumed"), "{notes}");
}

/// Waits until the search has `loads` loads on disk.
fn until(result: &Path, loads: usize, child: &mut std::process::Child) {
    holds(result, child, |value| value["trials"].as_array().map_or(0, Vec::len) >= loads);
}

/// Waits until the result on disk satisfies `is_so`.
fn holds(result: &Path, child: &mut std::process::Child, is_so: impl Fn(&Value) -> bool) {
    let read = || std::fs::read(result).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    while !read().is_some_and(|value| is_so(&value)) {
        assert!(child.try_wait().expect("a child").is_none(), "the search must still be in progress");
        std::thread::yield_now();
    }
}
