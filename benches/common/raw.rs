//! Owns the raw reader: one thread and one epoll that send requests at their instants and read the bytes of each
//! response to its end, without parsing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use memchr::memmem;
use rustix::event::epoll;
use rustix::time::Timespec;

use crate::common::host::{no_timer_slack, now_ns, pin, thread_cpu_s, tool_cpu};
use crate::common::wire::{CONTENT, Response, Template, connect, holds_token};

/// When the reader sends.
#[derive(Clone, Copy)]
pub(crate) enum When<'a> {
    /// At these instants, in nanoseconds from the start.
    At(&'a [u64]),
    /// With this many requests in flight, for this long.
    Closed(usize, Duration),
}

/// The measurements of the reader.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) sent: u64,
    pub(crate) completed: u64,
    pub(crate) bytes: u64,
    pub(crate) cpu_s: f64,
    /// Seconds from the first send to the last response.
    pub(crate) span_s: f64,
    /// Send lag: send − planned instant, in microseconds.
    pub(crate) lag_us: Vec<f64>,
    /// (request number, time from write to first token in microseconds), if asked for.
    pub(crate) ttft_us: Vec<(u64, f64)>,
}

/// Runs the reader on the tool's core, in its own thread; `idle` connections are opened before the start.
pub(crate) fn read(
    server: SocketAddr,
    template: &Template,
    when: When<'_>,
    idle: usize,
    first_tokens: bool,
) -> Result<Seen, String> {
    std::thread::scope(|scope| {
        let run = || {
            pin(tool_cpu());
            no_timer_slack();
            Reader::new(server, template.clone(), idle, first_tokens)?.run(when)
        };
        scope.spawn(run).join().unwrap_or_else(|_| Err("the raw reader panicked".to_owned()))
    })
}

struct Connection {
    stream: TcpStream,
    response: Response,
    number: u64,
    written_ns: u64,
    awaits_token: bool,
    busy: bool,
    closed: bool,
}

struct Reader<'a> {
    server: SocketAddr,
    template: Template,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    free: Vec<usize>,
    first_tokens: bool,
    finder: memmem::Finder<'a>,
    buffer: Box<[u8]>,
    seen: Seen,
    last_end_ns: u64,
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Reader<'_> {
    fn new(server: SocketAddr, template: Template, idle: usize, first_tokens: bool) -> Result<Self, String> {
        let mut reader = Self {
            server,
            template,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).map_err(text)?,
            connections: Vec::new(),
            free: Vec::new(),
            first_tokens,
            finder: memmem::Finder::new(CONTENT),
            buffer: vec![0; 64 << 10].into_boxed_slice(),
            seen: Seen::default(),
            last_end_ns: 0,
        };
        for _ in 0..idle {
            let opened = reader.open()?;
            reader.free.push(opened);
        }
        Ok(reader)
    }

    fn open(&mut self) -> Result<usize, String> {
        let stream = connect(self.server).map_err(text)?;
        stream.set_nonblocking(true).map_err(text)?;
        let slot = self.connections.len();
        epoll::add(&self.epoll, &stream, epoll::EventData::new_u64(slot as u64), epoll::EventFlags::IN)
            .map_err(text)?;
        self.connections.push(Connection {
            stream,
            response: Response::default(),
            number: 0,
            written_ns: 0,
            awaits_token: false,
            busy: false,
            closed: false,
        });
        Ok(slot)
    }

    fn send(&mut self) -> Result<u64, String> {
        let slot = loop {
            match self.free.pop() {
                Some(slot) if self.connections[slot].closed => {}
                Some(slot) => break slot,
                None => break self.open()?,
            }
        };
        let number = self.seen.sent;
        let connection = &mut self.connections[slot];
        connection.response = Response::default();
        connection.busy = true;
        connection.number = number;
        connection.awaits_token = self.first_tokens;
        connection.written_ns = now_ns();
        connection.stream.write_all(self.template.numbered(number)).map_err(text)?;
        self.seen.sent += 1;
        Ok(connection.written_ns)
    }

    /// Reads the available bytes of one connection; returns true when its response is complete.
    fn receive(&mut self, slot: usize) -> Result<bool, String> {
        let connection = &mut self.connections[slot];
        let read = match connection.stream.read(&mut self.buffer) {
            Ok(0) if !connection.busy => {
                // The server's keep-alive time ended.
                connection.closed = true;
                epoll::delete(&self.epoll, &connection.stream).map_err(text)?;
                return Ok(false);
            }
            Ok(0) => return Err("the server closed a connection".to_owned()),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(text(error)),
        };
        // The tool stamps every read, so the reader does too.
        let now = now_ns();
        self.seen.bytes += read as u64;
        let bytes = &self.buffer[..read];
        if connection.awaits_token && holds_token(&self.finder, bytes) {
            connection.awaits_token = false;
            self.seen.ttft_us.push((connection.number, (now - connection.written_ns) as f64 / 1e3));
        }
        let over = connection.response.take(bytes)?;
        if over {
            connection.busy = false;
            self.seen.completed += 1;
            self.free.push(slot);
            self.last_end_ns = now;
        }
        Ok(over)
    }

    fn run(mut self, when: When<'_>) -> Result<Seen, String> {
        let mut events = Vec::with_capacity(256);
        let cpu_before = thread_cpu_s();
        let start = now_ns() + 2_000_000;
        let mut planned = match when {
            When::At(instants) => instants,
            When::Closed(..) => &[],
        }
        .iter();
        let mut next = planned.next().map(|at| start + at);
        let mut release_until = 0;
        if let When::Closed(in_flight, length) = when {
            release_until = start + length.as_nanos() as u64;
            for _ in 0..in_flight {
                self.send()?;
            }
        }
        let mut stuck_at = now_ns() + PATIENCE_NS;
        loop {
            let now = now_ns();
            while let Some(at) = next.filter(|at| *at <= now) {
                let sent = self.send()?;
                self.seen.lag_us.push((sent - at) as f64 / 1e3);
                next = planned.next().map(|at| start + at);
                // Sockets are polled between overdue sends, as in the tool.
                if self.seen.sent.is_multiple_of(32) {
                    break;
                }
            }
            if next.is_none() && self.seen.completed == self.seen.sent {
                break;
            }
            let left = next.map_or(100_000_000, |at| at.saturating_sub(now_ns()));
            let timeout = Timespec {
                tv_sec: (left / 1_000_000_000).cast_signed(),
                tv_nsec: (left % 1_000_000_000).cast_signed(),
            };
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(text(error)),
            }
            for event in &events {
                if self.receive(event.data.u64() as usize)? && now_ns() < release_until {
                    self.send()?;
                }
            }
            if !events.is_empty() {
                stuck_at = now_ns() + PATIENCE_NS;
            } else if next.is_none() && now_ns() > stuck_at {
                return Err(format!(
                    "{} of {} responses never ended",
                    self.seen.sent - self.seen.completed,
                    self.seen.sent
                ));
            }
        }
        self.seen.cpu_s = thread_cpu_s() - cpu_before;
        self.seen.span_s = self.last_end_ns.saturating_sub(start) as f64 / 1e9;
        Ok(self.seen)
    }
}

/// The longest silence while responses are open, in nanoseconds.
const PATIENCE_NS: u64 = 30_000_000_000;
