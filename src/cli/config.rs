//! Owns the configuration file: its keys are the options of the verb, so that file and command line always accept the
//! same options.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Map, Value};

use crate::cli::config_file::{read, texts};
use crate::cli::earlier::earlier_defaults;
use crate::cli::elsewhere::brief;
use crate::cli::scheduler;
use crate::cli::secrets::{line_without_secrets, of_environment, of_line, stored};
use crate::cli::table::{rival_of, row_of};
use crate::error::Error;
use crate::results::{RunSpec, keep_secret, known_secrets};
use crate::units::secrets::SECRET;

/// The command line with its file merged in.
pub(super) struct Parsed {
    /// Every option in force, defaults included, secrets replaced.
    pub(super) spec: RunSpec,
    /// The options that were given, on the command line or in the file.
    pub(super) given: BTreeSet<String>,
    /// The options that were given on the command line.
    pub(super) typed: BTreeSet<String>,
    /// Keys of the file that this verb does not use.
    pub(super) unused: Vec<String>,
    /// Keys of the file that flags of another name have replaced, one sentence each.
    pub(super) displaced: Vec<String>,
    /// The command line as typed, secrets replaced.
    pub(super) command: Vec<String>,
    /// Whether the API key was given on the command line or in the file, not only in the environment.
    pub(super) key_is_typed: bool,
}

impl Parsed {
    /// Refuses the options of `run` that have no meaning for a verb, each with what to do instead. Removes their
    /// defaults, so that the stored configuration does not contain them. Fails if one of `options` was given.
    pub(super) fn refuse(&mut self, options: &[(&str, &str)], why: &str) -> Result<(), Error> {
        for (key, instead) in options {
            if self.given.contains(*key) {
                return Err(Error::usage(format!("--{key}"), why, *instead));
            }
        }
        self.spec.forget(options.iter().map(|(key, _)| *key))
    }
}

/// Why nothing is run: clap has something to print (for example help), or there is an error.
pub(super) enum Stop {
    Clap(Box<clap::Error>),
    Error(Error),
}

impl From<clap::Error> for Stop {
    fn from(error: clap::Error) -> Self {
        Self::Clap(Box::new(error))
    }
}

/// Parses `line`, which begins with the program name, and reads the file that `--config` names.
pub(super) fn parse(line: &[OsString], definition: Command) -> Result<(ArgMatches, Parsed), Stop> {
    keep_secret(&of_environment().and(&of_line(line)));
    let command = if line.iter().any(|word| word == "-h") { brief(definition) } else { definition };
    let mut all = line.to_vec();
    // Which shard the scheduler gives is asked below, because the file may say how many there are.
    let matched = |line: &[OsString]| command.clone().try_get_matches_from(scheduler::with_any(line));
    let mut matches = matched(line)?;
    let (mut unused, mut displaced) = (Vec::new(), Vec::new());
    let typed = given_in(&command, &matches);
    let path = verb_of(&matches).and_then(|(_, verb)| {
        let of = |key: &str| verb.try_get_one::<PathBuf>(key).ok().flatten().cloned();
        // A resumed run keeps the options that it was started with.
        of("config").or_else(|| of("resume").map(|folder| folder.join("config.yaml")))
    });
    if let Some(path) = path {
        let merged = merge(&command, &matches, line, &path).map_err(Stop::Error)?;
        matches = matched(&merged.line).map_err(|error| merged.blame(error, &path))?;
        all.clone_from(&merged.line);
        (unused, displaced) = (merged.unused, merged.displaced);
        if merged.key_left_out && !has_key(&matches) {
            let why = "api-key: it was left out when the configuration was stored; give --api-key or set \
                OPENAI_API_KEY, or delete the line";
            return Err(Stop::Error(Error::input(&path, why)));
        }
    }
    if scheduler::is_asked(&all) {
        let (shard, said) = scheduler::found(&all, |name| std::env::var(name).ok()).map_err(Stop::Error)?;
        matches = command.clone().try_get_matches_from(scheduler::with_shard(&all, &shard.to_string()))?;
        displaced.push(said);
    }
    let key_is_typed = verb_of(&matches).is_some_and(|(_, verb)| {
        verb.try_contains_id("api_key").is_ok() && verb.value_source("api_key") == Some(ValueSource::CommandLine)
    });
    let effective = verb_of(&matches)
        .and_then(|(name, verb)| command.find_subcommand(name).map(|command| effective(command, verb)))
        .unwrap_or_default();
    let given = given_in(&command, &matches);
    let parsed = Parsed {
        spec: RunSpec::of(effective).map_err(Stop::Error)?,
        given,
        typed,
        unused,
        displaced,
        command: line_without_secrets(line, &known_secrets()),
        key_is_typed,
    };
    Ok((matches, parsed))
}

/// The key of an argument in a file: its long name, or for a positional argument (the trace of a replay) its id.
fn key_of(argument: &Arg) -> Option<&str> {
    argument.get_long().or_else(|| argument.is_positional().then(|| argument.get_id().as_str()))
}

/// The keys of the options that were given in `matches`.
fn given_in(command: &Command, matches: &ArgMatches) -> BTreeSet<String> {
    let Some((verb, matches)) = verb_of(matches).and_then(|(name, verb)| Some((command.find_subcommand(name)?, verb)))
    else {
        return BTreeSet::new();
    };
    verb.get_arguments().filter_map(key_of).filter(|key| is_typed(verb, matches, key)).map(str::to_owned).collect()
}

fn verb_of(matches: &ArgMatches) -> Option<(&str, &ArgMatches)> {
    matches.subcommand()
}

/// Whether there is an API key, whatever its source.
fn has_key(matches: &ArgMatches) -> bool {
    let key = verb_of(matches).and_then(|(_, verb)| verb.try_get_one::<String>("api_key").ok().flatten());
    key.is_some_and(|key| !key.is_empty())
}

/// The command line with the keys of the file added as flags.
struct Merged {
    line: Vec<OsString>,
    keys: Vec<String>,
    unused: Vec<String>,
    displaced: Vec<String>,
    /// Whether the file says that an API key was used, without its value.
    key_left_out: bool,
}

impl Merged {
    /// An error of the merged line. If it is about a key of the file, the file is named.
    fn blame(&self, error: clap::Error, path: &Path) -> Stop {
        let flag = match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::String(flag)) => {
                flag.split([' ', '=']).next().unwrap_or("").trim_start_matches("--").to_owned()
            }
            _ => return error.into(),
        };
        if !self.keys.contains(&flag) {
            return error.into();
        }
        let text = error.to_string();
        let why = text.lines().next().unwrap_or("").trim_start_matches("error: ").to_owned();
        Stop::Error(Error::input(path, why))
    }
}

fn merge(command: &Command, matches: &ArgMatches, line: &[OsString], path: &Path) -> Result<Merged, Error> {
    let (name, typed) = verb_of(matches).ok_or_else(|| Error::Internal("no verb to merge a file into".to_owned()))?;
    let verb = command.find_subcommand(name).ok_or_else(|| Error::Internal(format!("{name} has no definition")))?;
    let resumed = typed.try_get_one::<PathBuf>("resume").ok().flatten().is_some();
    let file = read(
        path,
        if resumed { "give --resume a result folder, which holds a config.yaml" } else { "check the path of --config" },
    )?;
    let is_typed = |key: &str| is_typed(verb, typed, key);
    let earlier = earlier_defaults(&file);
    let mut merged =
        Merged { line: Vec::new(), keys: Vec::new(), unused: Vec::new(), displaced: Vec::new(), key_left_out: false };
    // The verb follows the program name, because the program itself takes no options before the verb.
    merged.line.extend(line.iter().take(2).cloned());
    for (key, value) in file {
        let key = key.replace('_', "-");
        let Some(argument) = verb.get_arguments().find(|argument| key_of(argument) == Some(&key)) else {
            if is_option_of_run(command, &key) {
                merged.unused.push(key);
                continue;
            }
            return Err(unknown_key(command, verb, path, &key));
        };
        if key == "config" {
            return Err(Error::input(
                path,
                "config: a configuration file cannot name another; put the options into one file",
            ));
        }
        let rival = rival_of(&key, is_typed);
        if key == "api-key" && value == SECRET {
            merged.key_left_out = true;
            continue;
        }
        if is_typed(&key) {
            continue;
        }
        if let Some(flag) = rival {
            merged.displaced.push(format!("--{flag} replaces `{key}` in {}", path.display()));
            continue;
        }
        if matches!(argument.get_action(), ArgAction::SetTrue) {
            match value {
                Value::Bool(true) => merged.line.push(format!("--{key}").into()),
                Value::Bool(false) | Value::Null => continue,
                other => {
                    return Err(Error::input(
                        path,
                        format!("{key}: `{other}` is not a switch value; accepted is true or false"),
                    ));
                }
            }
        } else {
            let mut given = texts(&key, value).ok_or_else(|| {
                Error::input(
                    path,
                    format!("{key}: takes one value, or a list of values, and holds more levels; write `{key}: VALUE`"),
                )
            })?;
            if given.len() > 1 && matches!(argument.get_action(), ArgAction::Set) {
                // A list for an option that takes one text: `rates: [1, 2, 4.5]`.
                given = vec![given.join(",")];
            }
            for text in given {
                merged.line.push(if argument.is_positional() { text.into() } else { format!("--{key}={text}").into() });
            }
        }
        merged.keys.push(key);
    }
    for (key, value) in earlier {
        let is_known = verb.get_arguments().any(|argument| key_of(argument) == Some(key));
        if !is_known || is_typed(key) || rival_of(key, is_typed).is_some() {
            continue;
        }
        merged.line.push(format!("--{key}={value}").into());
        let path = path.display();
        merged.displaced.push(format!("{path} is of a version without --{key}: it is repeated with --{key} {value}"));
    }
    merged.line.extend(line.iter().skip(2).cloned());
    Ok(merged)
}

fn is_typed(verb: &Command, typed: &ArgMatches, key: &str) -> bool {
    verb.get_arguments()
        .find(|argument| key_of(argument) == Some(key))
        .is_some_and(|argument| typed.value_source(argument.get_id().as_str()) == Some(ValueSource::CommandLine))
}

fn is_option_of_run(command: &Command, key: &str) -> bool {
    command.find_subcommand("run").is_some_and(|run| run.get_arguments().any(|argument| key_of(argument) == Some(key)))
}

pub(super) fn unknown_key(command: &Command, verb: &Command, path: &Path, key: &str) -> Error {
    let line = [command.get_name().to_owned(), verb.get_name().to_owned(), format!("--{key}=")];
    let suggested =
        command.clone().try_get_matches_from(line).err().and_then(|error| match error.get(ContextKind::SuggestedArg) {
            Some(ContextValue::String(flag)) => Some(flag.trim_start_matches("--").to_owned()),
            Some(ContextValue::Strings(flags)) => flags.first().map(|flag| flag.trim_start_matches("--").to_owned()),
            _ => None,
        });
    let advice = match suggested {
        Some(suggested) => format!("did you mean `{suggested}`?"),
        None => format!("accepted are the options of `tonnage help {}`", verb.get_name()),
    };
    Error::input(path, format!("`{key}` is not an option; {advice}"))
}

/// Every option in force by its key, secrets replaced.
fn effective(command: &Command, matches: &ArgMatches) -> Map<String, Value> {
    let mut kept = Map::new();
    let named = matches.try_get_raw("secret_header").ok().flatten().into_iter().flatten();
    let named: Vec<String> = named.map(|text| text.to_string_lossy().into_owned()).collect();
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str();
        let Some(key) = key_of(argument).filter(|key| row_of(key).kept) else { continue };
        if matches!(argument.get_action(), ArgAction::SetTrue) {
            if matches.get_flag(id) {
                kept.insert(key.to_owned(), Value::Bool(true));
            }
            continue;
        }
        let Some(raw) = matches
            .get_raw(id)
            .filter(|_| key != "api-key" || matches.get_one::<String>(id).is_some_and(|key| !key.is_empty()))
        else {
            continue;
        };
        let mut values: Vec<Value> = raw.map(|text| stored(key, &text.to_string_lossy(), &named)).collect();
        let value = match argument.get_action() {
            ArgAction::Append => Value::Array(values),
            _ => values.pop().unwrap_or(Value::Null),
        };
        kept.insert(key.to_owned(), value);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::arguments::Arguments;
    use crate::workload::TextKind;

    fn parsed(line: &[&str]) -> Parsed {
        let line: Vec<OsString> = line.iter().map(OsString::from).collect();
        match parse(&line, Arguments::definition()) {
            Ok((_, parsed)) => parsed,
            Err(Stop::Clap(error)) => panic!("{error}"),
            Err(Stop::Error(error)) => panic!("{error}"),
        }
    }

    /// The configuration as it is stored.
    fn stored(line: &[&str]) -> Value {
        serde_json::to_value(parsed(line).spec).unwrap()
    }

    fn file(text: &str) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.yaml");
        std::fs::write(&path, text).unwrap();
        (folder, path.to_string_lossy().into_owned())
    }

    #[test]
    fn the_effective_configuration_reads_back_as_itself() {
        let first = parsed(&[
            "tonnage",
            "run",
            "--content",
            "text",
            "--rate",
            "50/s",
            "--salt",
            "0012",
            "--slo",
            "p99 ttft<=2s",
            "--metadata",
            "a=b",
            "--no-stream",
        ]);
        let (_folder, path) = file(&first.spec.to_yaml().unwrap());
        assert_eq!(parsed(&["tonnage", "run", "-c", &path]).spec, first.spec);
    }

    #[test]
    fn flags_win_over_the_file_and_take_their_rivals_with_them() {
        let (_folder, path) = file(
            "rate: 5\nduration: 10s\nmax_in_flight: 7\nslo: ['p99 ttft<=2s', 'tpot<=50ms']\nextra-body: {top_k: 3}\n",
        );
        let kept = stored(&["tonnage", "run", "-c", &path, "--requests", "30", "--slo", "ttft<=1s"]);
        assert_eq!((&kept["rate"], &kept["requests"], kept.get("duration")), (&Value::from(5), &Value::from(30), None));
        assert_eq!((&kept["max-in-flight"], &kept["slo"]), (&Value::from(7), &serde_json::json!(["ttft<=1s"])));
        assert_eq!(kept["extra-body"], Value::from(r#"{"top_k":3}"#));
        assert_eq!(stored(&["tonnage", "run", "-c", &path, "--load", "synchronous"]).get("rate"), None);
    }

    #[test]
    fn what_was_stored_before_prompts_were_text_is_repeated_with_words() {
        let stored = parsed(&["tonnage", "run"]).spec.to_yaml().unwrap();
        let (_folder, path) = file(&stored);
        let kept = |line: &[&str]| {
            let parsed = parsed(&[&["tonnage", "run", "-c", &path], line].concat());
            (parsed.spec.content.map(|content| *content.value()), parsed.displaced.len())
        };
        assert!(!stored.contains("content"), "the default is added when the job is known: {stored}");
        assert_eq!(kept(&[]), (Some(TextKind::Words), 1));
        assert_eq!(kept(&["--content", "code"]), (Some(TextKind::Code), 0));
        assert_eq!(kept(&["--dataset", "rows.txt"]), (None, 1), "it replaces `input-tokens`");
        let (_folder, path) = file(&format!("{stored}tokenizer: here\n"));
        let spec = parsed(&["tonnage", "run", "-c", &path]).spec;
        assert_eq!(spec.chat_template.as_ref().map(crate::results::Setting::text), Some("none"));
        for text in [format!("{stored}content: text\n"), "rate: 5/s\nsalt: abc\nseed: 7\n".to_owned()] {
            let (_folder, path) = file(&text);
            assert_eq!(parsed(&["tonnage", "run", "-c", &path]).displaced, Vec::<String>::new());
        }
    }

    #[test]
    fn a_misspelt_key_and_a_wrong_value_name_file_and_key() {
        for (text, wanted) in [
            ("raet: 5/s", "did you mean `rate`?"),
            ("rate: fast", "--rate"),
            ("json: 7", "not a switch value"),
            ("rate: [", "test.yaml:"),
        ] {
            let (_folder, path) = file(text);
            let line = ["tonnage", "run", "-c", &path].map(OsString::from);
            match parse(&line, Arguments::definition()) {
                Err(Stop::Error(error)) => {
                    assert!(error.to_string().contains("test.yaml") && error.to_string().contains(wanted), "{error}");
                }
                Err(Stop::Clap(error)) => panic!("{error}"),
                Ok(_) => panic!("{text} was accepted"),
            }
        }
    }

    #[test]
    fn secrets_never_reach_what_is_stored() {
        for line in [
            ["--api-key", "k1", "--header", "X-Api-Key: k2"].as_slice(),
            &["--api-key=k3", "--header=authorization: k4"],
        ] {
            let parsed = parsed(&[&["tonnage", "run"], line].concat());
            let stored = format!("{:?} {:?}", parsed.spec, parsed.command);
            assert!(!["k1", "k2", "k3", "k4"].iter().any(|key| stored.contains(key)), "{stored}");
        }
    }

    #[test]
    fn a_file_names_no_other_and_a_key_that_is_typed_is_known_as_such() {
        let (_folder, path) = file("config: other.yaml");
        match parse(&["tonnage", "run", "-c", &path].map(OsString::from), Arguments::definition()) {
            Err(Stop::Error(error)) => assert!(error.to_string().contains("cannot name another"), "{error}"),
            _ => panic!("it was accepted"),
        }
        let (_folder, path) = file("api-key: (secret)");
        assert!(parsed(&["tonnage", "run", "-c", &path, "--api-key", "again"]).key_is_typed);
    }

    #[test]
    fn every_option_that_is_kept_has_a_field_of_its_own() {
        let command = Arguments::definition();
        for verb in ["run", "replay", "sweep", "search"] {
            let definition = command.find_subcommand(verb).unwrap();
            for key in definition.get_arguments().filter_map(key_of).filter(|key| row_of(key).kept) {
                let text = format!(r#"{{"{key}": null}}"#);
                let spec = serde_json::from_str::<RunSpec>(&text);
                let others = spec.map(|spec| spec.others).unwrap_or_default();
                assert!(others.is_empty(), "--{key} of {verb}");
            }
        }
    }

    #[test]
    fn plan_reads_the_file_of_run_and_says_what_it_leaves() {
        let (_folder, path) = file("rate: 5/s\ntarget: http://h\n");
        assert_eq!(parsed(&["tonnage", "plan", "-c", &path]).unused, ["target"]);
    }
}
