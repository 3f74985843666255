//! Owns the tests of targets that are sockets of this machine, as a user asks for them.

use crate::cli::{Simulated, all_refused, folder, json, run, text};

#[test]
fn a_load_goes_through_a_unix_socket_and_the_result_says_whose_stamps_it_has() {
    let folder = folder();
    let server = Simulated::start_at(folder.path(), "unix:a.sock", &["--sim", "delay:ttft=5ms,itl=1ms"]);
    assert_eq!(server.url, "unix:a.sock");
    for target in ["unix:a.sock", "unix:a.sock:/v1"] {
        let words = ["run", "--target", target, "--rate", "200", "--requests", "20", "--process", "even"];
        let output = run(folder.path(), &[&words[..], &["--out", "out"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let result = json(&folder.path().join("out/result.json"));
        assert_eq!(result["trials"][0]["run_totals"]["completed"], 20);
        assert_eq!(
            (&result["host"]["receive_clock"], &result["target"]["simulated"]),
            (&"user_space".into(), &true.into())
        );
        assert_eq!(result["target"]["urls"][0], target);
        std::fs::remove_dir_all(folder.path().join("out")).expect("a folder");
    }
    let (code, said) = server.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(!folder.path().join("a.sock").exists(), "the socket is removed");
}

#[test]
fn a_socket_that_cannot_be_is_refused_with_what_is_accepted() {
    let folder = folder();
    all_refused(
        folder.path(),
        &[
            (&["run", "--target", "unix:"], &["names no socket", "unix:/path/to.sock"]),
            (
                &["simulate", "--listen", "unix:no/folder/a.sock"],
                &["--listen", "cannot be listened on", "in a folder that"],
            ),
        ],
    );
}
