//! Owns the shared parts of the benchmarks: the machine, statistics, the tool as a child process, raw-socket
//! controls, the printed sheet.
#![allow(dead_code, reason = "each bench is a program of its own and uses its part")]

pub(crate) mod candidates;
pub(crate) mod departures;
pub(crate) mod host;
pub(crate) mod instants;
pub(crate) mod pair;
pub(crate) mod raw;
pub(crate) mod sheet;
pub(crate) mod stats;
pub(crate) mod tool;
pub(crate) mod wire;

use std::time::Duration;

/// The command line of a benchmark: `cargo bench --bench NAME -- [--quick] [--long] [--repeats N] [SECTION…]`.
pub(crate) struct Asked {
    /// Few and short repeats, to check that everything runs.
    pub(crate) quick: bool,
    /// Whether to run the sections that take minutes too.
    pub(crate) long: bool,
    repeats: Option<usize>,
    sections: Vec<String>,
}

impl Asked {
    pub(crate) fn read() -> Self {
        let mut asked = Self {
            quick: std::env::var_os("TONNAGE_BENCH_QUICK").is_some(),
            long: false,
            repeats: None,
            sections: Vec::new(),
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" => asked.quick = true,
                "--long" => asked.long = true,
                "--repeats" => asked.repeats = words.next().and_then(|number| number.parse().ok()),
                // Added by Cargo.
                "--bench" => {}
                section => asked.sections.push(section.to_owned()),
            }
        }
        asked
    }

    /// Whether `section` runs: it is named, or no section is named.
    pub(crate) fn wants(&self, section: &str) -> bool {
        self.sections.is_empty() || self.sections.iter().any(|asked| asked == section)
    }

    /// Whether `section` is named.
    pub(crate) fn names(&self, section: &str) -> bool {
        self.sections.iter().any(|asked| asked == section)
    }

    /// Repeats of each measurement: as given, otherwise 2 with --quick, otherwise `usual`.
    pub(crate) fn repeats(&self, usual: usize) -> usize {
        self.repeats.unwrap_or(if self.quick { 2 } else { usual }).max(1)
    }

    /// `usual` seconds, or a third of it with --quick.
    pub(crate) fn span(&self, usual: f64) -> Duration {
        Duration::from_secs_f64(if self.quick { usual / 3.0 } else { usual })
    }
}

/// Ends the benchmark: the measured system is broken, so no figure of it is worth printing.
pub(crate) fn broken(why: &str) -> ! {
    println!("\nBROKEN: {why}");
    tool::end_children();
    std::process::exit(1);
}
