//! Owns the transmit stamps: how long a written request takes to leave, by the kernel's clock.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, TimestampingFlag, Timestamps, recvmsg, setsockopt, sockopt};

use crate::common::host::{now_ns, sleep};
use crate::common::wire::{Response, Template, connect};

/// Time between two requests: the socket is idle when the next one is written, as it is under an open load.
const PAUSE: Duration = Duration::from_millis(2);
/// Time within which the stamp of a request that was answered must have come.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sends `number` requests one after another on one connection, each read to its end. Returns for each the time from
/// just before the call that writes it to its transmission by the kernel, in microseconds.
pub(crate) fn departures(server: SocketAddr, template: &Template, number: u64) -> Result<Vec<f64>, String> {
    let (mut stream, mut template) = (connect(server).map_err(text)?, template.clone());
    let stamps = TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY;
    setsockopt(&stream, sockopt::Timestamping, &stamps).map_err(text)?;
    let mut buffer = vec![0; 1 << 16];
    let mut left_us = Vec::new();
    for request in 0..number {
        sleep(PAUSE);
        let before_ns = wall_ns();
        stream.write_all(template.numbered(request)).map_err(text)?;
        let mut response = Response::default();
        loop {
            let read = stream.read(&mut buffer).map_err(text)?;
            if read == 0 {
                return Err("the server closed the connection".to_owned());
            }
            if response.take(&buffer[..read])? {
                break;
            }
        }
        let left_ns = transmitted_ns(stream.as_raw_fd())? - before_ns;
        left_us.push(left_ns as f64 / 1e3);
    }
    Ok(left_us)
}

/// The wall clock, by which the kernel stamps, in nanoseconds.
fn wall_ns() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// The stamp of the last transmission, from the socket's error queue, in nanoseconds of the wall clock.
fn transmitted_ns(socket: i32) -> Result<i64, String> {
    let until_ns = now_ns() + PATIENCE.as_nanos() as u64;
    loop {
        let mut control = nix::cmsg_space!(Timestamps, [u8; 64]);
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        match recvmsg::<()>(socket, &mut [], Some(&mut control), flags) {
            Ok(message) => {
                let stamp = message.cmsgs().map_err(text)?.find_map(|control| match control {
                    ControlMessageOwned::ScmTimestampsns(stamps) => Some(stamps.system),
                    _ => None,
                });
                let stamp = stamp.ok_or_else(|| "a message without a stamp".to_owned())?;
                return Ok(stamp.tv_sec() * 1_000_000_000 + stamp.tv_nsec());
            }
            Err(nix::errno::Errno::EAGAIN) if now_ns() < until_ns => std::thread::yield_now(),
            Err(nix::errno::Errno::EAGAIN) => return Err("the kernel gave no stamp".to_owned()),
            Err(error) => return Err(text(error)),
        }
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
