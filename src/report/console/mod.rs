//! Owns the text of a report on the console: a few tables in the order in which a reader needs them, at most 80 columns
//! wide where the data allow it.

mod classes;
mod latency;
mod load;
mod objectives;
mod requests;

use crate::client::Http2;
use crate::figures::TrialView;
use crate::report::cache::cache_line;
use crate::report::layout::{Ink, Tone, WIDTH, wrapped};
use crate::report::numbers::UNKNOWN;
use crate::report::search::search_text;
use crate::report::shown::shown as without_escapes;
use crate::report::sweep::sweep_text;
use crate::report::tokens::tokens_text;
use crate::results::Report;
use crate::units::{count, visible};
use crate::workload::ESTIMATE_NAME;
pub(super) use classes::classes_table;
use classes::classes_text;
pub(super) use latency::latency_table;
use latency::latency_text;
pub(super) use load::load_line;
use load::load_text;
pub(super) use objectives::slo_table;
use objectives::{slo_text, verdict_text};
pub(super) use requests::{requests_table, throughput_table};
use requests::{requests_text, throughput_text};

/// The text of a report, as `run` prints it and `report` prints it again.
#[must_use]
pub fn render(report: &Report, ink: Ink) -> String {
    let report = &*without_escapes(report);
    let mut text = header(report, ink);
    if let Some(findings) = &report.sweep {
        text.push('\n');
        text.push_str(&sweep_text(report, findings, ink));
    } else if let Some(findings) = &report.search {
        text.push('\n');
        text.push_str(&search_text(report, findings, ink));
    } else {
        for trial in &report.trials {
            text.push('\n');
            text.push_str(&trial_text(report, trial, ink));
        }
    }
    text.push('\n');
    text.push_str(&footer(report, ink));
    text
}

fn header(report: &Report, ink: Ink) -> String {
    let target = &report.target;
    let mut lines = vec![ink.paint(
        Tone::Heading,
        &wrapped(&format!("{} at {}", visible(&target.model), visible(&target.urls.join(", "))), WIDTH, 0),
    )];
    if target.simulated {
        lines.push(
            ink.paint(Tone::Warning, "SIMULATED: these figures describe a simulated server, not a real machine."),
        );
    }
    if let Some(http2) = &target.http2 {
        lines.push(http2_text(http2));
    }
    if let Some(label) = &report.label {
        lines.push(format!("label: {label}"));
    }
    lines.join("\n") + "\n"
}

/// The line on the connections of HTTP/2. A run that reached the stream limit opened further connections for it.
fn http2_text(http2: &Http2) -> String {
    let connections = if http2.connections == 1 {
        "1 connection".to_owned()
    } else {
        format!("{} connections", count(http2.connections))
    };
    let limit =
        http2.stream_limit.map_or_else(|| "no limit".to_owned(), |limit| format!("the server allows {}", count(limit)));
    let text = format!("HTTP/2: {connections}, at most {} streams at once on one ({limit})", count(http2.most_streams));
    wrapped(&text, WIDTH, 0)
}

fn trial_text(report: &Report, trial: &TrialView, ink: Ink) -> String {
    let mut parts = vec![
        load_text(report, trial, ink),
        requests_text(report, trial, ink),
        throughput_text(trial, ink),
        latency_text(trial, ink),
        classes_text(trial, ink),
    ];
    let cache = cache_line(trial).map(|line| ink.paint(Tone::Faint, &wrapped(&line, WIDTH, 2)) + "\n");
    parts.push(tokens_text(&trial.tokens, templated(report), ink) + &cache.unwrap_or_default());
    parts.push(slo_text(&trial.slo, trial.load.origin, ink));
    parts.push(verdict_text(report, trial, ink));
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

/// Whether the server wraps prompts in a chat template.
fn templated(report: &Report) -> bool {
    report.config.endpoint.as_ref().is_none_or(|endpoint| endpoint.value().capabilities().chat_template)
}

fn footer(report: &Report, ink: Ink) -> String {
    let short = |hash: &str| hash.chars().take(12).collect::<String>();
    let mut parts = vec![format!(
        "plan {}",
        if report.is_unfinished() { UNKNOWN.to_owned() } else { short(&report.plan_fingerprint) }
    )];
    parts.extend(report.body_fingerprint.as_deref().map(|hash| format!("bodies {}", short(hash))));
    parts.push(format!("seed {}", report.seed));
    parts.extend(report.config.salt.as_ref().map(|salt| format!("salt {}", salt.text())));
    let how = if report.token_estimate == ESTIMATE_NAME { "estimated" } else { "counted" };
    let line = format!(
        "{}\n{}",
        parts.join(" · "),
        wrapped(&format!("prompt tokens are {how} by {}", report.token_estimate), WIDTH, 2)
    );
    ink.paint(Tone::Faint, &line) + "\n"
}
