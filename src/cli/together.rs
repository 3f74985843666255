//! Owns what a shard does at the meeting place around its load: it comes before the load, leaves its result after it,
//! and the first shard merges the results of all.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use crate::cli::deliver::deliver;
use crate::cli::exit::Exit;
use crate::cli::job::Job;
use crate::cli::live::ending;
use crate::cli::signals::Signals;
use crate::cli::terminal::{say, say_all};
use crate::error::Error;
use crate::meeting::{Announcement, Meeting, SharedClock};
use crate::report::worded;
use crate::results::{Folder, Lines, Missing, Replace, host_name, merge, tool};
use crate::units::{count, seconds};

/// Comes to the meeting place of `job`, waits for the other shards, and gives the job the start that all agree on.
/// Continues without a meeting where the job has none; breaks after a signal.
pub(super) async fn come(job: &mut Job, signals: &mut Signals) -> Result<ControlFlow<(), Option<Meeting>>, Error> {
    let (Some(meet), Some(shard)) = (job.meet.clone(), job.plan.shard()) else {
        return Ok(ControlFlow::Continue(None));
    };
    let tool = tool();
    let mine = Announcement {
        shard,
        host: host_name(),
        process: std::process::id(),
        version: tool.git.map_or(tool.version.clone(), |commit| format!("{} ({commit})", tool.version)),
        plan_fingerprint: job.plan.fingerprint(),
        clock: SharedClock::default(),
    };
    let meeting = Meeting::come(&meet.root, mine, meet.patience)?;
    if !job.json && !job.quiet {
        let root = meet.root.display();
        say(&format!("shard {shard} waits at {root} for the others, at most {}", seconds(meet.patience.as_secs_f64())));
    }
    tokio::select! {
        start = meeting.agree() => job.start_at = Some(start?),
        () = signals.next() => {
            meeting.go();
            say("interrupted before the start: nothing was sent");
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(Some(meeting)))
}

/// Leaves the result in `folder` at the meeting place. The first shard then waits for the results of all, merges them,
/// and shows and writes the merged result; its exit code is that of the merged result. `code` is the exit code of this
/// shard alone; another shard ends with 0 unless it could not send its part or write its result.
pub(super) async fn leave(
    job: &mut Job,
    meeting: &Meeting,
    folder: &Folder,
    own: Exit,
    quiet: bool,
) -> Result<ExitCode, Error> {
    meeting
        .leave(folder.path())
        .inspect_err(|_| say(&format!("the result of this shard stands in {}", folder.path().display())))?;
    let Some(shard) = job.plan.shard() else { return Ok(own.into()) };
    if shard.number() != 1 {
        if !quiet && !job.json {
            let root = job.meet.as_ref().map(|meet| meet.root.display().to_string()).unwrap_or_default();
            say(&format!("shard {shard} has left its result; `tonnage report {root}` merges those of all"));
        }
        let is_lost = matches!(own, Exit::TargetLost | Exit::Interrupted | Exit::Output);
        return Ok(if is_lost { own } else { Exit::Done }.into());
    }
    let patience = job.timeout.max(job.drain) + job.meet.as_ref().map_or(Duration::ZERO, |meet| meet.patience);
    let found = meeting.results(patience).await;
    if found.len() < shard.of() as usize {
        say(&format!(
            "error: {} of {} shards left their results within {}; `tonnage report {} --partial` shows what was sent",
            count(found.len() as u64),
            shard.of(),
            seconds(patience.as_secs_f64()),
            job.meet.as_ref().map(|meet| meet.root.display().to_string()).unwrap_or_default()
        ));
        return Ok(Exit::Inconclusive.into());
    }
    let said = Lines::default();
    let merged = merge(&found, Missing::Refused, &said);
    say_all(&said);
    let mut merged = merged?;
    worded(&mut merged);
    job.quiet = quiet;
    let into = Folder::claim(&meeting.merged(), Replace::Asked)?;
    job.spec.shard = None;
    deliver(job, &mut merged, &into, ending)
}
