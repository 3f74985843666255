//! Owns the tests of `tonnage sweep` as a user runs it: what it prints and stores, after a kill, an interrupt and a
//! resume, and rendered again.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use tonnage::sim::engine::{Preset, Setup};

use crate::cli::{Simulated, folder, interrupt, json, run, text, tonnage};

const QUICK: &[&str] = &["--sim", "delay:ttft=1ms,itl=100us", "--output-tokens", "4", "--warmup", "0s", "--out", "out"];

fn sweep(words: &[&str]) -> Vec<String> {
    ["sweep"].iter().chain(words).chain(QUICK).map(|word| (*word).to_owned()).collect()
}

fn swept(folder: &Path, words: &[&str]) -> std::process::Output {
    let words = sweep(words);
    run(folder, &words.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_sweep_prints_its_table_and_chart_and_is_rendered_again_with_the_same_numbers() {
    let folder = folder();
    let output = swept(
        folder.path(),
        &["--points", "3", "--max-rate", "300", "--duration", "400ms", "--slo", "p50 e2e<=1s", "--label", "quick"],
    );
    let (shown, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("up to 5 loads") && said.contains("about 2.00 s") && said.contains("5/5 300/s"), "{said}");
    for wanted in [
        "SIMULATED",
        "label: quick",
        "closed 1 ",
        "closed 512",
        "300/s",
        "ttft p50",
        "itl p50",
        "attained",
        "p99 bars: ",
        "█",
    ] {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let result = json(&folder.path().join("out/result.json"));
    let sweep = &result["sweep"];
    assert_eq!((&sweep["finished"], sweep["points"].as_array().map(Vec::len)), (&Value::from("played"), Some(5)));
    for key in ["unloaded_per_s", "saturation", "knee_per_s", "met_per_s", "sentences"] {
        assert!(sweep.get(key).is_some(), "{key}: {sweep}");
    }
    assert_eq!(result["trials"].as_array().map(Vec::len), Some(5));
    assert_eq!(result["trials"][0]["load"]["origin"], "released");
    assert!(result["plan_fingerprint"].as_str().is_some_and(|hash| hash.len() == 32));
    for place in 1..=5 {
        assert!(folder.path().join(format!("out/points/{place:02}/records.jsonl")).exists(), "{place}");
    }
    let again = run(folder.path(), &["report", "out"]);
    assert_eq!((again.status.code(), text(&again.stdout)), (Some(0), shown), "{}", text(&again.stderr));
    let printed: Value =
        serde_json::from_slice(&run(folder.path(), &["report", "out", "--json"]).stdout).expect("JSON");
    assert_eq!(printed["sweep"], result["sweep"]);
    // The records of every load are compared with the stored figures.
    let records = folder.path().join("out/points/05/records.jsonl");
    let whole = std::fs::read_to_string(&records).expect("records");
    std::fs::write(&records, whole.lines().take(3).collect::<Vec<_>>().join("\n") + "\n").expect("written");
    let refused = run(folder.path(), &["report", "out"]);
    assert_eq!((refused.status.code(), text(&refused.stderr).contains("points/05/records.jsonl")), (Some(2), true));
    // A run into the same folder removes all files of the sweep.
    assert_eq!(
        run(folder.path(), &["run", "--requests", "3", "--rate", "100", "--out", "out", "--force", "--quiet"])
            .status
            .code(),
        Some(0)
    );
    assert!(!folder.path().join("out/points").exists());
}

#[test]
fn a_sweep_killed_at_its_fifth_load_goes_on_and_repeats_none() {
    let folder = folder();
    // So few requests that chance explains any deficit: no load can look saturated, even on a busy machine.
    let mut command = tonnage(folder.path());
    command
        .args(sweep(&["--rates", "10..80:10", "--duration", "80ms", "--quiet"]))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().expect("the binary runs");
    let result = folder.path().join("out/result.json");
    let done = || {
        std::fs::read(&result)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
            .map_or(0, |value| value["trials"].as_array().map_or(0, Vec::len))
    };
    while done() < 4 {
        assert!(child.try_wait().expect("a child").is_none(), "the sweep must still be in progress");
        std::thread::yield_now();
    }
    child.kill().expect("killed");
    child.wait().expect("gone");
    let before = json(&result);
    let kept = before["trials"].as_array().map_or(0, Vec::len);
    assert!((4..8).contains(&kept) && before["sweep"]["finished"].is_null(), "{kept}");
    let half = run(folder.path(), &["report", "out"]);
    assert!(
        half.status.success() && text(&half.stdout).contains("not finished: continue with --resume"),
        "{}",
        text(&half.stdout)
    );
    let records = |place: usize| {
        std::fs::read(folder.path().join(format!("out/points/{place:02}/records.jsonl"))).expect("records")
    };
    let firsts: Vec<Vec<u8>> = (1..=kept).map(records).collect();

    let refused = run(folder.path(), &["sweep", "--resume", "out", "--duration", "1s"]);
    assert_eq!(
        (refused.status.code(), text(&refused.stderr).contains("--duration: cannot be changed")),
        (Some(2), true)
    );
    // An edited configuration must be refused too: the remaining loads would belong to another sweep.
    let stored = std::fs::read_to_string(folder.path().join("out/config.yaml")).expect("a configuration");
    std::fs::write(folder.path().join("out/config.yaml"), stored.replace("seed: 17\n", "seed: 2\n")).expect("written");
    let refused = run(folder.path(), &["sweep", "--resume", "out"]);
    assert_eq!(
        (refused.status.code(), text(&refused.stderr).contains("is not what this configuration")),
        (Some(2), true)
    );
    std::fs::write(folder.path().join("out/config.yaml"), stored).expect("written");
    let output = run(folder.path(), &["sweep", "--resume", "out"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains(&format!("({kept} are done)")) && !said.contains(&format!("{kept}/8")), "{said}");
    let after = json(&result);
    assert_eq!(after["trials"].as_array().map(Vec::len), Some(8));
    assert_eq!(
        after["trials"].as_array().map(|trials| &trials[..kept]),
        before["trials"].as_array().map(Vec::as_slice)
    );
    assert_eq!((1..=kept).map(records).collect::<Vec<_>>(), firsts);
    let rates: Vec<&Value> =
        after["sweep"]["points"].as_array().expect("points").iter().map(|point| &point["rate_per_s"]).collect();
    assert_eq!(rates, [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0].map(Value::from).iter().collect::<Vec<_>>());
    assert_eq!((&after["config"], &after["started"]), (&before["config"], &before["started"]));
    let noted = after["notes"]
        .as_array()
        .expect("notes")
        .iter()
        .any(|note| note.as_str().is_some_and(|note| note.contains("resumed")));
    assert!(noted, "{}", after["notes"]);
    let again = run(folder.path(), &["sweep", "--resume", "out"]);
    assert!(
        again.status.success() && text(&again.stderr).contains("nothing is left to run"),
        "{}",
        text(&again.stderr)
    );
}

#[test]
fn an_interrupted_sweep_writes_what_it_has_and_goes_on_later() {
    let folder = folder();
    // So few requests that chance explains any deficit: no load can look saturated, even on a busy machine.
    let mut command = tonnage(folder.path());
    command.args(sweep(&["--rates", "100,200", "--duration", "300ms"])).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the binary runs");
    let second = folder.path().join("out/points/02/records.jsonl");
    while !second.exists() {
        std::thread::yield_now();
    }
    interrupt(&child);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("INTERRUPTED: continue with --resume"), "{}", text(&output.stdout));
    let result = json(&folder.path().join("out/result.json"));
    assert_eq!((result["trials"][1]["ended"] == "complete", &result["plan_fingerprint"]), (false, &Value::from("")));
    let output = run(folder.path(), &["sweep", "--resume", "out", "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let result = json(&folder.path().join("out/result.json"));
    assert_eq!(
        (&result["trials"][1]["ended"], result["trials"].as_array().map(Vec::len)),
        (&Value::from("complete"), Some(2))
    );
}

/// Two minutes of real time: `cargo test --test it -- --ignored --nocapture over_sockets_the_capacity`.
#[test]
#[ignore = "two minutes of real time"]
fn over_sockets_the_capacity_is_found_within_a_tenth() {
    let small = Setup::of(Preset::Small).saturation_per_s(128, 64).expect("a closed form");
    for (profile, shape, known_per_s) in
        [("mdc:servers=4,service=50ms", ["8", "1"], 80.0), ("small", ["128", "64"], small)]
    {
        let folder = folder();
        let server = Simulated::start(folder.path(), &["--sim", profile]);
        let [input, output] = shape;
        let words = [
            "sweep",
            "--target",
            &server.url,
            "--points",
            "4",
            "--duration",
            "8s",
            "--input-tokens",
            input,
            "--output-tokens",
            output,
        ];
        let done = run(folder.path(), &[&words[..], &["--out", "out"]].concat());
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
        let result = json(&folder.path().join("out/result.json"));
        let found = result["sweep"]["saturation"]["per_s"].as_f64().expect("a rate");
        println!("{profile}: {found:.2}/s of {known_per_s:.2}/s");
        assert!((found / known_per_s - 1.0).abs() < 0.1, "{}", text(&done.stdout));
    }
}

#[test]
fn closed_stages_are_headed_and_end_in_advice() {
    let folder = folder();
    let output = swept(
        folder.path(),
        &["--concurrency", "1,4,2", "--duration", "60ms", "--records", "off", "--slo", "p50 e2e<=1us"],
    );
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    // A failed objective at some load does not fail the sweep: the sweep looks for that load.
    for wanted in [
        "FAIL",
        "closed loops of 3 loads",
        "*closed*",
        "closed 4",
        "highest throughput:",
        "lowest mean latency:",
        "offer rates",
    ] {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    assert!(!folder.path().join("out/points").exists());
    assert_eq!(text(&run(folder.path(), &["report", "out"]).stdout), shown);
    let output = swept(folder.path(), &["--concurrency", "1", "--duration", "60ms", "--json", "--force"]);
    let printed: Value = serde_json::from_slice(&output.stdout).expect("JSON, and nothing else");
    assert!(printed == json(&folder.path().join("out/result.json")), "the printed JSON must equal the stored JSON");
}

#[test]
fn what_a_sweep_cannot_be_is_refused() {
    let folder = folder();
    // A list in a file equals a typed list.
    std::fs::write(folder.path().join("list.yaml"), "rates: [2, fast]\n").expect("a file");
    let cases: &[(&[&str], &[&str])] = &[
        (&["--rate", "5"], &["--rate", "--rates 1,2,4.5", "--max-rate"]),
        (&["--requests", "5"], &["--requests", "--duration"]),
        (&["--load", "synchronous"], &["--load", "--concurrency"]),
        (&["--tokenizer", "x"], &["x: cannot be read", "--tokenizer"]),
        (&["--rates", "fast"], &["--rates", "`fast`", "1..10:0.5"]),
        (&["-c", "list.yaml"], &["--rates", "`fast`", "1..10:0.5"]),
        (&["--rates", "1,2", "--points", "3"], &["--points", "--rates"]),
        (&["--rates", "1,2", "--max-rate", "3"], &["--max-rate", "--rates"]),
        (&["--rates", "1,2", "--concurrency", "3"], &["--concurrency", "--rates"]),
        (&["--concurrency", "0"], &["--concurrency", "1,50,100"]),
        (&["--concurrency", "5,5"], &["--concurrency", "5 is given twice"]),
        (&["--concurrency", "2", "--process", "even"], &["--process", "--concurrency"]),
        (&["--points", "0"], &["--points", "from 1 to 1000"]),
        (&["--duration", "0s"], &["--duration", "above 0"]),
        (&["--resume", "none"], &["none"]),
    ];
    for (words, wanted) in cases {
        let output = run(folder.path(), &[&["sweep"], *words].concat());
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{words:?}: {said}");
        assert!(wanted.iter().all(|part| said.contains(part)), "{words:?}: {said}");
    }
    assert!(!folder.path().join("results").exists());
    let quick = ["run", "--requests", "3", "--rate", "100", "--out", "out", "--quiet"];
    assert_eq!(run(folder.path(), &quick).status.code(), Some(0));
    let output = run(folder.path(), &["sweep", "--resume", "out"]);
    assert_eq!(
        (output.status.code(), text(&output.stderr).contains("not the result of a sweep")),
        (Some(2), true),
        "{}",
        text(&output.stderr)
    );
}
