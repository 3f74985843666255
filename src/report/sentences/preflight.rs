//! Owns the sentences of the preflight: one for each finding, and one for a service that cannot take the load.

use std::time::Duration;

use crate::report::failures::{advice, said};
use crate::service::{Preflight, PreflightAnswer, PreflightFinding, Unready};
use crate::units::{count, seconds};

/// The findings of a preflight, in sentences. Those of one of several targets or models begin with its name.
#[must_use]
pub(crate) fn preflight_sentences(preflight: &Preflight) -> Vec<String> {
    let answers = &preflight.answers;
    let several =
        answers.iter().any(|answer| (&answer.target, &answer.model) != (&answers[0].target, &answers[0].model));
    let of = |answer: &PreflightAnswer, sentence: &String| {
        let PreflightAnswer { target, model, class, .. } = answer;
        let class = class.as_deref().map_or_else(String::new, |class| format!("class {class}: "));
        let route = if several { format!("{model} at {target}: ") } else { String::new() };
        format!("preflight: {class}{route}{sentence}")
    };
    let sentences = answers.iter().flat_map(|answer| {
        let made: Vec<String> = answer.finding_kinds.iter().map(finding).collect();
        made.into_iter().map(move |sentence| of(answer, &sentence))
    });
    sentences.collect()
}

/// One finding of the preflight, with advice where there is any.
pub(in crate::report) fn finding(finding: &PreflightFinding) -> String {
    match finding {
        PreflightFinding::Limited { tries, status, words } => format!(
            "the server refused {} small requests one after the other with {status} ({words}): it limits the load, is \
             overloaded or still loads its model; --wait-ready 5m waits until it answers",
            count(*tries)
        ),
        PreflightFinding::Tried { failed, words } => format!(
            "{} before the answer: {words}; requests of the load may fail in the same way",
            if *failed == 1 { "1 try failed".to_owned() } else { format!("{} tries failed", count(*failed)) }
        ),
        PreflightFinding::Longer { asked, tokens, field } => longer(*asked, *tokens, field),
        PreflightFinding::Shorter { asked, tokens, finish_reason, may_ignore_eos } => format!(
            "the answer has {} of the {} tokens asked for{}; {}",
            count(u64::from(*tokens)),
            count(u64::from(*asked)),
            finish_reason.as_deref().map_or_else(String::new, |reason| format!(" (finish reason {reason})")),
            if *may_ignore_eos {
                "--ignore-eos makes answers as long as asked for, if the server knows it"
            } else {
                "answers will be shorter than --output-tokens"
            }
        ),
        PreflightFinding::UsageMissing { streamed: true } => {
            "the answer came without token counts: events will be counted instead of tokens; ask the server for usage \
             in the stream, or give --tokenizer"
                .to_owned()
        }
        PreflightFinding::UsageMissing { streamed: false } => {
            "the answer came without token counts; give --tokenizer".to_owned()
        }
        PreflightFinding::UsageOdd => {
            "the token counts of the answer cannot be true (missing, zero, negative, not whole or shrinking): such \
             counts are ignored; --tokenizer counts the answers"
                .to_owned()
        }
        PreflightFinding::Buffered { events, pieces } => format!(
            "{} events came in {}: something between server and tonnage buffers, so times inside an answer are not the \
             server's; switch that buffering off (nginx: proxy_buffering off; haproxy: option http-no-delay), or send \
             requests to the server directly",
            count(u64::from(*events)),
            if *pieces == 1 { "one piece".to_owned() } else { format!("{} pieces", count(u64::from(*pieces))) }
        ),
        PreflightFinding::Bundled { events, tokens } => format!(
            "{} tokens came in {} events: the server sends several tokens in one event, so gaps between events are \
             not gaps between tokens",
            count(u64::from(*tokens)),
            count(u64::from(*events))
        ),
        PreflightFinding::Unseen { tokens } => format!(
            "the answer shows no text: the server counts {} tokens in it and sends none (hidden reasoning?); ask the \
             server to send its reasoning, or raise --output-tokens",
            count(u64::from(*tokens))
        ),
        PreflightFinding::PromptTokensApart { asked, server } => format!(
            "the server counts {} input tokens where {} were sent: its tokenizer differs from ours, or it changes the \
             prompt; --tokenizer uses the model's own tokens",
            count(u64::from(*server)),
            count(u64::from(*asked))
        ),
    }
}

/// The sentence for an answer that is longer than was asked for: the server does not know the field of its length.
fn longer(asked: u32, tokens: u32, field: &str) -> String {
    let advice = match field {
        "max_completion_tokens" => "; give --output-field max_tokens",
        "max_tokens" => "; give --output-field max_completion_tokens, if the endpoint has it",
        _ => "",
    };
    format!(
        "the answer has {} tokens where {} were asked for: the server ignores the field {field}{advice}",
        count(u64::from(tokens)),
        count(u64::from(asked))
    )
}

/// Why the load does not begin: the server's words first, then what was sent, then what to do.
#[must_use]
pub(crate) fn unready_text(unready: &Unready) -> String {
    why_not_sent(unready, "preflight", "--no-preflight")
}

/// Why the load does not begin after a request that primes the prefix cache has failed.
#[must_use]
pub(crate) fn unprimed_text(unready: &Unready) -> String {
    why_not_sent(unready, "priming", "--no-prime")
}

fn why_not_sent(unready: &Unready, kind: &str, flag: &str) -> String {
    let Unready { failure, waited, class, .. } = unready;
    let tried = match (failure.count, *waited) {
        (_, waited) if waited > Duration::ZERO => {
            format!("the service was not ready within {} (--wait-ready)", seconds(waited.as_secs_f64()))
        }
        (1, _) => format!("the {kind} request failed, so the load was not sent"),
        (tries, _) => format!("{} {kind} requests failed, so the load was not sent", count(tries)),
    };
    let advice = advice(failure, None).map_or_else(String::new, |advice| format!("; {advice}"));
    let class = class.as_deref().map_or_else(String::new, |class| format!("class {class}: "));
    format!("{class}{}; {tried}{advice}; {flag} sends the load all the same", said(failure))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::FailureGroup;
    use crate::record::FailureCause;

    #[test]
    fn a_priming_that_fails_names_the_option_that_leaves_it_out() {
        let failure = FailureGroup {
            kind: "timed_out".to_owned(),
            cause: FailureCause::Other,
            count: 3,
            words: "no answer within 2 s".to_owned(),
        };
        let unready = Unready { target: "http://h".to_owned(), class: None, failure, waited: Duration::ZERO };
        let said = unprimed_text(&unready);
        assert!(said.contains("3 priming requests failed") && said.ends_with("--no-prime sends the load all the same"));
        assert!(!said.contains("preflight"), "{said}");
    }

    #[test]
    fn a_service_that_cannot_take_the_load_is_told_in_its_own_words_first() {
        let unready = |kind: &str, words: &str, count: u64, waited: Duration| Unready {
            target: "http://h".to_owned(),
            class: None,
            failure: FailureGroup { kind: kind.to_owned(), cause: FailureCause::Other, count, words: words.to_owned() },
            waited,
        };
        for (unready, parts) in [
            (
                unready("status_400", "400 Bad Request: Unexpected field stream_options", 3, Duration::ZERO),
                [
                    "400 Bad Request: Unexpected",
                    "3 preflight requests failed",
                    "--omit stream_options",
                    "--no-preflight",
                ],
            ),
            (
                unready("status_401", "401 Unauthorized: wrong key", 1, Duration::ZERO),
                ["401 Unauthorized: wrong key", "the preflight request failed", "--api-key", "--no-preflight"],
            ),
            (
                unready("status_503", "503 Service Unavailable: loading", 9, Duration::from_secs(5)),
                ["503 Service Unavailable: loading", "not ready within 5", "--wait-ready", "--no-preflight"],
            ),
        ] {
            let said = unready_text(&unready);
            assert!(said.starts_with(parts[0]), "{said}");
            assert!(parts.iter().all(|part| said.contains(part)), "{parts:?}: {said}");
        }
    }

    #[test]
    fn a_finding_names_the_option_that_helps_and_its_target_where_there_are_several() {
        let longer = |field: &str| PreflightFinding::Longer { asked: 4, tokens: 40, field: field.to_owned() };
        let shorter = PreflightFinding::Shorter {
            asked: 16,
            tokens: 3,
            finish_reason: Some("stop".to_owned()),
            may_ignore_eos: true,
        };
        for (kind, part) in [
            (longer("max_completion_tokens"), "--output-field max_tokens"),
            (longer("max_tokens"), "--output-field max_completion_tokens"),
            (shorter, "--ignore-eos"),
            (PreflightFinding::UsageMissing { streamed: true }, "--tokenizer"),
            (PreflightFinding::Buffered { events: 16, pieces: 1 }, "16 events came in one piece"),
            (PreflightFinding::Limited { tries: 3, status: 503, words: "x".to_owned() }, "--wait-ready"),
        ] {
            let said = finding(&kind);
            assert!(said.contains(part), "{part}: {said}");
        }
        let answer = |target: &str| PreflightAnswer {
            target: target.to_owned(),
            model: "m".to_owned(),
            finding_kinds: vec![PreflightFinding::UsageOdd],
            ..PreflightAnswer::default()
        };
        let mut preflight = Preflight { requests: 1, answers: vec![answer("http://a")], ..Preflight::default() };
        assert!(preflight_sentences(&preflight)[0].starts_with("preflight: the token counts"));
        preflight.answers.push(answer("http://b"));
        assert!(preflight_sentences(&preflight)[1].starts_with("preflight: m at http://b: the token counts"));
    }
}
