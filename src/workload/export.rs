//! Owns the plan as a CSV file (`plan --export`).

use std::io::{self, BufWriter, Write};

use crate::workload::Plan;

/// The header of an exported plan.
pub(crate) const EXPORT_HEADER: &str = "id,scheduled_ns,input_tokens,output_tokens,class,session";

/// Writes one row for each planned request of an open load (of its shard, if it has one), warm-up included, quota
/// applied. Instants are in nanoseconds from the origin; `session` is empty if there is none. A closed loop has no
/// rows.
pub fn export(plan: &Plan, sink: impl Write) -> io::Result<()> {
    let mut sink = BufWriter::new(sink);
    writeln!(sink, "{EXPORT_HEADER}")?;
    for arrival in plan.share() {
        let outline = plan.outline(arrival.index);
        write!(
            sink,
            "{},{},{},{},{},",
            outline.id,
            arrival.at.as_nanos(),
            outline.input_tokens,
            outline.output_tokens,
            outline.class
        )?;
        match outline.session {
            Some(session) => writeln!(sink, "{session}")?,
            None => writeln!(sink)?,
        }
    }
    sink.flush()
}
