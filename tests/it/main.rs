//! Owns the list of integration tests: one binary, one module a subject.

mod architecture;
mod known_truth;
mod open_loop;
mod plan;
mod pretend_server;
mod queues;
mod scripted;
