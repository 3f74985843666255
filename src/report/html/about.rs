//! Owns the part of a page that says how the figures came about: configuration, seeds, fingerprints, environment.

use maud::{Markup, html};

use crate::client::ReceiveClock;
use crate::report::html::parts::{explained, facts, section};
use crate::results::Report;
use crate::units::count;

/// The sections on configuration and environment.
pub(super) fn content(report: &Report) -> Markup {
    let (host, tool) = (&report.host, &report.tool);
    let stamps = match host.receive_clock {
        Some(ReceiveClock::Kernel) => "the kernel, when the bytes of an answer arrive",
        _ => "our threads, when they have read the bytes of an answer",
    };
    let metadata: Vec<String> = report.metadata.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let rows = [
        ("command", report.command.join(" ")),
        ("seed", report.seed.to_string()),
        ("salt", report.config.salt.as_ref().map_or_else(String::new, |salt| salt.text().to_owned())),
        ("plan fingerprint", report.plan_fingerprint.clone()),
        ("body fingerprint", report.body_fingerprint.clone().unwrap_or_default()),
        ("prompt tokens", format!("counted before sending by {}", report.token_estimate)),
        ("metadata", metadata.join(" · ")),
        ("started", report.started.clone()),
        (
            "tool",
            format!(
                "{} {}{}",
                tool.name,
                tool.version,
                tool.git.as_ref().map_or_else(String::new, |git| format!(" ({git})"))
            ),
        ),
        (
            "load generator",
            format!(
                "{}, {}, {} cores, {} sending threads",
                host.name,
                host.system,
                count(host.cores as u64),
                count(host.workers as u64)
            ),
        ),
        ("instants are taken by", stamps.to_owned()),
    ];
    let yaml = report.config.to_yaml().unwrap_or_default();
    section(
        "How it was measured",
        &html! {
            (facts(&rows, "how it was measured"))
            (explained(&["plan fingerprint", "body fingerprint", "seed", "salt"]))
            details { summary { "Configuration: every option in force" } pre tabindex="0" { code { (yaml) } } }
        },
    )
}
