//! Owns the page of one load: key figures, objectives, latencies, distributions, course over time, requests, failures.

use maud::{Markup, html};

use crate::figures::{MetricView, TrialView};
use crate::metrics::{Known, LoadOrigin, Metric};
use crate::report::cache::cache_lines;
use crate::report::console::{latency_table, requests_table, slo_table, throughput_table, turns_table};
use crate::report::failures::{advice, said};
use crate::report::html::classes;
use crate::report::html::course::{lag_over_time, over_time, server_over_time};
use crate::report::html::distributions::{histograms, lags, lengths, one_by_one, percentiles};
use crate::report::html::parts::{Page, Tile};
use crate::report::load_line::load_line;
use crate::report::numbers::{interval, percent, rate, shown};
use crate::report::offered::offered_text;
use crate::report::recovery::recovery_table;
use crate::report::server::server_table;
use crate::report::text::Text;
use crate::report::tokens::tokens_table;
use crate::report::worded::{faults_of, notes_of, reasons_of};
use crate::report::words::{grids, page as words};
use crate::results::Report;
use crate::units::count;

/// The sections on one load.
pub(super) fn content(page: &Page, report: &Report, trial: &TrialView) -> Markup {
    let (counts, health) = (&trial.requests, &trial.health);
    let reasons = reasons_of(&trial.verdict);
    let faults: Vec<String> = faults_of(health).iter().filter(|fault| !reasons.contains(fault)).cloned().collect();
    let (faults, notes) = (faults, notes_of(health));
    let (charts, lengths) = (over_time(trial), lengths(trial));
    html! {
        (page.tiles(&key_figures(trial)))
        @if !faults.is_empty() || !notes.is_empty() {
            (page.section(words::TO_KNOW, &html! { (page.warnings(&faults)) (page.warnings(&notes)) }))
        }
        @if !trial.slo.objectives.is_empty() {
            (page.section(words::OBJECTIVES, &html! {
                (page.noted(slo_table(&trial.slo, trial), words::T_OBJECTIVES))
                (page.explained(&["objective", "95 % bounds", "PASS, FAIL, INCONCLUSIVE", "good request", "goodput"]))
            }))
        }
        (page.section(words::LATENCY, &html! {
            (page.noted(latency_table(trial), words::T_LATENCY))
            (page.figures(&percentiles(trial)))
            (page.explained(&["p50, p90, p99", "95 % interval", "planned instant", "sent", "ttft", "ttfo", "e2e",
                "tpot", "itl", "tbt", "stall", "output_speed"]))
        }))
        @let spread = histograms(trial);
        @if !spread.is_empty() { (page.section(words::DISTRIBUTIONS, &page.figures(&spread))) }
        (classes::content(page, trial))
        @if let Some(turns) = turns_table(trial) {
            (page.section(words::SESSIONS, &html! {
                (page.noted(Some(turns), words::T_SESSIONS))
                (page.explained(&["session", "turn"]))
            }))
        }
        @if let Some(recovery) = recovery_table(trial) {
            (page.section(words::RECOVERY, &page.noted(Some(recovery), words::T_RECOVERY)))
        }
        (page.section(words::LOAD, &load(page, report, trial)))
        @if !lengths.is_empty() {
            (page.section(words::LENGTHS, &html! {
                (page.figures(&lengths))
                (page.explained(&["input_tokens", "output_tokens"]))
            }))
        }
        @if !charts.is_empty() { (page.section(words::OVER_TIME, &page.figures(&charts))) }
        @if let Some(server) = server_table(trial) {
            (page.section(words::SERVER, &html! {
                (page.noted(Some(server), words::T_SERVER))
                (page.figures(&server_over_time(trial)))
            }))
        }
        @let lanes = one_by_one(trial);
        @if !lanes.requests.is_empty() { (page.section(words::ONE_BY_ONE, &page.lanes(&lanes))) }
        @if counts.failed + counts.timed_out + counts.shed > 0 || !trial.failures.is_empty() {
            (page.section(words::FAILURES, &failures(page, report, trial)))
        }
        (page.section(words::ON_TIME, &html! {
            p { (on_time(trial).of(page.lang)) }
            (page.figures(&[lags(trial), lag_over_time(trial)]))
            (page.explained(&["send_lag", "wake_lag", "planned instant"]))
        }))
    }
}

/// What was sent, and what came back.
fn load(page: &Page, report: &Report, trial: &TrialView) -> Markup {
    let counts = &trial.requests;
    html! {
        p { (page.english(&load_line(trial))) }
        (page.table(&requests_table(trial), words::T_REQUESTS))
        @if let Some(line) = offered_text(&trial.load, trial.window.length_s(), counts) {
            p.note { (page.english(&line)) }
        }
        (page.table(&throughput_table(trial), words::T_THROUGHPUT))
        (page.noted(tokens_table(report, trial), words::T_TOKENS))
        @for line in cache_lines(trial) { p.note { (page.english(&line)) } }
        (page.explained(&["open loop", "closed loop", "warm-up", "in flight", "good request", "timed out", "unresolved",
            "shed"]))
        @if counts.to_cancel > 0 { (page.explained(&["cancelled"])) }
    }
}

/// The figures that a reader wants first.
fn key_figures(trial: &TrialView) -> Vec<Tile> {
    let counts = &trial.requests;
    let [sendable, completed] =
        [counts.planned - counts.skipped, counts.completed].map(|number| Text::data(count(number)));
    let mut tiles = vec![(
        match trial.load.origin {
            LoadOrigin::Planned => words::K_OFFERED,
            LoadOrigin::Released => words::K_SENT,
            LoadOrigin::Mixed => words::K_PLANNED,
        },
        rate(trial.rates.offered_per_s.or(trial.rates.sent_per_s)),
        match trial.origins {
            Some(origins) => {
                words::R_ORIGINS.with([origins.planned, origins.released].map(|number| Text::data(count(number))))
            }
            None => words::R_REQUESTS.with([Text::data(count(counts.planned))]),
        },
    )];
    tiles.push((words::K_COMPLETED, rate(trial.rates.completed_per_s), words::R_OF.with([completed, sendable])));
    for (name, metric) in [(words::K_TTFT, Metric::Ttft), (words::K_TPOT, Metric::Tpot), (words::K_E2E, Metric::E2e)] {
        let Some(stats) = trial.metrics.get(&metric).map(MetricView::headline) else { continue };
        if stats.count + stats.censored > 0 {
            let between = stats.p99_ci95.map_or_else(
                || words::R_P50.with([Text::data(shown(stats.p50, "s"))]),
                |[low, high]| words::R_CI.with([Text::data(interval(low, high, "s"))]),
            );
            tiles.push((name, shown(stats.p99, "s"), between));
        }
    }
    if trial.throughput.items_per_s.is_some() {
        tiles.push((words::K_ITEMS, rate(trial.throughput.items_per_s), Text::default()));
    } else if trial.throughput.output_tokens_per_s.is_some_and(|per_s| per_s > 0.0) {
        tiles.push((words::K_TOKENS, rate(trial.throughput.output_tokens_per_s), Text::default()));
    }
    if let Some(attainment) = trial.slo.attainment.filter(|_| !trial.slo.objectives.is_empty()) {
        let per_s = words::R_PER_S.with([Text::data(rate(trial.slo.goodput_per_s))]);
        tiles.push((words::K_GOOD, percent(attainment), per_s));
    }
    tiles
}

/// Failures by class in the words of the server, with advice.
fn failures(page: &Page, report: &Report, trial: &TrialView) -> Markup {
    let groups = trial.failures.iter().map(|group| (group, advice(group, Some(trial))));
    let by_target: Vec<String> = if report.target.urls.len() > 1 {
        trial.requests.missed_by_target.iter().map(|(url, number)| format!("{url}: {}", count(*number))).collect()
    } else {
        Vec::new()
    };
    let label = page.label(page.say(words::T_FAILURES));
    html! {
        div.scroll tabindex="0" role="region" aria-label=(label) {
            table.words.counted {
                thead {
                    tr {
                        @for heading in ["requests", "class", "what happened", "what to do"] {
                            th scope="col" { (grids::heading(page.lang, heading)) }
                        }
                    }
                }
                tbody {
                    @for (group, advice) in groups {
                        tr {
                            td { (count(group.count)) } td { (group.kind) } td { (page.english(&said(group))) }
                            td { @if let Some(advice) = advice { (page.english(&advice)) } }
                        }
                    }
                }
            }
        }
        (page.sentences(&by_target))
    }
}

/// Whether the send lag is within its limit, in one sentence.
fn on_time(trial: &TrialView) -> Text {
    let health = &trial.health;
    let figures = [health.send_lag_p99_s, Some(Known::At(health.send_lag_limit_s))];
    let figures = figures.map(|figure| Text::data(shown(figure, "s")));
    if health.late { words::WAS_LATE.with(figures) } else { words::WAS_ON_TIME.with(figures) }
}
