//! Owns the frame of a page: its head, which allows no script and no network, its parts, and its foot.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::report::html::embedded::PLACE;
use crate::results::Tool;

/// The style of the page.
const STYLE: &str = include_str!("style.css");

/// A page of `tool`. The JSON that it carries goes to [`PLACE`].
pub(super) fn shell(tool: &Tool, title: &str, header: &Markup, main: &Markup, carries: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content=(format!("{} {}", tool.name, tool.version));
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { (header) }
                main { (main) }
                footer {
                    p {
                        "Made by tonnage " (tool.version) ". The page needs no network and no script, and holds "
                        (carries) "."
                    }
                }
                (PreEscaped(PLACE))
            }
        }
    }
}
