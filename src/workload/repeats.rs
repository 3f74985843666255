//! Owns `repeated_rows`: the number of requests of a plan that repeat a row of a data set.

use crate::schedule::Extent;
use crate::workload::{Load, Plan};

/// The number of texts of `plan` whose row was sent before; `None` without a data set, or if the number of requests is
/// not known. One pass over the plan.
#[must_use]
pub fn repeated_rows(plan: &Plan) -> Option<u64> {
    let listed = plan.workload().source.listed()?;
    let mut seen = vec![false; listed.data().len()];
    let mut repeated = 0;
    let mut take = |id: u64| {
        for place in plan.places_of(id) {
            if let Some(seen) = seen.get_mut(place) {
                repeated += u64::from(std::mem::replace(seen, true));
            }
        }
    };
    match plan.load() {
        Load::Open(_) => plan.arrivals().for_each(|arrival| take(arrival.index)),
        Load::Closed(closed) => match closed.extent {
            Extent::Requests(count) => (0..count).for_each(take),
            Extent::Duration(_) => return None,
        },
    }
    Some(repeated)
}
