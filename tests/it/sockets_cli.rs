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

#[test]
fn a_load_over_http2_shows_its_connections_and_their_streams() {
    let folder = folder();
    let server = Simulated::start_at(folder.path(), "127.0.0.1:0", &["--sim", "delay:ttft=50ms,itl=1ms"]);
    let words =
        ["run", "--target", &server.url, "--rate", "400", "--requests", "80", "--process", "even", "--seed", "1"];
    let play = |more: &[&str]| {
        let output = run(folder.path(), &[&words[..], &["--out", "out", "--force"], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        (text(&output.stdout), json(&folder.path().join("out/result.json")))
    };
    let (shown, result) = play(&["--http2", "--workers", "1"]);
    let http2 = &result["target"]["http2"];
    assert_eq!(
        (&http2["connections"], &http2["requests"], &http2["stream_limit"]),
        (&1.into(), &80.into(), &128.into())
    );
    let most = http2["most_streams"].as_u64().expect("a number");
    assert!((10..=80).contains(&most), "{most} of the requests that last 50 ms or more, 400 a second");
    let line = format!("HTTP/2: 1 connection, at most {most} streams at once on one (the server allows 128)");
    assert!(shown.contains(&line), "{shown}");
    assert_eq!(text(&run(folder.path(), &["report", "out"]).stdout), shown, "a report repeats the page");
    assert_eq!(result["config"]["http2"], true);
    for more in [&[][..], &["--http1"]] {
        let (shown, result) = play(more);
        assert!(!shown.contains("HTTP/2") && result["target"].get("http2").is_none(), "{more:?}");
    }
    all_refused(folder.path(), &[(&["run", "--http1", "--http2"], &["--http1", "--http2"])]);
}
