//! Owns the drawing of a [`Curve`]: a latency by load, with the limit, the load that runs now, and the bracket.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::cli::view::curve::{Curve, Mark};
use crate::cli::view::tone::Tone;
use crate::report::Ink;
use crate::units::{columns, plain, seconds};

/// Columns of the latencies at the left.
const LEFT: u16 = 9;
/// Rows above and below the plot.
const ABOVE: u16 = 1;
const BELOW: u16 = 2;
/// The least height of a chart: two rows of plot.
pub(super) const LEAST: u16 = ABOVE + BELOW + 2;
/// A scale whose largest value is this many times its smallest is logarithmic.
const WIDE: f64 = 12.0;

/// The vertical scale.
struct Scale {
    low: f64,
    high: f64,
    is_log: bool,
}

impl Scale {
    /// The scale of these latencies in seconds; `None` without any.
    fn of(values: impl Iterator<Item = f64> + Clone) -> Option<Self> {
        let least = values.clone().filter(|value| *value > 0.0).reduce(f64::min)?;
        let most = values.reduce(f64::max)?;
        Some(if most > WIDE * least {
            Self { low: least / 1.3, high: most * 1.3, is_log: true }
        } else {
            Self { low: 0.0, high: most * 1.1, is_log: false }
        })
    }

    /// The place of `value`, 0 at the bottom, 1 at the top.
    fn place(&self, value: f64) -> f64 {
        let place = if self.is_log {
            libm::log(value.max(self.low) / self.low) / libm::log(self.high / self.low)
        } else {
            (value - self.low) / (self.high - self.low)
        };
        place.clamp(0.0, 1.0)
    }

    /// The value at `place`.
    fn value(&self, place: f64) -> f64 {
        if self.is_log {
            self.low * libm::pow(self.high / self.low, place)
        } else {
            self.low + (self.high - self.low) * place
        }
    }
}

/// Draws `curve` into `area`; `now` is the level of the load that runs.
pub(super) fn draw(curve: &Curve, now: Option<f64>, ink: Ink, area: Rect, buffer: &mut Buffer) {
    if area.height < LEAST || area.width < LEFT + 10 {
        return;
    }
    title(curve, ink, area, buffer);
    let plot =
        Rect { x: area.x + LEFT, y: area.y + ABOVE, width: area.width - LEFT, height: area.height - ABOVE - BELOW };
    let levels = curve.points.iter().map(|point| point.level).chain(now).chain(curve.bracket.into_iter().flatten());
    let most = levels.fold(0.0, f64::max) * 1.05;
    let latencies = curve.points.iter().filter_map(|point| point.latency_s).chain(curve.limit_s);
    let dim = Tone::Dim.style(ink);
    if most <= 0.0 {
        buffer.set_string(plot.x, plot.y, "no load has ended yet", dim);
        return;
    }
    let x_of = |level: f64| plot.x + libm::round(level / most * f64::from(plot.width - 1)) as u16;
    if let Some(level) = now {
        (plot.y..plot.bottom()).for_each(|y| buffer.set_string(x_of(level), y, "┊", dim));
    }
    if let Some(scale) = Scale::of(latencies) {
        let y_of = |value: f64| plot.bottom() - 1 - libm::round(scale.place(value) * f64::from(plot.height - 1)) as u16;
        for place in [0.0, 1.0] {
            let text = seconds(scale.value(place));
            let text = if scale.value(place) <= 0.0 { "0".to_owned() } else { text };
            let at = area.x + LEFT - 1 - (columns(&text) as u16).min(LEFT - 1);
            buffer.set_stringn(at, y_of(scale.value(place)), &text, usize::from(LEFT - 1), dim);
        }
        if let Some(limit_s) = curve.limit_s {
            (plot.x..plot.right()).for_each(|x| buffer.set_string(x, y_of(limit_s), "┄", dim));
        }
        for point in &curve.points {
            let y = point.latency_s.map_or(plot.y, &y_of);
            let tone = match point.mark {
                Mark::Good => Tone::Good,
                Mark::Bad => Tone::Bad,
                Mark::Open => Tone::Doubtful,
                Mark::Loop => Tone::Usual,
            };
            buffer.set_string(x_of(point.level), y, point.mark.sign(), tone.style(ink));
        }
    }
    axis(curve, ink, plot, most, buffer);
}

/// The first row: the figure, the signs and the findings.
fn title(curve: &Curve, ink: Ink, area: Rect, buffer: &mut Buffer) {
    let has = |mark: Mark| curve.points.iter().any(|point| point.mark == mark);
    let signs = [Mark::Good, Mark::Bad, Mark::Open].into_iter().zip(curve.signs).filter(|(mark, _)| has(*mark));
    let mut spans = vec![Tone::Dim.span(ink, format!("{} ", curve.figure))];
    if !curve.words.is_empty() {
        spans.push(Tone::Strong.span(ink, format!(" {} ", curve.words)));
    }
    spans.extend(signs.map(|(mark, name)| Tone::Dim.span(ink, format!(" {} {name}", mark.sign()))));
    if curve.limit_s.is_some() {
        spans.push(Tone::Dim.span(ink, " ┄ limit"));
    }
    buffer.set_line(area.x, area.y, &Line::from(spans), area.width);
}

/// The axis with the bracket, and the levels below it.
fn axis(curve: &Curve, ink: Ink, plot: Rect, most: f64, buffer: &mut Buffer) {
    let (line, labels, dim) = (plot.bottom(), plot.bottom() + 1, Tone::Dim.style(ink));
    let x_of = |level: f64| plot.x + libm::round((level / most).min(1.0) * f64::from(plot.width - 1)) as u16;
    (plot.x..plot.right()).for_each(|x| buffer.set_string(x, line, "─", dim));
    let strong = Tone::Strong.style(ink);
    if let [Some(low), high] = curve.bracket {
        let high = high.map_or(plot.right() - 1, x_of);
        (x_of(low)..=high).for_each(|x| buffer.set_string(x, line, "━", strong));
        buffer.set_string(x_of(low), line, "┣", strong);
        if curve.bracket[1].is_some() {
            buffer.set_string(high, line, "┫", strong);
        }
    }
    if let Some(best) = curve.best {
        buffer.set_string(x_of(best), line, "◆", strong);
    }
    buffer.set_string(plot.x, labels, "0", dim);
    let right = format!("{} {}", plain(most), curve.axis);
    let room = plot.width.saturating_sub(columns(&right) as u16);
    buffer.set_stringn(plot.x + room, labels, &right, usize::from(plot.width), dim);
    let half = plain(most / 2.0);
    let middle = x_of(most / 2.0);
    if middle + columns(&half) as u16 + 2 < plot.x + room {
        buffer.set_string(middle, labels, half, dim);
    }
}
