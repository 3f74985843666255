//! Owns the tests of the connection pool: connections are reused, opened ahead and closed when idle, and no request
//! waits for one without reason.

use std::future::{Future, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;
use tonnage::client::{Addresses, Client, Departure, HttpClient, ReceiveClock, Tls};
use tonnage::record::{Exchange, FailureClass, Outcome};
use tonnage::units::Offset;

use super::Step::{Hold, Pause, Request, Reset, Write};
use super::{Bench, DONE, LAST_CHUNK, STREAM_HEAD, TOKEN, chunk, class, event, failure_text, good, paused};

#[test]
fn a_connection_is_used_again() {
    paused(async {
        let bench = Bench::new(vec![vec![Request, Write(good()), Request, Write(good()), Hold]]).await;
        let (first, second) = (bench.ask(0).await, bench.ask(1).await);
        assert_eq!((first.outcome, second.outcome), (Outcome::Completed, Outcome::Completed));
        assert!(first.connected.is_some() && second.connected.is_none());
        assert_eq!(bench.server.accepted(), 1);
    });
}

#[test]
fn a_connection_that_the_server_closed_is_not_used() {
    paused(async {
        let bench = Bench::new(vec![vec![Request, Write(good())]]).await;
        bench.ask(0).await;
        sleep(Duration::from_millis(1)).await;
        let second = bench.ask(1).await;
        assert_eq!((second.outcome, bench.server.accepted()), (Outcome::Completed, 2));
    });
}

#[test]
fn a_reservation_notices_that_the_server_closed_its_connection() {
    paused(async {
        let bench = Bench::new(vec![vec![Request, Write(good())]]).await;
        bench.ask(0).await;
        sleep(Duration::from_millis(1)).await;
        let call = bench.call(1);
        bench.client.reserve(&call);
        sleep(Duration::from_millis(20)).await;
        assert_eq!(bench.server.accepted(), 2, "a second connection must be opened ahead");
        assert_eq!(bench.send(call).await.connected, None);
    });
}

/// Polls `send` once; returns whether it is pending.
async fn is_pending(send: Pin<&mut impl Future>) -> bool {
    tokio::select! {
        biased;
        _ = send => false,
        () = ready(()) => true,
    }
}

#[test]
fn a_call_that_is_held_leaves_at_its_departure_and_not_before() {
    paused(async {
        let bench = Bench::new(vec![vec![Request, Write(good()), Request, Write(good()), Hold]]).await;
        bench.ask(0).await;
        let (departure, mut exchange) = (Departure::default(), Exchange::default());
        let mut send = Box::pin(bench.client.clone().send(bench.call(1), bench.clock, &departure, &mut exchange));
        assert!(is_pending(send.as_mut()).await, "the held call must wait");
        sleep(Duration::from_millis(5)).await;
        assert_eq!(bench.server.requests().len(), 1, "no byte of the held call may have left");
        departure.leave(bench.clock.now());
        send.await;
        assert_eq!(
            (exchange.outcome, exchange.written, bench.server.accepted()),
            (Outcome::Completed, departure.sent(), 1)
        );
    });
}

#[test]
fn a_held_call_whose_connection_closes_takes_another() {
    paused(async {
        let bench = Bench::new(vec![vec![Request, Write(good()), Pause(3)], vec![Request, Write(good()), Hold]]).await;
        bench.ask(0).await;
        let (departure, mut exchange) = (Departure::default(), Exchange::default());
        let mut send = Box::pin(bench.client.clone().send(bench.call(1), bench.clock, &departure, &mut exchange));
        assert!(is_pending(send.as_mut()).await);
        sleep(Duration::from_millis(5)).await;
        departure.leave(bench.clock.now());
        send.await;
        assert_eq!(
            (exchange.outcome, bench.server.accepted(), bench.server.requests().len()),
            (Outcome::Completed, 2, 2)
        );
    });
}

#[test]
fn a_connection_idle_for_four_seconds_is_given_up() {
    paused(async {
        let bench = Bench::new(vec![vec![Request, Write(good()), Request, Write(good()), Hold]]).await;
        bench.ask(0).await;
        sleep(Duration::from_millis(3999)).await;
        bench.ask(1).await;
        assert_eq!(bench.server.accepted(), 1);
        sleep(Duration::from_secs(4)).await;
        bench.ask(2).await;
        assert_eq!((bench.server.accepted(), bench.server.closed_by_client()), (2, 1));
    });
}

#[test]
fn a_server_that_asks_to_close_is_obeyed() {
    paused(async {
        let answer = String::from_utf8(good()).unwrap().replacen("\r\n", "\r\nconnection: close\r\n", 1);
        let bench = Bench::new(vec![vec![Request, Write(answer.into_bytes()), Hold]]).await;
        assert_eq!(bench.ask(0).await.outcome, Outcome::Completed);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(bench.server.closed_by_client(), 1);
    });
}

#[test]
fn a_failed_status_leaves_its_connection_usable() {
    paused(async {
        let busy = b"HTTP/1.1 429 Slow down\r\ncontent-length: 4\r\n\r\nbusy".to_vec();
        let bench = Bench::new(vec![vec![Request, Write(busy), Request, Write(good()), Hold]]).await;
        assert_eq!(class(&bench.ask(0).await), Some(FailureClass::Status));
        assert_eq!(bench.ask(1).await.outcome, Outcome::Completed);
        assert_eq!(bench.server.accepted(), 1);
    });
}

#[test]
fn a_request_that_the_server_cannot_have_read_is_sent_again_once() {
    paused(async {
        let kept = vec![Request, Write(good()), Request, Reset];
        let bench = Bench::new(vec![kept, vec![Request, Write(good()), Hold]]).await;
        assert_eq!(bench.ask(0).await.outcome, Outcome::Completed);
        let again = bench.ask(1).await;
        assert_eq!((&again.outcome, again.retried), (&Outcome::Completed, true));
        assert_eq!((bench.server.accepted(), bench.server.requests().len()), (2, 3));
        assert_eq!(bench.server.requests()[1], bench.server.requests()[2], "the same request, byte by byte");
        assert!(again.written.is_some() && again.written <= again.connected, "the first write counts");
    });
}

#[test]
fn a_request_that_the_server_may_have_read_is_not_sent_again() {
    paused(async {
        // The connection ends later than a close that was under way.
        let late = vec![Request, Write(good()), Request, Pause(20), Reset];
        let bench = Bench::new(vec![late, vec![Request, Write(good()), Hold]]).await;
        assert_eq!(bench.ask(0).await.outcome, Outcome::Completed);
        let lost = bench.ask(1).await;
        assert_eq!((class(&lost), lost.retried), (Some(FailureClass::Reset), false));

        // A part of a response came.
        let begun = vec![Request, Write(good()), Request, Write(b"HTTP/1.1 200".to_vec()), Reset];
        let bench = Bench::new(vec![begun, vec![Request, Write(good()), Hold]]).await;
        assert_eq!(bench.ask(0).await.outcome, Outcome::Completed);
        assert!(!bench.ask(1).await.retried);

        // The first request on a connection, and the second loss.
        let bench = Bench::new(vec![vec![Request, Reset]]).await;
        assert_eq!((class(&bench.ask(0).await), bench.server.accepted()), (Some(FailureClass::Reset), 1));
        let bench = Bench::new(vec![vec![Request, Write(good()), Request, Reset], vec![Request, Reset]]).await;
        assert_eq!(bench.ask(0).await.outcome, Outcome::Completed);
        let lost = bench.ask(1).await;
        assert_eq!((class(&lost), lost.retried, bench.server.accepted()), (Some(FailureClass::Reset), true, 2));
    });
}

#[test]
fn without_reuse_each_request_has_a_connection_of_its_own() {
    paused(async {
        let bench = Bench::new(vec![vec![Request, Write(good()), Hold]]).await;
        let client = HttpClient::stamped_by(
            ReceiveClock::UserSpace,
            &Addresses::of(&[bench.server.target()], &Tls::nobody().unwrap()).await.unwrap(),
            Duration::from_secs(10),
            0,
        );
        let bench = Bench { client: Rc::new(client.keeping(Duration::from_secs(4), false)), ..bench };
        for id in 0..3 {
            assert_eq!(bench.ask(id).await.outcome, Outcome::Completed);
        }
        assert_eq!(bench.server.accepted(), 3);
    });
}

fn without_its_end() -> Vec<u8> {
    [STREAM_HEAD, &chunk(&event(TOKEN)), &chunk(&event(DONE))].concat()
}

#[test]
fn done_settles_even_if_the_body_never_ends() {
    paused(async {
        let bench = Bench::new(vec![vec![Request, Write(without_its_end()), Hold]]).await;
        let exchange = bench.ask(0).await;
        assert_eq!((exchange.outcome, bench.clock.now().as_nanos()), (Outcome::Completed, 0));
        sleep(Duration::from_secs(2)).await;
        assert_eq!(bench.server.closed_by_client(), 1, "the connection must be closed after the grace time");
    });
}

#[test]
fn a_body_that_ends_after_done_gives_its_connection_back() {
    paused(async {
        let end = Write(LAST_CHUNK.to_vec());
        let bench =
            Bench::new(vec![vec![Request, Write(without_its_end()), Pause(100), end, Request, Write(good()), Hold]])
                .await;
        bench.ask(0).await;
        sleep(Duration::from_millis(200)).await;
        assert_eq!(bench.ask(1).await.outcome, Outcome::Completed);
        assert_eq!(bench.server.accepted(), 1);
    });
}

#[test]
fn a_send_does_not_wait_for_a_body_that_is_still_ending() {
    paused(async {
        let bench =
            Bench::new(vec![vec![Request, Write(without_its_end()), Hold], vec![Request, Write(good()), Hold]]).await;
        bench.ask(0).await;
        let second = bench.ask(1).await;
        assert_eq!((second.outcome, bench.clock.now().as_nanos()), (Outcome::Completed, 0));
    });
}

#[test]
fn a_reserved_send_finds_its_connection_open() {
    paused(async {
        let bench = Bench::new(vec![vec![Request, Write(good()), Hold]]).await;
        let calls: Vec<_> = (0..3).map(|id| bench.call(id)).collect();
        for call in &calls {
            bench.client.reserve(call);
            bench.client.reserve(call);
        }
        sleep(Duration::from_millis(20)).await;
        assert_eq!(bench.server.accepted(), 3, "one connection per call, however often it is reserved");
        for call in calls {
            assert_eq!(bench.send(call).await.connected, None);
        }
        assert_eq!(bench.server.accepted(), 3);
    });
}

#[test]
fn idle_connections_serve_reservations_first() {
    paused(async {
        let bench = Bench::new(vec![vec![Request, Write(good()), Request, Write(good()), Hold]]).await;
        bench.ask(0).await;
        let call = bench.call(1);
        bench.client.reserve(&call);
        sleep(Duration::from_millis(20)).await;
        assert_eq!(bench.server.accepted(), 1);
        assert_eq!(bench.send(call).await.outcome, Outcome::Completed);
    });
}

#[test]
fn a_call_dropped_unsent_reserves_nothing() {
    paused(async {
        let bench = Bench::new(vec![vec![Request, Write(good()), Hold]]).await;
        for id in 0..50 {
            bench.client.reserve(&bench.call(id));
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(bench.server.accepted(), 1, "calls that are dropped unsent must share one connection");
    });
}

#[test]
fn a_reserved_send_takes_the_connection_that_is_being_opened() {
    paused(async {
        let bench = Bench::new(vec![vec![Request, Write(good()), Hold]]).await;
        let call = bench.call(0);
        bench.client.reserve(&call);
        let exchange = bench.send(call).await;
        assert!(exchange.connected.is_some() && exchange.outcome == Outcome::Completed);
        sleep(Duration::from_millis(20)).await;
        assert_eq!(bench.server.accepted(), 1);
    });
}

#[test]
fn a_server_that_is_not_there_is_a_failure_to_connect() {
    paused(async {
        let mut bench = Bench::new(vec![vec![Hold]]).await;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let addresses = tonnage::client::Addresses::of(
            &[tonnage::client::Target::parse(&url).unwrap()],
            &tonnage::client::Tls::nobody().unwrap(),
        )
        .await
        .unwrap();
        bench.client = std::rc::Rc::new(tonnage::client::HttpClient::stamped_by(
            tonnage::client::ReceiveClock::UserSpace,
            &addresses,
            Duration::from_secs(10),
            0,
        ));
        let call = bench.call(0);
        bench.client.reserve(&call);
        let exchange = bench.send(call).await;
        assert_eq!(class(&exchange), Some(FailureClass::Connect));
        assert!(failure_text(&exchange).contains("refused"), "{exchange:?}");
        assert!(exchange.ended.is_some() && exchange.written.is_none() && exchange.connected.is_none());
    });
}

#[test]
fn letting_go_closes_the_connection_and_keeps_what_was_seen() {
    paused(async {
        let begun = [STREAM_HEAD, &chunk(&event(TOKEN))].concat();
        let bench = Bench::new(vec![vec![Request, Pause(10), Write(begun), Hold]]).await;
        let mut exchange = Exchange::default();
        let departure = Departure::at(bench.clock.now());
        let send = bench.client.clone().send(bench.call(0), bench.clock, &departure, &mut exchange);
        assert!(tokio::time::timeout(Duration::from_millis(500), send).await.is_err());
        assert_eq!((exchange.events, exchange.first_token.map(Offset::as_nanos)), (1, Some(10_000_000)));
        assert!(exchange.written.is_some() && exchange.headers.is_some() && exchange.ended.is_none());
        // A busy kernel may tell the server of the close only after the paused clock has moved on.
        for _ in 0..100 {
            if bench.server.closed_by_client() == 0 {
                sleep(Duration::from_millis(1)).await;
            }
        }
        assert_eq!(bench.server.closed_by_client(), 1);
    });
}

#[test]
fn many_streams_at_once_keep_to_their_own_events() {
    paused(async {
        let script = vec![
            Request,
            Pause(10),
            Write(STREAM_HEAD.to_vec()),
            Pause(10),
            Write(good()[STREAM_HEAD.len()..].to_vec()),
            Hold,
        ];
        let bench = std::rc::Rc::new(Bench::new(vec![script]).await);
        let tasks: Vec<_> = (0..300)
            .map(|id| {
                let bench = bench.clone();
                tokio::task::spawn_local(async move { bench.ask(id).await })
            })
            .collect();
        for task in tasks {
            let exchange = task.await.unwrap();
            assert_eq!((exchange.outcome, exchange.events), (Outcome::Completed, 2));
            assert_eq!(exchange.first_token.map(Offset::as_nanos), Some(20_000_000));
        }
        assert_eq!(bench.server.accepted(), 300);
    });
}
