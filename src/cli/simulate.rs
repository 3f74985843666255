//! Owns verb `simulate`, and the embedded server of a run without a target: the same server, on a thread of its own.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::thread::JoinHandle;

use hdrhistogram::Histogram;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::oneshot;

use crate::cli::arguments::SimulateArguments;
use crate::cli::exit::Exit;
use crate::cli::signals::Signals;
use crate::cli::terminal::{print, say};
use crate::error::Error;
use crate::seed::Seed;
use crate::sim::{Options, Profile, Served, Server, listen};
use crate::units::{count, seconds};

/// Serves until told to stop.
pub(super) fn simulate(arguments: SimulateArguments) -> Result<ExitCode, Error> {
    let truth: Option<Box<dyn Write + Send>> = match &arguments.truth {
        Some(path) => {
            let file = File::create(path).map_err(|why| Error::output(path, format!("{why}; check --truth")))?;
            Some(Box::new(BufWriter::new(file)))
        }
        None => None,
    };
    let faults = arguments.fault.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let options = Options {
        profile: arguments.sim,
        faults: arguments.fault,
        seed: Seed::new(arguments.seed),
        api_key: arguments.api_key,
        truth,
        ..Options::default()
    };
    let model = options.model.clone();
    let served = local_runtime()?.block_on(async {
        // Before the address is said, so that whoever reads it can stop us.
        let mut signals = Signals::listen()?;
        let listener = listen(arguments.listen).map_err(|why| {
            Error::usage("--listen", format!("`{}` cannot be listened on: {why}", arguments.listen), "give a free port, or 0 for any")
        })?;
        let address = listener.local_addr().map_err(|why| Error::Internal(format!("a listener without an address: {why}")))?;
        print(&format!("http://{address}\n"))?;
        say(&format!("serving model {model}, profile {}, seed {}; Ctrl-C ends it", arguments.sim, arguments.seed));
        if !faults.is_empty() {
            say(&format!("faults: {faults}"));
        }
        Server::new(options)
            .serve(listener, async { signals.next().await })
            .await
            .map_err(|why| Error::Internal(format!("the simulated server broke: {why}")))
    })?;
    say(&account(&served));
    if let Some(path) = &arguments.truth {
        say(&format!("truth in {}", path.display()));
    }
    Ok(Exit::Done.into())
}

/// What a server did, and how exactly.
fn account(served: &Served) -> String {
    let lateness = |late_ns: &Histogram<u64>, what: &str| {
        let late = |share: f64| seconds(late_ns.value_at_quantile(share) as f64 / 1e9);
        format!("own lateness of {} {what}: p50 {}, p99 {}, max {}", count(late_ns.len()), late(0.5), late(0.99), late(1.0))
    };
    let writes = if served.late_ns.is_empty() { "nothing written".to_owned() } else { lateness(&served.late_ns, "writes") };
    let steps = served.step_late_ns.as_ref().filter(|late_ns| !late_ns.is_empty());
    let steps = steps.map_or_else(String::new, |late_ns| format!("; {}", lateness(late_ns, "steps")));
    format!("{} requests on {} connections; {writes}{steps}", count(served.requests), count(served.connections))
}

/// A current-thread runtime that can spawn local tasks.
pub(super) fn local_runtime() -> Result<LocalRuntime, Error> {
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .map_err(|why| Error::Internal(format!("no runtime: {why}")))
}

/// A simulated server on a thread of its own, on a free port of this machine. Stops when dropped.
#[derive(Debug)]
pub(super) struct Embedded {
    url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<io::Result<Served>>>,
}

impl Embedded {
    /// Starts one.
    pub(super) fn start(profile: Profile, seed: Seed) -> Result<Self, Error> {
        let broken = |why: String| Error::Internal(format!("no simulated server: {why}"));
        let (stop, stopped) = oneshot::channel();
        let (address, listening) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("simulated-server".to_owned())
            .spawn(move || serve_embedded(profile, seed, &address, stopped))
            .map_err(|why| broken(why.to_string()))?;
        let address: SocketAddr = listening.recv().map_err(|why| broken(why.to_string()))?.map_err(|why| broken(why.to_string()))?;
        Ok(Self { url: format!("http://{address}"), stop: Some(stop), thread: Some(thread) })
    }

    /// Its base URL.
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // A server that is gone already needs no telling, and what it did is not asked for.
        if let Some(stop) = self.stop.take() {
            _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

fn serve_embedded(
    profile: Profile,
    seed: Seed,
    address: &std::sync::mpsc::Sender<io::Result<SocketAddr>>,
    stopped: oneshot::Receiver<()>,
) -> io::Result<Served> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let bound = listener.as_ref().map_err(|why| io::Error::new(why.kind(), why.to_string())).and_then(TcpListener::local_addr);
        // Whoever waits for the address has gone only when the process ends.
        _ = address.send(bound);
        let options = Options { profile, seed, ..Options::default() };
        Server::new(options).serve(listener?, async { _ = stopped.await }).await
    })
}
