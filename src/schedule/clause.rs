//! Owns the clause, `NAME WORD… KEY=VALUE…`: what a stage of a profile and an overlay are written as, in text and in
//! YAML.

use std::fmt;
use std::time::Duration;

use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::error::Refusal;
use crate::units::{Offset, Rate, parse_duration, parse_per_s};

/// How a clause is written, and what it means: its row of the catalogue.
#[derive(Debug)]
pub(crate) struct Form {
    /// Its first word.
    pub(crate) name: &'static str,
    /// Keys of the words that stand without one, in order; `from..to` is two of them in one word.
    pub(crate) words: &'static [&'static str],
    /// Keys of the others.
    pub(crate) keys: &'static [&'static str],
    /// The whole, for people.
    pub(crate) usage: &'static str,
    /// Its formula.
    pub(crate) formula: &'static str,
    /// One to copy and to draw.
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

    /// The same with `value` under `key`.
    pub(crate) fn with(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.values.push((key.to_owned(), value.to_string()));
        self
    }

    /// The same, where `value` says more than leaving it out would.
    pub(crate) fn with_some(self, key: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Reads `NAME WORD… KEY=VALUE…`, where `forms` says which words a name takes.
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
                return Err(form.refuse(&format!("`{word}` has no place in `{}`", form.name)));
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
            return Err(form.refuse(&format!("`{key}` means nothing to `{}`", form.name)));
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

    /// A clause out of a mapping whose key `shape` is the name.
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
                    return Err(form.refuse(&format!("`{key}` has no single value")));
                }
            };
            if key != "shape" {
                clause.put(&key, &text, form)?;
            }
        }
        Ok((clause, form))
    }

    /// Reads a mapping; for the `Deserialize` of what is written as clauses.
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
            format!("`{name}` is no shape"),
            format!("accepted is one of {}; see `tonnage help profiles`", names.join(", ")),
        )
    })
}

impl Form {
    pub(crate) fn refuse(&self, why: &str) -> Refusal {
        Refusal::new(why, format!("accepted is `{}`, as in `{}`", self.usage, self.example))
    }
}

/// The longest time in a clause, 50 days: seconds are exact to the nanosecond below 52, so that text is exact.
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
            // A minus before the zero would be shown, and mean nothing.
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

    /// The same, where it may be left out.
    pub(crate) fn some_time(self, key: &str) -> Result<Option<Duration>, Refusal> {
        self.optional(key).map(|_| self.time(key)).transpose()
    }

    /// A time of 0 or more; `otherwise` where it is left out.
    pub(crate) fn span(self, key: &str, otherwise: Duration) -> Result<Duration, Refusal> {
        self.optional(key).map_or(Ok(otherwise), |text| self.span_of(text))
    }

    pub(crate) fn span_of(self, text: &str) -> Result<Duration, Refusal> {
        let span = parse_duration(text)?;
        if span <= LONGEST { Ok(span) } else { Err(self.refuse(&format!("`{text}` is longer than 50 days"))) }
    }

    /// A percentage from 0 to `most`; `otherwise` where it is left out.
    pub(crate) fn percent(self, key: &str, otherwise: f64, most: f64) -> Result<f64, Refusal> {
        let Some(text) = self.optional(key) else { return Ok(otherwise) };
        let percent: Option<f64> = text.strip_suffix('%').and_then(|number| number.trim().parse().ok());
        percent
            .filter(|percent| (0.0..=most).contains(percent))
            .ok_or_else(|| self.refuse(&format!("`{key}={text}` is not a share of 0% to {most}%")))
    }
}

/// A time as [`parse_duration`] reads it back, exactly.
pub(crate) struct Time(pub(crate) Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", secs(self.0))
    }
}

/// A rate as it is read back, exactly.
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
