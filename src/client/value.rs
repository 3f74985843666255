//! Owns how a text value of an answer is read: a text, a list of parts, or `null`, whatever is to be made of it.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, SeqAccess, Visitor};

/// What is made of a text value; the default is what `null` makes.
pub(super) trait OfText: Default {
    /// Of a text, by its bytes.
    fn of_bytes(text: &[u8]) -> Self;
    /// Of a list of parts.
    fn of_parts<'de, A: SeqAccess<'de>>(parts: A) -> Result<Self, A::Error>;
}

/// Reads a text value.
pub(super) fn read_text<'de, T: OfText, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_option(Look(PhantomData))
}

struct Look<T>(PhantomData<T>);

impl<'de, T: OfText> Visitor<'de> for Look<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a list of parts, or null")
    }

    fn visit_none<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    // As bytes: half a surrogate pair (a character cut between tokens) is valid JSON, though not a valid `str`.
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_bytes(self)
    }

    fn visit_bytes<E>(self, text: &[u8]) -> Result<T, E> {
        Ok(T::of_bytes(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::of_bytes(text.as_bytes()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, parts: A) -> Result<T, A::Error> {
        T::of_parts(parts)
    }
}
