//! Owns fingerprints: the hash of a plan, in order, and the hash of all request bodies, in any order.

use std::fmt::Write as _;

use crate::units::Offset;
use crate::workload::Outline;

/// The hash of a plan: BLAKE3 over each planned request, in order. 32 hexadecimal digits.
pub(crate) struct PlanHasher {
    hasher: blake3::Hasher,
    pending: Vec<u8>,
}

impl PlanHasher {
    const BUFFER: usize = 1 << 16;

    pub(crate) fn new() -> Self {
        Self {
            hasher: blake3::Hasher::new_derive_key("tonnage 2026 plan fingerprint"),
            pending: Vec::with_capacity(Self::BUFFER + 64),
        }
    }

    /// Adds the next planned request: instant (none in a closed loop), lengths, class, session and turn. A length
    /// precedes each text, and a mark of absence each optional number, so that two different plans never give the
    /// same bytes.
    pub(crate) fn add(&mut self, at: Option<Offset>, outline: &Outline) {
        self.number(at.map(Offset::as_nanos));
        self.pending.extend_from_slice(&outline.input_tokens.to_le_bytes());
        self.pending.extend_from_slice(&outline.output_tokens.to_le_bytes());
        self.text(&outline.class);
        self.number(outline.session);
        self.number(outline.turn.map(u64::from));
        if self.pending.len() >= Self::BUFFER {
            self.hasher.update(&self.pending);
            self.pending.clear();
        }
    }

    /// Adds the prefix blocks of the last request added.
    pub(crate) fn blocks(&mut self, ids: impl ExactSizeIterator<Item = u64>) {
        self.pending.extend_from_slice(&(ids.len() as u64).to_le_bytes());
        self.pending.extend(ids.flat_map(u64::to_le_bytes));
    }

    /// Adds the row that the last request added takes.
    pub(crate) fn row(&mut self, row: u64) {
        self.pending.extend_from_slice(&row.to_le_bytes());
    }

    /// Adds a description that is part of the plan.
    pub(crate) fn text(&mut self, text: &str) {
        self.pending.extend_from_slice(&(text.len() as u64).to_le_bytes());
        self.pending.extend_from_slice(text.as_bytes());
    }

    fn number(&mut self, number: Option<u64>) {
        self.pending.push(u8::from(number.is_some()));
        self.pending.extend_from_slice(&number.unwrap_or(0).to_le_bytes());
    }

    pub(crate) fn hex(mut self) -> String {
        self.hasher.update(&self.pending);
        hex(&self.hasher.finalize().as_bytes()[..16])
    }
}

/// The value in a result for the fingerprint of a plan that was not hashed.
pub(crate) const NOT_HASHED: &str = "not hashed";

/// The fingerprint of several plans that are sent one after another. 32 hexadecimal digits.
#[must_use]
pub(crate) fn joint_fingerprint<'a>(fingerprints: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = PlanHasher::new();
    fingerprints.into_iter().for_each(|fingerprint| hasher.text(fingerprint));
    hasher.hex()
}

/// The hash of all request bodies of a run: the sum modulo 2¹²⁸ of BLAKE3 over (id, bytes) of each body. It depends
/// neither on the order nor on the sender. Each worker keeps its own hash, and these are merged. Each id must be
/// added once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BodyFingerprint {
    sum: u128,
    bodies: u64,
}

impl BodyFingerprint {
    /// The fingerprint of no bodies.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the body of request `id`.
    pub fn add(&mut self, id: u64, body: &[u8]) {
        let mut hasher = blake3::Hasher::new_derive_key("tonnage 2026 body fingerprint");
        hasher.update(&id.to_le_bytes());
        hasher.update(body);
        let mut low = [0; 16];
        low.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        self.sum = self.sum.wrapping_add(u128::from_le_bytes(low));
        self.bodies += 1;
    }

    /// Adds all bodies of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.bodies += other.bodies;
    }

    /// The fingerprint of all bodies of several fingerprints, which must not share a body; `None` if one is not 32
    /// hexadecimal digits.
    pub fn hex_of_all<'a>(others: impl IntoIterator<Item = &'a str>) -> Option<String> {
        let mut sum = 0u128;
        for other in others {
            sum = sum.wrapping_add(u128::from_str_radix(other, 16).ok().filter(|_| other.len() == 32)?);
        }
        Some(hex(&sum.to_be_bytes()))
    }

    /// Number of bodies added.
    #[must_use]
    pub fn bodies(&self) -> u64 {
        self.bodies
    }

    /// 32 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        hex(&self.sum.to_be_bytes())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bodies_count_in_any_order_and_any_split(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..20),
            split in 0usize..20,
        ) {
            let split = split.min(bodies.len());
            let mut forward = BodyFingerprint::new();
            for (id, body) in (0..).zip(&bodies) {
                forward.add(id, body);
            }
            let (mut one, mut two) = (BodyFingerprint::new(), BodyFingerprint::new());
            for (id, body) in (0..).zip(&bodies).collect::<Vec<_>>().into_iter().rev() {
                if (id as usize) < split { one.add(id, body) } else { two.add(id, body) }
            }
            prop_assert_eq!(BodyFingerprint::hex_of_all([&*one.hex(), &*two.hex()]), Some(forward.hex()));
            two.merge(&one);
            prop_assert_eq!(forward, two);
        }
    }

    #[test]
    fn any_other_byte_or_id_is_another_fingerprint() {
        let of = |bodies: &[(u64, &[u8])]| {
            let mut fingerprint = BodyFingerprint::new();
            for (id, body) in bodies {
                fingerprint.add(*id, body);
            }
            fingerprint.hex()
        };
        let seen = [
            of(&[]),
            of(&[(0, b"a")]),
            of(&[(1, b"a")]),
            of(&[(0, b"b")]),
            of(&[(0, b"a"), (1, b"b")]),
            of(&[(0, b"b"), (1, b"a")]),
        ];
        let distinct: std::collections::BTreeSet<&String> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len());
        insta::assert_snapshot!(of(&[(0, b"a")]), @"4536e7065fd3fe60a733ddf5e49f4b1c");
    }
}
