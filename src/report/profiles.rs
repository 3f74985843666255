//! Owns the text of `help profiles`: how a rate over time is written, with every shape and every overlay.

use crate::report::layout::{WIDTH, wrapped};
use crate::schedule::{overlay_forms, profile_forms};

/// The text of `help profiles`.
#[must_use]
pub(crate) fn help_profiles() -> String {
    let mut text = String::new();
    let say = |text: &mut String, words: &str| text.extend([&wrapped(words, WIDTH, 0), "\n\n"]);
    say(
        &mut text,
        "--profile 'STAGE; STAGE; …' or a file, for `tonnage run` and `tonnage plan`: the rate over time λ(t), in \
         requests per second; t counts from the beginning of the stage. The measured window is as long as the \
         profile. If the last stage has no TIME, or the profile ends with `repeat`, --duration or --requests set \
         the length.",
    );
    text.push_str(&profile_forms());
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
    text.push_str(&overlay_forms());
    say(
        &mut text,
        "Arrival i is at the instant where the integral of λ is S(i); S is the process of rate 1 (--process). So \
         counts in any time span follow the integral, without steps of one second and without drift. The warm-up has \
         the profile's first rate. The cool-down continues the profile, or its last rate.",
    );
    text.pop();
    text
}
