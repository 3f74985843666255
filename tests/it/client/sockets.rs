//! Owns the tests of the client over a unix socket, against the simulated server: the same instants, reuse and limits
//! as over TCP.

use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tonnage::client::{
    Addresses, Client, Departure, Discovery, Encoder, HttpClient, HttpVersion, ReceiveClock, RequestOptions, Target,
    Tls,
};
use tonnage::clock::{Pacing, RunClock};
use tonnage::record::{Exchange, FailureClass, Outcome};
use tonnage::sim::{Listener, MODEL_NAME, Options, Served, Server, listen_at};
use tonnage::units::Offset;

use super::{class, paused, spec};

/// A simulated server on this runtime, and a client of it.
pub(super) struct Bench {
    pub(super) client: Rc<HttpClient>,
    pub(super) encoder: Encoder,
    pub(super) clock: RunClock,
    pub(super) target: Target,
    pub(super) addresses: Addresses,
    pub(super) stop: tokio::sync::oneshot::Sender<()>,
    pub(super) serving: JoinHandle<std::io::Result<Served>>,
    /// Where `SOCKET` is, if the server is at one.
    pub(super) folder: tempfile::TempDir,
}

/// The name of a socket in its folder.
pub(super) const SOCKET: &str = "server.sock";

impl Bench {
    pub(super) async fn new(listener: impl Into<Listener>, options: Options, http: HttpVersion) -> Self {
        let listener = listener.into();
        let target = Target::parse(&listener.url().unwrap()).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let options = Options { pacing: Pacing::Coarse, ..options };
        let serving = tokio::task::spawn_local(Server::new(options).serve(listener, async { _ = stopped.await }));
        let requests = RequestOptions::new(vec![target.clone()], vec![MODEL_NAME.to_owned()]);
        let tls = Tls::nobody().unwrap().speaking(http);
        let addresses = target.resolve(&tls, Duration::from_secs(1)).await.unwrap();
        let all = std::slice::from_ref(&addresses);
        let client = HttpClient::stamped_by(ReceiveClock::UserSpace, all, Duration::from_secs(10), 0);
        let clock = RunClock::starting_in(Duration::ZERO);
        let encoder = Encoder::new(&requests).unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { client: Rc::new(client), encoder, clock, target, addresses, stop, serving, folder }
    }

    /// At a unix socket, whose bytes are there when the write returns: those of TCP a busy kernel may deliver only
    /// after the paused clock has moved on.
    pub(super) async fn at_a_socket(options: Options, http: HttpVersion) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bench = Self::new(listen_at(&folder.path().join(SOCKET)).unwrap(), options, http).await;
        Self { folder, ..bench }
    }

    /// Sends request `id` for eight tokens now.
    pub(super) async fn ask(&self, id: u64) -> Exchange {
        let call = HttpClient::prepare(&self.encoder, spec(id));
        let mut exchange = Exchange::default();
        self.client.clone().send(call, self.clock, &Departure::at(self.clock.now()), &mut exchange).await;
        exchange
    }

    /// Stops the server; returns its counts.
    pub(super) async fn served(self) -> Served {
        drop(self.client);
        self.stop.send(()).unwrap();
        self.serving.await.unwrap().unwrap()
    }
}

pub(super) fn delay() -> Options {
    Options { profile: "delay:ttft=20ms,itl=5ms".parse().unwrap(), ..Options::default() }
}

#[test]
fn a_unix_socket_is_as_exact_as_tcp_and_its_connection_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.sock");
    paused(async {
        let bench = Bench::new(listen_at(&path).unwrap(), delay(), HttpVersion::Agreed).await;
        for id in 0..3 {
            let start = bench.clock.now();
            let exchange = bench.ask(id).await;
            assert_eq!(exchange.outcome, Outcome::Completed, "{exchange:?}");
            assert_eq!(exchange.connected.is_some(), id == 0);
            assert_eq!(exchange.first_token.map(|at| at.since(start)), Some(Duration::from_millis(20)));
            assert_eq!((exchange.event_gaps_us, exchange.wake_lag), (vec![5_000; 7], None));
        }
        let discovery = Discovery::new(None, &[], &Tls::nobody().unwrap()).unwrap();
        assert_eq!(discovery.first_model(&bench.target).await.unwrap(), MODEL_NAME);
        let served = bench.served().await;
        assert_eq!((served.requests, served.connections), (3, 2), "one for the requests, one for the question");
        assert!(!path.exists(), "the socket is removed");
    });
}

#[test]
fn a_unix_socket_that_ends_is_a_failure_of_its_class() {
    let folder = tempfile::tempdir().unwrap();
    for (fault, expected) in
        [("drop:3", FailureClass::Reset), ("cut:3", FailureClass::Truncated), ("status:503", FailureClass::Status)]
    {
        paused(async {
            let options = Options { faults: vec![fault.parse().unwrap()], ..delay() };
            let listener = listen_at(&folder.path().join(fault)).unwrap();
            let bench = Bench::new(listener, options, HttpVersion::Agreed).await;
            assert_eq!(class(&bench.ask(0).await), Some(expected), "{fault}");
        });
    }
}

#[test]
fn a_socket_left_behind_is_replaced_and_one_in_use_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.sock");
    paused(async {
        drop(tokio::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let _listener = listen_at(&path).unwrap();
        assert_eq!(listen_at(&path).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
        let file = folder.path().join("file");
        std::fs::write(&file, "kept").unwrap();
        assert!(listen_at(&file).is_err() && std::fs::read(&file).unwrap() == b"kept");
    });
}

#[test]
fn a_request_that_the_server_never_answers_waits_as_over_tcp() {
    let folder = tempfile::tempdir().unwrap();
    paused(async {
        let options = Options { faults: vec!["hang".parse().unwrap()], ..delay() };
        let bench = Bench::new(listen_at(&folder.path().join("s")).unwrap(), options, HttpVersion::Agreed).await;
        let waited = tokio::time::timeout(Duration::from_secs(30), bench.ask(0)).await;
        assert!(waited.is_err());
        assert!(bench.clock.now() >= Offset::from_secs(30.0));
        assert_eq!(bench.served().await.requests, 1);
    });
}
