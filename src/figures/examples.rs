//! Owns the example trial for the tests of this folder.

use crate::metrics::examples::at;
use crate::metrics::{Concurrency, Ended, LoadFacts, Summary};
use crate::play::Trial;

pub(super) fn trial(summary: Summary) -> Trial {
    let integral_s = summary.flow().total_flight_ns as f64 / 1e9;
    Trial {
        body_fingerprint: None,
        label: "test".to_owned(),
        load: LoadFacts::default(),
        drain_end: at(100.0),
        ended: Ended::Complete,
        not_due: 0,
        due: None,
        concurrency: Some(Concurrency { peak: 9, integral_s }),
        sequence: None,
        summary,
    }
}
