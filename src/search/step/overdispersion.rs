//! Owns φ, the overdispersion of misses: the variance of the number of misses in a probe ÷ its variance for
//! independent requests.
//!
//! Four estimates of φ ÷ φ₀ are averaged, weighted by their degrees of freedom: from the episodes of misses inside
//! the probes; from episodes of crowding if misses are few; from the scatter between probes around the fitted
//! curve; and 1, the value of theory, if there are few of the others. φ is then widened for the small number of
//! degrees of freedom.

use crate::search::Axis;
use crate::search::step::curve::{MOST_BUSY, Shape, reach};
use crate::search::step::{Clusters, Count, End, Episodes, History, Question};
use crate::stats::dispersion::student_point;
use crate::stats::isotonic::isotonic;

/// Degrees of freedom of the theoretical value φ₀ if no episode was seen, and if enough were seen.
const PRIOR_DEGREES: f64 = 4.0;
const LEAST_PRIOR_DEGREES: f64 = 0.5;
/// Number of independent episodes that are enough to estimate φ.
const ENOUGH: f64 = 12.0;
/// Degrees of freedom of one probe beyond the two that the curve takes. Misses are few and cluster, so their
/// squares vary twice as much as those of normal errors.
const PROBE_DEGREES: f64 = 0.5;
/// Additional factor on the widening. A search ends when its interval is narrow, which happens sooner if the long
/// episodes are missing by chance. With 1.1, 93 % of the intervals of five queues not used for tuning cover the
/// answer (150 searches).
const MARGIN: f64 = 1.3;
/// Above this many degrees of freedom, Student's distribution is taken as normal.
const MANY_DEGREES: f64 = 1e4;
/// The squared coefficient of variation of service times if the unloaded service does not show it, and the least
/// that is assumed.
const UNKNOWN_CV2: f64 = 1.0;
const LEAST_CV2: f64 = 0.25;
/// A level has weight 1/2 in the estimate of φ if its distance to the wall is that of the answer times or divided
/// by e to this power.
const ALIKE: f64 = 0.7;
/// Probes have full weight in the estimate of φ if their share of misses is at most this many times the allowed
/// share.
const MANY_TIMES: f64 = 4.0;
/// Factor on φ of heavy-tailed services: the longest of their episodes have not been seen.
const UNSEEN: f64 = 1.6;
/// Above the answer, φ₀ rises to at most this many times its value at the answer, because the wall itself is an
/// estimate.
const MOST_RISE: f64 = 3.0;
/// A probe this far from the answer, in the logarithm of the level, has weight 1/2: the curve need not hold far
/// from the answer.
const NEAR: f64 = 0.45;
/// The distance of half weight for passes of a trace. The misses of a trace rise with its peaks one after the
/// other, so no curve holds far from the answer.
pub(super) const NEAR_PASSES: f64 = 0.1;

/// φ of one objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Overdispersion {
    /// φ ÷ φ₀.
    pub(super) factor: f64,
    /// φ ÷ φ₀ without the scatter between probes. A service that changes raises this scatter.
    pub(super) within: f64,
    /// Degrees of freedom of the estimate of φ.
    pub(super) degrees: f64,
    /// Independent episodes of misses near the answer: the number of episodes, or fewer if some are much longer
    /// than others.
    pub(super) episodes: f64,
    /// The number of independent episodes, including episodes of crowding that replace missing episodes of misses.
    pub(super) all_episodes: f64,
}

impl Overdispersion {
    /// The factor by which φ is widened because it is an estimate: (t ÷ z)² at 97.5 %, times a margin.
    pub(super) fn widening(self) -> f64 {
        if self.degrees > MANY_DEGREES {
            return 1.0;
        }
        let point = student_point(0.975, self.degrees) / 1.96;
        MARGIN * point * point
    }
}

/// The weight of a level in the estimate of φ at `centre` (both logarithms). A level at another distance to the
/// wall has episodes of another kind.
fn likeness(over: Axis, level: f64, (shape, end, centre): (Shape, f64, f64)) -> f64 {
    let away = (reach(shape, level, end) - reach(shape, centre, end)) / ALIKE;
    nearness(over, level, centre) / if shape == Shape::Wall { 1.0 + away * away } else { 1.0 }
}

/// The weight of `level` in an estimate at `centre` (both logarithms).
pub(super) fn nearness(over: Axis, level: f64, centre: f64) -> f64 {
    let away = (level - centre) / if over == Axis::TimeScale { NEAR_PASSES } else { NEAR };
    1.0 / (1.0 + away * away)
}

/// φ expected at a level by queueing theory.
///
/// At a rate: `φ₀ = 2(c_a² + c_s²)ρ/(1 − ρ)²`; a session brings the work of all its turns, which makes the sum larger
/// ([`crate::workload::TurnMoments::variability`]). With N requests in flight, each wait is a sum of the service times
/// of the requests in front. Two successive requests share all but one of these terms. Exceedances of the level z
/// of such a sum come in clusters with mean size N/z² (Aldous, *Poisson clumping*, C12), and S² ÷ S is twice that:
/// 0.4 N at p99 and 1.2 N at p90. The code takes N/2.
pub(super) fn expected(question: &Question, service_cv2: Option<f64>, level: f64, end: f64) -> f64 {
    match question.over() {
        Axis::Rate | Axis::Sessions => {
            let busy = (level / end).min(MOST_BUSY);
            let service_cv2 = service_cv2.unwrap_or(UNKNOWN_CV2).max(LEAST_CV2);
            (2.0 * question.variability(service_cv2) * busy / ((1.0 - busy) * (1.0 - busy))).max(1.0)
        }
        Axis::Concurrency => (level / 2.0).max(1.0),
        // The variation between passes is counted elsewhere (`between_passes`).
        Axis::TimeScale => 1.0,
    }
}

/// φ expected at a level near an answer at `centre` (a logarithm).
pub(super) fn expected_beside(
    question: &Question,
    service_cv2: Option<f64>,
    level: f64,
    (end, centre): (f64, f64),
) -> f64 {
    let there = expected(question, service_cv2, libm::exp(centre), end);
    expected(question, service_cv2, level, end).min(MOST_RISE * there)
}

/// φ ÷ φ₀ of the misses of objective number `place`, near `centre` (a logarithm). `fitted` gives the share that the
/// curve expects at a level.
pub(super) fn overdispersion(
    question: &Question,
    history: &History,
    place: usize,
    (shape, end, centre): (Shape, f64, f64),
    fitted: impl Fn(f64) -> f64,
) -> Overdispersion {
    let (mut misses, mut crowding) = (Sums::default(), Sums::default());
    let (mut squares, mut weights, mut room) = (0.0, 0.0, 0.0);
    for probe in &history.probes {
        let Some(count) = probe.counts.get(place).filter(|count| count.decided > 0) else { continue };
        let level = probe.level.value();
        let share = fitted(level);
        // If far more requests miss than may, one episode is as long as the window.
        let excess = (MANY_TIMES * question.demands()[place].allowed() / share).min(1.0);
        let weight = likeness(question.over(), libm::log(level), (shape, end, centre)) * excess;
        let scale = expected_beside(question, history.unloaded_cv2, level, (end, centre));
        room += weight * count.decided as f64 / scale;
        if let Some(clusters) = count.clusters {
            misses.add(&full(&clusters, count.misses), weight, scale);
        }
        if let Some(crowded) = &probe.crowded {
            crowding.add(crowded, weight, scale);
        }
        if probe.end != End::Overloaded && share > 0.0 && share < 1.0 {
            let decided = count.decided as f64;
            let off = count.misses as f64 - decided * share;
            squares += weight * off * off / (decided * share * (1.0 - share) * scale);
            weights += weight;
        }
    }
    let (by_misses, mut of_misses) = misses.factor();
    // The misses of a mean are parts of a sum: in calm times they come one by one and are no episodes. There are at
    // most as many episodes as the windows have room for, and φ₀ is smaller: for M/M/1 (Daley, 1968), the sum of the
    // times of N requests has the variance 4ρ/(1 − ρ)² · N times their squared mean.
    let demand = &question.demands()[place];
    let mut theory = 1.0;
    if demand.is_of_mean() {
        (of_misses, theory) = (of_misses.min(room), demand.allowed());
    }
    let (by_crowding, of_crowding) = crowding.factor();
    // Each estimate is used only as far as the more direct ones have too few episodes.
    let of_crowding = if history.is_heavy_tailed() { 0.0 } else { of_crowding.min((ENOUGH - of_misses).max(0.0)) };
    let of_theory = PRIOR_DEGREES * (1.0 - (of_misses + of_crowding) / ENOUGH).clamp(0.0, 1.0) + LEAST_PRIOR_DEGREES;
    let (by_scatter, of_scatter) =
        if weights > 2.0 { (squares / (weights - 2.0), PROBE_DEGREES * (weights - 2.0)) } else { (0.0, 0.0) };
    let degrees = of_misses + of_crowding + of_theory;
    let sum = of_misses * by_misses + theory * (of_crowding * by_crowding + of_theory);
    let unseen = if history.is_heavy_tailed() { UNSEEN } else { 1.0 };
    let factor = unseen * (sum + of_scatter * by_scatter) / (degrees + of_scatter);
    Overdispersion {
        factor,
        within: unseen * sum / degrees,
        degrees: degrees + of_scatter,
        episodes: of_misses,
        all_episodes: of_misses + of_crowding,
    }
}

/// Sums over episodes of S events, with weight w, at levels where φ₀ is s: longer episodes are expected at higher
/// levels.
#[derive(Debug, Default)]
struct Sums {
    /// Σ w, Σ wS and Σ wS²/s.
    count: f64,
    events: f64,
    squares: f64,
    /// Σ w²S², Σ w²S³/s and Σ w²S⁴/s².
    products: [f64; 3],
}

impl Sums {
    fn add(&mut self, episodes: &Episodes, weight: f64, scale: f64) {
        let [sum, squares, cubes, fourths] = episodes.powers;
        self.count += weight * episodes.count as f64;
        self.events += weight * sum;
        self.squares += weight * squares / scale;
        let square = weight * weight;
        let [products, mixed, fourth] = &mut self.products;
        *products += square * squares;
        *mixed += square * cubes / scale;
        *fourth += square * fourths / (scale * scale);
    }

    /// φ ÷ φ₀ = Σ wS²/s ÷ Σ wS, and its degrees of freedom, 2/e², where e is its relative standard error (delta
    /// method for a ratio). They equal the number of episodes if the sizes are exponential, are few if one episode
    /// holds most of the events, and never exceed the number of episodes. (1, 0) without events.
    fn factor(&self) -> (f64, f64) {
        if self.events <= 0.0 {
            return (1.0, 0.0);
        }
        let factor = self.squares / self.events;
        let [products, mixed, fourth] = self.products;
        let variance = (fourth - 2.0 * factor * mixed + factor * factor * products).max(0.0);
        let degrees = 2.0 * self.squares * self.squares / variance.max(f64::MIN_POSITIVE);
        (factor, degrees.min(self.count))
    }
}

/// The episodes of misses. If batch means gave a larger φ, all episodes are assumed to be longer by that ratio. If
/// a result did not store the sums, exponential sizes are assumed.
fn full(clusters: &Clusters, misses: u64) -> Episodes {
    let [sum, squares, cubes, fourths] = clusters.powers;
    if sum > 0.0 {
        let more = (clusters.phi * sum / squares).max(1.0);
        let powers = [sum, squares * more, cubes * more * more, fourths * more * more * more];
        return Episodes { count: clusters.episodes, powers };
    }
    let (sum, phi) = (misses as f64, clusters.phi);
    Episodes { count: clusters.episodes, powers: [sum, sum * phi, 1.5 * sum * phi * phi, 3.0 * sum * phi * phi * phi] }
}

/// φ of the passes of one objective: how much more than by chance the misses vary from pass to pass, around levels
/// that only rise with the scale.
///
/// Inside a pass, misses cluster because the trace has a peak, and it has the peak in every pass. So the episodes
/// give an upper limit of the variation by chance. They count as one pass in addition to the real passes, minus one
/// for each level (Meyer and Woodroofe 2000, "On the degrees of freedom in shape-restricted regression").
pub(super) fn between_passes(history: &History, place: usize, centre: f64) -> Overdispersion {
    let (mut inside, mut misses) = (0.0, 0.0);
    let mut passes: Vec<(f64, Count)> = Vec::new();
    for (probe, count) in history.probes.iter().filter_map(|probe| Some((probe, *probe.counts.get(place)?))) {
        if let Some(clusters) = count.clusters {
            let weight = nearness(Axis::TimeScale, libm::log(probe.level.value()), centre) * count.misses as f64;
            inside += weight * clusters.phi;
            misses += weight;
        }
        if probe.end != End::Overloaded && count.decided > 0 {
            passes.push((probe.level.value(), count));
        }
    }
    passes.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let levels = isotonic(passes.iter().map(|(_, count)| (count.share(), count.decided as f64)));
    let apart = |share: f64, (_, count): &(f64, Count)| {
        let (misses, decided) = (count.misses as f64, count.decided as f64);
        let off = misses - decided * share;
        if share > 0.0 && share < 1.0 { off * off / (decided * share * (1.0 - share)) } else { 0.0 }
    };
    let squares: f64 = levels.iter().zip(&passes).map(|(share, pass)| apart(*share, pass)).sum();
    let steps = levels.windows(2).filter(|pair| pair[0] < pair[1]).count() + 1;
    let inside = if misses > 0.0 { inside / misses } else { 1.0 };
    let factor = ((inside + squares) / (1.0 + passes.len().saturating_sub(steps) as f64)).max(1.0);
    // Measurements show that no widening is needed.
    Overdispersion {
        factor,
        within: factor,
        degrees: f64::INFINITY,
        episodes: f64::INFINITY,
        all_episodes: f64::INFINITY,
    }
}
