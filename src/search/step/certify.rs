//! Owns the certificate: the length of a fresh run at the lower bound, and whether the run passes by itself.

use serde::{Deserialize, Serialize};

use crate::search::Level;
use crate::search::step::answer::{LEAST_REQUESTS, lasting, precision_at};
use crate::search::step::cluster::shrunk;
use crate::search::step::curve::{Shape, median_bend};
use crate::search::step::overdispersion::expected;
use crate::search::step::{Count, End, History, Order, Picture, Probe, Question};
use crate::stats::proportion::{exceeds, is_at_most, trials_to_certify};

/// Upper limit of the assumed share of misses, as a part of the allowed share. A share closer to the allowed one
/// would need an endless certificate.
const CLOSEST: f64 = 0.8;
/// Safety factor on the sample size. The certificate sends this many times the requests at which a correct answer
/// passes with probability 1/2. With this factor, of 80 correct answers on M/M/1 and M/M/4, 75 are certified and
/// none is refuted, at 1.8 times the requests of the search. Without it, 28 of 40 on M/M/1 are certified.
const TIMES: f64 = 2.0;
/// A run passes only if the growth of the number in flight is at most this many standard errors.
const GREW: f64 = 2.0;

/// How a certificate ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certified {
    /// Every demand is met for certain, by this run alone.
    Pass,
    /// A demand is missed for certain.
    Fail,
    /// Neither is certain.
    Undecided,
}

/// A run at `level`, the lower bound of an answer, that decides by itself whether this level meets the demands.
/// `None` before anything is known, and for a trace, whose length is fixed. Its sample size is at least twice the
/// size needed for the geometric mean of the allowed share of misses and the share that the curve expects. If the
/// curve is right, the run passes with little doubt.
#[must_use]
pub fn certificate(question: &Question, history: &History, level: Level) -> Option<Order> {
    let picture = Picture::of(question, history)?;
    let requests = |place: usize| {
        let expected = picture.share_at(question, place, level.value());
        picture.phi(question, place, level.value()) * effective(expected, question.demands()[place].allowed())
    };
    let most = (0..question.demands().len()).map(requests).fold(0.0, f64::max);
    let order = lasting(question, history, level, precision_at(question, &picture));
    let window_s = match level {
        Level::RatePerS(_) | Level::SessionsPerS(_) => order.window_s.max(most / question.requests_per_s(level)),
        // A window holds at least `LEAST_REQUESTS`, whatever the latency.
        Level::Concurrency(_) => order.window_s * (most / LEAST_REQUESTS).max(1.0),
        Level::TimeScale(_) => return None,
    };
    Some(Order { window_s, ..order })
}

/// The approximate number of requests that the certificate of a rate takes, if the rate is at `share` of the
/// capacity (0 to 1) and the service is a typical one.
#[must_use]
pub fn certificate_price(question: &Question, share: f64) -> u64 {
    let share = share.clamp(0.01, 0.99);
    let low = share * (1.0 - question.precision().min(1.0 - share));
    let share_there =
        |allowed: f64| libm::exp(libm::log(allowed) * libm::pow((1.0 - low) / (1.0 - share), median_bend(Shape::Wall)));
    let phi = expected(question, None, low, 1.0);
    let of = |allowed: f64| phi * effective(share_there(allowed), allowed);
    question.demands().iter().map(|demand| of(demand.allowed())).fold(0.0, f64::max) as u64
}

/// Independent requests that certify `allowed` with little doubt, if the share of misses is the geometric mean of
/// `allowed` and `expected`.
fn effective(expected: f64, allowed: f64) -> f64 {
    let share = libm::sqrt(expected * allowed).min(CLOSEST * allowed);
    TIMES * trials_to_certify(share, allowed, Question::CONFIDENCE).unwrap_or(0.0)
}

/// Whether `run` meets every demand by itself. The bounds are those of Clopper and Pearson on k/φ of n/φ; φ comes
/// from this run, shrunk towards the value that the search found. To pass, each demand must be met at the full
/// confidence. To fail, one of several demands is enough, so that the error probability is divided among them. If
/// the service did not keep up with the run, the run does not pass, whatever the misses are.
#[must_use]
pub fn certified(question: &Question, picture: &Picture, run: &Probe) -> Certified {
    let doubt = (1.0 - Question::CONFIDENCE) / question.demands().len() as f64;
    let kept_up = run.growth.is_none_or(|growth| !growth.exceeds(GREW));
    let judged = |(place, count): (usize, &Count)| {
        let allowed = question.demands()[place].allowed();
        let known = picture.phi(question, place, run.level.value());
        let phi = count.clusters.map_or(known, |seen| shrunk(seen.phi, seen.episodes as f64, known)).max(1.0);
        // A window that was cut short has at least this many misses among all requests that it would have held.
        let (hits, trials) = (count.misses as f64 / phi, count.decided as f64 / phi);
        if exceeds(hits, trials, allowed, 1.0 - doubt) {
            Certified::Fail
        } else if run.end != End::Overloaded && kept_up && is_at_most(hits, trials, allowed, Question::CONFIDENCE) {
            Certified::Pass
        } else {
            Certified::Undecided
        }
    };
    let each: Vec<Certified> = run.counts.iter().enumerate().map(judged).collect();
    if each.contains(&Certified::Fail) {
        Certified::Fail
    } else if each.iter().all(|one| *one == Certified::Pass) {
        Certified::Pass
    } else {
        Certified::Undecided
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::step::{Capacity, Clusters, Demand, Growth};

    fn question(demands: usize) -> Question {
        Question::new(vec![Demand::new(0.01, Some(1.0)).unwrap(); demands], 0.1).unwrap()
    }

    /// A search whose episodes have one miss each.
    fn picture(question: &Question) -> Picture {
        let count = Count {
            misses: 100,
            decided: 10_000,
            clusters: Some(Clusters { phi: 1.0, episodes: 100, powers: [100.0; 4] }),
        };
        let demands = question.demands().len();
        let probe = Probe { counts: vec![count; demands], ..Probe::new(Level::RatePerS(5.0), End::Full) };
        let floor = Some(vec![Count { misses: 0, decided: 1_000, clusters: None }; demands]);
        Picture::of(
            question,
            &History { floor, capacity: Some(Capacity::Reached(10.0)), probes: vec![probe; 4], ..History::default() },
        )
        .unwrap()
    }

    fn run(misses: &[u64], decided: u64, end: End) -> Probe {
        let count = |misses: &u64| Count {
            misses: *misses,
            decided,
            clusters: (*misses > 0).then_some(Clusters { phi: 1.0, episodes: 1_000, powers: [*misses as f64; 4] }),
        };
        Probe { counts: misses.iter().map(count).collect(), ..Probe::new(Level::RatePerS(1.0), end) }
    }

    #[test]
    fn it_passes_and_fails_by_the_published_sample_sizes() {
        // With one miss, 473 independent requests certify 1 % at 95 % confidence; 8 misses of 300 refute it.
        for (misses, decided, expected) in [
            (vec![1], 480, Certified::Pass),
            (vec![1], 460, Certified::Undecided),
            (vec![8], 300, Certified::Fail),
            (vec![5], 300, Certified::Undecided),
            (vec![1, 1], 480, Certified::Pass),
            (vec![1, 3], 480, Certified::Undecided),
            (vec![1, 9], 300, Certified::Fail),
        ] {
            let asked = question(misses.len());
            assert_eq!(
                certified(&asked, &picture(&asked), &run(&misses, decided, End::Full)),
                expected,
                "{misses:?} of {decided}"
            );
        }
    }

    #[test]
    fn clustered_misses_decide_less_and_an_overload_never_passes() {
        let asked = question(1);
        let picture = picture(&asked);
        let clustered = |phi: f64, end| {
            let mut run = run(&[12], 600, end);
            run.counts[0].clusters = Some(Clusters { phi, episodes: 1_000, powers: [12.0; 4] });
            certified(&asked, &picture, &run)
        };
        assert_eq!((clustered(1.0, End::Full), clustered(12.0, End::Full)), (Certified::Fail, Certified::Undecided));
        assert_eq!(certified(&asked, &picture, &run(&[0], 10_000, End::Overloaded)), Certified::Undecided);
        let growing = Probe { growth: Some(Growth { per_s: 0.5, error_per_s: 0.1 }), ..run(&[0], 10_000, End::Full) };
        assert_eq!(certified(&asked, &picture, &growing), Certified::Undecided, "it did not keep up");
    }

    #[test]
    fn it_is_long_enough_for_what_the_curve_expects_and_no_longer() {
        let price = |precision, share| {
            certificate_price(&Question::new(vec![Demand::new(0.01, None).unwrap()], precision).unwrap(), share)
        };
        assert!(price(0.05, 0.7) > 2 * price(0.1, 0.7) && price(0.1, 0.9) > price(0.1, 0.7), "{}", price(0.1, 0.7));
        assert!((20_000..60_000).contains(&price(0.1, 0.7)), "{}", price(0.1, 0.7));
    }
}
