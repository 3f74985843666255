//! Owns the tests of `tonnage compare`: known answers, refusals, exit codes, and how often equal services are flagged.

mod level;
mod virtually;

use std::path::Path;

use serde_json::Value;

use crate::cli::{all_refused, folder, json, run, text};
use virtually::Virtual;

const CONSTANT: Virtual = Virtual::new("delay:ttft=20ms,itl=5ms", 40.0, 60.0);

/// The exit code, standard output and standard error of `compare` with `words`.
fn compared(folder: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let output = run(folder, &[&["compare"], words].concat());
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn comparison(folder: &Path, words: &[&str]) -> Value {
    let (_, shown, said) = compared(folder, &[words, &["--json"]].concat());
    serde_json::from_str::<Value>(&shown).unwrap_or_else(|why| panic!("{why}: {shown}{said}"))["comparison"].clone()
}

fn row<'a>(comparison: &'a Value, measure: &str) -> &'a Value {
    let rows = comparison["loads"][0]["rows"].as_array().expect("rows");
    rows.iter().find(|row| row["measure"] == measure).unwrap_or_else(|| panic!("no {measure}: {comparison}"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn a_constant_difference_is_found_as_it_is_and_failed_on_only_where_it_is_surely_more() {
    let folder = folder();
    CONSTANT.saved(folder.path(), "a", 1);
    Virtual { sim: "delay:ttft=22ms,itl=5ms", ..CONSTANT }.saved(folder.path(), "b", 2);
    let found = comparison(folder.path(), &["a", "b/result.json"]);
    let ttft = &row(&found, "p99 ttft")["differences"][0];
    assert!((number(&ttft["ratio"]) - 1.1).abs() < 2e-3, "{ttft}");
    assert!((number(&ttft["difference"]) - 0.002).abs() < 1e-4 && ttft["sure_of_all"] == true, "{ttft}");
    let itl = &row(&found, "p90 itl")["differences"][0];
    assert!(itl["sure"] == false && (number(&itl["ratio"]) - 1.0).abs() < 1e-9, "{itl}");
    for (rules, code, says) in [
        (&["p99 ttft +5%"][..], 1, "surely worse: p99 ttft of B is 10.0 % higher"),
        (&["p99 ttft +15%"], 0, "surely within: p99 ttft of B"),
        (&["p99 ttft +15%", "p50 ttft +1ms"], 1, "surely worse: p50 ttft of B"),
        (&["p50 ttft +3ms", "p95 ttft +30%", "error_rate +5%"], 0, "surely within: p95 ttft of B"),
        (&["requests/s -1%"], 0, "not decided: requests/s of B"),
        (&["tokens/s -60%"], 0, "surely within: tokens/s of B"),
    ] {
        let words: Vec<&str> =
            ["a", "b"].into_iter().chain(rules.iter().flat_map(|rule| ["--fail-on", rule])).collect();
        let (is, shown, said) = compared(folder.path(), &words);
        let one = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(is == Some(code) && one.contains(says), "{rules:?} {is:?}: {shown}{said}");
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    }
    // The other way round it is an improvement, which no rule refuses.
    assert_eq!(compared(folder.path(), &["b", "a", "--fail-on", "p99 ttft +0%"]).0, Some(0));
}

#[test]
fn the_text_says_the_answer_first_then_the_table_then_what_to_know_and_to_do() {
    let folder = folder();
    let small = Virtual::new("small", 8.0, 240.0);
    small.saved(folder.path(), "before", 1);
    Virtual { rate: 12.0, model: "small-v2", ..small }.saved(folder.path(), "after", 2);
    small.saved(folder.path(), "again", 3);
    let (code, shown, said) = compared(folder.path(), &["before", "after", "--fail-on", "p99 ttft +10%"]);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert_eq!(said, "");
    insta::assert_snapshot!("compare", format!("exit code {code:?}\n{shown}"));
    let (_, shown, _) = compared(folder.path(), &["before", "after", "again"]);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    insta::assert_snapshot!("compare_three", shown);
    let (_, page, _) = compared(folder.path(), &["before", "after", "--to", "markdown"]);
    assert!(page.starts_with("# Comparison\n") && page.contains("| p99 ttft |"), "{page}");
}

#[test]
fn a_tail_that_surely_lies_among_failed_requests_is_worse_than_every_number() {
    let folder = folder();
    CONSTANT.saved(folder.path(), "a", 1);
    Virtual { fail_one_in: 20, ..CONSTANT }.saved(folder.path(), "b", 2);
    let rules = ["--fail-on", "p99 ttft +900%", "--fail-on", "p50 ttft +1%", "--fail-on", "error_rate +2%"];
    let (code, shown, _) = compared(folder.path(), &[&["a", "b"], &rules[..]].concat());
    let one = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(code, Some(1), "{shown}");
    assert!(one.contains("surely worse: p99 ttft of B lies among failed requests"), "{shown}");
    assert!(one.contains("surely within: p50 ttft of B") && one.contains("surely worse: error_rate of B"), "{shown}");
}

#[test]
fn goodput_is_compared_where_both_have_objectives_and_none_left_is_surely_worse() {
    let folder = folder();
    let judged = Virtual { slo: Some("e2e<=100ms"), ..CONSTANT };
    judged.saved(folder.path(), "a", 1);
    Virtual { sim: "delay:ttft=90ms,itl=5ms", ..judged }.saved(folder.path(), "b", 2);
    let rules = ["--fail-on", "goodput -5%", "--fail-on", "requests/s -50%"];
    let (code, shown, _) = compared(folder.path(), &[&["a", "b"], &rules[..]].concat());
    assert!(code == Some(1) && shown.starts_with("surely worse: goodput of B"), "{shown}");
    assert!(shown.contains("surely within: requests/s of B"), "{shown}");
}

#[test]
fn without_records_the_stored_intervals_count_and_that_is_said() {
    let folder = folder();
    let queue = Virtual::new("mmc:servers=4,service=20ms", 50.0, 120.0);
    queue.saved(folder.path(), "a", 1);
    Virtual { sim: "mmc:servers=4,service=40ms", ..queue }.saved(folder.path(), "b", 2);
    for name in ["a", "b"] {
        std::fs::remove_file(folder.path().join(name).join("records.jsonl")).expect("removed");
    }
    let found = comparison(folder.path(), &["a", "b"]);
    let saved = json(&folder.path().join("a/result.json"));
    let stored = &saved["trials"][0]["metrics"]["e2e"]["scheduled"]["p50_ci95"];
    let figure = &row(&found, "p50 e2e")["figures"][0]["estimate"];
    assert_eq!((&figure["low"], &figure["high"]), (&stored[0], &stored[1]));
    assert_eq!(row(&found, "p50 e2e")["differences"][0]["sure_of_all"], true);
    assert_eq!(row(&found, "tokens/s")["figures"][0]["withheld"]["kind"], "no_records");
    let kinds: Vec<&Value> =
        found["caution_kinds"].as_array().expect("cautions").iter().map(|one| &one["kind"]).collect();
    assert!(kinds.iter().filter(|kind| **kind == "no_records").count() == 2, "{kinds:?}");
}

#[test]
fn what_is_unlike_is_said() {
    let folder = folder();
    CONSTANT.saved(folder.path(), "a", 1);
    Virtual { rate: 80.0, model: "other", output: 16, ..CONSTANT }.saved(folder.path(), "b", 1);
    CONSTANT.saved(folder.path(), "c", 1);
    let said = |words: &[&str]| comparison(folder.path(), words)["cautions"].to_string();
    let unlike = said(&["a", "b"]);
    for part in [
        "SIMULATED: A and B",
        "the loads differ: A poisson 40.0/s, B poisson 80.0/s",
        "the models differ",
        "the output lengths differ: 8.00 tokens a request in A, 16.0 in B",
    ] {
        assert!(unlike.contains(part), "lacks `{part}`: {unlike}");
    }
    assert!(said(&["a", "c"]).contains("A and B sent the same plan"));
}

#[test]
fn what_cannot_be_compared_is_refused_with_what_to_do() {
    let folder = folder();
    CONSTANT.saved(folder.path(), "a", 1);
    CONSTANT.saved(folder.path(), "b", 2);
    let sweep = |out: &str, rates: &str| {
        let words =
            ["sweep", "--sim", "delay:ttft=1ms,itl=1ms", "--rates", rates, "--duration", "500ms", "--warmup", "0s"];
        let output = run(folder.path(), &[&words[..], &["--output-tokens", "2", "--out", out]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    };
    sweep("s", "50,100");
    sweep("t", "100,150");
    sweep("u", "60");
    let cases: &[(&[&str], &[&str])] = &[
        (&["compare", "a"], &["2 values", "DIR|FILE"]),
        (&["compare", "a", "nowhere"], &["nowhere", "cannot be read", "give a result folder or its result.json"]),
        (&["compare", "a", "s"], &["is a sweep, and a is one load", "compare two sweeps, or two runs"]),
        (&["compare", "s", "u"], &["u", "has no load of s", "over the same loads with --rates"]),
        (
            &["compare", "a", "b", "--fail-on", "p99 stall +5%"],
            &["--fail-on", "`stall` is not compared", "ttft, tpot, itl or e2e"],
        ),
        (&["compare", "a", "b", "--fail-on", "p99 ttft"], &["has no change with its sign", "`p99 ttft +10%`"]),
        (&["compare", "a", "b", "--fail-on", "tokens/s +5%"], &["higher is better", "write `tokens/s -5%`"]),
        (&["compare", "a", "b", "--fail-on", "goodput -5%"], &["no result has `goodput`", "needs objectives"]),
    ];
    all_refused(folder.path(), cases);
    let found = comparison(folder.path(), &["s", "t"]);
    assert_eq!(found["loads"].as_array().map(Vec::len), Some(1), "{found}");
    assert!(found["cautions"].to_string().contains("not compared, because not all runs have them: 50"), "{found}");
}

#[test]
fn the_page_in_html_holds_the_answer_the_cells_of_the_console_a_chart_and_the_json() {
    let folder = folder();
    CONSTANT.saved(folder.path(), "a", 1);
    Virtual { sim: "delay:ttft=22ms,itl=5ms", ..CONSTANT }.saved(folder.path(), "b", 2);
    let shown = |form: &str| text(&run(folder.path(), &["compare", "a", "b", "--to", form]).stdout);
    let (console, page) = (shown("console"), shown("html"));
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    let answer = console.lines().next().expect("an answer").chars().skip(1).take(50).collect::<String>();
    assert!(page.contains(&answer), "{answer}");
    for line in console.lines().filter(|line| line.starts_with("p50 ttft") || line.starts_with("p99 e2e")) {
        for cell in line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()) {
            assert!(page.contains(&format!(">{cell}<")), "the page lacks `{cell}` of `{line}`");
        }
    }
    assert!(page.contains("<svg viewBox") && page.contains("surely worse") && page.contains("difference in percent"));
    assert!(!page.contains("http-equiv=\"refresh\"") && !page.contains("<script src") && !page.contains("https://"));
    let json = run(folder.path(), &["compare", "a", "b", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    let carried = page.split("id=\"result\">").nth(1).and_then(|rest| rest.split("</script>").next()).expect("JSON");
    let carried: serde_json::Value = serde_json::from_str(carried).expect("JSON");
    assert_eq!(carried["comparison"], json["comparison"]);
}
