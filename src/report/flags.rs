//! Owns the conversion of messages from lower floors: the library writes `the option NAME`, the command line shows
//! `--NAME`.

use std::borrow::Cow;

use crate::error::Error;

/// The options that messages below `report` name, in alphabetical order. Each is a flag of the command line. Only these
/// names are shown as flags, so no other text changes.
pub const NAMED_BELOW: &[&str] = &[
    "api-key",
    "auth-header",
    "balancing",
    "batch-size",
    "ca-cert",
    "client-cert",
    "client-key",
    "columns",
    "connect-timeout",
    "dataset-columns",
    "dataset-format",
    "delimiter",
    "duration",
    "export",
    "extra-body",
    "force",
    "format",
    "gap-cap",
    "header",
    "http1",
    "http2",
    "input-tokens",
    "insecure",
    "loop",
    "max-in-flight",
    "max-input",
    "meet-timeout",
    "model",
    "no-stream",
    "on-empty",
    "out",
    "output-field",
    "output-tokens",
    "over",
    "partial",
    "process",
    "rate",
    "rate-scale",
    "rates",
    "raw",
    "records",
    "replica-rate",
    "requests",
    "resume",
    "sample",
    "segment",
    "session-header",
    "shard",
    "slo",
    "target",
    "time-unit",
    "wait-ready",
    "warmup",
    "window",
];

/// The words before the name of an option in a message.
const BEFORE: &str = "the option ";

fn is_of_a_name(character: char) -> bool {
    character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-'
}

fn is_named_below(option: &str) -> bool {
    NAMED_BELOW.binary_search(&option).is_ok()
}

/// `text` for the command line, with `--NAME` in place of each `the option NAME`.
#[must_use]
pub(crate) fn with_flags(text: &str) -> Cow<'_, str> {
    if !text.contains(BEFORE) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEFORE) {
        let end = after.find(|character: char| !is_of_a_name(character));
        let name = &after[..end.unwrap_or(after.len())];
        shown.push_str(before);
        if is_named_below(name) {
            shown.extend(["--", name]);
            rest = &after[name.len()..];
        } else {
            shown.push_str(BEFORE);
            rest = after;
        }
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// The text of `error` for the command line, with flags in place of options.
#[must_use]
pub(crate) fn error_text(error: &Error) -> String {
    let text = error.to_string();
    match error {
        Error::Usage { option, .. } if is_named_below(option) => format!("--{}", with_flags(&text)),
        _ => with_flags(&text).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_shown_as_its_flag() {
        for (text, shown) in [
            (
                "check the option target, or wait with the option wait-ready 5m",
                "check --target, or wait with --wait-ready 5m",
            ),
            ("the option slo 'p99 ttft<=200ms'", "--slo 'p99 ttft<=200ms'"),
            ("drop the option warmup", "drop --warmup"),
            ("no connection (the option connect-timeout); look", "no connection (--connect-timeout); look"),
            ("the option of a lower rate", "the option of a lower rate"),
            ("the option ", "the option "),
            ("the option targets", "the option targets"),
            ("the option the option target", "the option --target"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(with_flags(text), shown, "{text}");
        }
    }

    #[test]
    fn a_usage_error_begins_with_its_flag_where_it_names_an_option_from_below() {
        for (option, shown) in [
            ("target", "--target: is no URL; check --model"),
            ("RESULT", "RESULT: is no URL; check --model"),
            ("--rates", "--rates: is no URL; check --model"),
        ] {
            assert_eq!(error_text(&Error::usage(option, "is no URL", "check the option model")), shown);
        }
        let lost = Error::target("http://a", "no connection; check the option target");
        assert_eq!(error_text(&lost), "target http://a: no connection; check --target");
    }

    #[test]
    fn the_options_are_in_order() {
        assert!(NAMED_BELOW.is_sorted() && NAMED_BELOW.iter().all(|name| is_named_below(name)));
    }
}
