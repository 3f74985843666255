//! Owns the ticks of a horizontal axis below rows: a grid line through all rows, and the value below it.

use maud::{Markup, html};

use crate::report::chart::scale::Scale;

/// Distance of the values from the lower edge of the plot.
const BELOW: f64 = 18.0;

/// The ticks of `scale`, from the upper to the lower edge of the plot. `x` places a value, `show` is its text.
pub(super) fn ticks(
    scale: &Scale,
    x: impl Fn(f64) -> f64,
    [top, bottom]: [f64; 2],
    show: impl Fn(f64) -> String,
) -> Markup {
    html! {
        @for (place, tick) in scale.ticks().into_iter().enumerate() {
            @let at = x(tick);
            path.grid d=(format!("M{at:.1} {top}V{bottom:.1}")) {}
            text.alt[place % 2 == 1] x=(format!("{at:.1}")) y=(format!("{:.1}", bottom + BELOW)) text-anchor="middle" {
                (show(tick))
            }
        }
    }
}
