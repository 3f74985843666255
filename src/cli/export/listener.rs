//! Owns `Export`, the listener of `--prometheus`: it answers one scrape after the other on a thread of low priority.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use prometheus_client::registry::Registry;

use crate::cli::export::figures::{Figures, openmetrics};
use crate::cli::export::text::{CLASSIC, OPENMETRICS, classic, takes_openmetrics};
use crate::error::Error;

/// How long a client may take to send its request, and to take the answer. Meanwhile other clients wait.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest request head in bytes.
const MOST_HEAD: usize = 16 << 10;
/// How much other threads are preferred, so that a send does not wait for a scrape.
const NICE: i32 = 19;

/// The figures of this process, served while it lives.
#[derive(Debug)]
pub(in crate::cli) struct Export {
    address: SocketAddr,
    figures: Figures,
}

impl Export {
    /// Listens at `address` and serves from now on. Fails if the address is in use, or cannot be used.
    pub(in crate::cli) fn listen(address: SocketAddr) -> Result<Self, Error> {
        let refuse = |why: &io::Error| {
            let why = match why.kind() {
                ErrorKind::AddrInUse => format!("another program has {address}"),
                _ => format!("{address} cannot be listened on: {why}"),
            };
            let advice = format!(
                "give another port, or :0 for any free one; `ss -ltnp 'sport = :{}'` shows who has this one",
                address.port()
            );
            Error::usage("--prometheus", why, advice)
        };
        let listener = TcpListener::bind(address).map_err(|why| refuse(&why))?;
        let address = listener.local_addr().map_err(|why| refuse(&why))?;
        let (figures, registry) = Figures::new();
        std::thread::Builder::new()
            .name("prometheus".to_owned())
            .spawn(move || serve(&listener, &registry))
            .map_err(|why| Error::Internal(format!("no thread can serve the figures: {why}")))?;
        Ok(Self { address, figures })
    }

    /// Where the figures are.
    pub(in crate::cli) fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    pub(super) fn figures(&self) -> &Figures {
        &self.figures
    }
}

fn serve(listener: &TcpListener, registry: &Registry) {
    // On Linux this is about the calling thread alone. Without it the figures are still served.
    _ = rustix::process::setpriority_process(None, NICE);
    for client in listener.incoming() {
        match client {
            // A client that breaks off gets no answer, and the next one is served.
            Ok(client) => _ = answer(client, registry),
            // Without descriptors, a pause gives others time to end.
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn answer(mut client: TcpStream, registry: &Registry) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let head = head_of(&mut client)?;
    client.write_all(&response(&head, registry))
}

/// The head of a request, up to its empty line.
pub(super) fn head_of(client: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut part = [0; 1024];
    while memchr::memmem::find(&head, b"\r\n\r\n").is_none() {
        let read = client.read(&mut part)?;
        if read == 0 || head.len() > MOST_HEAD {
            return Err(ErrorKind::InvalidData.into());
        }
        head.extend_from_slice(&part[..read]);
    }
    Ok(head)
}

/// The response to the request with this head.
pub(super) fn response(head: &[u8], registry: &Registry) -> Vec<u8> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    if request.parse(head).is_err() {
        return written("400 Bad Request", "text/plain", "not an HTTP request\n", true);
    }
    let path = request.path.and_then(|path| path.split('?').next());
    match (request.method, path) {
        (Some(method @ ("GET" | "HEAD")), Some("/metrics")) => {
            let accept = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("accept"));
            let is_new =
                accept.map(|header| String::from_utf8_lossy(header.value)).any(|text| takes_openmetrics(&text));
            let text = openmetrics(registry);
            let (kind, text) = if is_new { (OPENMETRICS, text) } else { (CLASSIC, classic(&text)) };
            written("200 OK", kind, &text, method == "GET")
        }
        (Some("GET" | "HEAD"), _) => written("404 Not Found", "text/plain", "the figures are at /metrics\n", true),
        _ => written("405 Method Not Allowed", "text/plain", "only GET is answered\n", true),
    }
}

fn written(status: &str, kind: &str, body: &str, with_body: bool) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    if with_body { (head + body).into_bytes() } else { head.into_bytes() }
}
