//! Owns `SettledRow`: one settled request of a sequence. Rows are serialised as 16 bytes each, in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::units::Offset;

/// One settled request.
#[derive(Debug, Clone, Copy)]
pub(super) struct SettledRow {
    /// The scheduled instant.
    pub(super) scheduled: Offset,
    /// Time in the system, in microseconds.
    pub(super) in_system_us: u32,
    /// One bit for each objective that the request missed, by place.
    pub(super) missed: u16,
    /// One bit for each objective that is defined for the request, by place.
    pub(super) counted: u16,
}

/// Size of a serialised row, in bytes.
const BYTES: usize = 16;

impl SettledRow {
    pub(super) fn ended(&self) -> Offset {
        Offset::from_nanos(self.scheduled.as_nanos().saturating_add(u64::from(self.in_system_us) * 1_000))
    }

    /// All fields in one number. Its 16 little-endian bytes are the serialised row.
    fn packed(&self) -> u128 {
        u128::from(self.scheduled.as_nanos())
            | u128::from(self.in_system_us) << 64
            | u128::from(self.missed) << 96
            | u128::from(self.counted) << 112
    }

    const fn of(packed: u128) -> Self {
        Self {
            scheduled: Offset::from_nanos(packed as u64),
            in_system_us: (packed >> 64) as u32,
            missed: (packed >> 96) as u16,
            counted: (packed >> 112) as u16,
        }
    }
}

pub(super) fn serialize<S: Serializer>(rows: &[SettledRow], serializer: S) -> Result<S::Ok, S::Error> {
    let bytes: Vec<u8> = rows.iter().flat_map(|row| row.packed().to_le_bytes()).collect();
    STANDARD.encode(bytes).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SettledRow>, D::Error> {
    let bytes = STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)?;
    let (rows, rest) = bytes.as_chunks::<BYTES>();
    if !rest.is_empty() {
        return Err(D::Error::custom("a row is cut off"));
    }
    Ok(rows.iter().map(|row| SettledRow::of(u128::from_le_bytes(*row))).collect())
}
