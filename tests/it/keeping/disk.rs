//! Owns the tests of a full disk or a vanished folder: the result is printed, the failure is named once, and the exit
//! code shows it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use crate::cli::{folder, run, text, tonnage};

/// The number of messages about writing on standard error.
fn complaints(output: &Output) -> usize {
    text(&output.stderr).lines().filter(|line| line.contains("cannot write")).count()
}

#[test]
fn a_limit_on_the_size_of_files_is_named_once_and_the_result_is_printed() {
    // RLIMIT_FSIZE acts like a disk that is full after this many bytes; its signal once killed the process.
    for (verb, more) in [
        ("run", &["--requests", "400", "--rate", "400/s", "--input-tokens", "20"][..]),
        ("run", &["--requests", "400", "--rate", "400/s", "--input-tokens", "20", "--json"]),
        ("run", &["--requests", "400", "--rate", "400/s", "--input-tokens", "20", "--quiet"]),
        ("sweep", &["--rates", "100,200,300", "--duration", "500ms", "--warmup", "0s"]),
    ] {
        let folder = folder();
        let mut command = Command::new("sh");
        command.current_dir(folder.path()).env_remove("OPENAI_API_KEY").env("NO_COLOR", "1").stdin(Stdio::null());
        // 8 units of 512 bytes or of 1 KiB, depending on the shell.
        command.args([
            "-c",
            "ulimit -f 8; exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_tonnage"),
            verb,
            "--output-tokens",
            "2",
            "--out",
            "out",
        ]);
        let output = command.args(more).output().expect("a shell");
        let (shown, said) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(2), "{verb} {more:?}: {said}");
        assert_eq!(complaints(&output), 1, "{verb} {more:?}: {said}");
        if more.contains(&"--json") {
            let result: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
            assert_eq!(result["trials"][0]["run_totals"]["completed"], 400);
        } else if !more.contains(&"--quiet") {
            assert!(shown.contains("SIMULATED") && shown.contains("plan "), "{verb}: {shown}");
        }
        assert!(!said.contains("result in"), "{said}");
    }
}

#[test]
fn a_folder_that_vanishes_is_named_once_and_the_result_is_printed() {
    let folder = folder();
    let words = ["run", "--rate", "50", "--duration", "3s", "--output-tokens", "2", "--out", "out"];
    let mut child = tonnage(folder.path())
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let out = folder.path().join("out");
    while std::fs::metadata(out.join("records.jsonl")).map_or(0, |about| about.len()) < 2_000 {
        assert!(child.try_wait().expect("a child").is_none(), "the run must still be in progress");
        std::thread::yield_now();
    }
    std::fs::remove_dir_all(&out).expect("removed");
    // The failure is named when it happens, before the load ends.
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let named = lines.find(|line| line.contains("cannot write")).expect("a message about writing");
    assert!(named.contains("was deleted") || named.contains("No such file"), "{named}");
    assert!(child.try_wait().expect("a child").is_none(), "the load must continue");
    let rest: Vec<String> = lines.collect();
    assert!(!rest.iter().any(|line| line.contains("cannot write")), "{rest:?}");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stdout).contains("poisson at 50/s"), "{}", text(&output.stdout));
}

#[test]
fn what_cannot_be_written_to_says_so() {
    let folder = folder();
    let words = ["plan", "--rate", "5", "--duration", "2s", "--export", "/dev/full"];
    let output = run(folder.path(), &words);
    assert!(output.status.code() == Some(2) && text(&output.stderr).contains("/dev/full"), "{}", text(&output.stderr));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
    let output = tonnage(folder.path())
        .args(["run", "--requests", "3", "--rate", "200/s", "--output-tokens", "2", "--out", "out"])
        .stdout(full)
        .output()
        .expect("it runs");
    assert!(
        output.status.code() == Some(2) && text(&output.stderr).contains("standard output"),
        "{}",
        text(&output.stderr)
    );
    assert!(folder.path().join("out/result.json").exists(), "the writable files must be written");
}

/// Whether this user may mount a file system.
fn may_mount() -> bool {
    Command::new("unshare").args(["-rm", "true"]).output().is_ok_and(|output| output.status.success())
}

#[test]
fn a_full_disk_is_named_once() {
    if !may_mount() {
        return;
    }
    let folder = folder();
    let script = "mount -t tmpfs -o size=64k none \"$1\" && shift && \"$@\"; code=$?; ls -la out >&2; exit $code";
    std::fs::create_dir(folder.path().join("out")).expect("a folder");
    let output = Command::new("unshare")
        .args([
            "-rm",
            "sh",
            "-c",
            script,
            "sh",
            "out",
            env!("CARGO_BIN_EXE_tonnage"),
            "run",
            "--requests",
            "600",
            "--rate",
            "400/s",
        ])
        .args(["--output-tokens", "2", "--out", "out"])
        .current_dir(folder.path())
        .env("NO_COLOR", "1")
        .output()
        .expect("it runs");
    assert_eq!((output.status.code(), complaints(&output)), (Some(2), 1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("No space left"), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("SIMULATED"), "{}", text(&output.stdout));
}
