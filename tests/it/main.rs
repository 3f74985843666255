//! Owns the list of integration tests: one binary, one module a subject.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "clippy's exemption for tests does not reach their helper functions")]

mod architecture;
mod client;
mod known_truth;
mod open_loop;
mod plan;
mod pretend_server;
mod queues;
mod scripted;
