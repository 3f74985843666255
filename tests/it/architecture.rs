//! Owns the house rules: floors, file sizes, first lines.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules by floor, lowest first. A module imports only from floors below its own; neighbours do not know each other.
const FLOORS: &[&[&str]] = &[
    &["error"],
    &["units", "stats"],
    &["seed", "clock"],
    &["record", "trace"],
    &["schedule"],
    &["workload"],
    &["client", "metrics"],
    &["engine", "sim"],
    &["search", "batch", "calibrate", "sizing"],
    &["report", "tui"],
    &["cli"],
];

/// Data tables, exempt from the size rule by name.
const TABLES: &[&str] = &[];

const MOST_LINES: usize = 500;

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

fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("inside src");
    let first = inside.components().next().expect("a component").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The modules named after each `crate::` in `text` (comments and doc links left out), `{a, b}` groups included.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
    for (start, _) in code.match_indices("crate::") {
        if start > 0 && code.as_bytes()[start - 1] == b'$' {
            continue;
        }
        let rest = code[start + "crate::".len()..].trim_start();
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut name = String::new();
            for character in group.chars() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.push(std::mem::take(&mut name)),
                    other if depth == 0 => name.push(other),
                    _ => {}
                }
            }
            found.push(name);
        } else {
            found.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
        .iter()
        .map(|name| name.trim().split("::").next().unwrap_or("").to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn floors_hold() {
    let mut broken = Vec::new();
    for path in sources("src") {
        let module = module_of(&path);
        if module == "main" || module == "lib" {
            continue;
        }
        let floor = floor_of(&module).unwrap_or_else(|| panic!("{module} has no floor: give it one in FLOORS"));
        let text = fs::read_to_string(&path).expect("source can be read");
        for import in imports(&text) {
            if import == module {
                continue;
            }
            match floor_of(&import) {
                Some(below) if below < floor => {}
                Some(_) => broken.push(format!("{} imports {import}, which is not below it", path.display())),
                None => broken.push(format!("{} imports {import}, which has no floor", path.display())),
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_floor_test_sees_every_form_of_import() {
    let text = "use crate::units::{Rate, Offset};\nuse crate::{seed::Seed, clock};\nfn f() -> crate::error::Error { \
        todo() }\n// use crate::cli;";
    assert_eq!(imports(text), ["units", "seed", "clock", "error"]);
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
