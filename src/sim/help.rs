//! Owns the text of `help sim`: every profile, and the figures of the engines, from the same closed forms that the
//! tests check.

use std::fmt::Write;

use crate::sim::ServiceProfile;
use crate::sim::engine::{Preset, Setup};
use crate::units::wrapped;

/// The text that describes the simulated servers.
#[must_use]
pub(crate) fn help_sim() -> String {
    let mut text = String::new();
    for (form, what) in ServiceProfile::FORMS {
        _ = writeln!(text, "{}", entry(form, what));
    }
    text.push_str(
        "\nA law is a mean and the parameters of its shape: lognormal and gamma take the\n\
         coefficient of variation (above 0, at most 10), hyper (two exponential branches\n\
         with balanced means) a coefficient of variation above 1, pareto the exponent of\n\
         its tail (above 1) and optionally the ratio of its largest to smallest value.\n\
         For any other kind of service, implement `sim::Service` of the library.\n",
    );
    text.push_str("\nLimits of an engine that can be changed:\n\n");
    for (key, what) in Setup::KEYS {
        _ = writeln!(text, "{}", entry(key, what));
    }
    text.push_str(
        "\nAn engine works in steps, as vLLM's scheduler does: FIFO queue, decodes first,\n\
         prefills split to fit the token budget, admission while sequences and KV blocks\n\
         are free, the latest sequence preempted and recomputed, LRU prefix cache. All\n\
         tokens of a step leave at its end.\n\n  \
         step = c0 + c1 prefill tokens + c2 prefill tokens x context\n       \
         + c3 decoding sequences + c4 sum of their contexts\n\n",
    );
    _ = writeln!(
        text,
        "  {:<11}{:>9}{:>11}{:>11}{:>11}{:>11}\n  {:<11}{:>9}{:>11}{:>11}",
        "", "c0", "c1", "c2", "c3", "c4", "", "seqs", "budget", "KV tokens"
    );
    for preset in Preset::ALL {
        let setup = Setup::of(preset);
        let cost = setup.cost();
        _ = writeln!(
            text,
            "  {:<11}{:>9}{:>11}{:>11}{:>11}{:>11}\n  {:<11}{:>9}{:>11}{:>11}",
            preset.name(),
            span(cost.step_fs),
            span(cost.prefill_token_fs),
            span(cost.prefill_pair_fs),
            span(cost.decoding_fs),
            span(cost.context_token_fs),
            "",
            setup.max_seqs(),
            setup.batched_tokens(),
            setup.kv_tokens()
        );
    }
    text.push_str("\nResults for prompts of 512 tokens that share nothing, and 128 output tokens\n(closed form):\n\n");
    _ = writeln!(text, "  {:<13}{:>12}{:>12}{:>14}", "", "TTFT alone", "TPOT alone", "saturates at");
    for preset in Preset::ALL {
        let setup = Setup::of(preset);
        let (ttft_ms, tpot_ms) = (setup.zero_load_ttft_s(512) * 1e3, setup.zero_load_tpot_s(512, 128) * 1e3);
        let most = setup.saturation_per_s(512, 128).map_or_else(|| "-".to_owned(), |per_s| format!("{per_s:.1}/s"));
        _ = writeln!(
            text,
            "  {:<13}{:>12}{:>12}{most:>14}",
            preset.name(),
            format!("{ttft_ms:.1} ms"),
            format!("{tpot_ms:.2} ms")
        );
    }
    text.push_str(
        "\nsmall is not a real server. The others are derived, not measured: Llama 3.1's\n\
         published sizes in bf16, NVIDIA's data sheets (H100 SXM 3.35 TB/s, 989 TFLOP/s,\n\
         80 GB; A100 SXM 2.039 TB/s, 312 TFLOP/s, 80 GB), and these assumptions: 80% of\n\
         the bandwidth and 55% of the arithmetic rate are reached (45% over four GPUs),\n\
         1 ms of overhead per step, two all-reduces of 10 us per layer; 90% of the memory\n\
         is used, 2 GB of it per GPU for activations. Memory traffic and arithmetic of a\n\
         step are added, not overlapped.\n",
    );
    text
}

/// The width of the text, and the column where explanations begin.
const WIDTH: usize = 80;
const COLUMN: usize = 38;

/// One entry: the form to write, and its explanation.
fn entry(form: &str, what: &str) -> String {
    format!("  {form:<width$}{}", wrapped(what, WIDTH, COLUMN), width = COLUMN - 2)
}

/// Femtoseconds with a unit that suits them.
fn span(femtoseconds: u64) -> String {
    let fs = femtoseconds as f64;
    let (value, unit) = match femtoseconds {
        1_000_000_000_000.. => (fs / 1e12, "ms"),
        1_000_000_000.. => (fs / 1e9, "us"),
        1_000_000.. => (fs / 1e6, "ns"),
        _ => (fs / 1e3, "ps"),
    };
    format!("{value:.2} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_and_every_limit_is_in_the_help() {
        let text = help_sim();
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let one = words(&text);
        assert!(
            ServiceProfile::FORMS
                .iter()
                .chain(Setup::KEYS)
                .all(|(form, what)| one.contains(form) && one.contains(&words(what)))
        );
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.contains("6.99 ms") && text.contains("29.51 us"), "{text}");
    }
}
