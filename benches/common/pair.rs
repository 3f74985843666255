//! Owns the pacing controls: a bare `clock_nanosleep`, and a sender that sleeps until each instant while another
//! thread reads the responses.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::event::epoll;

use crate::common::host::{no_timer_slack, now_ns, pin, sleep_until, tool_cpu};
use crate::common::wire::{Response, Template, connect};

/// The time between the call and the origin of the instants, in nanoseconds.
const HEAD_START: u64 = 2_000_000;

/// The lateness of `clock_nanosleep` at each instant, in microseconds; it runs alone on the tool's core.
pub(crate) fn bare(instants: &[u64]) -> Vec<f64> {
    let run = || {
        pin(tool_cpu());
        no_timer_slack();
        let origin = now_ns() + HEAD_START;
        let late = |at: &u64| {
            sleep_until(origin + at);
            now_ns().saturating_sub(origin + at) as f64 / 1e3
        };
        instants.iter().map(late).collect()
    };
    std::thread::scope(|scope| scope.spawn(run).join().expect("the bare control runs"))
}

/// Writes a prebuilt request at each instant on the next of `connections` kept-alive connections, and reads the
/// responses in a second thread; both threads run on the tool's core. Returns how late each write began, in
/// microseconds.
pub(crate) fn send(
    server: SocketAddr,
    template: &Template,
    instants: &[u64],
    connections: usize,
) -> Result<Vec<f64>, String> {
    let streams =
        (0..connections).map(|_| connect(server)).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    std::thread::scope(|scope| {
        let draining = scope.spawn(|| {
            pin(tool_cpu());
            drain(&streams, instants.len())
        });
        let sending = scope.spawn(|| {
            pin(tool_cpu());
            no_timer_slack();
            let mut template = template.clone();
            let mut late_us = Vec::with_capacity(instants.len());
            let origin = now_ns() + HEAD_START;
            for (number, at) in instants.iter().enumerate() {
                let bytes = template.numbered(number as u64);
                sleep_until(origin + at);
                late_us.push(now_ns().saturating_sub(origin + at) as f64 / 1e3);
                (&streams[number % streams.len()]).write_all(bytes).map_err(|error| error.to_string())?;
            }
            Ok(late_us)
        });
        let sent = sending.join().unwrap_or_else(|_| Err("the control sender panicked".to_owned()));
        draining.join().unwrap_or_else(|_| Err("the control's reader panicked".to_owned())).and(sent)
    })
}

/// Reads `awaited` responses.
fn drain(streams: &[TcpStream], awaited: usize) -> Result<(), String> {
    let text = |error: rustix::io::Errno| error.to_string();
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(text)?;
    for (slot, stream) in streams.iter().enumerate() {
        epoll::add(&epoll, stream, epoll::EventData::new_u64(slot as u64), epoll::EventFlags::IN).map_err(text)?;
    }
    let mut responses: Vec<Response> = streams.iter().map(|_| Response::default()).collect();
    let mut events = Vec::with_capacity(64);
    let mut buffer = vec![0; 64 << 10];
    let patience = rustix::time::Timespec::try_from(Duration::from_secs(30)).map_err(|error| error.to_string())?;
    let mut ended = 0;
    while ended < awaited {
        events.clear();
        match epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&patience)) {
            Ok(0) => return Err(format!("the control has {ended} of {awaited} responses")),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(text(error)),
        }
        for event in &events {
            let slot = event.data.u64() as usize;
            let read = (&streams[slot]).read(&mut buffer).map_err(|error| error.to_string())?;
            if read == 0 {
                return Err("the server closed a connection".to_owned());
            }
            if responses[slot].take(&buffer[..read])? {
                responses[slot] = Response::default();
                ended += 1;
            }
        }
    }
    Ok(())
}
