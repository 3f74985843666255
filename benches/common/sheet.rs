//! Owns the printed sheet: Markdown tables, criteria with their verdicts, and the circumstances.

use crate::common::host::{Disturbance, machine};

/// Prints measurements as they come, and the criteria at the end.
pub(crate) struct Sheet {
    before: Disturbance,
    criteria: Vec<[String; 4]>,
}

impl Sheet {
    pub(crate) fn open(title: &str) -> Self {
        println!("# {title}\n\n{}\n", machine());
        Self { before: Disturbance::now(), criteria: Vec::new() }
    }

    /// Prints one table.
    pub(crate) fn table(&self, title: &str, head: &[&str], rows: &[Vec<String>]) {
        println!("\n## {title}\n\n| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()));
        for row in rows {
            println!("| {} |", row.join(" | "));
        }
        println!("\n({})\n", Disturbance::now().since(&self.before));
    }

    /// Notes a criterion: the measured value and the required value. It never ends the benchmark: the machine is
    /// noisy, so a reader decides.
    pub(crate) fn criterion(
        &mut self,
        what: impl Into<String>,
        seen: impl Into<String>,
        asked: impl Into<String>,
        holds: bool,
    ) {
        let verdict = if holds { "PASS" } else { "FAIL" };
        self.criteria.push([what.into(), seen.into(), asked.into(), verdict.to_owned()]);
    }

    /// Prints the criteria and the circumstances.
    pub(crate) fn close(self, repeats: &str) {
        let rows: Vec<Vec<String>> = self.criteria.iter().map(|row| row.to_vec()).collect();
        if !rows.is_empty() {
            self.table("Criteria", &["criterion", "seen", "asked", "verdict"], &rows);
        }
        println!("tonnage {}; {repeats}.", env!("CARGO_PKG_VERSION"));
    }
}

/// Prints one line of progress to standard error, outside the sheet.
pub(crate) fn progress(line: &str) {
    eprintln!("  {line}");
}
