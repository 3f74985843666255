//! Tonnage: an open-loop, rate-based traffic generator for LLM inference services.
//!
//! A *plan* is made, a *run* issues it without looking back, each request leaves exactly one *record*, and everything
//! anyone reads is a pure fold of records.

// Floors, lowest first; a module imports only from floors below its own (`tests/it/architecture.rs` holds this).
pub mod clock;
pub mod error;
pub mod seed;
pub mod stats;
pub mod units;

pub mod record;
pub mod trace;

pub mod schedule;

pub mod workload;

pub mod client;
pub mod metrics;

pub mod play;

pub mod figures;

pub mod engine;
pub mod sim;

pub mod calibrate;
pub mod search;
pub mod service;
pub mod sizing;

pub mod results;

pub mod report;

pub mod cli;
