//! Owns `Station`: any kind of simulated server, known on arrival, working step by step, or brought by the caller.

use crate::seed::Seed;
use crate::sim::Profile;
use crate::sim::engine::Engine;
use crate::sim::model::Model;
use crate::sim::profile::Skin;
use crate::sim::service::Brought;

/// A simulated server at work.
#[derive(Debug)]
pub(super) enum Station {
    /// Says on arrival when each token will come.
    Simple(Model),
    /// Goes from step to step; when a token comes depends on who comes after.
    Engine(Box<Engine>),
    /// Does what a [`Service`](crate::sim::Service) of the caller does.
    Brought(Brought),
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
