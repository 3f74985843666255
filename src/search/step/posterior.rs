//! Owns the posterior of the answer, one for each objective, on a logarithmic grid. What the comments say of rates
//! holds for every axis.

use crate::search::Axis;
use crate::search::step::curve::{self, Floor, Shape, bends, median_bend, reach};
use crate::search::step::evidence::Weighed;
use crate::search::step::overdispersion::{Overdispersion, between_passes, expected_beside, nearness, overdispersion};
use crate::search::step::steady::carried;
use crate::search::step::{Capacity, End, History, Probe, Question};

/// Number of points of the rough grid over the level, from [`LOWEST`] to [`HIGHEST`] times the end of the axis, and
/// of the fine grid over the levels that are not refuted.
const ROUGH: usize = 44;
const FINE: usize = 90;
/// The fine grid leaves out levels with less than this probability of an answer beyond them (below them at the
/// lower end, above them at the upper end). Two more points of the rough grid are kept at each end.
const REFUTED: f64 = 1e-6;
const LOWEST: f64 = 0.03;
const HIGHEST: f64 = 1.25;
/// Centre of the prior of the answer and level of the first probe, as a share of the capacity.
pub(super) const FIRST: f64 = 0.75;
/// Independent episodes of misses near the answer that support a claim; the number including episodes of crowding;
/// and the number if the service times have a heavy tail, so that the few longest episodes hold most of the misses.
const EPISODES: f64 = 8.0;
const ALL_EPISODES: f64 = 12.0;
const EPISODES_OF_HEAVY_TAILS: f64 = 40.0;
/// Spread of the prior of the answer, in the logarithm of the level. The prior has the heavy tails of a Cauchy
/// distribution.
const PRIOR_SPREAD: f64 = 0.7;
/// Levels up to this share of the answer are moderate: load hardly causes the misses there.
const MODERATE: f64 = 0.6;
/// Levels closer than this, in the logarithm, are treated as one.
const ONE_LEVEL: f64 = 0.015;
/// An end of the axis that was not reached is assumed to lie at this many times the highest level with which the
/// service kept up.
const UNREACHED: f64 = 1.5;

/// Lower end, median and upper end of the answer, in the unit of the axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bracket {
    /// The 2.5 % quantile.
    pub low: f64,
    /// The median.
    pub best: f64,
    /// The 97.5 % quantile.
    pub high: f64,
}

/// What the evidence shows about one objective.
#[derive(Debug, Clone)]
struct Belief {
    /// P(R > level) at each point of the grid.
    beyond: Vec<f64>,
    /// Posterior means of the bend and of the share of misses that load does not cause.
    bend: f64,
    floor: f64,
    overdispersion: Overdispersion,
}

/// What the evidence shows about the answer.
#[derive(Debug, Clone)]
pub struct Picture {
    shape: Shape,
    end: f64,
    /// Logarithms of the grid's levels.
    levels: Vec<f64>,
    beliefs: Vec<Belief>,
    /// P(answer > level), over all objectives and the capacity.
    all_beyond: Vec<f64>,
    /// P(the service keeps up with more than the level).
    carried: Vec<f64>,
    bracket: Bracket,
    limited_by: usize,
    /// The squared coefficient of variation of the unloaded service, on which φ₀ depends, and whether its times
    /// have a heavy tail, on which the number of episodes needed depends.
    service_cv2: Option<f64>,
    is_heavy_tailed: bool,
}

impl Picture {
    /// The picture of `history` for `question`; `None` before the end of the axis is known.
    #[must_use]
    pub fn of(question: &Question, history: &History) -> Option<Self> {
        let end = match history.end(question)? {
            Capacity::Reached(end) => end,
            Capacity::Above(most) | Capacity::Refuses(most) => UNREACHED * most,
        };
        let shape = history.shape(question);
        // The rough grid finds the centre of the weights and the levels that are not refuted. The fine grid gives
        // everything else.
        let grid = |(from, until): (f64, f64), points: usize| -> Vec<f64> {
            (0..points).map(|point| from + (until - from) * point as f64 / (points - 1) as f64).collect()
        };
        let rough = grid((libm::log(LOWEST * end), libm::log(HIGHEST * end)), ROUGH);
        let guess = Guess::first(question, shape, end);
        let mut picture = Self::around(question, history, (shape, end), &guess, rough);
        if !history.probes.is_empty() {
            picture = Self::around(question, history, (shape, end), &picture.guess(), picture.levels.clone());
        }
        let open = picture.not_refuted();
        Some(Self::around(question, history, (shape, end), &picture.guess(), grid(open, FINE)))
    }

    /// The range in which the answer to some objective may lie.
    fn not_refuted(&self) -> (f64, f64) {
        let first = |tail: &[f64]| tail.partition_point(|share| *share > 1.0 - REFUTED);
        let last = |tail: &[f64]| tail.partition_point(|share| *share > REFUTED);
        let from = self.beliefs.iter().map(|belief| first(&belief.beyond)).min().unwrap_or(0).saturating_sub(2);
        let until =
            (self.beliefs.iter().map(|belief| last(&belief.beyond)).max().unwrap_or(0) + 2).min(self.levels.len() - 1);
        (self.levels[from.min(until - 1)], self.levels[until])
    }

    /// The curves with which probes are compared, by the current beliefs.
    fn guess(&self) -> Guess {
        let centre = libm::log(self.bracket.best);
        let of =
            |(place, belief): (usize, &Belief)| (libm::log(self.bracket_of(place).best), belief.bend, belief.floor);
        Guess { centre, curves: self.beliefs.iter().enumerate().map(of).collect() }
    }

    fn around(
        question: &Question,
        history: &History,
        (shape, end): (Shape, f64),
        guess: &Guess,
        levels: Vec<f64>,
    ) -> Self {
        let mut beliefs = Vec::new();
        for (place, demand) in question.demands().iter().enumerate() {
            let allowed = demand.allowed();
            let (answer, bend, floor) = guess.curves[place];
            let shift = |level: f64| reach(shape, libm::log(level), end) - reach(shape, answer, end);
            let fitted = |level: f64| curve::share(allowed, floor, bend, shift(level));
            let overdispersion = match question.over() {
                Axis::Rate | Axis::Sessions | Axis::Concurrency => {
                    overdispersion(question, history, place, (shape, end, guess.centre), fitted)
                }
                Axis::TimeScale => between_passes(history, place, guess.centre),
            };
            let phi = |level: f64| phi_at(question, history.unloaded_cv2, overdispersion, level, (end, guess.centre));
            let of = |probe| Fact::of(question, probe, place, phi, guess.centre);
            let facts = joined(history.probes.iter().filter_map(of).collect());
            let unloaded = history
                .floor
                .as_ref()
                .and_then(|floor| floor.get(place))
                .map_or((0, 0), |count| (count.misses, count.decided));
            let moderate = moderate(history, place, guess.centre, phi);
            let floors = Floor::all(allowed, (unloaded.0 as f64, unloaded.1 as f64), &moderate);
            let (beyond, bend, floor) = marginal(shape, &levels, end, &floors, &facts);
            beliefs.push(Belief { beyond, bend, floor, overdispersion });
        }
        let carried = carried(question, history, end, &levels);
        let all = |point: usize| beliefs.iter().map(|belief| belief.beyond[point]).product::<f64>() * carried[point];
        let all_beyond: Vec<f64> = (0..levels.len()).map(all).collect();
        let quantile = |tail: &[f64], share: f64| libm::exp(crossing(&levels, tail, 1.0 - share));
        let bracket = Bracket {
            low: quantile(&all_beyond, 0.5 - Question::CONFIDENCE / 2.0),
            best: quantile(&all_beyond, 0.5),
            high: quantile(&all_beyond, 0.5 + Question::CONFIDENCE / 2.0),
        };
        let medians: Vec<f64> = beliefs.iter().map(|belief| quantile(&belief.beyond, 0.5)).collect();
        let limited_by = (0..medians.len()).min_by(|a, b| medians[*a].total_cmp(&medians[*b])).unwrap_or(0);
        Self {
            shape,
            end,
            levels,
            beliefs,
            all_beyond,
            carried,
            bracket,
            limited_by,
            service_cv2: history.unloaded_cv2,
            is_heavy_tailed: history.is_heavy_tailed(),
        }
    }

    /// The 95 % interval of the highest level that meets every demand and with which the service keeps up, and its
    /// median.
    #[must_use]
    pub const fn bracket(&self) -> Bracket {
        self.bracket
    }

    /// The level that the answer exceeds with probability 1 − `share`.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        libm::exp(crossing(&self.levels, &self.all_beyond, 1.0 - share))
    }

    /// Pairs of level and probability that the answer is above it, ascending in the level.
    #[must_use]
    pub fn posterior(&self) -> Vec<[f64; 2]> {
        self.levels.iter().zip(&self.all_beyond).map(|(level, beyond)| [libm::exp(*level), *beyond]).collect()
    }

    /// The index of the demand whose own level is lowest.
    #[must_use]
    pub const fn limited_by(&self) -> usize {
        self.limited_by
    }

    /// Whether no demand limits the answer, but the highest rate that the service keeps up with.
    #[must_use]
    pub fn is_limited_by_capacity(&self) -> bool {
        let carried = libm::exp(crossing(&self.levels, &self.carried, 0.5));
        carried < self.bracket_of(self.limited_by).low
    }

    /// The end of the axis. For rates, the completions per second of the saturated service; if the end was not
    /// reached, an assumed value.
    #[must_use]
    pub const fn end(&self) -> f64 {
        self.end
    }

    /// P(the answer exceeds `level`).
    #[must_use]
    pub fn chance_beyond(&self, level: f64) -> f64 {
        interpolated(&self.levels, &self.all_beyond, libm::log(level))
    }

    /// The interval of one demand alone.
    #[must_use]
    pub fn bracket_of(&self, place: usize) -> Bracket {
        let quantile = |share: f64| libm::exp(crossing(&self.levels, &self.beliefs[place].beyond, 1.0 - share));
        Bracket { low: quantile(0.025), best: quantile(0.5), high: quantile(0.975) }
    }

    /// The share of misses of one demand that load does not cause, by the unloaded service and the curve together.
    #[must_use]
    pub fn floor_of(&self, place: usize) -> f64 {
        self.beliefs[place].floor
    }

    /// Misses, in effective requests, that a floor as large as the allowed share would have shown in the unloaded
    /// service and in the probes at moderate levels.
    pub(super) fn known_floor(&self, question: &Question, history: &History, place: usize) -> f64 {
        let unloaded =
            history.floor.as_ref().and_then(|floor| floor.get(place)).map_or(0.0, |count| count.decided as f64);
        let moderate = moderate(history, place, libm::log(self.bracket.best), |level| self.phi(question, place, level));
        question.demands()[place].allowed() * (unloaded + moderate.iter().map(|(_, decided)| decided).sum::<f64>())
    }

    /// (misses, decided) of one demand in the unloaded service and at moderate levels, in effective requests. φ is
    /// that of the misses there: misses that load does not cause do not cluster as those of load do.
    pub(super) fn at_moderate_levels(&self, history: &History, place: usize) -> (f64, f64) {
        let centre = libm::log(self.bracket.best);
        let shows = |probe: &&Probe| probe.end != End::Overloaded && is_moderate(probe.level.value(), centre);
        let moderate = history.probes.iter().filter(shows).filter_map(|probe| probe.counts.get(place));
        let counts = history.floor.iter().filter_map(|floor| floor.get(place)).chain(moderate);
        let (mut misses, mut decided, mut clustered) = (0.0, 0.0, 0.0);
        for count in counts {
            misses += count.misses as f64;
            decided += count.decided as f64;
            clustered += count.misses as f64 * count.clusters.map_or(1.0, |clusters| clusters.phi);
        }
        let phi = if misses > 0.0 { clustered / misses } else { 1.0 };
        (misses / phi, decided / phi)
    }

    /// φ of one demand's misses at a level, widened for its own uncertainty.
    #[must_use]
    pub fn phi(&self, question: &Question, place: usize, level: f64) -> f64 {
        phi_at(
            question,
            self.service_cv2,
            self.beliefs[place].overdispersion,
            level,
            (self.end, libm::log(self.bracket.best)),
        )
    }

    /// The approximate number of independent episodes of misses of one demand that were seen near the answer.
    #[must_use]
    pub fn episodes(&self, place: usize) -> f64 {
        self.beliefs[place].overdispersion.episodes
    }

    /// Whether enough episodes were seen to claim the interval. Misses cluster, and if few clusters were seen, the
    /// next one may be of another kind. Not needed if stability limits the answer.
    #[must_use]
    pub fn has_enough_episodes(&self) -> bool {
        let seen = self.beliefs[self.limited_by].overdispersion;
        let needed = if self.is_heavy_tailed { EPISODES_OF_HEAVY_TAILS } else { EPISODES };
        self.is_limited_by_capacity() || (seen.episodes >= needed && seen.all_episodes >= ALL_EPISODES)
    }

    /// φ of one demand's misses from the episodes inside the probes, without the scatter between probes.
    pub(super) fn phi_within(&self, question: &Question, place: usize, level: f64) -> f64 {
        let found = self.beliefs[place].overdispersion;
        let within = Overdispersion { factor: found.within, ..found };
        phi_at(question, self.service_cv2, within, level, (self.end, libm::log(self.bracket.best)))
    }

    /// φ₀, the overdispersion expected at a level by queueing theory.
    pub(super) fn expected_phi(&self, question: &Question, level: f64) -> f64 {
        expected_beside(question, self.service_cv2, level, (self.end, libm::log(self.bracket.best)))
    }

    /// The share of misses of one demand at a level, by the fitted curve.
    #[must_use]
    pub fn share_at(&self, question: &Question, place: usize, level: f64) -> f64 {
        let belief = &self.beliefs[place];
        let answer = libm::log(self.bracket_of(place).best);
        let shift = reach(self.shape, libm::log(level), self.end) - reach(self.shape, answer, self.end);
        curve::share(question.demands()[place].allowed(), belief.floor, belief.bend, shift)
    }
}

/// Whether load hardly causes the misses at `level`, if the answer lies at `centre` (a logarithm).
fn is_moderate(level: f64, centre: f64) -> bool {
    level <= MODERATE * libm::exp(centre)
}

/// (misses, decided), in effective requests, of one demand in the probes at moderate levels.
fn moderate(history: &History, place: usize, centre: f64, phi: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    let shows = |point: &Weighed| point.is_whole && is_moderate(point.level, centre);
    let weighed = history.weighed(place, phi).into_iter().filter(shows);
    weighed.map(|point| (point.misses, point.decided)).collect()
}

fn phi_at(question: &Question, service_cv2: Option<f64>, found: Overdispersion, level: f64, beside: (f64, f64)) -> f64 {
    (found.factor * found.widening() * expected_beside(question, service_cv2, level, beside)).max(1.0)
}

/// Curves with which probes are compared: (logarithm of the answer, bend, floor) of each demand, and the centre of
/// all.
struct Guess {
    centre: f64,
    curves: Vec<(f64, f64, f64)>,
}

impl Guess {
    fn first(question: &Question, shape: Shape, end: f64) -> Self {
        let centre = libm::log(FIRST * end);
        Self { centre, curves: vec![(centre, median_bend(shape), 0.0); question.demands().len()] }
    }
}

/// What one probe shows about one demand, divided by φ and weighted by its nearness.
#[derive(Debug, Clone, Copy)]
struct Fact {
    level: f64,
    misses: f64,
    met: f64,
    /// If the window was cut short, `misses` is a lower bound. This is the log likelihood at the observed share,
    /// the best that any curve gets. `None` for a whole window.
    least: Option<f64>,
}

impl Fact {
    fn of(question: &Question, probe: &Probe, place: usize, phi: impl Fn(f64) -> f64, centre: f64) -> Option<Self> {
        let count = probe.counts.get(place).filter(|count| count.decided > 0)?;
        let level = probe.level.value();
        let log = libm::log(level);
        let weight = nearness(question.over(), log, centre) / phi(level);
        let (misses, met) = (count.misses as f64 * weight, (count.decided - count.misses) as f64 * weight);
        let own = |part: f64| if part > 0.0 { part * libm::log(part / (misses + met)) } else { 0.0 };
        let least = (probe.end == End::Overloaded).then(|| own(misses) + own(met));
        Some(Self { level: log, misses, met, least })
    }

    /// Log likelihood of a share of misses, given its logarithm and that of the rest.
    fn log_likelihood(&self, [miss, met]: [f64; 2]) -> f64 {
        let log = self.misses * miss + self.met * met;
        match self.least {
            // A share above the observed one is as likely as the observed one.
            Some(own) if libm::exp(miss) * (self.misses + self.met) >= self.misses => own,
            _ => log,
        }
    }
}

/// Joins facts at nearly the same level, of which a long search has many.
fn joined(mut facts: Vec<Fact>) -> Vec<Fact> {
    facts.sort_by(|one, other| one.level.total_cmp(&other.level));
    let mut groups: Vec<(f64, Fact)> = Vec::new();
    for fact in facts {
        let weight = fact.misses + fact.met;
        match groups.last_mut() {
            Some((first, group))
                if fact.level - *first < ONE_LEVEL && fact.least.is_none() && group.least.is_none() =>
            {
                let sum = group.misses + group.met + weight;
                group.level += (fact.level - group.level) * weight / sum;
                group.misses += fact.misses;
                group.met += fact.met;
            }
            _ => groups.push((fact.level, fact)),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// (P(R > level) at each point, mean bend, mean floor) of one demand.
fn marginal(shape: Shape, levels: &[f64], end: f64, floors: &[Floor], facts: &[Fact]) -> (Vec<f64>, f64, f64) {
    let bends = bends(shape);
    let powers = |level: f64, sign: f64| -> Vec<f64> {
        let log = reach(shape, level, end);
        bends.iter().map(|(bend, _)| libm::exp(sign * bend * log)).collect()
    };
    let of_facts: Vec<Vec<f64>> = facts.iter().map(|fact| powers(fact.level, 1.0)).collect();
    let mut logs = Vec::with_capacity(levels.len() * bends.len() * floors.len());
    let prior = |level: f64| {
        let off = (level - libm::log(FIRST * end)) / PRIOR_SPREAD;
        if shape == Shape::Wall { -libm::log(1.0 + off * off) } else { 0.0 }
    };
    for level in levels {
        let prior = prior(*level);
        for (bend, power) in powers(*level, -1.0).iter().enumerate() {
            for floor in floors {
                let depth = floor.depth * power;
                let of = |(fact, own): (&Fact, &Vec<f64>)| fact.log_likelihood(floor.logs(depth * own[bend]));
                logs.push(prior + bends[bend].1 + floor.log_weight + facts.iter().zip(&of_facts).map(of).sum::<f64>());
            }
        }
    }
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut weights, mut bend_sum, mut floor_sum) = (Vec::with_capacity(levels.len()), 0.0, 0.0);
    for row in logs.chunks(bends.len() * floors.len()) {
        let mut total = 0.0;
        for (column, (bend, _)) in row.chunks(floors.len()).zip(&bends) {
            for (log, floor) in column.iter().zip(floors) {
                let weight = libm::exp(log - most);
                total += weight;
                bend_sum += weight * bend;
                floor_sum += weight * floor.share;
            }
        }
        weights.push(total);
    }
    let total: f64 = weights.iter().sum();
    // A point represents the cell around it: half of its weight lies beyond it.
    let mut left = total;
    let tail = weights.iter().map(|weight| {
        left -= weight;
        ((left + weight / 2.0) / total).clamp(0.0, 1.0)
    });
    (tail.collect(), bend_sum / total, floor_sum / total)
}

/// The place, in the logarithm of the level, at which a falling tail crosses `share`.
fn crossing(levels: &[f64], tail: &[f64], share: f64) -> f64 {
    let after = tail.partition_point(|beyond| *beyond > share);
    match (after.checked_sub(1), levels.get(after)) {
        (None, _) => levels.first().copied().unwrap_or(0.0),
        (Some(before), None) => levels[before],
        (Some(before), Some(next)) => {
            let (high, low) = (tail[before], tail[after]);
            let part = if high > low { (high - share) / (high - low) } else { 0.5 };
            levels[before] + part * (next - levels[before])
        }
    }
}

fn interpolated(levels: &[f64], tail: &[f64], at: f64) -> f64 {
    let after = levels.partition_point(|level| *level < at);
    match (after.checked_sub(1), levels.get(after)) {
        (None, _) => 1.0,
        (Some(_), None) => 0.0,
        (Some(before), Some(next)) => {
            let part = (at - levels[before]) / (next - levels[before]);
            tail[before] + part * (tail[after] - tail[before])
        }
    }
}
