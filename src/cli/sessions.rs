//! Owns the sessions of the options: the law of turns and think times, with what cannot be combined with it.

use crate::cli::load::lengths_of;
use crate::cli::options::{ScheduleOptions, TargetOptions, WireOptions, WorkloadOptions};
use crate::error::Error;
use crate::workload::{Plan, SessionSpec, ThinkLaw};

/// The sessions that the options ask for; `None` without any.
pub(super) fn sessions_of(options: &WorkloadOptions) -> Result<Option<SessionSpec>, Error> {
    let Some(turns) = &options.turns else {
        let without = [("--think-time", options.think_time.is_some()), ("--replies", options.replies.is_some())];
        return match without.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) => {
                let why = "speaks of the turns of sessions, and there are no sessions";
                Err(Error::usage(flag, why, "add --turns 8, or drop it"))
            }
            None => Ok(None),
        };
    };
    if options.dataset.is_some() {
        let why = "draws the turns of synthetic sessions, and --dataset brings the requests";
        return Err(Error::usage("--turns", why, "drop one of them"));
    }
    let think = options.think_time.unwrap_or(ThinkLaw::NONE);
    let spec = SessionSpec::new(lengths_of("--turns", turns)?, think).map_err(|refusal| refusal.at("--turns"))?;
    Ok(Some(spec.answered_by(options.replies.unwrap_or_default())))
}

/// Refuses what has no meaning for sessions: a closed loop, and a quota, which would remove turns of the plan only.
pub(super) fn refuse_loads_of_sessions(
    options: &WorkloadOptions,
    schedule: &ScheduleOptions,
    closed: Option<&str>,
) -> Result<(), Error> {
    if options.turns.is_none() {
        return Ok(());
    }
    if closed.is_some() {
        let why = "cannot be combined with --load: sessions begin at planned instants, and a closed loop has none";
        return Err(Error::usage("--turns", why, "drop one of them; --rate 2/s begins two sessions a second"));
    }
    if schedule.quota.is_some() {
        let why = "counts planned requests, and the later turns of sessions have no planned instant";
        return Err(Error::usage("--quota", why, "drop it, or --turns"));
    }
    Ok(())
}

/// Refuses endpoints and bodies in which a turn cannot follow an answer.
pub(super) fn refuse_beside_sessions(plan: &Plan, target: &TargetOptions, wire: &WireOptions) -> Result<(), Error> {
    if plan.workload().sessions.is_none() {
        return Ok(());
    }
    if !target.endpoint.capabilities().output_tokens {
        let why = format!("makes sessions, and the endpoint {} writes no answers to reply to", target.endpoint);
        return Err(Error::usage("--turns", why, "drop it, or use --endpoint chat"));
    }
    let others = [("--images", wire.images.is_some())];
    match others.into_iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(Error::usage(
            flag,
            "cannot be combined with --turns: a turn is one text and one answer",
            "drop one of them",
        )),
        None => Ok(()),
    }
}
