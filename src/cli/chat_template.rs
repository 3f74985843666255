//! Owns `--chat-template`: which template stands around prompts, and what it cannot be combined with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::cli::config::Parsed;
use crate::cli::endpoints::Endpoints;
use crate::cli::load::tokenizer_of;
use crate::cli::options::{TargetOptions, WireOptions};
use crate::client::Endpoint;
use crate::clock::RunClock;
use crate::error::Error;
use crate::results::{Limit, read_bytes};
use crate::workload::{ChatTemplate, Plan, Tokenizer};

/// The flag, for refusals.
const FLAG: &str = "--chat-template";
/// The files beside a tokenizer that may hold its chat template, in the order in which servers look for it.
const BESIDE: [&str; 3] = ["chat_template.jinja", "chat_template.json", CONFIG];
/// The file that holds the special tokens, and mostly the template.
const CONFIG: &str = "tokenizer_config.json";

/// The tokenizer of `--tokenizer`, with the chat template that the lengths of prompts include.
pub(super) fn counter_of(
    wire: &WireOptions,
    target: &TargetOptions,
    endpoints: &Endpoints,
    plan: &Plan,
    parsed: &mut Parsed,
    notes: &mut Vec<String>,
) -> Result<Option<Arc<Tokenizer>>, Error> {
    let asked = wire.chat_template.as_deref();
    let Some(path) = &wire.tokenizer else {
        return match asked {
            Some(_) => {
                let why = "is counted by a tokenizer, and none is given";
                Err(Error::usage(FLAG, why, "add --tokenizer PATH, or drop it"))
            }
            None => Ok(None),
        };
    };
    let tokenizer = tokenizer_of(path)?;
    refuse_elsewhere(asked, endpoints, plan)?;
    let is_chat = is_templated(endpoints, plan);
    let template = match asked {
        Some("") => return Err(Error::usage(FLAG, "an empty text names no file", "accepted is auto, none or a file")),
        None | Some("auto") if is_chat => found_beside(path, &options_in(target))?,
        None | Some("auto" | "none") => None,
        Some(file) => Some(template_in(Path::new(file), path, &options_in(target))?),
    };
    if is_chat && template.is_none() && asked != Some("none") {
        notes.push(format!(
            "no chat template stands beside {}: lengths of prompts are those of their text ({FLAG} FILE names one)",
            path.display()
        ));
    }
    if is_chat {
        let in_force = if template.is_some() { asked.unwrap_or("auto") } else { "none" };
        parsed.spec.chat_template = in_force.parse().ok();
    }
    let Some(template) = template else { return Ok(Some(Arc::new(tokenizer))) };
    let name = template.name().to_owned();
    let templated = tokenizer.templated(template).map_err(|refusal| refusal.at(FLAG))?;
    notes.push(format!("lengths of prompts include the chat template of {name}"));
    Ok(Some(Arc::new(templated)))
}

/// Whether prompts, or those of some classes, are put into a chat template by the server.
fn is_templated(endpoints: &Endpoints, plan: &Plan) -> bool {
    let of_trace = plan.recording().is_some_and(|recording| recording.with_body() == recording.requests());
    let has_bodies =
        of_trace || plan.workload().source.listed().is_some_and(|listed| listed.data().bodies() == listed.data().len());
    endpoints.any(has_template_around) && !has_bodies
}

/// Whether a server puts prompts to `endpoint` into a chat template.
fn has_template_around(endpoint: Endpoint) -> bool {
    endpoint.capabilities().chat_template && !endpoint.has_template()
}

/// Refuses a template that was asked for where no server puts one around prompts.
fn refuse_elsewhere(asked: Option<&str>, endpoints: &Endpoints, plan: &Plan) -> Result<(), Error> {
    if asked.is_none() || is_templated(endpoints, plan) {
        return Ok(());
    }
    if !endpoints.any(has_template_around) {
        let chats: Vec<&str> =
            Endpoint::ALL.iter().filter(|it| has_template_around(**it)).map(|it| it.name()).collect();
        let why = format!("the endpoint {} puts no chat template around prompts", endpoints.names());
        return Err(Error::usage(FLAG, why, format!("drop it, or use {}", chats.join(", "))));
    }
    let why = "changes the length of prompts, and the bodies of the data set are sent as they are";
    Err(Error::usage(FLAG, why, "drop it"))
}

/// Refuses a template that takes no system message, or no second turn, or not the messages of a data set, if the
/// requests of `plan` have them.
pub(super) fn refuse_unanswerable(plan: &Plan, tokenizer: &Tokenizer) -> Result<(), Error> {
    let Some(template) = tokenizer.template() else { return Ok(()) };
    let refuse = |what: String, refusal: crate::error::Refusal| {
        let accepted = "send other messages, or give --chat-template another file, or none";
        Error::usage(FLAG, format!("{what}: {}", refusal.why), accepted)
    };
    if let Some(listed) = plan.workload().source.listed() {
        for (row, messages) in listed.data().conversations() {
            template.render(messages).map_err(|refusal| refuse(format!("row {row} of the data set"), refusal))?;
        }
        return Ok(());
    }
    let is_templated = |id: &u64| plan.is_templated(&plan.outline(*id).class);
    let first = plan.one_of_each_class().into_iter().filter(is_templated);
    let later = plan.turns().and_then(|turns| turns.after(0).first());
    for (id, is_later) in first.map(|id| (id, false)).chain(later.map(|id| (id, true))) {
        let what = if is_later { "the messages of a later turn" } else { "the messages of a request" };
        template.render(&plan.spec(id).messages).map_err(|refusal| refuse(what.to_owned(), refusal))?;
    }
    Ok(())
}

/// The folder of the tokenizer at `path`.
fn folder_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.to_owned() } else { path.parent().unwrap_or(Path::new("")).to_owned() }
}

/// The template beside the tokenizer at `path`, if there is one.
fn found_beside(path: &Path, options: &Map<String, Value>) -> Result<Option<ChatTemplate>, Error> {
    let folder = folder_of(path);
    for name in BESIDE {
        let file = folder.join(name);
        if file.is_file()
            && let Some(template) = read(&file, &folder, options)?
        {
            return Ok(Some(template));
        }
    }
    Ok(None)
}

/// The template in `file`, for the tokenizer at `path`.
fn template_in(file: &Path, path: &Path, options: &Map<String, Value>) -> Result<ChatTemplate, Error> {
    let found = read(file, &folder_of(path), options)?;
    found.ok_or_else(|| Error::input(file, "has no `chat_template`; give --chat-template a file that has one"))
}

/// The template in `file`: Jinja, or JSON with the key `chat_template`; `None` for JSON without that key. `folder` is
/// that of the tokenizer, whose special tokens the template may name, as it may the `options` of the requests.
fn read(file: &Path, folder: &Path, options: &Map<String, Value>) -> Result<Option<ChatTemplate>, Error> {
    let bytes = read_bytes(file, Limit::TOKENIZER, "check --chat-template and the files beside --tokenizer")?;
    let text = String::from_utf8(bytes).map_err(|_| Error::input(file, "is no UTF-8; write the template in UTF-8"))?;
    let wrong = |why: String| Error::input(file, why);
    let is_json = file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    let (source, mut given) = if is_json {
        let keys: Map<String, Value> =
            serde_json::from_str(&text).map_err(|why| wrong(format!("is no JSON object: {why}")))?;
        let Some(source) = source_in(&keys).map_err(wrong)? else { return Ok(None) };
        (source, special_in(&keys))
    } else {
        (text, Map::new())
    };
    let config = folder.join(CONFIG);
    if given.is_empty() && config.is_file() && config != file {
        let bytes = read_bytes(&config, Limit::TOKENIZER, "check the files beside --tokenizer")?;
        let keys: Map<String, Value> = serde_json::from_slice(&bytes).map_err(|why| {
            Error::input(&config, format!("is no JSON object: {why}; repair it, or give --tokenizer another folder"))
        })?;
        given = special_in(&keys);
    }
    given.extend(options.clone());
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
    let template = ChatTemplate::new(
        &source,
        &name,
        given,
        today(Timestamp::try_from(RunClock::starting_in(Duration::ZERO).wall()).unwrap_or_default()),
    );
    template.map(Some).map_err(|refusal| wrong(format!("{}; give --chat-template another file, or none", refusal.why)))
}

/// The template under the key `chat_template`: a text, or the one named `default` in a list of named texts.
fn source_in(keys: &Map<String, Value>) -> Result<Option<String>, String> {
    match keys.get("chat_template") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Array(named)) => {
            let of =
                |name: &str| named.iter().find(|item| item["name"] == name).and_then(|item| item["template"].as_str());
            let names: Vec<&str> = named.iter().filter_map(|item| item["name"].as_str()).collect();
            of("default").map(|text| Some(text.to_owned())).ok_or_else(|| {
                format!(
                    "its chat templates are named {}, and none is named default; write the one to use into a file of \
                     its own, and give that to --chat-template",
                    names.join(", ")
                )
            })
        }
        Some(_) => Err("its `chat_template` is neither a text nor a list of named texts; repair it".to_owned()),
    }
}

/// The special tokens of a tokenizer's configuration: the keys that end in `_token`, each a text or an object with a
/// content.
fn special_in(keys: &Map<String, Value>) -> Map<String, Value> {
    let text = |value: &Value| value.as_str().or_else(|| value["content"].as_str()).map(Value::from);
    let tokens = keys.iter().filter(|(key, _)| key.ends_with("_token"));
    tokens.filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect()
}

/// The options of the chat template that each request carries: `chat_template_kwargs` in --extra-body.
fn options_in(target: &TargetOptions) -> Map<String, Value> {
    let body = target.extra_body.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    body.and_then(|body| body["chat_template_kwargs"].as_object().cloned()).unwrap_or_default()
}

/// Writes `now` in a format of `strftime`, in the time zone of this machine.
fn today(now: Timestamp) -> impl Fn(&str) -> Result<String, String> + Send + Sync + 'static {
    let now = now.to_zoned(TimeZone::system());
    move |format| jiff::fmt::strtime::format(format, &now).map_err(|why| why.to_string())
}
