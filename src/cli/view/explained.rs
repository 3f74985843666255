//! Owns the page behind `?`: what the live view shows, and its keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::cli::view::tone::Tone;
use crate::report::Ink;
use crate::units::wrapped;

/// Each part of the view with its meaning; the keys come first.
const PARTS: [(&str, &str); 10] = [
    ("q", "stops gently: nothing more is sent, open requests are followed; the result is written"),
    ("Ctrl-C", "the same; a second time it cuts off open requests"),
    ("any key", "closes this page"),
    ("planned", "instants of the plan that have passed; sent and completed may lag behind it, and must not lead"),
    ("latency", "from the planned instant. 10 s: requests that ended in the last 10 s; so far: the measured window"),
    ("send lag", "how late the generator itself sent"),
    ("objectives", "so far, of the measured window; the verdict at the end also knows how sure it is"),
    ("✗ N kind", "failed requests by kind, with the last words of the server"),
    ("chart", "loads that have ended; ┊ the load that runs, ━ where the answer lies, ◆ the best estimate"),
    ("view missed", "requests that the view was too slow for; the result lacks none of them"),
];

/// Columns of the names.
const NAME: usize = 12;

/// Draws the page over `area`.
pub(super) fn draw(ink: Ink, area: Rect, buffer: &mut Buffer) {
    let mut y = area.y;
    for (name, text) in PARTS {
        let room = usize::from(area.width).saturating_sub(NAME + 1);
        for (place, line) in wrapped(text, room, 0).lines().enumerate() {
            if y >= area.bottom() {
                return;
            }
            if place == 0 {
                buffer.set_stringn(area.x, y, name, NAME, Tone::Strong.style(ink));
            }
            buffer.set_stringn(area.x + NAME as u16, y, line, room, Tone::Usual.style(ink));
            y += 1;
        }
    }
}
