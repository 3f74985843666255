//! Owns `Steadiness`: whether the number in flight moved so little that the rate lies below the capacity.

use serde::{Deserialize, Serialize};

use crate::figures::TrialView;
use crate::metrics::SamplePoint;
use crate::schedule::Process;
use crate::search::capacity::mean_e2e_s;
use crate::workload::TurnMoments;

/// The overload, as a share of the capacity, that a load of smooth arrivals would have shown. Poisson and burstier
/// arrivals show any overload.
pub const OVERLOAD: f64 = 0.05;
/// With fewer samples than this there is no result.
const LEAST_SAMPLES: usize = 5;
/// The number in flight counts as filled after this many mean times in the system.
const FILLING_TIMES: f64 = 2.0;
/// The 5 % quantile of the range of a reflected Brownian motion of unit variance over unit time, seen continuously:
/// P(max ≤ a) ≈ 4/π exp(−π²/(8a²)) = 0.05.
const SEEN_ALWAYS: f64 = 0.617;
/// One-sided 95 % point of the normal distribution.
const SURE: f64 = 1.645;
/// Safety factor on the range when a longer window is proposed: over a longer window the range is larger.
const LONGER: f64 = 1.2;
/// Arrivals after which an overload of [`OVERLOAD`] shows as a deficit: 2 ((1.96 + 1.645) (1 + δ) ÷ δ)².
const SHOWS_AFTER: f64 =
    2.0 * (1.96 + SURE) * (1.96 + SURE) * ((1.0 + OVERLOAD) / OVERLOAD) * ((1.0 + OVERLOAD) / OVERLOAD);

/// How far the number in flight moved, compared with how far it would have moved at a rate above the capacity.
///
/// Above the capacity every server is busy. The backlog is then a random walk reflected at zero with non-negative
/// drift. The arrivals alone give it a variance of at least CV² per request. Its range stays below `limit` once in
/// 20 such windows. Below the capacity the number in flight returns to its mean, and its range hardly grows with
/// the window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Steadiness {
    /// The highest minus the lowest sample of the mean number in flight.
    pub range: f64,
    /// The limit of the range: at a rate above the capacity, the range is below it once in 20 windows.
    pub limit: f64,
    /// Whether the range is below the limit: the rate is below the capacity.
    pub steady: bool,
    /// The approximate window in seconds that would decide; `None` if this window decides.
    pub tells_in_s: Option<f64>,
}

/// The steadiness of `trial` of an open load; `None` with fewer than five samples.
#[must_use]
pub fn steadiness(trial: &TrialView) -> Option<Steadiness> {
    let filled_s =
        mean_e2e_s(trial).map_or(f64::INFINITY, |mean_s| FILLING_TIMES * mean_s).min(trial.window.start.as_secs());
    let end_s = trial.window.end.as_secs();
    let inside = |sample: &&SamplePoint| sample.start_s >= filled_s && sample.start_s + sample.width_s <= end_s;
    let samples: Vec<&SamplePoint> = trial.samples.iter().filter(inside).collect();
    if samples.len() < LEAST_SAMPLES {
        return None;
    }
    let (low, high) = samples
        .iter()
        .fold((f64::INFINITY, 0.0_f64), |(low, high), sample| (low.min(sample.in_flight), high.max(sample.in_flight)));
    // The random walk of a load of sessions moves at least with the arrivals of the sessions.
    let turns = trial.load.sessions.unwrap_or(TurnMoments::SINGLE);
    let arrivals = samples.iter().map(|sample| sample.scheduled).sum::<u64>() as f64 / turns.turns_mean;
    let many = samples.len() as f64;
    let cv = trial.load.process.as_deref().and_then(least_cv).unwrap_or(0.0);
    let (by_chance, by_drift) = limits(cv, arrivals, many);
    let by_drift = by_drift * turns.turns_mean * turns.shown();
    let (range, limit) = (high - low, by_chance.max(by_drift));
    let steady = range < limit;
    let window_s = trial.window.length_s();
    let times = LONGER * range / limit;
    let wanted_s = window_s * if by_drift > by_chance { times } else { times * times };
    let shown = turns.shown() * turns.shown();
    let shows_s = SHOWS_AFTER * window_s / (trial.requests.planned.max(1)) as f64 / shown;
    let longer_s = if shows_s > window_s { wanted_s.min(shows_s) } else { wanted_s };
    let tells_in_s = (!steady && arrivals > 0.0).then(|| longer_s.max(1.25 * window_s));
    Some(Steadiness { range, limit, steady, tells_in_s })
}

/// The smallest coefficient of variation of the laws in `process`: one law, or `chat poisson + batch gamma:4`. `None`
/// if none can be read.
fn least_cv(process: &str) -> Option<f64> {
    let laws = process.split(" + ").filter_map(|text| text.rsplit(' ').next()?.parse::<Process>().ok());
    laws.map(Process::cv).reduce(f64::min)
}

/// Two limits of the range, which a rate above the capacity rarely stays below, over `samples` samples with
/// `arrivals` arrivals whose gaps have coefficient of variation `cv`. The first comes from the variance of the
/// arrivals and holds for any overload. The second is for arrivals smoother than Poisson arrivals, at an overload
/// of [`OVERLOAD`]; it is 0 otherwise. The second holds whatever the variance is: the backlog moves as far by its
/// drift or by chance.
fn limits(cv: f64, arrivals: f64, samples: f64) -> (f64, f64) {
    // Samples are means over their width, which hides part of the range. The correction was fitted to simulated
    // paths of 4 to 80 samples, within 2 %.
    let share = SEEN_ALWAYS - 1.0 / libm::sqrt(samples);
    let drift = OVERLOAD / (1.0 + OVERLOAD) * arrivals * (samples - 1.0) / samples;
    (share * cv * libm::sqrt(arrivals), if cv < 1.0 { drift / (1.0 + SURE / share) } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Seed, exponential};

    /// The range of the mean number in flight over seconds 1 to `seconds` of a queue with one server of constant
    /// service, from empty.
    fn range(rate: f64, capacity: f64, seconds: usize, seed: u64, even: bool) -> f64 {
        let mut draws = Seed::new(seed).stream("walk").sequence();
        let (mut at_s, mut free_s, mut held) = (0.0_f64, 0.0_f64, vec![0.0; seconds]);
        loop {
            at_s += if even { 1.0 / rate } else { exponential(&mut draws) / rate };
            if at_s >= seconds as f64 {
                break;
            }
            free_s = free_s.max(at_s) + 1.0 / capacity;
            for (second, held) in held.iter_mut().enumerate().skip(at_s as usize) {
                *held += (free_s.min(second as f64 + 1.0) - at_s.max(second as f64)).max(0.0);
            }
        }
        let (low, high) =
            held.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), held| (low.min(*held), high.max(*held)));
        high - low
    }

    #[test]
    fn of_several_laws_the_smoothest_counts() {
        for (process, cv) in [("gamma:2", Some(2.0)), ("a gamma:4 + b poisson", Some(1.0)), ("recorded", None)] {
            assert_eq!(least_cv(process), cv, "{process}");
        }
    }

    #[test]
    fn a_rate_above_the_capacity_stays_below_the_limit_once_in_twenty_windows() {
        for (rate, seconds, even, share) in [
            (20.0, 20, false, 0.06),
            (21.0, 20, false, 0.04),
            (20.0, 80, false, 0.06),
            (24.0, 40, false, 0.01),
            (21.0, 60, true, 0.0),
        ] {
            let cv = if even { 0.0 } else { 1.0 };
            let (by_chance, by_drift) = limits(cv, rate * seconds as f64, seconds as f64);
            let below =
                (0..400).filter(|seed| range(rate, 20.0, seconds, *seed, even) < by_chance.max(by_drift)).count();
            // Of 400 windows with probability 0.05, 20 ± 4.4.
            assert!(below as f64 <= (share + 0.02) * 400.0, "{rate}/s over {seconds} s: {below} of 400");
        }
        // A rate of half the capacity is nearly always called steady.
        let (limit, _) = limits(1.0, 200.0, 20.0);
        let below = (0..400).filter(|seed| range(10.0, 20.0, 20, *seed, false) < limit).count();
        assert!(below > 380, "{below} of 400");
    }
}
