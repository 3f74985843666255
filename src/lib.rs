//! Tonnage: an open-loop, rate-based traffic generator for LLM inference services.
//!
//! A *plan* fixes all requests and instants. A *run* sends the plan without waiting for responses. Each request
//! leaves exactly one *record*. All results are a pure fold of records.
//!
//! # A load against a URL
//!
//! [`Run::builder`] sends a load and judges it, in ten lines; see the example there.
//!
//! # A search in virtual time
//!
//! A search sends its loads to anything that implements [`play::Play`]: a live session, or a simulated server in
//! virtual time.
//!
//! ```
//! use tonnage::metrics::Objectives;
//! use tonnage::search::maximum::{Aim, Conclusion, SearchCampaign};
//! use tonnage::search::{Blueprint, drive};
//! use tonnage::{seed::Seed, sim::VirtualPlayer, workload::Workload};
//!
//! let objectives = Objectives::parse(&["p90 e2e<=200ms"], None, None)?;
//! let aim = Aim::new(&objectives, 0.3)?; // ±30 %
//! let workload = Workload::new("8".parse()?, "1".parse()?);
//! let blueprint = Blueprint::of_search(workload, objectives, Seed::new(1));
//! let mut server = VirtualPlayer::new("mmc:servers=4,service=40ms".parse()?, Seed::new(1));
//! let mut search = SearchCampaign::new(aim);
//! let driving = drive(&mut server, &mut search, &blueprint, |_, _| Ok(()), || false);
//! let conclusion = tokio::runtime::Builder::new_current_thread().build()?.block_on(driving)?;
//! let Conclusion::Answered(answer) = conclusion else { panic!("{conclusion:?}") };
//! let bracket = answer.bracket.expect("found");
//! assert!(bracket.low < bracket.high && bracket.high < 130.0, "four servers of 25/s: {bracket:?}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A player of your own
//!
//! Any type that can play a [`play::Segment`] can be swept and searched. This example is a simulated server that
//! counts its loads.
//!
//! ```
//! use std::time::Duration;
//! use tonnage::error::Error;
//! use tonnage::play::{Issued, Play, Segment, StopRule};
//! use tonnage::sim::VirtualPlayer;
//!
//! struct Counting {
//!     server: VirtualPlayer,
//!     loads: usize,
//! }
//!
//! impl Play for Counting {
//!     type Settling = <VirtualPlayer as Play>::Settling;
//!
//!     async fn play(&mut self, segment: Segment, stop: StopRule) -> Result<Issued<Self::Settling>, Error> {
//!         self.loads += 1;
//!         self.server.play(segment, stop).await
//!     }
//!
//!     async fn rest(&mut self) {
//!         self.server.rest().await;
//!     }
//!
//!     fn follow_at_most(&mut self, drain: Duration) {
//!         self.server.follow_at_most(drain);
//!     }
//!
//!     fn elapsed_s(&self) -> f64 {
//!         self.server.elapsed_s()
//!     }
//! }
//! ```

pub use run::Run;

// Floors, lowest first; a module imports only from floors below its own (`tests/it/architecture.rs` checks this).
// Hidden from the documentation: modules that are public for the binary, the tests and the benches of this repository
// only. A user of the library does not call them, and they may change in any release.
pub mod clock;
pub mod error;
pub mod seed;
#[doc(hidden)]
pub mod stats;
pub mod units;

pub mod record;
pub mod telemetry;
pub mod trace;

pub mod schedule;

pub mod workload;

#[doc(hidden)]
pub mod client;
pub mod metrics;

pub mod play;

pub mod figures;
mod foreign;

#[doc(hidden)]
pub mod engine;
pub mod sim;

#[doc(hidden)]
pub mod calibrate;
#[doc(hidden)]
pub mod meeting;
mod scrape;
pub mod search;
pub mod service;
#[doc(hidden)]
pub mod sizing;

pub mod results;

pub mod report;

pub mod run;

pub mod cli;
