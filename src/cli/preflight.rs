//! Owns what is sent before the load, on the command line: the preflight with the sample of `--show-sample`, and the
//! preparation of prefix caches.

use std::cell::Cell;
use std::time::Duration;

use crate::cli::job::Job;
use crate::cli::terminal::say;
use crate::clock::RunClock;
use crate::error::Error;
use crate::report::{unprimed_text, unready_text};
use crate::service::{Patience, Preflight, Preparation, Service};
use crate::units::{count, seconds, visible};

/// Time after which an unanswered preflight is announced.
const QUIET: Duration = Duration::from_secs(3);

/// Time between two announcements of a priming that goes on.
const BETWEEN: Duration = Duration::from_secs(30);

/// Most characters of the prompt, and of the answer, of `--show-sample`.
const MOST_SHOWN: usize = 600;

/// Finds the service of `job`, tries it with a small request, and prepares its prefix caches.
///
/// The embedded server is not tried, except for a sample: it is known to answer, and one more request would change the
/// draws of its service times. `primed` becomes the number of prefixes that were sent.
pub(super) async fn ready(job: &Job, primed: &Cell<u64>) -> Result<Service, Error> {
    let clock = RunClock::starting_in(Duration::ZERO);
    let mut found = Service::find(job.wanted()).await?;
    if job.preflight && (!found.is_embedded() || job.show_sample) {
        found.preflight = Some(tried(job, &found, clock.until(job.wait_ready.into())).await?);
    }
    found.preparation = prepared(job, &found, primed).await?;
    Ok(found)
}

/// Empties the prefix caches of the service and primes them, as far as the job asks for that; `None` if it does not.
async fn prepared(job: &Job, found: &Service, primed: &Cell<u64>) -> Result<Option<Preparation>, Error> {
    let mut preparation = Preparation::default();
    if job.resets_cache {
        preparation.resets = found.reset_caches(&job.wanted()).await?;
    }
    if job.plan.primers() > 0 {
        let patience = Patience {
            timeout: job.timeout,
            connect_timeout: job.connect_timeout,
            wait_ready: Duration::ZERO,
            sample: false,
        };
        let clock = RunClock::starting_in(Duration::ZERO);
        let mut quiet = QUIET;
        let mut sending = std::pin::pin!(found.prime(&job.chat, &job.plan, patience, primed));
        let sent = loop {
            if let Ok(sent) = tokio::time::timeout(quiet, &mut sending).await {
                break sent?;
            }
            quiet = BETWEEN;
            if !job.quiet && !job.json {
                say(&priming_text(primed.get(), u64::from(job.plan.primers()), clock.now().as_secs()));
            }
        };
        let primed = sent.map_err(|unready| Error::target(unready.target.as_str(), unprimed_text(&unready)))?;
        preparation.primers = Some(primed);
    }
    Ok((preparation != Preparation::default()).then_some(preparation))
}

/// The text about the priming that goes on: `primed` of `prefixes` prefixes were sent in `took_s`.
fn priming_text(primed: u64, prefixes: u64, took_s: f64) -> String {
    let left = match primed {
        0 => String::new(),
        sent => format!(", about {} to go", seconds(took_s * (prefixes - sent.min(prefixes)) as f64 / sent as f64)),
    };
    format!(
        "priming: {} of {} prefixes are sent before the load{left} (--no-prime leaves them out)",
        count(primed),
        count(prefixes)
    )
}

/// Tries the service with a small request; it may take the time `left` to become ready.
async fn tried(job: &Job, found: &Service, left: Duration) -> Result<Preflight, Error> {
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
    sent.map_err(|unready| Error::target(unready.target.as_str(), unready_text(&unready)))
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
