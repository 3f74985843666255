//! Owns the text of `help profiles`: how a rate over time is written, with every shape and every overlay.

use crate::report::layout::{WIDTH, wrapped};
use crate::schedule::{overlay_forms, profile_forms};

/// What rates over time are made of, as text.
#[must_use]
pub fn help_profiles() -> String {
    let mut text = String::new();
    let say = |text: &mut String, words: &str| text.extend([&wrapped(words, WIDTH, 0), "\n\n"]);
    say(
        &mut text,
        "--profile 'STAGE; STAGE; …' or a file, in `tonnage run` and `tonnage plan`: the rate over time, requests per \
         second, t from the stage's beginning. The measured window is as long as the profile. The last stage may leave \
         out its TIME, or the profile end with `repeat`: then --duration or --requests say how long.",
    );
    text.push_str(&profile_forms());
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
         share (50%); λ + SIZE·…, where it is a rate (5/s). t counts from the beginning of the measured window. The \
         mean stays: E[f] = 1. Where adding leads below 0, λ is 0, and all of it is scaled so that its integral over \
         the window is that of the profile. Drawn over 50/s for 120 s:",
    );
    text.push_str(&overlay_forms());
    say(
        &mut text,
        "Arrival i stands where the integral of λ is S(i), S the process of rate 1 (--process): counts in any span \
         follow the integral, there are no steps of a second and no drift. A warm-up has the profile's first rate, a \
         cool-down goes on with the profile or its last rate.",
    );
    text.pop();
    text
}
