//! Owns the tables that GuideLLM prints, from a result: a row for each load, values without units.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::figures::TrialView;
use crate::metrics::{LoadOrigin, Metric};
use crate::report::foreign::trial::{Completed, Pick, known};
use crate::report::shown::shown as without_escapes;
use crate::results::Report;

/// A column: its three headings (group, name, unit), and the cell of a load.
struct Column<'a> {
    heading: [&'a str; 3],
    cell: Box<dyn Fn(&Completed<'_>) -> String + 'a>,
}

/// The tables of all loads of `report`: run summary, tokens, latency, throughput.
#[must_use]
pub(crate) fn render_guidellm_text(report: &Report) -> String {
    let report = &*without_escapes(report);
    let trials: Vec<Completed<'_>> = report.trials.iter().map(Completed::of).collect();
    let has_objectives = report.trials.iter().any(|trial| !trial.slo.objectives.is_empty());
    [
        ("Run Summary Info", summary()),
        ("Request Token Statistics (Completed Requests)", tokens()),
        ("Request Latency Statistics (Completed Requests)", latencies()),
        ("Server Throughput Statistics (All Requests)", throughput(has_objectives)),
    ]
    .into_iter()
    .map(|(title, columns)| table(title, &columns, &trials))
    .collect::<Vec<_>>()
    .join("\n")
}

/// GuideLLM's name of a load.
fn strategy(trial: &TrialView) -> String {
    let completed = Completed::of(trial);
    let even = trial.load.process.as_deref() == Some("even");
    match (trial.load.concurrency, completed.rate_per_s()) {
        (Some(1), None) => "synchronous".to_owned(),
        (Some(streams), None) => format!("concurrent@{streams}"),
        (_, Some(per_s)) => format!("{}@{per_s:.2}", if even { "constant" } else { "poisson" }),
        (None, None) if trial.load.origin == LoadOrigin::Released => "throughput".to_owned(),
        (None, None) => trial.label.clone(),
    }
}

fn column<'a>(heading: [&'a str; 3], cell: impl Fn(&Completed<'_>) -> String + 'a) -> Column<'a> {
    Column { heading, cell: Box::new(cell) }
}

fn first<'a>() -> Column<'a> {
    column(["Benchmark", "Strategy", ""], |load| strategy(load.trial))
}

/// One digit after the point; `--` where it is not known, as there.
fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "--".to_owned(), |value| format!("{value:.1}"))
}

fn summary<'a>() -> Vec<Column<'a>> {
    let count = |pick: fn(&TrialView) -> u64| move |load: &Completed<'_>| pick(load.trial).to_string();
    vec![
        first(),
        column(["Timings", "Dur", "Sec"], |load| number(Some(load.window_s))),
        column(["Timings", "Warm", "Sec"], |load| number(Some(load.trial.window.start.as_secs()))),
        column(["Input Tokens", "Comp", "Tot"], |load| load.input_tokens.to_string()),
        column(["Output Tokens", "Comp", "Tot"], |load| load.output_tokens.to_string()),
        column(["Requests", "Comp", "Tot"], count(|trial| trial.requests.completed)),
        column(["Requests", "Inc", "Tot"], count(|trial| trial.requests.unresolved + trial.requests.cancelled)),
        column(
            ["Requests", "Err", "Tot"],
            count(|trial| {
                let requests = &trial.requests;
                requests.failed + requests.timed_out + requests.shed + requests.abandoned
            }),
        ),
    ]
}

fn tokens<'a>() -> Vec<Column<'a>> {
    let mut columns = vec![first()];
    for (group, metric) in [("Input Tok", Metric::InputTokens), ("Output Tok", Metric::OutputTokens)] {
        columns.extend(quantiles(group, "Per Req", metric, 1.0));
    }
    columns
}

fn latencies<'a>() -> Vec<Column<'a>> {
    let mut columns = vec![first()];
    // What GuideLLM calls ITL is the mean gap of an answer; what it calls TPOT is its whole latency ÷ tokens.
    for (group, unit, metric, factor) in [
        ("Request Latency", "Sec", Metric::E2e, 1.0),
        ("TTFT", "ms", Metric::Ttft, 1e3),
        ("TTFOT", "ms", Metric::Ttfo, 1e3),
        ("ITL", "ms", Metric::Tpot, 1e3),
        ("TPOT", "ms", Metric::Ntpot, 1e3),
    ] {
        columns.push(column([group, unit, "Mean"], move |load| number(load.mean(metric, factor))));
        columns.extend(quantiles(group, unit, metric, factor));
    }
    columns
}

fn quantiles<'a>(group: &'a str, name: &'a str, metric: Metric, factor: f64) -> [Column<'a>; 2] {
    let picks: [(&str, Pick); 2] = [("Mdn", |stats| known(stats.p50)), ("p95", |stats| known(stats.p95))];
    picks.map(|(heading, pick)| {
        column([group, name, heading], move |load: &Completed<'_>| {
            number(load.stats(metric).and_then(pick).map(|value| value * factor))
        })
    })
}

fn throughput<'a>(has_objectives: bool) -> Vec<Column<'a>> {
    let mut columns = vec![
        first(),
        column(["Requests", "Concurrency", "Mean"], |load| number(load.trial.concurrency.mean)),
        column(["Requests", "Per Sec", "Mean"], |load| number(load.trial.throughput.requests_per_s)),
        column(["Input Tokens", "Per Sec", "Mean"], |load| number(load.trial.throughput.input_tokens_per_s)),
        column(["Output Tokens", "Per Sec", "Mean"], |load| number(load.trial.throughput.output_tokens_per_s)),
        column(["Total Tokens", "Per Sec", "Mean"], |load| number(load.trial.throughput.total_tokens_per_s)),
    ];
    if has_objectives {
        columns.push(column(["Goodput", "Attainment", "%"], |load| {
            number(load.trial.slo.attainment.map(|share| 100.0 * share))
        }));
        columns.push(column(["Goodput", "Per Sec", "Mean"], |load| number(load.good_per_s())));
    }
    columns
}

/// A table in boxes, with headings of three rows; a group is named once.
fn table(title: &str, columns: &[Column<'_>], loads: &[Completed<'_>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_BORDERS_ONLY_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    let mut before = "";
    let headings = columns.iter().map(|column| {
        let [group, name, unit] = column.heading;
        let shown = if group == before { "" } else { group };
        before = group;
        format!("{shown}\n{name}\n{unit}")
    });
    table.set_header(headings.collect::<Vec<_>>());
    for load in loads {
        table.add_row(columns.iter().map(|column| (column.cell)(load)).collect::<Vec<_>>());
    }
    for place in 1..columns.len() {
        if let Some(column) = table.column_mut(place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{title}\n{table}\n")
}
