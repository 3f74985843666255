//! Owns the drawing of a load over time: bars for completions, requests in flight, slowest requests, failures.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::cli::view::load_state::LoadState;
use crate::cli::view::news::ROWS;
use crate::cli::view::strip::Slot;
use crate::cli::view::tone::Tone;
use crate::report::Ink;
use crate::units::{Offset, count, cut_to, per_second, seconds};

/// Columns of the name at the left, and of the largest value at the right.
const NAME: u16 = 14;
const VALUE: u16 = 9;
/// The most rows of one strip.
const MOST_ROWS: u16 = 11;
/// A column, filled by eighths.
const EIGHTHS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// One strip: its name, its value in a column, and the text of a value.
struct Kind {
    name: String,
    tone: Tone,
    of: fn(f64, &Slot) -> f64,
    text: fn(f64) -> String,
}

fn kinds(load: &LoadState) -> Vec<Kind> {
    let slowest = ROWS[load.headline()];
    let mut kinds = vec![
        Kind {
            name: "completed/s".to_owned(),
            tone: Tone::Usual,
            of: |width_s, slot| slot.completed as f64 / width_s,
            text: per_second,
        },
        Kind {
            name: "in flight".to_owned(),
            tone: Tone::Usual,
            of: |_, slot| slot.in_flight as f64,
            text: |number| count(number as u64),
        },
        Kind {
            name: format!("slowest {slowest}"),
            tone: Tone::Usual,
            of: |_, slot| slot.slowest as f64 / 1e9,
            text: seconds,
        },
    ];
    if load.beat.counts.missed > 0 {
        let failed = Kind {
            name: "failed/s".to_owned(),
            tone: Tone::Bad,
            of: |width_s, slot| slot.missed as f64 / width_s,
            text: per_second,
        };
        kinds.insert(1, failed);
    }
    kinds
}

/// Draws the strips of `load` into `area`, one below the other, as many as have room. The time runs from the origin to
/// the planned end of the load, or to now where no end is known.
pub(super) fn draw(load: &LoadState, ink: Ink, area: Rect, buffer: &mut Buffer) {
    let kinds = kinds(load);
    if area.height == 0 || area.width <= NAME + VALUE {
        return;
    }
    let shown = kinds.len().min(usize::from(area.height)) as u16;
    let rows = (area.height / shown).min(MOST_ROWS);
    let end = load.begin.load_end;
    let until = if end == Offset::NEVER { load.now() } else { end.max(load.now()) };
    let columns = load.strip.columns(until.as_secs(), usize::from(area.width - NAME - VALUE));
    for (place, kind) in (0..shown).zip(&kinds) {
        let top = area.y + place * rows;
        draw_one(kind, ink, &columns, Rect { y: top, height: rows, ..area }, buffer);
    }
}

fn draw_one(kind: &Kind, ink: Ink, columns: &[Option<(f64, Slot)>], area: Rect, buffer: &mut Buffer) {
    let values: Vec<Option<f64>> =
        columns.iter().map(|column| column.map(|(width_s, slot)| (kind.of)(width_s, &slot))).collect();
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
    buffer.set_stringn(area.x, area.y, &kind.name, usize::from(NAME - 1), Tone::Dim.style(ink));
    if most <= 0.0 {
        return;
    }
    let style = kind.tone.style(ink);
    for (x, value) in (area.x + NAME..).zip(&values) {
        let Some(value) = value.filter(|value| *value > 0.0) else { continue };
        // Eighths of a row, at least one, so that a rare event is seen.
        let eighths = (libm::round(value / most * f64::from(area.height) * 8.0) as u16).max(1);
        for row in 0..area.height {
            let filled = eighths.saturating_sub(8 * row).min(8);
            if filled > 0 {
                let y = area.bottom() - 1 - row;
                buffer.set_string(x, y, EIGHTHS[usize::from(filled - 1)], style);
            }
        }
    }
    let text = (kind.text)(most);
    let text = cut_to(&text, usize::from(VALUE - 1));
    let at = area.right() - VALUE + 1;
    buffer.set_stringn(at, area.y, &text, usize::from(VALUE - 1), Tone::Dim.style(ink));
}
