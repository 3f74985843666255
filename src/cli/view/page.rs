//! Owns the page of the live view: which parts it has on a screen of this size, and where they stand.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::cli::view::chart;
use crate::cli::view::curve::Curve;
use crate::cli::view::explained;
use crate::cli::view::load_state::LoadState;
use crate::cli::view::panels;
use crate::cli::view::state::State;
use crate::cli::view::strips;
use crate::cli::view::tone::Tone;
use crate::report::Ink;

/// The widest page; a wider screen stays empty at the right.
const MOST_COLUMNS: u16 = 200;
/// The smallest screen on which the page is drawn.
const LEAST: [u16; 2] = [56, 14];
/// From this width on, text and charts stand side by side.
const WIDE: u16 = 120;
/// Columns of the text then.
const TEXT: u16 = 64;
/// The most rows for failures and for messages.
const MOST_FAILURES: u16 = 6;
const MOST_MESSAGES: u16 = 6;

/// Draws the page of `state` over `area`, which is empty. `is_explained` shows the page behind `?`.
pub(super) fn draw(state: &State, ink: Ink, is_explained: bool, area: Rect, buffer: &mut Buffer) {
    let [least_width, least_height] = LEAST;
    let area = Rect { width: area.width.min(MOST_COLUMNS), ..area };
    if area.width < least_width || area.height < least_height {
        let text = format!("too small: {least_width} × {least_height} needed · q stops");
        buffer.set_stringn(area.x, area.y, text, usize::from(area.width), Tone::Usual.style(ink));
        return;
    }
    let width = usize::from(area.width);
    buffer.set_line(area.x, area.y, &panels::banner(state, ink, width), area.width);
    let last = area.bottom() - 1;
    buffer.set_line(area.x, last, &panels::footer(state, ink, width), area.width);
    // One column stays free at each side.
    let body = Rect { x: area.x + 1, y: area.y + 1, width: area.width - 2, height: area.height - 2 };
    if is_explained {
        return explained::draw(ink, body, buffer);
    }
    match &state.load {
        None => {
            buffer.set_stringn(body.x, body.y, "the load begins", usize::from(body.width), Tone::Dim.style(ink));
        }
        Some(load) if area.width >= WIDE => side_by_side(state, load, ink, body, buffer),
        Some(load) => below_each_other(state, load, ink, body, buffer),
    }
}

/// The parts whose height depends on the room, as rows that they need at least and rows that they want.
#[derive(Debug, Clone, Copy, Default)]
struct Want {
    least: u16,
    most: u16,
}

/// The heights of `wants` in `room` rows. Each gets what it needs at least, in this order, then the rest in this order.
fn heights<const N: usize>(mut room: u16, wants: [Want; N]) -> [u16; N] {
    let mut given = [0; N];
    for (given, want) in given.iter_mut().zip(&wants) {
        let least = want.least.min(want.most);
        if least <= room {
            *given = least;
            room -= least;
        }
    }
    for (given, want) in given.iter_mut().zip(&wants) {
        // A part that found no room for its least height stays away.
        if *given > 0 || want.least == 0 {
            let more = (want.most - *given).min(room);
            *given += more;
            room -= more;
        }
    }
    given
}

/// Writes `lines` from `y` on, at most `height` of them; returns the row below.
fn write(lines: &[Line<'static>], area: Rect, y: u16, height: u16, buffer: &mut Buffer) -> u16 {
    for (row, line) in (y..).zip(lines.iter().take(usize::from(height))) {
        buffer.set_line(area.x, row, line, area.width);
    }
    y + height
}

/// The lines that every page has: name, progress, rates and latencies.
fn always(state: &State, load: &LoadState, ink: Ink, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![panels::label(load, ink, width), panels::progress(state, load, ink, width)];
    lines.extend(panels::rates(load, &load.pace(), ink, width));
    lines.extend(panels::latencies(load, ink));
    lines
}

fn rows(lines: &[Line<'static>]) -> u16 {
    u16::try_from(lines.len()).unwrap_or(u16::MAX)
}

/// The place of the load that runs on the axis of `curve`; `None` if the axis counts something else.
fn level_on(curve: &Curve, load: &LoadState) -> Option<f64> {
    load.begin.level.filter(|_| curve.is_of_loops == load.begin.is_closed)
}

fn below_each_other(state: &State, load: &LoadState, ink: Ink, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    let first = always(state, load, ink, width);
    let failures = panels::failures(load, ink, width);
    let messages = panels::messages(state, ink, width, usize::from(MOST_MESSAGES));
    let chart = if state.curve.is_some() { Want { least: chart::LEAST, most: u16::MAX } } else { Want::default() };
    let strips = if state.curve.is_some() { Want { least: 1, most: 4 } } else { Want { least: 1, most: 12 } };
    let [failed, chart, judged, strip, said] = heights(
        area.height.saturating_sub(rows(&first)),
        [
            Want { least: 1, most: rows(&failures).min(MOST_FAILURES) },
            Want { most: if chart.most > 0 { chart::LEAST + 4 } else { 0 }, ..chart },
            Want { least: 1, most: panels::objective_rows(load) },
            strips,
            Want { least: 1, most: rows(&messages) },
        ],
    );
    let mut y = write(&first, area, area.y, rows(&first).min(area.height), buffer);
    y = write(&panels::objectives(load, &load.pace(), ink, width, judged), area, y, judged, buffer);
    y = write(&failures, area, y, failed, buffer);
    if let Some(curve) = &state.curve {
        chart::draw(curve, level_on(curve, load), ink, Rect { y, height: chart, ..area }, buffer);
        y += chart;
    }
    strips::draw(load, ink, Rect { y, height: strip, ..area }, buffer);
    y += strip;
    let newest = messages.len().saturating_sub(usize::from(said));
    write(&messages[newest..], area, y, said, buffer);
}

fn side_by_side(state: &State, load: &LoadState, ink: Ink, area: Rect, buffer: &mut Buffer) {
    let text = Rect { width: TEXT, ..area };
    let width = usize::from(text.width);
    // The name of the load may be long, so it has the whole width.
    let top = write(&[panels::label(load, ink, usize::from(area.width))], area, area.y, 1, buffer);
    let mut first = always(state, load, ink, width);
    first.remove(0);
    let failures = panels::failures(load, ink, width);
    let messages = panels::messages(state, ink, width, usize::from(MOST_MESSAGES));
    let [failed, judged, said] = heights(
        area.bottom().saturating_sub(top + rows(&first)),
        [
            Want { least: 1, most: rows(&failures).min(MOST_FAILURES) },
            Want { least: 1, most: panels::objective_rows(load) },
            Want { least: 1, most: rows(&messages) },
        ],
    );
    let mut y = write(&first, text, top, rows(&first), buffer);
    y = write(&panels::objectives(load, &load.pace(), ink, width, judged), text, y, judged, buffer);
    y = write(&failures, text, y, failed, buffer);
    let newest = messages.len().saturating_sub(usize::from(said));
    write(&messages[newest..], text, y, said, buffer);
    let side = Rect { x: area.x + TEXT + 2, y: top, width: area.width - TEXT - 2, height: area.bottom() - top };
    let Some(curve) = &state.curve else { return strips::draw(load, ink, side, buffer) };
    let [chart, strip] = heights(
        side.height,
        [Want { least: chart::LEAST, most: side.height / 3 * 2 }, Want { least: 1, most: u16::MAX }],
    );
    chart::draw(curve, level_on(curve, load), ink, Rect { height: chart, ..side }, buffer);
    strips::draw(load, ink, Rect { y: side.y + chart, height: strip, ..side }, buffer);
}
