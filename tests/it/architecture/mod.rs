//! Owns the tests of the house rules: floors, file sizes, first lines.

mod flags;
mod imports;
mod literals;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use imports::{Graph, Module};

/// Modules by floor, lowest first. A module imports only from floors below its own; modules on one floor do not
/// import from each other.
const FLOORS: &[&[&str]] = &[
    &["error"],
    &["units", "stats"],
    &["seed", "clock"],
    &["record", "telemetry", "trace"],
    &["schedule"],
    &["workload"],
    &["client", "metrics"],
    &["play"],
    &["figures", "foreign"],
    &["engine", "sim"],
    &["search", "calibrate", "meeting", "sizing", "scrape", "service"],
    &["results"],
    &["report"],
    &["run"],
    &["cli"],
];

/// Data tables, exempt from the size rule by name.
const TABLES: &[&str] = &[];

const MOST_LINES: usize = 500;
const MOST_COLUMNS: usize = 120;

fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("folder can be read") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "{folder} holds sources");
    found
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The module of a file in `src`: `src/search/step/mod.rs` is `["search", "step"]`.
fn place_of(path: &Path) -> Module {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("inside src");
    let parts = inside.with_extension("");
    let parts = parts.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
    parts.filter(|part| part != "mod" && part != "lib").collect()
}

fn library() -> Vec<(Module, String)> {
    let files = sources("src").into_iter().filter(|path| !path.ends_with("main.rs") && !path.ends_with("src/build.rs"));
    files.map(|path| (place_of(&path), fs::read_to_string(&path).expect("source can be read"))).collect()
}

/// The imports in `graph` that do not come from a lower floor.
fn upward(graph: &Graph) -> Vec<String> {
    let mut broken = Vec::new();
    for (file, imports) in graph {
        let Some(module) = file.first() else { continue };
        let floor = floor_of(module).unwrap_or_else(|| panic!("{module} has no floor: give it one in FLOORS"));
        for import in imports {
            let below = import.first().map(|import| floor_of(import));
            if import.first() != Some(module) && !matches!(below, Some(Some(below)) if below < floor) {
                broken.push(format!("{} imports {}, which is not below it", file.join("/"), import.join("::")));
            }
        }
    }
    broken
}

#[test]
fn floors_hold() {
    let graph = imports::graph(&library());
    let broken = upward(&graph);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    let used: BTreeSet<&str> = graph.keys().filter_map(|file| file.first()).map(String::as_str).collect();
    let named: BTreeSet<&str> = FLOORS.iter().copied().flatten().copied().collect();
    assert_eq!(used, named, "every module must have a floor, and every module in FLOORS must exist");
}

#[test]
fn files_import_in_one_direction() {
    let circles: Vec<String> =
        imports::circles(&imports::graph(&library())).iter().map(|circle| circle.join(" ")).collect();
    assert!(circles.is_empty(), "files that import each other in a circle:\n{}", circles.join("\n"));
}

#[test]
fn circles_and_upward_imports_are_seen_in_every_form() {
    let file = |path: &str, text: &str| (path.split('/').map(str::to_owned).collect(), text.to_owned());
    let through = file("units", "mod rate; mod time; pub use rate::Rate; pub use time::Time;");
    for (case, rate, time, circle, up) in [
        ("one way", "pub struct Rate;", "use super::Rate; pub struct Time(Rate);", 0, 0),
        (
            "through the folder",
            "use super::Time; pub struct Rate(Time);",
            "use super::Rate; pub struct Time(Rate);",
            1,
            0,
        ),
        (
            "by a path in a signature",
            "pub fn f(_: crate::units::Time) {}",
            "use super::rate; fn f() { rate::f(todo!()) }",
            1,
            0,
        ),
        ("inside a function", "pub struct Rate;", "pub struct Time; fn f() { use crate::{cli::run, units}; }", 0, 1),
        (
            "in a test",
            "pub struct Rate; #[cfg(test)] mod tests { use super::super::Time; }",
            "use super::Rate; pub struct Time(Rate);",
            0,
            0,
        ),
        ("upward", "use crate::{error::Error, cli}; pub struct Rate;", "pub struct Time;", 0, 1),
        ("in a comment", "// use crate::cli;\npub struct Rate;", "/// See [`crate::cli`].\npub struct Time;", 0, 0),
    ] {
        let sources = [
            through.clone(),
            file("units/rate", rate),
            file("units/time", time),
            file("error", "pub struct Error;"),
            file("cli", "pub fn run() {}"),
        ];
        let graph = imports::graph(&sources);
        assert_eq!((imports::circles(&graph).len(), upward(&graph).len()), (circle, up), "{case}: {graph:?}");
    }
}

#[test]
fn files_stay_small() {
    for folder in ["src", "tests", "benches"] {
        for path in sources(folder) {
            let lines = fs::read_to_string(&path).expect("source can be read").lines().count();
            let exempt = TABLES.iter().any(|table| path.ends_with(table));
            assert!(exempt || lines < MOST_LINES, "{} has {lines} lines: split it by what it owns", path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_owns() {
    for folder in ["src", "tests", "benches"] {
        for path in sources(folder) {
            let text = fs::read_to_string(&path).expect("source can be read");
            let first = text.lines().next().unwrap_or("");
            let exempt = path.ends_with("src/lib.rs");
            assert!(
                exempt || first.starts_with("//! Owns "),
                "{}: first line is `{first}`, not `//! Owns …`",
                path.display()
            );
        }
    }
}

/// The numbers of the lines of `text` that are too long. Table rows in comments and the contents of raw strings
/// (bytes from a server, a snapshot) cannot be wrapped, so they are exempt.
fn long_lines(text: &str) -> Vec<usize> {
    let mut long = Vec::new();
    let mut raw = None;
    for (number, line) in (1..).zip(text.lines()) {
        let begins = line.match_indices("r#").find(|(_, _)| raw.is_none()).and_then(|(at, _)| {
            let hashes = line[at + 1..].chars().take_while(|character| *character == '#').count();
            let opens = line[at + 1 + hashes..].starts_with('"') && !line.trim_start().starts_with("//");
            opens.then(|| (at + 2 + hashes, format!("\"{}", "#".repeat(hashes))))
        });
        let held = raw.is_some() || begins.is_some();
        if let Some((at, end)) = begins {
            raw = (!line[at..].contains(&end)).then_some(end);
        } else if raw.as_ref().is_some_and(|end| line.contains(end)) {
            raw = None;
        }
        let is_row = line.trim_start().trim_start_matches(['/', '!']).trim_start().starts_with('|')
            && line.trim_start().starts_with("//");
        if line.chars().count() > MOST_COLUMNS && !held && !is_row {
            long.push(number);
        }
    }
    long
}

#[test]
fn lines_end_at_column_120() {
    let mut broken = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for path in sources(folder) {
            let text = fs::read_to_string(&path).expect("source can be read");
            broken.extend(long_lines(&text).iter().map(|line| format!("{}:{line}", path.display())));
        }
    }
    assert!(broken.is_empty(), "longer than {MOST_COLUMNS} columns:\n{}", broken.join("\n"));
}

#[test]
fn a_line_of_121_columns_is_seen() {
    let wide = |columns: usize| format!("let a = 1;\n// {}\n", "é".repeat(columns - 3));
    assert_eq!((long_lines(&wide(120)), long_lines(&wide(121))), (vec![], vec![2]));
    let raw = format!("a(r#\"{0}\"#);\nb(r#\"\n{0}\n\"#);\n{0}\n/// | {0} |\n", "x".repeat(130));
    assert_eq!(long_lines(&raw), [5]);
}

#[test]
fn no_document_is_cited_that_is_not_here() {
    let here = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(name).is_file();
    let mut broken = Vec::new();
    for folder in ["src", "benches"] {
        for path in sources(folder) {
            let text = fs::read_to_string(&path).expect("source can be read");
            for (at, _) in text.match_indices(".md`") {
                let name = text[..at + 3].rsplit(['`', ' ', '(']).next().unwrap_or_default();
                if !here(name) {
                    broken.push(format!("{}: {name}", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "cited but not in the repository:\n{}", broken.join("\n"));
}
