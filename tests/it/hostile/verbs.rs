//! Owns the long test: the binary and each verb that sends load, against every case of the table.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use tonnage::clock::RunClock;
use tonnage::units::Offset;

use super::server::{Healthy, serve};
use super::table::{Case, Fate, table};
use crate::cli::{folder, json, text, tonnage};

/// Verbs (`preflight`: a run that tries the server first), and the most seconds that each may take: load, timeout and
/// drain of each of its loads, one second, and the start of a process beside five others on two cores. A search whose
/// requests complete takes as long as its budget allows; here it must only end.
const VERBS: [(&str, f64); 5] = [("run", 6.0), ("preflight", 12.0), ("replay", 6.0), ("sweep", 9.0), ("search", 110.0)];
/// The memory limit of one process with 20 requests in flight, in KiB.
const MOST_KIB: u64 = 300 << 10;

fn words(verb: &str) -> Vec<&'static str> {
    let common = ["--timeout", "1s", "--drain", "1s", "--connect-timeout", "1s", "--insecure", "--out", "out"];
    let tries: &[&str] = if verb == "preflight" { &[] } else { &["--no-preflight"] };
    let own: &[&str] = match verb {
        "run" | "preflight" => &[
            "run",
            "--rate",
            "20/s",
            "--requests",
            "20",
            "--process",
            "even",
            "--input-tokens",
            "4",
            "--output-tokens",
            "4",
        ],
        "replay" => &["replay", "trace.csv"],
        "sweep" => &[
            "sweep",
            "--rates",
            "20,40",
            "--duration",
            "1s",
            "--warmup",
            "0s",
            "--process",
            "even",
            "--output-tokens",
            "4",
        ],
        _ => &[
            "search",
            "--slo",
            "p90 ttft<=500ms",
            "--budget",
            "5s",
            "--max-rate",
            "20/s",
            "--output-tokens",
            "4",
            "--input-tokens",
            "4",
        ],
    };
    own.iter().chain(&common).chain(tries).copied().collect()
}

/// The peak memory of a process so far, in KiB.
fn peak_kib(child: &Child) -> Option<u64> {
    // Before the child has executed tonnage, the file shows the memory of this test.
    let program = std::fs::read_link(format!("/proc/{}/exe", child.id())).ok()?;
    if program != std::fs::canonicalize(env!("CARGO_BIN_EXE_tonnage")).ok()? {
        return None;
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().trim_end_matches(" kB").parse().ok()
}

struct Seen {
    took_s: f64,
    peak_kib: u64,
    wrong: Vec<String>,
}

fn play(case: &Case, verb: &str, most_s: f64) -> Seen {
    let folder = folder();
    let rows = (0..20).map(|i| format!("{},4,4", f64::from(i) * 0.05)).collect::<Vec<_>>().join("\n");
    std::fs::write(folder.path().join("trace.csv"), format!("arrived_at,num_prefill_tokens,num_decode_tokens\n{rows}"))
        .expect("a trace");
    let address = serve(case.script.clone(), case.at_models, Healthy(0));
    let url = format!("{}://{address}", if case.secure { "https" } else { "http" });
    let mut words = words(verb);
    if !case.secure {
        words.retain(|word| *word != "--insecure");
    }
    let mut command = tonnage(folder.path());
    command.args(&words).args(["--target", &url]);
    if !case.at_models {
        command.args(["--model", "m"]);
    }
    let clock = RunClock::starting_in(Duration::ZERO);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    let (mut out, mut err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let out = std::thread::spawn(move || read_all(&mut out));
    let err = std::thread::spawn(move || read_all(&mut err));
    let mut seen = Seen { took_s: 0.0, peak_kib: 0, wrong: Vec::new() };
    let status = loop {
        seen.peak_kib = seen.peak_kib.max(peak_kib(&child).unwrap_or(0));
        if let Some(status) = child.try_wait().expect("a child") {
            break Some(status);
        }
        if clock.now() > Offset::from(Duration::from_mins(2)) {
            child.kill().expect("a child");
            child.wait().expect("a child");
            break None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    seen.took_s = clock.now().as_secs();
    let (out, err) = (out.join().expect("text"), err.join().expect("text"));
    let code = status.and_then(|status| status.code());
    if seen.took_s > most_s {
        seen.wrong.push(format!("took {:.1} s of {most_s}", seen.took_s));
    }
    if seen.peak_kib > MOST_KIB {
        seen.wrong.push(format!("{} MiB", seen.peak_kib >> 10));
    }
    for (name, bytes) in [("stdout", &out), ("stderr", &err)] {
        let text = text(bytes);
        if text.chars().any(|c| {
            (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}')
        }) {
            seen.wrong.push(format!("{name} acts on a terminal: {text:?}"));
        }
        if text.lines().any(|line| line.starts_with("error: forged")) {
            seen.wrong.push(format!("{name} has a forged line"));
        }
    }
    let expected: &[i32] = match (case.fate, verb) {
        (Fate::Fails, _) => &[3],
        // A slow response misses the objective.
        (Fate::Completes | Fate::Either, "search") => &[0, 1, 3, 4],
        (Fate::Completes, _) => &[0],
        (Fate::Either, _) => &[0, 3],
    };
    if !code.is_some_and(|code| expected.contains(&code)) {
        seen.wrong.push(format!("exit {code:?}: {}", text(&err).lines().last().unwrap_or_default()));
    }
    seen.wrong.extend(unaccounted(&folder.path().join("out"), code));
    seen
}

fn read_all(pipe: &mut impl std::io::Read) -> Vec<u8> {
    let mut all = Vec::new();
    pipe.read_to_end(&mut all).expect("a pipe");
    all
}

/// What the result does not account for; `None` if nothing is missing, or if the target could not be used and there
/// is no result.
fn unaccounted(out: &Path, code: Option<i32>) -> Option<String> {
    let result = out.join("result.json");
    if !result.exists() {
        return (code != Some(3)).then(|| "no result".to_owned());
    }
    let result = json(&result);
    result["trials"].as_array()?.iter().find_map(|trial| {
        let totals = &trial["run_totals"];
        let number = |key: &str| totals[key].as_u64().unwrap_or(0);
        let ended =
            ["completed", "failed", "timed_out", "unresolved", "shed", "cancelled", "skipped", "abandoned"].map(number);
        let failures: u64 =
            totals["failures"].as_object().map_or(0, |classes| classes.values().filter_map(Value::as_u64).sum());
        (number("planned") != ended.iter().sum::<u64>() || number("failed") != failures || number("abandoned") > 0)
            .then(|| format!("not accounted for: {totals}"))
    })
}

#[test]
#[ignore = "a quarter of an hour; see the head of this folder's mod.rs"]
fn hostile_answers_and_every_verb() {
    let only = std::env::var("TONNAGE_HOSTILE").unwrap_or_default();
    let plays: Vec<(Case, &str, f64)> = table()
        .into_iter()
        .flat_map(|case| VERBS.map(|(verb, most_s)| (case.clone(), verb, most_s)))
        .filter(|(case, verb, _)| format!("{verb}:{}: {}", case.family, case.name).contains(&only))
        .collect();
    let number = plays.len();
    let (left, rows) = (Mutex::new(plays.into_iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let Some((case, verb, most_s)) = left.lock().expect("no panic").next() else { return };
                    let seen = play(&case, verb, most_s);
                    rows.lock().expect("no panic").push((case, verb, seen));
                }
            });
        }
    });
    let rows = rows.into_inner().expect("no panic");
    let mut table = String::new();
    for (verb, _) in VERBS {
        let of = || rows.iter().filter(|(_, other, _)| *other == verb).map(|(_, _, seen)| seen);
        let longest_s = of().map(|seen| seen.took_s).fold(0.0, f64::max);
        let most_kib = of().map(|seen| seen.peak_kib).max().unwrap_or(0);
        let wrong = of().filter(|seen| !seen.wrong.is_empty()).count();
        _ = writeln!(
            table,
            "{verb:8} {:4} runs   longest {longest_s:5.1} s  peak {:4} MiB  wrong {wrong}",
            of().count(),
            most_kib >> 10
        );
    }
    let wrong = rows.iter().filter(|(_, _, seen)| !seen.wrong.is_empty());
    let wrong: Vec<String> = wrong
        .map(|(case, verb, seen)| format!("{verb}:{}: {}: {}", case.family, case.name, seen.wrong.join("; ")))
        .collect();
    println!("{number} plays\n{table}{}", wrong.join("\n"));
    assert!(wrong.is_empty(), "{} of {number} went wrong", wrong.len());
}
