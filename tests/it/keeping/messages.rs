//! Owns the tests of what users type: accepted forms, and refusals that say what to write.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::cli::{folder, run, text, tonnage};

#[test]
fn a_plan_is_exported_to_standard_output_and_nothing_else_goes_there() {
    let folder = folder();
    let words = ["plan", "--rate", "50", "--duration", "2s", "--process", "even"];
    let output = run(folder.path(), &[&words[..], &["--export", "-"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(!folder.path().join("-").exists());
    run(folder.path(), &[&words[..], &["--export", "t.csv"]].concat());
    assert_eq!(output.stdout, std::fs::read(folder.path().join("t.csv")).expect("a file"));
    assert!(text(&output.stderr).contains("100 rows on standard output"), "{}", text(&output.stderr));
    let both = run(folder.path(), &[&words[..], &["--export", "-", "--json"]].concat());
    assert!(
        both.status.code() == Some(2) && both.stdout.is_empty() && text(&both.stderr).contains("--export"),
        "{}",
        text(&both.stderr)
    );
    std::fs::write(folder.path().join("trace.csv"), "time_s,input_tokens,output_tokens\n0,1,1\n1,2,2\n")
        .expect("written");
    let replayed = run(folder.path(), &["replay", "trace.csv", "--plan-only", "--export", "-"]);
    assert_eq!(text(&replayed.stdout).lines().count(), 3, "{}", text(&replayed.stdout));
}

#[test]
fn what_people_type_is_accepted() {
    let folder = folder();
    let planned =
        run(folder.path(), &["plan", "--rate", "1/min", "--duration", "1h30m", "--process", "even", "--json"]);
    let plan: serde_json::Value = serde_json::from_slice(&planned.stdout).expect("JSON");
    assert_eq!((&plan["planned"], &plan["span_s"]), (&90.into(), &5400.0.into()));
    let sized =
        run(folder.path(), &["size", "--replica-rate", "5/s", "--demand", "20/s", "--price", "$2.5/h", "--json"]);
    let fleet: serde_json::Value = serde_json::from_slice(&sized.stdout).expect("JSON");
    assert_eq!(fleet["fleet"]["cost_per_hour"], 10.0, "{}", text(&sized.stderr));
    // A port alone, and a target without a scheme.
    let mut child = tonnage(folder.path())
        .args(["simulate", "--listen", ":0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut url = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut url).expect("the URL");
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    let port = url.trim().rsplit(':').next().expect("a port").to_owned();
    for target in [format!("localhost:{port}"), format!("127.0.0.1:{port}/v1")] {
        let load =
            ["run", "--target", &target, "--requests", "3", "--rate", "200/s", "--output-tokens", "2", "--quiet"];
        let output = run(folder.path(), &load);
        assert_eq!(output.status.code(), Some(0), "{target}: {}", text(&output.stderr));
    }
    child.kill().expect("killed");
    child.wait().expect("gone");
}

#[test]
fn a_refusal_says_what_to_write() {
    let folder = folder();
    for (name, content) in [
        ("f", ""),
        ("twice.yaml", "rate: 5/s\nrequests: 3\nrate: 6/s\n"),
        ("deep.yaml", "rate: 5/s\nextra-body:\n  top_k: 3\n  top_k: 4\n"),
        ("stages.yaml", "- {shape: constant, rate: 50/s, for: 60s, rate: 5/s}\n"),
        ("torn.yaml", "rate: [5\n"),
        ("slo.yaml", "slo:\n  - ttft<=200ms@p99\n"),
        ("t.csv", "time_s,input_tokens,output_tokens\n0,1,1\n1,2,2\n"),
        ("twice.csv", "time_s,input_tokens,output_tokens,input_tokens\n0,1,2,3\n"),
    ] {
        std::fs::write(folder.path().join(name), content).expect("written");
    }
    let search = ["search", "--slo", "p99 ttft<=1s", "--precision"];
    for (words, wanted, unwanted) in [
        (&["size", "--replica-rate", "5/s", "--demand", "20/s", "--headroom", "20"][..], "write 20%", ""),
        (&["size", "--replica-rate", "5/s", "--demand", "20/s", "--headroom", "150%"], "150% is out of range", "1.5"),
        (&[&search[..], &["10"]].concat(), "write 10%; accepted is 1% to 50%", "0% to 100%"),
        (&[&search[..], &["0.1%"]].concat(), "accepted is 1% to 50%", "0% to 100%"),
        (&[&search[..], &["70%"]].concat(), "accepted is 1% to 50%", "0% to 100%"),
        (
            &["run", "-c", "nope.yaml"],
            "nope.yaml: cannot be read: No such file or directory; check the path of --config",
            "--resume",
        ),
        (&["plan", "-c", "nope.yaml"], "No such file or directory", "--resume"),
        (&["sweep", "--resume", "nope"], "--resume", "--config"),
        (&["run", "--target", "nonsense"], "--target", ""),
        (&["simulate", "--listen", "nonsense"], "accepted is 127.0.0.1:8000, :8000", ""),
        (&["plan", "--duration", "30m1h"], "1h30m", ""),
        (&["trace", "inspect", "x.csv", "--delimiter", "x"], "accepted is `,`", ""),
        (&["run", "--out", "f"], "cannot write f: is a file, but --out takes a folder", "os error"),
        (&["run", "--out", "f/x"], "`f` is a file, and no folder can be made in it", "os error"),
        (&["trace", "fit", "t.csv", "--out", "f"], "f: is a file, but --out takes a folder", "os error"),
        (
            &["trace", "convert", "t.csv", "--to", "csv", "--out", "."],
            "is a folder; name a file in it with --out",
            "os error",
        ),
        (&["plan", "--requests", "3", "--export", "."], "is a folder; name a file in it with --export", "os error"),
        (&["run", "-c", "twice.yaml"], "twice.yaml:3: `rate` appears twice; keep one of them", "DuplicateKeyPolicy"),
        (&["run", "-c", "deep.yaml"], "deep.yaml:4: `top_k` appears twice; keep one of them", "DuplicateKeyPolicy"),
        (
            &["plan", "--profile", "stages.yaml"],
            "stages.yaml:1: `rate` appears twice; keep one of them",
            "DuplicateKeyPolicy",
        ),
        (&["run", "-c", "torn.yaml"], "torn.yaml:", "at line"),
        (
            &["run", "--slo", "ttft<=200ms@p99"],
            "the statistic comes before the metric; write `p99 ttft<=200ms`",
            "(secret)",
        ),
        (&["run", "-c", "slo.yaml"], "write `p99 ttft<=200ms`", "(secret)"),
        (&["simulate", "--fault", "explode@5%"], "explode", "(secret)"),
        (&["run", "--slo", "http://u:pw-4321x@h"], "(secret)@h", "pw-4321x"),
        (&["trace", "inspect", "twice.csv"], "has the column input_tokens twice (columns 2 and 4)", ""),
        (&["run", "--secret-header", "X-None"], "names no header", ""),
    ] {
        let output = run(folder.path(), words);
        let said = text(&output.stderr);
        // Lines are wrapped at the width of the screen.
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(output.status.code() == Some(2) && said.contains(wanted), "{words:?}: {said}");
        assert!(unwanted.is_empty() || !said.contains(unwanted), "{words:?}: {said}");
    }
}
