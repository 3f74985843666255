//! Owns the process: parse, call, exit code.

fn main() -> std::process::ExitCode {
    tonnage::cli::main()
}
