//! Owns the rule that the library names no flags: below `report`, a message names an option in words.

use tonnage::report::NAMED_BELOW;

use super::imports::{self, Module};
use super::{floor_of, library, literals};

/// Modules that start another program; the flags in them are that program's.
const OF_OTHERS: &[&str] = &["scrape/gpus"];

/// The violations in the string literals of `sources` below `report`: each flag, and each option that the command line
/// cannot show as a flag.
fn broken(sources: &[(Module, String)]) -> Vec<String> {
    let report = floor_of("report").expect("report has a floor");
    let outside_tests = imports::graph(sources);
    let below = sources.iter().filter(|(module, _)| {
        let floor = module.first().and_then(|first| floor_of(first));
        outside_tests.contains_key(module) && floor.is_some_and(|floor| floor < report)
    });
    let mut broken = Vec::new();
    for (module, text) in below {
        let is_of_others = OF_OTHERS.contains(&module.join("/").as_str());
        for literal in literals::of(text) {
            let flags = if is_of_others { Vec::new() } else { flags_in(&literal) };
            let wrong = flags.into_iter().chain(unknown_options_in(&literal));
            broken.extend(wrong.map(|what| format!("{}: `{what}` in `{literal}`", module.join("/"))));
        }
    }
    broken
}

/// Each `--name` in `text`.
fn flags_in(text: &str) -> Vec<String> {
    let starts = text.match_indices("--").filter(|(at, _)| {
        text[at + 2..].starts_with(|next: char| next.is_ascii_lowercase()) && !text[..*at].ends_with('-')
    });
    starts.map(|(at, _)| format!("--{}", name_at(&text[at + 2..]))).collect()
}

/// Each `the option NAME` in `text` whose NAME is not in the table of options that are shown as flags. A placeholder,
/// as in `the option {option}`, is not checked.
fn unknown_options_in(text: &str) -> Vec<String> {
    let names = text.split("the option ").skip(1).filter(|rest| !rest.starts_with('{')).map(name_at);
    names.filter(|name| !NAMED_BELOW.contains(name)).map(|name| format!("the option {name}")).collect()
}

fn name_at(text: &str) -> &str {
    let is_of_a_name = |next: char| next.is_ascii_lowercase() || next.is_ascii_digit() || next == '-';
    let end = text.find(|next: char| !is_of_a_name(next));
    &text[..end.unwrap_or(text.len())]
}

#[test]
fn no_flag_is_named_below_report() {
    let broken = broken(&library());
    assert!(
        broken.is_empty(),
        "the library has no flags: write `the option NAME`, and add NAME to report/flags.rs:\n{}",
        broken.join("\n")
    );
}

#[test]
fn a_flag_below_report_is_seen_wherever_it_stands() {
    for (case, folder, text, seen) in [
        ("a constant", "units", "const A: &str = \"give --rate\";", 1),
        ("a raw string", "units", "const A: &str = r#\"give \"--rate\"\"#;", 1),
        ("over two lines", "trace", "const A: &str = \"give \\\n    --rate and --time-scale\";", 2),
        ("inside a macro", "client", "fn a() -> String { format!(\"{}: give {}\", 1, f(&[\"--rate\"])) }", 1),
        ("an attribute", "error", "#[derive(Debug)] enum A { #[error(\"give --rate\")] B }", 1),
        ("an option in words", "client", "const A: &str = \"give the option rate, or the option wait-ready 5m\";", 0),
        ("an option that is none", "client", "const A: &str = \"give the option rating\";", 1),
        ("an option that is filled in", "client", "fn a(b: u8) -> String { format!(\"the option {b}\") }", 0),
        ("a doc comment", "units", "/// As `--rate`.\nconst A: u8 = 0; m! { /// As `--rate`.\n }", 0),
        ("a comment", "units", "// As `--rate`.\nconst A: u8 = 0;", 0),
        ("a test", "units", "const A: u8 = 0; #[cfg(test)] mod tests { const B: &str = \"--rate\"; }", 0),
        ("a rule of dashes", "units", "const A: &str = \"-----begin -- end\";", 0),
        ("a page", "report", "const A: &str = \"give --rate\";", 0),
        ("the command line", "cli", "const A: &str = \"give --rate\";", 0),
    ] {
        let found = broken(&[(vec![folder.to_owned(), "file".to_owned()], text.to_owned())]);
        assert_eq!(found.len(), seen, "{case}: {found:?}");
    }
}
