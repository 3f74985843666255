//! Owns the text on an inspected trace: a few tables, at most 80 columns, and the sentences on anomalies.

use std::fmt::Write as _;

use crate::report::flags::with_flags;
use crate::report::layout::{Grid, Ink, Tone, wrapped};
use crate::report::worded::anomalies_of;
use crate::trace::{Inspection, Peak, Quantity};
use crate::units::{count, pace, seconds};

const WIDTH: usize = 80;
const UNKNOWN: &str = "—";

/// The text that `trace inspect` prints for `file`; `picture` is the drawing of its rate over time.
#[must_use]
pub(crate) fn render_inspection(file: &str, seen: &Inspection, picture: &str, ink: Ink) -> String {
    let mut text =
        ink.paint(Tone::Heading, &wrapped(&format!("{file}: a trace in {} format", seen.format), WIDTH, 0)) + "\n";
    // Writing to a string cannot fail.
    for (name, value) in facts(seen) {
        _ = writeln!(text, "{name:<12}{}", wrapped(&value, WIDTH, 12));
    }
    text.push('\n');
    text.push_str(&peaks(seen).render(ink));
    text.push('\n');
    text.push_str(&tokens(seen).render(ink));
    _ = write!(text, "\n{}\n", picture.trim_end());
    if !seen.anomaly_kinds.is_empty() {
        text.push('\n');
        text.push_str(&ink.paint(Tone::Heading, "anomalies"));
        text.push('\n');
        for anomaly in anomalies_of(seen) {
            _ = writeln!(text, "  - {}", wrapped(&anomaly, WIDTH, 4));
        }
    }
    text
}

fn facts(seen: &Inspection) -> Vec<(&'static str, String)> {
    let figure = |value: Option<f64>, show: fn(f64) -> String| value.map_or_else(|| UNKNOWN.to_owned(), show);
    let mut rows = format!("{} over {}: {}", count(seen.rows), seconds(seen.span_s), figure(seen.rate_per_s, pace));
    for (reason, dropped) in &seen.dropped {
        _ = write!(rows, "; {} left out ({})", count(*dropped), with_flags(reason.name()));
    }
    let times = match seen.max_tie {
        1 => "no two rows at one instant".to_owned(),
        most => format!("{} distinct, up to {} rows at one instant", count(seen.distinct_times), count(most)),
    };
    let mut facts = vec![
        ("rows", rows),
        (
            "gaps",
            format!(
                "coefficient of variation {}, longest {} (Poisson has 1)",
                figure(seen.gap_cv, |cv| format!("{cv:.2}")),
                figure(seen.max_gap_s, seconds)
            ),
        ),
        ("dispersion", format!("{:.2} of the counts in 1 s (Poisson has 1)", seen.dispersion_1s)),
        ("times", times),
    ];
    if seen.sessions > 0 {
        facts.push(("sessions", count(seen.sessions)));
    }
    if let Some(blocks) = seen.blocks {
        let share = 100.0 * blocks.seen_before as f64 / blocks.all.max(1) as f64;
        facts.push((
            "prefixes",
            format!("{} blocks of {} tokens, {share:.1} % of them in an earlier row", count(blocks.all), blocks.tokens),
        ));
    }
    facts
}

fn peaks(seen: &Inspection) -> Grid {
    let mut grid = Grid::new(&["busiest", "1 s", "10 s", "60 s"]);
    let windows = [(seen.peak.over_1s, 1.0), (seen.peak.over_10s, 10.0), (seen.peak.over_60s, 60.0)];
    let mut row = |name: &str, show: &dyn Fn((Peak, f64)) -> String| {
        grid.row(std::iter::once(name.to_owned()).chain(windows.map(show)).collect());
    };
    row("rows, windows side by side", &|(peak, _)| count(peak.fixed));
    row("rows, any window", &|(peak, _)| count(peak.sliding));
    row("times the mean rate", &|(peak, length_s)| {
        seen.rate_per_s.map_or_else(|| UNKNOWN.to_owned(), |rate| format!("{:.2}", peak.fixed as f64 / length_s / rate))
    });
    grid
}

fn tokens(seen: &Inspection) -> Grid {
    let mut grid = Grid::new(&["tokens", "mean", "min", "p50", "p90", "p99", "max", "zeros", "sum"]);
    let mut row = |name: &str, tokens: &Quantity| {
        let whole = |value: u32| count(u64::from(value));
        grid.row(vec![
            name.to_owned(),
            count(tokens.mean.round() as u64),
            whole(tokens.min),
            whole(tokens.p50),
            whole(tokens.p90),
            whole(tokens.p99),
            whole(tokens.max),
            count(tokens.zeros),
            count(tokens.sum),
        ]);
    };
    row("input", &seen.input_tokens);
    row("output", &seen.output_tokens);
    grid
}
