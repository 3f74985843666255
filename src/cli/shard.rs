//! Owns `--shard` and `--start-at`: one plan that several machines send, from one instant.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use crate::cli::options::ShardOptions;
use crate::cli::signals::Signals;
use crate::cli::terminal::say;
use crate::clock::{RunClock, until_wall};
use crate::engine::HEAD_START;
use crate::error::Error;
use crate::results::note_of;
use crate::units::seconds;
use crate::workload::{Load, Plan, Salt};

/// Time before the origin to start threads and prepare the first bodies and connections. At least [`HEAD_START`] of it
/// must be left.
const LEAD: Duration = Duration::from_millis(500);
/// Time between two readings of the system's clock, which may be set during the wait.
const LOOK: Duration = Duration::from_secs(1);

/// The longest wait for a start. A later start is probably a mistyped year.
const LONGEST_WAIT: Duration = Duration::from_hours(30 * 24);

/// The plan, restricted to the shard that the options ask for. Refused for a closed loop, and if the shard has no
/// request.
pub(super) fn sharded(plan: Plan, options: &ShardOptions) -> Result<Plan, Error> {
    let Some(shard) = options.shard else { return Ok(plan) };
    if let Some(of) = options.shards.filter(|of| *of != shard.of()) {
        let why = format!("is {of}, and shard {shard} is one of {}", shard.of());
        return Err(Error::usage("--shards", why, "drop it; it is for --shard auto"));
    }
    if matches!(plan.load(), Load::Closed(_)) {
        let why = "cannot be combined with --load: a closed loop sends when answers come, so that it has no instants \
            to share out";
        return Err(Error::usage(
            "--shard",
            why,
            "drop it, and split the slots: --load concurrent:16 on each of two machines makes 32",
        ));
    }
    let plan = plan.sharded(shard);
    if plan.share().next().is_none() {
        let why = format!("the plan has no request for shard {shard}");
        return Err(Error::usage("--shard", why, "give fewer shards, or a longer load"));
    }
    Ok(plan)
}

/// The salt of a shard with `--salt random`: one text for all shards, made from their common seed. `None` without a
/// shard or with another salt. Refused if `random` was given explicitly.
pub(super) fn salt_of_all(
    text: &str,
    options: &ShardOptions,
    given: &BTreeSet<String>,
    seed: u64,
) -> Result<Option<Salt>, Error> {
    if options.shard.is_none() || text != "random" {
        return Ok(None);
    }
    if given.contains("salt") {
        let why = "`random` would give each shard prompts of its own, and together they would not be those of the plan";
        return Err(Error::usage(
            "--salt",
            why,
            "give all shards the same text, as in --salt monday, or drop it to take the seed's",
        ));
    }
    Ok(Some(Salt::Text(format!("seed-{seed}"))))
}

/// The notes on a shard.
pub(super) fn notes_of(plan: &Plan, salt_of_seed: bool, embedded: bool) -> Vec<String> {
    let Some(shard) = plan.shard() else { return Vec::new() };
    let mut notes = vec![note_of(shard)];
    if salt_of_seed {
        notes.push(format!(
            "the salt is taken from the seed, so that all shards send the prompts of one plan; a second run with seed \
             {} hits the prefix cache of the first: give --salt TEXT to separate them",
            plan.seed().number()
        ));
    }
    if embedded {
        notes.push(
            "without --target each shard uses its own embedded server, which gets only its part of the load".to_owned(),
        );
    }
    notes
}

/// The time until `start`. Refused if the start has passed, is too near, or is more than 30 days away.
pub(super) fn until(start: Timestamp) -> Result<Duration, Error> {
    let refuse = |why: String| {
        Error::usage(
            "--start-at",
            why,
            "give a later one, the same to all shards: half a minute ahead leaves room for starting them",
        )
    };
    match until_wall(SystemTime::from(start)) {
        None => Err(refuse(format!("{start} has passed by this machine's clock"))),
        Some(left) if left > LONGEST_WAIT => Err(Error::usage(
            "--start-at",
            format!("{start} is {} away", seconds(left.as_secs_f64())),
            "give one within the next 30 days",
        )),
        Some(left) if left < HEAD_START => Err(refuse(format!("{start} is only {} away", seconds(left.as_secs_f64())))),
        Some(left) => Ok(left),
    }
}

/// Announces the start and waits until shortly before it, by the system's clock. Returns `Break` after a signal.
pub(super) async fn wait(
    start: Option<Timestamp>,
    hidden: bool,
    signals: &mut Signals,
) -> Result<ControlFlow<()>, Error> {
    let Some(start) = start else { return Ok(ControlFlow::Continue(())) };
    if !hidden {
        say(&format!("starting at {start} by this machine's clock, in {}", seconds(until(start)?.as_secs_f64())));
    }
    loop {
        let left = until(start)?.saturating_sub(LEAD);
        if left.is_zero() {
            return Ok(ControlFlow::Continue(()));
        }
        tokio::select! {
            () = tokio::time::sleep(left.min(LOOK)) => {}
            () = signals.next() => {
                say("interrupted before the start: nothing was sent");
                return Ok(ControlFlow::Break(()));
            }
        }
    }
}

/// The clock of a run. Its origin is the start asked for, or the earliest instant at which the first requests can be
/// ready.
pub(super) fn clock_of(start: Option<Timestamp>) -> Result<RunClock, Error> {
    let Some(start) = start else { return Ok(RunClock::starting_in(HEAD_START)) };
    until(start)?;
    RunClock::starting_at(SystemTime::from(start))
        .ok_or_else(|| Error::Internal("a start that lay ahead has passed".to_owned()))
}
