//! Owns the page of one load: key figures, objectives, latencies, distributions, course over time, failures.

use maud::{Markup, html};

use crate::figures::{MetricView, TrialView};
use crate::metrics::{LoadOrigin, Metric};
use crate::report::cache::cache_lines;
use crate::report::console::{classes_table, latency_table, requests_table, slo_table, throughput_table, turns_table};
use crate::report::failures::{advice, said};
use crate::report::html::course::{distributions, lags, over_time};
use crate::report::html::parts::{Page, explained, noted, section, sentences, table, tiles, warnings};
use crate::report::load_line::load_line;
use crate::report::numbers::{interval, percent, rate, shown};
use crate::report::offered::offered_text;
use crate::report::recovery::recovery_table;
use crate::report::tokens::tokens_table;
use crate::report::worded::{faults_of, notes_of, reasons_of};
use crate::results::Report;
use crate::units::count;

/// The sections on one load.
pub(super) fn content(page: &Page, report: &Report, trial: &TrialView) -> Markup {
    let (counts, health) = (&trial.requests, &trial.health);
    let reasons = reasons_of(&trial.verdict);
    let faults: Vec<String> = faults_of(health).iter().filter(|fault| !reasons.contains(fault)).cloned().collect();
    let (faults, notes) = (faults, notes_of(health));
    let charts = over_time(trial);
    html! {
        (tiles(&key_figures(trial)))
        @if !faults.is_empty() || !notes.is_empty() {
            (section("What to know", &html! { (warnings(&faults)) (warnings(&notes)) }))
        }
        @if !trial.slo.objectives.is_empty() {
            (section("Objectives", &html! {
                (noted(slo_table(trial), "objectives"))
                (explained(&["objective", "95 % bounds", "PASS, FAIL, INCONCLUSIVE", "good request", "goodput"]))
            }))
        }
        (section("Latency", &html! {
            (noted(latency_table(trial), "latency"))
            (page.figures(&distributions(trial)))
            (explained(&["p50, p90, p99", "95 % interval", "planned instant", "sent", "ttft", "ttfo", "e2e", "tpot",
                "itl", "tbt", "stall", "output_speed"]))
        }))
        @if let Some(classes) = classes_table(trial) {
            (section("Classes", &html! {
                (table(&classes, "classes"))
                (explained(&["class", "good request"]))
            }))
        }
        @if let Some(turns) = turns_table(trial) {
            (section("Sessions", &html! { (noted(Some(turns), "sessions")) (explained(&["session", "turn"])) }))
        }
        @if let Some(recovery) = recovery_table(trial) {
            (section("Recovery", &noted(Some(recovery), "recovery after steps of the rate")))
        }
        (section("Load", &html! {
            p { (load_line(trial)) }
            (table(&requests_table(trial), "requests"))
            @if let Some(line) = offered_text(&trial.load, trial.window.length_s(), counts) { p.note { (line) } }
            (table(&throughput_table(trial), "throughput"))
            (noted(tokens_table(report, trial), "tokens of a request"))
            @for line in cache_lines(trial) { p.note { (line) } }
            (explained(&["open loop", "closed loop", "warm-up", "in flight", "good request", "timed out", "unresolved",
                "shed", "input_tokens", "output_tokens"]))
            @if counts.to_cancel > 0 { (explained(&["cancelled"])) }
        }))
        @if !charts.is_empty() { (section("Over time", &page.figures(&charts))) }
        @if counts.failed + counts.timed_out + counts.shed > 0 || !trial.failures.is_empty() {
            (section("Failures", &failures(report, trial)))
        }
        (section("Was the load generator on time?", &html! {
            p { (on_time(trial)) }
            (page.figure(&lags(trial)))
            (explained(&["send_lag", "wake_lag", "planned instant"]))
        }))
    }
}

/// The figures that a reader wants first.
fn key_figures(trial: &TrialView) -> Vec<(&'static str, String, String)> {
    let counts = &trial.requests;
    let mut tiles = vec![(
        match trial.load.origin {
            LoadOrigin::Planned => "offered /s",
            LoadOrigin::Released => "sent /s",
            LoadOrigin::Mixed => "planned /s",
        },
        rate(trial.rates.offered_per_s.or(trial.rates.sent_per_s)),
        match trial.origins {
            Some(origins) => format!("{} planned, {} released", count(origins.planned), count(origins.released)),
            None => format!("{} requests", count(counts.planned)),
        },
    )];
    tiles.push((
        "completed /s",
        rate(trial.rates.completed_per_s),
        format!("{} of {}", count(counts.completed), count(counts.planned - counts.skipped)),
    ));
    for (name, metric) in [("ttft p99", Metric::Ttft), ("tpot p99", Metric::Tpot), ("e2e p99", Metric::E2e)] {
        let Some(stats) = trial.metrics.get(&metric).map(MetricView::headline) else { continue };
        if stats.count + stats.censored > 0 {
            let between = stats.p99_ci95.map_or_else(
                || format!("p50 {}", shown(stats.p50, "s")),
                |[low, high]| format!("95 %: {}", interval(low, high, "s")),
            );
            tiles.push((name, shown(stats.p99, "s"), between));
        }
    }
    if trial.throughput.items_per_s.is_some() {
        tiles.push(("items /s", rate(trial.throughput.items_per_s), String::new()));
    } else if trial.throughput.output_tokens_per_s.is_some_and(|per_s| per_s > 0.0) {
        tiles.push(("output tok/s", rate(trial.throughput.output_tokens_per_s), String::new()));
    }
    if let Some(attainment) = trial.slo.attainment.filter(|_| !trial.slo.objectives.is_empty()) {
        tiles.push(("good requests", percent(attainment), format!("{} per second", rate(trial.slo.goodput_per_s))));
    }
    tiles
}

/// Failures by class in the words of the server, with advice.
fn failures(report: &Report, trial: &TrialView) -> Markup {
    let groups = trial.failures.iter().map(|group| (group, advice(group, Some(trial))));
    let by_target: Vec<String> = if report.target.urls.len() > 1 {
        trial.requests.missed_by_target.iter().map(|(url, number)| format!("{url}: {}", count(*number))).collect()
    } else {
        Vec::new()
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table: failures" {
            table.words {
                thead { tr { th scope="col" { "requests" } th scope="col" { "class" } th scope="col" { "what happened" }
                    th scope="col" { "what to do" } } }
                tbody {
                    @for (group, advice) in groups {
                        tr {
                            td { (count(group.count)) } td { (group.kind) } td { (said(group)) }
                            td { (advice.unwrap_or_default()) }
                        }
                    }
                }
            }
        }
        (sentences(&by_target))
    }
}

/// Whether the send lag is within its limit, in one sentence.
fn on_time(trial: &TrialView) -> String {
    let health = &trial.health;
    let (lag, limit) =
        (shown(health.send_lag_p99_s, "s"), shown(Some(crate::metrics::Known::At(health.send_lag_limit_s)), "s"));
    if health.late {
        format!("No: send lag p99 is {lag}, above the limit of {limit}, so some latencies may be the generator's own.")
    } else {
        format!("Send lag p99 is {lag}; up to {limit} it does not matter for these objectives.")
    }
}
