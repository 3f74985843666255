//! Owns the tests of `tonnage batch` and `tonnage aggregate` as a user runs them.

use serde_json::Value;

use crate::cli::{all_refused, folder, json, run, text};
use crate::report_html::speaks_chinese;

/// Four cells of a few requests each, of which one has a target that does not answer.
const MATRIX: &str = "base: {sim: 'delay:ttft=1ms,itl=1ms', requests: 4, input-tokens: 8, salt: 'off'}\n\
    lengths: [[8, 2], [16, 2]]\n\
    loads: [400/s, 500/s]\n\
    cells:\n\
    - {match: {lengths: [16, 2], loads: 400/s}, set: {target: 'http://127.0.0.1:9', connect-timeout: 1s}}\n";

#[test]
fn a_failed_cell_stops_nothing_and_a_resumed_batch_runs_that_cell_alone() {
    let folder = folder();
    std::fs::write(folder.path().join("m.yaml"), MATRIX).expect("written");
    let words = ["batch", "m.yaml", "--after-command", "echo $TONNAGE_CELL, $TONNAGE_EXIT_CODE, $TONNAGE_NEXT_CELL"];
    let output = run(folder.path(), &words);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    let shown = text(&output.stdout);
    assert!(shown.contains("3 of 4 cells have a result") && shown.contains("exit code 3: target"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let place = folder.path().join("results/m");
    let log = std::fs::read_to_string(place.join("after-command.log")).expect("a log");
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(
        lines,
        ["8x2 400/s, 0, 8x2 500/s", "8x2 500/s, 0, 16x2 400/s", "16x2 400/s, 3, 16x2 500/s", "16x2 500/s, 0,"]
    );
    let cells = |place: &std::path::Path| json(&place.join("batch.json"))["batches"][0]["cells"].clone();
    let before = cells(&place);
    let result = |cell: &Value| place.join(cell["folder"].as_str().expect("a folder")).join("result.json");
    let stamps: Vec<Value> = [0, 1, 3].map(|cell| json(&result(&before[cell]))["started"].clone()).into();

    // The cell is mended in the file: it is run again, and no other one is.
    let mended = MATRIX.replace("set: {target: 'http://127.0.0.1:9', connect-timeout: 1s}", "set: {requests: 5}");
    std::fs::write(folder.path().join("m.yaml"), mended).expect("written");
    let output = run(folder.path(), &["batch", "m.yaml", "--resume"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("4 of 4 cells have a result"), "{}", text(&output.stdout));
    let after = cells(&place);
    let again: Vec<Value> = [0, 1, 3].map(|cell| json(&result(&after[cell]))["started"].clone()).into();
    assert_eq!(stamps, again, "finished cells are not repeated");
    assert!(text(&output.stderr).contains("1 of 4 cells are left"), "{}", text(&output.stderr));

    let page = std::fs::read_to_string(place.join("index.html")).expect("a page");
    assert_eq!(page.matches("/report.html\"").count(), 8, "each cell is linked in its group and in the history");
    assert!(page.contains("<figcaption>Time to first token p99 by lengths and load"), "a heat map");
    let chinese = run(folder.path(), &["aggregate", "results/m", "--to", "html", "--lang", "zh"]);
    assert_eq!(chinese.status.code(), Some(0), "{}", text(&chinese.stderr));
    let chinese = std::fs::read_to_string(place.join("index.html")).expect("a page");
    speaks_chinese("index", &page, &chinese, &["results/m", "m.yaml", "tonnage-sim"]);
    for name in ["aggregate.csv", "aggregate.md"] {
        let table = std::fs::read_to_string(place.join(name)).expect("a table");
        assert!(table.contains("16x2"), "{name}: {table}");
    }
    let csv = run(folder.path(), &["aggregate", "results", "--to", "csv-zh,console", "--out", "pages"]);
    assert_eq!(csv.status.code(), Some(0), "{}", text(&csv.stderr));
    assert_eq!(text(&csv.stdout).matches("8x2").count(), 2);
}

#[test]
fn a_dry_run_tells_the_time_and_leaves_nothing_behind_and_examples_are_matrices() {
    let folder = folder();
    for (name, cells) in [("lework", "5 cells"), ("flyaibox", "4 cells")] {
        let printed = run(folder.path(), &["batch", "--example", name]);
        std::fs::write(folder.path().join("m.yaml"), &printed.stdout).expect("written");
        let output = run(folder.path(), &["batch", "m.yaml", "--dry-run"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stdout).starts_with(cells), "{}", text(&output.stdout));
    }
    std::fs::write(folder.path().join("m.yaml"), "base: {duration: 10s}\nloads: [1/s, 2/s]\n").expect("written");
    let shown = text(&run(folder.path(), &["batch", "m.yaml", "--dry-run"]).stdout);
    assert!(shown.contains("2 cells, about 20.0 s in all") && shown.contains("  2  2/s  10.0 s"), "{shown}");
    for (matrix, wanted) in [
        ("base: {raet: 5/s}\n", "m.yaml:1: `raet` is not an option; did you mean `rate`?"),
        ("base:\n  out: x\n", "m.yaml:2: out: the batch sets it"),
        ("loads: [fast]\n", "cell `fast`: "),
        ("base: {load: concurrent:2}\noverlays: [x]\n", "`overlays` is not a key"),
        ("base: {slo: [p99 nonsense<=1s]}\n", "cell `cell`: --slo: "),
        ("verb: sweep\nloads: [4/s]\n", "has no meaning in a sweep"),
    ] {
        std::fs::write(folder.path().join("m.yaml"), matrix).expect("written");
        all_refused(folder.path(), &[(&["batch", "m.yaml"], &[wanted])]);
    }
    all_refused(
        folder.path(),
        &[
            (&["batch"], &["FILE.yaml"]),
            (&["batch", "none.yaml"], &["none.yaml"]),
            (&["aggregate", "none"], &["is not a folder"]),
        ],
    );
}
