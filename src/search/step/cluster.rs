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
}

/// Batches for the means.
const BATCHES: usize = 20;
/// Episodes that the prior of φ is worth.
const PRIOR_EPISODES: f64 = 4.0;

/// An estimate of φ from so many `episodes`, shrunk towards `prior` the more the fewer there are.
pub(super) fn shrunk(estimate: f64, episodes: f64, prior: f64) -> f64 {
    (estimate * episodes + PRIOR_EPISODES * prior) / (episodes + PRIOR_EPISODES)
}

/// How misses cluster; `None` without any.
///
/// An episode lasts until fewer requests are in flight than in a quarter of the arrivals; with S misses in each, φ = Σ S² / Σ S (a compound
/// Poisson law: `open_loop_science.md` B.3). Batch means over 20 contiguous batches, merged pairwise, see dependence that outlasts an episode.
#[must_use]
pub fn clusters(seen: &[Seen]) -> Option<Clusters> {
    let mut levels: Vec<u32> = seen.iter().map(|request| request.in_flight).collect();
    let place = levels.len() / 4;
    let calm = if levels.is_empty() { 0 } else { *levels.select_nth_unstable(place).1 };
    by(seen, |request| request.in_flight < calm.max(1))
}

/// The same of a closed loop with so many in flight, whose number never falls: an episode lasts until as many requests in a row have met the objective, a
/// whole round, with none of whom those after it have waited.
#[must_use]
pub fn clusters_in_rounds(seen: &[Seen], in_flight: u32) -> Option<Clusters> {
    let mut met = 0;
    by(seen, |request| {
        let is_over = met >= in_flight;
        met = if request.missed { 0 } else { met + 1 };
        is_over
    })
}

/// The same of episodes that are over before a request of which `is_over` holds.
fn by(seen: &[Seen], mut is_over: impl FnMut(&Seen) -> bool) -> Option<Clusters> {
    let (mut sizes, mut open) = (Vec::new(), 0u64);
    for request in seen {
        if is_over(request) {
            sizes.extend((open > 0).then_some(open));
            open = 0;
        }
        open += u64::from(request.missed);
    }
    sizes.extend((open > 0).then_some(open));
    let misses: u64 = sizes.iter().sum();
    if misses == 0 {
        return None;
    }
    let by_episodes = sizes.iter().map(|size| (size * size) as f64).sum::<f64>() / misses as f64;
    let batch = |batch: &[Seen]| Batch { hits: batch.iter().filter(|request| request.missed).count() as u64, trials: batch.len() as u64 };
    let batches: Vec<Batch> = seen.chunks(seen.len().div_ceil(BATCHES)).map(batch).collect();
    let by_batches = dispersion(&batches).map_or(1.0, |found| found.plain);
    Some(Clusters { phi: by_episodes.max(by_batches).max(1.0), episodes: sizes.len() as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> Vec<Seen> {
        // Each letter a request: `.` comes to an empty service, `o` to a busy one, `x` to a busy one and misses.
        text.chars().map(|letter| Seen { missed: letter == 'x', in_flight: if letter == '.' { 0 } else { 5 } }).collect()
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
        for (text, phi, episodes) in [("ooxoxoooxo", 5.0 / 3.0, 2), ("xoxooxo", 3.0, 1), ("xxxoooooxo", 10.0 / 4.0, 2)] {
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
