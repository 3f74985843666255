//! Owns the tests of shards that meet in a folder (`--meet`) on the command line.

use std::path::Path;
use std::process::{Child, Output, Stdio};

use serde_json::Value;

use crate::cli::{Simulated, all_refused, folder, json, run, text, tonnage};

/// A shard that meets the others in `place`, begun.
fn begun(folder: &Path, url: &str, shard: &str, more: &[&str]) -> Child {
    let out = format!("own-{}", shard.replace('/', "-"));
    let words = ["run", "--target", url, "--shard", shard, "--meet", "place", "--out", &out, "--duration", "500ms"];
    let mut command = tonnage(folder);
    command.args(words).args(more).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the binary runs")
}

fn ended(child: Child) -> Output {
    child.wait_with_output().expect("it ends")
}

#[test]
fn shards_meet_agree_on_a_start_and_the_first_merges_what_all_left() {
    let folder = folder();
    let place = folder.path();
    let server = Simulated::start(place, &["--sim", "delay:ttft=2ms,itl=1ms"]);
    let alike = ["--rate", "80", "--seed", "3", "--output-tokens", "4"];
    let [first, second] = ["1/2", "2/2"].map(|shard| begun(place, &server.url, shard, &alike));
    let (second, first) = (ended(second), ended(first));
    assert_eq!((first.status.code(), second.status.code()), (Some(0), Some(0)), "{}", text(&first.stderr));
    assert!(text(&second.stdout).is_empty() && text(&second.stderr).contains("shard 2/2 has left its result"));
    assert!(text(&first.stdout).contains("*merged* from all 2 shards"), "{}", text(&first.stdout));

    // The whole plan, sent by one process.
    let plan: Value = serde_json::from_slice(
        &run(place, &["plan", "--duration", "500ms", "--rate", "80", "--seed", "3", "--output-tokens", "4", "--json"])
            .stdout,
    )
    .expect("JSON");
    let merged = json(&place.join("place/merged/result.json"));
    let trial = &merged["trials"][0];
    assert_eq!(trial["requests"]["planned"], plan["planned"]);
    assert_eq!(trial["requests"]["completed"], plan["planned"]);
    assert_eq!(merged["plan_fingerprint"], plan["fingerprint"]);
    let started = |shard: &str| json(&place.join(format!("place/results/{shard}/result.json")))["started"].clone();
    assert_eq!(started("0001"), started("0002"), "one start for both");
    let again = run(place, &["report", "place", "--json"]);
    let again: Value = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!(again["trials"], merged["trials"], "the place is reported like its shards");

    // A second start of a shard comes too late, and a shard that is lost is named.
    let late = ended(begun(place, &server.url, "2/2", &[&alike[..], &["--force"]].concat()));
    assert!(late.status.code() == Some(2) && text(&late.stderr).contains("--partial"), "{}", text(&late.stderr));
    std::fs::remove_dir_all(place.join("place/results/0002")).expect("removed");
    let refused = run(place, &["report", "place"]);
    assert!(text(&refused.stderr).contains("shard 2/2 was not given"), "{}", text(&refused.stderr));
    let partial = run(place, &["report", "place", "--partial", "--json"]);
    let partial: Value = serde_json::from_slice(&partial.stdout).expect("JSON");
    assert!(partial["notes"][0].as_str().is_some_and(|note| note.starts_with("PARTIAL: shard 2/2 is missing")));
    assert_eq!(partial["trials"][0]["load"]["rate_per_s"], 40.0);
}

#[test]
fn what_does_not_fit_is_refused_by_name_and_a_shard_that_does_not_come_is_named() {
    let folder = folder();
    let place = folder.path();
    let server = Simulated::start(place, &["--sim", "delay:ttft=2ms,itl=1ms"]);
    let [one, other] = [("1/2", "3"), ("2/2", "4")].map(|(shard, seed)| {
        begun(place, &server.url, shard, &["--seed", seed, "--salt", "same", "--meet-timeout", "5s"])
    });
    let said = [one, other].map(|child| text(&ended(child).stderr)).join("\n");
    assert!(said.contains("has another plan"), "{said}");
    std::fs::remove_dir_all(place.join("place")).expect("removed");
    let alone = ended(begun(place, &server.url, "2/3", &["--meet-timeout", "0s"]));
    let said = text(&alone.stderr);
    assert!(alone.status.code() == Some(2) && said.contains("shard 1/3, 3/3 did not come within"), "{said}");
    all_refused(
        place,
        &[
            (&["run", "--meet", "place"], &["--meet", "--shard auto"]),
            (&["run", "--meet", "place", "--shard", "1/2", "--start-at", "2090-01-01T00:00:00Z"], &["drop --start-at"]),
            (&["run", "--shard", "1/2", "--shards", "3"], &["--shards"]),
        ],
    );
}
