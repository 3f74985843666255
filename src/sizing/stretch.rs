//! Owns the choice of the part of a demand that is simulated: its busiest window and the requests around it.

use crate::units::Offset;

/// The range of `instants` (ascending) that is simulated: all of them if there are at most `most`. Otherwise `most`
/// instants: the busiest `window_s` seconds, with about as many instants before it as after it.
#[must_use]
pub(crate) fn busiest(instants: &[Offset], window_s: f64, most: usize) -> std::ops::Range<usize> {
    if instants.len() <= most {
        return 0..instants.len();
    }
    let (mut end, mut found) = (0, 0..0);
    for (start, at) in instants.iter().enumerate() {
        while instants.get(end).is_some_and(|later| later.secs_since(*at) < window_s) {
            end += 1;
        }
        if end - start > found.len() {
            found = start..end;
        }
    }
    let around = most.saturating_sub(found.len()) / 2;
    let from = found.start.saturating_sub(around).min(instants.len() - most);
    from..from + most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_window_is_in_the_middle_and_a_short_demand_is_whole() {
        // One a second, and ten in second 500.
        let mut instants: Vec<Offset> = (0..1_000).map(|second| Offset::from_secs(f64::from(second))).collect();
        instants.extend((1..10).map(|tenth| Offset::from_secs(500.0 + f64::from(tenth) / 10.0)));
        instants.sort_unstable();
        assert_eq!(busiest(&instants, 1.0, 2_000), 0..1_009);
        let found = busiest(&instants, 1.0, 50);
        assert_eq!((found.len(), found.start), (50, 480));
        assert_eq!(busiest(&instants, 1.0, 5), 500..505, "a busiest window with more instants is cut");
    }
}
