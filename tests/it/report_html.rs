//! Owns the tests of what the HTML page adds to the console: charts with their tables, classes, languages, and size.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use tonnage::report::{Ink, Lang, MOST_BYTES, render, render_html, render_html_in, render_markdown};
use tonnage::results::Report;

use crate::cli::{all_refused, folder, run, text};
use crate::report_pages::{carried, figures, made, report_of, seen};

const MIX: &str = "{chat: {weight: 70, input-tokens: 16, slo: [p90 ttft<=5s]}, \
    batch: {weight: 30, input-tokens: 64, output-tokens: 8, slo: [p90 e2e<=9s]}}";

/// The results whose pages together have every part: a run with a ramp, a mix, a sweep and a search.
fn results(folder: &Path) -> Vec<(&'static str, Value)> {
    #[rustfmt::skip]
    let each: [(&str, &[&str]); 4] = [
        ("run", &["run", "--profile", "ramp 100/s..400/s 500ms", "--slo", "p50 e2e<=20s", "--cancel", "5%:1ms"]),
        ("mix", &["run", "--rate", "200", "--duration", "400ms", "--mix", MIX]),
        ("sweep", &["sweep", "--points", "3", "--max-rate", "300", "--duration", "200ms", "--slo", "p50 e2e<=20s",
            "--metadata", "gpus=8"]),
        ("search", &["search", "--max-rate", "250", "--precision", "50%", "--slo", "p50 ttft<=1s"]),
    ];
    let made_of = |(name, words): (&'static str, &[&str])| {
        let inside = folder.join(name);
        std::fs::create_dir(&inside).expect("a folder");
        (name, made(&inside, words))
    };
    each.into_iter().map(made_of).collect()
}

/// `page` without its parts from `begin` to `end`.
fn without(page: &str, begin: &str, end: &str) -> String {
    let mut parts = page.split(begin);
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept.push(' ');
        kept.push_str(part.split_once(end).map_or("", |(_, after)| after));
    }
    kept
}

/// The words of a page in English: what is neither marked as English nor a command, a configuration or a fact.
fn english_words<'a>(shown: &'a str, data: &[&str]) -> Vec<&'a str> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = shown.split(|character: char| !is_part(character));
    let known = |word: &&str| TERMS.contains(word) || data.iter().any(|text| text.contains(word));
    words.filter(|word| word.chars().filter(char::is_ascii_alphabetic).count() >= 3 && !known(word)).collect()
}

/// Terms of the field, names of metrics and options, and our name: they are alike in Chinese.
#[rustfmt::skip]
const TERMS: &[&str] = &[
    "tonnage", "result", "json", "JSON", "Token", "TTFT", "SLO", "GPU", "Pareto", "ttft", "ttfo", "e2e", "tpot", "itl",
    "tbt", "stall", "tok", "min", "output_speed", "send_lag", "wake_lag", "input_tokens", "output_tokens", "slo", "max",
    "flight", "timeout", "mix", "cancel", "ntpot",
];

fn chinese(page: &str) -> String {
    let page = without(page, "<span lang=\"en\">", "</span>");
    let page = without(&page, "<code>", "</code>");
    without(&page, "<table class=\"words\">", "</table>")
}

/// How often each number stands in `shown`. Digits after a letter (`p99`, `e2e`) belong to a name.
fn numbers(shown: &str) -> BTreeMap<String, i32> {
    let (mut found, mut number, mut before) = (BTreeMap::new(), String::new(), ' ');
    for character in shown.chars().chain([' ']) {
        if character.is_ascii_digit() || (character == '.' && !number.is_empty()) {
            if !number.is_empty() || !before.is_ascii_alphabetic() {
                number.push(character);
            }
        } else if !number.is_empty() {
            *found.entry(std::mem::take(&mut number).trim_end_matches('.').to_owned()).or_default() += 1;
        }
        if !character.is_ascii_digit() {
            before = character;
        }
    }
    found
}

/// Both pages hold the same numbers, and the Chinese one has no English outside of what is marked as English.
pub(crate) fn speaks_chinese(name: &str, english: &str, chinese_page: &str, data: &[&str]) {
    assert!(chinese_page.contains("<html lang=\"zh-CN\">") && english.contains("<html lang=\"en\">"), "{name}");
    let left = seen(&chinese(chinese_page));
    let words = english_words(&left, data);
    assert!(words.is_empty(), "{name}: {words:?} in {left}");
    let (one, other) = (numbers(&seen(english)), numbers(&seen(chinese_page)));
    let differs: Vec<_> = one.iter().filter(|(number, times)| other.get(*number) != Some(times)).collect();
    assert!(differs.is_empty() && one.len() == other.len(), "{name}: {differs:?}");
    assert!(chinese_page.contains("句子") && !english.contains("句子"), "{name} says which sentences are English");
}

#[test]
fn every_page_in_chinese_holds_the_numbers_of_the_english_page_and_no_english_that_is_not_marked() {
    let folder = folder();
    for (name, result) in results(folder.path()) {
        let report = report_of(&result);
        let page = |lang| render_html_in(&report, lang).expect("a page");
        let mut data = vec![report.target.model.as_str(), "chat", "batch", "closed"];
        data.extend(report.target.urls.iter().map(String::as_str));
        speaks_chinese(name, &page(Lang::English), &page(Lang::Chinese), &data);
    }
    let compared = |more: &[&str]| {
        let words = [&["compare", "run/out", "mix/out", "--to", "html"], more].concat();
        text(&run(folder.path(), &words).stdout)
    };
    speaks_chinese(
        "compare",
        &compared(&[]),
        &compared(&["--lang", "zh"]),
        &["goodput", "requests", "tokens", "error_rate"],
    );
}

#[test]
fn every_chart_has_a_title_a_description_and_a_table_beside_it() {
    let folder = folder();
    for (name, result) in results(folder.path()) {
        let html = render_html(&report_of(&result)).expect("a page");
        let charts = html.matches("role=\"img\"").count();
        assert!(charts >= 5, "{name}: {charts}");
        for part in ["<figure>", "<figcaption>", "<desc id=", "<summary>Table: "] {
            assert_eq!(html.matches(part).count(), charts, "{name}: {part}");
        }
        let shown = seen(&html);
        let wanted: &[&str] = match name {
            "run" => &[
                "Distribution: Time to first token",
                "Distribution: Inter-token latency",
                "Some requests, one by one",
                "Input tokens: asked for and counted",
                "Send lag against the plan, over time",
            ],
            "mix" => &["Time to first token by class", "Class chat", "Class batch", "p90 e2e"],
            "sweep" => &["Speed of one user against throughput", "of one GPU", "of 8 GPUs"],
            _ => &["The interval as it narrows", "How likely the service carries a load", "Course of the search"],
        };
        for wanted in wanted {
            assert!(shown.contains(wanted), "{name}: {wanted}");
        }
    }
}

#[test]
fn the_requests_shown_one_by_one_are_few_in_the_order_of_the_plan_and_hold_those_that_failed() {
    let folder = folder();
    let words = ["run", "--rate", "400", "--duration", "1s", "--timeout", "1s"];
    let result = made(folder.path(), &words);
    let trial = &result["trials"][0];
    let sampled = trial["sampled"].as_array().expect("requests");
    assert!(sampled.len() == 48 && trial["requests"]["planned"].as_u64() > Some(300), "{}", sampled.len());
    let planned: Vec<f64> = sampled.iter().map(|point| point["scheduled_s"].as_f64().expect("an instant")).collect();
    assert!(planned.is_sorted());
    for point in sampled {
        let at = |key: &str| point[key].as_f64().expect("an instant");
        let instants = [at("scheduled_s"), at("sent_s"), at("first_token_s"), at("ended_s")];
        assert!(instants.is_sorted() && point["outcome"] == "completed", "{point}");
    }
    // Read again from the records, the sample is the same.
    let again = run(folder.path(), &["report", "out", "--json"]);
    let again: Value = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!(again["trials"][0]["sampled"], trial["sampled"]);
}

/// A sweep with `points` loads and `classes` classes each, made from a small one.
fn large(mut result: Value, points: usize, classes: usize) -> Report {
    let trial = result["trials"][0].clone();
    let class = trial["classes"]["chat"].clone();
    let trials = (0..points).map(|number| {
        let mut trial = trial.clone();
        trial["label"] = json!(format!("load {number}"));
        for number in 0..classes {
            trial["classes"][format!("class-{number}")] = class.clone();
        }
        trial
    });
    result["trials"] = trials.collect();
    if let Some(point) = result["sweep"]["points"].get(0).cloned() {
        let points = (0..points).map(|number| {
            let mut point = point.clone();
            point["label"] = json!(format!("load {number}"));
            point["rate_per_s"] = json!(1.0 + number as f64);
            point
        });
        result["sweep"]["points"] = points.collect();
    }
    report_of(&result)
}

#[test]
fn a_page_of_any_run_is_small() {
    let folder = folder();
    let words = ["sweep", "--rates", "100,200", "--duration", "300ms", "--mix", MIX];
    let sweep = made(folder.path(), &words);
    let mix = made(folder.path(), &["run", "--force", "--rate", "200", "--duration", "300ms", "--mix", MIX]);
    let is_small = |name: &str, report: &Report, is_thinned: bool| {
        let html = render_html(report).expect("a page");
        assert!(html.len() <= MOST_BYTES, "{name}: {} bytes", html.len());
        assert!(seen(&html).contains("rows are shown") || !is_thinned, "{name}: what is left out is said");
    };
    is_small("many loads", &large(sweep.clone(), 600, 3), true);
    is_small("many classes", &large(mix, 1, 300), true);
    is_small("both", &large(sweep, 60, 60), true);
}

#[test]
fn the_page_of_a_fleet_holds_the_figures_of_the_console_in_both_languages() {
    let folder = folder();
    let trace: String = std::iter::once("arrived_at,num_prefill_tokens,num_decode_tokens\n".to_owned())
        .chain((0..600).map(|row| format!("{},100,10\n", f64::from(row) * 0.5)))
        .collect();
    std::fs::write(folder.path().join("trace.csv"), trace).expect("a file");
    for demand in [&["--demand", "50/s"][..], &["--demand-trace", "trace.csv", "--headroom", "20%"]] {
        let words =
            [&["size", "--replica-rate", "0.43/s,0.2/s", "--price", "2.5/h,0.9/h", "--name", "h100,l40s"], demand];
        let sized = |more: &[&str]| {
            let output = run(folder.path(), &[&words.concat(), more].concat());
            assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
            text(&output.stdout)
        };
        let (console, html) = (sized(&[]), sized(&["--to", "html"]));
        let shown = seen(&html);
        for figure in figures(&console) {
            assert!(shown.contains(figure), "{demand:?}: `{figure}` is on the console, not on the page: {shown}");
        }
        assert_eq!(carried(&html)["fleet"]["choices"][0]["name"], "h100");
        assert!(html.len() < MOST_BYTES);
        let data = ["h100", "l40s", "trace.csv", "stated", "random", "round robin", "least loaded"];
        speaks_chinese("fleet", &html, &sized(&["--to", "html", "--lang", "zh"]), &data);
    }
}

#[test]
fn a_language_is_refused_where_no_page_has_one() {
    let folder = folder();
    all_refused(
        folder.path(),
        &[
            (&["report", "out", "--lang", "zh"], &["--lang", "--to html"]),
            (&["report", "out", "--to", "markdown,csv", "--lang", "en"], &["--lang"]),
            (&["report", "out", "--json", "--lang", "zh"], &["--lang"]),
            (&["compare", "a", "b", "--lang", "zh"], &["--lang"]),
            (&["size", "--replica-rate", "1/s", "--demand", "5/s", "--lang", "zh"], &["--lang"]),
            (&["report", "out", "--to", "html", "--lang", "fr"], &["zh"]),
        ],
    );
}

#[test]
fn the_classes_of_a_mix_have_the_same_figures_on_every_page() {
    let folder = folder();
    let report = report_of(&made(folder.path(), &["run", "--rate", "200", "--duration", "400ms", "--mix", MIX]));
    let console = render(&report, Ink::Plain);
    let table = console.split("\n\n").find(|part| part.starts_with("class ")).unwrap_or_else(|| panic!("{console}"));
    let (html, markdown) = (render_html(&report).expect("a page"), render_markdown(&report));
    let shown = seen(&html);
    for figure in figures(table) {
        assert!(shown.contains(figure) && markdown.contains(figure), "`{figure}` of {table}");
    }
    // A class has the objectives that judge it alone, and no others.
    for (class, own, other) in [("chat", "p90 ttft<=5s", "p90 e2e<=9s"), ("batch", "p90 e2e<=9s", "p90 ttft<=5s")] {
        let after = shown.split(&format!("Class {class}")).nth(1).expect("a part of its own");
        let part = after.split("Class ").next().unwrap_or(after).split("What these terms mean").next();
        assert!(part.is_some_and(|part| part.contains(own) && !part.contains(other)), "{class}: {part:?}");
    }
}
