//! Owns the clause, `NAME WORD… KEY=VALUE…`: the notation of profile stages and overlays, in text and in YAML.

use std::fmt;
use std::time::Duration;

use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::error::Refusal;
use crate::units::{Offset, Rate, parse_duration, parse_per_s};

/// One row of the catalogue of clauses: how the clause is written, and what it means.
#[derive(Debug)]
pub(crate) struct Form {
    /// The clause's first word.
    pub(crate) name: &'static str,
    /// Keys of the words without `KEY=`, in order; `from..to` is two keys in one word.
    pub(crate) words: &'static [&'static str],
    /// Keys that are written as `KEY=VALUE`.
    pub(crate) keys: &'static [&'static str],
    /// The whole clause, for people.
    pub(crate) usage: &'static str,
    /// The formula of the rate.
    pub(crate) formula: &'static str,
    /// An example to copy and to draw.
    pub(crate) example: &'static str,
}

/// A name and its values by key, in order: what text and YAML have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clause {
    pub(crate) name: String,
    values: Vec<(String, String)>,
}

impl Clause {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), values: Vec::new() }
    }

    /// The clause with `value` added under `key`.
    pub(crate) fn with(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.values.push((key.to_owned(), value.to_string()));
        self
    }

    /// The clause with `value` added under `key` if there is one; `None` leaves the key out.
    pub(crate) fn with_some(self, key: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Reads `NAME WORD… KEY=VALUE…`; `forms` says which words and keys each name takes.
    pub(crate) fn parse(text: &str, forms: &'static [Form]) -> Result<(Self, &'static Form), Refusal> {
        let mut words = text.split_whitespace();
        let form = form_of(words.next().unwrap_or(""), forms)?;
        let mut clause = Self::new(form.name);
        let mut places = form.words.iter();
        for word in words {
            if let Some((key, value)) = word.split_once('=') {
                clause.put(key, value, form)?;
                continue;
            }
            let Some(place) = places.next() else {
                return Err(form.refuse(&format!("`{word}` is one word too many for `{}`", form.name)));
            };
            match place.split_once("..") {
                None => clause.put(place, word, form)?,
                Some((first, second)) => {
                    let (from, to) = word
                        .split_once("..")
                        .ok_or_else(|| form.refuse(&format!("`{word}` is not a range of rates, FROM..TO")))?;
                    clause.put(first, from, form)?;
                    clause.put(second, to, form)?;
                }
            }
        }
        Ok((clause, form))
    }

    fn put(&mut self, key: &str, value: &str, form: &Form) -> Result<(), Refusal> {
        let known = form.keys.contains(&key) || form.words.iter().any(|word| word.split("..").any(|part| part == key));
        if !known {
            return Err(form.refuse(&format!("`{}` has no key `{key}`", form.name)));
        }
        if self.get(key).is_some() {
            return Err(form.refuse(&format!("`{key}` is given twice")));
        }
        self.values.push((key.to_owned(), value.to_owned()));
        Ok(())
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.values.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The text that reads back as this clause.
    pub(crate) fn text(&self, form: &Form) -> String {
        let mut text = self.name.clone();
        let mut place = |word: &str| {
            text.push(' ');
            text.push_str(word);
        };
        let mut placed: Vec<&str> = Vec::new();
        for word in form.words {
            let parts: Vec<&str> = word.split("..").collect();
            let values: Vec<&str> = parts.iter().filter_map(|part| self.get(part)).collect();
            if values.len() == parts.len() {
                place(&values.join(".."));
                placed.extend(parts);
            }
        }
        for (key, value) in self.values.iter().filter(|(key, _)| !placed.contains(&key.as_str())) {
            place(&format!("{key}={value}"));
        }
        text
    }

    /// The values under their form, to be read by type.
    pub(crate) fn values(&self, form: &'static Form) -> Values<'_> {
        Values { clause: self, form }
    }

    /// A clause from a mapping; its key `shape` holds the name.
    fn of_map(map: Map<String, Value>, forms: &'static [Form]) -> Result<(Self, &'static Form), Refusal> {
        let name = map.get("shape").and_then(Value::as_str).unwrap_or("");
        let form = form_of(name, forms)?;
        let mut clause = Self::new(form.name);
        for (key, value) in map {
            let text = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Bool(truth) => truth.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    return Err(form.refuse(&format!("`{key}` must have a single value")));
                }
            };
            if key != "shape" {
                clause.put(&key, &text, form)?;
            }
        }
        Ok((clause, form))
    }

    /// Reads a mapping; for the `Deserialize` of types that are written as clauses.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
        forms: &'static [Form],
    ) -> Result<(Self, &'static Form), D::Error> {
        Self::of_map(Map::deserialize(deserializer)?, forms).map_err(D::Error::custom)
    }
}

impl Serialize for Clause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.values.len()))?;
        map.serialize_entry("shape", &self.name)?;
        for (key, value) in &self.values {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

fn form_of(name: &str, forms: &'static [Form]) -> Result<&'static Form, Refusal> {
    forms.iter().find(|form| form.name == name).ok_or_else(|| {
        let names: Vec<&str> = forms.iter().map(|form| form.name).collect();
        Refusal::new(
            format!("`{name}` is not a shape"),
            format!("accepted is one of {}; see `tonnage help profiles`", names.join(", ")),
        )
    })
}

impl Form {
    pub(crate) fn refuse(&self, why: &str) -> Refusal {
        Refusal::new(why, format!("accepted is `{}`, as in `{}`", self.usage, self.example))
    }
}

/// The longest time in a clause, 50 days: below 52 days, seconds as text are exact to the nanosecond.
pub(crate) const LONGEST: Duration = Duration::from_hours(50 * 24);

/// Reads the values of a clause by type; each refusal names the key and shows the form.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    clause: &'a Clause,
    form: &'static Form,
}

impl<'a> Values<'a> {
    pub(crate) fn name(self) -> &'a str {
        &self.clause.name
    }

    pub(crate) fn refuse(self, why: &str) -> Refusal {
        self.form.refuse(why)
    }

    pub(crate) fn optional(self, key: &str) -> Option<&'a str> {
        self.clause.get(key)
    }

    pub(crate) fn text(self, key: &str) -> Result<&'a str, Refusal> {
        self.optional(key)
            .ok_or_else(|| self.refuse(&format!("`{}` lacks its {}", self.form.name, key.replace("for", "length"))))
    }

    /// A rate of 0 to 100 000 requests per second.
    pub(crate) fn level(self, key: &str) -> Result<f64, Refusal> {
        self.level_of(self.text(key)?)
    }

    pub(crate) fn level_of(self, text: &str) -> Result<f64, Refusal> {
        let per_s = parse_per_s(text)?;
        if (0.0..=Rate::MAX_PER_S).contains(&per_s) {
            // A minus sign before zero would be shown without a meaning.
            Ok(per_s.abs())
        } else {
            Err(self.refuse(&format!("a rate of `{text}` is out of range, 0/s to 100000/s")))
        }
    }

    /// A time above 0.
    pub(crate) fn time(self, key: &str) -> Result<Duration, Refusal> {
        let time = self.span_of(self.text(key)?)?;
        if time.is_zero() { Err(self.refuse(&format!("`{key}` must be above 0"))) } else { Ok(time) }
    }

    /// A time above 0; `None` if it is left out.
    pub(crate) fn some_time(self, key: &str) -> Result<Option<Duration>, Refusal> {
        self.optional(key).map(|_| self.time(key)).transpose()
    }

    /// A time of 0 or more; `otherwise` if it is left out.
    pub(crate) fn span(self, key: &str, otherwise: Duration) -> Result<Duration, Refusal> {
        self.optional(key).map_or(Ok(otherwise), |text| self.span_of(text))
    }

    pub(crate) fn span_of(self, text: &str) -> Result<Duration, Refusal> {
        let span = parse_duration(text)?;
        if span <= LONGEST { Ok(span) } else { Err(self.refuse(&format!("`{text}` is longer than 50 days"))) }
    }

    /// A percentage from 0 to `most`; `otherwise` if it is left out.
    pub(crate) fn percent(self, key: &str, otherwise: f64, most: f64) -> Result<f64, Refusal> {
        let Some(text) = self.optional(key) else { return Ok(otherwise) };
        let percent: Option<f64> = text.strip_suffix('%').and_then(|number| number.trim().parse().ok());
        percent
            .filter(|percent| (0.0..=most).contains(percent))
            .ok_or_else(|| self.refuse(&format!("`{key}={text}` is not a share of 0% to {most}%")))
    }
}

/// A time as text that [`parse_duration`] reads back exactly.
pub(crate) struct Time(pub(crate) Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", secs(self.0))
    }
}

/// A rate as text that [`parse_per_s`] reads back exactly.
pub(crate) struct Level(pub(crate) f64);

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

/// A span in seconds.
pub(crate) fn secs(span: Duration) -> f64 {
    Offset::from(span).as_secs()
}
