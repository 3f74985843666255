//! Owns `Recording`: the lengths and prefix blocks of a trace, row by row, where they come from, and the replay of both.

use serde::{Deserialize, Serialize};

use crate::schedule::{Overlay, Recorded, TimeScale, Timeline};
use crate::trace::{BlockList, BlockPool, Format, Selection};
use crate::units::{Offset, Window};
use crate::workload::Dropped;

/// Where recorded requests come from and what was taken: rows = scheduled + all dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The file, as named.
    pub file: String,
    /// Its format.
    pub format: Format,
    /// Rows read.
    pub rows: u64,
    /// From the first row read to the last, in seconds of trace time.
    pub span_s: Offset,
    /// Rows planned as requests.
    pub scheduled: u64,
    /// Rows left out, by reason.
    pub dropped: Dropped,
    /// Rows with 0 input or output tokens, planned with 1.
    pub raised: u64,
    /// Rows sorted into their place.
    pub out_of_order: u64,
    /// How many times as fast as recorded.
    pub time_scale: f64,
    /// The span of trace time taken; none for all of it.
    pub window: Option<Window>,
    /// Overlays that bent its time, as typed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bent_by: Vec<String>,
}

/// The requests of a trace without their instants: twelve bytes a row, at least one row, block ids in one pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    rows: Box<[Request]>,
    blocks: BlockPool,
    provenance: Provenance,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Request {
    input_tokens: u32,
    output_tokens: u32,
    blocks: BlockList,
}

impl Recording {
    /// The same, saying that `overlays` bent its time.
    #[must_use]
    pub fn bent_by(mut self, overlays: &[Overlay]) -> Self {
        self.provenance.bent_by = overlays.iter().map(Overlay::to_string).collect();
        self
    }

    /// Where it comes from.
    #[must_use]
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// How many requests it has; at least one.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Input and output tokens of request `id`.
    #[must_use]
    pub(crate) fn tokens(&self, id: u64) -> (u32, u32) {
        let row = self.row(id);
        (row.input_tokens, row.output_tokens)
    }

    /// The prefix blocks of request `id`, the last of them partial.
    #[must_use]
    pub fn blocks(&self, id: u64) -> &[u64] {
        self.blocks.ids(self.row(id).blocks)
    }

    /// Whether any request has prefix blocks.
    #[must_use]
    pub(crate) fn has_blocks(&self) -> bool {
        (0..self.requests()).any(|id| !self.blocks(id).is_empty())
    }

    /// Row `id`, from the first again after the last.
    fn row(&self, id: u64) -> &Request {
        &self.rows[(id % self.requests()) as usize]
    }
}

/// The timeline and the requests of what was taken from the trace in `file`, `scale` times as fast; none where nothing was taken.
#[must_use]
pub fn replay(selection: Selection, scale: TimeScale, file: &str) -> Option<(Timeline, Recording)> {
    let Selection { trace, window, read, read_span, dropped, raised } = selection;
    let length = window.map(|window| window.end.since(window.start));
    let recorded = Recorded::new(trace.rows().iter().map(|row| row.at), length, scale)?;
    let provenance = Provenance {
        file: file.to_owned(),
        format: trace.format(),
        rows: read,
        span_s: read_span,
        scheduled: trace.rows().len() as u64,
        dropped: dropped.into_iter().map(|(reason, rows)| (reason.into(), rows)).collect(),
        raised,
        out_of_order: trace.out_of_order(),
        time_scale: scale.factor(),
        window,
        bent_by: Vec::new(),
    };
    let (rows, blocks) = trace.into_parts();
    let rows = rows
        .into_iter()
        .map(|row| Request { input_tokens: row.input_tokens, output_tokens: row.output_tokens, blocks: row.blocks })
        .collect();
    Some((Timeline::recorded(recorded), Recording { rows, blocks, provenance }))
}
