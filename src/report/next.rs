//! Owns the commands that a reader may type next.

use serde_json::Value;

use crate::report::numbers::UNKNOWN;
use crate::results::Report;
use crate::search::Axis;
use crate::units::plain;

/// A command with its purpose.
#[derive(Debug, Clone)]
pub(super) struct Next {
    /// What it answers.
    pub(super) why: &'static str,
    /// The command.
    pub(super) command: String,
    /// Whether it names a file that lies beside the page.
    pub(super) is_beside: bool,
}

/// At most three commands for the reader of `report`.
pub(super) fn next_of(report: &Report) -> Vec<Next> {
    let mut commands = commands_of(report);
    let is_one_load = report.search.is_none() && report.sweep.is_none();
    let failed = report.trials.iter().any(|trial| trial.run_totals.failed + trial.run_totals.timed_out > 0);
    if is_one_load && failed && report.config.keeps_failures() {
        let why = "Do the failed requests fail again, one at a time?";
        commands.insert(0, Next { why, command: "tonnage resend failures.jsonl".to_owned(), is_beside: true });
    }
    commands.truncate(3);
    commands
}

fn commands_of(report: &Report) -> Vec<Next> {
    let service = requests_of(report);
    let slo = objectives_of(report);
    let with = |verb: &str, options: &str| format!("tonnage {verb}{service}{options}");
    let next = |why, command| Next { why, command, is_beside: false };
    let beside = |why, command: String| Next { why, command, is_beside: true };
    if let Some(found) = &report.search {
        let safe = found.figures.texts().map_or_else(|| UNKNOWN.to_owned(), |([safe, _], _)| safe);
        let mut commands = Vec::new();
        let over = found.figures.over;
        if over == Axis::Rate && found.figures.safe.is_some() {
            commands.push(beside("How many replicas does a demand of 50 requests a second need?", size("result.json")));
        }
        if over.is_open() && found.figures.safe.is_some() {
            commands.push(next(
                "Does the rate hold for longer?",
                with("run", &format!(" --rate {safe} --duration 10m{slo}")),
            ));
        }
        commands.push(next("Where does the service saturate?", with("sweep", &slo)));
        return commands;
    }
    if let Some(found) = &report.sweep {
        let mut commands =
            vec![next("Which rate meets an objective, and how sure is that?", with("search", &asked(report, &slo)))];
        if let Some(knee) = found.knee_per_s {
            commands.push(next(
                "Does the service hold the knee for longer?",
                with("run", &format!(" --rate {} --duration 10m{slo}", plain(knee))),
            ));
        }
        commands
            .push(beside("The same sweep again, for a comparison", "tonnage sweep --config config.yaml".to_owned()));
        return commands;
    }
    let config = &report.config;
    let again =
        |verb: &str| beside("The same load again, for a comparison", format!("tonnage {verb} --config config.yaml"));
    if let Some(file) = &config.file {
        return vec![again(&format!("replay {}", quoted(file.text())))];
    }
    let cancels = config.mix.as_ref().is_some_and(|mix| mix.text().contains("\"cancel\""));
    if config.cancel.is_some() || cancels {
        // A sweep and a search send no requests that are cancelled.
        return vec![again("run")];
    }
    vec![
        next("Which rate meets the objectives, and how sure is that?", with("search", &asked(report, &slo))),
        next("Where does the service saturate?", with("sweep", &slo)),
        again("run"),
    ]
}

fn size(file: &str) -> String {
    format!("tonnage size {file} --demand 50/s")
}

/// The options that decide which requests are sent, and to which service.
const OF_REQUESTS: [&str; 27] = [
    "target",
    "model",
    "endpoint",
    "sim",
    "no-stream",
    "input-tokens",
    "output-tokens",
    "content",
    "tokenizer",
    "chat-template",
    "mix",
    "turns",
    "sessions",
    "think-time",
    "replies",
    "dataset",
    "dataset-format",
    "dataset-columns",
    "dataset-order",
    "system-tokens",
    "prefix-groups",
    "prefix-tokens",
    "prefix-popularity",
    "cache-hit",
    "batch-size",
    "images",
    "choices",
];
/// The usual values, which a command need not give.
const USUAL: [(&str, &str); 6] = [
    ("endpoint", "chat"),
    ("sim", "small"),
    ("input-tokens", "128"),
    ("output-tokens", "64"),
    ("content", "text"),
    ("chat-template", "auto"),
];

/// The options that send the same requests to the same service.
fn requests_of(report: &Report) -> String {
    let Ok(Value::Object(options)) = serde_json::to_value(&report.config) else { return String::new() };
    let words = |(key, value): (&str, &Value)| match value {
        Value::Bool(true) => format!(" --{key}"),
        Value::Array(values) => values.iter().map(|value| [" --", key, " ", &word_of(value)].concat()).collect(),
        _ if USUAL.contains(&(key, text_of(value).as_str())) => String::new(),
        _ => format!(" --{key} {}", word_of(value)),
    };
    OF_REQUESTS.iter().filter_map(|key| Some((*key, options.get(*key)?))).map(words).collect()
}

fn word_of(value: &Value) -> String {
    quoted(&text_of(value))
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The objectives of the run as options.
fn objectives_of(report: &Report) -> String {
    report.config.slo.iter().map(|slo| [" --slo ", &quoted(slo.text())].concat()).collect()
}

/// The objectives, or an example where none was given: on the first token where answers are streamed.
fn asked(report: &Report, slo: &str) -> String {
    let endpoints = report.config.endpoints();
    let streams = endpoints.iter().all(|endpoint| endpoint.capabilities().streams) && !report.config.no_stream;
    match (slo, streams) {
        ("", true) => " --slo 'p99 ttft<=500ms'".to_owned(),
        ("", false) => " --slo 'p99 e2e<=2s'".to_owned(),
        _ => slo.to_owned(),
    }
}

/// `words` as the line of a shell.
#[must_use]
pub(crate) fn shell_line(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// `text` as one word of a shell.
pub(super) fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_command_is_quoted_where_a_shell_would_obey_it() {
        for (text, expected) in [
            ("http://h:8000/v1", "http://h:8000/v1"),
            ("p99 ttft<=1s", "'p99 ttft<=1s'"),
            ("a'$(b)", "'a'\\''$(b)'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }
}
