//! Owns `Segment`: one stretch of load to run.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::metrics::{Frame, Objectives};
use crate::workload::Plan;

/// One stretch of load to run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Segment {
    /// Its name in the report.
    pub label: String,
    /// The plan to run.
    pub plan: Arc<Plan>,
    /// The objectives for the service.
    pub objectives: Arc<Objectives>,
    /// Whether responses are streamed.
    pub streamed: bool,
}

impl Segment {
    /// The frame of this segment's summary: the plan's window, and the end of its cool-down.
    #[must_use]
    pub fn frame(&self) -> Frame {
        let spans = self.plan.spans();
        Frame { window: spans.window, load_end: spans.cooldown.end.max(spans.window.end), streamed: self.streamed }
    }
}
