//! Owns the forms of rates over time as text: every shape and every overlay with its formula, and its example drawn by
//! the code of a run.

use std::fmt::Write;
use std::time::Duration;

use crate::schedule::clause::{Form, Time};
use crate::schedule::picture::bars;
use crate::schedule::{Extent, Pattern, Process, Profile, Timeline, overlay, profile};
use crate::seed::Seed;
use crate::units::{Rate, Window, per_second, wrapped};

/// Every shape of a profile, with its formula and its example drawn.
#[must_use]
pub(crate) fn profile_forms() -> String {
    let mut text = String::new();
    for form in profile::FORMS {
        entry(&mut text, form, form.example.parse().ok(), Vec::new());
    }
    text
}

/// Every overlay, with its formula and its example over 50/s.
#[must_use]
pub(crate) fn overlay_forms() -> String {
    let mut text = String::new();
    let base = Rate::new(50.0).ok().map(Profile::constant);
    for form in overlay::FORMS {
        entry(&mut text, form, base.clone(), form.example.parse().into_iter().collect());
    }
    text
}

/// One shape: how it is written, its formula, and its example as a run would send it.
fn entry(text: &mut String, form: &Form, profile: Option<Profile>, overlays: Vec<overlay::Overlay>) {
    _ = writeln!(text, "  {}\n      {}", wrapped(form.usage, WIDTH, 6), wrapped(form.formula, WIDTH, 6));
    let drawn = profile.and_then(|profile| drawing(Pattern { profile, overlays }));
    _ = writeln!(text, "      e.g. {}\n      {}\n", wrapped(form.example, WIDTH - 5, 6), drawn.unwrap_or_default());
}

/// Columns of the text, and of a drawing.
const WIDTH: usize = 80;
const DRAWN: u32 = 60;

/// The rate of `pattern` in [`DRAWN`] columns, over its own length or two minutes.
fn drawing(pattern: Pattern) -> Option<String> {
    let length = pattern.profile.length().unwrap_or(Duration::from_mins(2));
    let (extent, none) = (Some(Extent::Duration(length)), Duration::ZERO);
    let timeline = Timeline::shaped(Process::Even, pattern, extent, none, none, Seed::new(1)).ok()?;
    let (_, curve) = timeline.law()?;
    let column = |i: u32| Window { start: (length * i / DRAWN).into(), end: (length * (i + 1) / DRAWN).into() };
    let rates: Vec<f64> = (0..DRAWN).map(|i| curve.mean_per_s(column(i))).collect();
    bars(&rates).map(|(columns, highest)| format!("{columns} {} █ {}", Time(length), per_second(highest)))
}
