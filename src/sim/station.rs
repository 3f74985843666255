//! Owns `Station`: either kind of simulated server, the one whose answers are known on arrival and the one that works step by step.

use crate::seed::Seed;
use crate::sim::Profile;
use crate::sim::engine::Engine;
use crate::sim::model::Model;
use crate::sim::profile::Skin;

/// A simulated server at work.
#[derive(Debug)]
pub(super) enum Station {
    /// Says on arrival when each token will come.
    Simple(Model),
    /// Goes from step to step; when a token comes depends on who comes after.
    Engine(Box<Engine>),
}

impl Station {
    /// A server of `profile` at rest, its draws from `seed`; an engine draws nothing.
    pub(super) fn new(profile: Profile, seed: Seed) -> Self {
        match profile.0 {
            Skin::Engine(setup) => Self::Engine(Box::new(Engine::new(setup))),
            Skin::Simple(simple) => Self::Simple(Model::new(simple, seed)),
        }
    }
}
