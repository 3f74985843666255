//! Owns the tests of `--server-metrics` and `--host-metrics` on the command line.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use serde_json::Value;

use crate::cli::{all_refused, folder, json, run, text};

/// A server that answers every request with `page`, as long as the test runs. Returns its URL, and the heads of the
/// requests that it got.
fn page_server(page: &'static str) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, heads) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = [0; 4_096];
            let length = stream.read(&mut head).unwrap_or(0);
            _ = sender.send(text(&head[..length]));
            let answer =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{page}", page.len());
            _ = stream.write_all(answer.as_bytes());
        }
    });
    (url, heads)
}

const GPUS: &str = "# TYPE DCGM_FI_DEV_POWER_USAGE gauge\nDCGM_FI_DEV_POWER_USAGE{gpu=\"0\"} 300.5\n\
    DCGM_FI_DEV_POWER_USAGE{gpu=\"1\"} 199.5\nDCGM_FI_DEV_GPU_UTIL{gpu=\"0\"} 80\n";

#[test]
fn what_server_gpus_and_host_say_stands_in_the_result_beside_the_records_and_on_every_page() {
    let folder = folder();
    let place = folder.path();
    let (gpus, heads) = page_server(GPUS);
    let (command, key) = (format!("auto,{gpus}"), "a-key-of-the-service");
    let words = ["run", "--sim", "small", "--rate", "20", "--duration", "1.2s", "--out", "ours", "--api-key", key];
    let words = [&words[..], &["--server-metrics", &command, "--host-metrics", "--seed", "4"]].concat();
    let printed = run(place, &words);
    let (page, said) = (text(&printed.stdout), text(&printed.stderr));
    assert_eq!(printed.status.code(), Some(0), "{said}");
    assert!(!heads.recv().expect("it was asked").contains(key), "the key is not for another host");

    let result = json(&place.join("ours/result.json"));
    let trial = &result["trials"][0];
    let server = &trial["server"];
    let tokens_per_s = trial["throughput"]["output_tokens_per_s"].as_f64().expect("a number");
    for (value, expected) in [
        (&server["power_w"], 500.0),
        (&server["joules_per_output_token"], 500.0 / tokens_per_s),
        (&server["levels"]["gpu_use"]["mean"], 0.8),
    ] {
        let value = value.as_f64().unwrap_or(f64::NAN);
        assert!((value - expected).abs() < 1e-9 * expected, "{value} is not {expected}: {server}");
    }
    for level in ["running", "waiting", "kv_use", "host_memory_bytes"] {
        assert!(server["levels"][level]["mean"].is_number(), "{level}: {server}");
    }
    assert_eq!((&server["failed"], server["sources"].as_array().map(Vec::len)), (&Value::from(0), Some(3)));

    let lines = fs::read_to_string(place.join("ours/server_metrics.jsonl")).expect("a file");
    assert_eq!(lines.lines().count() as u64, server["scrapes"].as_u64().expect("a number") + 1, "{lines}");
    for part in ["running requests", "power, W", "J per output token", "readings of http://127.0.0.1:"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let again = run(place, &["report", "ours", "--json"]);
    let again: Value = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!(&again["trials"][0]["server"], server, "a report shows the saved figures again");
    let table = text(&run(place, &["report", "ours", "--to", "csv"]).stdout);
    let csv = fs::read_to_string(place.join("ours/report.csv")).unwrap_or(table);
    assert!(csv.contains("joules_per_output_token") && csv.contains(",500,"), "{csv}");
}

#[test]
fn a_page_that_cannot_be_read_is_said_and_stops_nothing() {
    let folder = folder();
    let place = folder.path();
    let (other, _heads) = page_server("<html>not metrics</html>");
    let words = ["run", "--sim", "delay:ttft=1ms,itl=1ms", "--rate", "100", "--requests", "20", "--out", "ours"];
    let words = [&words[..], &["--server-metrics", &other]].concat();
    let printed = run(place, &words);
    let said = text(&printed.stderr);
    assert_eq!(printed.status.code(), Some(0), "{said}");
    assert!(
        said.contains("it has no metric of vLLM, SGLang") && said.contains("the load is sent all the same"),
        "{said}"
    );
    let server = &json(&place.join("ours/result.json"))["trials"][0]["server"];
    assert_eq!(server["scrapes"], server["failed"], "{server}");
    assert!(text(&printed.stdout).contains("readings failed, so nothing is known"), "{}", text(&printed.stdout));
}

#[test]
fn what_is_no_url_is_refused() {
    let folder = folder();
    all_refused(
        folder.path(),
        &[(
            &["run", "--server-metrics", "trace.csv"],
            &["--server-metrics", "http://127.0.0.1:9400/metrics", "goes before the option"],
        )],
    );
}
