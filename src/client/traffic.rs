//! Owns the versions of HTTP: which ones a client offers, and what all workers together have opened to a target that
//! speaks HTTP/2.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Which versions of HTTP a client offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HttpVersion {
    /// Over https, the server chooses HTTP/2 or HTTP/1.1 (ALPN). Over http, HTTP/1.1.
    #[default]
    Agreed,
    /// HTTP/1.1 alone.
    One,
    /// HTTP/2 alone; over http without asking first (prior knowledge).
    Two,
}

/// What all workers together have opened to one target.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    speaks_two: AtomicBool,
    connections: AtomicU64,
    requests: AtomicU64,
    most_streams: AtomicU64,
    least_limit: AtomicU64,
}

/// The connections of HTTP/2 that a run has opened, and their streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Http2 {
    /// Connections opened.
    pub connections: u64,
    /// Requests sent, each in a stream of its own.
    pub requests: u64,
    /// The most streams that were in use at the same time on one connection.
    pub most_streams: u64,
    /// The least stream limit that a server has named (`SETTINGS_MAX_CONCURRENT_STREAMS`). When all connections have as
    /// many streams, a further connection is opened. Absent: no server has named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_limit: Option<u64>,
}

impl Traffic {
    /// Notes that the server speaks HTTP/2.
    pub(crate) fn note_two(&self) {
        self.speaks_two.store(true, Ordering::Relaxed);
    }

    /// Forgets what was counted before a load. What the server speaks and allows is kept.
    pub(crate) fn begin_load(&self) {
        for figure in [&self.connections, &self.requests, &self.most_streams] {
            figure.store(0, Ordering::Relaxed);
        }
    }

    /// Whether the server is known to speak HTTP/2.
    pub(super) fn speaks_two(&self) -> bool {
        self.speaks_two.load(Ordering::Relaxed)
    }

    /// Notes a connection of HTTP/2 whose server allows `limit` streams.
    pub(super) fn note_connection(&self, limit: usize) {
        self.note_two();
        self.connections.fetch_add(1, Ordering::Relaxed);
        // 0 stands for no limit yet.
        let limit = limit as u64;
        let least = |known: u64| (known == 0 || limit < known).then_some(limit);
        _ = self.least_limit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, least);
    }

    /// Notes a request on a connection that has `streams` of them now.
    pub(super) fn note_stream(&self, streams: usize) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.most_streams.fetch_max(streams as u64, Ordering::Relaxed);
    }

    /// The figures; `None` without a connection of HTTP/2.
    pub(super) fn figures(&self) -> Option<Http2> {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let limit = Some(read(&self.least_limit)).filter(|limit| (1..NO_LIMIT).contains(limit));
        Some(Http2 {
            connections: Some(read(&self.connections)).filter(|connections| *connections > 0)?,
            requests: read(&self.requests),
            most_streams: read(&self.most_streams),
            stream_limit: limit,
        })
    }
}

/// A stream limit from here on is none: the largest that a server can name.
const NO_LIMIT: u64 = u32::MAX as u64;

impl Http2 {
    /// The figures of several targets together.
    #[must_use]
    pub fn of(all: impl Iterator<Item = Self>) -> Option<Self> {
        all.reduce(|sum, more| Self {
            connections: sum.connections + more.connections,
            requests: sum.requests + more.requests,
            most_streams: sum.most_streams.max(more.most_streams),
            stream_limit: sum.stream_limit.into_iter().chain(more.stream_limit).min(),
        })
    }
}
