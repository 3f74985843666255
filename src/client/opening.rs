//! Owns `Opener`: how a connection to one target is opened, over its addresses in turn.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::Addresses;
use super::shared::SharedLine;
use super::stamped::{Layers, Stamps};
use super::tls::Secure;
use super::traffic::Traffic;
use super::wire::{Scratch, Wire};
use crate::clock::{Receiver, RunClock, Socket};
use crate::record::{Failure, FailureCause, FailureClass};
use crate::units::Offset;

/// How long an address that could not be reached is tried only after the other addresses.
const AVOIDED_FOR: Duration = Duration::from_secs(10);

/// Where a connection goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Tcp(SocketAddr),
    Unix(Arc<Path>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

struct Address {
    place: Place,
    avoid_until: Cell<Offset>,
}

/// What opening a connection needs, for all targets of one client.
#[derive(Debug)]
pub(super) struct Means {
    /// Measures deadlines; its origin does not matter.
    pub(super) clock: RunClock,
    pub(super) connect_timeout: Duration,
    pub(super) scratch: Scratch,
    pub(super) receiver: Rc<Receiver>,
}

/// An open connection.
pub(super) enum Opened {
    Alone(Box<Wire>),
    Shared(Rc<SharedLine>),
}

/// Opens connections to one target.
pub(super) struct Opener {
    means: Rc<Means>,
    addresses: Vec<Address>,
    secure: Option<Secure>,
    /// HTTP/2 without asking.
    knows_two: bool,
    traffic: Arc<Traffic>,
    next_address: Cell<usize>,
}

impl Opener {
    /// An opener that begins with address number `start`.
    pub(super) fn new(means: Rc<Means>, target: &Addresses, start: usize) -> Self {
        let tcp = target.all().iter().map(|socket| Place::Tcp(*socket));
        let unix = target.socket().map(|path| Place::Unix(path.clone()));
        let address = |place| Address { place, avoid_until: Cell::new(Offset::ZERO) };
        Self {
            means,
            addresses: tcp.chain(unix).map(address).collect(),
            secure: target.secure().cloned(),
            knows_two: target.knows_two(),
            traffic: target.traffic().clone(),
            next_address: Cell::new(start),
        }
    }

    /// Whether the target is known to speak HTTP/2.
    pub(super) fn speaks_two(&self) -> bool {
        self.knows_two || self.traffic.speaks_two()
    }

    /// Whether connections are encrypted.
    pub(super) fn is_secure(&self) -> bool {
        self.secure.is_some()
    }

    /// The instant after which a connection that begins to open now is too late.
    pub(super) fn deadline(&self) -> Offset {
        self.means.clock.now().plus(self.means.connect_timeout)
    }

    /// Opens a connection to the next address in turn, or to the following ones if it cannot be reached. Everything,
    /// TLS included, must be done by `deadline`.
    pub(super) async fn open(&self, deadline: Offset) -> Result<Opened, Failure> {
        let clock = &self.means.clock;
        let start = self.next_address.get();
        self.next_address.set(start.wrapping_add(1));
        let now = clock.now();
        let count = self.addresses.len();
        let mut order: Vec<&Address> = (0..count).map(|i| &self.addresses[start.wrapping_add(i) % count]).collect();
        order.sort_by_key(|address| address.avoid_until.get() > now);
        let mut failure = Failure::new(FailureClass::Connect, "no address");
        for (tried, address) in order.iter().enumerate() {
            let left = deadline.since(clock.now());
            let patience = left / u32::try_from(count - tried).unwrap_or(u32::MAX);
            match self.open_to(&address.place, patience).await {
                Ok(opened) => {
                    address.avoid_until.set(Offset::ZERO);
                    return Ok(opened);
                }
                Err(met) => {
                    let text = format!("{}: {}", address.place, met.text);
                    failure = met.told(text);
                    address.avoid_until.set(clock.now().plus(AVOIDED_FOR));
                }
            }
        }
        Err(failure)
    }

    async fn open_to(&self, place: &Place, patience: Duration) -> Result<Opened, Failure> {
        let Means { clock, connect_timeout, scratch, receiver } = &*self.means;
        let begun = clock.now();
        let deadline = begun.plus(patience);
        let limit_s = connect_timeout.as_secs_f64();
        let late = |class, what: &str| {
            Failure::new(class, format!("no {what} within {limit_s:.1} s (the option connect-timeout)"))
                .because(FailureCause::ConnectTimeout)
        };
        let connected =
            timeout(patience, connect(place)).await.map_err(|_| late(FailureClass::Connect, "connection"))?;
        let refused = |error: io::Error| {
            Failure::new(FailureClass::Connect, error.to_string()).because(FailureCause::of_connection(&error))
        };
        let socket = connected.map_err(refused)?;
        socket.set_nodelay().map_err(refused)?;
        let round_trip = clock.now().since(begun);
        let stamps = Rc::new(Stamps::default());
        let left = deadline.since(clock.now());
        let agreed = timeout(left, Layers::on(socket, receiver, &stamps, self.secure.as_ref())).await;
        let layers = agreed.unwrap_or_else(|_| Err(late(FailureClass::Tls, "TLS")))?;
        if self.knows_two || layers.agreed_on_two() {
            let left = deadline.since(clock.now());
            let begun = timeout(left, SharedLine::over(layers, stamps, *clock, self.traffic.clone())).await;
            let line = begun.unwrap_or_else(|_| Err(late(FailureClass::Connect, "settings of HTTP/2")))?;
            return Ok(Opened::Shared(line));
        }
        let wire = Wire::over(layers, stamps, scratch.clone(), round_trip).await?;
        Ok(Opened::Alone(Box::new(wire)))
    }
}

async fn connect(place: &Place) -> io::Result<Socket> {
    Ok(match place {
        Place::Tcp(address) => Socket::Tcp(TcpStream::connect(address).await?),
        Place::Unix(path) => Socket::Unix(UnixStream::connect(path).await?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::wire::scratch;
    use crate::clock::ReceiveClock;

    fn opener(target: &Addresses) -> Opener {
        let means = Means {
            clock: RunClock::starting_in(Duration::ZERO),
            connect_timeout: Duration::from_secs(10),
            scratch: scratch(),
            receiver: Rc::new(Receiver::new(ReceiveClock::UserSpace)),
        };
        Opener::new(Rc::new(means), target, 0)
    }

    async fn listener() -> (tokio::net::TcpListener, SocketAddr) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[tokio::test(flavor = "local")]
    async fn addresses_are_used_in_turn_and_one_that_is_down_is_passed_over() {
        let ((up, first), (down, second)) = (listener().await, listener().await);
        drop(down);
        let opener = opener(&Addresses::plain(&[second, first]));
        for _ in 0..4 {
            assert!(opener.open(Offset::NEVER).await.is_ok());
            let (_, _) = up.accept().await.unwrap();
        }
        assert!(opener.addresses[0].avoid_until.get() > Offset::ZERO);
        drop(up);
        let failure = opener.open(Offset::NEVER).await.err().map(|failure| failure.class);
        assert_eq!(failure, Some(FailureClass::Connect));
    }

    #[tokio::test(flavor = "local", start_paused = true)]
    async fn a_socket_at_which_nobody_listens_is_a_refused_connection() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.sock");
        let target = crate::client::Target::parse(&format!("unix:{}", path.display())).unwrap();
        let tls = crate::client::Tls::nobody().unwrap();
        let opener = opener(&target.resolve(&tls, Duration::from_secs(1)).await.unwrap());
        let failure = opener.open(Offset::NEVER).await.err().unwrap();
        assert_eq!(failure.class, FailureClass::Connect);
        assert!(failure.text.starts_with(&format!("unix:{}: ", path.display())), "{failure:?}");
        let _listener = tokio::net::UnixListener::bind(&path).unwrap();
        assert!(opener.open(Offset::NEVER).await.is_ok());
    }
}
