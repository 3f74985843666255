//! Owns `State`, all that the live view shows: a pure fold of [`News`].

use std::collections::VecDeque;

use crate::cli::view::curve::Curve;
use crate::cli::view::load_state::LoadState;
use crate::cli::view::news::News;

/// Messages that are kept for the page. All are printed when the view has ended.
const MOST_SAID: usize = 16;

/// What does not change while the view is up.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Head {
    /// `run`, `sweep`, …
    pub(in crate::cli) verb: String,
    /// The addresses of the service, and the model.
    pub(in crate::cli) target: String,
    /// Whether the service is simulated.
    pub(in crate::cli) is_simulated: bool,
}

/// All that the view shows.
#[derive(Debug)]
pub(super) struct State {
    pub(super) head: Head,
    /// The load that began last; `None` before the first.
    pub(super) load: Option<LoadState>,
    /// What a sweep or a search has found so far.
    pub(super) curve: Option<Curve>,
    /// The last messages, the newest last.
    pub(super) said: VecDeque<String>,
    /// Events that came faster than the view took them in, and are missing in its percentiles.
    pub(super) missed: u64,
    /// Whether the user has asked to stop.
    pub(super) is_stopping: bool,
}

impl State {
    pub(super) fn new(head: Head) -> Self {
        Self { head, load: None, curve: None, said: VecDeque::new(), missed: 0, is_stopping: false }
    }

    /// Takes in one event. Events of a load before its beginning do not occur.
    pub(super) fn fold(&mut self, news: News) {
        match (news, &mut self.load) {
            (News::Begins(begin, _), _) => self.load = Some(LoadState::new(*begin)),
            (News::Settled(seen), Some(load)) => load.settled(*seen),
            (News::Turned(course, now), Some(load)) => load.turned(course, now),
            (News::Beat(beat), Some(load)) => load.beats(*beat),
            (News::Settled(_) | News::Turned(..) | News::Beat(_), None) => {}
            (News::Learnt(curve), _) => self.curve = Some(*curve),
            (News::Said(line), _) => {
                self.said.push_back(line);
                if self.said.len() > MOST_SAID {
                    self.said.pop_front();
                }
            }
            (News::Stopping, _) => self.is_stopping = true,
        }
    }
}
