//! Owns the part of a page that says how the figures came about: configuration, seeds, fingerprints, environment.

use maud::{Markup, html};

use crate::client::ReceiveClock;
use crate::report::html::parts::{Page, cut};
use crate::report::text::Text;
use crate::report::words::page as words;
use crate::results::Report;
use crate::units::count;

/// The sections on configuration and environment.
pub(super) fn content(page: &Page, report: &Report) -> Markup {
    let (host, tool) = (&report.host, &report.tool);
    let stamps = match host.receive_clock {
        Some(ReceiveClock::Kernel) => words::F_KERNEL,
        _ => words::F_THREADS,
    };
    let metadata: Vec<String> = report.metadata.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let git = tool.git.as_ref().map_or_else(String::new, |git| format!(" ({git})"));
    let generator = [
        Text::data(host.name.as_str()),
        Text::data(host.system.as_str()),
        Text::data(count(host.cores as u64)),
        Text::data(count(host.workers as u64)),
    ];
    let rows = [
        (words::F_COMMAND, Text::data(cut(&report.command.join(" ")))),
        (words::F_SEED, Text::data(report.seed.to_string())),
        (words::F_SALT, Text::data(report.config.salt.as_ref().map_or("", |salt| salt.text()))),
        (words::F_PLAN, Text::data(report.plan_fingerprint.as_str())),
        (words::F_BODY, Text::data(report.body_fingerprint.as_deref().unwrap_or_default())),
        (words::F_TOKENS, words::F_COUNTED.with([Text::data(report.token_estimate.as_str())])),
        (words::F_METADATA, Text::data(cut(&metadata.join(" · ")))),
        (words::F_STARTED, Text::data(report.started.as_str())),
        (words::F_TOOL, Text::data(format!("{} {}{git}", tool.name, tool.version))),
        (words::F_GENERATOR, words::F_HOST.with(generator)),
        (words::F_STAMPS, stamps.into()),
    ];
    let yaml = report.config.to_yaml().unwrap_or_default();
    page.section(
        words::HOW_MEASURED,
        &html! {
            (page.facts(&rows, words::T_MEASURED))
            (page.explained(&["plan fingerprint", "body fingerprint", "seed", "salt"]))
            details { summary { (page.say(words::CONFIGURATION)) } pre tabindex="0" { code { (cut(&yaml)) } } }
        },
    )
}
