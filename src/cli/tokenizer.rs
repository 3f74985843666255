//! Owns `--tokenizer` before the load: prompts of exact length are found in advance, on all cores.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget};

use crate::cli::job::Job;
use crate::cli::signals::Signals;
use crate::error::Error;
use crate::schedule::Extent;
use crate::units::{count, per_second, seconds};
use crate::workload::{Fits, LaterTurns, Load, Plan};

/// The longest time spent to find prompts in advance. The preparing threads find the others while the load runs.
/// Encoding takes about a millisecond for 1 000 tokens: at high rates it must not compete with sending, but a short run
/// should not wait for a long plan.
const MOST_AHEAD: Duration = Duration::from_secs(30);
/// Number of prompts found between two updates of the progress.
const STEP: usize = 256;

/// Finds the prompts of the job's plan in advance on all cores, as many as 30 s allow. Fails if a prompt cannot have
/// the length asked for; such a prompt that is only found during the load is sent with the nearest length, and counted.
/// Returns `Break` after a signal.
pub(super) async fn prepare(job: &mut Job, signals: &mut Signals) -> Result<ControlFlow<()>, Error> {
    let Some(tokenizer) = job.tokenizer.clone() else { return Ok(ControlFlow::Continue(())) };
    if job.plan.workload().source.listed().is_some() {
        // The prompts are the user's, and their tokens are known already.
        return Ok(ControlFlow::Continue(()));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if job.quiet || job.json {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let mut finding = {
        let (plan, stop, bar) = (Arc::clone(&job.plan), Arc::clone(&stop), bar.clone());
        tokio::task::spawn_blocking(move || find(&plan, &stop, &bar))
    };
    let (mut flow, mut late) = (ControlFlow::Continue(()), false);
    let (fits, all) = loop {
        tokio::select! {
            found = &mut finding => {
                break found.map_err(|why| Error::Internal(format!("finding prompts failed: {why}")))?;
            }
            () = signals.next() => flow = ControlFlow::Break(()),
            () = tokio::time::sleep(MOST_AHEAD), if !late => late = true,
        }
        stop.store(true, Ordering::Relaxed);
    };
    bar.finish_and_clear();
    if flow.is_break() {
        return Ok(flow);
    }
    if let Some((id, fit)) = fits.inexact().next() {
        let within = tokenizer.template().map(|template| format!(", with the chat template of {}", template.name()));
        let why = format!(
            "prompt {id} cannot be made with exactly {} tokens as {} counts them{}; the nearest has {}",
            fit.asked(),
            tokenizer.name(),
            within.unwrap_or_default(),
            fit.counted()
        );
        let accepted = if tokenizer.template().is_some() {
            "ask for other lengths, or give --chat-template none for lengths without the template"
        } else {
            "ask for other lengths, or drop --tokenizer for lengths by an estimate"
        };
        return Err(Error::usage("--input-tokens", why, accepted));
    }
    if !all && late {
        let found_per_s = fits.found() as f64 / MOST_AHEAD.as_secs_f64();
        let mut note = format!(
            "{} prompts were found in {} before the load; the rest are found while it runs, which uses \
             CPU time",
            count(fits.found()),
            seconds(MOST_AHEAD.as_secs_f64())
        );
        if let Load::Open(timeline) = job.plan.load()
            && timeline.rate_per_s() * job.plan.fraction() > found_per_s
        {
            let rate = per_second(timeline.rate_per_s() * job.plan.fraction());
            note.extend(["; at ", &rate, " they will be late: lower --rate or --input-tokens, or drop --tokenizer"]);
        }
        job.notes.push(note);
    }
    job.plan = Arc::new(Plan::clone(&job.plan).remember(fits));
    Ok(flow)
}

/// Finds prompts until all are found, one cannot be made, or `stop` is set. Returns the prompts, and whether these are
/// all.
fn find(plan: &Plan, stop: &AtomicBool, bar: &ProgressBar) -> (Fits, bool) {
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut fits = Fits::default();
    let mut ids = ids_of(plan);
    loop {
        let step: Vec<u64> = ids.by_ref().take(STEP).collect();
        if step.is_empty() {
            return (fits, true);
        }
        fits.find(plan, &step, threads, stop);
        bar.set_message(format!("{} prompts of exact length found", count(fits.found())));
        bar.tick();
        if stop.load(Ordering::Relaxed) || fits.inexact().next().is_some() {
            return (fits, false);
        }
    }
}

/// The requests that are known in advance. The number of requests of a closed loop by time is not known, so its prompts
/// are found while it runs.
fn ids_of(plan: &Plan) -> Box<dyn Iterator<Item = u64> + '_> {
    match plan.load() {
        Load::Open(_) => Box::new(plan.share().flat_map(|arrival| {
            let later = plan.turns().map_or(LaterTurns::none(), |turns| turns.after(arrival.index));
            std::iter::once(arrival.index).chain(later)
        })),
        Load::Closed(closed) => match closed.extent {
            Extent::Requests(count) => Box::new(0..count),
            Extent::Duration(_) => Box::new(std::iter::empty()),
        },
    }
}
