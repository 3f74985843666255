//! Owns `Clusters`: how strongly misses cluster, from the requests in the order in which they were scheduled.

use serde::{Deserialize, Serialize};

use crate::stats::dispersion::{Batch, dispersion};

/// One request, in the order of the scheduled instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Whether it missed the objective.
    pub missed: bool,
    /// Requests in flight at its scheduled instant.
    pub in_flight: u32,
}

/// What the misses of a probe show about φ: the variance of their number ÷ its variance for independent requests.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Clusters {
    /// φ, at least 1: the larger of the estimate from episodes and the estimate from batch means.
    pub phi: f64,
    /// Number of episodes of misses.
    pub episodes: u64,
    /// Σ S, Σ S², Σ S³ and Σ S⁴ over the episodes of S misses; 0 in results that did not store them.
    #[serde(default)]
    pub powers: [f64; 4],
}

/// Episodes of one kind of event, as the sums of powers of their sizes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Episodes {
    /// Number of episodes.
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

/// Number of batches for the batch means.
const BATCHES: usize = 20;
/// Share of arrivals that find the service crowded: the arrivals that find the most requests in flight.
const CROWDED: f64 = 0.1;
/// Weight of the prior of φ, in episodes.
const PRIOR_EPISODES: f64 = 4.0;

/// An estimate of φ from this number of `episodes`, shrunk towards `prior`; the fewer episodes, the more.
pub(super) fn shrunk(estimate: f64, episodes: f64, prior: f64) -> f64 {
    (estimate * episodes + PRIOR_EPISODES * prior) / (episodes + PRIOR_EPISODES)
}

/// How misses cluster; `None` without any.
///
/// An episode lasts until a request meets the objective and finds fewer requests in flight than the lower quartile
/// of all arrivals. With S misses in each episode, φ = Σ S² / Σ S: the variance of a compound Poisson sum over its
/// mean. Batch means over 20 contiguous batches, merged pairwise, show dependence that lasts longer than an
/// episode.
#[must_use]
pub fn clusters(seen: &[Seen]) -> Option<Clusters> {
    let calm = calm(seen);
    // The request must also meet the objective: if the backlog never disappears, a request that finds fewer
    // requests than usual has still waited too long.
    by(seen, |request| request.in_flight < calm && !request.missed)
}

/// How misses cluster in a closed loop, whose number in flight is always `in_flight`; `None` without any. An
/// episode lasts until `in_flight` requests in a row, a whole round, have met the objective. Later requests have
/// not waited for any request of the episode.
#[must_use]
pub fn clusters_in_rounds(seen: &[Seen], in_flight: u32) -> Option<Clusters> {
    let mut met = 0;
    by(seen, |request| {
        let is_over = met >= in_flight;
        met = if request.missed { 0 } else { met + 1 };
        is_over
    })
}

/// How crowding clusters: arrivals that find more requests in flight than about nine of ten arrivals do. In a queue
/// with an exponential tail, its episodes are as long as those of rarer misses, and ten times as frequent. `None`
/// if no number in flight separates about a tenth of the arrivals.
#[must_use]
pub fn crowding(seen: &[Seen]) -> Option<Episodes> {
    let mut levels: Vec<u32> = seen.iter().map(|request| request.in_flight).collect();
    levels.sort_unstable();
    let wanted = libm::round(CROWDED * levels.len() as f64) as usize;
    let level = *levels.get(levels.len().checked_sub(wanted.max(1))?)?;
    // Arrivals that find at least `level`, or more than `level`: the choice whose share is closer to a tenth.
    let from = |level: u32| levels.len() - levels.partition_point(|one| *one < level);
    let level = if from(level).abs_diff(wanted) <= from(level + 1).abs_diff(wanted) { level } else { level + 1 };
    let is_tenth = (wanted / 3..=2 * wanted).contains(&from(level)) && from(level) > 0;
    let calm = calm(seen);
    is_tenth
        .then(|| Episodes::of(&sizes(seen, |request| request.in_flight < calm, |request| request.in_flight >= level)))
}

/// Times in the system of requests that find the service calm. Hardly any request is in front of them, so their
/// times are close to the service times.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Calm {
    /// Number of requests.
    pub count: u64,
    /// Sum of the numbers in flight that they find.
    pub in_flight: u64,
    /// Sum of their times in the system, in seconds.
    pub sum_s: f64,
    /// Sum of the squares of their times, in seconds squared.
    pub squares: f64,
    /// The longest time, in seconds.
    pub longest_s: f64,
}

impl Calm {
    /// The sums over requests, each with its time in the system, that find fewer in flight than the lower quartile
    /// of all arrivals. Misses are left out: load does not cause them, and they are counted elsewhere.
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

    /// The excess of the longest time over the value usual for an exponential distribution, in multiples of the
    /// mean, if `all` times were taken in total.
    pub(super) fn excess(&self, all: u64) -> f64 {
        if self.count < 2 {
            f64::NEG_INFINITY
        } else {
            self.longest_s * self.count as f64 / self.sum_s - libm::log(all as f64)
        }
    }
}

/// The lower quartile of the numbers in flight that arrivals find; at least 1.
fn calm(seen: &[Seen]) -> u32 {
    let mut levels: Vec<u32> = seen.iter().map(|request| request.in_flight).collect();
    let place = levels.len() / 4;
    if levels.is_empty() { 1 } else { (*levels.select_nth_unstable(place).1).max(1) }
}

/// The number of events in each episode that has some. An episode is over before a request for which `is_over`
/// holds.
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

/// How misses cluster; an episode is over before a request for which `is_over` holds. `None` without misses.
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
        // Each letter is a request: `.` finds an empty service, `o` a busy one, and `x` a busy one and misses.
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
