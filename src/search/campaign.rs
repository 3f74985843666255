//! Owns `Campaign`: which load is played next, and what it taught. A sweep and a search are campaigns; both are played,
//! shown and resumed in the same way.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::figures::TrialView;
use crate::play::{LiveCounts, StopRule, Trial, Watched};
use crate::search::Point;
use crate::workload::Plan;

/// Decides which loads are played, one after the other. All that a resumed campaign needs is in what it has learnt: a
/// campaign is rebuilt from that, and goes on.
pub trait Campaign {
    /// What a load is for.
    type Purpose: Copy;
    /// How the campaign ends.
    type End;

    /// How long the requests of a load are followed at most when the load is over.
    fn patience(&self) -> Duration {
        Duration::MAX
    }

    /// What comes next, `elapsed_s` seconds after the player began to play. When it `is_halted`, the user has asked
    /// that nothing more is sent. It may be asked again before anything is done.
    fn next(&mut self, elapsed_s: f64, is_halted: bool) -> Result<Next<Self::Purpose, Self::End>, Error>;

    /// The load that was asked for last begins. Gives its number, from 0: what the load draws comes from streams of
    /// that number.
    fn begin(&mut self) -> usize;

    /// The last request of load number `place` has been issued; its trial is to come.
    fn issued(&mut self, place: usize, counts: LiveCounts, watched: Option<&Watched>);

    /// Takes what load number `place` showed, and says what becomes of it.
    fn learn(&mut self, place: usize, trial: &Trial, view: &TrialView) -> Kept;
}

/// What a campaign does next.
#[derive(Debug)]
pub enum Next<P, E> {
    /// Plays a load.
    Play(Box<NextLoad<P>>),
    /// Waits until the load that is still followed is decided.
    Wait,
    /// Ends, once the load that is still followed is decided and this is asked again.
    Finish(E),
}

/// A load to play.
#[derive(Debug)]
pub struct NextLoad<P> {
    /// What it is for.
    pub purpose: P,
    /// What is sent, and how much of it is discarded.
    pub point: Point,
    /// The measured window, and the same load after it; none: those of the blueprint.
    pub lengths: Option<[Duration; 2]>,
    /// Its name in the report.
    pub label: String,
    /// What ends it before its plan does.
    pub stop: StopRule,
    /// Whether the service must come to rest before.
    pub rests: bool,
    /// Whether it is played by itself: it begins when all loads before it are decided, and nothing begins before it is
    /// decided.
    pub is_alone: bool,
}

/// What becomes of a load that was played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// It is evidence.
    Evidence,
    /// The generator did not do what was planned: thrown away.
    Spoilt,
    /// The service stopped answering: thrown away.
    Lost,
    /// The user ended it: thrown away.
    CutShort,
}

/// What is told while a campaign goes on.
#[derive(Debug)]
pub enum Event<P> {
    /// Load number `place` begins.
    Begins {
        /// Its number, from 0.
        place: usize,
        /// What it is for.
        purpose: P,
    },
    /// It is over, and the campaign has learnt from it.
    Ends {
        /// Its number, from 0.
        place: usize,
        /// What it was for.
        purpose: P,
        /// What becomes of it.
        kept: Kept,
        /// What it showed.
        trial: Box<TrialView>,
        /// What was played.
        plan: Arc<Plan>,
    },
}
