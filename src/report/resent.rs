//! Owns the page of requests that were sent again: what they did in the load, and what they do now.

use std::fmt::Write as _;

use crate::report::layout::{Ink, Tone, WIDTH, wrapped};
use crate::results::{Resent, ResentRequest};
use crate::units::{count, seconds, visible};

/// The text of `resent` on the console.
#[must_use]
pub(crate) fn render_resent(resent: &Resent, ink: Ink) -> String {
    let (sent, answered) = (resent.requests.len() as u64, resent.answered());
    let verdict = match (answered, sent) {
        (_, 0) => "no request was sent".to_owned(),
        (all, sent) if all == sent => format!("all {} requests were answered now", count(sent)),
        (0, sent) => format!("all {} requests failed again", count(sent)),
        (some, sent) => format!("{} of {} requests were answered now", count(some), count(sent)),
    };
    let tone = if answered == sent && sent > 0 { Tone::Good } else { Tone::Bad };
    let mut text = format!("{}\n", ink.paint(tone, &verdict));
    for request in &resent.requests {
        _ = writeln!(text, "\n{}", ink.paint(Tone::Heading, &format!("request {}", request.id)));
        text.extend(["  then  ", &wrapped(&visible(&request.then), WIDTH, 8), "\n"]);
        text.extend(["  now   ", &wrapped(&visible(&now(request)), WIDTH, 8), "\n"]);
    }
    let lines = to_know(resent);
    _ = writeln!(text, "\n{}", ink.paint(Tone::Heading, "to know"));
    for line in lines {
        _ = writeln!(text, "  - {}", wrapped(&line, WIDTH, 4));
    }
    text
}

/// What came of the request now.
fn now(request: &ResentRequest) -> String {
    if let Some(failed) = &request.failed_now {
        return format!("failed again: {failed}");
    }
    let time = |name: &str, at: Option<f64>| at.map(|at| format!("{name} {}", seconds(at)));
    let tokens = request.output_tokens.map(|tokens| format!("{} output tokens", count(u64::from(tokens))));
    let parts: Vec<String> =
        [time("ttft", request.ttft_s), time("e2e", request.e2e_s), tokens].into_iter().flatten().collect();
    format!("answered: {}", parts.join(", "))
}

fn to_know(resent: &Resent) -> Vec<String> {
    let mut lines = vec![
        "sent one after another, without the load around them: a request that fails only under load is answered here"
            .to_owned(),
    ];
    let left = resent.failed_then.saturating_sub(resent.requests.len() as u64);
    let turns = resent.without_conversation.len() as u64;
    if left > turns {
        lines.push(format!(
            "{} more failed requests were not sent: name them with --id, or raise --most",
            count(left - turns)
        ));
    }
    if turns > 0 {
        lines.push(format!(
            "{} later turns of sessions were not sent: their conversation holds answers of the server, which are not \
             stored",
            count(turns)
        ));
    }
    lines
}
