//! Owns the text of `help slo`.

use std::fmt::Write as _;

use crate::metrics::PRESETS;
use crate::units::wrapped;

/// The text of `help slo`: the grammar, and every preset with its source.
#[must_use]
pub(crate) fn help_slo() -> String {
    let mut text = String::from(
        "--slo '[pQ|mean|max] METRIC (<=|<) TIME', with a unit: us, ms, s, m, h. Several\n\
         are separated by commas.\n\n\
         p99 ttft<=200ms    at least 99% of the requests have their first token\n                   \
         within 200 ms\n\
         mean e2e<2s        the mean; max: the largest observed value, no inference\n\
         ttft<=200ms        no statistic: each request is good or not; joint attainment\n                   \
         >= --attainment (99%) is required\n\
         ttft_service<=1s   the clock starts at the send instead of the planned instant\n\
         error_rate<=0.1%   failed, timed-out, shed and abandoned requests / planned\n\
         goodput>=5/s       good requests per second of the window\n\
         attainment>=99%    good requests / planned requests\n\
         chat: ...          only the requests of the class chat of a mix (--mix), up to\n                   \
         the next semicolon\n\n\
         --goodput 'ttft:200 tpot:50 e2el:5000' means bare objectives in milliseconds.\n\n\
         A quantile is decided as a proportion with 95% confidence; the dependence of\n\
         requests is taken into account. The result is pass, fail or inconclusive.\n",
    );
    // Presets of one source are listed together.
    let mut source = "";
    for preset in PRESETS {
        if preset.source != source {
            source = preset.source;
            let _ = writeln!(text, "\nPresets, {source}:");
        }
        let _ = writeln!(text, "  @{:<34}{}", preset.name, wrapped(&preset.objectives.join(", "), 80, 37));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_preset_and_its_source_once() {
        let text = help_slo();
        for preset in PRESETS {
            assert!(text.contains(preset.name));
            assert_eq!(text.matches(preset.source).count(), 1, "{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
