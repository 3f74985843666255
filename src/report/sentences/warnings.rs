//! Owns the sentences of warnings: one for each kind of fault, note and reason, with its numbers and advice.

use crate::metrics::{Fault, Known, Lateness, LoadKind, Note, Reason, Remedy, VerdictReason};
use crate::units::{count, per_second, seconds};

/// Advice about a load. It names only options that the verb of the load accepts.
struct Advice {
    less: &'static str,
    before: &'static str,
    after: &'static str,
}

impl Advice {
    const fn of(kind: LoadKind) -> Self {
        match kind {
            LoadKind::Open => {
                Self { less: "a lower rate", before: "add --warmup or run longer", after: "add --cooldown" }
            }
            // A trace has no load of its own before its first row, nor after its last.
            LoadKind::Replay => Self {
                less: "a smaller --time-scale",
                before: "where the trace itself is steady, replay a longer --window of it",
                after: "replay a longer --window",
            },
            LoadKind::Synchronous | LoadKind::Concurrent | LoadKind::Throughput => Self {
                less: "fewer in flight",
                before: "add --warmup or run longer",
                after: "give --duration, and add --cooldown",
            },
        }
    }
}

/// One fault of the load generator, with advice.
#[must_use]
pub(crate) fn fault(fault: &Fault) -> String {
    match *fault {
        Fault::Late(late) => lateness(late),
        Fault::NotSent { sent_share, load } => format!(
            "only {:.2}% of the planned requests were sent; raise --max-in-flight or use {}",
            sent_share * 100.0,
            Advice::of(load).less
        ),
        Fault::BodiesLate { requests, share, load } => format!(
            "{} request bodies ({:.2}%) were not built in time: another process took the cores; free a core, give \
             tonnage a higher priority (`nice -n -10`), or use {}",
            count(requests),
            share * 100.0,
            Advice::of(load).less
        ),
        Fault::Shed { requests } => {
            format!("{} requests were shed at the in-flight cap; raise --max-in-flight", count(requests))
        }
        Fault::Abandoned { requests } => {
            format!("{} requests were abandoned by tonnage itself; please report it", count(requests))
        }
        Fault::LittleLaw { residual } => {
            format!("Little's law is off by {:.2}%, an error in tonnage; please report it", residual * 100.0)
        }
        Fault::CountsDoNotBalance => {
            "the request counts do not add up, an error in tonnage; please report it".to_owned()
        }
        Fault::RecordsMissing { due, recorded } => format!(
            "{} planned requests were due, but {} left a record, an error in tonnage; please report it",
            count(due),
            count(recorded)
        ),
        Fault::ShardsApart { apart_s, limit_s } => format!(
            "the shards began {} apart, above the limit of {}, so they did not form one load; give every shard the \
             same --start-at, and set their clocks (NTP)",
            seconds(apart_s),
            seconds(limit_s)
        ),
        Fault::DidNotEnd { records } => format!(
            "the run did not end: {} records were on disk, and requests in flight left none; run it again to its end",
            count(records)
        ),
    }
}

/// The sentence for requests that were sent late, with advice.
fn lateness(late: Lateness) -> String {
    format!(
        "requests were sent late: send lag p99 is {}, above the limit of {}; use more --workers, {} or a faster \
         machine",
        seconds(late.send_lag_p99_s),
        seconds(late.send_lag_limit_s),
        Advice::of(late.load).less
    )
}

/// One note about a trial, with advice where there is any.
#[must_use]
pub(crate) fn note(note: &Note) -> String {
    match *note {
        Note::LateUntouched(late) => {
            format!("{}; no objective here is measured from the planned instant", lateness(late))
        }
        Note::TailUnloaded { tail_share, load } => format!(
            "tail_unloaded: {:.0}% of the time in the system lies after the end of the load; {}",
            tail_share * 100.0,
            Advice::of(load).after
        ),
        Note::Unsteady { load, .. } => {
            format!(
                "the window is not steady: the number of requests in flight grew or shrank; {}",
                Advice::of(load).before
            )
        }
        Note::AnswersLonger { answers, asked_mean, server_mean } => format!(
            "{} answers are longer than requested (a mean of {server_mean:.0} tokens instead of {asked_mean:.0}): the \
             server ignores the field that limits the length; try --output-field max_tokens, or max_completion_tokens \
             if max_tokens was given",
            count(answers)
        ),
        Note::Cancelled { picked, cancelled } => format!(
            "{} of the {} requests that --cancel picks were cancelled; no latency and no objective counts the {}",
            count(cancelled),
            count(picked),
            count(picked)
        ),
        Note::LengthMismatch { answers } => format!(
            "{} answers do not have the requested length; use --ignore-eos if the server supports it",
            count(answers)
        ),
        Note::PromptTokensApart { asked_mean, server_mean, counted, templated } => {
            prompts(asked_mean, server_mean, counted, templated)
        }
        Note::AnswerTokensApart { counted_mean, server_mean } => format!(
            "the server counts a mean of {server_mean:.0} output tokens, but --tokenizer counts {counted_mean:.0} in \
             the text of answers ({:+.0} %): the model has another tokenizer, or the server sends text that it does \
             not count, or counts tokens that it does not send; check --tokenizer",
            100.0 * (server_mean / counted_mean - 1.0)
        ),
        Note::UsageMissing { answers, streamed } => {
            let (are, ask) = if streamed {
                ("the number of events", "ask the server for usage in the stream, or give --tokenizer")
            } else {
                ("the requested number if they ended at that length, else unknown", "give --tokenizer")
            };
            format!("{} answers came without token counts: their output tokens are {are}; {ask}", count(answers))
        }
        Note::InputAsAsked { answers } => {
            format!("{} answers came without token counts: their input tokens are the requested number", count(answers))
        }
        Note::UsageCounted { answers } => format!(
            "{} answers came without the server's token counts: --tokenizer counted the output tokens in their text",
            count(answers)
        ),
        Note::TurnsNotDue { turns } => format!(
            "{} turns were not due when the drain ended: the turns before them had not ended; give a longer --drain",
            count(turns)
        ),
        Note::RequestsNotDue { requests } => {
            format!("{} planned requests were not due when the run was stopped", count(requests))
        }
        Note::Insecure => {
            "certificates were not checked (--insecure): the server that answered may not have been the target"
                .to_owned()
        }
        Note::Buffered { one_read, answers } => buffered(one_read, answers),
        Note::ReadLate { one_read, answers, wake_lag_p50_s } => format!(
            "tonnage itself read late ({} after the kernel had the bytes, at p50): all tokens of {} of {} answers came \
             in one read, so times inside an answer are not the server's; use more --workers, a lower rate or a faster \
             machine",
            seconds(wake_lag_p50_s),
            count(one_read),
            count(answers)
        ),
        Note::Unseen { answers, tokens } => unseen(answers, tokens),
        Note::Hidden { answers, tokens, first_counted_p50_s, first_counted_p99_s } => {
            hidden(answers, tokens, first_counted_p50_s.zip(first_counted_p99_s))
        }
        Note::NoFinishReason { answers } => format!(
            "{} answers ended with [DONE] and without a finish reason: they count as completed, but they may be \
             incomplete",
            count(answers)
        ),
        Note::UsageOdd { answers } => usage_odd(answers),
        Note::Retried { requests } => format!(
            "{} requests were sent again on a fresh connection: the server had closed the first one before it read \
             them; their latencies count from the planned instant all the same (--idle-timeout, --no-reuse)",
            count(requests)
        ),
    }
}

/// The sentence for a proxy, or anything else between server and generator, that buffers.
fn buffered(one_read: u64, answers: u64) -> String {
    format!(
        "something between server and tonnage buffers: all tokens of {} of {} answers came in one read, so times \
         inside an answer are not the server's; switch that buffering off (nginx: proxy_buffering off; haproxy: option \
         http-no-delay), or send requests to the server directly",
        count(one_read),
        count(answers)
    )
}

/// The sentence for answers without text.
fn unseen(answers: u64, tokens: u64) -> String {
    format!(
        "{} answers show no text: the server counts {} tokens in them and sends none (hidden reasoning?). They have \
         no ttft and no tpot; ask the server to send its reasoning, or raise --output-tokens",
        count(answers),
        count(tokens)
    )
}

/// The sentence for answers that hide a part of their tokens; `first_counted_s`: when the first counted token came
/// (p50, p99), in seconds.
fn hidden(answers: u64, tokens: u64, first_counted_s: Option<(Known, Known)>) -> String {
    let what = format!(
        "{} answers hide tokens: the server counts {} that no event shows (delayed text, or reasoning that is not \
         sent). ttft is taken from the first visible text",
        count(answers),
        count(tokens)
    );
    match first_counted_s {
        Some((Known::At(median_s), Known::At(high_s))) => format!(
            "{what}; the first counted token came at p50 {}, p99 {}. tpot is taken from the server's running count",
            seconds(median_s),
            seconds(high_s)
        ),
        _ => format!("{what}; tpot leaves out the tokens hidden before it"),
    }
}

/// The sentence for invalid token counts.
fn usage_odd(answers: u64) -> String {
    format!(
        "{} answers have invalid token counts (missing, zero, negative, not whole, shrinking, or more than their text \
         and the request can hold): the invalid counts are ignored; an earlier count, our own count or the planned \
         count is used instead",
        count(answers)
    )
}

/// The sentence for a server that counts more or fewer prompt tokens than were requested.
fn prompts(asked_mean: f64, server_mean: f64, counted: bool, templated: bool) -> String {
    // A tokenizer from the user leaves the chat template as the main cause, unless it is counted.
    let (cause, advice) = match (counted, templated) {
        (_, true) => ("another tokenizer, or another chat template", "; give --tokenizer the model's own folder"),
        (true, false) => (
            "the chat template, or another tokenizer",
            "; --chat-template makes the lengths asked for include the template",
        ),
        (false, false) => {
            ("the chat template, or a tokenizer that differs from ours", "; --tokenizer uses the model's own tokens")
        }
    };
    format!(
        "the server counts a mean of {server_mean:.0} prompt tokens, but {asked_mean:.0} were requested ({:+.0} %): \
         the cause is {cause}{advice}",
        100.0 * (server_mean / asked_mean - 1.0)
    )
}

/// Why a verdict is not a pass, and what to do.
#[must_use]
pub(crate) fn verdict_reason(why: &VerdictReason) -> String {
    match why {
        VerdictReason::Objective { objective, reason: why } => reason(objective, why),
        VerdictReason::Generator(why) => fault(why),
    }
}

/// Why `objective` is not met or not decided, and what to do.
#[must_use]
pub(crate) fn reason(objective: &str, reason: &Reason) -> String {
    let why = match *reason {
        Reason::Missed { misses, decided, allowed_share, remedy } => format!(
            "{} of {} requests missed it: {:.3}%, but only {:.3}% are allowed; {}",
            count(misses),
            count(decided),
            100.0 * misses as f64 / decided.max(1) as f64,
            100.0 * allowed_share,
            remedy_text(remedy)
        ),
        Reason::BeyondMaximum { misses, remedy } => {
            format!("{} requests are beyond it; {}", count(misses), remedy_text(remedy))
        }
        Reason::MeanAbove { .. } => "the mean is above the limit; lower the rate or raise the limit".to_owned(),
        Reason::NothingMeasured => {
            "no request that counts for it fell into the measured window; give a longer --duration, a shorter \
             --warmup, or its class a larger weight"
                .to_owned()
        }
        Reason::NothingSeen { .. } => {
            "no answer shows any text: the server hides all output tokens; see the warning below".to_owned()
        }
        Reason::NothingDecided => "no request says anything about it; check the target and the mode".to_owned(),
        Reason::DependsOnCutOff { requests } => format!(
            "the result depends on {} requests that were cut off before they were decided; use a longer --drain",
            count(requests)
        ),
        Reason::MaximumCutOff { requests } => {
            format!("{} requests were cut off before they were decided; use a longer --drain", count(requests))
        }
        Reason::MeanCutOff { requests } => {
            format!("{} requests were cut off before their value was known; use a longer --drain", count(requests))
        }
        Reason::BacklogGrew { misses, requests } => format!(
            "{} of {} requests missed it, but the number of requests in flight grew over the whole window, so later \
             requests may wait longer; add --warmup, run longer or lower the rate",
            count(misses),
            count(requests)
        ),
        Reason::BacklogGrewUnderMean => {
            "the number of requests in flight grew over the whole window, so later requests may wait longer; add \
             --warmup or run longer"
                .to_owned()
        }
        Reason::NoMissAllowed => {
            "no sample can certify that no request ever misses; allow a small share of misses".to_owned()
        }
        Reason::TooFew { misses, requests, effective_requests, requests_needed, duration_needed_s } => format!(
            "{} of {} requests missed it{}, too few to decide; {}",
            count(misses),
            count(requests),
            effective_requests.map_or_else(String::new, worth),
            match duration_needed_s {
                Some(longer_s) => format!(
                    "make --duration about {} longer ({} more requests)",
                    rounded(longer_s),
                    count(requests_needed)
                ),
                None => format!("send about {} more requests", count(requests_needed)),
            }
        ),
        Reason::TooClose { misses, requests, allowed_share } => format!(
            "{:.3}% of the requests missed it, too close to the {:.3}% that are allowed; run longer, or choose \
             another limit",
            100.0 * misses as f64 / requests as f64,
            100.0 * allowed_share
        ),
        Reason::MeanTooFew => {
            "too few independent requests for a confidence interval of the mean; run longer".to_owned()
        }
        Reason::MeanTooClose { duration_needed_s: Some(longer_s) } => {
            format!(
                "the limit lies inside the confidence interval of the mean; make --duration about {} longer",
                rounded(longer_s)
            )
        }
        Reason::MeanTooClose { duration_needed_s: None } => {
            "the limit lies inside the confidence interval of the mean; run longer".to_owned()
        }
        Reason::OfferedTooLittle { offered_per_s, asked_per_s } => format!(
            "only {offered_per_s:.3} requests per second were offered, which proves nothing about the service; offer \
             more than {asked_per_s}/s"
        ),
        Reason::Buffered { one_read, answers } => format!(
            "{} of {} answers came in one read, so times inside an answer are not the server's; see the warning below",
            count(one_read),
            count(answers)
        ),
    };
    format!("{objective}: {why}")
}

/// How many independent requests the requests are worth.
fn worth(effective: f64) -> String {
    let as_many = if effective < 2.0 { "fewer than 2".to_owned() } else { count(effective as u64) };
    format!("; requests depend on each other, so these are worth {as_many} independent requests")
}

fn remedy_text(remedy: Remedy) -> String {
    match remedy {
        Remedy::TargetLost { at_s } => {
            format!("the target was lost at {}: look at its log, and measure again", seconds(at_s))
        }
        Remedy::Refused { refused, planned, completed_per_s } => format!(
            "the server refused {} of {} requests and completed about {}",
            count(refused),
            count(planned),
            per_second(completed_per_s)
        ),
        Remedy::Failures { gone, planned } => {
            format!("{} of {} requests failed or timed out: see their reasons", count(gone), count(planned))
        }
        Remedy::LowerRate => "lower the rate or raise the limit".to_owned(),
    }
}

/// A duration as a user would type it: two digits.
fn rounded(duration_s: f64) -> String {
    let digits = libm::pow(10.0, libm::floor(libm::log10(duration_s.max(1e-3))) - 1.0);
    seconds(libm::ceil(duration_s / digits) * digits)
}
