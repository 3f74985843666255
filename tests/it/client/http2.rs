//! Owns the tests of the client over HTTP/2: streams on few connections with exact instants, the stream limit, resets
//! of one stream, requests that the server refused, ALPN.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tonnage::client::{
    Addresses, Client, Departure, Discovery, Encoder, Http2, HttpClient, HttpVersion, ReceiveClock, RequestOptions,
    Target, Tls,
};
use tonnage::clock::RunClock;
use tonnage::record::{Exchange, FailureClass, Outcome};
use tonnage::sim::{MODEL_NAME, Options, listen};
use tonnage::units::Offset;

use super::sockets::{Bench, SOCKET, delay};
use super::tls::secure_answering;
use super::{DONE, FINISH, TOKEN, class, event, failure_text, paused, spec};

async fn bench(options: Options) -> Bench {
    Bench::at_a_socket(options, HttpVersion::Two).await
}

/// Asks `number` requests at the same time; returns them in order.
async fn at_once(bench: &Bench, number: u64) -> Vec<Exchange> {
    let asked: Vec<_> = (0..number)
        .map(|id| {
            let (client, call) = (bench.client.clone(), HttpClient::prepare(&bench.encoder, spec(id)));
            let clock = bench.clock;
            tokio::task::spawn_local(async move {
                let mut exchange = Exchange::default();
                client.send(call, clock, &Departure::at(clock.now()), &mut exchange).await;
                exchange
            })
        })
        .collect();
    let mut exchanges = Vec::new();
    for one in asked {
        exchanges.push(one.await.unwrap());
    }
    exchanges
}

/// Asserts that `exchange` has the instants of a `delay:ttft=20ms,itl=5ms` that began at `start`.
fn assert_exact(exchange: &Exchange, start: Offset) {
    assert_eq!(exchange.outcome, Outcome::Completed, "{exchange:?}");
    let after = |at: Option<Offset>| at.map(|at| at.since(start).as_micros());
    assert_eq!((after(exchange.written), after(exchange.headers)), (Some(0), Some(0)), "{exchange:?}");
    assert_eq!((after(exchange.first_token), &exchange.event_gaps_us), (Some(20_000), &vec![5_000; 7]));
    assert_eq!(after(exchange.ended), Some(55_000));
}

#[test]
fn many_streams_share_one_connection_and_each_has_its_own_exact_instants() {
    paused(async {
        let bench = bench(delay()).await;
        let start = bench.clock.now();
        let together = at_once(&bench, 50).await;
        for exchange in &together {
            assert_exact(exchange, start);
        }
        let start = bench.clock.now();
        let later = bench.ask(50).await;
        assert_exact(&later, start);
        assert_eq!(later.connected, None, "the connection is used again");
        let expected = Http2 { connections: 1, requests: 51, most_streams: 50, stream_limit: Some(128) };
        assert_eq!(bench.addresses.http2(), Some(expected));
        let served = bench.served().await;
        assert_eq!((served.requests, served.connections), (51, 1));
    });
}

#[test]
fn when_every_connection_has_as_many_streams_as_the_server_allows_a_further_one_is_opened() {
    paused(async {
        let bench = bench(Options { most_streams: 4, ..delay() }).await;
        let start = bench.clock.now();
        for exchange in at_once(&bench, 10).await {
            assert_exact(&exchange, start);
        }
        let http2 = bench.addresses.http2().unwrap();
        assert_eq!((http2.connections, http2.most_streams, http2.stream_limit), (3, 4, Some(4)));
        assert_eq!(bench.served().await.connections, 3);
    });
}

#[test]
fn reservations_open_as_many_connections_as_their_streams_need() {
    paused(async {
        let bench = bench(Options { most_streams: 10, ..delay() }).await;
        bench.ask(0).await;
        let calls: Vec<_> = (0..25).map(|id| HttpClient::prepare(&bench.encoder, spec(id))).collect();
        for call in &calls {
            bench.client.reserve(call);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(bench.addresses.http2().unwrap().connections, 3);
        drop(calls);
    });
}

#[test]
fn a_request_that_is_given_up_resets_its_own_stream_alone() {
    paused(async {
        let options = Options { profile: "small".parse().unwrap(), ..Options::default() };
        let bench = bench(options).await;
        let (first, given_up) =
            tokio::join!(bench.ask(0), tokio::time::timeout(Duration::from_millis(10), bench.ask(1)));
        assert_eq!(first.outcome, Outcome::Completed);
        assert!(given_up.is_err(), "given up while its tokens came");
        let page = page(&bench, "/metrics").await;
        assert!(page.contains(r#"finished_reason="abort"} 1.0"#), "the server learns of it: {page}");
        assert_eq!(bench.ask(2).await.connected, None, "the connection is used again");
        let served = bench.served().await;
        assert_eq!((served.requests, served.connections), (3, 2), "one connection is for the page");
    });
}

/// A page of the server, over HTTP/1.1.
async fn page(bench: &Bench, path: &str) -> String {
    let mut stream = UnixStream::connect(bench.folder.path().join(SOCKET)).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[test]
fn each_fault_of_a_stream_has_its_class_and_leaves_the_other_streams_alone() {
    use FailureClass::{Malformed, Reset, Status, StreamError, Truncated};
    for (fault, expected) in [
        ("status:503", Status),
        ("cut:3", Truncated),
        ("drop:3", Reset),
        ("reset:3", Reset),
        ("error:3", StreamError),
        ("malformed:3", Malformed),
        ("garbage", Reset),
    ] {
        paused(async {
            let fault = format!("{fault}@50%").parse().unwrap();
            let bench = bench(Options { faults: vec![fault], ..delay() }).await;
            let exchanges = at_once(&bench, 20).await;
            let struck = exchanges.iter().filter(|exchange| exchange.outcome != Outcome::Completed).count();
            assert!((1..20).contains(&struck), "{fault}: {struck}");
            for exchange in exchanges {
                assert!([None, Some(expected)].contains(&class(&exchange)), "{fault}: {exchange:?}");
                if matches!(expected, Truncated | Reset)
                    && class(&exchange).is_some()
                    && fault.to_string() != "garbage@50%"
                {
                    assert_eq!(exchange.events, 3, "{fault}: what came before is kept");
                }
            }
            assert_eq!(bench.served().await.connections, 1, "{fault}");
        });
    }
}

#[test]
fn a_long_body_and_a_long_answer_pass_the_windows() {
    paused(async {
        let bench = bench(delay()).await;
        let mut options = RequestOptions::new(vec![bench.target.clone()], vec![MODEL_NAME.to_owned()]);
        options.stream = false;
        let outline = tonnage::workload::Outline::single(0, 400_000, 120_000);
        let spec = tonnage::workload::RequestSpec::of_text(outline, "word ".repeat(400_000));
        let call = HttpClient::prepare(&Encoder::new(&options).unwrap(), spec);
        let mut exchange = Exchange::default();
        bench.client.clone().send(call, bench.clock, &Departure::at(bench.clock.now()), &mut exchange).await;
        assert_eq!(exchange.outcome, Outcome::Completed, "{exchange:?}");
        let usage = exchange.usage.unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens), (400_000, 120_000));
    });
}

#[test]
fn without_reuse_each_request_has_a_connection_of_its_own_over_tcp_and_over_a_unix_socket() {
    paused(async {
        let tcp = Bench::new(listen("127.0.0.1:0".parse().unwrap()).unwrap(), delay(), HttpVersion::Two).await;
        for bench in [bench(delay()).await, tcp] {
            let client = HttpClient::stamped_by(
                ReceiveClock::UserSpace,
                std::slice::from_ref(&bench.addresses),
                Duration::from_secs(10),
                0,
            );
            let bench = Bench { client: Rc::new(client.keeping(Duration::from_secs(4), false)), ..bench };
            let start = bench.clock.now();
            for exchange in at_once(&bench, 3).await {
                assert_exact(&exchange, start);
            }
            bench.ask(3).await;
            let http2 = bench.addresses.http2().unwrap();
            assert_eq!((http2.connections, http2.most_streams), (4, 1));
            assert_eq!(bench.served().await.connections, 4);
        }
    });
}

#[test]
fn a_connection_that_is_idle_for_too_long_is_dropped() {
    paused(async {
        let bench = bench(Options { keep_alive: Duration::from_mins(1), ..delay() }).await;
        bench.ask(0).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(bench.ask(1).await.connected.is_some());
        assert_eq!(bench.served().await.connections, 2);
    });
}

/// A client of a server at `address` that speaks HTTP/2.
async fn client_of(target: Target, tls: &Tls) -> (Rc<HttpClient>, Encoder, Addresses) {
    let addresses = target.resolve(tls, Duration::from_secs(1)).await.unwrap();
    let all = std::slice::from_ref(&addresses);
    let client = Rc::new(HttpClient::stamped_by(ReceiveClock::UserSpace, all, Duration::from_secs(5), 0));
    let encoder = Encoder::new(&RequestOptions::new(vec![target], vec!["m".to_owned()])).unwrap();
    (client, encoder, addresses)
}

async fn ask(client: &Rc<HttpClient>, encoder: &Encoder) -> Exchange {
    let clock = RunClock::starting_in(Duration::ZERO);
    let mut exchange = Exchange::default();
    let call = HttpClient::prepare(encoder, spec(0));
    client.clone().send(call, clock, &Departure::at(clock.now()), &mut exchange).await;
    exchange
}

/// Serves HTTP/2 on `io`; the first `refused` requests of the connection are refused, the others answered.
pub(super) async fn serve_two(io: impl AsyncRead + AsyncWrite + Unpin, refused: usize) {
    let Ok(mut connection) = h2::server::handshake(io).await else { return };
    let mut number = 0;
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        assert_eq!(request.method(), "POST");
        assert_eq!(request.headers()["content-type"], "application/json");
        assert!(request.uri().authority().is_some() && !request.headers().contains_key("host"));
        number += 1;
        if number <= refused {
            respond.send_reset(h2::Reason::REFUSED_STREAM);
            continue;
        }
        let head = hyper::Response::builder().header("content-type", "text/event-stream").body(()).unwrap();
        let mut send = respond.send_response(head, false).unwrap();
        let events: Vec<u8> = [TOKEN, TOKEN, FINISH, DONE].into_iter().flat_map(event).collect();
        send.send_data(Bytes::from(events), true).unwrap();
    }
}

/// A server at a unix socket that hands each connection, with its number, to `serve`.
fn server<F: Future<Output = ()> + 'static>(serve: impl Fn(UnixStream, usize) -> F + 'static) -> Target {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(SOCKET);
    let listener = UnixListener::bind(&path).unwrap();
    let target = Target::parse(&format!("unix:{}", path.display())).unwrap();
    tokio::task::spawn_local(async move {
        let (mut number, _folder) = (0, folder);
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::task::spawn_local(serve(socket, number));
            number += 1;
        }
    });
    target
}

fn two() -> Tls {
    Tls::nobody().unwrap().speaking(HttpVersion::Two)
}

#[test]
fn a_request_that_the_server_refused_unprocessed_is_sent_again_once_on_a_fresh_connection() {
    paused(async {
        let once = server(|socket, number| serve_two(socket, usize::from(number == 0)));
        let (client, encoder, addresses) = client_of(once, &two()).await;
        let exchange = ask(&client, &encoder).await;
        assert_eq!((exchange.outcome, exchange.retried), (Outcome::Completed, true));
        assert_eq!(addresses.http2().unwrap().connections, 2);
        let always = server(|socket, _| serve_two(socket, usize::MAX));
        let (client, encoder, addresses) = client_of(always, &two()).await;
        let exchange = ask(&client, &encoder).await;
        assert_eq!(class(&exchange), Some(FailureClass::Reset));
        assert!(failure_text(&exchange).contains("REFUSED_STREAM"), "{exchange:?}");
        assert!(exchange.retried && addresses.http2().unwrap().connections == 2, "once, and not again");
    });
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Says its settings, waits for a request, says GOAWAY with `last` as the last stream that it processes, and closes.
async fn say_goodbye(mut socket: UnixStream, last: u32) {
    socket.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    // The request has come once its HEADERS and a part of its body have.
    let mut bytes = Vec::new();
    while !bytes.windows(8).any(|eight| eight == b"messages") {
        let mut piece = [0; 4096];
        let read = socket.read(&mut piece).await.unwrap();
        assert!(read > 0);
        bytes.extend_from_slice(&piece[..read]);
    }
    let payload = [last.to_be_bytes(), 0_u32.to_be_bytes()].concat();
    socket.write_all(&frame(7, 0, 0, &payload)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[test]
fn a_request_after_the_last_stream_of_a_goodbye_is_sent_again_and_one_before_it_is_not() {
    paused(async {
        for (last, again) in [(0, true), (1, false)] {
            let target = server(move |socket, number| async move {
                if number == 0 {
                    say_goodbye(socket, last).await;
                } else {
                    serve_two(socket, 0).await;
                }
            });
            let (client, encoder, _) = client_of(target, &two()).await;
            let exchange = ask(&client, &encoder).await;
            assert_eq!((exchange.retried, class(&exchange).is_none()), (again, again), "{exchange:?}");
            if !again {
                assert_eq!(class(&exchange), Some(FailureClass::Reset), "it may have been processed: {exchange:?}");
            }
        }
    });
}

#[test]
fn a_server_without_http2_is_said_to_be_one() {
    paused(async {
        let target = server(|mut socket, _| async move {
            let mut piece = [0; 4096];
            _ = socket.read(&mut piece).await;
            _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        });
        let (client, encoder, _) = client_of(target, &two()).await;
        let exchange = ask(&client, &encoder).await;
        assert_eq!(class(&exchange), Some(FailureClass::Malformed));
        assert!(failure_text(&exchange).contains("answers HTTP/2 with HTTP/1.1; leave out the option http2"));
        // All that wait for a connection that fails have its failure; none of them opens another one.
        let silent = server(|socket, _| async move {
            tokio::time::sleep(Duration::from_mins(1)).await;
            drop(socket);
        });
        let (client, encoder, _) = client_of(silent, &two()).await;
        let exchange = ask(&client, &encoder).await;
        assert_eq!(class(&exchange), Some(FailureClass::Connect));
        assert!(failure_text(&exchange).contains("no settings of HTTP/2 within 5.0 s"), "{exchange:?}");
    });
}

#[test]
fn over_https_the_version_that_both_sides_offer_is_spoken() {
    use HttpVersion::{Agreed, One, Two};
    for (offered, asked, spoken) in [
        (&["h2", "http/1.1"][..], Agreed, Some("h2")),
        (&["http/1.1"], Agreed, Some("http/1.1")),
        (&[], Agreed, Some("")),
        (&["h2", "http/1.1"], One, Some("http/1.1")),
        (&["h2", "http/1.1"], Two, Some("h2")),
        (&["h2"], One, None),
        (&["http/1.1"], Two, None),
    ] {
        paused(async {
            let (target, trusted, agreed) = secure_answering(offered);
            let tls = trusted.speaking(asked);
            let (client, encoder, addresses) = client_of(target.clone(), &tls).await;
            let exchange = ask(&client, &encoder).await;
            let Some(spoken) = spoken else {
                assert_eq!(class(&exchange), Some(FailureClass::Tls));
                let words = "leave out the option http1 or the option http2";
                return assert!(failure_text(&exchange).contains(words), "{exchange:?}");
            };
            assert_eq!(exchange.outcome, Outcome::Completed, "{offered:?} {asked:?}: {exchange:?}");
            assert_eq!(*agreed.borrow(), [spoken], "{offered:?} {asked:?}");
            assert_eq!(addresses.http2().is_some(), spoken == "h2");
            let again = ask(&client, &encoder).await;
            assert_eq!((again.outcome, again.connected), (Outcome::Completed, None), "{offered:?}");
        });
    }
}

#[test]
fn discovery_asks_over_http2_too() {
    paused(async {
        let bench = bench(delay()).await;
        let discovery = Discovery::new(None, &[], &two()).unwrap();
        assert_eq!(discovery.first_model(&bench.target).await.unwrap(), MODEL_NAME);
        assert!(discovery.spoke_two(&bench.target));
    });
}

#[tokio::test(flavor = "local")]
async fn on_a_real_clock_the_kernel_stamps_each_stream() {
    let options = Options { profile: "delay:ttft=5ms,itl=1ms".parse().unwrap(), ..Options::default() };
    let bench = Bench::new(listen("127.0.0.1:0".parse().unwrap()).unwrap(), options, HttpVersion::Two).await;
    let client = HttpClient::new(std::slice::from_ref(&bench.addresses), Duration::from_secs(5), 0);
    let bench = Bench { client: Rc::new(client), ..bench };
    for exchange in at_once(&bench, 20).await {
        assert_eq!(exchange.outcome, Outcome::Completed, "{exchange:?}");
        assert!(exchange.wake_lag.is_some(), "{exchange:?}");
        let instants = [exchange.written, exchange.headers, exchange.first_token, exchange.ended];
        assert!(instants.iter().all(Option::is_some) && instants.is_sorted(), "{exchange:?}");
    }
}
