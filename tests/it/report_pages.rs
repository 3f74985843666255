//! Owns the tests of the pages of a result: HTML, Markdown and CSV hold the numbers of the console and of result.json,
//! foreign text forms no markup, and a page needs nothing but itself.

use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde_json::{Value, json};

use tonnage::report::{Ink, MOST_BYTES, render, render_csv, render_html, render_markdown};
use tonnage::results::Report;

use crate::cli::{folder, json, run, text};

const QUICK: &[&str] = &["--sim", "delay:ttft=1ms,itl=100us", "--output-tokens", "4", "--warmup", "0s", "--out", "out"];

/// The options of a search that ends as soon as the highest rate is reached.
#[rustfmt::skip]
const SEARCHED: &[&str] = &[
    "--sim", "mmc:servers=4,service=2ms", "--input-tokens", "1", "--output-tokens", "1", "--no-certificate",
    "--out", "out",
];

/// The result of a short load in `folder`, made by the verb and the options in `words`.
pub(crate) fn made(folder: &Path, words: &[&str]) -> Value {
    let quick = if words[0] == "search" { SEARCHED } else { QUICK };
    let output = run(folder, &[words, quick].concat());
    // A machine that was late makes a verdict inconclusive, and the pages hold that, too.
    assert!(matches!(output.status.code(), Some(0 | 4)), "{}", text(&output.stderr));
    json(&folder.join("out/result.json"))
}

pub(crate) fn report_of(value: &Value) -> Report {
    serde_json::from_value(value.clone()).expect("a result")
}

/// The JSON in a page, unpacked where it is packed.
pub(crate) fn carried(page: &str) -> Value {
    let block = |kind: &str| {
        let (_, after) = page.split_once(&format!("<script type=\"{kind}\" id=\"result\">"))?;
        Some(after.split_once("</script>")?.0)
    };
    if let Some(plain) = block("application/json") {
        return serde_json::from_str(plain).expect("JSON");
    }
    let packed = STANDARD.decode(block("application/gzip;base64").expect("a block")).expect("base64");
    let mut unpacked = String::new();
    GzDecoder::new(packed.as_slice()).read_to_string(&mut unpacked).expect("gzip");
    serde_json::from_str(&unpacked).expect("JSON")
}

/// The page as a reader sees it: without tags, style and JSON, every run of blanks one blank.
pub(crate) fn seen(page: &str) -> String {
    let body = page.split_once("<body>").expect("a body").1;
    let body = body.split("<script").next().unwrap_or(body);
    let mut shown = String::new();
    let mut inside = false;
    for character in body.chars() {
        match character {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                shown.push(' ');
            }
            other if !inside => shown.push(other),
            _ => {}
        }
    }
    let shown = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The figures of a console page: all its words that begin with a digit.
pub(crate) fn figures(console: &str) -> Vec<&str> {
    console.split_whitespace().filter(|word| word.starts_with(|first: char| first.is_ascii_digit())).collect()
}

/// The fields of a line of CSV without line breaks in it (RFC 4180).
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut quoted) = (vec![String::new()], false);
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => fields.last_mut().expect("a field").push(other),
        }
    }
    fields
}

/// The rows of a CSV text, as (column, value).
fn rows(csv: &str) -> Vec<Vec<(String, String)>> {
    let mut lines = csv.split("\r\n").filter(|line| !line.is_empty());
    let header = fields(lines.next().expect("a header"));
    lines
        .map(|line| {
            let cells = fields(line);
            assert_eq!(cells.len(), header.len(), "{line}");
            header.iter().cloned().zip(cells).collect()
        })
        .collect()
}

fn cell<'a>(row: &'a [(String, String)], column: &str) -> &'a str {
    &row.iter().find(|(name, _)| name == column).unwrap_or_else(|| panic!("no column {column}")).1
}

#[test]
fn every_page_of_a_run_shows_the_numbers_of_the_console_and_carries_the_result() {
    let folder = folder();
    let words = ["run", "--rate", "200", "--duration", "500ms", "--slo", "p50 e2e<=20s", "--label", "first"];
    let result = made(folder.path(), &words);
    let output = run(folder.path(), &["report", "out", "--to", "console,html,markdown,csv"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let console = text(&output.stdout);
    let page = |name: &str| std::fs::read_to_string(folder.path().join("out").join(name)).expect(name);
    let (html, markdown, csv) = (page("report.html"), page("report.md"), page("report.csv"));
    assert_eq!(carried(&html), result, "the JSON in the page must be that of result.json");
    let (shown, plain_markdown) = (seen(&html), markdown.replace('\\', ""));
    let from_tables =
        console.lines().skip_while(|line| !line.starts_with("requests ")).take_while(|line| !line.starts_with("plan "));
    let tables = from_tables.collect::<Vec<_>>().join("\n");
    assert!(figures(&tables).len() > 40, "{tables}");
    for figure in figures(&tables) {
        assert!(shown.contains(figure), "`{figure}` is on the console, not on the page: {shown}");
        assert!(plain_markdown.contains(figure), "`{figure}` is on the console, not in Markdown: {markdown}");
    }
    let rows = rows(&csv);
    let [row] = rows.as_slice() else { panic!("one row a trial: {csv}") };
    assert_eq!(
        (cell(row, "label"), cell(row, "planned_requests")),
        ("first", &*result["trials"][0]["requests"]["planned"].to_string())
    );
    for (column, metric, quantile) in
        [("ttft_p50_s", "ttft", "p50"), ("e2e_p99_s", "e2e", "p99"), ("e2e_p90_s", "e2e", "p90")]
    {
        let exact = result["trials"][0]["metrics"][metric]["scheduled"][quantile].as_f64().expect("a latency");
        let rounded: f64 = cell(row, column).parse().expect("a number");
        assert_eq!(tonnage::units::seconds(rounded), tonnage::units::seconds(exact), "{column}");
        assert!(console.contains(&tonnage::units::seconds(rounded)), "{column}: {console}");
    }
    // A result that is replaced takes its pages with it.
    made(folder.path(), &["run", "--rate", "100", "--requests", "3", "--force"]);
    assert!(!folder.path().join("out/report.html").exists());
}

#[test]
fn the_pages_of_a_sweep_and_of_a_search_hold_the_cells_of_their_tables() {
    for (words, tables) in [
        (vec!["sweep", "--points", "3", "--max-rate", "300", "--duration", "200ms", "--slo", "p50 e2e<=20s"], "load "),
        (vec!["search", "--max-rate", "250", "--precision", "50%", "--slo", "p50 ttft<=1s"], "probe "),
    ] {
        let folder = folder();
        let result = made(folder.path(), &words);
        let report = report_of(&result);
        let console = render(&report, Ink::Plain);
        let (html, markdown) = (render_html(&report).expect("a page"), render_markdown(&report));
        assert_eq!(carried(&html), result, "{words:?}");
        let (shown, markdown) = (seen(&html), markdown.replace('\\', ""));
        let first = console.split("\n\n").find(|part| part.starts_with(tables)).unwrap_or_else(|| panic!("{console}"));
        for figure in figures(first) {
            assert!(shown.contains(figure) && markdown.contains(figure), "{words:?}: `{figure}` of {first}");
        }
        assert_eq!(rows(&render_csv(&report)).len(), report.trials.len());
        assert!(html.matches("<svg viewBox=\"0 0 560 300\" role=\"img\"").count() >= 3, "{words:?}: charts");
        assert_eq!(
            html.matches("<figure>").count(),
            html.matches("<summary>Table: ").count(),
            "a table beside each chart"
        );
    }
}

/// A result whose every text is foreign, made from a real one.
fn with_texts(mut result: Value, text: &str) -> Report {
    result["target"]["model"] = json!(text);
    result["target"]["urls"] = json!([format!("http://h/{text}")]);
    result["label"] = json!(text);
    result["metadata"] = json!({ text: text });
    result["command"] = json!(["tonnage", text]);
    result["notes"] = json!([text]);
    result["host"]["name"] = json!(text);
    result["trials"][0]["label"] = json!(text);
    result["trials"][0]["failures"] = json!([{ "kind": "status_500", "cause": "other", "count": 3, "words": text }]);
    result["config"]["model"] = json!([text]);
    report_of(&result)
}

#[test]
fn foreign_text_forms_no_markup_and_no_formula() {
    let folder = folder();
    let result = made(folder.path(), &["run", "--rate", "200", "--requests", "20"]);
    for foreign in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "</script><b>",
        "<!--result-->",
        "=cmd|' /C calc'!A0",
    ] {
        let report = with_texts(result.clone(), foreign);
        let html = render_html(&report).expect("a page");
        // The page has one script block, which holds the JSON.
        assert_eq!(html.matches("<script").count(), 1, "{foreign}");
        assert_eq!(html.matches("</script").count(), 1, "{foreign}");
        for part in ["<img", "<b>"] {
            assert!(!html.contains(part), "{foreign}: {part}");
        }
        assert_eq!(carried(&html)["target"]["model"], json!(foreign));
        assert!(
            seen(&html).contains(&foreign.split_whitespace().collect::<Vec<_>>().join(" ")),
            "{foreign} is shown as it is"
        );
        let markdown = render_markdown(&report);
        // A command stands in a block of code, where nothing is markup.
        let outside: String = markdown.split("```").step_by(2).collect();
        assert!(!outside.replace("\\<", "").contains('<'), "{foreign}: {markdown}");
        let csv = render_csv(&report);
        assert!(!csv.contains(",=") && !csv.starts_with('='), "{foreign}: {csv}");
    }
}

#[test]
fn a_page_asks_for_nothing_from_elsewhere() {
    let folder = folder();
    let html =
        render_html(&report_of(&made(folder.path(), &["run", "--rate", "200", "--requests", "20"]))).expect("a page");
    let page = html.split("<script").next().expect("a page").to_lowercase();
    for part in [" src=", "href=", "url(", "@import", "<link", "<iframe", "<object", "<img", "srcset", "xlink"] {
        assert!(!page.contains(part), "{part}");
    }
    // The address of the target is text, and the namespace of SVG is not needed in HTML.
    assert!(
        !page.contains("https://") && page.contains("default-src &#39;none&#39;") | page.contains("default-src 'none'")
    );
}

#[test]
fn a_long_run_fits_and_still_carries_its_result() {
    let folder = folder();
    let mut result = made(folder.path(), &["run", "--rate", "200", "--requests", "20"]);
    let sample = result["trials"][0]["samples"][0].clone();
    let samples: Vec<Value> = (0..3600)
        .map(|second| {
            let mut sample = sample.clone();
            sample["start_s"] = json!(f64::from(second));
            sample["in_flight"] = json!(f64::from(second % 7) * 1.234_567);
            sample["sent"] = json!(second % 13);
            sample
        })
        .collect();
    result["trials"][0]["samples"] = Value::Array(samples);
    let report = report_of(&result);
    let html = render_html(&report).expect("a page");
    assert!(html.len() <= MOST_BYTES && html.contains("application/gzip;base64"), "{}", html.len());
    assert_eq!(carried(&html), serde_json::to_value(&report).expect("JSON"), "packed, and whole");
}

#[test]
fn a_page_stays_small_where_the_result_cannot_fit_and_says_what_it_lacks() {
    let folder = folder();
    let mut result = made(folder.path(), &["run", "--rate", "200", "--requests", "20"]);
    // Twice the samples that a run can have, with digits that no compression shortens enough.
    let noise = |seed: u64| (0..7200u64).map(move |n| ((n * 2_654_435_761 + seed) % 1_000_003) as f64 / 1.000_1);
    let sample = result["trials"][0]["samples"][0].clone();
    let each = noise(1).zip(noise(77_777)).zip(noise(313)).zip(noise(9_999_991)).enumerate();
    let samples = each.map(|(second, (((one, two), three), four))| {
        let mut sample = sample.clone();
        for (key, value) in [
            ("start_s", second as f64),
            ("in_flight", one),
            ("ttft_mean_s", two),
            ("e2e_mean_s", three),
            ("output_tokens", four),
            ("ttft_max_s", one * three),
            ("e2e_max_s", two * four),
        ] {
            sample[key] = json!(value);
        }
        sample
    });
    result["trials"][0]["samples"] = samples.collect();
    let html = render_html(&report_of(&result)).expect("a page");
    assert!(html.len() <= MOST_BYTES && html.contains("lacks the time series"), "{}", html.len());
    assert_eq!(carried(&html)["trials"][0]["metrics"], result["trials"][0]["metrics"]);
}

#[test]
fn a_page_is_written_where_it_was_asked_for_or_refused_with_advice() {
    let folder = folder();
    made(folder.path(), &["run", "--rate", "200", "--requests", "20"]);
    assert_eq!(
        run(folder.path(), &["report", "out/result.json", "--to", "csv", "--out", "pages"]).status.code(),
        Some(0)
    );
    assert!(folder.path().join("pages/report.csv").is_file() && !folder.path().join("out/report.csv").exists());
    std::os::unix::fs::symlink("/dev/null", folder.path().join("out/report.md")).expect("a link");
    for (words, code, wanted) in [
        (&["report", "out", "--to", "markdown"] as &[&str], 2, "is a link or a folder"),
        (&["report", "out", "--out", "pages"], 2, "as in --to html"),
        (&["report", "out", "out", "--to", "html"], 2, "--out DIR"),
        (&["report", "out", "--to", "pdf"], 2, "html"),
        (&["report", "out", "--to", "html", "--json"], 2, "--json"),
    ] {
        let output = run(folder.path(), words);
        let said = text(&output.stderr);
        assert!(said.contains(wanted), "{words:?}: {said}");
        assert!(output.status.code() == Some(code), "{words:?}: {said}");
    }
}
