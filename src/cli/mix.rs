//! Owns `--mix`: the file of a mix of classes, or its text, and what is stored of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cli::config::Parsed;
use crate::cli::load::lengths_of;
use crate::cli::options::{ScheduleOptions, WorkloadOptions};
use crate::cli::table::NO_CANCELLATIONS;
use crate::error::{Error, Refusal};
use crate::metrics::Objectives;
use crate::results::{Limit, read_text};
use crate::schedule::Process;
use crate::units::yaml_words;
use crate::workload::{Cancel, Mix, MixClass, Plan, TextKind, Workload};

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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    slo: Vec<String>,
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
    process, model and slo, as in {chat: {weight: 70, slo: [p99 ttft<=200ms]}, batch: {output-tokens: 512}} \
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
pub(super) fn mix_of(options: &WorkloadOptions) -> Result<Option<Mix>, Error> {
    let usual = [options.input_tokens.as_str(), &options.output_tokens];
    options.mix.as_deref().map(|text| mix_in(text, usual)).transpose()
}

/// The mix of `text`; `usual` are the input and output tokens of a class that says nothing of them.
pub(super) fn mix_in(text: &str, usual: [&str; 2]) -> Result<Mix, Error> {
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
            name: name.as_str().into(),
        })
    };
    let classes = classes_in(text)?.into_iter().map(of_class).collect::<Result<Vec<_>, Error>>()?;
    Mix::new(classes).map_err(|refusal| refusal.at("--mix"))
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
