//! Owns `Seed`: the number that determines every random stream of a run. Streams have names and random access.

use std::fmt;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// The seed of a run. Equal seeds give equal bytes on every machine: `ChaCha8` keyed by BLAKE3 of (seed, stream name).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(u64);

impl Seed {
    /// The seed `number`.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The independent stream called `name` (`"arrivals"`, `"prompts"`, `"probe/7/arrivals"`). Drawing from one
    /// stream does not change another.
    #[must_use]
    pub fn stream(self, name: &str) -> Stream {
        let mut hasher = blake3::Hasher::new_derive_key("tonnage 2026 named seed stream");
        hasher.update(&self.0.to_le_bytes());
        hasher.update(name.as_bytes());
        Stream { key: *hasher.finalize().as_bytes() }
    }

    /// The seed of a part of the run called `name` (`"probe/7"`), whose streams are independent of the streams of
    /// this seed and of every other part.
    #[must_use]
    pub fn derived(self, name: &str) -> Self {
        let mut first = [0; 8];
        first.copy_from_slice(&self.stream(name).key[..8]);
        Self(u64::from_le_bytes(first))
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A named stream of a [`Seed`]: sequential by [`Stream::sequence`], random access by [`Stream::at`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    key: [u8; 32],
}

impl Stream {
    /// The stream's one long sequence.
    #[must_use]
    pub fn sequence(&self) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(self.key)
    }

    /// The sequence of item `id`, reached without drawing the sequences before it. `id` is below 2⁶⁴ − 1.
    #[must_use]
    pub fn at(&self, id: u64) -> ChaCha8Rng {
        let mut generator = ChaCha8Rng::from_seed(self.key);
        generator.set_stream(id.wrapping_add(1));
        generator
    }
}

/// A uniform draw strictly between 0 and 1: 53 random bits, centred, so that its logarithm is finite.
#[must_use]
pub fn open_unit(generator: &mut impl Rng) -> f64 {
    ((generator.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// A draw from the exponential distribution of mean 1, by inversion with `libm`.
#[must_use]
pub fn exponential(generator: &mut impl Rng) -> f64 {
    -libm::log(open_unit(generator))
}

/// A draw from the standard normal distribution (Box–Muller, cosine branch, with `libm`).
#[must_use]
pub fn normal(generator: &mut impl Rng) -> f64 {
    let radius = libm::sqrt(-2.0 * libm::log(open_unit(generator)));
    radius * libm::cos(std::f64::consts::TAU * open_unit(generator))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_named_and_independent() {
        let seed = Seed::new(1);
        let draw = |mut generator: ChaCha8Rng| generator.next_u64();
        assert_eq!(draw(seed.stream("arrivals").sequence()), draw(seed.stream("arrivals").sequence()));
        assert_ne!(draw(seed.stream("arrivals").sequence()), draw(seed.stream("prompts").sequence()));
        assert_ne!(draw(seed.stream("prompts").at(0)), draw(seed.stream("prompts").at(1)));
        assert_ne!(draw(seed.stream("prompts").sequence()), draw(seed.stream("prompts").at(0)));
        assert_ne!(draw(seed.stream("arrivals").sequence()), draw(Seed::new(2).stream("arrivals").sequence()));
        assert_eq!(seed.derived("probe/7"), seed.derived("probe/7"));
        assert_ne!(seed.derived("probe/7"), seed.derived("probe/8"));
        assert_ne!(seed.derived("probe/7"), Seed::new(2).derived("probe/7"));
    }

    #[test]
    fn the_generator_is_the_same_on_every_machine() {
        let mut generator = Seed::new(1).stream("arrivals").sequence();
        let first: Vec<u64> = (0..2).map(|_| generator.next_u64()).collect();
        insta::assert_snapshot!(format!("{first:x?}"), @"[917f888017120d6e, d08d0d1b0084e90f]");
    }
}
