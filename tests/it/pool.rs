//! Owns the tests of client pools in the format of `ServeGen`: rates, gaps and lengths of the drawn requests against
//! the laws of the files, and the verb `replay` on a folder of them.

use std::fmt::Write as _;
use std::path::Path;

use tonnage::seed::Seed;
use tonnage::trace::{ClientPool, Trace};
use tonnage::units::{Offset, Window};
use tonnage::workload::requests_of_pool;

use crate::cli::{all_refused, run, text};

/// Windows of a client: start in seconds, rate, law and shape. Idle without a law.
type Rows<'a> = &'a [(u64, f64, &'a str, f64)];

/// Lengths of a client, as its file has them.
const LENGTHS: &str = r#"{"0": {"input_tokens": "{100: 0.25, 200: 0.75}", "output_tokens": "{7: 0.5, 9: 0.5}"},
 "21600": {"input_tokens": "{}", "output_tokens": "{}"}}"#;

fn write(folder: &Path, number: u64, rows: Rows<'_>, lengths: &str) {
    let mut table = String::new();
    for (start_s, rate, law, shape) in rows {
        // CV and scale are not used.
        write!(table, "{start_s},{rate},0,{law},{shape},0\r\n").expect("a string");
    }
    std::fs::write(folder.join(format!("chunk-{number}-trace.csv")), table).expect("a file");
    std::fs::write(folder.join(format!("chunk-{number}-dataset.json")), lengths).expect("a file");
}

fn span(start_s: f64, end_s: f64) -> Window {
    Window { start: Offset::from_secs(start_s), end: Offset::from_secs(end_s) }
}

fn drawn(folder: &Path, window: Window, factor: f64, seed: u64) -> Trace {
    let pool = ClientPool::read(folder, Some(window)).expect("a pool");
    requests_of_pool(&pool, window, factor, Seed::new(seed)).0.expect("requests")
}

#[test]
fn clients_together_send_at_the_sum_of_their_rates_in_each_window() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), 0, &[(0, 0.5, "Gamma", 0.25), (600, 0.0, "", 0.0), (1200, 1.0, "Weibull", 2.0)], LENGTHS);
    write(folder.path(), 7, &[(0, 0.5, "Gamma", 4.0), (600, 2.0, "Weibull", 1.0), (1200, 0.0, "", 0.0)], LENGTHS);
    let seeds = 200u32;
    for factor in [1.0, 0.5] {
        let mut counts = [0u64; 3];
        for seed in 0..seeds {
            for row in drawn(folder.path(), span(0.0, 1800.0), factor, u64::from(seed)).rows() {
                counts[(row.at.as_secs() / 600.0) as usize] += 1;
            }
        }
        // A stationary renewal process has exactly this mean; the variance of a count is about its mean times CV²
        // (4 and 1/4; 1; 4/π − 1).
        for (window, (mean, variance)) in [(600.0, 300.0 * 4.25), (1200.0, 1200.0), (600.0, 164.0)].iter().enumerate() {
            let (mean, seen) = (mean * factor, counts[window] as f64 / f64::from(seeds));
            let error = (variance * factor / f64::from(seeds)).sqrt() + 0.1;
            assert!((seen - mean).abs() < 4.0 * error, "factor {factor}, window {window}: {seen}, expected {mean}");
        }
    }
    let part = drawn(folder.path(), span(300.0, 900.0), 1.0, 3);
    let whole = drawn(folder.path(), span(0.0, 1800.0), 1.0, 3);
    let inside: Vec<u64> =
        whole.rows().iter().map(|row| row.at.as_nanos()).filter(|at| (300e9..900e9).contains(&(*at as f64))).collect();
    let shifted: Vec<u64> = part.rows().iter().map(|row| row.at.as_nanos() + 300_000_000_000).collect();
    assert_eq!(shifted, inside, "a span holds the requests of the whole pool in it");
}

#[test]
fn a_client_has_the_burstiness_and_the_lengths_of_its_files() {
    // CV of gamma gaps: 1/√shape. Of Weibull gaps of shape 1/2: √5.
    for (law, shape, cv) in [("Gamma", 0.25, 2.0), ("Gamma", 16.0, 0.25), ("Weibull", 0.5, 5f64.sqrt())] {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), 3, &[(0, 50.0, law, shape), (2000, 0.0, "", 0.0)], LENGTHS);
        let trace = drawn(folder.path(), span(0.0, 2000.0), 1.0, 5);
        let gaps: Vec<f64> = trace.rows().windows(2).map(|pair| pair[1].at.secs_since(pair[0].at)).collect();
        let n = gaps.len() as f64;
        let mean = gaps.iter().sum::<f64>() / n;
        let seen = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / n).sqrt() / mean;
        assert!((seen / cv - 1.0).abs() < 0.05, "{law} {shape}: CV {seen}, expected {cv}");
        let share = |is: &dyn Fn(u32, u32) -> bool| {
            trace.rows().iter().filter(|row| is(row.input_tokens, row.output_tokens)).count() as f64 / (n + 1.0)
        };
        let long = share(&|input, _| input == 200);
        let (seven, both) = (share(&|_, output| output == 7), share(&|input, output| input == 200 && output == 7));
        let error = |share: f64| 4.5 * (share * (1.0 - share) / n).sqrt();
        for (name, seen, share) in [("input", long, 0.75), ("output", seven, 0.5), ("independent", both, 0.375)] {
            assert!((seen - share).abs() < error(share), "{name}: {seen}, expected {share}");
        }
        assert!(trace.rows().iter().all(|row| [100, 200].contains(&row.input_tokens)));
    }
}

#[test]
fn the_seed_decides_what_is_drawn() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), 0, &[(0, 2.0, "Gamma", 0.5), (600, 2.0, "Weibull", 0.5)], LENGTHS);
    let of = |seed| drawn(folder.path(), span(0.0, 1200.0), 1.0, seed);
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
}

#[test]
fn a_folder_of_clients_is_replayed_at_its_own_rate_or_at_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let pool = folder.path().join("pool");
    std::fs::create_dir(&pool).expect("a folder");
    write(&pool, 0, &[(0, 4.0, "Gamma", 1.0), (600, 4.0, "Gamma", 1.0)], LENGTHS);
    let shown = |words: &[&str]| {
        let output = run(folder.path(), &[&["replay", "pool", "--plan-only"], words].concat());
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", text(&output.stderr));
        text(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let own = shown(&[]);
    assert!(own.contains("drawn from 1 clients with 2 windows: 4.00/s on average (1.000 times"), "{own}");
    let tenth = shown(&["--rate", "24/min", "--window", "0s..1000s"]);
    assert!(tenth.contains("0.40/s on average (0.100 times the clients' own 4.00/s)"), "{tenth}");
    assert_eq!(tenth, shown(&["--rate", "24/min", "--window", "0s..1000s"]), "the same each time");
    let words = ["replay", "pool", "--window", "0s..5s", "--time-scale", "50", "--sim", "delay:ttft=1ms,itl=1ms"];
    let output = run(folder.path(), &[&words[..], &["--out", "out"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    std::fs::create_dir(folder.path().join("none")).expect("a folder");
    std::fs::write(folder.path().join("none/a.txt"), "").expect("a file");
    let (bad, images) = (folder.path().join("bad"), folder.path().join("images"));
    std::fs::create_dir(&bad).expect("a folder");
    std::fs::create_dir(&images).expect("a folder");
    write(&bad, 0, &[(0, 4.0, "Pareto", 1.0)], LENGTHS);
    write(&images, 0, &[(0, 4.0, "Gamma", 1.0)], r#"{"0": {"text_tokens": "{}", "image_tokens": "{}"}}"#);
    write(&pool, 1, &[(0, 1e6, "Gamma", 1.0)], LENGTHS);
    all_refused(
        folder.path(),
        &[
            (&["replay", "none"], &["none: is a folder without chunk-0-trace.csv (it has a.txt)"]),
            (&["replay", "bad"], &["chunk-0-trace.csv:1: has the law `Pareto`"]),
            (&["replay", "images"], &["has no input_tokens at 0 s; it has image_tokens, text_tokens"]),
            (&["replay", "pool"], &["above the 20 000 000 that are drawn", "--window 0s..1h"]),
            (&["replay", "pool", "--window", "0s..9h"], &["--window", "ends after the pool, which has"]),
            (&["replay", "pool", "--format", "csv"], &["--format", "is a folder of clients"]),
            (&["replay", "pool", "--rate", "1/s", "--rate-scale", "2"], &["--rate", "drop one of them"]),
            (&["trace", "inspect", "pool"], &["pool: is a folder, and no trace"]),
        ],
    );
}
