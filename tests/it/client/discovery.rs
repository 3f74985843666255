//! Owns the tests of model discovery before a run.

use std::time::Duration;

use tonnage::client::{Discovery, Secret, Target, Tls};
use tonnage::error::Error;

use super::Step::{Request, Write};
use super::{Server, on_a_true_clock, paused};

fn answer(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn nobody() -> Tls {
    Tls::nobody().unwrap()
}

const MODELS: &str = r#"{"object":"list","data":[{"id":"first","object":"model"},{"id":"second"}]}"#;

#[test]
fn the_first_model_is_found() {
    on_a_true_clock(async {
        let server = Server::over_tcp(vec![vec![Request, Write(answer("200 OK", MODELS))]]);
        let discovery = Discovery::new(Some(&Secret::new("sk-42")), &["x-team: blue".to_owned()], &nobody()).unwrap();
        assert_eq!(discovery.first_model(&server.target()).await.unwrap(), "first");
        let request = server.requests().remove(0).to_lowercase();
        assert!(
            request.starts_with("get /v1/models ")
                && request.contains("bearer sk-42")
                && request.contains("x-team: blue"),
            "{request}"
        );
    });
}

#[test]
fn a_list_of_models_that_does_not_know_the_query_is_asked_without_it() {
    on_a_true_clock(async {
        let unknown = vec![Request, Write(answer("404 Not Found", ""))];
        let server = Server::over_tcp(vec![unknown, vec![Request, Write(answer("200 OK", MODELS))]]);
        let url = format!("{}/deployments/d1/chat/completions?api-version=1", server.url());
        let discovery = Discovery::new(None, &[], &nobody()).unwrap();
        assert_eq!(discovery.first_model(&Target::parse(&url).unwrap()).await.unwrap(), "first");
        let paths: Vec<String> =
            server.requests().iter().map(|request| request.split(' ').nth(1).unwrap().to_owned()).collect();
        assert_eq!(paths, ["/deployments/d1/models?api-version=1", "/deployments/d1/models"]);
    });
}

#[test]
fn each_refusal_says_what_to_do() {
    for (status, body, said) in [
        ("401 Unauthorized", r#"{"error":{"message":"bad key"}}"#, "the option api-key"),
        ("404 Not Found", "", "the option target"),
        ("200 OK", "<html>", "not answer with a list of models"),
        ("200 OK", r#"{"data":[]}"#, "the option model"),
        ("307 Elsewhere", "", "307"),
        ("503 Busy", "loading", "loading"),
    ] {
        let error = on_a_true_clock(async {
            let server = Server::over_tcp(vec![vec![Request, Write(answer(status, body))]]);
            Discovery::new(None, &[], &nobody()).unwrap().first_model(&server.target()).await.unwrap_err()
        });
        assert!(matches!(&error, Error::Target { .. }) && error.to_string().contains(said), "{status}: {error}");
    }
}

#[test]
fn what_answers_and_speaks_no_http_is_not_called_absent() {
    // A database listens on the port: "no server is running" would mislead the user.
    let error = on_a_true_clock(async {
        let server = Server::over_tcp(vec![vec![Request, Write(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec())]]);
        Discovery::new(None, &[], &nobody()).unwrap().first_model(&server.target()).await.unwrap_err()
    });
    assert!(
        error.to_string().contains("does not speak HTTP") && error.to_string().contains("the option target"),
        "{error}"
    );
}

#[test]
fn a_server_that_loads_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    paused(async {
        let loading = vec![Request, Write(answer("503 Busy", "loading"))];
        let server = Server::at(
            &folder.path().join("s"),
            vec![loading.clone(), loading, vec![Request, Write(answer("200 OK", MODELS))]],
        );
        Discovery::new(None, &[], &nobody())
            .unwrap()
            .wait_ready(&server.target(), Duration::from_mins(1))
            .await
            .unwrap();
        assert_eq!(server.accepted(), 3);
    });
}

#[test]
fn patience_ends_and_what_waiting_cannot_mend_ends_it_at_once() {
    for (status, asked) in [("503 Busy", 3), ("401 Unauthorized", 1), ("404 Not Found", 1)] {
        let folder = tempfile::tempdir().unwrap();
        paused(async {
            let server = Server::at(&folder.path().join("s"), vec![vec![Request, Write(answer(status, ""))]]);
            let waited = Discovery::new(None, &[], &nobody())
                .unwrap()
                .wait_ready(&server.target(), Duration::from_secs(1))
                .await;
            assert!(waited.is_err());
            assert_eq!(server.accepted(), asked, "{status}");
        });
    }
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let error = on_a_true_clock(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = tonnage::client::Target::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        drop(listener);
        Discovery::new(None, &[], &nobody()).unwrap().first_model(&target).await.unwrap_err().to_string()
    });
    assert!(error.contains("refused") && error.contains("the option wait-ready"), "{error}");
}

#[test]
fn a_name_that_cannot_be_resolved_is_named() {
    let target = tonnage::client::Target::parse("http://no-such-host.invalid").unwrap();
    let error = on_a_true_clock(async {
        Discovery::new(None, &[], &nobody()).unwrap().first_model(&target).await.unwrap_err().to_string()
    });
    assert!(error.contains("could not be resolved") && error.contains("the option target"), "{error}");
}
