//! Owns `--mix`: the file of a mix of classes, or its text, and what is stored of it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cli::config::Parsed;
use crate::cli::endpoints::class_endpoint;
use crate::cli::load::lengths_of;
use crate::cli::options::{PrefixOptions, ScheduleOptions, WorkloadOptions};
use crate::cli::prefixes::prefixes_of_class;
use crate::cli::table::NO_CANCELLATIONS;
use crate::client::Endpoint;
use crate::error::{Error, Refusal};
use crate::metrics::Objectives;
use crate::results::{Limit, read_text};
use crate::schedule::Process;
use crate::units::{Ratio, yaml_words};
use crate::workload::{Cancel, ClassEndpoint, Mix, MixClass, Plan, Popularity, Prefixes, TextKind, Workload};

/// One class as a file has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ClassText {
    #[serde(default = "one")]
    weight: Scalar,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input_tokens: Option<Scalar>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output_tokens: Option<Scalar>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancel: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    batch_size: Option<Scalar>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    system_tokens: Option<Scalar>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix_tokens: Option<Scalar>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix_groups: Option<Scalar>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix_popularity: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cache_hit: Option<Scalar>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    slo: Vec<String>,
}

impl ClassText {
    /// Whether it says what its prompts share.
    fn says_prefixes(&self) -> bool {
        let said = [&self.system_tokens, &self.prefix_tokens, &self.prefix_groups, &self.cache_hit];
        said.into_iter().any(Option::is_some) || self.prefix_popularity.is_some()
    }
}

/// A number, or a text such as `30%` or `128..1024`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Whole(u64),
    Number(f64),
    Text(String),
}

fn one() -> Scalar {
    Scalar::Whole(1)
}

impl Scalar {
    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Whole(number) => number.to_string().into(),
            Self::Number(number) => number.to_string().into(),
            Self::Text(text) => text.as_str().into(),
        }
    }
}

/// What a mix may say of a class.
const ACCEPTED: &str = "accepted is a mapping of classes to weight, input-tokens, output-tokens, content, cancel, \
    process, model, endpoint, batch-size, system-tokens, prefix-tokens, prefix-groups, prefix-popularity, cache-hit \
    and slo, as in {chat: {weight: 70, slo: [p99 ttft<=200ms]}, batch: {output-tokens: 512}} \
    (`tonnage help mix`)";

/// The classes of `text`: the path of a YAML file, or YAML itself, which begins with a brace.
fn classes_in(text: &str) -> Result<BTreeMap<String, ClassText>, Error> {
    let read = |yaml: &str| serde_saphyr::from_str::<BTreeMap<String, ClassText>>(yaml);
    if text.trim_start().starts_with('{') {
        return read(text).map_err(|why| Error::usage("--mix", yaml_words(&why), ACCEPTED));
    }
    if text.trim().is_empty() {
        return Err(Error::usage("--mix", "is empty", "give the path of a file (`tonnage help mix`), or drop it"));
    }
    let path = Path::new(text);
    read(&read_text(path, Limit::CONFIG, "check --mix")?).map_err(|why| Error::Input {
        path: path.to_owned(),
        line: why.location().map(|location| location.line()),
        why: format!("{}; {ACCEPTED}", yaml_words(&why)),
    })
}

/// The mix that the options ask for; `None` without one. What a class leaves out, the options say.
pub(super) fn mix_of(options: &WorkloadOptions, seed: u64) -> Result<Option<Mix>, Error> {
    let usual = [options.input_tokens.as_str(), &options.output_tokens];
    options.mix.as_deref().map(|text| mix_in(text, usual, seed)).transpose()
}

/// The mix of `text`; `usual` are the input and output tokens of a class that says nothing of them. What prompts share
/// is drawn from `seed`.
pub(super) fn mix_in(text: &str, usual: [&str; 2], seed: u64) -> Result<Mix, Error> {
    let of_class = |(name, class): (String, ClassText)| {
        let refuse = |what: &str, why: String, accepted: &str| {
            Error::usage("--mix", format!("{what} of the class {name}: {why}"), accepted)
        };
        let lengths = |own: &Option<Scalar>, usual: &str, key: &str| {
            let text = own.as_ref().map_or(Cow::Borrowed(usual), Scalar::text);
            lengths_of(&format!("--mix, {key} of the class {name}"), &text)
        };
        let weight = class.weight.text();
        let share = weight.strip_suffix('%').unwrap_or(&weight).trim();
        let weight = share
            .parse()
            .map_err(|_| refuse("the weight", format!("`{share}` is no number"), "accepted is 70 or 70%"))?;
        let text = class.content.as_deref().map(str::parse::<TextKind>).transpose();
        let cancel = class.cancel.as_deref().map(str::parse::<Cancel>).transpose();
        let process = class.process.as_deref().map(str::parse::<Process>).transpose();
        Ok(MixClass {
            weight,
            cancel: cancel.map_err(|refusal| refuse("cancel", refusal.why, &refusal.accepted))?,
            input: lengths(&class.input_tokens, usual[0], "input-tokens")?,
            output: lengths(&class.output_tokens, usual[1], "output-tokens")?,
            process: process.map_err(|refusal| refuse("the process", refusal.why, &refusal.accepted))?,
            text: text.map_err(|refusal| refuse("the content", refusal.why, &refusal.accepted))?,
            model: class.model.as_deref().map(Into::into),
            endpoint: endpoint_in(&name, &class)?,
            prefixes: prefixes_of_class(prefix_options_of(&name, &class)?, &name, seed)?,
            name: name.as_str().into(),
        })
    };
    let classes = classes_in(text)?.into_iter().map(of_class).collect::<Result<Vec<_>, Error>>()?;
    Mix::new(classes).map_err(|refusal| refusal.at("--mix"))
}

/// The refusal of `what` of the class `name`.
fn refuse(what: &str, name: &str, why: &str, accepted: &str) -> Error {
    Error::usage("--mix", format!("{what} of the class {name}: {why}"), accepted)
}

/// The endpoint that the class `name` names. Refuses keys that have no meaning for it.
fn endpoint_in(name: &str, class: &ClassText) -> Result<Option<ClassEndpoint>, Error> {
    let batch = class.batch_size.as_ref().map(|size| whole_number(size, 1..=100_000)).transpose();
    let batch = batch.map_err(|accepted| refuse("batch-size", name, "is no number of items", &accepted))?;
    let Some(text) = class.endpoint.as_deref() else {
        return match batch {
            Some(_) => Err(refuse("batch-size", name, "its endpoint is not named", "add endpoint: embeddings")),
            None => Ok(None),
        };
    };
    let endpoint: Endpoint =
        text.parse().map_err(|refusal: Refusal| refuse("the endpoint", name, &refusal.why, &refusal.accepted))?;
    if endpoint.has_template() {
        let why = "its body and its path are those of --raw and --target";
        let instead = "give --endpoint raw --raw FILE, and leave endpoint out of the class";
        return Err(refuse("the endpoint", name, why, instead));
    }
    let takes = format!("the endpoint {endpoint} takes one prompt a request");
    if batch.is_some() && endpoint.texts(1).is_none() {
        return Err(refuse("batch-size", name, &takes, "drop it"));
    }
    if class.output_tokens.is_some() && !endpoint.capabilities().output_tokens {
        return Err(refuse("output-tokens", name, &format!("the endpoint {endpoint} writes no tokens"), "drop it"));
    }
    Ok(Some(class_endpoint(endpoint, Some(endpoint.name().into()), batch)))
}

/// The classes of `text` that do not say how many items their requests have.
pub(super) fn classes_without_batch(text: &str) -> Result<BTreeSet<String>, Error> {
    let classes = classes_in(text)?.into_iter();
    Ok(classes.filter(|(_, class)| class.batch_size.is_none()).map(|(name, _)| name).collect())
}

/// What the class `name` says of the prefixes of its prompts, as the options of the same names.
fn prefix_options_of(name: &str, class: &ClassText) -> Result<PrefixOptions, Error> {
    let number = |key: &str, text: &Option<Scalar>, range: RangeInclusive<u32>| {
        let read = text.as_ref().map(|text| whole_number(text, range)).transpose();
        read.map_err(|accepted| refuse(key, name, "is no whole number", &accepted))
    };
    let of = |key: &str, refusal: Refusal| refuse(key, name, &refusal.why, &refusal.accepted);
    let popularity = class.prefix_popularity.as_deref().map(str::parse::<Popularity>).transpose();
    let share = class.cache_hit.as_ref().map(|share| share.text().parse::<Ratio>()).transpose();
    Ok(PrefixOptions {
        system_tokens: number("system-tokens", &class.system_tokens, 0..=10_000_000)?,
        prefix_groups: number("prefix-groups", &class.prefix_groups, 1..=Prefixes::MOST_GROUPS)?,
        prefix_tokens: class.prefix_tokens.as_ref().map(|text| text.text().into_owned()),
        prefix_popularity: popularity.map_err(|refusal| of("prefix-popularity", refusal))?,
        cache_hit: share.map_err(|refusal| of("cache-hit", refusal))?,
        prime: false,
        no_prime: false,
    })
}

/// The whole number in `text`, within `range`; else what is accepted.
fn whole_number(text: &Scalar, range: RangeInclusive<u32>) -> Result<u32, String> {
    let number = text.text().trim().parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("accepted is a whole number from {} to {}", range.start(), range.end()))
}

/// The objectives of the classes, each with its class in front. Refuses options without effect. Stores them, and the
/// mix itself instead of its path.
pub(super) fn objectives_of_mix(options: &WorkloadOptions, parsed: &mut Parsed) -> Result<Vec<String>, Error> {
    let Some(text) = &options.mix else { return Ok(Vec::new()) };
    let classes = classes_in(text)?;
    refuse_said_by_all(&classes, parsed)?;
    // The objectives are stored as objectives, not twice.
    let plain: BTreeMap<&String, ClassText> =
        classes.iter().map(|(name, class)| (name, ClassText { slo: Vec::new(), ..class.clone() })).collect();
    let stored = serde_json::to_string(&plain).map_err(|why| Error::Internal(why.to_string()))?;
    parsed.spec.mix = stored.parse().ok();
    let mut all = Vec::new();
    for (name, class) in &classes {
        // A semicolon would end the class.
        let texts: Vec<String> =
            class.slo.iter().map(|text| format!("{name}: {}", text.replace([';', '\n'], ","))).collect();
        Objectives::parse(&texts, None, None).map_err(|refusal| {
            Refusal::new(format!("slo of the class {name}: {}", refusal.why), refusal.accepted).at("--mix")
        })?;
        all.extend(texts);
    }
    for text in &all {
        if !parsed.spec.slo.iter().any(|known| known.text() == text) {
            parsed.spec.slo.extend(text.parse());
        }
    }
    Ok(all)
}

/// Refuses options that every class of the mix says for itself, because they would have no effect.
fn refuse_said_by_all(classes: &BTreeMap<String, ClassText>, parsed: &Parsed) -> Result<(), Error> {
    let all = || classes.values();
    let said = [
        ("input-tokens", all().all(|class| class.input_tokens.is_some())),
        ("output-tokens", all().all(|class| class.output_tokens.is_some())),
        ("content", all().all(|class| class.content.is_some())),
        ("cancel", all().all(|class| class.cancel.is_some())),
        ("process", all().all(|class| class.process.is_some())),
        ("model", all().all(|class| class.model.is_some())),
        ("endpoint", all().all(|class| class.endpoint.is_some())),
        ("system-tokens", all().all(ClassText::says_prefixes)),
        ("prefix-tokens", all().all(ClassText::says_prefixes)),
        ("prefix-groups", all().all(ClassText::says_prefixes)),
        ("prefix-popularity", all().all(ClassText::says_prefixes)),
        ("cache-hit", all().all(ClassText::says_prefixes)),
    ];
    match said.into_iter().find(|(key, own)| *own && parsed.given.contains(*key)) {
        Some((key, _)) => {
            let why = "has no effect, because each class of --mix says its own";
            Err(Error::usage(format!("--{key}"), why, "drop it, or leave it out of a class"))
        }
        None => Ok(()),
    }
}

/// Refuses a mix whose classes have processes of their own beside what draws or counts the requests of all classes
/// together.
pub(super) fn refuse_beside_streams(
    workload: &Workload,
    schedule: &ScheduleOptions,
    closed: Option<&str>,
) -> Result<(), Error> {
    let classes = workload.source.mix().map_or(&[][..], Mix::classes);
    let Some(class) = classes.iter().find(|class| class.process.is_some()) else { return Ok(()) };
    let of_class = format!("and the class {} of --mix has a process of its own", class.name);
    if let Some(flag) = closed {
        let why = format!("sends when answers come, {of_class}");
        return Err(Error::usage(flag, why, "drop one of them"));
    }
    if schedule.requests.is_some() {
        let why = format!("counts the requests of all classes, {of_class}, so that their numbers vary apart");
        return Err(Error::usage("--requests", why, "give --duration instead"));
    }
    Ok(())
}

/// Refuses a mix of which a class has cancellations, for loads that are judged by what completes.
pub(super) fn refuse_cancellations(plan: &Plan) -> Result<(), Error> {
    let classes = plan.workload().source.mix().map_or(&[][..], Mix::classes);
    match classes.iter().find(|class| class.cancel.is_some()) {
        Some(class) => {
            let why = format!("cancels requests of the class {}", class.name);
            Err(Error::usage("--mix", why, NO_CANCELLATIONS))
        }
        None => Ok(()),
    }
}

/// Refuses objectives that name a class which `workload` does not have.
pub(super) fn refuse_unknown_classes(objectives: &Objectives, workload: &Workload) -> Result<(), Error> {
    let named = objectives.classes();
    let Some(mix) = workload.source.mix() else {
        let Some(class) = named.first() else { return Ok(()) };
        let why = format!("speaks of the class `{class}`, and the load has no classes");
        return Err(Error::usage("--slo", why, "drop the class, or give --mix FILE"));
    };
    let is_known = |class: &str| mix.classes().iter().any(|known| *known.name == *class);
    match named.iter().find(|class| !is_known(class)) {
        Some(class) => {
            let names: Vec<&str> = mix.classes().iter().map(|class| &*class.name).collect();
            let why = format!("speaks of the class `{class}`, which the mix does not have");
            Err(Error::usage("--slo", why, format!("accepted is {}", names.join(", "))))
        }
        None => Ok(()),
    }
}
