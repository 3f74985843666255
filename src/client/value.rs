//! Owns `Raw`, one unparsed JSON value: reads it as text, count, truth value or list, whatever its JSON type is.
//!
//! Nothing here refuses a value because of its type. The parser that returned the value has checked its syntax.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Tokens. A larger number is not a token count of one request: this is ten times the longest context of any model.
const MOST_TOKENS: f64 = 100e6;

/// One JSON value, unparsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Raw<'a>(&'a str);

impl Default for Raw<'_> {
    fn default() -> Self {
        Self("null")
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Self(raw.get()))
    }
}

/// A value read as a token count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Count {
    /// Absent or `null`.
    #[default]
    Absent,
    /// Not a count: negative, not whole, not a number, or above [`MOST_TOKENS`].
    Odd,
    /// A count.
    Of(u32),
}

impl Count {
    /// The count; `None` when the value is absent or odd.
    pub(super) const fn known(self) -> Option<u32> {
        if let Self::Of(count) = self { Some(count) } else { None }
    }

    /// `self`, or `other` when `self` is absent.
    pub(super) const fn or(self, other: Self) -> Self {
        if matches!(self, Self::Absent) { other } else { self }
    }
}

/// Strings by which servers mean an absent value.
const NOTHING: [&str; 4] = ["null", "none", "nil", "undefined"];

/// Whether `word` means an absent value: it is empty, blank, or the null of some programming language.
pub(super) fn says_nothing(word: &str) -> bool {
    let word = word.trim();
    word.is_empty() || NOTHING.iter().any(|nothing| word.eq_ignore_ascii_case(nothing))
}

impl<'a> Raw<'a> {
    /// The unparsed JSON text.
    pub(super) const fn as_str(self) -> &'a str {
        self.0
    }

    fn starts_with(self, byte: u8) -> bool {
        self.0.as_bytes().first() == Some(&byte)
    }

    /// Whether it is `null` or absent.
    pub(super) fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// Whether it is a list.
    pub(super) fn is_list(self) -> bool {
        self.starts_with(b'[')
    }

    /// Whether it is an object.
    pub(super) fn is_object(self) -> bool {
        self.starts_with(b'{')
    }

    /// The text of a scalar: the bytes of a string, the written form of a number or `true`; empty for anything else.
    ///
    /// It returns bytes because half a surrogate pair (a character cut between tokens) is valid JSON but not a valid
    /// `str`.
    pub(super) fn text(self) -> Cow<'a, [u8]> {
        match self.0.as_bytes() {
            [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => Cow::Borrowed(inner),
            [b'"', ..] => {
                let mut json = serde_json::Deserializer::from_str(self.0);
                Cow::Owned(json_bytes(&mut json).unwrap_or_default())
            }
            number @ [b'-' | b'0'..=b'9', ..] => Cow::Borrowed(number),
            b"true" => Cow::Borrowed(b"true"),
            _ => Cow::Borrowed(b""),
        }
    }

    /// [`Raw::text`] as a `str`, for words and messages; invalid UTF-8 is replaced.
    pub(super) fn word(self) -> Cow<'a, str> {
        match self.text() {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// Whether it is falsy: `null`, `false`, 0, an empty or null-like string, or a list or object of falsy values only.
    pub(super) fn is_falsy(self) -> bool {
        match self.0.as_bytes().first() {
            Some(b'"') => {
                let word = self.word();
                says_nothing(&word) || ["false", "0"].contains(&word.trim())
            }
            Some(b'[' | b'{') => serde_json::from_str(self.0).is_ok_and(|value| is_falsy(&value)),
            Some(b't') => false,
            Some(b'f' | b'n') | None => true,
            Some(_) => self.0.parse() == Ok(0.0),
        }
    }

    /// The elements of a list; empty for anything else.
    pub(super) fn items(self) -> Vec<Self> {
        if self.is_list() { serde_json::from_str(self.0).unwrap_or_default() } else { Vec::new() }
    }

    /// Whether it is an object without keys or a list without items.
    pub(super) fn is_empty(self) -> bool {
        let inside = |open, close| self.0.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
        inside('{', '}').or_else(|| inside('[', ']')).is_some_and(|rest| rest.trim().is_empty())
    }

    /// The values of the keys `names`, in the order of `names`; null where it has no such key. When a key is repeated,
    /// its last value counts. Anything but an object has no keys.
    pub(super) fn keys<const N: usize>(self, names: [&str; N]) -> [Self; N] {
        if !self.is_object() {
            return [Self::default(); N];
        }
        Picked(names).deserialize(&mut serde_json::Deserializer::from_str(self.0)).unwrap_or([Self::default(); N])
    }

    /// The value of the key `name`; null where it has no such key.
    pub(super) fn key(self, name: &str) -> Self {
        let [value] = self.keys([name]);
        value
    }

    /// Reads it as a token count. A whole number in a string is a count too.
    pub(super) fn count(self) -> Count {
        if self.is_null() {
            return Count::Absent;
        }
        let number = match self.0.as_bytes().first() {
            Some(b'"' | b'-' | b'0'..=b'9') => self.word().trim().parse::<f64>().ok(),
            _ => None,
        };
        match number {
            Some(count) if (0.0..=MOST_TOKENS).contains(&count) && count.fract() == 0.0 => Count::Of(count as u32),
            _ => Count::Odd,
        }
    }
}

fn is_falsy(value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => says_nothing(text),
        Value::Array(items) => items.iter().all(is_falsy),
        Value::Object(keys) => keys.values().all(is_falsy),
    }
}

/// The bytes of a JSON string, escapes resolved.
fn json_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    struct Bytes;
    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }
    deserializer.deserialize_bytes(Bytes)
}

/// A key of an object, as bytes: a key with half a surrogate pair is an unknown key, not an error.
struct Key<'de>(Cow<'de, [u8]>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            // The parser accepts control characters here; JSON forbids them.
            fn visit_borrowed_bytes<E: serde::de::Error>(self, key: &'de [u8]) -> Result<Key<'de>, E> {
                if key.iter().any(|byte| *byte < b' ') {
                    return Err(E::custom("a control character in a key"));
                }
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_bytes<E>(self, key: &[u8]) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_vec())))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// Reads the values of some keys of an object.
struct Picked<'names, const N: usize>([&'names str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Picked<'_, N> {
    type Value = [Raw<'de>; N];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Picked<'_, N> {
    type Value = [Raw<'de>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [Raw::default(); N];
        while let Some(key) = map.next_key::<Key<'de>>()? {
            match self.0.iter().position(|name| name.as_bytes() == &*key.0) {
                Some(place) => found[place] = map.next_value()?,
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(found)
    }
}

/// An object of which some keys are read. When a key is repeated, its last value counts.
pub(super) trait Object<'de>: Default {
    /// Reads the value of `key`. Must take exactly one value from `map`.
    fn take<A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error>;
}

/// Reads an object; a value of another type reads as an object without keys.
pub(super) fn read_object<'de, T: Object<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Keys<T>(std::marker::PhantomData<T>);
    impl<'de, T: Object<'de>> Visitor<'de> for Keys<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
            let mut object = T::default();
            while let Some(key) = map.next_key::<Key<'de>>()? {
                object.take(&key.0, &mut map)?;
            }
            Ok(object)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok(T::default())
        }

        fn visit_unit<E>(self) -> Result<T, E> {
            Ok(T::default())
        }

        fn visit_bool<E>(self, _: bool) -> Result<T, E> {
            Ok(T::default())
        }

        fn visit_i64<E>(self, _: i64) -> Result<T, E> {
            Ok(T::default())
        }

        fn visit_u64<E>(self, _: u64) -> Result<T, E> {
            Ok(T::default())
        }

        fn visit_f64<E>(self, _: f64) -> Result<T, E> {
            Ok(T::default())
        }

        fn visit_str<E>(self, _: &str) -> Result<T, E> {
            Ok(T::default())
        }
    }
    deserializer.deserialize_any(Keys(std::marker::PhantomData))
}

/// Reads `raw` as an object; a value of another type reads as an object without keys.
pub(super) fn object_of<'de, T: Object<'de>>(raw: Raw<'de>) -> T {
    let mut json = serde_json::Deserializer::from_str(raw.0);
    if raw.is_object() { read_object(&mut json).unwrap_or_default() } else { T::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Raw<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_text_is_read_out_of_whatever_scalar_holds_it() {
        for (json, text) in [
            (r#""a""#, "a"),
            (r#" "a\n\"b" "#, "a\n\"b"),
            ("6", "6"),
            ("-1.5e3", "-1.5e3"),
            ("true", "true"),
            ("false", ""),
            ("null", ""),
            (r#"["a"]"#, ""),
            (r#"{"a":1}"#, ""),
        ] {
            assert_eq!(raw(json).word(), text, "{json}");
        }
        assert_eq!(raw(r#""\ud83d""#).text().len(), 3, "half a surrogate pair is kept");
    }

    #[test]
    fn a_count_is_a_whole_number_that_a_request_can_have() {
        for (json, count) in [
            ("4", Count::Of(4)),
            ("4.0", Count::Of(4)),
            (r#""12""#, Count::Of(12)),
            (r#"" 12 ""#, Count::Of(12)),
            ("0", Count::Of(0)),
            ("-1", Count::Odd),
            ("4.5", Count::Odd),
            ("1e300", Count::Odd),
            ("99999999999", Count::Odd),
            (r#""""#, Count::Odd),
            (r#""many""#, Count::Odd),
            (r#""NaN""#, Count::Odd),
            ("true", Count::Odd),
            ("[]", Count::Odd),
            ("null", Count::Absent),
        ] {
            assert_eq!(raw(json).count(), count, "{json}");
        }
    }

    #[test]
    fn nothing_is_told_from_something() {
        for json in [
            "null",
            "false",
            "0",
            "0.0",
            "-0",
            r#""""#,
            r#"" ""#,
            r#""null""#,
            r#""None""#,
            r#""false""#,
            "{}",
            "[]",
            "[null]",
            r#"{"message":"","code":0}"#,
            r#"{"a":{"b":[]}}"#,
        ] {
            assert!(raw(json).is_falsy(), "{json}");
        }
        for json in ["true", "1", "-1", r#""oom""#, "[1]", r#"{"code":500}"#, r#"{"message":"oom","code":0}"#] {
            assert!(!raw(json).is_falsy(), "{json}");
        }
    }
}
