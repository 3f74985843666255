//! Owns `RunSpec`: every option in force, typed, as stored in `config.yaml` and in `config` of `result.json`.

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
use crate::units::{Rate, Ratio, Shard, is_unsaid, parse_duration};
use crate::workload::{Cancel, DataColumns, DataFormat, ImageSize, Popularity, Replies, Sampling, TextKind, ThinkLaw};

/// The value of an option, with its text as the user wrote it. The text is stored: `50/s` stays `50/s`, 50 stays 50.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting<T> {
    text: String,
    value: T,
}

impl<T> Setting<T> {
    /// The parsed value.
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// The text as the user wrote it.
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
            other => return Err(D::Error::custom(format!("`{other}` is not the value of one option"))),
        };
        text.parse().map_err(D::Error::custom)
    }
}

/// A duration in the notation of options (`500ms`, `10m`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        parse_duration(text).map(Self)
    }
}

/// Declares the options: one line each, in alphabetical order, so that stored configurations are easy to compare.
macro_rules! options {
    ($($(#[$meta:meta])* $name:ident: $kind:ty,)*) => {
        /// Every option in force, defaults included and secrets left out. The keys are the options' names. `tonnage
        /// help run` explains the options. A field is `None` if the verb does not have the option, or if its default is
        /// empty.
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", default)]
        pub struct RunSpec {
            $($(#[$meta])* #[serde(skip_serializing_if = "is_unsaid")] pub $name: $kind,)*
            /// Options of another version of tonnage. They are stored, but ignored.
            #[serde(flatten)]
            pub others: BTreeMap<String, Value>,
        }
    };
}

options! {
    /// A reference to where the API key was given; never the key itself.
    api_key: Option<Setting<String>>,
    /// The age at which the API key is renewed.
    api_key_age: Option<Setting<Span>>,
    /// The command that prints the API key.
    api_key_command: Option<Setting<String>>,
    /// The file that holds the API key.
    api_key_file: Option<Setting<String>>,
    /// The share of requests that must meet every objective.
    attainment: Option<Setting<Ratio>>,
    /// The header that carries the API key.
    auth_header: Option<Setting<String>>,
    /// Items in a request.
    batch_size: Option<Setting<u32>>,
    /// The time or the requests that a search may use.
    budget: Option<Setting<String>>,
    /// Certificate authorities that are trusted in addition to those of the machine.
    ca_cert: Option<Setting<String>>,
    /// The share of prompt tokens that a prefix cache should hold.
    cache_hit: Option<Setting<Ratio>>,
    /// The requests that are cancelled some time after their send.
    cancel: Option<Setting<Cancel>>,
    /// Whether a search is certified whatever its budget.
    certificate: bool,
    /// The chat template that lengths of prompts include: `auto`, `none` or a file. Stored where a tokenizer counts a
    /// chat; `none`, too, where none was found.
    chat_template: Option<Setting<String>>,
    /// The answers to each request.
    choices: Option<Setting<u32>>,
    /// The certificate chain that is shown to servers.
    client_cert: Option<Setting<String>>,
    /// The file of the private key of the certificate.
    client_key: Option<Setting<String>>,
    /// The columns of a table of requests.
    columns: Option<Setting<String>>,
    /// The concurrencies of a sweep over closed loops.
    concurrency: Option<Setting<String>>,
    /// The timeout of opening a connection.
    connect_timeout: Option<Setting<Span>>,
    /// What synthetic prompts are made of.
    content: Option<Setting<TextKind>>,
    /// Whether the server was asked for a token count in each event.
    continuous_usage: bool,
    /// The duration of the load after the window.
    cooldown: Option<Setting<Span>>,
    /// The file of the data set.
    dataset: Option<Setting<String>>,
    /// The columns of the data set.
    dataset_columns: Option<Setting<DataColumns>>,
    /// The format of the data set.
    dataset_format: Option<Setting<DataFormat>>,
    /// The order of the rows of the data set.
    dataset_order: Option<Setting<Sampling>>,
    /// The separator of the fields of a trace.
    delimiter: Option<Setting<char>>,
    /// The time for which requests are followed after the load.
    drain: Option<Setting<Span>>,
    /// The length of the measured window.
    duration: Option<Setting<Span>>,
    /// The endpoint of the API.
    endpoint: Option<Setting<Endpoint>>,
    /// Further keys of the request body, as JSON.
    extra_body: Option<Setting<String>>,
    /// The file of the trace.
    file: Option<Setting<String>>,
    /// The format of the trace.
    format: Option<Setting<Format>>,
    /// The longest gap between rows, and the longest think time, of a replayed trace.
    gap_cap: Option<Setting<Span>>,
    /// Objectives in the notation of vLLM.
    goodput: Option<Setting<String>>,
    /// Further headers, without the values of secret ones.
    header: Vec<Setting<String>>,
    /// Whether only HTTP/1.1 was asked for.
    http1: bool,
    /// Whether only HTTP/2 was asked for.
    http2: bool,
    /// The time after which an idle connection is dropped.
    idle_timeout: Option<Setting<Span>>,
    /// Whether the server was asked to ignore the end-of-sequence token.
    ignore_eos: bool,
    /// Whether the processors, the memory and the GPUs of this host were read during the load.
    host_metrics: bool,
    /// The width and height of images.
    image_size: Option<Setting<ImageSize>>,
    /// The images in each request.
    images: Option<Setting<u32>>,
    /// The input tokens of a request.
    input_tokens: Option<Setting<String>>,
    /// Whether any server certificate was accepted.
    insecure: bool,
    /// The user's name for the result.
    label: Option<Setting<String>>,
    /// The closed loop, for example `concurrent:8`.
    load: Option<Setting<String>>,
    /// How many times a trace is replayed.
    r#loop: Option<Setting<u16>>,
    /// The highest concurrency that a search may try.
    max_concurrency: Option<Setting<u32>>,
    /// The most requests in flight; further requests are shed.
    max_in_flight: Option<Setting<u64>>,
    /// The longest input that is taken from a trace, in tokens.
    max_input: Option<Setting<u32>>,
    /// The highest rate that a sweep or a search may offer.
    max_rate: Option<Setting<Rate>>,
    /// The highest time scale that a search may try.
    max_time_scale: Option<Setting<TimeScale>>,
    /// The user's metadata.
    metadata: Vec<Setting<String>>,
    /// The lowest concurrency that a search considers.
    min_concurrency: Option<Setting<u32>>,
    /// The lowest rate that a search considers.
    min_rate: Option<Setting<Rate>>,
    /// The lowest time scale that a search considers.
    min_time_scale: Option<Setting<TimeScale>>,
    /// Whether the server was asked for at least the output tokens.
    min_tokens: bool,
    /// The classes of requests, as JSON.
    mix: Option<Setting<String>>,
    /// The models.
    model: Vec<Setting<String>>,
    /// Whether a search goes without a certificate.
    no_certificate: bool,
    /// Whether the load was sent without a small request before it.
    no_preflight: bool,
    /// Whether prefixes are not sent before the load.
    no_prime: bool,
    /// Whether each request has a connection of its own.
    no_reuse: bool,
    /// Whether answers were requested without streaming.
    no_stream: bool,
    /// Fields of the request body that are left out.
    omit: Vec<Setting<String>>,
    /// The treatment of rows without tokens.
    on_empty: Option<Setting<OnEmpty>>,
    /// The body field of the output length.
    output_field: Option<Setting<String>>,
    /// The output tokens of a request.
    output_tokens: Option<Setting<String>>,
    /// The axis of a search: what it varies.
    over: Option<Setting<String>>,
    /// The overlays that vary the rate around its mean.
    overlay: Vec<Setting<Overlay>>,
    /// The number of rates that a sweep chooses.
    points: Option<Setting<u32>>,
    /// The wanted half-width of the interval of a search, relative.
    precision: Option<Setting<Ratio>>,
    /// The groups of requests with a prefix of their own.
    prefix_groups: Option<Setting<u32>>,
    /// How often each group is drawn.
    prefix_popularity: Option<Setting<Popularity>>,
    /// The tokens of the prefixes of groups.
    prefix_tokens: Option<Setting<String>>,
    /// Whether each prefix is sent once before the load.
    prime: bool,
    /// The arrival process.
    process: Option<Setting<Process>>,
    /// The rate over time.
    profile: Option<Setting<String>>,
    /// The quota of a provider.
    quota: Option<Setting<Quota>>,
    /// The rate, in requests per second.
    rate: Option<Setting<Rate>>,
    /// The file that describes a raw endpoint.
    raw: Option<Setting<String>>,
    /// The factor on the rate of a trace.
    rate_scale: Option<Setting<RateScale>>,
    /// The rates of a sweep.
    rates: Option<Setting<String>>,
    /// The detail of the records.
    records: Option<Setting<String>>,
    /// The answers in the conversation that later turns carry.
    replies: Option<Setting<Replies>>,
    /// The number of requests in the window.
    requests: Option<Setting<u64>>,
    /// Whether the prefix caches of the targets were emptied before the load.
    reset_cache: bool,
    /// The salt, which makes prompts differ from the prompts of other runs.
    salt: Option<Setting<String>>,
    /// The sampled part of a trace's rows.
    sample: Option<Setting<Sample>>,
    /// The names of headers with secret values, without the values.
    secret_header: Vec<Setting<String>>,
    /// The seed.
    seed: Option<Setting<u64>>,
    /// The number of the recording, if a trace file holds several.
    segment: Option<Setting<u32>>,
    /// The pages of metrics that were read during the load; `auto`: those beside the targets.
    server_metrics: Vec<Setting<String>>,
    /// The header that carries the id of a session.
    session_header: Option<Setting<String>>,
    /// The rate at which sessions begin.
    session_rate: Option<Setting<Rate>>,
    /// Whether the conversations of the data set are sent as sessions.
    sessions: bool,
    /// The part of the plan that is sent.
    shard: Option<Setting<Shard>>,
    /// The profile of the simulated server.
    sim: Option<Setting<sim::ServiceProfile>>,
    /// The objectives.
    slo: Vec<Setting<String>>,
    /// The treatment of rows with the same time.
    spread: Option<Setting<Spread>>,
    /// Whether all turns of a session go to one target.
    sticky: bool,
    /// Texts at which the model stops.
    stop: Vec<Setting<String>>,
    /// The tokens of the system prompt that all requests share.
    system_tokens: Option<Setting<u32>>,
    /// The base URLs of the targets.
    target: Vec<Setting<String>>,
    /// The sampling temperature.
    temperature: Option<Setting<f64>>,
    /// The rule for when later turns of a session are sent.
    think: Option<Setting<Think>>,
    /// The law of the time between an answer and the next turn.
    think_time: Option<Setting<ThinkLaw>>,
    /// The replay speed, as a factor on the recorded speed.
    time_scale: Option<Setting<TimeScale>>,
    /// The unit of the times of a table of requests.
    time_unit: Option<Setting<String>>,
    /// The timeout of a request, from its send.
    timeout: Option<Setting<Span>>,
    /// The file of the tokenizer.
    tokenizer: Option<Setting<String>>,
    /// The share of probability from which tokens are drawn.
    top_p: Option<Setting<f64>>,
    /// The law of the number of turns of a session.
    turns: Option<Setting<String>>,
    /// The time that the target may take to become ready.
    wait_ready: Option<Setting<Span>>,
    /// The duration of the load before the window.
    warmup: Option<Setting<Span>>,
    /// The span of trace time that is replayed.
    window: Option<Setting<String>>,
    /// The number of sending threads.
    workers: Option<Setting<u16>>,
}

impl RunSpec {
    /// The options of a map of texts, as a command line or a file gives them.
    pub fn of(options: Map<String, Value>) -> Result<Self, Error> {
        serde_json::from_value(Value::Object(options)).map_err(|why| {
            Error::usage("config", why.to_string(), "check the configuration against `tonnage help run`")
        })
    }

    /// Removes the options of these keys, as if they had not been given.
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

    /// Whether the options are those of a replay of a trace.
    pub(crate) const fn replays(&self) -> bool {
        self.file.is_some()
    }

    /// Whether failed requests are kept with their prompts.
    pub(crate) fn keeps_failures(&self) -> bool {
        self.records.as_ref().is_none_or(|detail| detail.text() != "off")
    }

    /// The text of `config.yaml`.
    pub fn to_yaml(&self) -> Result<String, Error> {
        serde_saphyr::to_string(self)
            .map_err(|why| Error::Internal(format!("the configuration cannot be written as YAML: {why}")))
    }

    /// The objectives, with the required attainment.
    pub fn objectives(&self) -> Result<Objectives, Error> {
        let attainment = self.attainment.as_ref().map(|share| *share.value());
        let goodput = self.goodput.as_ref().map(Setting::text);
        let texts: Vec<&str> = self.slo.iter().map(Setting::text).collect();
        Objectives::parse(&texts, goodput, attainment).map_err(|refusal| refusal.at("config.slo"))
    }

    /// `view` with what the records do not hold, so that it is added after every fold: a note if certificates were not
    /// checked, whether lengths include a chat template, and the items per second of an endpoint with batches.
    #[must_use]
    pub fn completed(&self, view: TrialView) -> TrialView {
        let mut view = self.with_items(view);
        let is_templated = self.chat_template.as_ref().is_some_and(|template| template.text() != "none");
        for note in &mut view.health.note_kinds {
            if let Note::PromptTokensApart { templated, .. } = note {
                *templated = is_templated;
            }
        }
        if self.insecure {
            view.health.note_kinds.push(Note::Insecure);
        }
        view
    }

    /// The first option in which two shards of one load differ, with both values; `None` if their requests and
    /// objectives agree. When requests are sent is not compared, because the plan's fingerprint covers it.
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
            cancel,
            extra_body,
            omit,
            temperature,
            top_p,
            stop,
            batch_size,
            choices,
            content,
            chat_template,
            mix,
            sessions,
            turns,
            think_time,
            replies,
            system_tokens,
            prefix_groups,
            prefix_tokens,
            prefix_popularity,
            cache_hit,
            ignore_eos,
            min_tokens,
            continuous_usage,
            output_field,
            sticky,
            session_header,
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
        let in_sessions = RunSpec { turns: Some("3".parse().unwrap()), ..one.clone() };
        assert_eq!(one.first_difference(&in_sessions).map(|(key, ..)| key), Some("turns".to_owned()));
        assert_eq!(
            one.first_difference(&RunSpec { rate: None, ..one.clone() }),
            None,
            "the fingerprint of the plan covers the rate"
        );
    }
}
