//! Owns `Profile`: a rate over time as a sequence of stages, its notation, and its pieces.

mod aibrix;
mod fluctuation;
mod points;
mod stage;

use std::fmt;
use std::io::BufRead;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Refusal};
use crate::schedule::clause::{Clause, LONGEST, secs};
use crate::schedule::piece::Layer;
use crate::seed::Seed;
use crate::units::Rate;
use stage::Stage;
pub(crate) use stage::{FORMS, REPEAT};

/// A rate over time λ(t), t from its beginning: a sequence of stages, `ramp 1/s..100/s 60s; hold 120s; ramp
/// 100/s..1/s 60s`.
///
/// The last stage may leave out its time: then it lasts as long as the load. A profile that ends with `; repeat`
/// starts again until the load ends. The YAML form is a list of mappings, each with its `shape` and the keys of that
/// shape. `tonnage help profiles` lists all shapes.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    stages: Vec<Stage>,
    repeat: bool,
}

impl Profile {
    /// A constant rate without end.
    #[must_use]
    pub fn constant(rate: Rate) -> Self {
        Self { stages: vec![Stage::Constant { rate: rate.per_s(), length: None }], repeat: false }
    }

    /// Straight lines between the points of a CSV file, `t_s,rate`: seconds in rising order, and requests per second.
    /// Two points at one time are a jump. The first rate holds from 0. A header is skipped; `path` names the file in
    /// errors.
    pub fn from_csv(reader: impl BufRead, path: &Path) -> Result<Self, Error> {
        let points = points::read(reader, path)?;
        Self::of(vec![Stage::Points { points }], false).map_err(|refusal| Error::input(path, refusal.to_string()))
    }

    fn of(stages: Vec<Stage>, repeat: bool) -> Result<Self, Refusal> {
        let Some((last, others)) = stages.split_last() else {
            return Err(Refusal::new(
                "the profile has no stages",
                "accepted is at least one stage, as in `ramp 1/s..100/s 60s`",
            ));
        };
        if let Some(endless) = others.iter().find(|stage| stage.length().is_none()) {
            let why = format!("`{endless}` has no end, but a stage follows it");
            return Err(Refusal::new(why, "accepted is a time for each stage but the last, as in `hold 60s`"));
        }
        if repeat && last.length().is_none() {
            return Err(Refusal::new(
                format!("`{last}` has no end, so it cannot be repeated"),
                "give it a time, or drop `repeat`",
            ));
        }
        if matches!(stages.first(), Some(Stage::Hold { .. })) {
            return Err(Refusal::new(
                "`hold` has no rate to hold at the beginning",
                "accepted is a stage before it, as in `constant 10/s 60s`",
            ));
        }
        let profile = Self { stages, repeat };
        if profile.length().is_some_and(|length| length > LONGEST) {
            return Err(Refusal::new("the profile is longer than 50 days", "accepted is 50 days, or `; repeat`"));
        }
        Ok(profile)
    }

    /// The length of the profile; `None` if it has no end.
    #[must_use]
    pub fn length(&self) -> Option<Duration> {
        if self.repeat { None } else { self.stages.iter().map(Stage::length).sum() }
    }

    /// Adds the profile to `layer` up to `limit_s`: repeated if it ends with `repeat`, otherwise followed by its last
    /// rate. The noise comes from `seed`, and is the same in each repetition.
    pub(crate) fn lay(&self, layer: &mut Layer, limit_s: f64, seed: Seed) {
        let length_s = secs(self.stages.iter().filter_map(Stage::length).sum());
        let mut round = 0.0;
        while round == 0.0 || (self.repeat && !layer.is_full()) {
            let mut end = Some(Duration::ZERO);
            for (number, stage) in (0..).zip(&self.stages) {
                end = end.zip(stage.length()).map(|(end, length)| end + length);
                let end_s = end.map_or(limit_s, |end| round * length_s + secs(end));
                layer.within(end_s.min(limit_s), |layer| {
                    stage.lay(layer, end_s, seed.stream(&format!("profile/{number}")));
                });
            }
            round += 1.0;
        }
        layer.flat(layer.reached(), limit_s);
    }
}

impl std::str::FromStr for Profile {
    type Err = Refusal;

    /// Reads stages between `;`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let mut texts: Vec<&str> = text.split(';').map(str::trim).collect();
        let repeat = texts.last() == Some(&REPEAT) && texts.pop().is_some();
        Self::of(texts.into_iter().filter(|text| !text.is_empty()).map(str::parse).collect::<Result<_, _>>()?, repeat)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, stage) in self.stages.iter().enumerate() {
            write!(f, "{}{stage}", if number > 0 { "; " } else { "" })?;
        }
        if self.repeat { write!(f, "; {REPEAT}") } else { Ok(()) }
    }
}

impl Serialize for Profile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.stages.iter().map(Stage::clause).chain(self.repeat.then(|| Clause::new(REPEAT))))
    }
}

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        /// A stage, or the word `repeat`.
        struct Item(Option<Stage>);
        impl<'de> Deserialize<'de> for Item {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let (clause, form) = Clause::deserialize(deserializer, FORMS)?;
                if clause.name == REPEAT {
                    return Ok(Self(None));
                }
                Stage::read(clause.values(form)).map(|stage| Self(Some(stage))).map_err(D::Error::custom)
            }
        }
        let mut items = Vec::<Item>::deserialize(deserializer)?;
        let repeat = items.last().is_some_and(|item| item.0.is_none()) && items.pop().is_some();
        let stages: Option<Vec<Stage>> = items.into_iter().map(|item| item.0).collect();
        let stages = stages.ok_or_else(|| D::Error::custom("`repeat` comes before a stage; accepted is at the end"))?;
        Self::of(stages, repeat).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
