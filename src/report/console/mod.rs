//! Owns the text of a report on the console: a few tables in the order in which a reader needs them, at most 80 columns
//! wide where the data allow it.

mod classes;
mod latency;
mod load;
mod objectives;
mod over_time;
mod requests;
mod turns;

use crate::client::Http2;
use crate::figures::TrialView;
use crate::report::answer::{Answer, News, answer_of};
use crate::report::cache::cache_lines;
use crate::report::layout::{Grid, Ink, Tone, WIDTH, wrapped};
use crate::report::next::next_of;
use crate::report::numbers::UNKNOWN;
use crate::report::recovery::recovery_table;
use crate::report::search::search_text;
use crate::report::server::server_table;
use crate::report::shown::shown as without_escapes;
use crate::report::sweep::sweep_text;
use crate::report::tokens::tokens_text;
use crate::results::Report;
use crate::units::{count, visible};
use crate::workload::{ESTIMATE_NAME, TEXT_ESTIMATE_NAME};
pub(super) use classes::classes_table;
use classes::classes_text;
use latency::latency_text;
pub(super) use latency::{class_latency_table, latency_table};
use load::load_text;
pub(super) use objectives::slo_table;
use objectives::{slo_text, verdict_text};
use over_time::over_time_text;
pub(super) use requests::{requests_table, throughput_table};
use requests::{requests_text, throughput_text};
pub(super) use turns::turns_table;

/// Lines of the smallest screen. A longer page ends with its answer once more: its beginning has scrolled away.
const SCREEN: usize = 22;

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
        text.push_str(&answer_text(report, ink));
        for trial in &report.trials {
            text.push('\n');
            text.push_str(&trial_text(report, trial, ink));
        }
    }
    text.push('\n');
    text.push_str(&next_text(report, ink));
    text.push_str(&footer(report, ink));
    if text.lines().count() > SCREEN {
        text.push_str(&answer_text(report, ink));
    }
    text
}

/// The answer in one sentence. The texts of sweeps and searches begin with one of their own.
fn answer_text(report: &Report, ink: Ink) -> String {
    let Answer { news, word, figures, .. } = answer_of(report);
    let word = word.map_or_else(String::new, |word| format!("{word}: "));
    let text = wrapped(&format!("{word}{figures}"), WIDTH, 2);
    let tone = match news {
        News::Good => Tone::Good,
        News::Bad => Tone::Bad,
        News::Unsure => Tone::Warning,
        News::Plain => Tone::Heading,
    };
    ink.paint(tone, &text) + "\n"
}

/// What to type next, a line each. A command that names a file beside the page has no meaning here.
fn next_text(report: &Report, ink: Ink) -> String {
    let lines = next_of(report).into_iter().filter(|next| !next.is_beside).map(|next| {
        let why = ink.paint(Tone::Faint, &format!("# {}", next.why));
        format!("{why}\n{}\n", folded(&next.command))
    });
    lines.collect::<String>() + "\n"
}

/// `command` in lines of at most 80 columns, as a shell reads them, broken in front of options.
fn folded(command: &str) -> String {
    let mut lines = vec![String::new()];
    for (place, part) in command.split(" --").enumerate() {
        let option = if place == 0 { part.to_owned() } else { format!(" --{part}") };
        let last = lines.len() - 1;
        // Two columns for the backslash.
        if place > 0 && lines[last].chars().count() + option.chars().count() + 2 > WIDTH {
            lines[last].push_str(" \\");
            lines.push(format!("   {option}"));
        } else {
            lines[last].push_str(&option);
        }
    }
    lines.join("\n")
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

/// A table with its notes below; empty without a table.
fn noted_text(table_and_notes: Option<(Grid, Vec<String>)>, ink: Ink) -> String {
    let Some((grid, notes)) = table_and_notes else { return String::new() };
    let notes: Vec<String> = notes.iter().map(|note| wrapped(note, WIDTH, 2)).collect();
    grid.render(ink) + &ink.paint(Tone::Faint, &notes.join("\n")) + "\n"
}

fn trial_text(report: &Report, trial: &TrialView, ink: Ink) -> String {
    let mut parts = vec![
        load_text(report, trial, ink),
        over_time_text(trial, ink),
        requests_text(report, trial, ink),
        throughput_text(trial, ink),
        latency_text(trial, ink),
        classes_text(trial, ink),
    ];
    parts.push(noted_text(turns_table(trial), ink));
    let cache: String =
        cache_lines(trial).iter().map(|line| ink.paint(Tone::Faint, &wrapped(line, WIDTH, 2)) + "\n").collect();
    parts.push(tokens_text(report, trial, ink) + &cache);
    parts.push(noted_text(server_table(trial), ink));
    parts.push(noted_text(recovery_table(trial), ink));
    parts.push(slo_text(trial, ink));
    parts.push(verdict_text(report, trial, ink));
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
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
    let is_estimate = [ESTIMATE_NAME, TEXT_ESTIMATE_NAME].contains(&&*report.token_estimate);
    let how = if is_estimate { "estimated" } else { "counted" };
    let line = format!(
        "{}\n{}",
        parts.join(" · "),
        wrapped(&format!("prompt tokens are {how} by {}", report.token_estimate), WIDTH, 2)
    );
    ink.paint(Tone::Faint, &line) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_goes_on_in_the_next_line_as_a_shell_reads_it() {
        assert_eq!(folded("tonnage sweep --slo 'p99 ttft<=1s'"), "tonnage sweep --slo 'p99 ttft<=1s'");
        let long = "tonnage run --sim mmc:servers=4,service=2ms --rate 250 --duration 10m --slo 'p50 ttft<=10s'";
        assert_eq!(
            folded(long),
            "tonnage run --sim mmc:servers=4,service=2ms --rate 250 --duration 10m \\\n    --slo 'p50 ttft<=10s'"
        );
    }
}
