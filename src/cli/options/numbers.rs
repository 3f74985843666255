//! Owns the reading of numbers on the command line, with refusals that say what is accepted.

use std::ops::RangeInclusive;

use crate::error::Refusal;

/// Reads a whole number.
pub(in crate::cli) fn whole(text: &str) -> Result<u64, Refusal> {
    text.trim()
        .parse()
        .map_err(|_| Refusal::new(format!("`{text}` is not a whole number"), "accepted is 0 to 18446744073709551615"))
}

/// Reads a count of at least one.
pub(in crate::cli) fn from_one(text: &str) -> Result<u64, Refusal> {
    match text.trim().parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(Refusal::new(format!("`{text}` is not a count"), "accepted is a whole number from 1")),
    }
}

/// The upper bound of a number that has no other bound.
pub(in crate::cli) const MOST: u64 = u32::MAX as u64;

/// Reads a whole number within `range`.
pub(in crate::cli) fn within<N: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<N, Refusal> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text
            .trim()
            .parse()
            .ok()
            .filter(|number| range.contains(number))
            .and_then(|number| N::try_from(number).ok());
        number.ok_or_else(|| {
            let up_to = if *range.end() < MOST { format!(" to {}", range.end()) } else { String::new() };
            Refusal::new(
                format!("`{text}` is out of range"),
                format!("accepted is a whole number from {}{up_to}", range.start()),
            )
        })
    }
}
