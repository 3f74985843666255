//! Owns the tests of rates over time on the command line: text, files and configuration give the same plan, and
//! impossible profiles are refused.

use std::path::Path;
use std::process::Stdio;

use crate::cli::{folder, json, run, text, tonnage};

fn said(folder: &Path, words: &[&str]) -> String {
    let output = run(folder, words);
    assert_eq!(output.status.code(), Some(0), "{words:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn line<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {text}"))
}

#[test]
fn help_profiles_has_every_shape_with_its_formula_and_drawing() {
    let shown = said(folder().path(), &["help", "profiles"]);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn plan_draws_the_rate_asked_for_above_the_requests_planned() {
    let words = [
        "plan",
        "--profile",
        "ramp 1/s..100/s 60s; hold 120s; ramp 100/s..1/s 60s",
        "--overlay",
        "ou sd=30% tau=20s",
        "--seed",
        "7",
    ];
    let shown = said(folder().path(), &words);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn text_yaml_csv_and_configuration_are_one_plan() {
    let folder = folder();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("load.yaml", "- {shape: ramp, from: 5/s, to: 40/s, for: 20s}\n- shape: hold\n  for: 10s\n");
    write("load.csv", "t_s,rate\n0,5\n20,40\n30,40\n");
    write(
        "inner.yaml",
        "profile:\n- {shape: ramp, from: 5/s, to: 40/s, for: 20s}\n- {shape: hold, for: 10s}\noverlay: [{shape: sine, \
         amp: 50%, period: 6s}]\n",
    );
    write("texts.yaml", "profile: ramp 5/s..40/s 20s; hold 10s\noverlay: sine amp=50% period=6s\n");
    let fingerprint =
        |words: &[&str]| line(&said(folder.path(), &[&["plan"], words].concat()), "fingerprint").to_owned();
    let with = |profile: &str| fingerprint(&["--profile", profile, "--overlay", "sine amp=50% period=6s"]);
    let plain = with("ramp 5/s..40/s 20s; hold 10s");
    for other in [
        "load.yaml",
        "load.csv",
        r#"[{"shape": "ramp", "from": "5/s", "to": 40, "for": "20s"}, {"shape": "hold", "for": "10s"}]"#,
    ] {
        assert_eq!(with(other), plain, "{other}");
    }
    for file in ["inner.yaml", "texts.yaml"] {
        assert_eq!(fingerprint(&["-c", file]), plain, "{file}");
        assert_ne!(
            fingerprint(&["-c", file, "--overlay", "sine amp=40% period=6s"]),
            plain,
            "flags must override the file"
        );
        assert_ne!(
            fingerprint(&["-c", file, "--rate", "20/s", "--duration", "30s"]),
            plain,
            "a rate must replace the profile"
        );
    }
    let aibrix = r#"{"fluctuate":2,"mean":6,"noise":0.1,"period_len_ms":30000,"only_rise":false}"#;
    let named = "fluctuation 6/s 60s fluctuate=2/s noise=0.1/s period=30s";
    assert_eq!(fingerprint(&["--profile", aibrix, "--duration", "60s"]), fingerprint(&["--profile", named]));
}

#[test]
fn a_run_plays_its_profile_and_its_stored_configuration_repeats_it() {
    let folder = folder();
    std::fs::write(folder.path().join("load.csv"), "t_s,rate\n0,10\n0.4,60\n0.4,20\n0.8,20\n").unwrap();
    let sim = ["--sim", "delay:ttft=1ms,itl=1ms", "--output-tokens", "2", "--quiet"];
    let words =
        [&["run", "--profile", "load.csv", "--overlay", "square amp=30% period=200ms", "--out", "one"], &sim[..]]
            .concat();
    said(folder.path(), &words);
    let one = json(&folder.path().join("one/result.json"));
    std::fs::remove_file(folder.path().join("load.csv")).unwrap();
    said(folder.path(), &["run", "-c", "one/config.yaml", "--out", "two", "--quiet"]);
    let two = json(&folder.path().join("two/result.json"));
    assert_eq!(
        (&one["plan_fingerprint"], &one["body_fingerprint"]),
        (&two["plan_fingerprint"], &two["body_fingerprint"])
    );
    assert_eq!(one["trials"][0]["load"], two["trials"][0]["load"]);
    let load = &one["trials"][0]["load"];
    assert_eq!(load["profile"], "points 0s:10/s,0.4s:60/s,0.4s:20/s,0.8s:20/s + square amp=30% period=0.2s");
    assert!((load["rate_per_s"].as_f64().unwrap() - 26.9).abs() < 2.0, "{load}");
    assert_eq!(one["trials"][0]["window"]["end_s"], 0.8);
    let shown = said(folder.path(), &["report", "one"]);
    assert!(shown.replace('\n', " ").contains("on average, points 0s:10/s,0.4s:60/s"), "{shown}");
}

#[test]
fn a_killed_run_still_says_what_it_played() {
    let folder = folder();
    let words = [
        "run",
        "--profile",
        "constant 50/s 10m; ramp 50/s..1/s 10m",
        "--overlay",
        "noise sd=10%",
        "--output-tokens",
        "4",
        "--out",
        "out",
        "--quiet",
    ];
    let mut child = tonnage(folder.path()).args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let records = folder.path().join("out/records.jsonl");
    while std::fs::read(&records).map_or(0, |bytes| bytes.split(|byte| *byte == b'\n').count()) < 4 {
        assert!(child.try_wait().unwrap().is_none(), "the run must still be in progress");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let shown = said(folder.path(), &["report", "out"]).replace('\n', " ");
    assert!(shown.contains("constant 50/s 600s; ramp 50/s..1/s 600s + noise sd=10%"), "{shown}");
}

#[test]
fn what_cannot_be_is_refused_with_the_way_out() {
    let folder = folder();
    std::fs::write(folder.path().join("bad.csv"), "t_s,rate\n0,5\n3,many\n").unwrap();
    std::fs::write(folder.path().join("bad.yaml"), "- {shape: ramp, from: 5/s, to: 6/s}\n").unwrap();
    std::fs::write(
        folder.path().join("trace.csv"),
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,5,5\n2023-11-16 18:17:04,5,5\n",
    )
    .unwrap();
    for (name, contents) in
        [("empty.yaml", "# nothing\n"), ("word.yaml", "fast\n"), ("run.yaml", "profile:\n  - {shape: hold}\n")]
    {
        std::fs::write(folder.path().join(name), contents).unwrap();
    }
    let trace = "trace.csv";
    for (words, wanted) in [
        (&["plan", "--profile", "wobble 5/s"][..], &["--profile", "`wobble` is not a shape", "sawtooth"][..]),
        (&["plan", "--profile", "ramp 1/s..5/s 10s", "--rate", "5/s"], &["--rate", "--profile", "drop one"]),
        (&["plan", "--profile", "ramp 1/s..5/s 10s", "--duration", "11s"], &["--profile", "; hold", "; repeat"]),
        (&["plan", "--profile", "hold 10s"], &["--profile", "no rate to hold"]),
        (&["plan", "--profile", "bad.csv"], &["bad.csv:3", "has no rate"]),
        (&["plan", "--profile", "bad.yaml"], &["bad.yaml:1", "lacks its length"]),
        (&["plan", "--profile", "none.yaml"], &["none.yaml", "--profile"]),
        (&["plan", "--profile", "empty.yaml"], &["empty.yaml: is empty", "- {shape: constant"]),
        (&["plan", "--profile", "word.yaml"], &["word.yaml: holds no list of stages", "- {shape: constant"]),
        (&["plan", "--profile", "run.yaml"], &["run.yaml: is a configuration file", "--config"]),
        (&["plan", "--profile", "constant 0/s 10s"], &["--profile: plans no request", "higher rates"]),
        (&["plan", "--rate", "1e308/s"], &["a rate of 1e308/s is out of range", "0.001/s"]),
        (&["plan", "--profile", "constant 90000/s 10h"], &["--duration", "a plan holds up to"]),
        (&["plan", "--overlay", "sine amp=50 period=3s"], &["--overlay", "neither a share (50%)"]),
        (&["plan", "--overlay", "sine amp=50% period=0s"], &["--overlay", "above 0"]),
        (&["plan", "--overlay", "noise sd=30% step=1us"], &["--overlay", "longer period, step"]),
        (&["plan", "--profile", "ramp 0/s..5/s 10s", "--warmup", "1s"], &["--profile", "drop --warmup"]),
        (&["run", "--load", "synchronous", "--overlay", "noise sd=30%"], &["--overlay", "--load", "closed loop"]),
        (&["replay", trace, "--plan-only", "--profile", "constant 5/s 1s"], &["--profile", "--overlay"]),
        (&["replay", trace, "--plan-only", "--overlay", "sine amp=5/s period=3s"], &["--overlay", "in percent"]),
        (&["help", "profile"], &["profiles"]),
    ] {
        let output = run(folder.path(), words);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(wanted.iter().all(|part| said.contains(part)), "{words:?}: {said}");
    }
}

#[test]
fn an_overlay_that_comes_too_late_is_told() {
    for when in ["at=500s,600s", "every=20s"] {
        let overlay = format!("spikes height=300% decay=8s {when}");
        let output = run(folder().path(), &["plan", "--duration", "10s", "--overlay", &overlay]);
        assert!(
            text(&output.stderr).contains("has no effect, because the load ends after 10.0 s"),
            "{when}: {}",
            text(&output.stderr)
        );
    }
    let output =
        run(folder().path(), &["plan", "--duration", "10s", "--overlay", "spikes height=300% decay=8s at=5s,500s"]);
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
}

#[test]
fn an_overlay_bends_the_time_of_a_trace_and_says_so() {
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/traces/poisson_10_per_s_60s.csv");
    let folder = folder();
    let mut rows = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n".to_owned();
    for line in std::fs::read_to_string(trace).unwrap().lines().skip(1) {
        let ns: f64 = line.split(',').nth(1).unwrap().parse().unwrap();
        rows.extend([&(ns / 1e9).to_string(), ",ChatGPT,7,9,16,Conversation log\n"]);
    }
    std::fs::write(folder.path().join("trace.csv"), rows).unwrap();
    let plan = |words: &[&str]| said(folder.path(), &[&["replay", "trace.csv", "--plan-only"], words].concat());
    let (plain, bent) = (plan(&[]), plan(&["--overlay", "square amp=80% period=20s"]));
    assert_eq!(line(&plain, "planned"), line(&bent, "planned"), "the number of requests in the window must not change");
    assert_ne!(line(&plain, "fingerprint"), line(&bent, "fingerprint"));
    assert!(line(&bent, "changed").contains("square amp=80% period=20s: it changes the speed"), "{bent}");
}
