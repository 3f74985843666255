//! Owns the hostile server: one thread per connection; each follows the same script of raw bytes until the client
//! leaves.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The steps of the server on a connection. At the end of its script it closes.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Reads one request. A request for the models gets a valid list, unless the script applies to it too.
    Request,
    /// Writes these bytes.
    Write(Vec<u8>),
    /// Writes these bytes repeatedly until the client leaves.
    Forever(Vec<u8>),
    /// Writes these bytes one by one, with this many milliseconds between them.
    Drip(Vec<u8>, u64),
    /// Waits this many milliseconds.
    Pause(u64),
    /// Breaks the connection.
    Reset,
    /// Neither writes nor reads until the client leaves.
    Hold,
}

/// The number of good responses before each response that follows the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Healthy(pub(crate) u64);

/// A valid list of models.
const MODELS: &str = r#"{"object":"list","data":[{"id":"m"}]}"#;

/// Serves `script` to every connection; requests for the models get the script only with `at_models`. The threads end
/// with the process.
pub(crate) fn serve(script: Vec<Step>, at_models: bool, healthy: Healthy) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (script, asked) = (Arc::new(script), Arc::new(AtomicU64::new(0)));
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(socket) = socket else { continue };
            let (script, asked) = (Arc::clone(&script), Arc::clone(&asked));
            // Without a write timeout, a client that stops reading and does not leave would block the thread forever.
            _ = socket.set_write_timeout(Some(Duration::from_mins(1)));
            _ = socket.set_nodelay(true);
            std::thread::spawn(move || follow(socket, &script, at_models, healthy, &asked));
        }
    });
    address
}

fn follow(mut socket: TcpStream, script: &[Step], at_models: bool, healthy: Healthy, asked: &AtomicU64) -> Option<()> {
    for step in script {
        match step {
            Step::Request => loop {
                let head = request(&mut socket)?;
                if head.starts_with("GET ") && !at_models {
                    write!(socket, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{MODELS}", MODELS.len()).ok()?;
                    continue;
                }
                if healthy.0 == 0 || asked.fetch_add(1, Ordering::Relaxed) % (healthy.0 + 1) == healthy.0 {
                    break;
                }
                socket.write_all(&super::table::good()).ok()?;
            },
            Step::Write(bytes) => socket.write_all(bytes).ok()?,
            Step::Forever(bytes) => {
                // Large writes, so that this server does not limit the flood.
                let many = bytes.repeat((64 << 10) / bytes.len().max(1) + 1);
                loop {
                    socket.write_all(&many).ok()?;
                }
            }
            Step::Drip(bytes, pause_ms) => {
                for byte in bytes {
                    socket.write_all(&[*byte]).ok()?;
                    std::thread::sleep(Duration::from_millis(*pause_ms));
                }
            }
            Step::Pause(ms) => std::thread::sleep(Duration::from_millis(*ms)),
            Step::Reset => {
                // Unread bytes of the client turn the close into a reset.
                socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).ok()?;
                return None;
            }
            Step::Hold => _ = std::io::copy(&mut socket, &mut std::io::sink()),
        }
    }
    _ = socket.shutdown(Shutdown::Write);
    _ = socket.set_read_timeout(Some(Duration::from_secs(5)));
    _ = std::io::copy(&mut socket, &mut std::io::sink());
    None
}

/// Reads one request with its body and returns the head; `None` when the client leaves.
fn request(socket: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4) {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            let length = head
                .to_ascii_lowercase()
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
            if read.len() >= end + length.unwrap_or(0) {
                return Some(head);
            }
        }
        match socket.read(&mut piece) {
            Ok(bytes @ 1..) => read.extend_from_slice(&piece[..bytes]),
            Ok(_) | Err(_) => return None,
        }
    }
}
