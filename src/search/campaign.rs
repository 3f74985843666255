//! Owns `Campaign`, which decides the next load and learns from each load. A sweep and a search are campaigns; both
//! are run, shown and resumed in the same way.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::figures::TrialView;
use crate::play::{LiveCounts, StopRule, Trial, Watched};
use crate::search::Point;
use crate::workload::Plan;

/// Decides which loads are run, one after the other. All state of a campaign that is needed to resume it is in what
/// it has learnt: a campaign is rebuilt from that, and continues.
pub trait Campaign {
    /// The purpose of a load.
    type Purpose: Copy;
    /// How the campaign ends.
    type End;

    /// The longest time for which the requests of a load are followed after the load has ended.
    fn patience(&self) -> Duration {
        Duration::MAX
    }

    /// The next action, `elapsed_s` seconds after the player began. If `is_halted`, the user has asked that nothing
    /// more is sent. The driver may ask again before it does anything.
    fn next(&mut self, elapsed_s: f64, is_halted: bool) -> Result<Next<Self::Purpose, Self::End>, Error>;

    /// The load that was requested last begins. Returns its number, from 0: the load draws from the random streams
    /// of that number.
    fn begin(&mut self) -> usize;

    /// The last request of load number `place` has been issued; its trial is not final yet.
    fn issued(&mut self, place: usize, counts: LiveCounts, watched: Option<&Watched>);

    /// Learns from the trial of load number `place`, and returns whether it is kept.
    fn learn(&mut self, place: usize, trial: &Trial, view: &TrialView) -> Kept;
}

/// The next action of a campaign.
#[derive(Debug)]
pub enum Next<P, E> {
    /// Runs a load.
    Play(Box<NextLoad<P>>),
    /// Waits until the load that is still followed is final.
    Wait,
    /// Ends. The load that is still followed must be final first, and the campaign is asked once more then.
    Finish(E),
}

/// A load to run.
#[derive(Debug)]
pub struct NextLoad<P> {
    /// The purpose of the load.
    pub purpose: P,
    /// The level of the load, and how much of it is discarded.
    pub point: Point,
    /// The lengths of the measured window and of the cool-down after it; `None`: the lengths of the blueprint.
    pub lengths: Option<[Duration; 2]>,
    /// The name of the load in the report.
    pub label: String,
    /// The rule that ends the load before its plan does.
    pub stop: StopRule,
    /// Whether the load begins only when no request is in flight any more.
    pub rests: bool,
    /// Whether the load runs alone: it begins when all loads before it are final, and no other load begins before
    /// it is final.
    pub is_alone: bool,
}

/// Whether a finished load is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// The load is evidence.
    Evidence,
    /// The generator did not follow the plan: the load is thrown away.
    Spoilt,
    /// The service stopped answering: the load is thrown away.
    Lost,
    /// The user ended the load: it is thrown away.
    CutShort,
}

/// An event of a running campaign.
#[derive(Debug)]
pub enum Event<P> {
    /// Load number `place` begins.
    Begins {
        /// The number of the load, from 0.
        place: usize,
        /// The purpose of the load.
        purpose: P,
    },
    /// Load number `place` is over, and the campaign has learnt from it.
    Ends {
        /// The number of the load, from 0.
        place: usize,
        /// The purpose of the load.
        purpose: P,
        /// Whether the load is kept.
        kept: Kept,
        /// The trial of the load.
        trial: Box<TrialView>,
        /// The plan of the load.
        plan: Arc<Plan>,
    },
}
