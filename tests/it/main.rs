//! Owns the list of integration tests: one binary, one module per subject.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by stopping")]

mod architecture;
mod batching;
mod calibrate;
mod cli;
mod cli_files;
mod client;
mod console;
mod coverage;
mod endings;
mod fleet;
mod hostile;
mod keeping;
mod known_truth;
mod open_loop;
mod overlays;
mod plan;
mod pretend_server;
mod profiles;
mod profiles_cli;
mod queues;
mod replay;
mod replay_cli;
mod run_cli;
mod scripted;
mod search;
mod search_cli;
mod search_cut_off;
mod sent;
mod services;
mod sessions;
mod sessions_cli;
mod shards;
mod size_cli;
mod sizing;
mod sweep;
mod sweep_cli;
mod tokens;
mod trace;
mod trace_convert;
mod trace_formats;
mod trace_fuzz;
mod trace_memory;
mod trace_shapes;
mod verdict;
