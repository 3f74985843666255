//! Owns the text on the laws fitted to a trace: at most 80 columns, and the options that select these laws.

use std::fmt::Write as _;

use crate::report::layout::{Grid, Ink, Tone, WIDTH, wrapped};
use crate::units::{count, pace, seconds};
use crate::workload::{LengthFit, TraceFit};

/// The text that `trace fit` prints for `file`; `yaml` holds the options that replace the trace.
#[must_use]
pub(crate) fn render_fit(file: &str, fit: &TraceFit, yaml: &str, ink: Ink) -> String {
    let mut text = ink.paint(Tone::Heading, &wrapped(&format!("{file}: laws that fit it"), WIDTH, 0)) + "\n";
    let arrivals = &fit.arrivals;
    let cv = |cv: Option<f64>| cv.map_or_else(|| "—".to_owned(), |cv| format!("{cv:.2}"));
    let judged = arrivals.ks_distance.zip(arrivals.ks_critical).map_or_else(String::new, |(distance, critical)| {
        let far = if distance > critical { "more than chance explains" } else { "within chance" };
        format!("Kolmogorov distance {distance:.4} ({far}: {critical:.4}); ")
    });
    let facts = [
        ("rows", format!("{} over {}: {}", count(fit.rows), seconds(fit.length_s), pace(fit.rate_per_s))),
        (
            "rate",
            format!(
                "{} knots over time, at most {:.2} times the mean",
                fit.profile.knots.len(),
                fit.profile.peak_to_mean
            ),
        ),
        (
            "arrivals",
            format!(
                "{} around that rate: {judged}coefficient of variation of the gaps {:.2} (as recorded, with the \
                 changes of the rate, {})",
                arrivals.process,
                arrivals.gap_cv,
                cv(arrivals.recorded_gap_cv)
            ),
        ),
    ];
    for (name, value) in facts {
        // Writing to a string cannot fail.
        _ = writeln!(text, "{name:<12}{}", wrapped(&value, WIDTH, 12));
    }
    if let Some(tick_s) = arrivals.tick_s {
        let clock = format!(
            "the recorder's clock ticks every {}: the fit uses rows spread at random within their tick, as with \
             --spread random",
            seconds(tick_s)
        );
        _ = writeln!(text, "{:<12}{}", "clock", wrapped(&clock, WIDTH, 12));
    }
    text.push('\n');
    let mut grid = Grid::new(&["tokens", "law", "distance", "p50 off", "p90 off", "p99 off"]);
    for (name, lengths) in [("input", &fit.input_tokens), ("output", &fit.output_tokens)] {
        let off = |error: f64| format!("{:+.1} %", 100.0 * error);
        let errors = lengths.quantile_errors;
        grid.row(vec![
            name.to_owned(),
            lengths.law.clone(),
            format!("{:.3}", lengths.ks_distance),
            off(errors.p50),
            off(errors.p90),
            off(errors.p99),
        ]);
    }
    text.push_str(&grid.render(ink));
    if ![&fit.input_tokens, &fit.output_tokens].into_iter().all(LengthFit::is_near) {
        let advice = format!(
            "A distance above {:.1} is a poor fit: --out DIR writes the lengths themselves, and the options then read \
             them with file:PATH.",
            LengthFit::FAR
        );
        _ = writeln!(text, "\n{}", wrapped(&advice, WIDTH, 0));
    }
    _ = write!(text, "\n{yaml}");
    text
}
