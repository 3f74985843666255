//! Owns the tests of TLS: certificates created by the test, over loopback, under a paused clock.

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tonnage::client::{
    Addresses, Client, Departure, Discovery, Encoder, HttpClient, ReceiveClock, RequestOptions, Target, Tls,
};
use tonnage::clock::RunClock;
use tonnage::record::{Exchange, FailureClass, Outcome};
use tonnage::units::Offset;

use super::{
    DONE, FINISH, LAST_CHUNK, STREAM_HEAD, TOKEN, chunk, class, event, failure_text, good, on_a_true_clock, paused,
    read_request, spec,
};

const MODELS: &str = r#"{"object":"list","data":[{"id":"first"}]}"#;

/// A server that speaks TLS with a self-signed certificate for `name`, and responds to every request on every
/// connection.
struct SecureServer {
    address: SocketAddr,
    /// The certificate, as `--ca-cert` takes it.
    pem: String,
    /// The server name that each client sent, one entry per completed handshake.
    seen: Rc<std::cell::RefCell<Vec<Option<String>>>>,
}

impl SecureServer {
    fn start(name: &str, answers: impl AsyncFn(&mut tokio_rustls::server::TlsStream<TcpStream>) + 'static) -> Self {
        Self::certified(name, |_| (), &[b"http/1.1"], answers)
    }

    /// A server with an adjusted certificate that offers these protocols.
    fn certified(
        name: &str,
        adjust: impl FnOnce(&mut rcgen::CertificateParams),
        offered: &[&[u8]],
        answers: impl AsyncFn(&mut tokio_rustls::server::TlsStream<TcpStream>) + 'static,
    ) -> Self {
        let mut params =
            rcgen::CertificateParams::new(if name.is_empty() { vec![] } else { vec![name.to_owned()] }).unwrap();
        adjust(&mut params);
        let pair = rcgen::KeyPair::generate().unwrap();
        let made = params.self_signed(&pair).unwrap();
        Self::of(&made, &pair, None, offered, answers)
    }

    /// A server with the certificate `made`. With `clients`, it asks for a certificate of that authority.
    fn of(
        made: &rcgen::Certificate,
        pair: &rcgen::KeyPair,
        clients: Option<&rcgen::Certificate>,
        offered: &[&[u8]],
        answers: impl AsyncFn(&mut tokio_rustls::server::TlsStream<TcpStream>) + 'static,
    ) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = clients.map_or_else(WebPkiClientVerifier::no_client_auth, |authority| {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(authority.der().clone()).unwrap();
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap()
        });
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pair.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![made.der().clone()], key)
            .unwrap();
        config.alpn_protocols = offered.iter().map(|protocol| protocol.to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let listener = socket.listen(1024).unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Rc<std::cell::RefCell<Vec<Option<String>>>> = Rc::default();
        let (shared, answers) = (Rc::clone(&seen), Rc::new(answers));
        tokio::task::spawn_local(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                socket.set_nodelay(true).unwrap();
                let (acceptor, shared, answers) = (acceptor.clone(), Rc::clone(&shared), Rc::clone(&answers));
                tokio::task::spawn_local(async move {
                    let Ok(mut stream) = acceptor.accept(socket).await else { return };
                    let name = stream.get_ref().1.server_name().map(str::to_owned);
                    shared.borrow_mut().push(name);
                    answers(&mut stream).await;
                });
            }
        });
        Self { address, pem: made.pem(), seen }
    }

    /// A server that sends valid responses.
    fn good(name: &str) -> Self {
        Self::start(name, async |stream| {
            while read_request(stream).await.is_some() {
                stream.write_all(&good()).await.unwrap();
                stream.flush().await.unwrap();
            }
        })
    }

    /// A server that sends valid responses, with an adjusted certificate.
    fn good_with(name: &str, adjust: impl FnOnce(&mut rcgen::CertificateParams), offered: &[&[u8]]) -> Self {
        Self::certified(name, adjust, offered, async |stream| {
            while read_request(stream).await.is_some() {
                stream.write_all(&good()).await.unwrap();
                stream.flush().await.unwrap();
            }
        })
    }

    fn trusted(&self) -> Tls {
        Tls::machine_and(self.pem.as_bytes(), Path::new("test.pem")).unwrap()
    }
}

/// A server that offers these protocols, and answers well over the one that is agreed on: its target, who trusts it,
/// and the protocol of each handshake.
pub(super) fn secure_answering(offered: &[&str]) -> (Target, Tls, Rc<std::cell::RefCell<Vec<String>>>) {
    let agreed: Rc<std::cell::RefCell<Vec<String>>> = Rc::default();
    let seen = Rc::clone(&agreed);
    let offered: Vec<&[u8]> = offered.iter().map(|name| name.as_bytes()).collect();
    let server = SecureServer::certified(
        "localhost",
        |_| (),
        &offered,
        async move |stream| {
            let protocol = stream.get_ref().1.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
            let is_two = protocol.as_deref() == Some("h2");
            seen.borrow_mut().push(protocol.unwrap_or_default());
            if is_two {
                return super::http2::serve_two(stream, 0).await;
            }
            while read_request(stream).await.is_some() {
                stream.write_all(&good()).await.unwrap();
                stream.flush().await.unwrap();
            }
        },
    );
    let target = Target::parse(&format!("https://localhost:{}", server.address.port())).unwrap();
    (target, server.trusted(), agreed)
}

/// A server that asks its clients for a certificate of `authority`, and answers well.
fn asking_for_certificates(authority: &rcgen::Certificate) -> SecureServer {
    let pair = rcgen::KeyPair::generate().unwrap();
    let made = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&pair).unwrap();
    SecureServer::of(&made, &pair, Some(authority), &[b"http/1.1"], async |stream| {
        while read_request(stream).await.is_some() {
            stream.write_all(&good()).await.unwrap();
            stream.flush().await.unwrap();
        }
    })
}

#[test]
fn a_server_that_asks_for_a_certificate_gets_the_one_that_was_given() {
    on_a_true_clock(async {
        let pair = rcgen::KeyPair::generate().unwrap();
        let client = rcgen::CertificateParams::new(vec!["load".to_owned()]).unwrap().self_signed(&pair).unwrap();
        let server = asking_for_certificates(&client);
        let (chain, key) = (client.pem(), pair.serialize_pem());
        let path = Path::new("client.pem");
        let shown = server.trusted().showing((chain.as_bytes(), path), (key.as_bytes(), path)).unwrap();
        assert_eq!(asked("localhost", &server, &shown).await.outcome, Outcome::Completed);
        let refused = asked("localhost", &server, &server.trusted()).await;
        assert_eq!(class(&refused), Some(FailureClass::Tls), "{refused:?}");

        let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
        for (chain, key, said) in [
            ("no pem", key.as_str(), "holds no certificate"),
            (chain.as_str(), "no pem", "holds no private key"),
            (chain.as_str(), other.as_str(), "does not belong to the certificate"),
        ] {
            let refused = server.trusted().showing((chain.as_bytes(), path), (key.as_bytes(), path));
            let error = refused.unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("client.pem"), "{error}");
        }
    });
}

struct Asker {
    client: Rc<HttpClient>,
    encoder: Encoder,
    clock: RunClock,
}

impl Asker {
    /// A client of `host` at the server's port; `tls` says which certificates it trusts.
    async fn new(host: &str, port: u16, tls: &Tls) -> Self {
        let options =
            RequestOptions::new(vec![Target::parse(&format!("https://{host}:{port}")).unwrap()], vec!["m".to_owned()]);
        let addresses = Addresses::of(&options.targets, tls).await.unwrap();
        let client = Rc::new(HttpClient::stamped_by(ReceiveClock::UserSpace, &addresses, Duration::from_secs(10), 0));
        Self { client, encoder: Encoder::new(&options).unwrap(), clock: RunClock::starting_in(Duration::ZERO) }
    }

    async fn ask(&self, id: u64) -> Exchange {
        let mut exchange = Exchange { sent: Some(self.clock.now()), ..Exchange::default() };
        self.client
            .clone()
            .send(
                HttpClient::prepare(&self.encoder, spec(id)),
                self.clock,
                &Departure::at(self.clock.now()),
                &mut exchange,
            )
            .await;
        exchange
    }
}

async fn asked(host: &str, server: &SecureServer, tls: &Tls) -> Exchange {
    Asker::new(host, server.address.port(), tls).await.ask(0).await
}

#[test]
fn a_trusted_server_is_asked_over_one_connection_and_called_by_its_name() {
    on_a_true_clock(async {
        let server = SecureServer::good("localhost");
        let asker = Asker::new("localhost", server.address.port(), &server.trusted()).await;
        let (first, second) = (asker.ask(0).await, asker.ask(1).await);
        assert_eq!((&first.outcome, &second.outcome), (&Outcome::Completed, &Outcome::Completed), "{first:?}");
        assert!(first.connected.is_some() && second.connected.is_none(), "the connection must be reused");
        assert_eq!(first.events, 2);
        assert_eq!(*server.seen.borrow(), [Some("localhost".to_owned())]);
    });
}

#[test]
fn an_address_is_trusted_by_the_address_in_its_certificate() {
    on_a_true_clock(async {
        let server = SecureServer::good("127.0.0.1");
        assert_eq!(asked("127.0.0.1", &server, &server.trusted()).await.outcome, Outcome::Completed);
        assert_eq!(*server.seen.borrow(), [None], "an IP address must not be sent as a server name");
    });
}

#[test]
fn a_reservation_agrees_on_tls_ahead() {
    on_a_true_clock(async {
        let server = SecureServer::good("localhost");
        let asker = Asker::new("localhost", server.address.port(), &server.trusted()).await;
        let call = HttpClient::prepare(&asker.encoder, spec(0));
        asker.client.reserve(&call);
        let agreed = async {
            while server.seen.borrow().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), agreed).await.expect("a handshake before anything is sent");
        let mut exchange = Exchange::default();
        asker.client.clone().send(call, asker.clock, &Departure::at(asker.clock.now()), &mut exchange).await;
        assert_eq!((exchange.outcome, exchange.connected), (Outcome::Completed, None));
    });
}

#[test]
fn instants_are_those_of_the_socket() {
    paused(async {
        let server = SecureServer::start("localhost", async |stream| {
            let pieces = [
                STREAM_HEAD.to_vec(),
                chunk(&event(TOKEN)),
                chunk(&event(TOKEN)),
                chunk(&event(FINISH)),
                chunk(&event(DONE)),
            ];
            read_request(stream).await.unwrap();
            for piece in pieces {
                tokio::time::sleep(Duration::from_millis(10)).await;
                stream.write_all(&piece).await.unwrap();
                stream.flush().await.unwrap();
            }
            stream.write_all(LAST_CHUNK).await.unwrap();
        });
        let exchange = asked("localhost", &server, &server.trusted()).await;
        let milliseconds = |instant: Option<Offset>| instant.map(|at| at.as_nanos() / 1_000_000);
        assert_eq!((milliseconds(exchange.written), milliseconds(exchange.headers)), (Some(0), Some(10)));
        assert_eq!((milliseconds(exchange.first_token), milliseconds(exchange.last_token)), (Some(20), Some(30)));
        assert_eq!((milliseconds(exchange.ended), exchange.outcome), (Some(50), Outcome::Completed));
    });
}

#[test]
fn whom_we_do_not_trust_is_a_tls_failure_unless_anyone_will_do() {
    on_a_true_clock(async {
        let server = SecureServer::good("localhost");
        for tls in [Tls::machine().unwrap(), Tls::nobody().unwrap()] {
            let exchange = asked("localhost", &server, &tls).await;
            assert_eq!(class(&exchange), Some(FailureClass::Tls), "{exchange:?}");
            assert!(failure_text(&exchange).contains("certificate") && exchange.written.is_none(), "{exchange:?}");
        }
        let wrong_name = asked("127.0.0.1", &server, &server.trusted()).await;
        assert_eq!(class(&wrong_name), Some(FailureClass::Tls), "{wrong_name:?}");
        for host in ["localhost", "127.0.0.1"] {
            assert_eq!(asked(host, &server, &Tls::anyone().unwrap()).await.outcome, Outcome::Completed);
        }
    });
}

/// The parameters of `openssl req -x509`: the certificate declares itself a certificate authority.
fn authority(params: &mut rcgen::CertificateParams) {
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
}

#[test]
fn a_self_signed_certificate_given_is_trusted_whatever_it_says_of_itself() {
    on_a_true_clock(async {
        let server = SecureServer::good_with("localhost", authority, &[b"http/1.1"]);
        assert_eq!(asked("localhost", &server, &server.trusted()).await.outcome, Outcome::Completed);
        let wrong_name = asked("127.0.0.1", &server, &server.trusted()).await;
        assert!(failure_text(&wrong_name).contains("is for localhost, not for 127.0.0.1"), "{wrong_name:?}");
        let other = SecureServer::good_with("localhost", authority, &[b"http/1.1"]);
        let refused = asked("localhost", &server, &other.trusted()).await;
        assert!(
            failure_text(&refused).contains("the option ca-cert"),
            "another certificate with the same name must be refused: {refused:?}"
        );
    });
}

#[test]
fn each_way_in_which_tls_fails_says_what_to_do() {
    type Adjust = fn(&mut rcgen::CertificateParams);
    let expired: Adjust = |params| {
        authority(params);
        params.not_after = rcgen::date_time_ymd(2021, 3, 4);
    };
    let early: Adjust = |params| params.not_before = rcgen::date_time_ymd(2199, 1, 2);
    let cases: [(&str, Adjust, &[u8], &str); 4] = [
        ("localhost", expired, b"http/1.1", "expired on 2021-03-04; renew it"),
        ("localhost", early, b"http/1.1", "valid from 2199-01-02 on"),
        ("", authority, b"http/1.1", "no name (no subjectAltName)"),
        ("localhost", authority, b"http/0.9", "offers no version of HTTP that is asked for (ALPN)"),
    ];
    for (name, adjust, offered, wanted) in cases {
        on_a_true_clock(async {
            let server = SecureServer::good_with(name, adjust, &[offered]);
            let exchange = asked("localhost", &server, &server.trusted()).await;
            assert_eq!(class(&exchange), Some(FailureClass::Tls), "{exchange:?}");
            assert!(failure_text(&exchange).contains(wanted), "{wanted}: {exchange:?}");
            let target = Target::parse(&format!("https://localhost:{}", server.address.port())).unwrap();
            let refused = Discovery::new(None, &[], &server.trusted()).unwrap().first_model(&target).await.unwrap_err();
            assert!(refused.to_string().contains(wanted), "{wanted}: {refused}");
        });
    }
}

#[test]
fn the_time_to_connect_is_bounded_as_a_whole() {
    // A connection opened ahead fails. The send that waited for it gets only the rest of the connect timeout for
    // another one.
    paused(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::task::spawn_local(async move {
            let mut held = Vec::new();
            loop {
                held.push(listener.accept().await.unwrap());
            }
        });
        let asker = Asker::new("127.0.0.1", port, &Tls::anyone().unwrap()).await;
        let call = HttpClient::prepare(&asker.encoder, spec(0));
        asker.client.reserve(&call);
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut exchange = Exchange::default();
        asker.client.clone().send(call, asker.clock, &Departure::at(asker.clock.now()), &mut exchange).await;
        let ended_ms = exchange.ended.map(|at| at.as_nanos() / 1_000_000).unwrap();
        assert!((10_000..10_100).contains(&ended_ms), "{exchange:?}");
    });
}

#[test]
fn a_server_that_speaks_no_tls_is_a_tls_failure() {
    for (answer, slow) in [(Some("HTTP/1.1 400 Bad Request\r\n\r\n"), false), (None, false), (None, true)] {
        let asked = async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            tokio::task::spawn_local(async move {
                loop {
                    let (mut socket, _) = listener.accept().await.unwrap();
                    tokio::task::spawn_local(async move {
                        let _ = socket.read(&mut [0; 4096]).await;
                        let _ = socket.write_all(answer.unwrap_or("").as_bytes()).await;
                        if slow {
                            std::future::pending::<()>().await;
                        }
                    });
                }
            });
            Asker::new("127.0.0.1", port, &Tls::anyone().unwrap()).await.ask(0).await
        };
        let exchange = if slow { paused(asked) } else { on_a_true_clock(asked) };
        assert_eq!(class(&exchange), Some(FailureClass::Tls), "{exchange:?}");
        let waited = exchange.ended.is_some_and(|at| at >= Offset::from_secs(10.0));
        assert_eq!(waited, slow, "the connect timeout of 10 s must end the silence, and that alone: {exchange:?}");
    }
}

#[test]
fn a_stream_cut_without_goodbye_is_broken() {
    on_a_true_clock(async {
        let server = SecureServer::start("localhost", async |stream| {
            read_request(stream).await.unwrap();
            stream.write_all(&[STREAM_HEAD, &chunk(&event(TOKEN))].concat()).await.unwrap();
            stream.flush().await.unwrap();
        });
        let exchange = asked("localhost", &server, &server.trusted()).await;
        assert_eq!((class(&exchange), exchange.events), (Some(FailureClass::Reset), 1), "{exchange:?}");
    });
}

#[test]
fn discovery_trusts_whom_the_run_trusts() {
    on_a_true_clock(async {
        let answer =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{MODELS}", MODELS.len());
        let server = SecureServer::start("localhost", async move |stream| {
            read_request(stream).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        });
        let target = Target::parse(&format!("https://localhost:{}", server.address.port())).unwrap();
        for tls in [server.trusted(), Tls::anyone().unwrap()] {
            assert_eq!(Discovery::new(None, &[], &tls).unwrap().first_model(&target).await.unwrap(), "first");
        }
        let refused =
            Discovery::new(None, &[], &Tls::machine().unwrap()).unwrap().first_model(&target).await.unwrap_err();
        assert!(refused.to_string().contains("the option ca-cert"), "{refused}");
    });
}

#[test]
fn a_file_without_certificates_is_refused_by_its_name() {
    for pem in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n?",
    ] {
        let error = Tls::machine_and(pem.as_bytes(), Path::new("roots.pem")).unwrap_err().to_string();
        assert!(error.contains("roots.pem") && error.contains("the option ca-cert"), "{pem}: {error}");
    }
}
