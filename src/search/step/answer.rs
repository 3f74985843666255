//! Owns the decision of a search: the next probe and its length, or the answer.

use crate::search::step::curve::Shape;
use crate::search::step::direct::{Direct, direct};
use crate::search::step::overdispersion::nearness;
use crate::search::step::posterior::FIRST;
use crate::search::step::price::price;
use crate::search::step::trust::{collapses, doubts, is_end_tried};
use crate::search::step::{Bracket, Capacity, Count, Doubt, History, Picture, Probe, Question, Spent};
use crate::search::{Axis, Level, Pass};
use crate::stats::proportion::exceeds;

/// Requests sent to the unloaded service, one at a time.
const FLOOR_REQUESTS: u64 = 600;
/// Completions of the saturated service. For exponential service times they give the capacity to ±1.8 %.
const SATURATION_REQUESTS: u64 = 3_000;
/// The overload that a probe must be able to show, as a part of the relative width of the interval; never coarser
/// than [`COARSEST`].
const RESOLUTION: f64 = 0.35;
const COARSEST: f64 = 0.25;
/// Least length of a window: this many requests, and this many mean times in the system.
pub(super) const LEAST_REQUESTS: f64 = 300.0;
const LEAST_TIMES: f64 = 5.0;
/// If a budget has no room for such a window, a window of this many requests is better than no answer.
const LAST_REQUESTS: f64 = 20.0;
/// Misses, in effective requests, that a window would hold at the answer. Shorter windows would show only chance;
/// longer ones would spend everything at a few levels.
const EXPECTED: f64 = 0.4;
/// Least requests of a window of a demand on a mean, in φ₀ of its level. φ₀ requests take about half the relaxation
/// time of a queue.
const SETTLED: f64 = 8.0;
/// After this many probes, windows grow in proportion to the number of probes.
const MANY_PROBES: f64 = 20.0;
/// After `MANY_PROBES`, each window has at least this share of all requests, so that the limit on the number of
/// probes is not reached.
const LEAST_SHARE_OF_ALL: f64 = 1.0 / 40.0;
/// The growth of windows by expected misses ends at this share of all requests so far.
const LARGEST: f64 = 0.2;
/// The discard before a window, as a share of the window; the second value applies if the service was emptied
/// before.
const DISCARDED: f64 = 0.3;
const DISCARDED_EMPTIED: f64 = 0.7;
/// The discard is at least this many mean times in the system.
const DISCARDED_TIMES: f64 = 2.0;
/// Least length of a window of a closed loop, in mean times in the system: no overload has to build up in a closed
/// loop. The first loads, which find the range of the search, have at least `FIRST_REQUESTS` requests and
/// `FIRST_ROUNDS` mean times.
const LEAST_ROUNDS: f64 = 20.0;
const FIRST_REQUESTS: f64 = 30.0;
const FIRST_ROUNDS: f64 = 4.0;
/// Factor on the level from one of the first loads to the next.
const GROWTH: f64 = 2.0;
/// Quantiles of the posterior at which probes run in turn. The median says most about the answer. The other
/// quantiles show how the curve bends, and what holds near the ends of the interval without a curve.
const QUANTILES: [f64; 4] = [0.5, 0.2, 0.5, 0.8];
/// `HALF`: the moderate rate, as a part of the answer, that is probed to measure the misses that load does not
/// cause. They are known when a floor as large as the allowed share would have shown `FLOOR_KNOWN` misses, in
/// effective requests. A probe asks for `FLOOR_MORE` times the missing requests, so that one probe is enough.
const HALF: f64 = 0.5;
const FLOOR_KNOWN: f64 = 4.0;
const FLOOR_MORE: f64 = 1.2;
/// If the share of misses that load does not cause exceeds the first part of the allowed share, the answer depends
/// on it. The second value is then the share of the effective requests that is spent at moderate rates.
const FLOOR_MATTERS: f64 = 0.25;
const FLOOR_SHARE: f64 = 0.2;
/// Least number of probes near the answer, apart in time, before it is given.
const VISITS: usize = 3;
/// Least number of probes, including the moderate one: fewer have proved too little.
const LEAST_PROBES: usize = 10;
/// A search that has not ended after this many probes, or after this many times the predicted number of requests, will
/// not end. The most expensive heavy tails take 90 times that number.
pub const MOST_PROBES: usize = 200;
const MOST_TIMES: f64 = 200.0;
/// A search ends after this many collapses of the service: there is more than one answer.
const MOST_COLLAPSES: usize = 2;
/// The rest of a budget is not spent on probes if it would narrow the interval by less than this share. A
/// certificate is a better use.
const NARROWED: f64 = 0.04;
/// A probe may send this many standard deviations more than expected.
const CHANCE: f64 = 3.0;
/// Default of the lowest rate of interest, as a share of the capacity.
const LEAST_SHARE: f64 = 0.04;
/// Confidence level of each test whether the unloaded service fails. There are few such tests.
pub(in crate::search) const FAILING: f64 = 0.995;
/// Probability needed to say that the answer lies beyond an end of the range.
const CERTAIN: f64 = 0.975;

/// One probe to run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Order {
    /// The level of the load.
    pub level: Level,
    /// Seconds at the beginning that are discarded.
    pub discard_s: f64,
    /// Seconds of the measured window.
    pub window_s: f64,
    /// The relative overload that the window must be able to show.
    pub resolution: f64,
}

/// The next step of a search.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Measure the unloaded service.
    Floor {
        /// The number of requests.
        requests: u64,
    },
    /// Overload the service, at no more than `most_per_s`, until `completions` requests have completed in the
    /// steady state of the loop. Then cancel the backlog and wait until nothing is in flight.
    Saturate {
        /// The number of completions.
        completions: u64,
        /// The highest rate that may be sent, in requests per second; `None`: no bound.
        most_per_s: Option<f64>,
    },
    /// Run a probe. State is carried over from the probe before, unless an alarm ended that probe: then wait until
    /// the backlog is gone. Closed loops and traces always begin with nothing in flight. The rest of one loop would
    /// be too many requests for the next, and the recording of a trace began with an empty service.
    Probe(Order),
    /// The search is over.
    Done(Box<Answer>),
}

/// The result of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The interval is as narrow as requested.
    Found,
    /// The budget is spent: the interval is as narrow as the budget allowed.
    BudgetSpent,
    /// The search took as many probes or requests as a search may, or the service collapsed several times: more probes
    /// would not narrow the interval.
    Unsettled,
    /// The highest load that may be sent meets the objectives.
    MostReached,
    /// The unloaded service misses an objective, or the lowest level of interest does. The default of that level is
    /// the share 0.04 of the capacity, or one request in flight.
    Infeasible,
}

/// The answer of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The result.
    pub finding: Finding,
    /// The lower end, the best estimate and the upper end; `None` if the unloaded service fails. The headline is
    /// the lower end.
    pub bracket: Option<Bracket>,
    /// The demand that limits the load, or that fails.
    pub limited_by: usize,
    /// Whether no demand limits the rate, but the highest rate that the service keeps up with.
    pub is_limited_by_capacity: bool,
    /// What does not fit. An answer with doubts is inconclusive.
    pub doubts: Vec<Doubt>,
    /// Requests and time that the search took.
    pub spent: Spent,
    /// Effective sample size near the answer: requests of the probes there, divided by φ of the demand that limits.
    pub effective_requests: f64,
    /// Number of independent episodes of misses of the limiting demand near the answer.
    pub episodes: f64,
    /// The share of requests that miss the limiting demand whatever the load.
    pub unloaded_share: f64,
    /// The interval that the probes show without a fitted curve.
    pub direct: Direct,
}

/// The next step of a search.
#[must_use]
pub fn step(question: &Question, history: &History) -> Step {
    step_seen(question, history, Picture::of(question, history).as_ref())
}

/// [`step`] where the picture of `history` is known already: it takes nearly all the time of a step.
pub(in crate::search) fn step_seen(question: &Question, history: &History, picture: Option<&Picture>) -> Step {
    let Some(floor) = &history.floor else { return Step::Floor { requests: FLOOR_REQUESTS } };
    if let Some(place) = failing(question, floor) {
        return Step::Done(Box::new(fails_unloaded(history, floor, place)));
    }
    let Some(picture) = picture else {
        return Step::Saturate {
            completions: SATURATION_REQUESTS,
            most_per_s: question.most().filter(|_| question.over().is_open()),
        };
    };
    let done = |finding| Step::Done(Box::new(answer(question, history, picture, finding)));
    let begins_in_time = |order: &Order| fits(question, history, order);
    if let Some(order) = growth(question, history).filter(begins_in_time) {
        return Step::Probe(order);
    }
    let Bracket { low, best, high } = picture.bracket();
    let least = least_of_interest(question, history, picture);
    let most = question.most();
    let visited = !history.probes.is_empty();
    if visited && most.is_some_and(|most| picture.chance_beyond(most) >= CERTAIN) {
        return done(Finding::MostReached);
    }
    if visited && picture.chance_beyond(least) <= 1.0 - CERTAIN {
        return done(Finding::Infeasible);
    }
    let precision = precision_at(question, picture);
    // No level lies between two whole numbers.
    let (is_whole, apart) =
        if question.over() == Axis::Concurrency { (libm::floor(low) >= libm::floor(high), 1.0) } else { (false, 0.0) };
    let is_near = |level: f64| libm::fabs(libm::log(level / best)) <= precision || libm::fabs(level - best) <= apart;
    let near = history.probes.iter().filter(|probe| is_near(probe.level.value())).count();
    let is_visited = near >= VISITS && (!question.over().is_open() || history.probes.len() >= LEAST_PROBES);
    let is_narrow = is_whole || high / low <= 1.0 + 2.0 * precision;
    let is_end_tried = is_end_tried(question, history, picture.bracket());
    if visited && is_narrow && is_visited && is_end_tried && picture.has_enough_episodes() {
        return done(Finding::Found);
    }
    let order = order(question, history, picture, precision);
    if is_unsettled(question, history, picture) {
        return done(Finding::Unsettled);
    }
    if is_visited && !narrows(question, history) {
        return done(Finding::BudgetSpent);
    }
    // Few probes say little, and too short ones almost nothing; but one probe is better than none.
    let least = if near < VISITS { LAST_REQUESTS } else { LEAST_REQUESTS };
    let shortened = shortened(question, order, least);
    std::iter::once(order).chain(shortened).find(begins_in_time).map_or_else(|| done(Finding::BudgetSpent), Step::Probe)
}

/// The answer where the unloaded service, whose counts are `floor`, fails the demand number `place`.
fn fails_unloaded(history: &History, floor: &[Count], place: usize) -> Answer {
    Answer {
        finding: Finding::Infeasible,
        bracket: None,
        limited_by: place,
        is_limited_by_capacity: false,
        doubts: Vec::new(),
        spent: history.spent(),
        effective_requests: floor[place].decided as f64,
        episodes: floor[place].misses as f64,
        unloaded_share: floor[place].share(),
        direct: Direct::default(),
    }
}

/// The lowest level of interest: the lower bound asked for, or else a small share of the capacity.
fn least_of_interest(question: &Question, history: &History, picture: &Picture) -> f64 {
    question.least().unwrap_or(match question.over() {
        // A trace that fails at this share of the capacity fails for another reason than load.
        Axis::Rate | Axis::Sessions => LEAST_SHARE * picture.end(),
        Axis::TimeScale => LEAST_SHARE * question.pass().and_then(|pass| history.full_scale(pass)).unwrap_or(0.0),
        Axis::Concurrency => 1.0,
    })
}

/// `order` with windows of a half, a quarter, … of its window, down to `least` requests; only over rates.
fn shortened(question: &Question, order: Order, least: f64) -> impl Iterator<Item = Order> {
    let is_over_rates = question.over().is_open();
    let per_s = question.requests_per_s(order.level);
    let settles_s = question.settles_s(0.0);
    let orders = (1..=8).map(move |half| {
        let by = f64::from(1 << half);
        let order = Order { window_s: order.window_s / by, ..order };
        if order.window_s < LEAST_REQUESTS / per_s {
            Order { discard_s: (order.discard_s / by).max(settles_s), ..order }
        } else {
            order
        }
    });
    orders.filter(move |order| is_over_rates && order.window_s >= least / per_s)
}

/// Whether more probes will hardly narrow the interval: it took too many of them already, or the service collapses at
/// rates with which it kept up in other probes.
fn is_unsettled(question: &Question, history: &History, picture: &Picture) -> bool {
    let predicted = price(question, picture.bracket().best / picture.end()) as f64;
    history.probes.len() >= MOST_PROBES
        || history.spent().requests as f64 > MOST_TIMES * predicted
        || collapses(history) >= MOST_COLLAPSES
}

/// Whether the rest of the budget can narrow the interval visibly: its width is proportional to 1 ÷ √(what the
/// probes took).
fn narrows(question: &Question, history: &History) -> bool {
    let (budget, spent) = (question.budget(), history.spent());
    let share =
        |spent: f64, of_first_steps: f64, most: f64| (spent - of_first_steps) / (most - of_first_steps).max(1e-9);
    let by_requests = budget
        .requests
        .map(|most| share(spent.requests as f64, history.overhead.requests as f64, most as f64))
        .unwrap_or_default();
    let by_seconds =
        budget.seconds.map(|most| share(spent.seconds, history.overhead.seconds, most)).unwrap_or_default();
    1.0 - libm::sqrt(by_requests.max(by_seconds)) > NARROWED
}

/// Whether the budget of `question` has room for `order` after `history`.
#[must_use]
pub fn fits(question: &Question, history: &History, order: &Order) -> bool {
    question.budget().holds(history.spent().plus(taken(question, history, order)))
}

/// The requests and the time that a probe takes.
fn taken(question: &Question, history: &History, order: &Order) -> Spent {
    if let Some(pass) = question.pass() {
        return Spent { requests: pass.requests(), seconds: order.window_s };
    }
    let last = history.probes.last();
    let time_s = last.map_or(0.0, |probe| probe.time_in_system_s);
    let per_s = match order.level {
        Level::Concurrency(in_flight) => f64::from(in_flight) / time_s.max(1e-3),
        Level::RatePerS(_) | Level::SessionsPerS(_) => question.requests_per_s(order.level),
        Level::TimeScale(level) => level,
    };
    let seconds = order.discard_s + order.window_s;
    // The requests of the window are followed while the load continues.
    let followed_s = question.longest_limit_s().min(order.window_s) + time_s;
    let expected = per_s * seconds;
    // A budget is not exceeded because a little more than expected arrived.
    let margin = CHANCE * libm::sqrt(question.variability(0.0) * expected);
    Spent { requests: (expected + margin) as u64, seconds: seconds + followed_s }
}

/// The precision in force. Latency explodes near the capacity, so the precision is never looser than the relative
/// distance to the capacity, down to a quarter of the requested precision. The capacity itself is known to within
/// about 2 %.
pub(super) fn precision_at(question: &Question, picture: &Picture) -> f64 {
    let wall = match question.over() {
        over if over.is_open() && !picture.is_limited_by_capacity() => 1.0 - picture.bracket().best / picture.end(),
        _ => 1.0,
    };
    question.precision().min(wall.max(question.precision() / 4.0))
}

/// The next load that finds the range of the search: twice the last level, until an objective is clearly missed or
/// no higher level may be sent. `None` if the range is known. For rates the saturated service gives it, unless the
/// service refuses requests or keeps up with a higher rate.
fn growth(question: &Question, history: &History) -> Option<Order> {
    let (over, most) = (question.over(), question.most().unwrap_or(f64::INFINITY));
    match history.end(question)? {
        Capacity::Above(level) if (!over.is_open() || history.shape(question) == Shape::Open) && level < most => {
            let level = over.level((GROWTH * level).max(question.least().unwrap_or(0.0)).min(most));
            Some(match question.pass() {
                Some(pass) => whole(pass, level, COARSEST),
                None if over.is_open() => lasting(question, history, level, COARSEST),
                None => rounds(history, level, COARSEST, [FIRST_REQUESTS, FIRST_ROUNDS]),
            })
        }
        _ => None,
    }
}

/// A probe of a trace: the whole trace, once, from an empty service as in the recording. A trace is not steady, so
/// no part of it represents the rest.
fn whole(pass: &Pass, level: Level, resolution: f64) -> Order {
    Order { level, discard_s: 0.0, window_s: pass.length_s(level.value()), resolution }
}

/// A probe of a closed loop, with at least this many requests and rounds. Its duration follows from the load
/// before; for the first loop, from the unloaded service. The worst case is assumed: a higher concurrency does not
/// raise throughput, and a lower one does not cut latency.
fn rounds(history: &History, level: Level, resolution: f64, [requests, rounds]: [f64; 2]) -> Order {
    let lone_s = history.overhead.seconds / (history.overhead.requests as f64).max(1.0);
    let (in_flight, in_system_s) =
        history.probes.last().map_or((1.0, lone_s), |probe| (probe.level.value(), probe.time_in_system_s));
    let time_s = in_system_s * (level.value() / in_flight).max(1.0);
    let per_s = level.value() / time_s.max(1e-9);
    let window_s = (requests / per_s).max(rounds * time_s);
    Order { level, discard_s: (DISCARDED * window_s).max(DISCARDED_TIMES * time_s), window_s, resolution }
}

fn order(question: &Question, history: &History, picture: &Picture, precision: f64) -> Order {
    let Bracket { low, high, .. } = picture.bracket();
    let turn = history.probes.len();
    let aimed = match history.capacity {
        Some(Capacity::Above(most)) if turn == 0 => most,
        Some(Capacity::Reached(per_s)) if turn == 0 => FIRST * per_s,
        _ if turn >= LEAST_PROBES && !is_end_tried(question, history, picture.bracket()) => high,
        _ if turn < QUANTILES.len() || !question.over().is_open() => picture.bracket().best,
        _ => picture.quantile(QUANTILES[turn % QUANTILES.len()]),
    };
    let level =
        question.over().level(aimed.min(question.most().unwrap_or(f64::INFINITY)).max(question.least().unwrap_or(0.0)));
    let resolution = (RESOLUTION * (high / low - 1.0)).max(precision).min(COARSEST);
    let order = lasting(question, history, level, resolution);
    if !question.over().is_open() {
        return order;
    }
    let place = picture.limited_by();
    if let Some(moderate) = moderate(question, history, picture, resolution) {
        return moderate;
    }
    let expected = EXPECTED * (turn as f64 / MANY_PROBES).max(1.0);
    let demand = &question.demands()[place];
    let requests = expected * picture.phi(question, place, picture.bracket().best) / demand.allowed();
    // A mean is over all requests. A window that is short beside the time in which the service forgets its state shows
    // the state in which it began.
    let settled = if demand.is_of_mean() { SETTLED * picture.expected_phi(question, level.value()) } else { 0.0 };
    let requests = requests.max(settled);
    // The first probes find the range of the search, and no probe spends a large part of what all have spent.
    let spent = history.spent().requests as f64;
    let least = if turn as f64 > MANY_PROBES { LEAST_SHARE_OF_ALL * spent } else { 0.0 };
    let requests = requests.min(LARGEST * spent).max(least);
    Order { window_s: order.window_s.max(requests / question.requests_per_s(level)), ..order }
}

/// A probe at a moderate rate, once it is known which rates are moderate. It shows which share of the misses load
/// does not cause, or that there is none. `None` if this is known well enough.
fn moderate(question: &Question, history: &History, picture: &Picture, resolution: f64) -> Option<Order> {
    let place = picture.limited_by();
    let known = picture.known_floor(question, history, place);
    let allowed = question.demands()[place].allowed();
    let all = if picture.floor_of(place) < FLOOR_MATTERS * allowed {
        0.0
    } else {
        history
            .weighed(place, |level| picture.phi(question, place, level))
            .iter()
            .map(|point| allowed * point.decided)
            .sum()
    };
    let wanted = FLOOR_KNOWN.max(FLOOR_SHARE * all);
    if history.probes.len() < QUANTILES.len() || known >= wanted {
        return None;
    }
    let half = HALF * picture.bracket().best;
    let level = question.over().level(half.max(question.least().unwrap_or(0.0)));
    let order = lasting(question, history, level, resolution);
    let requests = (wanted - known) * picture.phi(question, place, half) / allowed;
    let per_s = half * question.requests_each();
    Some(Order { window_s: order.window_s.max(FLOOR_MORE * requests / per_s), ..order })
}

/// Least requests of a window. The number in flight forgets its state as much more slowly, in requests, as an overload
/// shows in it more slowly.
fn least_requests(question: &Question) -> f64 {
    LEAST_REQUESTS / question.turns().shown()
}

/// A probe at `level`, long enough for an overload by `resolution` to be visible.
pub(super) fn lasting(question: &Question, history: &History, level: Level, resolution: f64) -> Order {
    match question.pass() {
        Some(pass) => return whole(pass, level, resolution),
        None if question.over() == Axis::Concurrency => {
            return rounds(history, level, resolution, [LEAST_REQUESTS, LEAST_ROUNDS]);
        }
        None => {}
    }
    let last = history.probes.last();
    let time_in_system_s = last.map_or(0.0, |probe| probe.time_in_system_s);
    let window_s = (question.longest_limit_s() / resolution)
        .max(least_requests(question) / question.requests_per_s(level))
        .max(LEAST_TIMES * time_in_system_s);
    // A load of sessions begins without the later turns of the sessions before it, so with less than a steady state.
    let emptied = question.over() == Axis::Sessions || last.is_none_or(Probe::leaves_a_backlog);
    let discard_s =
        (window_s * if emptied { DISCARDED_EMPTIED } else { DISCARDED }).max(DISCARDED_TIMES * time_in_system_s);
    // Each load begins without sessions: its later turns come only as the first sessions go on.
    let discard_s = discard_s.max(question.settles_s(time_in_system_s));
    Order { level, discard_s, window_s, resolution }
}

/// The demand that the unloaded service certainly misses by these counts; `None` if all may be met.
#[must_use]
pub fn failing(question: &Question, floor: &[Count]) -> Option<usize> {
    let fails = |(place, count): (usize, &Count)| {
        exceeds(count.misses as f64, count.decided as f64, question.demands()[place].allowed(), FAILING)
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
    let claims = matches!(finding, Finding::Found | Finding::BudgetSpent | Finding::Unsettled);
    let (doubts, direct) = (doubts(question, history, picture, claims), direct(question, history, picture));
    let bracket = picture.bracket();
    // If the curve does not fit, the interval that the probes show without it is included.
    let bracket = if doubts.contains(&Doubt::Curve) { direct.around(bracket, picture.end()) } else { bracket };
    Answer {
        finding,
        bracket: Some(bracket),
        limited_by: place,
        is_limited_by_capacity: picture.is_limited_by_capacity(),
        doubts,
        spent: history.spent(),
        effective_requests: history.probes.iter().filter_map(effective).sum(),
        episodes: picture.episodes(place),
        unloaded_share: picture.floor_of(place),
        direct,
    }
}
