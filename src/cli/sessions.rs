//! Owns the sessions of the options: where their turns come from, with what cannot be combined with them.

use crate::cli::endpoints::Endpoints;
use crate::cli::load::lengths_of;
use crate::cli::options::{ScheduleOptions, TargetOptions, WireOptions, WorkloadOptions};
use crate::client::Affinity;
use crate::error::Error;
use crate::units::plain;
use crate::workload::{Plan, SessionSpec, ThinkLaw};

/// The sessions that the options ask for; `None` without any.
pub(super) fn sessions_of(options: &WorkloadOptions) -> Result<Option<SessionSpec>, Error> {
    let think = options.think_time.unwrap_or(ThinkLaw::NONE);
    let spec = match (&options.turns, options.sessions) {
        (None, false) => {
            let without = [("--think-time", options.think_time.is_some()), ("--replies", options.replies.is_some())];
            return match without.into_iter().find(|(_, given)| *given) {
                Some((flag, _)) => {
                    let why = "speaks of the turns of sessions, and there are no sessions";
                    Err(Error::usage(flag, why, "add --turns 8, or --dataset FILE --sessions, or drop it"))
                }
                None => Ok(None),
            };
        }
        (Some(_), true) => {
            let why = "draws the turns of synthetic sessions, and --sessions takes those of a data set";
            return Err(Error::usage("--turns", why, "drop one of them"));
        }
        (Some(_), false) if options.dataset.is_some() => {
            let why = "draws the turns of synthetic sessions, and --dataset brings the requests";
            return Err(Error::usage("--turns", why, "drop one of them; --sessions takes whole conversations"));
        }
        (None, true) if options.dataset.is_none() => {
            let why = "takes the conversations of a data set, and none is given";
            return Err(Error::usage(
                "--sessions",
                why,
                "add --dataset FILE, or give --turns 8 for synthetic sessions",
            ));
        }
        (None, true) => SessionSpec::of_data(think),
        (Some(turns), false) => {
            SessionSpec::new(lengths_of("--turns", turns)?, think).map_err(|refusal| refusal.at("--turns"))?
        }
    };
    Ok(Some(spec.answered_by(options.replies.unwrap_or_default())))
}

/// The option that makes sessions, if one is given.
pub(super) fn flag_of_sessions(options: &WorkloadOptions) -> Option<&'static str> {
    let given = [("--turns", options.turns.is_some()), ("--sessions", options.sessions)];
    given.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
}

/// Refuses what has no meaning for sessions: a closed loop, and a quota, which would remove turns of the plan only.
pub(super) fn refuse_loads_of_sessions(
    options: &WorkloadOptions,
    schedule: &ScheduleOptions,
    closed: Option<&str>,
) -> Result<(), Error> {
    let Some(flag) = flag_of_sessions(options) else { return Ok(()) };
    if closed.is_some() {
        let why = "cannot be combined with --load: sessions begin at planned instants, and a closed loop has none";
        return Err(Error::usage(flag, why, "drop one of them; --rate 2/s begins two sessions a second"));
    }
    if schedule.quota.is_some() {
        let why = "counts planned requests, and the later turns of sessions have no planned instant";
        return Err(Error::usage("--quota", why, format!("drop it, or {flag}")));
    }
    Ok(())
}

/// Refuses sessions beside closed loops, which `flag` asks for.
pub(super) fn refuse_closed_loops_of_sessions(options: &WorkloadOptions, flag: &str) -> Result<(), Error> {
    let Some(of_sessions) = flag_of_sessions(options) else { return Ok(()) };
    let why = format!("cannot be combined with {flag}: sessions begin at planned instants, and a closed loop has none");
    Err(Error::usage(of_sessions, why, format!("drop one of them; without {flag} the rate of new sessions is varied")))
}

/// What is said about the sessions of `plan` before the load. At first there are none, so the load is lighter than
/// later.
pub(super) fn notes_of_sessions(plan: &Plan, of_many: bool) -> Option<String> {
    let sessions = plan.workload().sessions.as_ref()?;
    if of_many {
        let mean = plan.session_law()?.moments().turns_mean;
        return Some(format!(
            "rates are those of new sessions: {}; {} requests for each session on average. Each load begins without \
             sessions and is discarded until their later turns come, too",
            sessions.sentence(),
            plain(mean)
        ));
    }
    let begins = if plan.spans().warmup.length_s() > 0.0 {
        ""
    } else {
        "; the load grows until the first sessions end, which --warmup leaves out of the figures"
    };
    Some(format!("each arrival begins a session: {}{begins}", sessions.sentence()))
}

/// What all turns of a session go to. Refuses options about sessions for a load without sessions.
pub(super) fn affinity_of(plan: &Plan, target: &TargetOptions) -> Result<Affinity, Error> {
    let recorded = plan.recording().is_some_and(|recording| recording.provenance().sessions > 0);
    let drawn = plan.workload().sessions.is_some();
    let given = [("--sticky", target.sticky), ("--session-header", target.session_header.is_some())];
    match given.into_iter().find(|(_, given)| *given) {
        Some((flag, _)) if !recorded && !drawn => {
            let why = "speaks of sessions, and there are no sessions";
            Err(Error::usage(flag, why, "add --turns 8, or replay a trace with sessions, or drop it"))
        }
        _ if target.sticky && target.target.len() < 2 => {
            let why = "keeps each session on one of several targets, and there is one target";
            Err(Error::usage("--sticky", why, "drop it, or give --target http://h1:8000,http://h2:8000"))
        }
        _ if target.sticky => Ok(Affinity::Target),
        _ if drawn => Ok(Affinity::Model),
        _ => Ok(Affinity::None),
    }
}

/// Refuses endpoints and bodies in which a turn cannot follow an answer.
pub(super) fn refuse_beside_sessions(
    plan: &Plan,
    options: &WorkloadOptions,
    endpoints: &Endpoints,
    wire: &WireOptions,
) -> Result<(), Error> {
    let Some(flag) = flag_of_sessions(options).filter(|_| plan.workload().sessions.is_some()) else { return Ok(()) };
    if let Some(endpoint) = endpoints.all().iter().find(|endpoint| !endpoint.capabilities().output_tokens) {
        let why = format!("makes sessions, and the endpoint {endpoint} writes no answers to reply to");
        return Err(Error::usage(flag, why, "drop it, or use --endpoint chat"));
    }
    if wire.images.is_some() {
        let why = format!("cannot be combined with {flag}: a turn is one text and one answer");
        return Err(Error::usage("--images", why, "drop one of them"));
    }
    Ok(())
}
