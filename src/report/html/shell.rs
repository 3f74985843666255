//! Owns the frame of a page: its head, which allows no script and no network, its parts, and its foot.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::report::html::embedded::PLACE;
use crate::report::html::parts::Page;
use crate::report::text::{Said, Text};
use crate::report::words::page as words;
use crate::results::Tool;

/// The style of the page.
const STYLE: &str = include_str!("style.css");

/// A page of `tool`. The JSON that it carries, `carries` in words, goes to [`PLACE`].
pub(super) fn shell(
    page: &Page,
    tool: &Tool,
    title: &str,
    (header, main): (&Markup, &Markup),
    carries: Said,
) -> Markup {
    let foot = words::FOOT.with([Text::data(tool.version.as_str()), carries.into()]);
    html! {
        (DOCTYPE)
        html lang=(page.lang.tag()) {
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
                    p { (foot.of(page.lang)) }
                }
                (PreEscaped(PLACE))
            }
        }
    }
}
