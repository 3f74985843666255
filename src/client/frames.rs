//! Owns `Frames`: which bytes of an HTTP/2 connection belong to which stream, and the instants at which they passed.
//!
//! A connection carries many streams, and its reads and writes belong to none of them. So the headers of the frames are
//! followed as the bytes pass: a request was written with the first byte of its HEADERS, and a part of a response
//! arrived with the read that ended its frame.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::task::Waker;
use std::time::Duration;

use crate::units::Offset;

/// Bytes with which a client begins a connection, before its first frame (RFC 9113, section 3.4).
const PREFACE_BYTES: usize = 24;
/// Bytes of the header of a frame.
const HEADER_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const PADDED: u8 = 8;

/// The header of a frame, and the first bytes of what follows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    length: usize,
    first: [u8; 4],
}

/// Follows the frames of one direction.
#[derive(Debug)]
struct Follower {
    /// Bytes before the next frame.
    skip: usize,
    header: [u8; HEADER_BYTES],
    have: usize,
    frame: Frame,
    /// Bytes of the frame that have passed, after its header.
    passed: usize,
}

impl Follower {
    fn new(skip: usize) -> Self {
        Self { skip, header: [0; HEADER_BYTES], have: 0, frame: Frame::default(), passed: 0 }
    }

    /// Follows `bytes`. `each` gets each frame when its header has passed (`false`), and when it has ended (`true`).
    fn follow(&mut self, mut bytes: &[u8], mut each: impl FnMut(&Frame, bool)) {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        bytes = &bytes[skipped..];
        while !bytes.is_empty() {
            if self.have < HEADER_BYTES {
                let more = bytes.len().min(HEADER_BYTES - self.have);
                self.header[self.have..self.have + more].copy_from_slice(&bytes[..more]);
                self.have += more;
                bytes = &bytes[more..];
                if self.have < HEADER_BYTES {
                    return;
                }
                self.begin();
                each(&self.frame, false);
            } else {
                let more = bytes.len().min(self.frame.length - self.passed);
                for (place, byte) in (self.passed..4).zip(&bytes[..more]) {
                    self.frame.first[place] = *byte;
                }
                self.passed += more;
                bytes = &bytes[more..];
            }
            if self.passed == self.frame.length {
                each(&self.frame, true);
                self.have = 0;
            }
        }
    }

    fn begin(&mut self) {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = self.header;
        self.frame = Frame {
            kind,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff,
            length: u32::from_be_bytes([0, l0, l1, l2]) as usize,
            first: [0; 4],
        };
        self.passed = 0;
    }
}

/// An arrival, and how much later the bytes were read; `None` without a stamp of the kernel.
pub(super) type Arrival = (Offset, Option<Duration>);

/// What has passed of one stream.
#[derive(Debug, Default)]
struct Track {
    written: Option<Offset>,
    /// Woken once the request is written.
    waker: Option<Waker>,
    head: Option<Arrival>,
    /// Bytes of data up to the end of a frame, and its arrival; frames of one read are one entry.
    data: VecDeque<(u64, Arrival)>,
    data_bytes: u64,
    end: Option<Arrival>,
}

/// The frames of one connection.
#[derive(Debug)]
pub(super) struct Frames {
    read: RefCell<Follower>,
    written: RefCell<Follower>,
    streams: RefCell<HashMap<u32, Track>>,
    settled: Cell<bool>,
    last_stream: Cell<Option<u32>>,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            read: RefCell::new(Follower::new(0)),
            written: RefCell::new(Follower::new(PREFACE_BYTES)),
            streams: RefCell::default(),
            settled: Cell::new(false),
            last_stream: Cell::new(None),
        }
    }
}

impl Frames {
    /// Whether the server's settings have come, and with them its stream limit.
    pub(super) fn are_settled(&self) -> bool {
        self.settled.get()
    }

    /// Whether the server has said (GOAWAY) that it will not process `stream`.
    pub(super) fn gave_up(&self, stream: u32) -> bool {
        self.last_stream.get().is_some_and(|last| stream > last)
    }

    /// Whether the server takes no further streams (GOAWAY).
    pub(super) fn are_ending(&self) -> bool {
        self.last_stream.get().is_some()
    }

    /// Begins to keep the instants of `stream`.
    pub(super) fn watch(&self, stream: u32) {
        self.streams.borrow_mut().insert(stream, Track::default());
    }

    /// Forgets `stream`.
    pub(super) fn forget(&self, stream: u32) {
        self.streams.borrow_mut().remove(&stream);
    }

    /// When the first byte of the request was written. Wakes `waker` once it is, if it is not yet.
    pub(super) fn written(&self, stream: u32, waker: &Waker) -> Option<Offset> {
        let mut streams = self.streams.borrow_mut();
        let track = streams.get_mut(&stream)?;
        if track.written.is_none() {
            track.waker = Some(waker.clone());
        }
        track.written
    }

    /// When the head of the response arrived.
    pub(super) fn head(&self, stream: u32) -> Option<Arrival> {
        self.streams.borrow().get(&stream)?.head
    }

    /// When the first `bytes` of the body had arrived.
    pub(super) fn data(&self, stream: u32, bytes: u64) -> Option<Arrival> {
        let mut streams = self.streams.borrow_mut();
        let track = streams.get_mut(&stream)?;
        while track.data.front().is_some_and(|(end, _)| *end < bytes) {
            track.data.pop_front();
        }
        track.data.front().map(|(_, arrival)| *arrival)
    }

    /// When the response ended.
    pub(super) fn end(&self, stream: u32) -> Option<Arrival> {
        self.streams.borrow().get(&stream)?.end
    }

    /// Notes bytes that were written; the write began at `at`.
    pub(super) fn note_written(&self, bytes: &[u8], at: Offset) {
        self.written.borrow_mut().follow(bytes, |frame, ended| {
            if ended || frame.kind != HEADERS {
                return;
            }
            if let Some(track) = self.streams.borrow_mut().get_mut(&frame.stream) {
                track.written.get_or_insert(at);
                if let Some(waker) = track.waker.take() {
                    waker.wake();
                }
            }
        });
    }

    /// Notes bytes that were read.
    pub(super) fn note_read(&self, bytes: &[u8], arrival: Arrival) {
        self.read.borrow_mut().follow(bytes, |frame, ended| {
            if ended {
                self.note_frame(frame, arrival);
            }
        });
    }

    fn note_frame(&self, frame: &Frame, (at, lag): Arrival) {
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => self.settled.set(true),
            GOAWAY => {
                let last = u32::from_be_bytes(frame.first) & 0x7fff_ffff;
                // A server may say it twice, the second time with the real number.
                self.last_stream.set(Some(self.last_stream.get().map_or(last, |before| before.min(last))));
            }
            _ => {}
        }
        let mut streams = self.streams.borrow_mut();
        let Some(track) = streams.get_mut(&frame.stream) else { return };
        let arrival = (at.max(track.written.unwrap_or(at)), lag);
        match frame.kind {
            HEADERS | CONTINUATION if track.data_bytes == 0 => track.head = Some(arrival),
            DATA => {
                let padding = if frame.flags & PADDED == 0 { 0 } else { 1 + usize::from(frame.first[0]) };
                track.data_bytes += frame.length.saturating_sub(padding) as u64;
                match track.data.back_mut() {
                    Some((end, last)) if *last == arrival => *end = track.data_bytes,
                    _ => track.data.push_back((track.data_bytes, arrival)),
                }
            }
            _ => {}
        }
        if matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0 {
            track.end = Some(arrival);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    fn arrival(ns: u64) -> Arrival {
        (Offset::from_nanos(ns), None)
    }

    #[test]
    fn each_part_of_a_stream_arrives_with_the_read_that_ends_its_frame_whatever_the_reads() {
        let bytes = [
            frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]),
            frame(HEADERS, 4, 1, b"head"),
            frame(HEADERS, 4, 3, b"head"),
            frame(DATA, 0, 1, b"hello"),
            frame(DATA, PADDED, 3, &[2, b'a', b'b', b'c', 0, 0]),
            frame(DATA, 0, 1, b""),
            frame(DATA, END_STREAM, 1, b"world"),
        ]
        .concat();
        let ends: Vec<usize> = [15, 13, 13, 14, 15, 9, 14]
            .iter()
            .scan(0, |end, length| {
                *end += length;
                Some(*end)
            })
            .collect();
        assert_eq!(ends.last(), Some(&bytes.len()));
        for width in 1..=bytes.len() {
            let frames = Frames::default();
            for stream in [1, 3] {
                frames.watch(stream);
            }
            for (read, piece) in bytes.chunks(width).enumerate() {
                frames.note_read(piece, arrival(read as u64 + 1));
            }
            let read_of = |end: usize| Some(arrival(end.div_ceil(width) as u64));
            assert!(frames.are_settled() && !frames.are_ending());
            assert_eq!((frames.head(1), frames.head(3)), (read_of(ends[1]), read_of(ends[2])), "reads of {width}");
            assert_eq!(frames.data(1, 5), read_of(ends[3]), "reads of {width}");
            assert_eq!((frames.data(3, 1), frames.data(3, 3)), (read_of(ends[4]), read_of(ends[4])));
            assert_eq!((frames.data(3, 4), frames.end(3)), (None, None), "padding is no data");
            assert_eq!((frames.data(1, 10), frames.end(1)), (read_of(ends[6]), read_of(ends[6])), "reads of {width}");
        }
    }

    #[test]
    fn a_request_is_written_with_its_headers_and_a_goodbye_names_the_streams_that_it_does_not_concern() {
        let frames = Frames::default();
        frames.watch(5);
        let bytes = [vec![0; PREFACE_BYTES], frame(SETTINGS, 0, 0, b""), frame(HEADERS, 4, 5, b"x")].concat();
        frames.note_written(&bytes[..PREFACE_BYTES + 3], Offset::from_nanos(1));
        assert_eq!(frames.written(5, Waker::noop()), None);
        frames.note_written(&bytes[PREFACE_BYTES + 3..], Offset::from_nanos(2));
        assert_eq!(frames.written(5, Waker::noop()), Some(Offset::from_nanos(2)));
        frames.note_read(&frame(GOAWAY, 0, 0, &[0, 0, 0, 5, 0, 0, 0, 0]), arrival(3));
        assert!(frames.are_ending() && !frames.gave_up(5) && frames.gave_up(7));
        frames.note_read(&frame(HEADERS, 4, 5, b"x"), arrival(1));
        assert_eq!(frames.head(5), Some(arrival(2)), "no answer before its request");
        frames.forget(5);
        assert_eq!(frames.head(5), None);
    }
}
