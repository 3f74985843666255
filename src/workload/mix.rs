//! Owns `Mix`: weighted classes of requests, each with its own lengths, text, endpoint and model.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::record::ONLY_CLASS;
use crate::schedule::{ArrivalStream, Process};
use crate::seed::{Stream, open_unit};
use crate::units::plain;
use crate::workload::shares::Shares;
use crate::workload::{Cancel, ClassEndpoint, LengthSpec, Prefixes, TextKind};

/// One class of requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MixClass {
    /// Its name, as records, results and objectives have it.
    pub name: Arc<str>,
    /// Its part of the requests, against the sum of all weights; above 0.
    pub weight: f64,
    /// Input tokens of each of its requests.
    pub input: LengthSpec,
    /// Output tokens of each of its requests.
    pub output: LengthSpec,
    /// What its prompts are made of; `None`: what the workload says.
    pub text: Option<TextKind>,
    /// Its requests that are cancelled; `None`: what the workload says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Cancel>,
    /// The law of its arrivals; `None`: the law of the load. As soon as one class has its own, the arrivals of each
    /// class are drawn apart from those of the others ([`Mix::streams`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The model that its requests name; `None`: the models of the load, in turn.
    pub model: Option<Arc<str>>,
    /// The endpoint that its requests go to; `None`: that of the load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<ClassEndpoint>,
    /// What its prompts share with each other, and with no other class; `None`: what the workload says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefixes: Option<Prefixes>,
}

impl MixClass {
    /// A class of requests of `input` and `output` tokens; everything else is as the load says.
    #[must_use]
    pub fn new(name: &str, weight: f64, input: LengthSpec, output: LengthSpec) -> Self {
        Self {
            name: name.into(),
            weight,
            input,
            output,
            text: None,
            cancel: None,
            process: None,
            model: None,
            endpoint: None,
            prefixes: None,
        }
    }
}

/// Weighted classes of requests: 1 to [`Mix::MOST_CLASSES`], with different names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<MixClass>", into = "Vec<MixClass>")]
pub struct Mix {
    classes: Vec<MixClass>,
    shares: Shares,
}

impl Mix {
    /// The most classes of a mix: each is folded by itself, in about 4 MB.
    pub const MOST_CLASSES: usize = 32;
    /// The longest name of a class, in characters.
    pub const LONGEST_NAME: usize = 16;

    /// A mix of `classes`. Refused without a class, with too many, with two of one name, and with a weight that is not
    /// above 0.
    pub fn new(classes: Vec<MixClass>) -> Result<Self, Refusal> {
        if classes.is_empty() || classes.len() > Self::MOST_CLASSES {
            let why = format!("a mix of {} classes is none that can be measured", classes.len());
            return Err(Refusal::new(why, format!("accepted is 1 to {}", Self::MOST_CLASSES)));
        }
        for (place, class) in classes.iter().enumerate() {
            let name = &class.name;
            let plain = name.chars().all(|letter| letter.is_alphanumeric() || "-_.".contains(letter));
            let long = name.chars().count() > Self::LONGEST_NAME;
            if name.is_empty() || **name == *ONLY_CLASS || !plain || long {
                let why = format!("`{name}` is not the name of a class");
                let accepted = format!(
                    "accepted is a name of 1 to {} letters, digits, `-`, `_` and `.`, other than `default`",
                    Self::LONGEST_NAME
                );
                return Err(Refusal::new(why, accepted));
            }
            if !(class.weight > 0.0 && class.weight <= 1e9) {
                let why = format!("the class {name} has the weight {}", class.weight);
                return Err(Refusal::new(why, "accepted is a number above 0, up to 1e9"));
            }
            if classes[..place].iter().any(|before| before.name == *name) {
                return Err(Refusal::new(
                    format!("the class {name} stands twice in the mix"),
                    "give each its own name",
                ));
            }
        }
        Ok(Self { shares: Shares::of(classes.iter().map(|class| class.weight)), classes })
    }

    /// The mix with each class changed by `change`, which leaves names and weights as they are.
    #[must_use]
    pub fn with_each(mut self, change: impl FnMut(&mut MixClass)) -> Self {
        self.classes.iter_mut().for_each(change);
        self
    }

    /// The classes, in their order.
    #[must_use]
    pub fn classes(&self) -> &[MixClass] {
        &self.classes
    }

    /// The share of requests that belong to class number `place`, 0 to 1.
    #[must_use]
    pub fn share(&self, place: usize) -> f64 {
        self.shares.share(place)
    }

    /// The arrivals of each class as a stream of its own, in the order of the classes, if one of them has a process of
    /// its own. The other classes then have the process `usual`, each by itself.
    #[must_use]
    pub fn streams(&self, usual: Process) -> Option<Vec<ArrivalStream>> {
        let stream = |(place, class): (usize, &MixClass)| ArrivalStream {
            process: class.process.unwrap_or(usual),
            share: self.share(place),
        };
        self.has_streams().then(|| self.classes.iter().enumerate().map(stream).collect())
    }

    /// Whether the arrivals of each class are drawn apart.
    fn has_streams(&self) -> bool {
        self.classes.iter().any(|class| class.process.is_some())
    }

    /// The class of request `id`, drawn from `stream` by the weights. If the arrivals of each class are drawn apart,
    /// it is the class whose arrival has this number.
    #[must_use]
    pub fn class_of(&self, stream: &Stream, id: u64) -> &MixClass {
        if self.has_streams() {
            return &self.classes[(id % self.classes.len() as u64) as usize];
        }
        &self.classes[self.shares.place(open_unit(&mut stream.at(id)))]
    }
}

impl TryFrom<Vec<MixClass>> for Mix {
    type Error = Refusal;

    fn try_from(classes: Vec<MixClass>) -> Result<Self, Refusal> {
        Self::new(classes)
    }
}

impl From<Mix> for Vec<MixClass> {
    fn from(mix: Mix) -> Self {
        mix.classes
    }
}

/// The classes with their shares: `chat 70 %, batch 30 %`.
impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, class) in self.classes.iter().enumerate() {
            let between = if place == 0 { "" } else { ", " };
            write!(f, "{between}{} {} %", class.name, plain(self.share(place) * 100.0))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn class(name: &str, weight: f64) -> MixClass {
        MixClass::new(name, weight, LengthSpec::DEFAULT_INPUT, LengthSpec::DEFAULT_OUTPUT)
    }

    #[test]
    fn classes_are_drawn_by_their_weights_and_by_nothing_but_seed_and_number() {
        let mix = Mix::new(vec![class("a", 7.0), class("b", 2.0), class("c", 1.0)]).unwrap();
        let stream = Seed::new(3).stream("classes");
        let of = |id| mix.class_of(&stream, id).name.clone();
        let requests = 100_000_u32;
        for (place, share) in [0.7, 0.2, 0.1].into_iter().enumerate() {
            let name = &mix.classes()[place].name;
            let seen = (0..u64::from(requests)).filter(|id| of(*id) == *name).count() as f64;
            let deviation = (f64::from(requests) * share * (1.0 - share)).sqrt();
            assert!((seen - f64::from(requests) * share).abs() < 4.0 * deviation, "{name}: {seen}");
            assert!((mix.share(place) - share).abs() < 1e-12);
        }
        let backwards: Vec<_> = (0..50).rev().map(of).collect();
        assert_eq!(backwards.into_iter().rev().collect::<Vec<_>>(), (0..50).map(of).collect::<Vec<_>>());
    }

    #[test]
    fn one_class_with_a_process_of_its_own_makes_every_class_a_stream_of_its_own() {
        let mut classes = vec![class("a", 3.0), class("b", 1.0)];
        assert_eq!(Mix::new(classes.clone()).unwrap().streams(Process::Poisson), None);
        classes[1].process = Some(Process::Even);
        let mix = Mix::new(classes).unwrap();
        let of = |process, share| ArrivalStream { process, share };
        assert_eq!(mix.streams(Process::Poisson), Some(vec![of(Process::Poisson, 0.75), of(Process::Even, 0.25)]));
        let stream = Seed::new(3).stream("classes");
        let names: Vec<&str> = (0..4).map(|id| &*mix.class_of(&stream, id).name).collect();
        assert_eq!(names, ["a", "b", "a", "b"], "the number of an arrival says its class");
    }

    #[test]
    fn what_cannot_be_a_mix_is_refused() {
        for (classes, said) in [
            (vec![], "a mix of 0 classes"),
            (vec![class("default", 1.0)], "`default` is not the name"),
            (vec![class("a b", 1.0)], "`a b` is not the name"),
            (vec![class("a", 0.0)], "the weight 0"),
            (vec![class("a", f64::NAN)], "the weight NaN"),
            (vec![class("a", 1.0), class("a", 2.0)], "stands twice"),
            ((0..33).map(|number| class(&number.to_string(), 1.0)).collect(), "a mix of 33 classes"),
        ] {
            let refusal = Mix::new(classes).unwrap_err().to_string();
            assert!(refusal.contains(said), "{refusal}");
        }
    }
}
