//! Owns `Clusters`: by how much misses come together, from the order in which requests were scheduled.

use serde::{Deserialize, Serialize};

use crate::stats::dispersion::{Batch, dispersion};

/// One request, in order of its scheduled instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Whether it missed the objective.
    pub missed: bool,
    /// Requests in flight when it came.
    pub in_flight: u32,
}

/// What the misses of a probe say about φ, the variance of their number over that of independent requests.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Clusters {
    /// φ, at least 1: the larger of the estimate by episodes and that by batch means.
    pub phi: f64,
    /// Episodes of misses.
    pub episodes: u64,
    /// Σ S, Σ S², Σ S³ and Σ S⁴ over the episodes of S misses; 0 in results that did not keep them.
    #[serde(default)]
    pub powers: [f64; 4],
}

/// Episodes of one kind of event, as the sums of powers of their sizes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Episodes {
    /// How many.
    pub count: u64,
    /// Σ S, Σ S², Σ S³ and Σ S⁴ over episodes of S events.
    pub powers: [f64; 4],
}

impl Episodes {
    fn of(sizes: &[u64]) -> Self {
        let sum = |power: i32| sizes.iter().map(|size| libm::pow(*size as f64, f64::from(power))).sum::<f64>();
        Self { count: sizes.len() as u64, powers: [1, 2, 3, 4].map(sum) }
    }
}

/// Batches for the means.
const BATCHES: usize = 20;
/// The share of arrivals that find a service crowded.
const CROWDED: f64 = 0.1;
/// Episodes that the prior of φ is worth.
const PRIOR_EPISODES: f64 = 4.0;

/// An estimate of φ from so many `episodes`, shrunk towards `prior` the more the fewer there are.
pub(super) fn shrunk(estimate: f64, episodes: f64, prior: f64) -> f64 {
    (estimate * episodes + PRIOR_EPISODES * prior) / (episodes + PRIOR_EPISODES)
}

/// How misses cluster; `None` without any.
///
/// An episode lasts until a request that meets the objective finds fewer in flight than a quarter of the arrivals do;
/// with S misses in each, φ = Σ S² / Σ S: the variance of a compound Poisson sum over its mean. Batch means over 20
/// contiguous batches, merged pairwise, see dependence that outlasts an episode.
#[must_use]
pub fn clusters(seen: &[Seen]) -> Option<Clusters> {
    let calm = calm(seen);
    // Where the backlog never goes, a request below the usual number in flight has still waited too long.
    by(seen, |request| request.in_flight < calm && !request.missed)
}

/// The same of a closed loop with so many in flight, whose number never falls: an episode lasts until as many
/// requests in a row have met the objective, a whole round, with none of whom those after it have waited.
#[must_use]
pub fn clusters_in_rounds(seen: &[Seen], in_flight: u32) -> Option<Clusters> {
    let mut met = 0;
    by(seen, |request| {
        let is_over = met >= in_flight;
        met = if request.missed { 0 } else { met + 1 };
        is_over
    })
}

/// How crowding clusters: arrivals that find more in flight than about nine of ten do. Over a queue whose tail decays
/// evenly its episodes are as long as those of rarer misses, and ten times as many. `None` where no number in flight
/// parts a tenth from the rest.
#[must_use]
pub fn crowding(seen: &[Seen]) -> Option<Episodes> {
    let mut levels: Vec<u32> = seen.iter().map(|request| request.in_flight).collect();
    levels.sort_unstable();
    let wanted = libm::round(CROWDED * levels.len() as f64) as usize;
    let level = *levels.get(levels.len().checked_sub(wanted.max(1))?)?;
    // Arrivals that find at least `level`, or more than it: whichever are closer to a tenth.
    let from = |level: u32| levels.len() - levels.partition_point(|one| *one < level);
    let level = if from(level).abs_diff(wanted) <= from(level + 1).abs_diff(wanted) { level } else { level + 1 };
    let is_tenth = (wanted / 3..=2 * wanted).contains(&from(level)) && from(level) > 0;
    let calm = calm(seen);
    is_tenth
        .then(|| Episodes::of(&sizes(seen, |request| request.in_flight < calm, |request| request.in_flight >= level)))
}

/// How long requests take that find the service calm: hardly anybody is in front of them, so that their times are
/// about those of the service itself.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Calm {
    /// Requests.
    pub count: u64,
    /// Sum of the numbers that they find in flight.
    pub in_flight: u64,
    /// Sum of their times in the system, in seconds.
    pub sum_s: f64,
    /// Sum of the squares of their times.
    pub squares: f64,
    /// The longest.
    pub longest_s: f64,
}

impl Calm {
    /// Of requests, each with its time in the system; those that find fewer in flight than a quarter of the arrivals
    /// do. Requests that missed for all that are misses that load does not cause, and known as such.
    #[must_use]
    pub fn of(seen: &[Seen], times_s: impl IntoIterator<Item = f64>) -> Self {
        let calm = calm(seen);
        let inside = seen.iter().zip(times_s).filter(|(seen, _)| seen.in_flight < calm && !seen.missed);
        inside.fold(Self::default(), |sum, (seen, time_s)| Self {
            count: sum.count + 1,
            in_flight: sum.in_flight + u64::from(seen.in_flight),
            sum_s: sum.sum_s + time_s,
            squares: sum.squares + time_s * time_s,
            longest_s: sum.longest_s.max(time_s),
        })
    }

    /// By how many times the mean the longest exceeds what is usual for an exponential law, where `all` were taken in
    /// all.
    pub(super) fn excess(&self, all: u64) -> f64 {
        if self.count < 2 {
            f64::NEG_INFINITY
        } else {
            self.longest_s * self.count as f64 / self.sum_s - libm::log(all as f64)
        }
    }
}

/// The number in flight that fewer than a quarter of the arrivals do not find; at least 1.
fn calm(seen: &[Seen]) -> u32 {
    let mut levels: Vec<u32> = seen.iter().map(|request| request.in_flight).collect();
    let place = levels.len() / 4;
    if levels.is_empty() { 1 } else { (*levels.select_nth_unstable(place).1).max(1) }
}

/// Events in each episode that has some; an episode is over before a request of which `is_over` holds.
fn sizes(seen: &[Seen], mut is_over: impl FnMut(&Seen) -> bool, is_event: impl Fn(&Seen) -> bool) -> Vec<u64> {
    let (mut sizes, mut open) = (Vec::new(), 0u64);
    for request in seen {
        if is_over(request) {
            sizes.extend((open > 0).then_some(open));
            open = 0;
        }
        open += u64::from(is_event(request));
    }
    sizes.extend((open > 0).then_some(open));
    sizes
}

/// How misses cluster in episodes that are over before a request of which `is_over` holds.
fn by(seen: &[Seen], is_over: impl FnMut(&Seen) -> bool) -> Option<Clusters> {
    let Episodes { count, powers } = Episodes::of(&sizes(seen, is_over, |request| request.missed));
    if count == 0 {
        return None;
    }
    let batch = |batch: &[Seen]| Batch {
        hits: batch.iter().filter(|request| request.missed).count() as u64,
        trials: batch.len() as u64,
    };
    let batches: Vec<Batch> = seen.chunks(seen.len().div_ceil(BATCHES)).map(batch).collect();
    let by_batches = dispersion(&batches).map_or(1.0, |found| found.plain);
    Some(Clusters { phi: (powers[1] / powers[0]).max(by_batches).max(1.0), episodes: count, powers })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> Vec<Seen> {
        // Each letter a request: `.` comes to an empty service, `o` to a busy one, `x` to a busy one and misses.
        text.chars()
            .map(|letter| Seen { missed: letter == 'x', in_flight: if letter == '.' { 0 } else { 5 } })
            .collect()
    }

    #[test]
    fn an_episode_ends_when_the_service_has_caught_up() {
        for (text, phi, episodes) in [("..oxoxo..oxo...", 5.0 / 3.0, 2), (".x.x.x.x", 1.0, 4), (".oxxxxo..", 4.0, 1)] {
            let found = clusters(&seen(text)).unwrap();
            assert!((found.phi - phi).abs() < 1e-12 && found.episodes == episodes, "{text}: {found:?}");
        }
        assert_eq!(clusters(&seen("..ooo..")), None);
        assert_eq!(clusters(&[]), None);
    }

    #[test]
    fn an_episode_of_a_closed_loop_ends_after_a_round_of_requests_that_met_the_objective() {
        for (text, phi, episodes) in [("ooxoxoooxo", 5.0 / 3.0, 2), ("xoxooxo", 3.0, 1), ("xxxoooooxo", 10.0 / 4.0, 2)]
        {
            let found = clusters_in_rounds(&seen(text), 3).unwrap();
            assert!((found.phi - phi).abs() < 1e-12 && found.episodes == episodes, "{text}: {found:?}");
        }
    }

    #[test]
    fn a_service_that_never_catches_up_has_one_episode() {
        let all: Vec<Seen> = (0..200).map(|place| Seen { missed: place >= 100, in_flight: 10 + place }).collect();
        let found = clusters(&all).unwrap();
        assert_eq!(found.episodes, 1);
        assert!((found.phi - 100.0).abs() < 1e-9, "{found:?}");
    }
}
