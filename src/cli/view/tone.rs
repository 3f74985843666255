//! Owns `Tone`: the meaning of a text in the live view, and its style with or without colour.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;

use crate::report::Ink;

/// What a text means. Every tone is also said by a word or a sign, so that colour is never needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// A figure.
    Usual,
    /// A label.
    Dim,
    /// A heading, or the figure that matters most.
    Strong,
    /// Within its limit.
    Good,
    /// Beyond its limit, or failed.
    Bad,
    /// Neither.
    Doubtful,
    /// The first line.
    Banner,
}

impl Tone {
    /// Its style. Without colour only bold, dim and reversed text are used.
    pub(super) fn style(self, ink: Ink) -> Style {
        let (colour, modifier) = match self {
            Self::Usual => (None, Modifier::empty()),
            Self::Dim => (None, Modifier::DIM),
            Self::Strong => (None, Modifier::BOLD),
            Self::Good => (Some(Color::Green), Modifier::empty()),
            Self::Bad => (Some(Color::Red), Modifier::BOLD),
            Self::Doubtful => (Some(Color::Yellow), Modifier::empty()),
            Self::Banner => (None, Modifier::REVERSED),
        };
        let style = Style::new().add_modifier(modifier);
        match colour {
            Some(colour) if ink == Ink::Colour => style.fg(colour),
            _ => style,
        }
    }

    /// `text` in this tone.
    pub(super) fn span(self, ink: Ink, text: impl Into<String>) -> Span<'static> {
        Span::styled(text.into(), self.style(ink))
    }
}
