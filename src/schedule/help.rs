//! Owns the text of `help profiles`: every shape and every overlay with its formula, and its example drawn by the
//! code of a run.

use std::fmt::Write;
use std::time::Duration;

use crate::schedule::clause::{Form, Time};
use crate::schedule::picture::bars;
use crate::schedule::{Extent, Pattern, Process, Profile, Timeline, overlay, profile};
use crate::seed::Seed;
use crate::units::{Rate, Window, per_second, wrapped};

/// The text of `help profiles`.
#[must_use]
pub fn help_profiles() -> String {
    let mut text = String::new();
    let say = |text: &mut String, words: &str| text.extend([&wrapped(words, WIDTH, 0), "\n\n"]);
    say(
        &mut text,
        "--profile 'STAGE; STAGE; …' or a file, for `tonnage run` and `tonnage plan`: the rate over time λ(t), in \
         requests per second; t counts from the beginning of the stage. The measured window is as long as the \
         profile. If the last stage has no TIME, or the profile ends with `repeat`, --duration or --requests set \
         the length.",
    );
    for form in profile::FORMS {
        entry(&mut text, form, form.example.parse().ok(), Vec::new());
    }
    say(
        &mut text,
        "As a file: .csv holds `points`, one line `t_s,rate` for each; .yaml holds a list of stages by key, like \
         `profile` in a configuration file:",
    );
    text.push_str(
        "  - {shape: ramp, from: 1/s, to: 100/s, for: 60s}\n  - {shape: hold, for: 120s}\n\nAIBrix's JSON is read \
         unchanged:\n\n",
    );
    text.push_str("  {\"fluctuate\":2,\"mean\":6,\"noise\":0.1,\"period_len_ms\":300000,\"only_rise\":false}\n\n");
    say(
        &mut text,
        "--overlay OVERLAY (repeatable, over --rate or --profile; in a replay it moves the recorded instants): the \
         rate is λ·f if SIZE is a share (50%), and λ + SIZE·… if SIZE is a rate (5/s). t counts from the beginning of \
         the measured window. The mean does not change: E[f] = 1. Where an added rate would take λ below 0, λ is 0; \
         then the whole of λ is scaled so that its integral over the window is that of the profile. Drawn over 50/s \
         for 120 s:",
    );
    let base = Rate::new(50.0).ok().map(Profile::constant);
    for form in overlay::FORMS {
        entry(&mut text, form, base.clone(), form.example.parse().into_iter().collect());
    }
    say(
        &mut text,
        "Arrival i is at the instant where the integral of λ is S(i); S is the process of rate 1 (--process). So \
         counts in any time span follow the integral, without steps of one second and without drift. The warm-up has \
         the profile's first rate. The cool-down continues the profile, or its last rate.",
    );
    text.pop();
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
