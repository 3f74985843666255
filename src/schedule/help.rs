//! Owns the text of `help profiles`: every shape and every overlay with its formula, and its example drawn by the
//! code that plays it.

use std::fmt::Write;
use std::time::Duration;

use crate::schedule::clause::{Form, Time};
use crate::schedule::picture::bars;
use crate::schedule::{Extent, Pattern, Process, Profile, Timeline, overlay, profile};
use crate::seed::Seed;
use crate::units::{Rate, Window, per_second, wrapped};

/// What rates over time are made of, as text.
#[must_use]
pub fn help_profiles() -> String {
    let mut text = String::new();
    let say = |text: &mut String, words: &str| text.extend([&wrapped(words, WIDTH, 0), "\n\n"]);
    say(
        &mut text,
        "--profile 'STAGE; STAGE; …' or a file, in `tonnage run` and `tonnage plan`: the rate over time, requests per \
         second, t from the \
         stage's beginning. The measured window is as long as the profile. The last stage may leave out its TIME, or \
         the profile end with \
         `repeat`: then --duration or --requests say how long.",
    );
    for form in profile::FORMS {
        entry(&mut text, form, form.example.parse().ok(), Vec::new());
    }
    say(
        &mut text,
        "As a file: .csv is `points`, a line `t_s,rate` each; .yaml is a list of stages by key, and so is `profile` in \
         a configuration file:",
    );
    text.push_str(
        "  - {shape: ramp, from: 1/s, to: 100/s, for: 60s}\n  - {shape: hold, for: 120s}\n\nAIBrix's JSON is taken as \
         it is:\n\n",
    );
    text.push_str("  {\"fluctuate\":2,\"mean\":6,\"noise\":0.1,\"period_len_ms\":300000,\"only_rise\":false}\n\n");
    say(
        &mut text,
        "--overlay OVERLAY (repeatable, over --rate or --profile; in a replay it bends time): λ·f, where SIZE is a \
         share (50%); λ + SIZE·…, \
         where it is a rate (5/s). t counts from the beginning of the measured window. The mean stays: E[f] = 1. Where \
         adding leads below 0, \
         λ is 0, and all of it is scaled so that its integral over the window is that of the profile. Drawn over 50/s \
         for 120 s:",
    );
    let base = Rate::new(50.0).ok().map(Profile::constant);
    for form in overlay::FORMS {
        entry(&mut text, form, base.clone(), form.example.parse().into_iter().collect());
    }
    say(
        &mut text,
        "Arrival i stands where the integral of λ is S(i), S the process of rate 1 (--process): counts in any span \
         follow the integral, there \
         are no steps of a second and no drift. A warm-up has the profile's first rate, a cool-down goes on with the \
         profile or its last rate.",
    );
    text.pop();
    text
}

/// One shape: how it is written, its formula, its example as it is played.
fn entry(text: &mut String, form: &Form, profile: Option<Profile>, overlays: Vec<overlay::Overlay>) {
    _ = writeln!(text, "  {}\n      {}", wrapped(form.usage, WIDTH, 6), wrapped(form.formula, WIDTH, 6));
    let drawn = profile.and_then(|profile| drawing(Pattern { profile, overlays }));
    _ = writeln!(text, "      e.g. {}\n      {}\n", wrapped(form.example, WIDTH - 5, 6), drawn.unwrap_or_default());
}

/// Columns of the text, and of a drawing.
const WIDTH: usize = 80;
const DRAWN: u32 = 60;

/// The rate of `pattern` in as many columns, over its own length or two minutes.
fn drawing(pattern: Pattern) -> Option<String> {
    let length = pattern.profile.length().unwrap_or(Duration::from_mins(2));
    let (extent, none) = (Some(Extent::Duration(length)), Duration::ZERO);
    let timeline = Timeline::shaped(Process::Even, pattern, extent, none, none, Seed::new(1)).ok()?;
    let (_, curve) = timeline.law()?;
    let column = |i: u32| Window { start: (length * i / DRAWN).into(), end: (length * (i + 1) / DRAWN).into() };
    let rates: Vec<f64> = (0..DRAWN).map(|i| curve.mean_per_s(column(i))).collect();
    bars(&rates).map(|(columns, highest)| format!("{columns} {} █ {}", Time(length), per_second(highest)))
}
