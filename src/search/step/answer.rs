//! Owns the decision: the next probe and how long it is to be, or the answer.

use crate::search::step::posterior::nearness;
use crate::search::step::trust::doubts;
use crate::search::step::{Bracket, Capacity, Count, Doubt, End, History, Picture, Probe, Question, Spent};
use crate::search::{Level, Over, Pass};
use crate::stats::proportion::lower_bound;

/// Requests of the floor probe, hardly loaded.
const FLOOR_REQUESTS: u64 = 300;
/// Completions of the saturation probe: for exponential services they give the capacity to ±1.8 %.
const SATURATION_REQUESTS: u64 = 3_000;
/// Of the width of the interval, the overload that a probe is to make visible; never coarser than this.
const RESOLUTION: f64 = 0.35;
const COARSEST: f64 = 0.25;
/// A window holds at least so many requests, and so many mean times in the system.
pub(super) const LEAST_REQUESTS: f64 = 300.0;
const LEAST_TIMES: f64 = 5.0;
/// Of the window, what is discarded before it; more where the service was emptied before.
const DISCARDED: f64 = 0.3;
const DISCARDED_EMPTIED: f64 = 0.7;
/// Mean times in the system that are discarded at least.
const DISCARDED_TIMES: f64 = 2.0;
/// The same of closed loops, which have no overload that would have to build up; and of their first loads, which look for where to search.
const LEAST_ROUNDS: f64 = 20.0;
const FIRST_REQUESTS: f64 = 30.0;
const FIRST_ROUNDS: f64 = 4.0;
/// From one of these to the next.
const GROWTH: f64 = 2.0;
/// Windows of one probe, at most.
const BLOCKS: u32 = 4;
/// Probes near the answer, apart in time, before it is given.
const VISITS: usize = 2;
/// A search that has not ended after so many probes never will.
const MOST_PROBES: usize = 150;
/// Without a least rate, nobody is interested in less than this share of the capacity.
const LEAST_SHARE: f64 = 0.04;
/// How certain the answer must be to lie beyond an end of the range.
const CERTAIN: f64 = 0.975;

/// One probe to play.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Order {
    /// Its load.
    pub level: Level,
    /// Seconds of it that are not counted, first.
    pub discard_s: f64,
    /// Seconds of a block.
    pub block_s: f64,
    /// Blocks at most; after each the probe is looked at.
    pub most_blocks: u32,
    /// The relative overload that a block is to make visible.
    pub resolution: f64,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Ask so many requests of the unloaded service.
    Floor {
        /// How many.
        requests: u64,
    },
    /// Load the service beyond what it can do, at most at `most_per_s`, until so many requests have completed in its steady state; then
    /// cancel the backlog and wait until it is at rest.
    Saturate {
        /// How many.
        completions: u64,
        /// Nothing faster may be sent.
        most_per_s: Option<f64>,
    },
    /// Play a probe. State is carried over from the one before, unless an alarm ended it: then wait until the backlog is gone. Closed loops and
    /// traces always begin with nothing in flight: what is left of one loop would be too many for the next, and a trace began so.
    Probe(Order),
    /// It is over.
    Done(Box<Answer>),
}

/// What a search has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The interval is as narrow as was asked.
    Found,
    /// The budget is spent: the interval is what it bought.
    BudgetSpent,
    /// The highest load that may be sent meets the objectives.
    MostReached,
    /// The unloaded service misses an objective, or the lowest load of interest does: without one, 4 % of the capacity, or one request in flight.
    Infeasible,
}

/// The answer of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What it is.
    pub finding: Finding,
    /// The levels; none where the service fails unloaded. The headline is the lower end.
    pub bracket: Option<Bracket>,
    /// The demand that limits the load, or that fails.
    pub limited_by: usize,
    /// What does not fit: an answer with doubts is inconclusive.
    pub doubts: Vec<Doubt>,
    /// What it took.
    pub spent: Spent,
    /// Requests of the probes near the answer, divided by φ, of the demand that limits.
    pub effective_requests: f64,
}

/// The next step of a search.
#[must_use]
pub fn step(question: &Question, history: &History) -> Step {
    let Some(floor) = &history.floor else { return Step::Floor { requests: FLOOR_REQUESTS } };
    if let Some(place) = failing(question, floor) {
        return Step::Done(Box::new(Answer {
            finding: Finding::Infeasible,
            bracket: None,
            limited_by: place,
            doubts: Vec::new(),
            spent: history.spent(),
            effective_requests: floor[place].decided as f64,
        }));
    }
    let Some(picture) = Picture::of(question, history) else {
        return Step::Saturate { completions: SATURATION_REQUESTS, most_per_s: question.most().filter(|_| question.over() == Over::Rate) };
    };
    let done = |finding| Step::Done(Box::new(answer(question, history, &picture, finding)));
    let (budget, spent) = (question.budget(), history.spent());
    let is_over = |also: Spent| {
        budget.requests.is_some_and(|requests| spent.requests + also.requests >= requests)
            || budget.seconds.is_some_and(|seconds| spent.seconds + also.seconds >= seconds)
    };
    let over = is_over(Spent::default());
    if let Some(order) = growth(question, history).filter(|order| !is_over(certain(question, order))) {
        return Step::Probe(order);
    }
    let Bracket { low, best, high } = picture.bracket();
    let least = question.least().unwrap_or(match question.over() {
        // What fails at a trace of the capacity fails for another reason than load.
        Over::Rate => LEAST_SHARE * picture.end(),
        Over::TimeScale => LEAST_SHARE * question.pass().and_then(|pass| history.full_scale(pass)).unwrap_or(0.0),
        Over::Concurrency => 1.0,
    });
    let most = question.most();
    let visited = !history.probes.is_empty();
    if visited && most.is_some_and(|most| picture.chance_beyond(most) >= CERTAIN) {
        return done(Finding::MostReached);
    }
    if visited && picture.chance_beyond(least) <= 1.0 - CERTAIN {
        return done(Finding::Infeasible);
    }
    let precision = precision_at(question, &picture);
    // Nobody is between two whole numbers.
    let (is_whole, apart) = if question.over() == Over::Concurrency { (libm::floor(low) >= libm::floor(high), 1.0) } else { (false, 0.0) };
    let is_near = |level: f64| libm::fabs(libm::log(level / best)) <= precision || libm::fabs(level - best) <= apart;
    let near = history.probes.iter().filter(|probe| is_near(probe.level.value())).count();
    if visited && (is_whole || high / low <= 1.0 + 2.0 * precision) && near >= VISITS {
        return done(Finding::Found);
    }
    let order = order(question, history, &picture, precision);
    if over || is_over(certain(question, &order)) || history.probes.len() >= MOST_PROBES {
        return done(Finding::BudgetSpent);
    }
    Step::Probe(order)
}

/// What a probe is certain to take: a pass all of it.
fn certain(question: &Question, order: &Order) -> Spent {
    question.pass().map_or_else(Spent::default, |pass| Spent { requests: pass.requests(), seconds: order.block_s })
}

/// The precision in force: never looser than the distance to the wall, where latency explodes, down to a quarter of what was asked: the wall
/// itself is known to about ±2 %.
pub(super) fn precision_at(question: &Question, picture: &Picture) -> f64 {
    let wall = match question.over() {
        Over::Rate => 1.0 - picture.bracket().best / picture.end(),
        Over::Concurrency | Over::TimeScale => 1.0,
    };
    question.precision().min(wall.max(question.precision() / 4.0))
}

/// The next of the loads that look for where to search: twice the last, until an objective is plainly missed or nothing more may be sent. None where
/// that is known, and of rates, whose end the saturated service tells.
fn growth(question: &Question, history: &History) -> Option<Order> {
    let (over, most) = (question.over(), question.most().unwrap_or(f64::INFINITY));
    match history.end(question)? {
        Capacity::Above(level) if over != Over::Rate && level < most => {
            let level = over.level((GROWTH * level).max(question.least().unwrap_or(0.0)).min(most));
            Some(match question.pass() {
                Some(pass) => whole(pass, level, COARSEST),
                None => Order { most_blocks: 1, ..rounds(history, level, COARSEST, [FIRST_REQUESTS, FIRST_ROUNDS]) },
            })
        }
        _ => None,
    }
}

/// A probe of a trace: all of it, once, from an empty service as it began. A trace is not steady: no part of it stands for the rest.
fn whole(pass: &Pass, level: Level, resolution: f64) -> Order {
    Order { level, discard_s: 0.0, block_s: pass.length_s(level.value()), most_blocks: 1, resolution }
}

/// A probe of a closed loop, of so many requests and rounds at least. How long they take follows from the load before, the unloaded service first: at
/// worst more in flight complete no more, and fewer are answered no sooner.
fn rounds(history: &History, level: Level, resolution: f64, [requests, rounds]: [f64; 2]) -> Order {
    let lone_s = history.overhead.seconds / (history.overhead.requests as f64).max(1.0);
    let (in_flight, in_system_s) = history.probes.last().map_or((1.0, lone_s), |probe| (probe.level.value(), probe.time_in_system_s));
    let time_s = in_system_s * (level.value() / in_flight).max(1.0);
    let per_s = level.value() / time_s.max(1e-9);
    let block_s = (requests / per_s).max(rounds * time_s);
    Order { level, discard_s: (DISCARDED * block_s).max(DISCARDED_TIMES * time_s), block_s, most_blocks: BLOCKS, resolution }
}

fn order(question: &Question, history: &History, picture: &Picture, precision: f64) -> Order {
    let Bracket { low, best, high } = picture.bracket();
    let first = history.probes.is_empty();
    let aimed = match history.capacity {
        Some(Capacity::Above(most)) if first => most,
        Some(Capacity::Reached(per_s)) if first => 0.75 * per_s,
        _ => best,
    };
    let level = question.over().level(aimed.min(question.most().unwrap_or(f64::INFINITY)).max(question.least().unwrap_or(0.0)));
    let resolution = (RESOLUTION * (high / low - 1.0)).max(precision).min(COARSEST);
    lasting(question, history, level, resolution)
}

/// A probe at `level`, long enough for an overload by `resolution` to show.
pub(super) fn lasting(question: &Question, history: &History, level: Level, resolution: f64) -> Order {
    match question.pass() {
        Some(pass) => return whole(pass, level, resolution),
        None if question.over() == Over::Concurrency => return rounds(history, level, resolution, [LEAST_REQUESTS, LEAST_ROUNDS]),
        None => {}
    }
    let last = history.probes.last();
    let time_in_system_s = last.map_or(0.0, |probe| probe.time_in_system_s);
    let block_s = (question.longest_limit_s() / resolution).max(LEAST_REQUESTS / level.value()).max(LEAST_TIMES * time_in_system_s);
    let emptied = last.is_none_or(|probe| probe.end == End::Overloaded);
    let discard_s = (block_s * if emptied { DISCARDED_EMPTIED } else { DISCARDED }).max(DISCARDED_TIMES * time_in_system_s);
    Order { level, discard_s, block_s, most_blocks: BLOCKS, resolution }
}

/// The demand that these counts of the unloaded service refute for certain; none where all may be met.
#[must_use]
pub fn failing(question: &Question, floor: &[Count]) -> Option<usize> {
    let fails = |(place, count): (usize, &Count)| {
        lower_bound(count.misses as f64, count.decided as f64, CERTAIN) > question.demands()[place].allowed()
    };
    floor.iter().enumerate().position(fails)
}

fn answer(question: &Question, history: &History, picture: &Picture, finding: Finding) -> Answer {
    let place = picture.limited_by();
    let best = libm::log(picture.bracket().best);
    let effective = |probe: &Probe| {
        let decided = probe.counts.get(place)?.decided as f64;
        let level = probe.level.value();
        Some(decided / picture.phi(question, place, level) * nearness(question.over(), libm::log(level), best))
    };
    Answer {
        finding,
        bracket: Some(picture.bracket()),
        limited_by: place,
        doubts: doubts(question, history, picture),
        spent: history.spent(),
        effective_requests: history.probes.iter().filter_map(effective).sum(),
    }
}
