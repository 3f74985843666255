//! Owns `RunSpec`: every option in force, typed, as `config.yaml` and the `config` of `result.json` hold it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::client::Endpoint;
use crate::error::{Error, Refusal};
use crate::figures::TrialView;
use crate::metrics::{Note, Objectives};
use crate::schedule::{Overlay, Process, Quota, TimeScale};
use crate::sim;
use crate::trace::{Format, OnEmpty, RateScale, Sample, Spread, Think};
use crate::units::{Rate, Ratio, Shard, parse_duration};

/// A value as it was written, and what it means. It is stored as it was written: `50/s` stays `50/s`, 50 stays 50.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting<T> {
    text: String,
    value: T,
}

impl<T> Setting<T> {
    /// What it means.
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl<T: FromStr> FromStr for Setting<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        Ok(Self { value: text.parse()?, text: text.to_owned() })
    }
}

impl<T: fmt::Display> From<T> for Setting<T> {
    fn from(value: T) -> Self {
        Self { text: value.to_string(), value }
    }
}

impl<T> Serialize for Setting<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.text.parse::<u64>() {
            Ok(number) if number.to_string() == self.text => serializer.serialize_u64(number),
            _ => serializer.serialize_str(&self.text),
        }
    }
}

impl<'text, T: FromStr<Err: fmt::Display>> Deserialize<'text> for Setting<T> {
    fn deserialize<D: Deserializer<'text>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(is) => is.to_string(),
            other => return Err(D::Error::custom(format!("`{other}` is no value of one option"))),
        };
        text.parse().map_err(D::Error::custom)
    }
}

/// A span of time as people write it (`500ms`, `10m`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        parse_duration(text).map(Self)
    }
}

/// Declares the options: one line each, in the order of the alphabet, so that a stored configuration can be compared
/// by eye.
macro_rules! options {
    ($($(#[$meta:meta])* $name:ident: $kind:ty,)*) => {
        /// Every option in force, defaults included and secrets left out. The keys are the options' names.
        ///
        /// What an option means is said where it is typed (`tonnage help run`); a field is none where the verb does
        /// not have the option, or where its default says nothing.
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", default)]
        pub struct RunSpec {
            $($(#[$meta])* #[serde(skip_serializing_if = "is_unsaid")] pub $name: $kind,)*
            /// Options of another version of tonnage: kept, and not understood.
            #[serde(flatten)]
            pub others: BTreeMap<String, Value>,
        }
    };
}

/// Whether a field says nothing.
fn is_unsaid<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

options! {
    /// Where the key was given; never the key itself.
    api_key: Option<Setting<String>>,
    /// The file that holds the key.
    api_key_file: Option<Setting<String>>,
    /// The share of requests that must be good.
    attainment: Option<Setting<Ratio>>,
    /// What a search may take.
    budget: Option<Setting<String>>,
    /// Authorities trusted beside those of the machine.
    ca_cert: Option<Setting<String>>,
    /// A certificate whatever the budget.
    certificate: bool,
    /// Columns of a table.
    columns: Option<Setting<String>>,
    /// Stages of a sweep over closed loops.
    concurrency: Option<Setting<String>>,
    /// The most that opening a connection may take.
    connect_timeout: Option<Setting<Span>>,
    /// Whether each event was asked for its token count.
    continuous_usage: bool,
    /// Load after the window.
    cooldown: Option<Setting<Span>>,
    /// What separates the fields of a trace.
    delimiter: Option<Setting<char>>,
    /// How long requests are followed after the load.
    drain: Option<Setting<Span>>,
    /// Length of the window.
    duration: Option<Setting<Span>>,
    /// The endpoint asked.
    endpoint: Option<Setting<Endpoint>>,
    /// Further keys of the body, as JSON.
    extra_body: Option<Setting<String>>,
    /// The trace.
    file: Option<Setting<String>>,
    /// Its format.
    format: Option<Setting<Format>>,
    /// The longest gap.
    gap_cap: Option<Setting<Span>>,
    /// Objectives in the spelling of vLLM.
    goodput: Option<Setting<String>>,
    /// Further headers, without the values of secret ones.
    header: Vec<Setting<String>>,
    /// Whether the end of an answer was ignored.
    ignore_eos: bool,
    /// Input tokens.
    input_tokens: Option<Setting<String>>,
    /// Whether any certificate was taken.
    insecure: bool,
    /// The user's name for the result.
    label: Option<Setting<String>>,
    /// A closed loop.
    load: Option<Setting<String>>,
    /// How often a trace is played.
    r#loop: Option<Setting<u16>>,
    /// The most in flight that a search may try.
    max_concurrency: Option<Setting<u32>>,
    /// The most in flight; more is shed.
    max_in_flight: Option<Setting<u64>>,
    /// The longest input taken from a trace.
    max_input: Option<Setting<u32>>,
    /// The highest rate that a sweep or a search may offer.
    max_rate: Option<Setting<Rate>>,
    /// The fastest a search may play a trace.
    max_time_scale: Option<Setting<TimeScale>>,
    /// The user's facts.
    metadata: Vec<Setting<String>>,
    /// The fewest in flight of interest.
    min_concurrency: Option<Setting<u32>>,
    /// The lowest rate of interest.
    min_rate: Option<Setting<Rate>>,
    /// The slowest pace of interest.
    min_time_scale: Option<Setting<TimeScale>>,
    /// Whether answers were asked for at least the output tokens.
    min_tokens: bool,
    /// Models.
    model: Vec<Setting<String>>,
    /// No certificate.
    no_certificate: bool,
    /// Whether whole answers were asked for.
    no_stream: bool,
    /// What becomes of rows without tokens.
    on_empty: Option<Setting<OnEmpty>>,
    /// The body field of the output length.
    output_field: Option<Setting<String>>,
    /// Output tokens.
    output_tokens: Option<Setting<String>>,
    /// What a search varies.
    over: Option<Setting<String>>,
    /// What varies the rate around itself.
    overlay: Vec<Setting<Overlay>>,
    /// Rates that a sweep chooses.
    points: Option<Setting<u32>>,
    /// Half the width of the interval that a search wants.
    precision: Option<Setting<Ratio>>,
    /// How arrivals are spread.
    process: Option<Setting<Process>>,
    /// The rate over time.
    profile: Option<Setting<String>>,
    /// A provider's limit.
    quota: Option<Setting<Quota>>,
    /// Requests per second.
    rate: Option<Setting<Rate>>,
    /// How many times the rate of a trace.
    rate_scale: Option<Setting<RateScale>>,
    /// Rates of a sweep.
    rates: Option<Setting<String>>,
    /// What is kept of each request.
    records: Option<Setting<String>>,
    /// Requests of the window.
    requests: Option<Setting<u64>>,
    /// What makes prompts differ from those of other runs.
    salt: Option<Setting<String>>,
    /// A part of a trace's rows.
    sample: Option<Setting<Sample>>,
    /// Headers whose values are secret, without them.
    secret_header: Vec<Setting<String>>,
    /// The seed.
    seed: Option<Setting<u64>>,
    /// Which of several recordings in one file.
    segment: Option<Setting<u32>>,
    /// How many sessions begin.
    session_rate: Option<Setting<Rate>>,
    /// The part of the plan that is sent.
    shard: Option<Setting<Shard>>,
    /// What the embedded server behaves like.
    sim: Option<Setting<sim::ServiceProfile>>,
    /// Objectives.
    slo: Vec<Setting<String>>,
    /// What becomes of rows that share an instant.
    spread: Option<Setting<Spread>>,
    /// Base URLs.
    target: Vec<Setting<String>>,
    /// When later turns are sent.
    think: Option<Setting<Think>>,
    /// How many times as fast as recorded.
    time_scale: Option<Setting<TimeScale>>,
    /// Unit of the times of a table.
    time_unit: Option<Setting<String>>,
    /// From the send to giving up.
    timeout: Option<Setting<Span>>,
    /// The tokenizer.
    tokenizer: Option<Setting<String>>,
    /// How long the target may take to become ready.
    wait_ready: Option<Setting<Span>>,
    /// Load before the window.
    warmup: Option<Setting<Span>>,
    /// The span of trace time taken.
    window: Option<Setting<String>>,
    /// Sending threads.
    workers: Option<Setting<u16>>,
}

impl RunSpec {
    /// The options of a table of texts, as a command line or a file gives them.
    pub fn of(options: Map<String, Value>) -> Result<Self, Error> {
        serde_json::from_value(Value::Object(options)).map_err(|why| {
            Error::usage("config", why.to_string(), "check the configuration against `tonnage help run`")
        })
    }

    /// Takes out the options of these keys, as if they had not been said.
    pub fn forget<'key>(&mut self, keys: impl Iterator<Item = &'key str>) -> Result<(), Error> {
        let Ok(Value::Object(mut options)) = serde_json::to_value(&*self) else {
            return Err(Error::Internal("the configuration is no JSON object".to_owned()));
        };
        for key in keys {
            options.remove(key);
        }
        *self = Self::of(options)?;
        Ok(())
    }

    /// The text of `config.yaml`.
    pub fn to_yaml(&self) -> Result<String, Error> {
        serde_saphyr::to_string(self)
            .map_err(|why| Error::Internal(format!("the configuration cannot be written as YAML: {why}")))
    }

    /// What is asked of the service.
    pub fn objectives(&self) -> Result<Objectives, Error> {
        let attainment = self.attainment.as_ref().map(|share| *share.value());
        let goodput = self.goodput.as_ref().map(Setting::text);
        let texts: Vec<&str> = self.slo.iter().map(Setting::text).collect();
        Objectives::parse(&texts, goodput, attainment).map_err(|refusal| refusal.at("config.slo"))
    }

    /// `view` with what these options say of the trust behind it. The records do not hold it, so that it is added
    /// whenever they are folded.
    #[must_use]
    pub fn with_trust(&self, mut view: TrialView) -> TrialView {
        if self.insecure {
            view.health.note_kinds.push(Note::Insecure);
        }
        view
    }

    /// The first option in which two shards of one load differ, and how it stands in each; none where they asked and
    /// judged alike. What makes the plan is in its fingerprint.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<(String, Value, Value)> {
        macro_rules! differ {
            ($($name:ident),*) => {
                $(if self.$name != other.$name {
                    let shown = |spec: &Self| serde_json::to_value(&spec.$name).unwrap_or_default();
                    return Some((stringify!($name).replace('_', "-"), shown(self), shown(other)));
                })*
            };
        }
        differ!(
            model,
            endpoint,
            no_stream,
            timeout,
            extra_body,
            ignore_eos,
            min_tokens,
            continuous_usage,
            output_field,
            salt,
            slo,
            attainment,
            goodput
        );
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_reads_back_as_itself_and_stays_as_it_was_written() {
        let text =
            "drain: 60s\nheader:\n- 'X-A: b'\ninsecure: true\nrate: 50\nsalt: '0012'\nseed: 7\nslo:\n- p99 ttft<=2s\n";
        let spec: RunSpec = serde_saphyr::from_str(text).unwrap();
        assert_eq!(spec.rate.as_ref().map(|rate| rate.value().per_s()), Some(50.0));
        let again: RunSpec = serde_saphyr::from_str(&spec.to_yaml().unwrap()).unwrap();
        assert_eq!(again, spec);
        let json = serde_json::to_value(&spec).unwrap();
        assert_eq!((&json["rate"], &json["salt"], &json["drain"]), (&50.into(), &"0012".into(), &"60s".into()));
    }

    #[test]
    fn an_option_of_another_version_is_kept_and_a_wrong_value_is_refused() {
        let spec: RunSpec = serde_json::from_str(r#"{"rate":"5/s","tomorrow":{"a":1}}"#).unwrap();
        assert_eq!(serde_json::to_string(&spec).unwrap(), r#"{"rate":"5/s","tomorrow":{"a":1}}"#);
        assert!(serde_json::from_str::<RunSpec>(r#"{"rate":"fast"}"#).unwrap_err().to_string().contains("fast"));
    }

    #[test]
    fn two_shards_differ_where_they_ask_otherwise() {
        let one =
            RunSpec { model: vec!["a".parse().unwrap()], rate: Some("5/s".parse().unwrap()), ..RunSpec::default() };
        let two = RunSpec { model: vec!["b".parse().unwrap()], rate: None, ..RunSpec::default() };
        assert_eq!(one.first_difference(&two).map(|(key, ..)| key), Some("model".to_owned()));
        assert_eq!(one.first_difference(&RunSpec { rate: None, ..one.clone() }), None, "the plan tells of the rate");
    }
}
