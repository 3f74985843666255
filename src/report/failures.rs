//! Owns the account of failures: the most frequent ones in the server's own words, each with the advice of its class.

use crate::figures::TrialView;
use crate::metrics::{Counts, FailureGroup, Lost};
use crate::record::FailureCause;
use crate::report::flags::with_flags;
use crate::report::layout::{Ink, Tone, WIDTH, wrapped};
use crate::results::Report;
use crate::search::Finished;
use crate::units::{count, per_second, seconds, visible};

/// Groups shown on the screen; the others are in the result.
const SHOWN: usize = 3;

/// The failures of a trial, the most frequent first; empty where there are none.
pub(super) fn failures_text(trial: &TrialView, ink: Ink) -> String {
    let mut text = String::new();
    if let Some(lost) = &trial.lost {
        text.push_str(&ink.paint(Tone::Bad, &wrapped(&lost_words(lost), WIDTH, 2)));
        text.push('\n');
    }
    for group in trial.failures.iter().take(SHOWN) {
        text.extend(["  ", &wrapped(&format!("{} × {}", count(group.count), said(group)), WIDTH - 2, 4), "\n"]);
        if let Some(advice) = advice(group, trial) {
            text.extend(["    ", &ink.paint(Tone::Faint, &wrapped(&advice, WIDTH - 4, 4)), "\n"]);
        }
    }
    text
}

/// The most frequent failure in a line, or that the target was lost.
pub(super) fn most_frequent(trial: &TrialView) -> Option<String> {
    if let Some(lost) = &trial.lost {
        return Some(lost_words(lost));
    }
    let group = trial.failures.first()?;
    let advice = advice(group, trial).map_or_else(String::new, |advice| format!(" ({advice})"));
    Some(format!("{} × {}{advice}", count(group.count), said(group)))
}

/// Failures by class.
pub(super) fn failures_of(counts: &Counts) -> String {
    counts.failures.iter().map(|(class, number)| format!("{class} {}", count(*number))).collect::<Vec<_>>().join(" · ")
}

/// What became of the requests that neither completed nor were left out, failures by class; empty where there are none.
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

/// When the target was lost.
fn lost_words(lost: &Lost) -> String {
    format!(
        "the target was lost at {}: {} requests went unanswered from then on, and none was answered after {}",
        seconds(lost.at_s),
        count(lost.requests),
        seconds(lost.last_answer_s)
    )
}

fn said(group: &FailureGroup) -> String {
    // A result may come from elsewhere: what it holds is not trusted to be text.
    let words = visible(&group.words);
    let words = with_flags(&words);
    match group.kind.as_str() {
        "timed_out" => format!("timed out: {words}"),
        kind if kind.starts_with("status_") => words.into_owned(),
        kind => format!("{}: {words}", visible(kind).replace('_', " ")),
    }
}

/// Why the process ends with the code of a lost target, and what to do.
#[must_use]
pub fn loss_text(report: &Report) -> Option<String> {
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
        format!("the last load ({}) was not answered", visible(&last.label))
    } else {
        "no request completed".to_owned()
    };
    let went_on = report.sweep.as_ref().is_some_and(|findings| findings.finished == Some(Finished::NoAnswer));
    let rest = if went_on || report.search.is_some() { "; then go on with --resume" } else { "" };
    let Some(group) = last.failures.first() else {
        return Some(format!(
            "{of}: {} were unanswered when the drain ended; give them longer with --drain and --timeout{rest}",
            count(totals.unresolved)
        ));
    };
    let advice = advice(group, last).map_or_else(String::new, |advice| format!("; {advice}"));
    Some(format!("{of}: {} of {}: {}{advice}{rest}", count(group.count), count(totals.planned), said(group)))
}

/// What to do about failures of one kind, by their class, their cause, and where the server alone knows the cause, by
/// its words.
fn advice(group: &FailureGroup, trial: &TrialView) -> Option<String> {
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
    let advice = match group.kind.as_str() {
        "status_413" => {
            "the request is too large for the server or a proxy before it: lower --input-tokens, or raise that limit"
        }
        "status_400" | "status_422" | "stream_error" if too_long => {
            "prompt and answer do not fit: lower --input-tokens or --output-tokens, or raise the server's limit"
        }
        "status_400" | "status_422" => {
            "the server refuses what is asked: --output-field, --extra-body, --endpoint and --model change the request"
        }
        "status_401" | "status_403" => "give the key with --api-key or OPENAI_API_KEY, another header with --header",
        "status_404" if says(&["model"]) => "check --model: the server lists its names under /v1/models",
        "status_404" | "status_405" => {
            "check --target, --endpoint and --model: the base URL may lack a part such as /v1"
        }
        "status_429" => return Some(refused(trial)),
        "status_503" | "status_529" => {
            "the server is overloaded or still loading: lower the rate, or wait with --wait-ready 5m"
        }
        "status_502" | "status_504" => {
            "what stands before the server gets no answer from it: look at its log, and at the gateway's timeout"
        }
        "status_402" => "the account behind the key has no credit, or the plan does not hold what is asked",
        "status_408" => {
            "the server waited too long for the request: look at what stands before it, or lower --input-tokens"
        }
        "status_415" | "status_426" => {
            "check --target and --endpoint: what listens there does not take JSON over HTTP/1.1"
        }
        kind if kind.starts_with("status_3") && group.cause == FailureCause::Redirected => {
            "redirects are not followed: give the URL that it names with --target"
        }
        kind if kind.starts_with("status_3") => "check --target: it answers with a redirect that leads nowhere",
        kind if kind.starts_with("status_5") => "look at the server's log",
        "connect" => match group.cause {
            FailureCause::NoDescriptors => {
                "this machine ran out of descriptors: raise `ulimit -n`, or set --max-in-flight"
            }
            FailureCause::NoPorts => "this machine ran out of ports: give more targets, or lower the rate",
            FailureCause::ConnectTimeout => "check the address and the firewall between, or raise --connect-timeout",
            _ => "check its address, and that it is running",
        },
        "dns" => "check the name in --target",
        "reset" => "the server, or something before it, closes connections: look at its log",
        "malformed" => match group.cause {
            FailureCause::StreamUnasked => {
                "the server answers with a stream whatever it is asked: drop --no-stream, and ttft and itl are \
                 measured too"
            }
            FailureCause::NoObject => {
                "check --target and --endpoint: an OpenAI-compatible server answers with one JSON object, often below \
                 /v1"
            }
            FailureCause::NoEvents => {
                "check --target and --endpoint: an OpenAI-compatible server sends events (`data: …`), often below /v1"
            }
            FailureCause::Compressed => "have the server or its proxy send answers as they are",
            _ => return None,
        },
        "timed_out" => "give a longer --timeout, or lower the rate; where nothing ever comes, check the server's log",
        "truncated" => "the server, or something before it, ended answers early: look at its log",
        _ => return None,
    };
    Some(advice.to_owned())
}

/// What a server that refuses lets through.
fn refused(trial: &TrialView) -> String {
    match trial.throughput.requests_per_s.filter(|per_s| *per_s > 0.0) {
        Some(per_s) => {
            format!(
                "the server limits the rate: it let about {} through; lower the rate, or raise its limit",
                per_second(per_s)
            )
        }
        None => "the server limits the rate, and let nothing through: lower the rate, or raise its limit".to_owned(),
    }
}
