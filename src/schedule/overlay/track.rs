//! Owns the course of one overlay over time: the factor of λ, or the rate added to λ.

use std::f64::consts::TAU;

use crate::error::Refusal;
use crate::schedule::clause::secs;
use crate::schedule::overlay::{Kind, Overlay, Size, When};
use crate::schedule::piece::Pieces;
use crate::seed::{Stream, exponential, normal, open_unit};

/// The course of an overlay on [0, limit).
#[derive(Debug)]
pub(super) struct Track {
    pub(super) adds: bool,
    course: TrackCourse,
}

#[derive(Debug)]
enum TrackCourse {
    /// base + amplitude·sin(2π·(t/period + turns)).
    Sine { base: f64, amplitude: f64, period_s: f64, turns: f64 },
    /// base + amplitude·(cos x + ¼·cos 2x)/1.25, x = 2π·(t − peak)/period.
    Diurnal { base: f64, amplitude: f64, period_s: f64, peak_s: f64 },
    /// Straight between knots, with jumps at knots.
    Lines(Vec<Knot>),
}

/// Where a course bends or jumps: its value just before, and its value from here on.
#[derive(Debug, Clone, Copy)]
struct Knot {
    at_s: f64,
    before: f64,
    after: f64,
}

impl Track {
    /// The course of `overlay` up to `limit_s`. The mean of spikes at given times is taken over the measured window
    /// [0, `window_s`).
    pub(super) fn new(overlay: &Overlay, window_s: f64, limit_s: f64, stream: Stream) -> Result<Self, Refusal> {
        let size = overlay.size();
        let (value, adds) = (size.value(), size.adds());
        // An adding overlay varies around 0, a multiplying overlay around 1.
        let base = if adds { 0.0 } else { 1.0 };
        let course = match &overlay.0 {
            Kind::Sine { period, phase, .. } => {
                TrackCourse::Sine { base, amplitude: value, period_s: secs(*period), turns: phase / 100.0 }
            }
            Kind::Diurnal { period, peak, .. } => {
                TrackCourse::Diurnal { base, amplitude: value, period_s: secs(*period), peak_s: secs(*peak) }
            }
            Kind::Square { period, duty, .. } => {
                let share = duty / 100.0;
                let (high, low) =
                    (base + value, (base - value * share / (1.0 - share)).max(if adds { f64::MIN } else { 0.0 }));
                let period_s = secs(*period);
                let mut lines = Lines::new(low);
                let mut number = 0.0;
                while number * period_s < limit_s {
                    lines.jump(number * period_s, high);
                    lines.jump((number + share) * period_s, low);
                    number += 1.0;
                    lines.check()?;
                }
                TrackCourse::Lines(lines.knots)
            }
            Kind::Spikes { rise, decay, when, .. } => {
                let (rise_s, decay_s) = (secs(*rise), secs(*decay));
                let begins = begins(when, rise_s + decay_s, limit_s, stream)?;
                let mut knots = triangles(&begins, rise_s, decay_s);
                let area = 0.5 * (rise_s + decay_s);
                let mean = match when {
                    When::Rate(per_s) => per_s * area,
                    When::Every(period) => area / secs(*period),
                    When::At(_) => integral(&knots, window_s) / window_s.max(f64::MIN_POSITIVE),
                };
                scale(&mut knots, size, mean);
                TrackCourse::Lines(knots)
            }
            Kind::Wander { tau, .. } => {
                let (decay, step_s) = (libm::exp(-1.0 / 32.0), secs(*tau) / 32.0);
                let fresh = libm::sqrt(1.0 - decay * decay);
                let mut x = normal(&mut stream.at(0));
                let mut lines = Lines::new(varied(size, x));
                let mut step = 0;
                while step as f64 * step_s < limit_s {
                    step += 1;
                    x = decay * x + fresh * normal(&mut stream.at(step));
                    lines.bend(step as f64 * step_s, varied(size, x));
                    lines.check()?;
                }
                TrackCourse::Lines(lines.knots)
            }
            Kind::Noise { step, .. } => {
                let mut lines = Lines::new(base);
                let mut number = 0;
                while number as f64 * secs(*step) < limit_s {
                    lines.jump(number as f64 * secs(*step), varied(size, normal(&mut stream.at(number))));
                    number += 1;
                    lines.check()?;
                }
                TrackCourse::Lines(lines.knots)
            }
            Kind::Bursts { burst, calm, .. } => {
                let (burst_s, calm_s) = (secs(*burst), secs(*calm));
                let share = burst_s / (burst_s + calm_s);
                let mut generator = stream.sequence();
                let mut bursting = open_unit(&mut generator) < share;
                let (mut at_s, mut lines) = (0.0, Lines::new(0.0));
                while at_s < limit_s {
                    lines.jump(at_s, if bursting { 1.0 } else { 0.0 });
                    at_s += exponential(&mut generator) * if bursting { burst_s } else { calm_s };
                    bursting = !bursting;
                    lines.check()?;
                }
                scale(&mut lines.knots, size, share);
                TrackCourse::Lines(lines.knots)
            }
        };
        Ok(Self { adds, course })
    }

    /// The value at `at_s`, by the formula that holds around `place_s`.
    pub(super) fn value(&self, place_s: f64, at_s: f64) -> f64 {
        match &self.course {
            TrackCourse::Sine { base, amplitude, period_s, turns } => {
                base + amplitude * libm::sin(TAU * (at_s / period_s + turns))
            }
            TrackCourse::Diurnal { base, amplitude, period_s, peak_s } => {
                let x = TAU * ((at_s - peak_s) / period_s);
                base + amplitude * ((libm::cos(x) + 0.25 * libm::cos(2.0 * x)) / 1.25)
            }
            TrackCourse::Lines(knots) => value(knots, place_s, at_s),
        }
    }

    /// Adds the instants up to `limit_s` at which the course jumps or bends. They are close enough that the course
    /// has at most one extremum or bend between two of them.
    pub(super) fn knots(&self, limit_s: f64, into: &mut Vec<f64>) -> Result<(), Refusal> {
        let mut twelfths = |period_s: f64, from_s: f64| {
            if (limit_s / period_s) * 12.0 > Pieces::MOST as f64 {
                return Err(too_fine());
            }
            let mut number = libm::ceil(-12.0 * from_s / period_s);
            while from_s + number * period_s / 12.0 < limit_s {
                into.push(from_s + number * period_s / 12.0);
                number += 1.0;
            }
            Ok(())
        };
        match &self.course {
            TrackCourse::Sine { period_s, turns, .. } => twelfths(*period_s, -turns * period_s),
            TrackCourse::Diurnal { period_s, peak_s, .. } => twelfths(*period_s, *peak_s),
            TrackCourse::Lines(knots) => {
                into.extend(knots.iter().map(|knot| knot.at_s).filter(|at_s| *at_s < limit_s));
                Ok(())
            }
        }
    }
}

fn too_fine() -> Refusal {
    Refusal::new(
        format!("an overlay changes more than {} times during the load", Pieces::MOST),
        "accepted is a longer period, step, tau or stay, or a shorter load",
    )
}

/// The factor for a standard normal `x`, lognormal with mean 1 and standard deviation `size`; or the rate `size`·x to
/// add.
fn varied(size: Size, x: f64) -> f64 {
    let value = size.value();
    if size.adds() {
        return value * x;
    }
    let variance = libm::log1p(value * value);
    libm::exp(libm::sqrt(variance) * x - 0.5 * variance)
}

/// Turns a course s ≥ 0 of mean `mean` into the factor (1 + size·s)/(1 + size·mean), or the rate size·(s − mean) to
/// add.
fn scale(knots: &mut [Knot], size: Size, mean: f64) {
    let value = size.value();
    let scaled = |s: f64| if size.adds() { value * (s - mean) } else { (1.0 + value * s) / (1.0 + value * mean) };
    for knot in knots {
        (knot.before, knot.after) = (scaled(knot.before), scaled(knot.after));
    }
}

/// When spikes begin, in seconds; includes spikes that began before 0 and still last.
fn begins(when: &When, length_s: f64, limit_s: f64, stream: Stream) -> Result<Vec<f64>, Refusal> {
    let mut begins = Vec::new();
    match when {
        When::At(times) => begins.extend(times.iter().map(|at| secs(*at))),
        When::Every(period) => {
            let period_s = secs(*period);
            let mut number = libm::floor(-length_s / period_s);
            while (number + 0.5) * period_s < limit_s {
                begins.push((number + 0.5) * period_s);
                number += 1.0;
                if begins.len() > Pieces::MOST {
                    return Err(too_fine());
                }
            }
        }
        When::Rate(per_s) => {
            let mut generator = stream.sequence();
            let mut at_s = -length_s;
            while at_s < limit_s {
                at_s += exponential(&mut generator) / per_s;
                begins.push(at_s);
                if begins.len() > Pieces::MOST {
                    return Err(too_fine());
                }
            }
        }
    }
    begins.retain(|at_s| *at_s > -length_s && *at_s < limit_s);
    Ok(begins)
}

/// The sum of triangles that begin at `begins`: each rises to 1 within `rise_s` and falls to 0 within `decay_s`.
fn triangles(begins: &[f64], rise_s: f64, decay_s: f64) -> Vec<Knot> {
    // (instant, jump of the value, change of the slope, change of the number of triangles that last).
    let mut changes: Vec<(f64, f64, f64, i64)> = Vec::with_capacity(3 * begins.len());
    for begin_s in begins {
        let (top_s, end_s) = (begin_s + rise_s, begin_s + rise_s + decay_s);
        let (up, down) =
            (if rise_s > 0.0 { 1.0 / rise_s } else { 0.0 }, if decay_s > 0.0 { 1.0 / decay_s } else { 0.0 });
        changes.push((*begin_s, if rise_s > 0.0 { 0.0 } else { 1.0 }, up, 1));
        changes.push((top_s, 0.0, -up - down, 0));
        changes.push((end_s, if decay_s > 0.0 { 0.0 } else { -1.0 }, down, -1));
    }
    changes.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (mut knots, mut value, mut slope, mut before_s, mut lasting) = (vec![], 0.0_f64, 0.0, f64::NEG_INFINITY, 0);
    for (at_s, jump, turn, count) in changes {
        let before = if lasting == 0 { 0.0 } else { (value + slope * (at_s - before_s)).max(0.0) };
        lasting += count;
        // While no triangle lasts the sum is exactly 0: rounding errors are dropped.
        (value, slope) = if lasting == 0 { (0.0, 0.0) } else { ((before + jump).max(0.0), slope + turn) };
        before_s = at_s;
        knots.push(Knot { at_s, before, after: value });
    }
    if knots.is_empty() {
        knots.push(Knot { at_s: 0.0, before: 0.0, after: 0.0 });
    }
    knots
}

/// Collects knots in order.
struct Lines {
    knots: Vec<Knot>,
}

impl Lines {
    fn new(first: f64) -> Self {
        Self { knots: vec![Knot { at_s: 0.0, before: first, after: first }] }
    }

    fn bend(&mut self, at_s: f64, value: f64) {
        self.knots.push(Knot { at_s, before: value, after: value });
    }

    /// Constant up to here, and `value` from here on.
    fn jump(&mut self, at_s: f64, value: f64) {
        let before = self.knots.last().map_or(value, |knot| knot.after);
        self.knots.push(Knot { at_s, before, after: value });
    }

    fn check(&self) -> Result<(), Refusal> {
        if self.knots.len() > Pieces::MOST { Err(too_fine()) } else { Ok(()) }
    }
}

fn value(knots: &[Knot], place_s: f64, at_s: f64) -> f64 {
    let next = knots.partition_point(|knot| knot.at_s <= place_s);
    match (next.checked_sub(1).and_then(|last| knots.get(last)), knots.get(next)) {
        (Some(from), Some(to)) => {
            let share = (at_s - from.at_s) / (to.at_s - from.at_s);
            from.after + (to.before - from.after) * share.clamp(0.0, 1.0)
        }
        (Some(last), None) => last.after,
        (None, first) => first.map_or(0.0, |knot| knot.before),
    }
}

/// ∫ of straight lines over [0, `until_s`).
fn integral(knots: &[Knot], until_s: f64) -> f64 {
    let mut edges: Vec<f64> = knots.iter().map(|knot| knot.at_s).filter(|at_s| (0.0..until_s).contains(at_s)).collect();
    edges.insert(0, 0.0);
    edges.push(until_s);
    let piece = |pair: &[f64]| {
        let (from, to, place) = (pair[0], pair[1], 0.5 * (pair[0] + pair[1]));
        0.5 * (to - from) * (value(knots, place, from) + value(knots, place, to))
    };
    edges.windows(2).map(piece).sum()
}
