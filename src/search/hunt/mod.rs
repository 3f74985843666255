//! Owns the playing of a search: every order of the step turned into loads on one session, live or in virtual time,
//! and what they show turned into the evidence of the next step.

mod aim;
mod certify;
mod facts;
mod figures;
mod findings;
mod first;
mod journal;
mod load;
mod outcome;
mod watch;

pub use aim::{Aim, Asked, Wanted};
pub use figures::Figures;
pub use findings::{Load, SearchFindings, Shortfall};
pub use journal::{Certificate, Event, Journal, Kept, Purpose};
pub use outcome::Outcome;

use std::pin::{Pin, pin};

use crate::error::Error;
use crate::play::{Issued, Play};
use crate::search::follow::{alongside, glance};
use crate::search::hunt::load::{Hunt, MOST_SPOILT, Probing};
use crate::search::step::{Answer, End, Step, step};
use crate::search::{Blueprint, Level};

/// How a search ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Conclusion {
    /// With an answer.
    Answered(Box<Answer>),
    /// The user ended it.
    Halted,
    /// The service stopped answering.
    Lost,
    /// The generator could not do what was planned, again and again.
    Spoilt,
}

/// Plays what is left of a search after `journal`, and adds to it. `told` hears of each load as it begins and as it
/// ends; `goes_on` is asked before each. State is carried from load to load; requests that are still followed do not
/// keep the next load waiting, but after an overload the backlog does.
pub async fn hunt<P: Play>(
    player: &mut P,
    aim: &Aim,
    blueprint: &Blueprint,
    journal: &mut Journal,
    told: impl FnMut(&Journal, Event) -> Result<(), Error>,
    goes_on: impl Fn() -> bool,
) -> Result<Conclusion, Error> {
    let mut began_s = player.elapsed_s() - journal.history.spent().seconds;
    let mut hunt =
        Hunt { aim, blueprint, journal, told, lost: false, cut_short: false, rest: false, saturated_again: false };
    let mut followed: Option<(Probing, Pin<Box<P::Settling>>)> = None;
    loop {
        hunt.account(player.elapsed_s() - began_s, followed.as_ref().map(|(probing, _)| probing));
        player.follow_at_most(hunt.patience());
        let known = hunt.known(followed.as_ref().map(|(probing, _)| probing));
        let next = if hunt.has_ended() || !goes_on() {
            None
        } else {
            known.map(|history| step(&hunt.journal.question(aim), &history))
        };
        let waits = hunt.rest || !matches!(&next, Some(Step::Probe(_)));
        match (next, followed.take()) {
            // Whatever comes next, it needs to be known for certain what this has shown.
            (_, Some((probing, settling))) if waits => hunt.keep(&probing, &settling.await?)?,
            (Some(Step::Probe(order)), before) => {
                if std::mem::take(&mut hunt.rest) {
                    player.rest().await;
                    if !goes_on() {
                        continue;
                    }
                }
                hunt.journal.certificate = None;
                hunt.saturated_again = false;
                if let Some(saturation) = &mut hunt.journal.history.saturation {
                    saturation.again_per_s = None;
                }
                let (probing, segment, rule) =
                    hunt.probing(Purpose::Probe, order, before.as_ref().map(|(before, _)| before))?;
                let playing = pin!(player.play(segment, rule));
                let issued = alongside(playing, before, |before, trial| hunt.keep(&before, &trial)).await?;
                let Issued { counts, watched, settling } = issued;
                let mut settling = Box::pin(settling);
                let probing = probing.issued(aim, &counts, watched.as_ref());
                hunt.rest = !matches!(probing.order.level, Level::RatePerS(_))
                    || probing.seen.as_ref().is_some_and(|seen| seen.probe.end == End::Overloaded);
                match glance(settling.as_mut()).await {
                    Some(trial) => hunt.keep(&probing, &trial?)?,
                    None => followed = Some((probing, settling)),
                }
            }
            (Some(Step::Floor { requests }), _) => first::floor(&mut hunt, player, requests).await?,
            (Some(Step::Saturate { completions, most_per_s }), _) => {
                first::saturate(&mut hunt, player, completions, most_per_s).await?;
                hunt.rest = true;
            }
            (Some(Step::Done(answer)), _) if hunt.saturates_again(&answer) => {
                first::saturate_again(&mut hunt, player, &goes_on).await?;
            }
            (Some(Step::Done(answer)), _) => match hunt.certificate_of(&answer) {
                Some(order) => {
                    let before_s = player.elapsed_s();
                    certify::certify(&mut hunt, player, order, &goes_on).await?;
                    // As its requests, its time is none of the search's.
                    began_s += player.elapsed_s() - before_s;
                }
                None => return Ok(Conclusion::Answered(answer)),
            },
            (None, _) if hunt.lost => return Ok(Conclusion::Lost),
            (None, _) if hunt.journal.spoilt >= MOST_SPOILT => return Ok(Conclusion::Spoilt),
            (None, _) => return Ok(Conclusion::Halted),
        }
    }
}
