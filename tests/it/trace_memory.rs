//! Owns the test of the memory limit: a trace of ten million rows is planned within 400 MB.

use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};

use nix::sys::resource::{UsageWho, getrusage};

/// `cargo test --test it -- --ignored --nocapture ten_million`: about 430 MB of disk, and minutes in a debug build.
#[test]
#[ignore = "writes ten million rows"]
fn ten_million_rows_are_planned_within_400_mb() {
    const ROWS: u64 = 10_000_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("azure.csv");
    let mut file = BufWriter::new(std::fs::File::create(&path).unwrap());
    writeln!(file, "TIMESTAMP,ContextTokens,GeneratedTokens").unwrap();
    for row in 0..ROWS {
        // Rows 14 ms apart with some variation, over a day and a half.
        let us = row * 14_000 + (row * 7_919) % 9_000;
        let (seconds, rest) = (us / 1_000_000, us % 1_000_000);
        let (day, hour, minute) = (16 + seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
        let second = seconds % 60;
        writeln!(
            file,
            "2023-11-{day} {hour:02}:{minute:02}:{second:02}.{rest:06}0,{},{}",
            1 + row % 4_000,
            1 + row % 300
        )
        .unwrap();
    }
    file.flush().unwrap();
    drop(file);
    let mut command = Command::new(env!("CARGO_BIN_EXE_tonnage"));
    let output = crate::cli::alone(&mut command)
        .arg("replay")
        .arg(&path)
        .args(["--plan-only", "--json"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains(&format!("\"planned\": {ROWS}")),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let most_kb = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    let _ = writeln!(std::io::stderr(), "{ROWS} rows: {} MB resident at most", most_kb / 1_000);
    assert!(most_kb < 400_000, "{most_kb} kB");
}
