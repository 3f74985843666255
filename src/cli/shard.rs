//! Owns `--shard` and `--start-at`: one plan sent by several machines, from one instant.

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

/// Before the origin: time for threads, the first bodies and the first connections. Of it, [`HEAD_START`] is the least.
const LEAD: Duration = Duration::from_millis(500);
/// Between two looks at the system's clock, which may be set while we wait.
const LOOK: Duration = Duration::from_secs(1);

/// The longest wait for a start: beyond, a year is mistyped.
const LONGEST_WAIT: Duration = Duration::from_hours(30 * 24);

/// The plan of which only the shard asked for is sent. Refused for a closed loop, and where the shard has nothing to
/// send.
pub(super) fn sharded(plan: Plan, options: &ShardOptions) -> Result<Plan, Error> {
    let Some(shard) = options.shard else { return Ok(plan) };
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

/// What `--salt random` means to a shard: one text for all shards, drawn from the seed that they share. Refused where
/// `random` was typed.
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

/// What is announced of a shard.
pub(super) fn notes_of(plan: &Plan, salt_of_seed: bool, embedded: bool) -> Vec<String> {
    let Some(shard) = plan.shard() else { return Vec::new() };
    let mut notes = vec![note_of(shard)];
    if salt_of_seed {
        notes.push(format!(
            "the salt is taken from the seed, so that all shards send the prompts of one plan; a second run of seed {} \
             meets the \
             prefix cache of the first: give --salt TEXT to tell them apart",
            plan.seed().number()
        ));
    }
    if embedded {
        notes.push(
            "without --target each shard asks an embedded server of its own, which meets its part of the load only"
                .to_owned(),
        );
    }
    notes
}

/// Refuses a start that has passed or is too near to be met; how long until it else.
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

/// Waits until shortly before `start`, by the system's clock, and says so; breaks off at a signal.
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

/// The clock of a run: its origin is the start asked for, or as near as the first requests can be made ready.
pub(super) fn clock_of(start: Option<Timestamp>) -> Result<RunClock, Error> {
    let Some(start) = start else { return Ok(RunClock::starting_in(HEAD_START)) };
    until(start)?;
    RunClock::starting_at(SystemTime::from(start))
        .ok_or_else(|| Error::Internal("a start that lay ahead has passed".to_owned()))
}
