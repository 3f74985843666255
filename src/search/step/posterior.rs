//! Owns the posterior of the answer and the slope, one for each objective, on a logarithmic grid (`open_loop_science.md` B.6). What is said of rates
//! holds for whatever is varied.

use crate::search::Over;
use crate::search::step::cluster::shrunk;
use crate::search::step::trust::isotonic;
use crate::search::step::{Capacity, Count, End, History, Probe, Question};

/// Points of the rough grid over the rate, from [`LOWEST`] to [`HIGHEST`] of the capacity, and of the fine one over what is not refuted.
const ROUGH: usize = 72;
const FINE: usize = 160;
/// Refuted is what is less probable than this, and two points of the rough grid further.
const REFUTED: f64 = 1e-6;
const LOWEST: f64 = 0.03;
const HIGHEST: f64 = 1.1;
/// Points of the grid over the bend, from so many standard deviations of its prior below to so many above: 0.54 to 3.3.
const BENDS: usize = 11;
const BEND_SPAN: [f64; 2] = [-2.0, 2.5];
/// Median of the bend and standard deviation of its logarithm. M/M/1 has 1 and other queues nearly; engines that batch have 0.8 where prompts are
/// long and up to 3.2 where a chat is held to its mean time between tokens, a mean over many steps, which hardly varies below a rate and jumps
/// above it. Around 1 such a service took 1.6 times the price to be answered for.
pub(super) const BEND: f64 = 1.22;
const BEND_SPREAD: f64 = 0.4;
/// The same where there is no wall: 0.7 to 38. Over four servers 22 users have 2.8 and 260 have 9, since the wait of N is the sum of N services; answers
/// that all take the same time jump.
const OPEN_BEND: f64 = 4.0;
const OPEN_BEND_SPREAD: f64 = 0.9;
/// A probe this far from the answer (in the logarithm of the rate) counts half: far from it the curve need not hold.
const NEAR: f64 = 0.3;
/// The same of the passes of a trace, whose misses rise by its own peaks one after the other: no curve holds far.
pub(super) const NEAR_PASSES: f64 = 0.1;
/// φ₀ and the slope know no utilisation closer to 1.
const MOST_BUSY: f64 = 0.985;
/// ln(1/q) is held within this: no share of misses is taken for certain.
const LEAST_DEPTH: f64 = 0.02;
const MOST_DEPTH: f64 = 9.0;
/// φ is never taken for less than this share of φ₀: M/M/1's own is 0.8 to 1 of it, and short probes would always find less.
const LEAST_CLUSTERING: f64 = 0.8;
/// Where nothing has been probed, this share of the capacity is.
const FIRST: f64 = 0.75;
/// A probe that an alarm ended is worth at least so many independent requests: close to the wall φ₀ would leave it nothing, and the same rate
/// would be tried again. More is too much: the alarm stops a probe at its worst, which a high but bearable rate has too (with a worth
/// of 8, two thirds of the intervals at R*/C = 0.9 lie below the truth or end there).
const OVERLOAD_WORTH: f64 = 1.0;

/// Lower end, median and upper end of the answer, in the unit of what is varied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bracket {
    /// The 2.5 % quantile.
    pub low: f64,
    /// The median.
    pub best: f64,
    /// The 97.5 % quantile.
    pub high: f64,
}

/// What the evidence says of the answer.
#[derive(Debug, Clone)]
pub struct Picture {
    capacity: f64,
    /// Logarithms of the grid's rates.
    rates: Vec<f64>,
    /// P(R > rate) for each demand and point.
    beyond: Vec<Vec<f64>>,
    /// The same for the lowest of all.
    all_beyond: Vec<f64>,
    /// Posterior mean of the bend, for each demand.
    bends: Vec<f64>,
    /// φ ÷ φ₀ of each demand.
    clusterings: Vec<f64>,
    bracket: Bracket,
    limited_by: usize,
}

impl Picture {
    /// What `history` says to `question`; `None` before the capacity is known.
    #[must_use]
    pub fn of(question: &Question, history: &History) -> Option<Self> {
        let capacity = match history.end(question)? {
            Capacity::Reached(end) => end,
            // Nothing is known of the wall but that it lies beyond: far enough beyond that it does not press on the answer.
            Capacity::Above(most) => 1.5 * most,
        };
        // The rough grid finds the centre of the weights and what is not refuted, the fine one everything else.
        let grid = |(from, until): (f64, f64), points: usize| -> Vec<f64> {
            (0..points).map(|point| from + (until - from) * point as f64 / (points - 1) as f64).collect()
        };
        let rough = grid((libm::log(LOWEST * capacity), libm::log(HIGHEST * capacity)), ROUGH);
        let mut picture = Self::around(question, history, capacity, libm::log(FIRST * capacity), rough);
        if !history.probes.is_empty() {
            for _ in 0..2 {
                let centre = libm::log(picture.bracket.best);
                picture = Self::around(question, history, capacity, centre, picture.rates);
            }
        }
        let (centre, open) = (libm::log(picture.bracket.best), picture.not_refuted());
        Some(Self::around(question, history, capacity, centre, grid(open, FINE)))
    }

    /// From where to where some demand's own answer may lie.
    fn not_refuted(&self) -> (f64, f64) {
        let first = |tail: &Vec<f64>| tail.partition_point(|share| *share > 1.0 - REFUTED);
        let last = |tail: &Vec<f64>| tail.partition_point(|share| *share > REFUTED);
        let from = self.beyond.iter().map(first).min().unwrap_or(0).saturating_sub(2);
        let until = (self.beyond.iter().map(last).max().unwrap_or(0) + 2).min(self.rates.len() - 1);
        (self.rates[from.min(until - 1)], self.rates[until])
    }

    fn around(question: &Question, history: &History, capacity: f64, centre: f64, rates: Vec<f64>) -> Self {
        let points = rates.len();
        let complement = Complement::new();
        let mut beyond = Vec::new();
        let (mut bends, mut clusterings) = (Vec::new(), Vec::new());
        for place in 0..question.demands().len() {
            let allowed = question.demands()[place].allowed();
            let clustering = match question.over() {
                Over::Rate | Over::Concurrency => clustering(question, history, place, capacity, centre),
                Over::TimeScale => between_passes(history, place, centre),
            };
            let of = |probe| Fact::of(question, probe, place, clustering, capacity, centre);
            let facts: Vec<Fact> = history.probes.iter().filter_map(of).collect();
            let (tail, bend) = marginal(question.over(), &rates, capacity, allowed, &facts, &complement);
            beyond.push(tail);
            bends.push(bend);
            clusterings.push(clustering);
        }
        let all_beyond: Vec<f64> = (0..points).map(|point| beyond.iter().map(|tail| tail[point]).product()).collect();
        let quantile = |tail: &[f64], share: f64| libm::exp(crossing(&rates, tail, 1.0 - share));
        let bracket = Bracket {
            low: quantile(&all_beyond, 0.5 - Question::CONFIDENCE / 2.0),
            best: quantile(&all_beyond, 0.5),
            high: quantile(&all_beyond, 0.5 + Question::CONFIDENCE / 2.0),
        };
        let medians: Vec<f64> = beyond.iter().map(|tail| quantile(tail, 0.5)).collect();
        let limited_by = (0..medians.len()).min_by(|a, b| medians[*a].total_cmp(&medians[*b])).unwrap_or(0);
        Self { capacity, rates, beyond, all_beyond, bends, clusterings, bracket, limited_by }
    }

    /// The 95 % interval of the highest level that meets every demand, and its median.
    #[must_use]
    pub const fn bracket(&self) -> Bracket {
        self.bracket
    }

    /// The demand whose own rate is lowest.
    #[must_use]
    pub const fn limited_by(&self) -> usize {
        self.limited_by
    }

    /// Where the axis ends: of rates the completions per second of the saturated service; where that was not reached, what is assumed.
    #[must_use]
    pub const fn end(&self) -> f64 {
        self.capacity
    }

    /// P(the answer exceeds `level`).
    #[must_use]
    pub fn chance_beyond(&self, level: f64) -> f64 {
        interpolated(&self.rates, &self.all_beyond, libm::log(level))
    }

    /// The interval of one demand alone.
    #[must_use]
    pub fn bracket_of(&self, place: usize) -> Bracket {
        let quantile = |share: f64| libm::exp(crossing(&self.rates, &self.beyond[place], 1.0 - share));
        Bracket { low: quantile(0.025), best: quantile(0.5), high: quantile(0.975) }
    }

    /// φ of one demand's misses at a level.
    #[must_use]
    pub fn phi(&self, question: &Question, place: usize, level: f64) -> f64 {
        (self.clusterings[place] * prior_phi(question, level, self.capacity)).max(1.0)
    }

    /// The share of misses of one demand at a level, by the fitted curve.
    #[must_use]
    pub fn share_at(&self, question: &Question, place: usize, level: f64) -> f64 {
        self.share_of_factor(question, place, level / self.bracket_of(place).best)
    }

    /// The share of misses at a level of which `factor` is the answer: what an overload or a slack of that much would show.
    pub(super) fn share_of_factor(&self, question: &Question, place: usize, factor: f64) -> f64 {
        let answer = libm::log(self.bracket_of(place).best);
        let reach = |rate: f64| reach(question.over(), rate, self.capacity);
        let power = self.bends[place] * (reach(answer + libm::log(factor)) - reach(answer));
        libm::exp(-(-libm::log(question.demands()[place].allowed()) * libm::exp(power)).clamp(LEAST_DEPTH, MOST_DEPTH))
    }
}

/// φ that queueing theory expects at a level.
///
/// At a rate: `φ₀ = 2(c_a² + c_s²)ρ/(1 − ρ)²`, with an unknown `c_s²` of 1. With N in flight each wait is a sum over the services of those in front, which
/// N requests in a row share all but one of: exceedances of the level z of such a sum come in clusters of N/z² in the mean (Aldous, *Poisson
/// clumping*, C12), S² ÷ S twice that, 0.4 N at p99 and 1.2 N at p90. Half of N is taken.
pub(super) fn prior_phi(question: &Question, level: f64, capacity: f64) -> f64 {
    match question.over() {
        Over::Rate => {
            let busy = (level / capacity).min(MOST_BUSY);
            (2.0 * (question.arrival_cv2() + 1.0) * busy / ((1.0 - busy) * (1.0 - busy))).max(1.0)
        }
        Over::Concurrency => (level / 2.0).max(1.0),
        // What varies from pass to pass is counted (`between_passes`).
        Over::TimeScale => 1.0,
    }
}

/// How a rate at `centre` weighs one at `rate` (logarithms).
pub(super) fn nearness(over: Over, rate: f64, centre: f64) -> f64 {
    let away = (rate - centre) / if over == Over::TimeScale { NEAR_PASSES } else { NEAR };
    1.0 / (1.0 + away * away)
}

/// By how much the misses of one demand cluster more than φ₀ says: Σ S² ÷ Σ S over the episodes of all probes, each in units of its own φ₀,
/// shrunk towards 1 the more the fewer episodes were seen. A short probe has not seen the episodes that make the tail, and by itself
/// would find them small. One factor for all: φ by probe would be largest where many missed, and the probes that count most against a
/// rate would count least.
fn clustering(question: &Question, history: &History, place: usize, capacity: f64, centre: f64) -> f64 {
    let (mut sum, mut misses, mut episodes) = (0.0, 0.0, 0.0);
    for probe in &history.probes {
        if let Some((count, seen)) = probe.counts.get(place).and_then(|count| Some((count, count.clusters?))) {
            let weight = nearness(question.over(), libm::log(probe.level.value()), centre);
            let missed = count.misses as f64 * weight;
            sum += missed * seen.phi / prior_phi(question, probe.level.value(), capacity);
            misses += missed;
            episodes += seen.episodes as f64 * weight;
        }
    }
    if misses > 0.0 { shrunk(sum / misses, episodes, 1.0).max(LEAST_CLUSTERING) } else { 1.0 }
}

/// φ of the passes of one demand: how much more than by chance the misses vary from pass to pass around levels that only rise with the scale.
///
/// Inside a pass misses come together because the trace has a peak, which it has in every pass: its episodes say at most how much of that may be chance.
/// They are taken for one pass beside those that there are, less one for each level (Meyer and Woodroofe 2000, "On the degrees of freedom in
/// shape-restricted regression").
fn between_passes(history: &History, place: usize, centre: f64) -> f64 {
    let (mut inside, mut misses) = (0.0, 0.0);
    let mut passes: Vec<(f64, Count)> = Vec::new();
    for (probe, count) in history.probes.iter().filter_map(|probe| Some((probe, *probe.counts.get(place)?))) {
        if let Some(clusters) = count.clusters {
            let weight = nearness(Over::TimeScale, libm::log(probe.level.value()), centre) * count.misses as f64;
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
    ((inside + squares) / (1.0 + passes.len().saturating_sub(steps) as f64)).max(1.0)
}

/// How far a utilisation lies from the wall: 1 − ρ, and beyond [`MOST_BUSY`] a tail that never ends, since the capacity is an estimate too.
fn distance(busy: f64) -> f64 {
    let least = 1.0 - MOST_BUSY;
    if busy < MOST_BUSY { 1.0 - busy } else { least * libm::exp(-(busy - MOST_BUSY) / least) }
}

/// The logarithm of d at `rate` (a logarithm too), where ln(1/q) is ln(1/α) (d(r)/d(R))^f with the answer R.
///
/// For a rate d is the distance to the wall: with f = 1 this is M/M/1, and near enough every queue whose tail decays in proportion to 1 − ρ; at the wall
/// every request misses, wherever the answer lies. Elsewhere there is no wall, and d = 1/r.
fn reach(over: Over, rate: f64, capacity: f64) -> f64 {
    match over {
        Over::Rate => libm::log(distance(libm::exp(rate) / capacity)),
        Over::Concurrency | Over::TimeScale => -rate,
    }
}

/// What one probe says of one demand, tempered.
#[derive(Debug, Clone, Copy)]
struct Fact {
    rate: f64,
    misses: f64,
    decided: f64,
}

impl Fact {
    fn of(question: &Question, probe: &Probe, place: usize, clustering: f64, capacity: f64, centre: f64) -> Option<Self> {
        let count = probe.counts.get(place).filter(|count| count.decided > 0)?;
        let level = probe.level.value();
        let mut phi = (clustering * prior_phi(question, level, capacity)).max(1.0);
        // The alarm is that of the demand that misses.
        if probe.end == End::Overloaded && count.share() > 0.2 {
            phi = phi.min((count.decided as f64 / OVERLOAD_WORTH).max(1.0));
        }
        let rate = libm::log(level);
        let weight = nearness(question.over(), rate, centre) / phi;
        Some(Self { rate, misses: count.misses as f64 * weight, decided: count.decided as f64 * weight })
    }
}

/// (P(R > rate) at each point, mean bend) of one demand: flat in the logarithm of the rate, log-normal in the bend.
fn marginal(over: Over, rates: &[f64], capacity: f64, allowed: f64, facts: &[Fact], complement: &Complement) -> (Vec<f64>, f64) {
    let [from, until] = BEND_SPAN;
    let (middle, spread) = if over == Over::Rate { (BEND, BEND_SPREAD) } else { (OPEN_BEND, OPEN_BEND_SPREAD) };
    let sigmas = |bend: usize| from + (until - from) * bend as f64 / (BENDS - 1) as f64;
    let bends: Vec<(f64, f64)> =
        (0..BENDS).map(|bend| (middle * libm::exp(spread * sigmas(bend)), -sigmas(bend) * sigmas(bend) / 2.0)).collect();
    let powers = |rate: f64, sign: f64| -> Vec<f64> {
        let log = reach(over, rate, capacity);
        bends.iter().map(|(bend, _)| libm::exp(sign * bend * log)).collect()
    };
    let of_facts: Vec<Vec<f64>> = facts.iter().map(|fact| powers(fact.rate, 1.0)).collect();
    let depth = -libm::log(allowed);
    let mut logs = Vec::with_capacity(rates.len() * BENDS);
    for rate in rates {
        for (bend, power) in powers(*rate, -1.0).iter().enumerate() {
            let likelihood = |(fact, own): (&Fact, &Vec<f64>)| {
                // k ln q + (n − k) ln(1 − q) with q = e^−y.
                let y = (depth * power * own[bend]).clamp(LEAST_DEPTH, MOST_DEPTH);
                (fact.decided - fact.misses) * complement.at(y) - fact.misses * y
            };
            logs.push(bends[bend].1 + facts.iter().zip(&of_facts).map(likelihood).sum::<f64>());
        }
    }
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut weights, mut bend_sum) = (Vec::with_capacity(rates.len()), 0.0);
    for row in logs.chunks(BENDS) {
        let shares: Vec<f64> = row.iter().map(|log| libm::exp(log - most)).collect();
        bend_sum += shares.iter().zip(&bends).map(|(share, (bend, _))| share * bend).sum::<f64>();
        weights.push(shares.iter().sum::<f64>());
    }
    let total: f64 = weights.iter().sum();
    // A point stands for the cell around it: half of its weight lies beyond it.
    let mut left = total;
    let tail = weights.iter().map(|weight| {
        left -= weight;
        ((left + weight / 2.0) / total).clamp(0.0, 1.0)
    });
    (tail.collect(), bend_sum / total)
}

/// Where a falling tail crosses `level`, in the logarithm of the rate.
fn crossing(rates: &[f64], tail: &[f64], level: f64) -> f64 {
    let after = tail.partition_point(|share| *share > level);
    match (after.checked_sub(1), rates.get(after)) {
        (None, _) => rates.first().copied().unwrap_or(0.0),
        (Some(before), None) => rates[before],
        (Some(before), Some(next)) => {
            let (high, low) = (tail[before], tail[after]);
            let part = if high > low { (high - level) / (high - low) } else { 0.5 };
            rates[before] + part * (next - rates[before])
        }
    }
}

fn interpolated(rates: &[f64], tail: &[f64], at: f64) -> f64 {
    let after = rates.partition_point(|rate| *rate < at);
    match (after.checked_sub(1), rates.get(after)) {
        (None, _) => 1.0,
        (Some(_), None) => 0.0,
        (Some(before), Some(next)) => {
            let part = (at - rates[before]) / (next - rates[before]);
            tail[before] + part * (tail[after] - tail[before])
        }
    }
}

/// ln(1 − e^−y) between [`LEAST_DEPTH`] and [`MOST_DEPTH`], by a table: it is asked for half a million times a step.
struct Complement(Vec<f64>);

impl Complement {
    const CELLS: usize = 8_192;
    const PER_UNIT: f64 = Self::CELLS as f64 / MOST_DEPTH;

    fn new() -> Self {
        let at = |cell: usize| libm::log(1.0 - libm::exp(-(cell as f64 / Self::PER_UNIT).max(LEAST_DEPTH)));
        Self((0..=Self::CELLS + 1).map(at).collect())
    }

    fn at(&self, depth: f64) -> f64 {
        let place = depth * Self::PER_UNIT;
        let cell = place as usize;
        self.0[cell] + (place - cell as f64) * (self.0[cell + 1] - self.0[cell])
    }
}
