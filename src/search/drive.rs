//! Owns the driver of a campaign: one session for all loads. The next load is issued while the cohort of the last
//! one is still followed.

use std::pin::{Pin, pin};
use std::sync::Arc;

use crate::error::Error;
use crate::play::{Issued, Play, Trial};
use crate::search::Blueprint;
use crate::search::campaign::{Campaign, Event, Next};
use crate::search::follow::{alongside, glance};
use crate::workload::Plan;

/// Runs the rest of `campaign` on `player`, live or in virtual time, and returns how the campaign ends. `told`
/// receives each load when it begins and as soon as it is final. `is_halted` is asked before each load.
///
/// State is carried from load to load. Requests that are still followed do not delay the next load, unless the
/// campaign first needs their result.
pub async fn drive<P: Play, C: Campaign>(
    player: &mut P,
    campaign: &mut C,
    blueprint: &Blueprint,
    mut told: impl FnMut(&C, Event<C::Purpose>) -> Result<(), Error>,
    is_halted: impl Fn() -> bool,
) -> Result<C::End, Error> {
    let mut followed: Option<Followed<C::Purpose, P::Settling>> = None;
    loop {
        let next = campaign.next(player.elapsed_s(), is_halted())?;
        player.follow_at_most(campaign.patience());
        let (load, before) = match (next, followed.take()) {
            (Next::Play(load), None) => (load, None),
            (Next::Play(load), Some(before)) if !load.rests && !load.is_alone => (load, Some(before)),
            // The next action needs the final result of this load.
            (_, Some((playing, settling))) => {
                learn(campaign, &mut told, playing, &settling.await?)?;
                continue;
            }
            (Next::Finish(end), None) => return Ok(end),
            (Next::Wait, None) => {
                return Err(Error::Internal("a campaign waits for a load, and none is followed".to_owned()));
            }
        };
        if load.rests {
            player.rest().await;
            // Resting takes time, in which the user may have asked to stop.
            if is_halted() {
                continue;
            }
        }
        let place = campaign.begin();
        let segment = blueprint.segment(place, &load)?;
        told(campaign, Event::Begins { place, purpose: load.purpose })?;
        let playing = Playing { place, purpose: load.purpose, plan: Arc::clone(&segment.plan) };
        let issuing = pin!(player.play(segment, load.stop));
        let issued = alongside(issuing, before, |before, trial| learn(campaign, &mut told, before, &trial)).await?;
        let Issued { counts, watched, settling } = issued;
        campaign.issued(place, counts, watched.as_ref());
        let mut settling = Box::pin(settling);
        // In virtual time the load is final at once, and the next decision can use it.
        let trial =
            if load.is_alone { Some(settling.as_mut().await?) } else { glance(settling.as_mut()).await.transpose()? };
        match trial {
            Some(trial) => learn(campaign, &mut told, playing, &trial)?,
            None => followed = Some((playing, settling)),
        }
    }
}

/// A load whose requests are still followed, and its future trial.
type Followed<P, S> = (Playing<P>, Pin<Box<S>>);

/// A load that has begun and is not final.
struct Playing<P> {
    place: usize,
    purpose: P,
    plan: Arc<Plan>,
}

/// Passes a final trial to the campaign, and reports it to `told`.
fn learn<C: Campaign>(
    campaign: &mut C,
    told: &mut impl FnMut(&C, Event<C::Purpose>) -> Result<(), Error>,
    Playing { place, purpose, plan }: Playing<C::Purpose>,
    trial: &Trial,
) -> Result<(), Error> {
    let view = trial.view();
    let kept = campaign.learn(place, trial, &view);
    told(campaign, Event::Ends { place, purpose, kept, trial: Box::new(view), plan })
}
