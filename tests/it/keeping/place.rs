//! Owns the tests of `--out`: foreign files are kept, a result is replaced only on request, and only one process
//! writes at a time.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;

use crate::cli::{folder, json, run, text, tonnage};

const QUICK: [&str; 8] = ["--requests", "3", "--rate", "200/s", "--output-tokens", "2", "--out", "out"];

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap_or_else(|why| panic!("{}: {why}", path.display())).permissions().mode() & 0o777
}

#[test]
fn what_is_not_ours_is_never_destroyed() {
    for (name, content) in [
        ("config.yaml", "mine: true\n"),
        ("result.json", "{\"mine\": true}"),
        (
            "result.json",
            "{\"schema\": 1, \"tool\": {\"name\": \"other\", \"version\": \"1\", \"git\": null}, \"started\": \"\", \
             \"config\": {}}",
        ),
        ("records.jsonl", "mine\n"),
        ("failures.jsonl", "mine\n"),
        ("points", "a file of mine"),
    ] {
        for force in [false, true] {
            let folder = folder();
            let out = folder.path().join("out");
            std::fs::create_dir(&out).expect("a folder");
            std::fs::write(out.join(name), content).expect("written");
            for verb in ["run", "sweep", "search"] {
                let more: &[&str] = if force { &["--force"] } else { &[] };
                let words = [verb, "--output-tokens", "2", "--out", "out"];
                let slo: &[&str] = if verb == "search" { &["--slo", "error_rate<=1%"] } else { &[] };
                let output = run(folder.path(), &[&words[..], more, slo].concat());
                let said = text(&output.stderr);
                assert_eq!(output.status.code(), Some(2), "{name} {verb}: {said}");
                assert!(
                    said.contains(name) && said.contains("not overwritten") && said.contains("--out"),
                    "{name} {verb}: {said}"
                );
                assert_eq!(std::fs::read_to_string(out.join(name)).expect("still there"), content);
                assert_eq!(
                    std::fs::read_dir(&out).expect("a folder").count(),
                    1,
                    "{name}: no other file may be left beside it"
                );
            }
        }
    }
}

#[test]
fn other_files_of_a_folder_stay_beside_the_result() {
    let folder = folder();
    let out = folder.path().join("out");
    std::fs::create_dir_all(out.join("points/mine")).expect("a folder");
    std::fs::write(out.join("notes.txt"), "mine").expect("written");
    std::fs::write(out.join("points/mine/config.yaml"), "mine").expect("written");
    for force in [&[][..], &["--force"]] {
        assert_eq!(run(folder.path(), &[&["run"][..], &QUICK, force, &["--quiet"]].concat()).status.code(), Some(0));
        assert_eq!(std::fs::read_to_string(out.join("notes.txt")).expect("a file"), "mine");
        assert_eq!(std::fs::read_to_string(out.join("points/mine/config.yaml")).expect("a file"), "mine");
    }
}

#[test]
fn a_result_is_replaced_only_when_asked() {
    let folder = folder();
    let out = folder.path().join("out");
    assert_eq!(
        run(folder.path(), &[&["run"][..], &QUICK, &["--label", "first", "--quiet"]].concat()).status.code(),
        Some(0)
    );
    let refused = run(folder.path(), &[&["run"][..], &QUICK].concat());
    let said = text(&refused.stderr);
    assert!(
        refused.status.code() == Some(2) && said.contains("holds the result of 2") && said.contains("--force"),
        "{said}"
    );
    assert_eq!(json(&out.join("result.json"))["label"], "first");
    assert_eq!(
        run(folder.path(), &[&["run"][..], &QUICK, &["--label", "second", "--force", "--quiet"]].concat())
            .status
            .code(),
        Some(0)
    );
    assert_eq!(json(&out.join("result.json"))["label"], "second");
    // `--force` applies to this command line only and is not stored.
    assert!(!std::fs::read_to_string(out.join("config.yaml")).expect("a file").contains("force"));
    // A configuration that was edited since belongs to the user.
    std::fs::write(out.join("config.yaml"), "rate: 7/s\nlabel: mine\n").expect("written");
    let refused = run(folder.path(), &[&["run"][..], &QUICK, &["--force"]].concat());
    let said = text(&refused.stderr);
    assert!(
        refused.status.code() == Some(2) && said.contains("config.yaml") && said.contains("not overwritten"),
        "{said}"
    );
}

#[test]
fn folders_and_files_are_of_their_owner_alone() {
    let folder = folder();
    // Failed requests store their prompts.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let words = [
        "run",
        "--target",
        &format!("http://{closed}"),
        "--model",
        &"m".repeat(400),
        "--requests",
        "3",
        "--rate",
        "200/s",
        "--no-preflight",
        "--quiet",
    ];
    assert_eq!(run(folder.path(), &words).status.code(), Some(3));
    let mut path = folder.path().join("results");
    for _ in 0..3 {
        assert_eq!(mode(&path), 0o700, "{}", path.display());
        let inner = std::fs::read_dir(&path).expect("a folder").next().expect("an entry").expect("an entry").path();
        assert!(inner.file_name().is_some_and(|name| name.len() < 255));
        if inner.is_file() {
            break;
        }
        path = inner;
    }
    for name in ["result.json", "config.yaml", "records.jsonl", "failures.jsonl"] {
        assert_eq!(mode(&path.join(name)), 0o600, "{name}");
    }
}

#[test]
fn no_link_is_followed() {
    for name in ["result.json", "config.yaml", "records.jsonl", "failures.jsonl", ".tonnage.lock", "points"] {
        let folder = folder();
        let (out, victim) = (folder.path().join("out"), folder.path().join("victim"));
        std::fs::create_dir(&out).expect("a folder");
        std::fs::write(&victim, "precious").expect("written");
        symlink(&victim, out.join(name)).expect("a link");
        let output = run(folder.path(), &[&["run"][..], &QUICK, &["--force"]].concat());
        assert_eq!(output.status.code(), Some(2), "{name}: {}", text(&output.stderr));
        assert_eq!(std::fs::read_to_string(&victim).expect("a file"), "precious", "{name}");
    }
    // The folders of a sweep's loads too: following such a link would clear the folder behind it.
    let swept = folder();
    let victim = swept.path().join("victim");
    let sweep = [
        "sweep",
        "--rates",
        "100,200",
        "--duration",
        "50ms",
        "--warmup",
        "0s",
        "--output-tokens",
        "1",
        "--out",
        "out",
        "--quiet",
    ];
    assert_eq!(run(swept.path(), &sweep).status.code(), Some(0));
    std::fs::create_dir(&victim).expect("a folder");
    std::fs::write(victim.join("records.jsonl"), "precious").expect("written");
    let point = swept.path().join("out/points/01");
    std::fs::remove_dir_all(&point).expect("removed");
    symlink(&victim, &point).expect("a link");
    let output = run(swept.path(), &[&sweep[..], &["--force"]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string(victim.join("records.jsonl")).expect("a file"), "precious");
    // Links in place of temporary files are removed, and the files that they point to stay.
    for name in [".result.json.part", ".config.yaml.part", ".tonnage-proof"] {
        let folder = folder();
        let (out, victim) = (folder.path().join("out"), folder.path().join("victim"));
        std::fs::create_dir(&out).expect("a folder");
        std::fs::write(&victim, "precious").expect("written");
        symlink(&victim, out.join(name)).expect("a link");
        assert_eq!(run(folder.path(), &[&["run"][..], &QUICK, &["--quiet"]].concat()).status.code(), Some(0), "{name}");
        assert_eq!(std::fs::read_to_string(&victim).expect("a file"), "precious", "{name}");
    }
}

#[test]
fn a_second_writer_is_told_who_writes_and_a_killed_one_keeps_nobody_out() {
    let folder = folder();
    let words = ["run", "--rate", "50", "--duration", "10m", "--output-tokens", "2", "--out", "out", "--quiet"];
    let mut first = tonnage(folder.path())
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    while !folder.path().join("out/records.jsonl").exists() {
        assert!(first.try_wait().expect("a child").is_none(), "the run must still be in progress");
        std::thread::yield_now();
    }
    for verb in ["run", "sweep"] {
        let second = run(folder.path(), &[verb, "--output-tokens", "2", "--out", "out", "--force"]);
        let said = text(&second.stderr);
        assert_eq!(second.status.code(), Some(2), "{said}");
        assert!(
            said.contains(&format!("process {}", first.id())) && said.contains("is writing a result there"),
            "{said}"
        );
    }
    first.kill().expect("killed");
    first.wait().expect("gone");
    let third = run(folder.path(), &[&["run"][..], &QUICK, &["--force", "--quiet"]].concat());
    assert_eq!(third.status.code(), Some(0), "{}", text(&third.stderr));
    assert!(!folder.path().join("out/.tonnage.lock").exists());
}

#[test]
fn a_fit_does_not_write_over_files_of_ones_own() {
    let folder = folder();
    std::fs::write(folder.path().join("t.csv"), "time_s,input_tokens,output_tokens\n0,1,1\n1,2,2\n2,3,3\n")
        .expect("written");
    std::fs::write(folder.path().join("input.txt"), "mine").expect("written");
    let words = ["trace", "fit", "t.csv", "--out", "."];
    let refused = run(folder.path(), &words);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains("input.txt") && text(&refused.stderr).contains("--force"),
        "{}",
        text(&refused.stderr)
    );
    assert_eq!(std::fs::read_to_string(folder.path().join("input.txt")).expect("a file"), "mine");
    assert!(!folder.path().join("fit.yaml").exists());
    assert_eq!(run(folder.path(), &[&words[..], &["--force"]].concat()).status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(folder.path().join("input.txt")).expect("a file"), "1\n2\n3\n");
}
