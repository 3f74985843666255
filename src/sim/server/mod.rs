//! Owns the simulated server over HTTP/1.1 and HTTP/2: options, accepting, shutting down.

mod answering;
mod chunks;
mod connection;
mod embedded;
mod generating;
mod listener;
mod request;
mod shared;
mod stream;
mod streams;
mod tokenize;
mod truth;
mod vocabulary;
mod way;
mod wire;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use crate::clock::{Pacing, ReceiveClock, Receiver, RunClock, Socket, Timers, monotonic_ns};
use crate::seed::Seed;
use crate::sim::fault::Faults;
use crate::sim::live::ServerDesk;
use crate::sim::{InjectedFault, MODEL_NAME, ServiceProfile};
pub(crate) use embedded::Embedded;
pub use listener::{Listener, listen, listen_at};
use shared::Shared;
use truth::Ledger;

/// The options of a server.
pub struct Options {
    /// The behaviour of the server.
    pub profile: ServiceProfile,
    /// The faults that the server injects.
    pub faults: Vec<InjectedFault>,
    /// The seed of its random numbers.
    pub seed: Seed,
    /// The key that requests to `/v1` must carry (`Authorization: Bearer …`); `None`: no key is needed.
    pub api_key: Option<String>,
    /// The name of the only model.
    pub model: String,
    /// How long the server waits for the bytes of a request before it closes the connection. vLLM: 5 s.
    pub keep_alive: Duration,
    /// The most streams at the same time on one connection of HTTP/2 (`SETTINGS_MAX_CONCURRENT_STREAMS`). nginx: 128.
    pub most_streams: u32,
    /// The destination of the truth log, one JSON line per request.
    pub truth: Option<Box<dyn Write + Send>>,
    /// How the server sleeps: precisely on a real clock, coarsely under a paused test clock.
    pub pacing: Pacing,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            profile: ServiceProfile::small(),
            faults: Vec::new(),
            seed: Seed::new(1),
            api_key: None,
            model: MODEL_NAME.to_owned(),
            keep_alive: Duration::from_secs(5),
            most_streams: 128,
            truth: None,
            pacing: Pacing::Precise,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("profile", &self.profile)
            .field("faults", &self.faults)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// The counts of a server, known once it has shut down.
#[derive(Debug, Clone)]
pub struct Served {
    /// Connections accepted.
    pub connections: u64,
    /// Chat and completion requests accepted.
    pub requests: u64,
    /// Actual minus intended instant of every write, in nanoseconds: the server's own timing error.
    pub late_ns: Histogram<u64>,
    /// Actual minus intended end of every engine step, in nanoseconds: the part of the write error that the engine's
    /// own loop adds. `None` for a delay or a queue.
    pub step_late_ns: Option<Histogram<u64>>,
}

/// The simulated server. All of it lives on the thread that runs [`Server::serve`].
#[derive(Debug)]
pub struct Server {
    options: Options,
}

impl Server {
    /// A server with these options; its clock starts with [`Server::serve`].
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// Serves `listener` until `shutdown` is ready, then closes all connections and writes the rest of the truth log.
    ///
    /// Must run where `spawn_local` works (a `LocalRuntime` or a `LocalSet`).
    pub async fn serve(self, listener: impl Into<Listener>, shutdown: impl Future<Output = ()>) -> io::Result<Served> {
        let listener = listener.into();
        let options = self.options;
        let clock = RunClock::starting_in(Duration::ZERO);
        // Only the truth log has the stamps.
        let receive_clock = match (options.pacing, &options.truth) {
            (Pacing::Precise, Some(_)) => ReceiveClock::Kernel,
            _ => ReceiveClock::UserSpace,
        };
        let shared = Rc::new(Shared {
            clock,
            timers: Timers::new(clock, options.pacing),
            receiver: Receiver::new(receive_clock),
            desk: ServerDesk::new(options.profile, options.seed),
            faults: Faults::new(&options.faults, options.seed),
            model_json: inside_json(&options.model)?,
            model_name: options.model,
            authorization: options.api_key.map(|key| format!("Bearer {key}")),
            keep_alive: options.keep_alive,
            ledger: Ledger::new(options.truth, monotonic_ns())?,
            sequence: Cell::new(0),
            vocabulary: RefCell::default(),
            most_streams: options.most_streams,
            streams: RefCell::default(),
            scratch: RefCell::default(),
        });
        let driver = Rc::clone(&shared);
        let mut background = JoinSet::new();
        background.spawn_local(async move { driver.timers.drive().await });
        if let Some(live) = shared.desk.engine().cloned() {
            let timers = shared.timers.clone();
            background.spawn_local(async move { live.drive(&timers).await });
        }
        if shared.ledger.is_kept() {
            let flusher = Rc::clone(&shared);
            background.spawn_local(async move {
                loop {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    flusher.ledger.flush();
                }
            });
        }
        let mut connections = JoinSet::new();
        let accepted = accept_until(&shared, &listener, &mut connections, shutdown).await;
        connections.shutdown().await;
        let mut streams = shared.streams.take();
        streams.shutdown().await;
        background.shutdown().await;
        let shared = Rc::into_inner(shared).ok_or_else(|| io::Error::other("a connection outlived the server"))?;
        let step_late_ns = shared.desk.engine().and_then(|live| live.late_ns());
        Ok(Served {
            connections: accepted,
            requests: shared.sequence.get(),
            late_ns: shared.ledger.finish()?,
            step_late_ns,
        })
    }
}

/// `text` escaped for JSON, without the quotes.
fn inside_json(text: &str) -> io::Result<String> {
    let quoted = serde_json::to_string(text)?;
    Ok(quoted[1..quoted.len() - 1].to_owned())
}

async fn accept_until(
    shared: &Rc<Shared>,
    listener: &Listener,
    connections: &mut JoinSet<()>,
    shutdown: impl Future<Output = ()>,
) -> u64 {
    let mut shutdown = std::pin::pin!(shutdown);
    let mut accepted = 0;
    loop {
        tokio::select! {
            () = &mut shutdown => return accepted,
            connection = listener.accept() => match connection {
                Ok(socket) => {
                    take(shared, socket, accepted, connections);
                    accepted += 1;
                }
                // Probably out of file descriptors: wait, so that open connections can finish and free some.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

fn take(shared: &Rc<Shared>, socket: Socket, number: u64, connections: &mut JoinSet<()>) {
    if shared.faults.refuses(number) {
        // Zero linger: dropping sends RST.
        let _ = socket.reset_when_dropped();
    } else if socket.set_nodelay().is_ok() {
        let shared = Rc::clone(shared);
        connections.spawn_local(async move { connection::serve(&shared, socket).await });
    }
}
