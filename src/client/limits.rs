//! Owns the limits of the machine: file descriptors and ephemeral ports, compared with the connections of a run.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Addresses;
use crate::error::Error;

/// File descriptors reserved for everything else than connections: files, the runtime, standard streams.
const OTHER_DESCRIPTORS: u64 = 128;

/// Most entries for which the kernel's descriptor table is enlarged ahead. Each entry takes 8 bytes.
const MOST_ROOM: u64 = 1 << 16;

/// Number of ephemeral ports in Linux's default range (32768 to 60999).
const DEFAULT_PORTS: u64 = 28_232;

/// The limits of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// File descriptors that this process may have open.
    pub descriptors: u64,
    /// Connections that can be open to one address and port: the number of ephemeral ports.
    pub ports: u64,
}

impl Limits {
    /// Raises the soft limit of file descriptors for `connections`, as far as the hard limit allows. Enlarges the
    /// kernel's descriptor table for them. Returns the limits that then apply.
    #[must_use]
    pub fn raised_for(connections: u64) -> Self {
        let wanted = connections.saturating_add(OTHER_DESCRIPTORS);
        let limit = getrlimit(Resource::Nofile);
        // `None` means no limit.
        let (soft, hard) = (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX));
        let mut descriptors = soft;
        if soft < wanted {
            let raised = wanted.min(hard);
            if setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum }).is_ok() {
                descriptors = raised;
            }
        }
        make_room(wanted.min(descriptors).min(MOST_ROOM));
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
        Self { descriptors, ports: port_count(&range).unwrap_or(DEFAULT_PORTS) }
    }

    /// Refuses a run with `connections` open at the same time, spread evenly over `targets`, if they exceed the limits.
    /// The caller adds any safety margin.
    pub fn admit(&self, connections: u64, targets: &[Addresses]) -> Result<(), Error> {
        let wanted = connections.saturating_add(OTHER_DESCRIPTORS);
        if wanted > self.descriptors {
            return Err(Error::usage(
                "rate",
                format!(
                    "about {connections} connections at once need {wanted} file descriptors, and {} are allowed",
                    self.descriptors
                ),
                format!(
                    "raise the limit (`ulimit -n {wanted}`, as root `ulimit -Hn {wanted}` first), or lower the option \
                     rate or the option max-in-flight"
                ),
            ));
        }
        for (address, share) in shares(connections, targets) {
            if share > self.ports {
                return Err(Error::usage(
                    "rate",
                    format!(
                        "about {share} connections at once to {address} need as many ephemeral ports, and {} are there",
                        self.ports
                    ),
                    "widen the range (`sysctl net.ipv4.ip_local_port_range='1024 65535'`), give more targets, or lower \
                     the option rate or the option max-in-flight",
                ));
            }
        }
        Ok(())
    }
}

/// Makes the kernel enlarge its descriptor table for `descriptors` entries now. Otherwise the table grows when the
/// process opens its 257th, 513th, 1 025th … descriptor. A process with several threads then waits for an RCU grace
/// period (`expand_fdtable`): for 5 to 15 ms nothing is sent and nothing read.
fn make_room(descriptors: u64) {
    let (Ok(file), Ok(last)) = (std::fs::File::open("/dev/null"), i32::try_from(descriptors.saturating_sub(1))) else {
        return;
    };
    // The table keeps its size when the descriptor is closed. If the call fails, the table stays as it is.
    _ = rustix::io::fcntl_dupfd_cloexec(&file, last);
}

/// How many of `connections` go to each address. Requests use the targets in turn, and the connections of a target use
/// its addresses in turn.
fn shares(connections: u64, targets: &[Addresses]) -> BTreeMap<SocketAddr, u64> {
    let mut shares = BTreeMap::new();
    let each = connections.div_ceil(targets.len().max(1) as u64);
    for target in targets {
        for address in target.all() {
            *shares.entry(*address).or_insert(0) += each.div_ceil(target.all().len() as u64);
        }
    }
    shares
}

/// Number of ports in a range written as `32768\t60999`; `None` when it cannot be read.
fn port_count(range: &str) -> Option<u64> {
    let mut bounds = range.split_whitespace().map(str::parse::<u64>);
    let (first, last) = (bounds.next()?.ok()?, bounds.next()?.ok()?);
    (last >= first).then(|| last - first + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Target;

    async fn addresses(urls: &str) -> Vec<Addresses> {
        Addresses::of(&Target::parse_list(urls).unwrap(), &crate::client::Tls::nobody().unwrap()).await.unwrap()
    }

    #[test]
    fn the_port_range_is_inclusive() {
        assert_eq!(port_count("32768\t60999\n"), Some(DEFAULT_PORTS));
        assert_eq!((port_count(""), port_count("5 x"), port_count("9 3")), (None, None, None));
    }

    #[tokio::test]
    async fn a_run_that_does_not_fit_is_refused_with_what_to_do() {
        let one = addresses("http://127.0.0.1:1").await;
        let two = addresses("http://127.0.0.1:1,http://127.0.0.2:1").await;
        let limits = Limits { descriptors: 20_000, ports: 10_000 };
        assert!(limits.admit(9_000, &one).is_ok());
        let ports = limits.admit(15_000, &one).unwrap_err().to_string();
        assert!(ports.contains("15000 connections") && ports.contains("ip_local_port_range"), "{ports}");
        assert!(limits.admit(15_000, &two).is_ok(), "two addresses have twice the ports");
        let descriptors = limits.admit(20_000, &two).unwrap_err().to_string();
        assert!(descriptors.contains("ulimit -n 20128"), "{descriptors}");
    }

    #[tokio::test]
    async fn one_address_given_twice_has_its_ports_once() {
        let twice = addresses("http://127.0.0.1:1,http://127.0.0.1:1").await;
        assert!(Limits { descriptors: 1 << 20, ports: 1000 }.admit(1500, &twice).is_err());
    }

    #[test]
    fn descriptors_are_raised_within_the_hard_limit() {
        let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        let limits = Limits::raised_for(hard.saturating_sub(OTHER_DESCRIPTORS).min(4_000));
        assert!(limits.descriptors >= 4_000.min(hard) && limits.descriptors <= hard);
        assert!(limits.ports > 0);
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let room: u64 = status.lines().find_map(|line| line.strip_prefix("FDSize:")).unwrap().trim().parse().unwrap();
        assert!(
            room >= 4_000.min(hard),
            "the table of descriptors has room for {room} before the first of them is opened"
        );
    }
}
