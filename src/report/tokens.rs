//! Owns the table of token counts: asked for, counted by our tokenizer, and reported by the server, side by side.

use crate::figures::TrialView;
use crate::metrics::{TokenCountsView, TokensView};
use crate::report::layout::{Grid, Ink, Tone, WIDTH, wrapped};
use crate::report::numbers::UNKNOWN;
use crate::results::Report;
use crate::units::count;

/// The table of token counts with its notes; empty if neither tokenizer nor server counted any.
pub(super) fn tokens_text(report: &Report, trial: &TrialView, ink: Ink) -> String {
    let Some((grid, notes)) = tokens_table(report, trial) else { return String::new() };
    let notes = notes.iter().map(|note| ink.paint(Tone::Faint, &wrapped(note, WIDTH, 2)) + "\n");
    grid.render(ink) + &notes.collect::<String>()
}

/// The mean tokens of a request by source, and what explains their differences; `None` if neither tokenizer nor server
/// counted any.
pub(super) fn tokens_table(report: &Report, trial: &TrialView) -> Option<(Grid, Vec<String>)> {
    table(&trial.tokens, is_uncounted_template(report))
}

/// Whether the server puts prompts into a chat template that the lengths asked for do not include.
fn is_uncounted_template(report: &Report) -> bool {
    let config = &report.config;
    let is_chat = config.endpoints().iter().any(|endpoint| endpoint.capabilities().chat_template);
    is_chat && config.chat_template.as_ref().is_none_or(|template| template.text() == "none")
}

fn table(tokens: &TokensView, uncounted_template: bool) -> Option<(Grid, Vec<String>)> {
    let frame = if uncounted_template { "its chat template" } else { "special tokens" };
    let sides: Vec<(&str, &TokenCountsView, &str)> =
        [("input", &tokens.input, frame), ("output", &tokens.output, "special tokens")]
            .into_iter()
            .filter(|(_, counts, _)| counts.counted.is_some() || counts.server.is_some())
            .collect();
    let is_counted = sides.iter().any(|(_, counts, _)| counts.counted.is_some());
    let mut grid = Grid::new(if is_counted {
        &["tokens of a request", "asked", "counted", "server", "server to asked"]
    } else {
        &["tokens of a request", "asked", "server", "server to asked"]
    });
    let mut notes = Vec::new();
    for (name, counts, cause) in &sides {
        let figure = |tokens: Option<f64>| tokens.map_or_else(|| UNKNOWN.to_owned(), mean);
        let mut cells = vec![(*name).to_owned(), figure(counts.asked)];
        cells.extend(is_counted.then(|| figure(counts.counted)));
        cells.extend([figure(counts.server), difference(counts)]);
        grid.row(cells);
        notes.extend(notes_of(name, counts, cause));
    }
    (!grid.is_empty()).then_some((grid, notes))
}

/// The server's mean as a difference from the mean asked for, in percent.
fn difference(counts: &TokenCountsView) -> String {
    let asked = counts.asked.filter(|asked| *asked > 0.0);
    let Some((asked, server)) = asked.zip(counts.server) else { return UNKNOWN.to_owned() };
    let percent = format!("{:+.1} %", 100.0 * (server / asked - 1.0));
    if percent == "+0.0 %" || percent == "-0.0 %" { "0 %".to_owned() } else { percent }
}

fn notes_of(name: &str, counts: &TokenCountsView, cause: &str) -> Vec<String> {
    let mut notes = Vec::new();
    if counts.counted_not_as_asked > 0 {
        let of = format!("{} of {}", count(counts.counted_not_as_asked), count(counts.counted_requests));
        notes.push(format!("{name}: {of} do not have the tokens asked for, as our tokenizer counts them"));
    }
    notes.extend(match counts.server_minus_counted {
        Some([0, 0]) | None => None,
        Some([least, most]) if least == most && least > 0 => {
            Some(format!("{name}: the server counts {least} more than our tokenizer in each ({cause})"))
        }
        Some([least, most]) if least == most => {
            Some(format!("{name}: the server counts {} fewer than our tokenizer in each (another tokenizer?)", -least))
        }
        Some([least, most]) => {
            let between = format!("{least:+} to {most:+}");
            Some(format!("{name}: server minus our tokenizer is {between} in each (another tokenizer?)"))
        }
    });
    notes
}

/// The text of a mean, with up to two decimals.
fn mean(tokens: f64) -> String {
    let text = format!("{tokens:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asked_counted_and_server_stand_side_by_side_with_the_cause_of_a_difference() {
        let counts = |counted, server, server_minus_counted| TokenCountsView {
            asked: Some(512.0),
            counted,
            counted_requests: 1,
            counted_not_as_asked: u64::from(counted == Some(511.5)),
            server,
            server_requests: 1,
            server_minus_counted,
        };
        let shown = |input, uncounted| {
            let (grid, notes) = table(&TokensView { input, ..TokensView::default() }, uncounted)?;
            Some((grid.rows()[0].join(" | "), notes.join("\n")))
        };
        for (input, uncounted, cells, notes) in [
            (
                counts(Some(512.0), Some(519.0), Some([7, 7])),
                true,
                "input | 512 | 512 | 519 | +1.4 %",
                "input: the server counts 7 more than our tokenizer in each (its chat template)",
            ),
            (
                counts(Some(512.0), Some(513.0), Some([1, 1])),
                false,
                "input | 512 | 512 | 513 | +0.2 %",
                "input: the server counts 1 more than our tokenizer in each (special tokens)",
            ),
            (
                counts(Some(511.5), None, None),
                true,
                "input | 512 | 511.5 | — | —",
                "input: 1 of 1 do not have the tokens asked for, as our tokenizer counts them",
            ),
            (
                counts(Some(512.0), Some(510.125), Some([-4, 3])),
                true,
                "input | 512 | 512 | 510.12 | -0.4 %",
                "input: server minus our tokenizer is -4 to +3 in each (another tokenizer?)",
            ),
            (counts(Some(512.0), Some(512.0), Some([0, 0])), true, "input | 512 | 512 | 512 | 0 %", ""),
            (counts(None, Some(519.0), None), true, "input | 512 | 519 | +1.4 %", ""),
        ] {
            assert_eq!(shown(input, uncounted), Some((cells.to_owned(), notes.to_owned())));
        }
        assert_eq!(shown(counts(None, None, None), true), None);
    }
}
