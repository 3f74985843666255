//! Owns the lines on token counts: asked for, counted by our tokenizer, and reported by the server, side by side.

use crate::metrics::{TokenCountsView, TokensView};
use crate::report::layout::{Ink, Tone, WIDTH, wrapped};
use crate::units::count;

/// One line for prompts and one for answers, each only if tokenizer or server counted them. `templated` says whether
/// the server wraps prompts in a chat template.
pub(super) fn tokens_text(tokens: &TokensView, templated: bool, ink: Ink) -> String {
    let frame = if templated { "chat template" } else { "special tokens" };
    [("input tokens", &tokens.input, frame), ("output tokens", &tokens.output, "special tokens")]
        .into_iter()
        .filter(|(_, counts, _)| counts.counted.is_some() || counts.server.is_some())
        .map(|(name, counts, cause)| ink.paint(Tone::Faint, &wrapped(&line(name, counts, cause), WIDTH, 2)) + "\n")
        .collect()
}

fn line(name: &str, counts: &TokenCountsView, cause: &str) -> String {
    let figure = |tokens: Option<f64>| tokens.map_or_else(|| "—".to_owned(), mean);
    let difference = match counts.server_minus_counted {
        Some([0, 0]) | None => String::new(),
        Some([least, most]) if least == most && least > 0 => format!(" (+{least}: {cause})"),
        Some([least, most]) if least == most => format!(" ({least}: another tokenizer?)"),
        Some([least, most]) => format!(" ({least:+} to {most:+}: another tokenizer?)"),
    };
    let (asked, counted, server) = (figure(counts.asked), figure(counts.counted), figure(counts.server));
    if counts.counted.is_none() {
        return format!("{name}: asked {asked}, server {server}");
    }
    let off = match counts.counted_not_as_asked {
        0 => String::new(),
        off => format!(" ({} not as asked)", count(off)),
    };
    format!("{name}: asked {asked}, counted {counted}{off}, server {server}{difference}")
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
    fn who_counted_what_stands_in_one_line_each() {
        let counts = |counted, server, server_minus_counted| TokenCountsView {
            asked: Some(512.0),
            counted,
            counted_requests: 1,
            counted_not_as_asked: u64::from(counted == Some(511.5)),
            server,
            server_requests: 1,
            server_minus_counted,
        };
        let shown = |input| tokens_text(&TokensView { input, ..TokensView::default() }, true, Ink::Plain);
        for (input, expected) in [
            (
                counts(Some(512.0), Some(519.0), Some([7, 7])),
                "input tokens: asked 512, counted 512, server 519 (+7: chat template)\n",
            ),
            (counts(Some(511.5), None, None), "input tokens: asked 512, counted 511.5 (1 not as asked), server —\n"),
            (
                counts(Some(512.0), Some(510.125), Some([-4, 3])),
                "input tokens: asked 512, counted 512, server 510.12 (-4 to +3: another\n  tokenizer?)\n",
            ),
            (counts(Some(512.0), Some(512.0), Some([0, 0])), "input tokens: asked 512, counted 512, server 512\n"),
            (counts(None, Some(519.0), None), "input tokens: asked 512, server 519\n"),
            (counts(None, None, None), ""),
        ] {
            assert_eq!(shown(input), expected);
        }
    }
}
