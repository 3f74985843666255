//! Owns the rate under its overlays: straight pieces close to the formula, never below 0, with the same mean.

use crate::error::Refusal;
use crate::schedule::overlay::Overlay;
use crate::schedule::overlay::track::Track;
use crate::schedule::piece::{Layer, Pieces};
use crate::seed::Seed;

/// Maximum error of a straight piece, as a share of the base's rate there plus the SIZEs of the adding overlays.
const NEAR: f64 = 1e-5;
/// Seconds. A piece of at most this length is not halved.
const SHORTEST_S: f64 = 1e-6;

/// A straight piece: from, to in seconds, λ at both ends.
type Cell = (f64, f64, f64, f64);

/// The rate of `base` under `overlays`, λ = max(0, ((base ∘ first) ∘ second) …)·c up to the end of `base`.
///
/// The result is made of straight pieces, whose integral is exact. They deviate from the formula by at most 10⁻⁵ of
/// the base's rate there plus the SIZEs of the adding overlays, except within a microsecond of a jump or of a place
/// where the rate touches 0. The plan uses the pieces, which are the same on every machine. c is 1, unless an adding
/// overlay takes the rate below 0. Then c makes the integral over the window [0, `window_s`) equal to the integral
/// without adding overlays, because their mean is 0.
pub(crate) fn blend(base: &Pieces, overlays: &[Overlay], window_s: f64, seed: Seed) -> Result<Pieces, Refusal> {
    let limit_s = base.end_s();
    let tracks = (0..)
        .zip(overlays)
        .map(|(number, overlay)| Track::new(overlay, window_s, limit_s, seed.stream(&format!("overlay/{number}"))))
        .collect::<Result<Vec<_>, _>>()?;
    let added: f64 = overlays.iter().filter(|overlay| overlay.adds()).map(|overlay| overlay.size().value()).sum();
    let cells = cells(base, &tracks.iter().collect::<Vec<_>>(), added)?;
    let mut factor = 1.0;
    if cells.iter().any(|(_, _, from, to)| *from < 0.0 || *to < 0.0) {
        let multiplying: Vec<&Track> = tracks.iter().filter(|track| !track.adds).collect();
        let wanted = integral(self::cells(base, &multiplying, 0.0)?.into_iter(), window_s);
        let clamped = integral(cells.iter().filter_map(|cell| above_zero(*cell)), window_s);
        if wanted <= 0.0 || clamped <= 0.0 {
            return Err(Refusal::new(
                "the overlays take the rate below 0, and no mean is left to preserve",
                "accepted is a smaller SIZE, a SIZE in percent (it multiplies), or a profile above 0/s",
            ));
        }
        factor = wanted / clamped;
    }
    let mut layer = Layer::new(limit_s);
    for cell in cells {
        if let Some((rise_s, fall_s, from, to)) = above_zero(cell) {
            layer.flat(0.0, rise_s);
            layer.line(from * factor, to * factor, fall_s);
        }
        layer.flat(0.0, cell.1);
    }
    layer.done()
}

/// Straight pieces near enough to `base` under `tracks`, not yet cut off at 0.
fn cells(base: &Pieces, tracks: &[&Track], added: f64) -> Result<Vec<Cell>, Refusal> {
    let limit_s = base.end_s();
    let mut knots: Vec<f64> = base.starts().collect();
    for track in tracks {
        track.knots(limit_s, &mut knots)?;
    }
    knots.extend([0.0, limit_s]);
    knots.retain(|at_s| (0.0..=limit_s).contains(at_s));
    knots.sort_unstable_by(f64::total_cmp);
    knots.dedup();
    let rate = |place_s: f64, at_s: f64| {
        tracks.iter().fold(base.rate_near(place_s, at_s), |rate, track| {
            let value = track.value(place_s, at_s);
            if track.adds { rate + value } else { rate * value }
        })
    };
    // Depends only on the rate at this place, so that a longer load begins exactly like a shorter one.
    let near = |from_s: f64, to_s: f64| {
        let middle_s = 0.5 * (from_s + to_s);
        NEAR * (added + base.rate_near(middle_s, from_s).max(base.rate_near(middle_s, to_s)))
    };
    let mut cells: Vec<Cell> = Vec::with_capacity(knots.len());
    for pair in knots.windows(2) {
        halve(&rate, (pair[0], pair[1]), &near, &mut cells);
        if cells.len() > Pieces::MOST {
            return Err(Refusal::new(
                format!("the rate under its overlays needs more than {} straight pieces", Pieces::MOST),
                "accepted is a longer period, step, tau or stay, or a shorter load",
            ));
        }
    }
    Ok(cells)
}

/// ∫ of straight pieces over [0, `end_s`).
fn integral(cells: impl Iterator<Item = Cell>, end_s: f64) -> f64 {
    cells
        .filter_map(|cell| before(end_s, cell))
        .map(|(from_s, to_s, from, to)| 0.5 * (to_s - from_s) * (from + to))
        .sum()
}

/// The part of a straight piece before `end_s`.
fn before(end_s: f64, (from_s, to_s, from, to): Cell) -> Option<Cell> {
    if to_s <= end_s {
        return Some((from_s, to_s, from, to));
    }
    (from_s < end_s).then(|| (from_s, end_s, from, from + (to - from) * ((end_s - from_s) / (to_s - from_s))))
}

/// The part of a straight piece that lies above 0.
fn above_zero((from_s, to_s, from, to): Cell) -> Option<Cell> {
    let crossing_s = || from_s + (to_s - from_s) * (from / (from - to));
    match (from >= 0.0, to >= 0.0) {
        (true, true) => Some((from_s, to_s, from, to)),
        (true, false) => Some((from_s, crossing_s(), from, 0.0)),
        (false, true) => Some((crossing_s(), to_s, 0.0, to)),
        (false, false) => None,
    }
}

/// Halves a piece until a straight line is near enough at its middle and its quarters.
fn halve(rate: &impl Fn(f64, f64) -> f64, ends: (f64, f64), near: &impl Fn(f64, f64) -> f64, cells: &mut Vec<Cell>) {
    let mut open = vec![ends];
    while let Some((from_s, to_s)) = open.pop() {
        let middle_s = 0.5 * (from_s + to_s);
        let (from, to) = (rate(middle_s, from_s), rate(middle_s, to_s));
        let is_near = [0.25, 0.5, 0.75].iter().all(|share| {
            (rate(middle_s, from_s + (to_s - from_s) * share) - (from + (to - from) * share)).abs()
                <= near(from_s, to_s)
        });
        if is_near || to_s - from_s <= SHORTEST_S || cells.len() > Pieces::MOST {
            cells.push((from_s, to_s, from, to));
        } else {
            open.extend([(middle_s, to_s), (from_s, middle_s)]);
        }
    }
}
