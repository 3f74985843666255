//! Owns the tests of what helps a user begin: a configuration, completions, the manual, and the first command.

use std::fs;

use crate::cli::{folder, json, run, text};

#[test]
fn init_writes_a_configuration_that_runs_and_explains_every_option() {
    let folder = folder();
    let place = folder.path();
    assert_eq!(run(place, &["init"]).status.code(), Some(0));
    let config = fs::read_to_string(place.join("tonnage.yaml")).expect("a file");
    assert!(config.lines().all(|line| line.chars().count() <= 120), "{config}");
    let help = text(&run(place, &["run", "--help"]).stdout);
    let options = help.lines().filter_map(|line| line.strip_prefix("      --"));
    for option in options {
        let name = option.split([' ', '=', '<', '[']).next().unwrap_or_default();
        let of_one_start = [
            "config",
            "force",
            "help",
            "json",
            "meet",
            "meet-timeout",
            "out",
            "plain",
            "prometheus",
            "quiet",
            "shards",
        ];
        let is_kept = !of_one_start.contains(&name) && !["show-sample", "start-at"].contains(&name);
        assert!(!is_kept || config.contains(&format!("{name}:")), "{name} is not explained: {config}");
    }
    let again = run(place, &["init"]);
    assert!(
        again.status.code() == Some(2) && text(&again.stderr).contains("is left as it is"),
        "it is never overwritten"
    );
    let done = run(place, &["run", "-c", "tonnage.yaml", "--requests", "10", "--rate", "200", "--out", "ours"]);
    assert_eq!(json(&place.join("ours/result.json"))["trials"][0]["requests"]["planned"], 10, "{}", text(&done.stderr));
}

#[test]
fn completions_and_the_manual_are_made_from_the_options() {
    let folder = folder();
    let place = folder.path();
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&run(place, &["completions", shell]).stdout);
        assert!(script.contains("server-metrics") && script.contains("bench-serve"), "{shell}");
    }
    assert!(text(&run(place, &["man"]).stdout).contains(".TH tonnage 1"));
    assert_eq!(run(place, &["man", "--out", "pages"]).status.code(), Some(0));
    let page = fs::read_to_string(place.join("pages/tonnage-run.1")).expect("a page");
    assert!(page.contains(".TH tonnage-run 1") && page.contains("server\\-metrics"), "{page}");
}
