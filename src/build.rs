//! Owns the build script: the commit that a release is built from, for `--version` and for results.

use std::path::Path;
use std::process::Command;

fn main() {
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    println!("cargo:rerun-if-changed=src");
    // A debug build is built again after every change; a commit alone should not build it once more.
    match is_release.then(commit).flatten() {
        Some(commit) => {
            println!("cargo:rustc-env=TONNAGE_GIT={commit}");
            println!("cargo:rustc-env=TONNAGE_VERSION={version} ({commit})");
        }
        None => println!("cargo:rustc-env=TONNAGE_VERSION={version}"),
    }
}

/// The commit: of this repository, or of the one that the crate was packaged from. A tree with changes is marked.
fn commit() -> Option<String> {
    let packaged = ".cargo_vcs_info.json";
    if Path::new(packaged).exists() {
        println!("cargo:rerun-if-changed={packaged}");
        let text = std::fs::read_to_string(packaged).ok()?;
        let (_, rest) = text.split_once("\"sha1\"")?;
        let hash = rest.split('"').nth(1)?;
        return hash.get(..12).map(str::to_owned);
    }
    // A folder above may be another project's repository.
    if !Path::new(".git").exists() {
        return None;
    }
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", file])?;
        if Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let hash = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changes.is_empty() { hash } else { format!("{hash}, changed") })
}

/// What `git` prints; `None` where it cannot be run, or fails.
fn git(words: &[&str]) -> Option<String> {
    let output = Command::new("git").args(words).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
