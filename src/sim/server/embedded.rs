//! Owns `Embedded`: the simulated server on a thread of its own, for a run without a target and for calibration.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::oneshot;

use crate::error::Error;
use crate::sim::server::{Options, Served, Server, listen};

/// A simulated server on a thread of its own, on a free port of this machine. Stops when dropped.
#[derive(Debug)]
pub(crate) struct Embedded {
    url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<io::Result<Served>>>,
}

impl Embedded {
    /// Starts a server and returns once its port is known.
    pub(crate) fn start(options: Options) -> Result<Self, Error> {
        let broken = |why: String| Error::Internal(format!("the simulated server did not start: {why}"));
        let (stop, stopped) = oneshot::channel();
        let (address, listening) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("simulated-server".to_owned())
            .spawn(move || serve(options, &address, stopped))
            .map_err(|why| broken(why.to_string()))?;
        let address: SocketAddr =
            listening.recv().map_err(|why| broken(why.to_string()))?.map_err(|why| broken(why.to_string()))?;
        Ok(Self { url: format!("http://{address}"), stop: Some(stop), thread: Some(thread) })
    }

    /// The server's base URL.
    #[must_use]
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // The server may have stopped already; its result is not needed.
        if let Some(stop) = self.stop.take() {
            _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

fn serve(
    options: Options,
    address: &std::sync::mpsc::Sender<io::Result<SocketAddr>>,
    stopped: oneshot::Receiver<()>,
) -> io::Result<Served> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let bound = listener
            .as_ref()
            .map_err(|why| io::Error::new(why.kind(), why.to_string()))
            .and_then(TcpListener::local_addr);
        // The receiver of the address is gone only when the process ends.
        _ = address.send(bound);
        Server::new(options).serve(listener?, async { _ = stopped.await }).await
    })
}
