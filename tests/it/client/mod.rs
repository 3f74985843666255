//! Owns the tests of the client over real sockets: a server that writes exactly the bytes of a script, under a paused
//! clock.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod bodies;
mod connections;
mod discovery;
mod endpoints;
mod http2;
mod outcomes;
mod requests;
mod sockets;
mod tls;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};
use tokio::runtime::{Builder, LocalOptions};
use tonnage::client::{
    Addresses, Call, Client, Departure, Encoder, HttpClient, ReceiveClock, RequestOptions, Target, Tls,
};
use tonnage::clock::RunClock;
use tonnage::record::{Exchange, FailureClass, Outcome};
use tonnage::workload::{Outline, RequestSpec};

/// The steps of the server on one connection. At the end of its script it closes.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Reads one whole request.
    Request,
    /// Writes these bytes.
    Write(Vec<u8>),
    /// Writes these bytes one at a time, each in its own segment.
    Drip(Vec<u8>),
    /// Waits this many milliseconds.
    Pause(u64),
    /// Breaks the connection (RST).
    Reset,
    /// Keeps the connection open until the client closes it.
    Hold,
}

/// A server that follows scripts: one per connection in the order of acceptance; the last script also serves all
/// later connections.
pub(crate) struct Server {
    url: String,
    state: Rc<State>,
}

/// A stream between client and server.
trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// Lets the stream end with RST once it is dropped.
    fn reset_when_dropped(&self);
}

impl Stream for TcpStream {
    fn reset_when_dropped(&self) {
        self.set_zero_linger().unwrap();
    }
}

impl Stream for UnixStream {
    fn reset_when_dropped(&self) {
        panic!("a unix socket has no RST: the script needs TCP");
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

#[derive(Default)]
struct State {
    accepted: Cell<usize>,
    closed_by_client: Cell<usize>,
    requests: RefCell<Vec<Vec<u8>>>,
}

impl Server {
    /// Over TCP, whose bytes a busy kernel may deliver only after the paused clock has moved on.
    pub(crate) fn over_tcp(scripts: Vec<Vec<Step>>) -> Self {
        // A large backlog: the kernel retries a connection beyond the backlog after a real second, and a paused clock
        // skips that second.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let listener = socket.listen(1024).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self::start(Listener::Tcp(listener), url, scripts)
    }

    /// At a unix socket, whose bytes are there when the write returns.
    pub(crate) fn at(path: &Path, scripts: Vec<Vec<Step>>) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        Self::start(Listener::Unix(listener), format!("unix:{}", path.display()), scripts)
    }

    fn start(listener: Listener, url: String, scripts: Vec<Vec<Step>>) -> Self {
        let state = Rc::new(State::default());
        let shared = state.clone();
        tokio::task::spawn_local(async move {
            let next = || {
                let script = scripts[shared.accepted.get().min(scripts.len() - 1)].clone();
                shared.accepted.set(shared.accepted.get() + 1);
                (script, shared.clone())
            };
            loop {
                match &listener {
                    Listener::Tcp(listener) => {
                        let (socket, _) = listener.accept().await.unwrap();
                        socket.set_nodelay(true).unwrap();
                        let (script, state) = next();
                        tokio::task::spawn_local(follow(socket, script, state));
                    }
                    Listener::Unix(listener) => {
                        let (socket, _) = listener.accept().await.unwrap();
                        let (script, state) = next();
                        tokio::task::spawn_local(follow(socket, script, state));
                    }
                }
            }
        });
        Self { url, state }
    }

    /// The base URL of the server.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Connections accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.state.accepted.get()
    }

    /// Connections that the client closed while the script held them.
    fn closed_by_client(&self) -> usize {
        self.state.closed_by_client.get()
    }

    /// The requests read so far, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.requests.borrow().iter().map(|request| String::from_utf8(request.clone()).unwrap()).collect()
    }

    pub(crate) fn target(&self) -> Target {
        Target::parse(&self.url).unwrap()
    }
}

async fn follow(mut socket: impl Stream, script: Vec<Step>, state: Rc<State>) {
    for step in script {
        match step {
            Step::Request => match read_request(&mut socket).await {
                Some(request) => state.requests.borrow_mut().push(request),
                None => return,
            },
            Step::Write(bytes) => {
                if socket.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Step::Drip(bytes) => {
                for byte in bytes {
                    if socket.write_all(&[byte]).await.is_err() {
                        return;
                    }
                    // The paused clock moves only when all bytes have been read, so each byte arrives alone.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            Step::Pause(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Step::Reset => {
                socket.reset_when_dropped();
                return;
            }
            Step::Hold => {
                let mut rest = Vec::new();
                let _ = socket.read_to_end(&mut rest).await;
                state.closed_by_client.set(state.closed_by_client.get() + 1);
            }
        }
    }
}

/// Reads one request, by its content length; `None` when the client closes.
async fn read_request(socket: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    let mut length = None;
    loop {
        let head_end = request.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        if let Some(end) = head_end {
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            let body = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ").map(|n| n.parse::<usize>().unwrap()));
            length = Some(end + body.unwrap_or(0));
        }
        if length.is_some_and(|length| request.len() >= length) {
            return Some(request);
        }
        let mut piece = [0; 4096];
        match socket.read(&mut piece).await {
            Ok(read @ 1..) => request.extend_from_slice(&piece[..read]),
            _ => return None,
        }
    }
}

/// A client of one server, and the clock of the run.
pub(crate) struct Bench {
    pub(crate) server: Server,
    pub(crate) client: Rc<HttpClient>,
    pub(crate) encoder: Encoder,
    pub(crate) clock: RunClock,
    /// Where the socket is.
    _folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) async fn new(scripts: Vec<Vec<Step>>) -> Self {
        Self::with(scripts, |_| ()).await
    }

    pub(crate) async fn with(scripts: Vec<Vec<Step>>, adjust: impl FnOnce(&mut RequestOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let resets = scripts.iter().flatten().any(|step| matches!(step, Step::Reset));
        let server =
            if resets { Server::over_tcp(scripts) } else { Server::at(&folder.path().join("server.sock"), scripts) };
        Self::of(server, folder, adjust).await
    }

    /// The same over TCP.
    pub(crate) async fn over_tcp(scripts: Vec<Vec<Step>>, adjust: impl FnOnce(&mut RequestOptions)) -> Self {
        Self::of(Server::over_tcp(scripts), tempfile::tempdir().unwrap(), adjust).await
    }

    async fn of(server: Server, folder: tempfile::TempDir, adjust: impl FnOnce(&mut RequestOptions)) -> Self {
        let mut options = RequestOptions::new(vec![server.target()], vec!["m".to_owned()]);
        adjust(&mut options);
        let addresses = Addresses::of(&options.targets, &Tls::nobody().unwrap()).await.unwrap();
        let client = Rc::new(HttpClient::stamped_by(ReceiveClock::UserSpace, &addresses, Duration::from_secs(10), 0));
        let clock = RunClock::starting_in(Duration::ZERO);
        Self { server, client, encoder: Encoder::new(&options).unwrap(), clock, _folder: folder }
    }

    pub(crate) fn call(&self, id: u64) -> Call {
        HttpClient::prepare(&self.encoder, spec(id))
    }

    pub(crate) async fn send(&self, call: Call) -> Exchange {
        let mut exchange = Exchange { sent: Some(self.clock.now()), ..Exchange::default() };
        self.client.clone().send(call, self.clock, &Departure::at(self.clock.now()), &mut exchange).await;
        exchange
    }

    pub(crate) async fn ask(&self, id: u64) -> Exchange {
        self.send(self.call(id)).await
    }
}

pub(crate) fn spec(id: u64) -> RequestSpec {
    let outline = Outline::single(id, 1, 8);
    RequestSpec::of_text(outline, format!("say \"{id}\"\n"))
}

/// Runs a test with server and client on one thread and one paused clock.
pub(crate) fn paused<F: Future>(test: F) -> F::Output {
    Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build_local(LocalOptions::default())
        .unwrap()
        .block_on(test)
}

/// Runs a test with server and client on one thread, where nothing depends on time.
pub(crate) fn on_a_true_clock<F: Future>(test: F) -> F::Output {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap().block_on(test)
}

pub(crate) const ROLE: &str = r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#;
pub(crate) const TOKEN: &str = r#"{"choices":[{"delta":{"content":"é"}}]}"#;
pub(crate) const FINISH: &str = r#"{"choices":[{"delta":{},"finish_reason":"length"}],"usage":null}"#;
pub(crate) const USAGE: &str = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
pub(crate) const DONE: &str = "[DONE]";

pub(crate) fn event(data: &str) -> Vec<u8> {
    format!("data: {data}\n\n").into_bytes()
}

/// One HTTP chunk.
pub(crate) fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

pub(crate) const STREAM_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// Head and events in one write; each event is a chunk, and the last chunk is included.
pub(crate) fn streamed(events: &[&str]) -> Vec<u8> {
    let chunks: Vec<u8> = events.iter().flat_map(|data| chunk(&event(data))).collect();
    [STREAM_HEAD, &chunks, LAST_CHUNK].concat()
}

/// A complete, valid response.
pub(crate) fn good() -> Vec<u8> {
    streamed(&[ROLE, TOKEN, TOKEN, FINISH, USAGE, DONE])
}

pub(crate) fn class(exchange: &Exchange) -> Option<FailureClass> {
    match &exchange.outcome {
        Outcome::Completed => None,
        Outcome::Failed(failure) => Some(failure.class),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn failure_text(exchange: &Exchange) -> &str {
    match &exchange.outcome {
        Outcome::Failed(failure) => &failure.text,
        other => panic!("{other:?}"),
    }
}
