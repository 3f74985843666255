//! Owns the tests of the terminal boundary: escape sequences are fed through every place where external text enters.

use std::path::Path;

use super::{Echo, HOSTILE, assert_tame, http, models, stream};
use crate::cli::{folder, json, run, text, tonnage};

#[test]
fn only_the_terminal_writes_to_the_terminal() {
    // A new page cannot bypass the boundary: there is no other way to the terminal.
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut broken = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // The build script speaks to Cargo.
            if path.ends_with("src/build.rs") {
                continue;
            }
            let source = std::fs::read_to_string(&path).expect("text");
            let ways = [
                "io::stdout",
                "io::stderr",
                "println!",
                "eprintln!",
                "print!(",
                "eprint!(",
                ".with_stdout",
                "/dev/tty",
            ];
            for way in ways.into_iter().filter(|way| source.contains(way) && !path.ends_with("cli/terminal.rs")) {
                broken.push(format!("{}: {way}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:?}");
}

/// Every text from a server, in every form that is shown.
#[test]
fn what_a_server_says_is_shown_and_not_obeyed() {
    let error = serde_json::json!({"error": {"message": HOSTILE, "type": HOSTILE, "code": HOSTILE}}).to_string();
    let detail = serde_json::json!({"detail": [{"loc": [HOSTILE], "msg": HOSTILE}]}).to_string();
    let flat = serde_json::json!({"object": "error", "message": HOSTILE, "code": 40}).to_string();
    let raw = format!("<html><title>{HOSTILE}</title>{HOSTILE}</html>");
    let event = format!("event: error\ndata: {error}\n\n");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("an error", http("401 Unauthorized", "application/json", &error)),
        ("a detail", http("422 Unprocessable", "application/json", &detail)),
        ("a flat error", http("400 Bad Request", "application/json", &flat)),
        ("a page", http("502 Bad Gateway", "text/html", &raw)),
        ("an event", http("200 OK", "text/event-stream", &event)),
        ("no JSON", http("200 OK", "text/event-stream", &format!("data: {HOSTILE}\n\n"))),
        ("a finish reason", stream(HOSTILE, HOSTILE)),
        (
            "a kind",
            b"HTTP/1.1 200 OK\r\ncontent-type: text/\x9b31m\xe2\x80\xae\r\ncontent-length: 2\r\n\r\n{}".to_vec(),
        ),
        (
            "a place",
            b"HTTP/1.1 307 Go\x9b2J\r\nlocation: http://\xc2\x9b31m/\xe2\x80\xaex\r\ncontent-length: 0\r\n\r\n"
                .to_vec(),
        ),
        ("no HTTP", format!("{HOSTILE}\r\n\r\n").into_bytes()),
        ("an encoding", b"HTTP/1.1 200 OK\r\ncontent-encoding: \x9b31m\r\ncontent-length: 2\r\n\r\n{}".to_vec()),
    ];
    for (what, answer) in cases {
        for lists in [true, false] {
            let (answer, folder) = (answer.clone(), folder());
            // The model's name is hostile too, or the list of models is the faulty response.
            let named = format!("m{HOSTILE}");
            let server = Echo::start(
                move |request| if request.starts_with("GET") && lists { models(&named) } else { answer.clone() },
            );
            let load = [
                "run",
                "--target",
                &server.url,
                "--requests",
                "4",
                "--rate",
                "200/s",
                "--output-tokens",
                "2",
                "--slo",
                "error_rate<=1%",
            ];
            let output = run(folder.path(), &load);
            assert_tame(what, &output.stdout);
            assert_tame(what, &output.stderr);
            let Some(result) = std::fs::read_dir(folder.path().join("results")).ok().and_then(|mut found| found.next())
            else {
                continue;
            };
            let model = result.expect("a folder").path();
            let result =
                std::fs::read_dir(model).expect("a folder").next().expect("a result").expect("a folder").path();
            assert_tame("the name of the folder", result.to_string_lossy().as_bytes());
            for words in [&["report", "."][..], &["report", ".", "--json"]] {
                let again = run(&result, words);
                assert_tame(what, &again.stdout);
                assert_tame(what, &again.stderr);
            }
            for name in ["result.json", "failures.jsonl"] {
                assert_tame(name, &std::fs::read(result.join(name)).unwrap_or_default());
            }
        }
    }
}

/// Every text in a file, and the name of the file.
#[test]
fn what_stands_in_files_is_shown_and_not_obeyed() {
    let folder = folder();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    let odd = format!("odd{}", HOSTILE.replace('/', ""));
    let quoted = serde_json::Value::from(HOSTILE).to_string();
    write(&format!("{odd}.csv"), "time_s,input_tokens,output_tokens\n0,1,1\n1,2,2\n");
    write("header.csv", &format!("{HOSTILE},x\n1,2\n"));
    write("cell.csv", &format!("time_s,input_tokens,output_tokens\n\u{1b}[31m\u{9b}x,1,1\n{HOSTILE}"));
    write("tokens.csv", "time_s,input_tokens,output_tokens\n0,\u{1b}[31m\u{9b}x,1\n");
    write("keys.jsonl", &format!("{{{quoted}: 1}}\n"));
    write("bad.jsonl", &format!("{{{HOSTILE}\n"));
    write(
        "sessions.csv",
        &format!("time_s,input_tokens,output_tokens,session\n0,1,1,\"{}\"\n1,1,1,b\n", HOSTILE.replace('"', "")),
    );
    write("key.yaml", &format!("{quoted}: 1\n"));
    write("value.yaml", &format!("rate: {quoted}\nlabel: {quoted}\n"));
    write(
        "label.yaml",
        &format!(
            "label: {quoted}\nmetadata: {{a: {quoted}}}\nmodel: {quoted}\nrequests: 3\nrate: 200\noutput-tokens: 2\n"
        ),
    );
    write("bad.yaml", &format!("rate: [{HOSTILE}\n"));
    write("profile.yaml", &format!("- {{shape: {quoted}, rate: 5}}\n"));
    write("profile.csv", &format!("0,1\n{HOSTILE},2\n"));
    write("lengths.txt", &format!("12\n{HOSTILE}\n"));
    write("tokenizer.json", &format!("{{\"model\": {{\"type\": {quoted}}}}}"));
    write("result.json", &format!("{{\"schema\": 1, {quoted}: {quoted}}}"));
    write("vllm.json", &format!("{{\"model_id\": {quoted}, \"request_throughput\": {quoted}, \"request_rate\": 4}}"));
    write(&format!("{odd}.json"), "{}");
    let (trace, result) = (format!("{odd}.csv"), format!("{odd}.json"));
    let lengths = "file:lengths.txt";
    for words in [
        &["trace", "inspect", &trace][..],
        &["trace", "inspect", &trace, "--json"],
        &["trace", "fit", &trace, "--out", "fit"],
        &["trace", "convert", &trace, "--to", "csv", "-o", &format!("{odd}.out")],
        &["trace", "inspect", "header.csv"],
        &["trace", "inspect", "cell.csv"],
        &["trace", "inspect", "tokens.csv"],
        &["trace", "inspect", "keys.jsonl"],
        &["trace", "inspect", "bad.jsonl"],
        &["trace", "inspect", "sessions.csv"],
        &["replay", "sessions.csv", "--plan-only"],
        &["replay", &trace, "--plan-only"],
        &["replay", &trace, "--time-scale", "100", "--out", "replayed"],
        &["report", "replayed"],
        &["run", "-c", "key.yaml"],
        &["run", "-c", "value.yaml"],
        &["run", "-c", "label.yaml", "--out", "labelled"],
        &["report", "labelled"],
        &["run", "-c", "bad.yaml"],
        &["run", "-c", &trace],
        &["run", "--profile", "profile.yaml"],
        &["run", "--profile", "profile.csv"],
        &["run", "--input-tokens", lengths],
        &["run", "--tokenizer", "."],
        &["run", "--tokenizer", &result],
        &["report", "result.json"],
        &["report", &odd],
        &["size", "vllm.json", "--demand", "5/s", "--slo", "p99 ttft<=1s"],
        &["size", &result, "--demand", "5/s"],
        &["run", "--slo", HOSTILE],
        &["run", "--target", HOSTILE],
        &["run", "--header", HOSTILE],
        &["run", "--label", HOSTILE, "--requests", "3", "--rate", "200", "--output-tokens", "2", "--out", "named"],
        &[
            "sweep",
            "--rates",
            "100,200",
            "--duration",
            "50ms",
            "--label",
            HOSTILE,
            "--output-tokens",
            "1",
            "--out",
            "swept",
        ],
        &["run", HOSTILE],
        &[HOSTILE],
    ] {
        let output = run(folder.path(), words);
        let what = format!("{words:?}");
        assert_tame(&what, &output.stdout);
        // A command line refused by clap is quoted as typed, over several lines; no terminal may obey it.
        let typed = words.contains(&HOSTILE);
        if typed {
            let shown = text(&output.stderr);
            assert!(!shown.contains(|c| c != '\n' && tonnage::units::is_hidden(c)), "{what}: {shown:?}");
        } else {
            assert_tame(&what, &output.stderr);
        }
    }
    assert_tame("fit.yaml", &std::fs::read(folder.path().join("fit/fit.yaml")).expect("a file"));
}

/// A result from elsewhere: every text in it can be anything.
#[test]
fn a_foreign_result_is_shown_and_not_obeyed() {
    let folder = folder();
    let load = [
        "run",
        "--requests",
        "20",
        "--rate",
        "200",
        "--output-tokens",
        "2",
        "--slo",
        "p50 e2e<=1s",
        "--slo",
        "error_rate<=5%",
    ];
    assert!(matches!(
        run(folder.path(), &[&load[..], &["--out", "out", "--quiet"]].concat()).status.code(),
        Some(0 | 4)
    ));
    std::fs::remove_file(folder.path().join("out/records.jsonl")).expect("removed");
    let whole = json(&folder.path().join("out/result.json"));
    let mut changed = 0;
    // Replaces one text after another; every result that can still be read is shown.
    for place in places_of(&whole) {
        let mut result = whole.clone();
        let Some(text) = result.pointer_mut(&place) else { continue };
        *text = serde_json::Value::from(format!("{}{HOSTILE}", text.as_str().unwrap_or_default()));
        std::fs::write(folder.path().join("out/result.json"), result.to_string()).expect("written");
        for words in [&["report", "out"][..], &["report", "out", "--json"], &["size", "out", "--demand", "5/s"]] {
            let output = run(folder.path(), words);
            assert_tame(&format!("{place} in {words:?}"), &output.stdout);
            assert_tame(&format!("{place} in {words:?}"), &output.stderr);
            changed += u32::from(words.len() == 2 && output.status.code() == Some(0));
        }
    }
    assert!(changed > 10, "most texts of a result must accept any content: {changed}");
}

/// JSON pointers to the texts of a value, one per list; without histograms.
fn places_of(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::String(_) => vec![String::new()],
        serde_json::Value::Array(items) => {
            items.first().into_iter().flat_map(places_of).map(|rest| format!("/0{rest}")).collect()
        }
        serde_json::Value::Object(keys) => keys
            .iter()
            .filter(|(key, _)| !["histograms", "config", "unit"].contains(&key.as_str()))
            .flat_map(|(key, value)| places_of(value).into_iter().map(move |rest| format!("/{key}{rest}")))
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn names_from_a_trace_are_fields_and_no_formulas_in_a_table() {
    let folder = folder();
    let names = ["=1+1", "@SUM(A1)", "+x", "-cmd", "a,b", "say \"x\"", "two\nlines", "plain", " blank "];
    let lines: Vec<String> = (0..)
        .zip(names)
        .map(|(at, name)| {
            serde_json::json!({"time_ns": at, "input_tokens": 1, "output_tokens": 1, "session": name}).to_string()
        })
        .collect();
    std::fs::write(folder.path().join("t.jsonl"), lines.join("\n")).expect("written");
    let output = tonnage(folder.path())
        .args(["trace", "convert", "t.jsonl", "--to", "csv", "-o", "t.csv"])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let table = std::fs::read_to_string(folder.path().join("t.csv")).expect("a table");
    for line in table.lines().skip(1) {
        let last = line.rsplit(',').next().unwrap_or_default();
        assert!(
            !last.starts_with(['=', '+', '@']) && (last.parse::<f64>().is_ok() || !last.starts_with('-')),
            "{line}"
        );
    }
    let back = run(folder.path(), &["trace", "convert", "t.csv", "--to", "jsonl", "-o", "back.jsonl"]);
    assert_eq!(back.status.code(), Some(0), "{}", text(&back.stderr));
    let rows = std::fs::read_to_string(folder.path().join("back.jsonl")).expect("rows");
    let row = |line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["session"].to_string();
    assert_eq!(
        rows.lines().map(row).collect::<std::collections::BTreeSet<_>>().len(),
        9,
        "no two sessions may become one: {rows}"
    );
}
