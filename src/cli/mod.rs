//! Owns the command line: one file per verb.

/// Parses, runs, and says how it went.
#[must_use]
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
