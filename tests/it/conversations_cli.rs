//! Owns the tests of drawn sessions as a user runs them: what the server receives, what is shown, what is refused.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::cli::{all_refused, folder, json, run, text};

/// A request as a server received it.
#[derive(Debug, Clone)]
struct Received {
    head: String,
    body: String,
    /// The text with which it was answered, without the reasoning before it.
    answer: String,
}

/// A server that logs each request, and answers it with a text that no other answer has.
#[derive(Debug)]
struct Logging {
    url: String,
    log: Arc<Mutex<Vec<Received>>>,
}

impl Logging {
    /// Serves in threads that end with the process.
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let log: Arc<Mutex<Vec<Received>>> = Arc::default();
        let (kept, number) = (Arc::clone(&log), Arc::new(AtomicUsize::new(0)));
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (kept, number) = (Arc::clone(&kept), Arc::clone(&number));
                std::thread::spawn(move || while follow(&socket, &kept, &number).is_some() {});
            }
        });
        Self { url, log }
    }

    /// The requests that belong to sessions, each session's in order. Its first user text names a session.
    fn sessions(&self) -> Vec<Vec<(Received, Value)>> {
        let mut sessions: BTreeMap<String, Vec<(Received, Value)>> = BTreeMap::new();
        for received in self.log.lock().expect("the log").iter() {
            let body: Value = serde_json::from_str(&received.body).expect("JSON");
            let first = body["messages"][0]["content"].as_str().expect("a text").to_owned();
            sessions.entry(first).or_default().push((received.clone(), body));
        }
        sessions.into_values().collect()
    }
}

/// Reads one request and answers it; `None` when the client has left.
fn follow(mut socket: &TcpStream, log: &Mutex<Vec<Received>>, number: &AtomicUsize) -> Option<()> {
    let mut source = BufReader::new(socket);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if source.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    source.read_exact(&mut body).ok()?;
    let reply = |kind: &str, text: &str| {
        format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{text}", text.len())
    };
    if head.starts_with("GET") {
        let models = r#"{"object":"list","data":[{"id":"m"}]}"#;
        return socket.write_all(reply("application/json", models).as_bytes()).ok();
    }
    let number = number.fetch_add(1, Ordering::Relaxed);
    let answer = format!("answer {number}: \"quoted\", a \\ and\n1 \u{20ac} \u{1f600}");
    let delta = |key: &str, text: &str| {
        format!("data: {}\n\n", serde_json::json!({"choices": [{"index": 0, "delta": {key: text}}]}))
    };
    let middle = answer.char_indices().nth(9).expect("a long text").0;
    let mut events = delta("reasoning_content", "so I think");
    events += &delta("content", &answer[..middle]);
    events += &delta("content", &answer[middle..]);
    _ = write!(
        events,
        "data: {}\n\ndata: [DONE]\n\n",
        serde_json::json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 9}})
    );
    let body = String::from_utf8(body).ok()?;
    log.lock().ok()?.push(Received { head, body, answer });
    socket.write_all(reply("text/event-stream", &events).as_bytes()).ok()
}

const LOAD: [&str; 12] = [
    "--process",
    "even",
    "--rate",
    "50/s",
    "--requests",
    "6",
    "--input-tokens",
    "5..20",
    "--output-tokens",
    "9",
    "--no-preflight",
    "--quiet",
];

/// Checks that each turn of `turns` continues the one before it, byte for byte; returns the roles of the last.
fn continues(turns: &[(Received, Value)], answered: impl Fn(usize, &Received) -> Option<String>) -> Vec<String> {
    for (turn, pair) in turns.windows(2).enumerate() {
        let [(before, _), (after, said)] = pair else { continue };
        let end = before.body.rfind("}],").expect("the end of the messages") + 1;
        assert_eq!(after.body.get(..end), before.body.get(..end), "the history must be the same bytes");
        if let Some(answer) = answered(turn, before) {
            assert_eq!(said["messages"][2 * turn + 1]["content"], answer.as_str());
        }
    }
    let last = turns.last().expect("a turn").1["messages"].as_array().expect("messages").clone();
    last.iter().map(|message| message["role"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_server_sees_each_turn_with_its_history_byte_for_byte() {
    let folder = folder();
    for (replies, out) in [("real", "a"), ("planned", "b")] {
        let server = Logging::start();
        let words = ["--turns", "4", "--replies", replies, "--target", &server.url, "--out", out];
        let done = run(folder.path(), &[&["run"], &words[..], &LOAD[..]].concat());
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
        let sessions = server.sessions();
        assert_eq!(sessions.len(), 6);
        for turns in &sessions {
            assert_eq!(turns.len(), 4);
            let roles = continues(turns, |_, received| (replies == "real").then(|| received.answer.clone()));
            assert_eq!(roles, ["user", "assistant", "user", "assistant", "user", "assistant", "user"]);
            assert!(
                turns.iter().all(|(received, _)| !received.body.contains("so I think")),
                "no reasoning is sent back"
            );
        }
        let result = json(&folder.path().join(out).join("result.json"));
        let trial = &result["trials"][0];
        assert_eq!((&trial["load"]["origin"], &trial["run_totals"]["completed"]), (&"mixed".into(), &24.into()));
        let records = std::fs::read_to_string(folder.path().join(out).join("records.jsonl")).expect("records");
        let records: Vec<Value> =
            records.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect();
        for record in &records {
            assert_eq!(record["turns"], 4);
            let turn = record["turn"].as_u64().expect("a turn");
            assert_eq!(record["origin"], if turn == 0 { "planned" } else { "released" });
            let asked = record["asked_input_tokens"].as_u64().expect("a count");
            assert!(asked >= 5 + turn * 14, "the input length covers the history: {record}");
            let lag = record["sent_s"].as_f64().expect("sent") - record["scheduled_s"].as_f64().expect("planned");
            assert!(turn == 0 || lag > 0.0, "without think time, building a turn shows as send lag: {record}");
        }
    }
}

/// Two conversations: one of `ShareGPT` with two questions, the last without an answer; and one that the model begins.
const SHAREGPT: &str = r#"[{"conversations":[{"from":"system","value":"Be brief."},
{"from":"human","value":"Who \"are\" you?"},
{"from":"gpt","value":"A \u20ac recorded answer."},{"from":"human","value":"And now?"}]},
{"conversations":[{"from":"gpt","value":"Hello"},{"from":"human","value":"Hi"}]}]"#;

/// A conversation of three questions, with an answer to each.
const MESSAGES: &str = r#"{"messages":[{"role":"user","content":"one"},{"role":"assistant","content":"first"},
{"role":"user","content":[{"type":"text","text":"two"}]},{"role":"assistant","content":"second"},
{"role":"user","content":"three"},{"role":"assistant","content":"third and last"}],"max_tokens":7}"#;

#[test]
fn conversations_of_a_data_set_are_sent_turn_by_turn() {
    let folder = folder();
    std::fs::write(folder.path().join("s.json"), SHAREGPT).expect("a file");
    let whole = r#"[{"conversations":[{"from":"human","value":"why"},{"from":"gpt","value":"because"}]}]"#;
    std::fs::write(folder.path().join("t.json"), whole).expect("a file");
    std::fs::write(folder.path().join("m.jsonl"), MESSAGES.replace('\n', "")).expect("a file");
    let load = ["--rate", "50/s", "--requests", "2", "--no-preflight", "--quiet", "--process", "even"];
    for (file, replies, turns, recorded) in [
        ("s.json", "planned", 2, &["A \u{20ac} recorded answer."][..]),
        ("s.json", "real", 2, &[]),
        ("m.jsonl", "planned", 3, &["first", "second"]),
        ("m.jsonl", "real", 3, &[]),
    ] {
        let server = Logging::start();
        let out = format!("{file}-{replies}");
        let words =
            ["run", "--dataset", file, "--sessions", "--replies", replies, "--target", &server.url, "--out", &out];
        let done = run(folder.path(), &[&words[..], &load[..]].concat());
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
        // The file has one conversation, so both sessions send the same texts. Only the answers tell them apart.
        let log = server.sessions().concat();
        assert_eq!(log.len(), 2 * turns, "{file} {replies}");
        for (_, body) in &log {
            let messages = body["messages"].as_array().expect("messages");
            let users: Vec<&Value> = messages.iter().filter(|message| message["role"] == "user").collect();
            let answers: Vec<&Value> = messages.iter().filter(|message| message["role"] == "assistant").collect();
            assert_eq!(users.len(), answers.len() + 1);
            assert_eq!(messages[0]["role"], if file == "s.json" { "system" } else { "user" });
            for (place, answer) in answers.iter().enumerate() {
                let said = answer["content"].as_str().expect("a text");
                match recorded.get(place) {
                    Some(recorded) => assert_eq!(said, *recorded),
                    None => assert!(log.iter().any(|(received, _)| received.answer == said), "{said}"),
                }
            }
        }
        let asked: Vec<i64> = log.iter().filter_map(|(_, body)| body["max_completion_tokens"].as_i64()).collect();
        assert!(file == "s.json" || asked.iter().all(|asked| *asked == 7), "{asked:?}");
    }
    let plan = run(folder.path(), &["plan", "--dataset", "s.json", "--sessions", "--requests", "5"]);
    let shown = text(&plan.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("1 conversation with 2 turns") && shown.contains("5 more are released"), "{shown}");
    assert!(shown.contains("4 sessions repeat a conversation"), "{shown}");
    std::fs::write(folder.path().join("p.txt"), "one\ntwo\n").expect("a file");
    std::fs::write(folder.path().join("b.jsonl"), "{\"messages\":[]}\n{\"messages\":7}\n").expect("a file");
    all_refused(
        folder.path(),
        &[
            (&["run", "--sessions"], &["--sessions", "--dataset FILE"]),
            (&["run", "--dataset", "p.txt", "--sessions"], &["--sessions", "text rows"]),
            (&["run", "--dataset", "b.jsonl", "--sessions"], &["b.jsonl:2"]),
            (&["run", "--dataset", "s.json", "--sessions", "--turns", "3"], &["--turns", "--sessions"]),
            (&["run", "--dataset", "s.json", "--sessions", "--load", "synchronous"], &["--sessions", "--load"]),
            (&["sweep", "--dataset", "s.json", "--sessions", "--concurrency", "1"], &["--sessions", "--concurrency"]),
            (
                &["run", "--dataset", "t.json", "--sessions", "--output-tokens", "9"],
                &["--output-tokens", "recorded answer"],
            ),
            (&["run", "--sticky"], &["--sticky", "--turns 8"]),
            (&["run", "--session-header", "X-Session-ID"], &["--session-header", "--turns 8"]),
            (&["run", "--turns", "3", "--sticky"], &["--sticky", "one target"]),
            (&["run", "--turns", "3", "--session-header", "host"], &["--session-header", "`host`", "X-Session-ID"]),
            (&["run", "--turns", "3", "--session-header", "a b"], &["--session-header", "not the name of a header"]),
        ],
    );
}

#[test]
fn turns_of_a_session_share_their_header_and_where_asked_their_target() {
    let folder = folder();
    for sticky in [true, false] {
        let servers = [Logging::start(), Logging::start()];
        let targets = format!("{},{}", servers[0].url, servers[1].url);
        let out = if sticky { "sticky" } else { "spread" };
        let words = ["run", "--turns", "4", "--target", &targets, "--session-header", "X-Session-ID", "--out", out];
        let more: &[&str] = if sticky { &["--sticky", "--model", "a,b"] } else { &["--model", "a,b"] };
        let done = run(folder.path(), &[&words[..], more, &LOAD[..]].concat());
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
        let mut places: BTreeMap<String, Vec<(usize, String, String)>> = BTreeMap::new();
        for (place, server) in servers.iter().enumerate() {
            for (received, body) in server.sessions().concat() {
                let header = received.head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("x-session-id").then(|| value.trim().to_owned())
                });
                let first = body["messages"][0]["content"].as_str().expect("a text").to_owned();
                let model = body["model"].as_str().expect("a model").to_owned();
                places.entry(header.expect("a session")).or_default().push((place, first, model));
            }
        }
        assert_eq!(places.len(), 6, "one id for each session");
        for (id, turns) in &places {
            assert_eq!((id.len(), turns.len()), (36, 4));
            assert!(turns.iter().all(|(_, first, _)| *first == turns[0].1), "an id names one session");
            assert!(turns.iter().all(|(.., model)| *model == turns[0].2), "a conversation stays with its model");
            let at_first = turns.iter().filter(|(place, ..)| *place == 0).count();
            assert_eq!(at_first % 4 == 0, sticky, "{id}: {at_first} of 4 turns went to the first target");
        }
        let models: Vec<&str> = places.values().map(|turns| &*turns[0].2).collect();
        assert!(models.contains(&"a") && models.contains(&"b"));
    }
}

#[test]
fn figures_by_turn_and_the_ends_of_sessions_are_shown_on_every_page() {
    let folder = folder();
    // A window far longer than a session, so that a slow machine moves no turn out of it.
    let words = ["run", "--turns", "7", "--sim", "delay:ttft=5ms,itl=0ms", "--out", "a", "--json"];
    let load =
        ["--rate", "2/s", "--duration", "3s", "--process", "even", "--input-tokens", "10", "--output-tokens", "9"];
    let done = run(folder.path(), &[&words[..], &load[..]].concat());
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let result = json(&folder.path().join("a/result.json"));
    let trial = &result["trials"][0];
    assert_eq!(trial["sessions"], serde_json::json!({"begun": 6, "finished": 6, "lost": 0, "unfinished": 0}));
    let turns = trial["turns"].as_array().expect("turns");
    assert_eq!((turns.len(), &turns[5]["and_later"]), (6, &true.into()));
    let tokens: Vec<f64> = turns.iter().map(|turn| turn["input_tokens"].as_f64().expect("a mean")).collect();
    assert_eq!(tokens[..5], [10.0, 29.0, 48.0, 67.0, 86.0], "inputs grow with the conversation");
    assert!(tokens[5] >= 105.0, "{tokens:?}");
    let pages = run(folder.path(), &["report", "a", "--to", "html,markdown"]);
    assert_eq!(pages.status.code(), Some(0), "{}", text(&pages.stderr));
    let console = text(&run(folder.path(), &["report", "a"]).stdout);
    for shown in ["turn", "6 and later", "sessions of the whole run: 6 begun; 6 finished"] {
        assert!(console.contains(shown), "{console}");
    }
    for page in ["a/report.html", "a/report.md"] {
        let page = std::fs::read_to_string(folder.path().join(page)).expect("a page");
        assert!(page.contains("6 and later") && page.contains("6 begun; 6 finished"), "{page}");
    }
    // No answer comes in time: each session ends with its first turn.
    let cut = ["run", "--turns", "7", "--sim", "delay:ttft=5ms,itl=0ms", "--out", "b", "--quiet", "--timeout", "1ms"];
    let lost = run(folder.path(), &[&cut[..], &LOAD[..11]].concat());
    assert_eq!(lost.status.code(), Some(3), "{}", text(&lost.stderr));
    let trial = &json(&folder.path().join("b/result.json"))["trials"][0];
    assert_eq!(trial["sessions"], serde_json::json!({"begun": 6, "finished": 0, "lost": 6, "unfinished": 0}));
    assert_eq!((&trial["run_totals"]["skipped"], trial["turns"].as_array().map(Vec::len)), (&36.into(), Some(1)));
}

#[test]
fn planned_answers_make_the_same_bodies_against_any_server() {
    let folder = folder();
    let mut bodies = Vec::new();
    for (replies, sim, out) in
        [("planned", "delay:ttft=5ms,itl=0ms", "a"), ("planned", "small", "b"), ("real", "small", "c")]
    {
        let words = ["run", "--turns", "1..3", "--replies", replies, "--sim", sim, "--salt", "s", "--out", out];
        let done = run(folder.path(), &[&words[..], &LOAD[..]].concat());
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
        let result = json(&folder.path().join(out).join("result.json"));
        bodies.push(result["body_fingerprint"].clone());
    }
    assert_eq!(bodies[0], bodies[1]);
    assert_ne!(bodies[1], bodies[2]);
    let again = run(folder.path(), &["report", "a", "--json"]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
}

#[test]
fn what_sessions_cannot_be_combined_with_is_refused_by_name() {
    let folder = folder();
    std::fs::write(folder.path().join("p.txt"), "one\ntwo\n").expect("a file");
    let trace = "Timestamp,Request tokens,Response tokens\n0,1,1\n1,1,1\n";
    std::fs::write(folder.path().join("t.csv"), trace).expect("a file");
    let cases: &[(&[&str], &[&str])] = &[
        (&["run", "--think-time", "2s"], &["--think-time", "add --turns 8"]),
        (&["plan", "--replies", "real"], &["--replies", "add --turns 8"]),
        (&["run", "--turns", "0"], &["--turns", "accepted is 1"]),
        (&["run", "--turns", "2..1001"], &["--turns", "1001 turns", "1 to 1000"]),
        (&["run", "--turns", "3", "--think-time", "5"], &["--think-time", "`5` is not a think time", "exp:5s"]),
        (&["run", "--turns", "3", "--replies", "none"], &["--replies", "real or planned"]),
        (&["run", "--turns", "3", "--load", "synchronous"], &["--turns", "--load"]),
        (&["run", "--turns", "3", "--quota", "5/s"], &["--quota", "drop it, or --turns"]),
        (&["plan", "--turns", "3", "--quota", "5/s"], &["--quota", "drop it, or --turns"]),
        (&["run", "--turns", "3", "--dataset", "p.txt"], &["--turns", "--dataset"]),
        (&["run", "--turns", "3", "--endpoint", "embeddings"], &["--turns", "embeddings"]),
        (&["run", "--turns", "3", "--images", "1"], &["--images", "--turns"]),
        (&["run", "--turns", "3", "--choices", "2"], &["--turns", "--choices"]),
        (&["run", "--turns", "3", "--extra-body", "{\"n\":2}"], &["--turns", "several answers"]),
        (&["sweep", "--turns", "3", "--concurrency", "1,2"], &["--turns", "--concurrency"]),
        (&["sweep", "--turns", "3", "--quota", "5/s"], &["--quota", "drop it, or --turns"]),
        (&["sweep", "--sticky"], &["--sticky", "no sessions"]),
        (&["sweep", "--replies", "real"], &["--replies", "add --turns 8"]),
        (
            &["search", "--turns", "3", "--over", "concurrency", "--slo", "p99 ttft<=1s"],
            &["--turns", "--over concurrency"],
        ),
        (&["replay", "t.csv", "--turns", "3"], &["--turns", "--think after-completion"]),
        (&["replay", "t.csv", "--think-time", "3s"], &["--think-time", "--think after-completion"]),
    ];
    all_refused(folder.path(), cases);
}

#[test]
fn turns_that_were_never_sent_are_named_as_such() {
    let folder = folder();
    let words = ["run", "--rate", "20/s", "--duration", "1s", "--process", "even", "--turns", "3", "--timeout", "5ms"];
    let words = [&words[..], &["--sim", "delay:ttft=200ms,itl=0ms", "--slo", "p50 e2e<=1s", "--out", "out"]].concat();
    let said = text(&run(folder.path(), &words).stdout);
    let counts = json(&folder.path().join("out/result.json"))["trials"][0]["requests"].clone();
    assert_eq!((&counts["planned"], &counts["timed_out"], &counts["skipped"]), (&60.into(), &20.into(), &40.into()));
    for part in [
        "20 begun; 20 ended early, because a turn failed",
        "40 turns after a lost turn were skipped: they were never sent",
        "good requests: 0 % of the planned, released and skipped",
    ] {
        assert!(said.replace("\n  ", " ").contains(part), "`{part}` is not in {said}");
    }
    let bare = ["run", "--config", "out/config.yaml", "--slo", "error_rate<=100%", "--out", "bare"];
    assert!(!text(&run(folder.path(), &bare).stdout).contains("of 60"), "60 requests were never due");
}

#[test]
fn two_runs_with_sessions_are_compared_by_turn() {
    let folder = folder();
    let words = ["run", "--rate", "30/s", "--duration", "3s", "--turns", "2..7", "--sim", "delay:ttft=2ms,itl=0ms"];
    run(folder.path(), &[&words[..], &["--output-tokens", "1", "--out", "a", "--quiet"]].concat());
    let turns = json(&folder.path().join("a/result.json"))["trials"][0]["turns"].clone();
    let compared = run(folder.path(), &["compare", "a", "a", "--json", "--fail-on", "p50 ttft +10%"]);
    let compared: serde_json::Value = serde_json::from_slice(&compared.stdout).expect("JSON");
    let compared = compared.get("comparison").unwrap_or(&compared);
    let labels: Vec<&str> =
        compared["loads"].as_array().expect("loads").iter().filter_map(|load| load["label"].as_str()).collect();
    assert_eq!(labels[1..], ["turn 1", "turn 2", "turn 3", "turn 4", "turn 5", "turn 6 and later"]);
    assert_eq!(compared["rulings"].as_array().map(Vec::len), Some(1), "an allowance is about the whole load");
    for (load, turn) in compared["loads"].as_array().expect("loads")[1..].iter().zip(turns.as_array().expect("turns")) {
        let rows = load["rows"].as_array().expect("rows");
        let figure = |measure: &str| {
            let row = rows.iter().find(|row| row["measure"] == measure).expect("a row");
            (row["figures"][0].clone(), row["differences"][0].clone())
        };
        for (measure, key) in [("p50 ttft", "ttft_p50_s"), ("p50 e2e", "e2e_p50_s"), ("p99 e2e", "e2e_p99_s")] {
            let (figure, difference) = figure(measure);
            assert_eq!(figure["value"], turn[key], "{measure} of {}", load["label"]);
            assert_eq!(difference["difference"], 0.0, "{measure} of {}", load["label"]);
        }
        assert!(rows.iter().all(|row| row["measure"].as_str().is_some_and(|name| !name.contains("tpot"))));
    }
}
