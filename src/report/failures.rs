//! Owns the text on failures: the most frequent ones in the server's own words, each with advice for its class.

use crate::figures::TrialView;
use crate::metrics::{Counts, FailureGroup, Lost};
use crate::record::FailureCause;
use crate::report::flags::with_flags;
use crate::report::layout::{Ink, Tone, WIDTH, wrapped};
use crate::results::Report;
use crate::search::Finished;
use crate::units::{count, per_second, seconds, visible};

/// The most groups shown on the console; the other groups are in the result.
const SHOWN: usize = 3;

/// The failures of a trial, the most frequent first; empty without failures.
pub(super) fn failures_text(trial: &TrialView, ink: Ink) -> String {
    let mut text = String::new();
    if let Some(lost) = &trial.lost {
        text.push_str(&ink.paint(Tone::Bad, &wrapped(&lost_words(lost), WIDTH, 2)));
        text.push('\n');
    }
    for group in trial.failures.iter().take(SHOWN) {
        text.extend(["  ", &wrapped(&format!("{} × {}", count(group.count), said(group)), WIDTH - 2, 4), "\n"]);
        if let Some(advice) = advice(group, Some(trial)) {
            text.extend(["    ", &ink.paint(Tone::Faint, &wrapped(&advice, WIDTH - 4, 4)), "\n"]);
        }
    }
    text
}

/// One line: that the target was lost, or else the most frequent failure. `None` without failures.
pub(super) fn most_frequent(trial: &TrialView) -> Option<String> {
    if let Some(lost) = &trial.lost {
        return Some(lost_words(lost));
    }
    let group = trial.failures.first()?;
    let advice = advice(group, Some(trial)).map_or_else(String::new, |advice| format!(" ({advice})"));
    Some(format!("{} × {}{advice}", count(group.count), said(group)))
}

/// The failures by class, in one line.
pub(super) fn failures_of(counts: &Counts) -> String {
    counts.failures.iter().map(|(class, number)| format!("{class} {}", count(*number))).collect::<Vec<_>>().join(" · ")
}

/// The counts of failed requests (by class), timed-out, unresolved and shed requests; empty if all are 0.
pub(super) fn losses_of(counts: &Counts) -> String {
    let other = [
        ("timed out", counts.timed_out),
        ("unresolved at the end of the drain", counts.unresolved),
        ("shed", counts.shed),
    ];
    let other =
        other.into_iter().filter(|(_, number)| *number > 0).map(|(what, number)| format!("{} {what}", count(number)));
    let failed =
        (!counts.failures.is_empty()).then(|| format!("{} failed ({})", count(counts.failed), failures_of(counts)));
    failed.into_iter().chain(other).collect::<Vec<_>>().join(" · ")
}

/// The sentence on when the target was lost.
fn lost_words(lost: &Lost) -> String {
    format!(
        "the target was lost at {}: {} requests got no answer from then on; the last answer ended at {}",
        seconds(lost.at_s),
        count(lost.requests),
        seconds(lost.last_answer_s)
    )
}

pub(super) fn said(group: &FailureGroup) -> String {
    // A result may come from another source: its texts may hold escape sequences.
    let words = visible(&group.words);
    let words = with_flags(&words);
    match group.kind.as_str() {
        "timed_out" => format!("timed out: {words}"),
        kind if kind.starts_with("status_") => words.into_owned(),
        kind => format!("{}: {words}", visible(kind).replace('_', " ")),
    }
}

/// Why the process exits with the code of a lost target, and what to do. `None` for a report without trials.
#[must_use]
pub(crate) fn loss_text(report: &Report) -> Option<String> {
    let last = report.trials.last()?;
    if let Some(lost) =
        report.trials.iter().rev().find_map(|trial| {
            trial.lost.as_ref().filter(|_| last.run_totals.completed > 0 || trial.label != last.label)
        })
    {
        return Some(format!("{}; look at its log", lost_words(lost)));
    }
    let totals = &last.run_totals;
    let of = if report.trials.len() > 1 {
        format!("the last load ({}) got no answer", visible(&last.label))
    } else {
        "no request completed".to_owned()
    };
    let went_on = report.sweep.as_ref().is_some_and(|findings| findings.finished == Some(Finished::NoAnswer));
    let rest = if went_on || report.search.is_some() { "; then continue with --resume" } else { "" };
    let Some(group) = last.failures.first() else {
        if totals.cancelled > 0 {
            return Some(format!(
                "{of}: {} were cancelled; ask for fewer with --cancel{rest}",
                count(totals.cancelled)
            ));
        }
        if totals.unresolved == 0 {
            return Some(format!("{of}: no request was sent within it; allow more time with --duration{rest}"));
        }
        return Some(format!(
            "{of}: {} had no answer when the drain ended; allow more time with --drain and --timeout{rest}",
            count(totals.unresolved)
        ));
    };
    let advice = advice(group, Some(last)).map_or_else(String::new, |advice| format!("; {advice}"));
    Some(format!("{of}: {} of {}: {}{advice}{rest}", count(group.count), count(totals.planned), said(group)))
}

/// Fields of a request that a strict server may refuse, and that can be left out.
const OPTIONAL_FIELDS: [&str; 3] = ["stream_options", "ignore_eos", "min_tokens"];

/// What to do about failures of one kind, by their class and cause; by the server's words where only they tell. `None`
/// where there is no advice. `trial`: the load in which they were seen, if it was one.
pub(super) fn advice(group: &FailureGroup, trial: Option<&TrialView>) -> Option<String> {
    let words = group.words.to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    let too_long = says(&[
        "context length",
        "context window",
        "maximum context",
        "exceeds the context",
        "too long",
        "too many tokens",
        "max_model_len",
    ]);
    let foreign =
        says(&["not permitted", "unexpected", "unknown", "unrecognized", "unsupported", "not supported", "extra"]);
    let optional = OPTIONAL_FIELDS.iter().find(|field| foreign && says(&[**field]));
    let advice = match group.kind.as_str() {
        "status_413" => {
            "the request is too large for the server or a proxy in front of it: lower --input-tokens, or raise \
             the limit"
        }
        "status_400" | "status_422" | "stream_error" if too_long => {
            "prompt and answer exceed the context length: lower --input-tokens or --output-tokens, or raise the \
             server's limit"
        }
        "status_400" | "status_422" if foreign && says(&["max_completion_tokens"]) => {
            "the server refuses the field max_completion_tokens: give --output-field max_tokens"
        }
        "status_400" | "status_422" if optional.is_some() => {
            return optional.map(|field| format!("the server refuses the field {field}: --omit {field} leaves it out"));
        }
        "status_400" | "status_422" => {
            "the server refuses the request: --omit, --output-field, --extra-body, --endpoint and --model change it"
        }
        "status_401" | "status_403" => {
            "give the key with --api-key or OPENAI_API_KEY, in another header with --auth-header"
        }
        "status_404" if says(&["model"]) => "check --model: the server lists its names under /v1/models",
        "status_404" | "status_405" => {
            "check --target, --endpoint and --model: the base URL may lack a part such as /v1"
        }
        "status_429" => return Some(refused(trial)),
        "status_503" | "status_529" => {
            "the server is overloaded or still loading: lower the rate, or wait with --wait-ready 5m"
        }
        "status_502" | "status_504" => {
            "the gateway in front of the server gets no answer from it: look at the server's log and the gateway's \
             timeout"
        }
        "status_402" => "the account of the key has no credit, or its plan does not include this request",
        "status_408" => {
            "the server waited too long for the request: look at the proxy in front of it, or lower --input-tokens"
        }
        "status_415" | "status_426" => {
            "check --target and --endpoint: the server there does not accept JSON over HTTP/1.1"
        }
        kind if kind.starts_with("status_3") && group.cause == FailureCause::Redirected => {
            "redirects are not followed: give the URL of the redirect with --target"
        }
        kind if kind.starts_with("status_3") => "check --target: it answers with a redirect without a usable URL",
        kind if kind.starts_with("status_5") => "look at the server's log",
        "connect" => match group.cause {
            FailureCause::NoDescriptors => {
                "this machine ran out of file descriptors: raise `ulimit -n`, or set --max-in-flight"
            }
            FailureCause::NoPorts => "this machine ran out of ports: give more targets, or lower the rate",
            FailureCause::ConnectTimeout => "check the address and the firewalls, or raise --connect-timeout",
            _ => "check its address, and that it is running",
        },
        "dns" => "check the name in --target",
        "reset" => "the server, or something in front of it, closes connections: look at its log",
        "malformed" => match group.cause {
            FailureCause::StreamUnasked => {
                "the server always streams its answer: drop --no-stream, and ttft and itl are measured, too"
            }
            FailureCause::NoObject => {
                "check --target and --endpoint: an OpenAI-compatible server answers with one JSON object, often below \
                 /v1"
            }
            FailureCause::NoEvents => {
                "check --target and --endpoint: an OpenAI-compatible server sends events (`data: …`), often below /v1"
            }
            FailureCause::Compressed => "configure the server or its proxy to send answers uncompressed",
            _ => return None,
        },
        "timed_out" => "give a longer --timeout, or lower the rate; if no answer ever comes, check the server's log",
        "truncated" => "the server, or something in front of it, ended answers early: look at its log",
        _ => return None,
    };
    Some(advice.to_owned())
}

/// The advice for a server that limits the rate, with the rate that it let through.
fn refused(trial: Option<&TrialView>) -> String {
    match trial.and_then(|trial| trial.throughput.requests_per_s).filter(|per_s| *per_s > 0.0) {
        Some(per_s) => {
            format!(
                "the server limits the rate: it let about {} through; lower the rate, or raise its limit",
                per_second(per_s)
            )
        }
        None => "the server limits the rate, and let nothing through: lower the rate, or raise its limit".to_owned(),
    }
}
