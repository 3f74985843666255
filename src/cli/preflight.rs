//! Owns the preflight on the command line: when it is sent, what is said about it, and the sample of `--show-sample`.

use std::time::Duration;

use crate::cli::job::Job;
use crate::cli::terminal::say;
use crate::clock::RunClock;
use crate::error::Error;
use crate::report::unready_text;
use crate::service::{Patience, Preflight, Service};
use crate::units::{seconds, visible};

/// Time after which an unanswered preflight is announced.
const QUIET: Duration = Duration::from_secs(3);

/// Most characters of the prompt, and of the answer, of `--show-sample`.
const MOST_SHOWN: usize = 600;

/// Finds the service of `job`, and tries it with a small request.
///
/// The embedded server is not tried, except for a sample: it is known to answer, and one more request would change the
/// draws of its service times.
pub(super) async fn ready(job: &Job) -> Result<Service, Error> {
    let clock = RunClock::starting_in(Duration::ZERO);
    let mut found = Service::find(job.wanted()).await?;
    if !job.preflight || (found.is_embedded() && !job.show_sample) {
        return Ok(found);
    }
    let left = clock.until(job.wait_ready.into());
    let patience = Patience {
        timeout: job.timeout,
        connect_timeout: job.connect_timeout,
        // At least one request is sent, however long the service took to list its models.
        wait_ready: if job.wait_ready.is_zero() { Duration::ZERO } else { left.max(Duration::from_nanos(1)) },
        sample: job.show_sample,
    };
    let hidden = job.quiet || job.json;
    let mut awaited = false;
    let mut note = |failure: &crate::metrics::FailureGroup| {
        if !hidden && !patience.wait_ready.is_zero() && !std::mem::replace(&mut awaited, true) {
            say(&format!("waiting for the service, up to {}: {}", seconds(left.as_secs_f64()), failure.words));
        }
    };
    let sent = {
        let mut sending = std::pin::pin!(found.preflight(&job.chat, &job.plan, patience, &mut note));
        if let Ok(sent) = tokio::time::timeout(QUIET, &mut sending).await {
            sent?
        } else {
            if !hidden && patience.wait_ready.is_zero() {
                say("waiting for the answer to a small request before the load (--no-preflight skips it)");
            }
            sending.await?
        }
    };
    match sent {
        Ok(preflight) => found.preflight = Some(preflight),
        Err(unready) => return Err(Error::target(unready.target.as_str(), unready_text(&unready))),
    }
    Ok(found)
}

/// Shows the prompt and the answer of the preflight, if they were asked for.
pub(super) fn show_sample(preflight: &Preflight) {
    let sample = preflight.answers.iter().find_map(|answer| answer.sample.as_ref());
    if let Some(sample) = sample {
        say(&format!("sample prompt: {}", shortened(&sample.prompt)));
        let answer = if sample.answer.is_empty() { "(no text)".into() } else { shortened(&sample.answer) };
        say(&format!("sample answer: {answer}"));
    }
}

/// `text` on one line, without what a terminal would obey, cut when it is long.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MOST_SHOWN) {
        None => visible(text).into_owned(),
        Some((end, _)) => format!("{} … ({} characters in all)", visible(&text[..end]), text.chars().count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_one_line_without_escapes_and_not_too_long() {
        assert_eq!(shortened("a\u{1b}[2J\nb"), "a\\x1b[2J\\nb");
        let long = shortened(&"é".repeat(MOST_SHOWN + 1));
        assert!(long.ends_with("é … (601 characters in all)"), "{long}");
        assert_eq!(shortened(&"x".repeat(MOST_SHOWN)).len(), MOST_SHOWN);
    }
}
