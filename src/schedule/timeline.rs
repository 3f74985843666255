//! Owns `Timeline`: the ordered planned instants of a run, made on demand, absolute from one origin.

use std::time::Duration;

use crate::schedule::Process;
use crate::seed::Seed;
use crate::units::{Offset, Rate, Window};

/// How long the measured part lasts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Extent {
    /// A span of scheduled instants.
    Duration(Duration),
    /// This many requests inside the window.
    Requests(u64),
}

/// Warm-up, window and cool-down as spans of scheduled instants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spans {
    /// [0, warm-up).
    pub warmup: Window,
    /// The measured window.
    pub window: Window,
    /// After it.
    pub cooldown: Window,
}

/// One planned instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Its number, from 0, warm-up included.
    pub index: u64,
    /// Its instant.
    pub at: Offset,
}

/// The planned instants of an open-loop load.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    process: Process,
    rate: Rate,
    spans: Spans,
    seed: Seed,
}

impl Timeline {
    /// A timeline of `process` at `rate` over `extent`, with the same load before (`warmup`) and after (`cooldown`).
    #[must_use]
    pub fn new(_process: Process, _rate: Rate, _extent: Extent, _warmup: Duration, _cooldown: Duration, _seed: Seed) -> Self {
        todo!()
    }

    /// Warm-up, window, cool-down.
    #[must_use]
    pub fn spans(&self) -> Spans {
        self.spans
    }

    /// The law of the gaps.
    #[must_use]
    pub fn process(&self) -> Process {
        self.process
    }

    /// The mean rate.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Every arrival in order; cheap to start again, nothing held.
    #[must_use]
    pub fn arrivals(&self) -> Arrivals {
        let _ = self.seed;
        todo!()
    }
}

/// Iterator over the arrivals of a [`Timeline`].
#[derive(Debug, Clone)]
pub struct Arrivals {}

impl Iterator for Arrivals {
    type Item = Arrival;
    fn next(&mut self) -> Option<Arrival> {
        todo!()
    }
}
