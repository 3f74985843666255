//! Owns `Station`: any kind of simulated server: a simple model, a step-by-step engine, or a service of the caller's
//! own.

use crate::seed::Seed;
use crate::sim::ServiceProfile;
use crate::sim::engine::Engine;
use crate::sim::model::Model;
use crate::sim::service::Brought;
use crate::sim::service_profile::Skin;

/// A simulated server at work.
#[derive(Debug)]
pub(super) enum Station {
    /// Knows on arrival when each token will come.
    Simple(Model),
    /// Advances step by step; the instant of a token depends on later arrivals.
    Engine(Box<Engine>),
    /// A [`Service`](crate::sim::Service) of the caller's own.
    Brought(Brought),
}

impl Station {
    /// An idle server of `profile`. Its random numbers come from `seed`; an engine uses none.
    pub(super) fn new(profile: ServiceProfile, seed: Seed) -> Self {
        match profile.0 {
            Skin::Engine(setup) => Self::Engine(Box::new(Engine::new(setup))),
            Skin::Simple(simple) => Self::Simple(Model::new(simple, seed)),
        }
    }
}
