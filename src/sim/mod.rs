//! Owns the simulated server: a batching engine and simple queues, in virtual time, without sockets, and over HTTP.

mod choices;
pub mod engine;
mod exposition;
mod fault;
mod fleet;
mod flight;
mod help;
mod latencies;
mod law;
mod live;
mod local;
mod model;
mod play;
mod released;
mod script;
mod server;
mod service;
mod service_profile;
mod station;
mod words;

pub use fault::InjectedFault;
pub use fleet::Routing;
pub(crate) use help::help_sim;
pub use law::Law;
pub use local::{LocalCall, LocalTarget, ModelClient};
pub use play::{Played, VirtualPlayer, run};
pub(crate) use server::Embedded;
pub use server::{Listener, Options, Served, Server, listen, listen_at};
pub use service::{Call, Collapse, Failing, Limiter, Pace, Paced, Reply, Servers, Service, Shared, Slow};
pub use service_profile::ServiceProfile;

/// The one model that the simulated server offers.
pub const MODEL_NAME: &str = "tonnage-sim";

/// Tokens of the response to a request that sets no output length.
pub const DEFAULT_OUTPUT_TOKENS: u32 = 64;
