//! Owns `Matrix`, the file of a batch: its keys, and the values of its axes as options with a name.

use std::path::Path;

use serde_json::{Map, Value};

use crate::cli::config_file::read;
use crate::error::Error;
use crate::report::closed_name;
use crate::results::{Limit, read_text};

/// Options by their names.
pub(super) type Options = Map<String, Value>;

/// An axis of a matrix, which one cell has one value of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MatrixAxis {
    Models,
    Targets,
    Lengths,
    Loads,
    Processes,
}

impl MatrixAxis {
    /// The axes, the slowest first: the model changes last, so that a server is started as seldom as can be.
    pub(super) const ALL: [Self; 5] = [Self::Models, Self::Targets, Self::Lengths, Self::Loads, Self::Processes];

    /// The key in the file.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Models => "models",
            Self::Targets => "targets",
            Self::Lengths => "lengths",
            Self::Loads => "loads",
            Self::Processes => "processes",
        }
    }

    /// What a value of the axis is.
    const fn accepted(self) -> &'static str {
        match self {
            Self::Models => "a model, or options: {name: small, model: m, target: http://h:8000}",
            Self::Targets => "a URL, a list of URLs, or options: {name: h1, target: http://h1:8000}",
            Self::Lengths => "[512, 128] or 512x128, or options: {name: chat, dataset: chats.json}",
            Self::Loads => {
                "a rate (4/s), a closed loop (concurrent:50), [50, 200] for 50 in flight and 200 requests, or options"
            }
            Self::Processes => "even, poisson, gamma:CV or weibull:CV, or options: {name: bursts, overlay: …}",
        }
    }

    /// Whether the list `items` is one value of the axis, and not several.
    fn is_one(self, items: &[Value]) -> bool {
        matches!(self, Self::Lengths | Self::Loads) && items.len() == 2 && items.iter().all(Value::is_number)
    }

    /// The name of a value of the axis; `None` if it is not one.
    pub(super) fn name_of(self, value: &Value) -> Option<String> {
        self.value(value).map(|value| value.name)
    }

    /// A value of the axis; `None` if it is not one.
    fn value(self, value: &Value) -> Option<AxisValue> {
        let one = |name: String, key: &str, value: Value| {
            Some(AxisValue { name, options: std::iter::once((key.to_owned(), value)).collect() })
        };
        let pair = |name: String, [first, second]: [(&str, Value); 2]| {
            let options = [first, second].map(|(key, value)| (key.to_owned(), value));
            Some(AxisValue { name, options: options.into_iter().collect() })
        };
        if let Value::Object(options) = value {
            let mut options: Options =
                options.iter().map(|(key, value)| (key.replace('_', "-"), value.clone())).collect();
            let name = match options.remove("name") {
                Some(name) => text_of(&name)?,
                None => options.values().filter_map(text_of).collect::<Vec<_>>().join(" "),
            };
            return (!name.is_empty() && !options.is_empty()).then_some(AxisValue { name, options });
        }
        match (self, value) {
            (Self::Models, value) => text_of(value).and_then(|text| one(text.clone(), "model", text.into())),
            (Self::Targets, Value::Array(urls)) => {
                let names: Option<Vec<String>> = urls.iter().map(text_of).collect();
                one(names?.join(","), "target", value.clone())
            }
            (Self::Targets, value) => text_of(value).and_then(|text| one(text.clone(), "target", text.into())),
            (Self::Lengths, Value::Array(items)) => {
                let [input, output] = items.as_slice() else { return None };
                let name = format!("{}x{}", text_of(input)?, text_of(output)?);
                pair(name, [("input-tokens", input.clone()), ("output-tokens", output.clone())])
            }
            (Self::Lengths, value) => {
                let text = text_of(value)?.replace('×', "x");
                let (input, output) = text.split_once('x').filter(|(_, output)| !output.contains('x'))?;
                let (input, output) = (input.trim(), output.trim());
                let name = format!("{input}x{output}");
                pair(name, [("input-tokens", input.into()), ("output-tokens", output.into())])
            }
            (Self::Loads, Value::Array(items)) => {
                let [in_flight, requests] = items.as_slice() else { return None };
                let in_flight = u32::try_from(in_flight.as_u64()?).ok()?;
                let closed = format!("concurrent:{in_flight}").into();
                pair(closed_name(in_flight), [("load", closed), ("requests", requests.clone())])
            }
            (Self::Loads, value) => {
                let text = text_of(value)?;
                if let Some(in_flight) = text.strip_prefix("concurrent:").and_then(|number| number.trim().parse().ok())
                {
                    return one(closed_name(in_flight), "load", text.into());
                }
                if ["synchronous", "throughput"].contains(&text.as_str()) {
                    return one(text.clone(), "load", text.into());
                }
                let name = if text.parse::<f64>().is_ok() { format!("{text}/s") } else { text.clone() };
                one(name, "rate", text.into())
            }
            (Self::Processes, value) => text_of(value).and_then(|text| one(text.clone(), "process", text.into())),
        }
    }
}

/// A value as one text; `None` for lists, mappings and nothing.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A value of an axis: options with a name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AxisValue {
    /// The name, different from those of the other values of the axis.
    pub(super) name: String,
    /// The options that it sets.
    pub(super) options: Options,
}

/// What some cells have otherwise.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Override {
    /// The names of values by axis. A cell matches if it has one of the names on each of these axes.
    pub(super) matches: Vec<(MatrixAxis, Vec<String>)>,
    /// The options that are set.
    pub(super) options: Options,
    /// Whether the cells are left out.
    pub(super) skip: bool,
}

/// The verb that runs a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CellVerb {
    Run,
    Sweep,
    Search,
}

impl CellVerb {
    const ALL: [Self; 3] = [Self::Run, Self::Sweep, Self::Search];

    /// The name of the verb on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Sweep => "sweep",
            Self::Search => "search",
        }
    }
}

/// A matrix: what its cells have in common, its axes, and what some cells have otherwise.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Matrix {
    /// The name that the user gave it.
    pub(super) name: Option<String>,
    /// The verb that runs its cells.
    pub(super) verb: CellVerb,
    /// The options of every cell.
    pub(super) base: Options,
    /// The axes that the file has, in the order of [`MatrixAxis::ALL`], each with at least one value.
    pub(super) axes: Vec<(MatrixAxis, Vec<AxisValue>)>,
    /// What some cells have otherwise; later ones win.
    pub(super) overrides: Vec<Override>,
    /// The command that runs after each cell.
    pub(super) after_command: Option<String>,
}

/// The keys of the file.
const KEYS: [&str; 10] =
    ["name", "verb", "base", "models", "targets", "lengths", "loads", "processes", "cells", "after-command"];

/// Keys of other tools, and what to write instead.
const ELSEWHERE: [(&[&str], &str); 6] = [
    (&["input-output"], "write lengths: [[512, 512], [1024, 1024]]"),
    (&["concurrency-prompts"], "write loads: [[1, 10], [4, 40]]"),
    (&["base-url", "target", "url"], "write targets: [http://localhost:8000], or base: {target: …}"),
    (&["model"], "write models: [m], or base: {model: m}"),
    (&["tokenizer"], "write base: {tokenizer: FOLDER}"),
    (&["rates", "concurrency"], "write loads: [2/s, 4/s, concurrent:50]"),
];

impl Matrix {
    /// Reads the file in `path`. An error names the file, the key and, where it is found, the line.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let keys = read(path, "give the YAML file of a matrix (`tonnage batch --example lework` prints one)")?;
        let keys: Options = keys.into_iter().map(|(key, value)| (key.replace('_', "-"), value)).collect();
        if let Some(key) = keys.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(unknown(path, key));
        }
        let of = |key: &str| keys.get(key).filter(|value| !value.is_null());
        let text = |key: &str| match of(key) {
            None => Ok(None),
            Some(value) => text_of(value)
                .map(Some)
                .ok_or_else(|| Error::input(path, format!("{key}: takes a text; write `{key}: TEXT`"))),
        };
        let verb = text("verb")?.unwrap_or_else(|| "run".to_owned());
        let mut axes = Vec::new();
        for axis in MatrixAxis::ALL {
            if let Some(written) = of(axis.key()) {
                axes.push((axis, values(path, axis, written)?));
            }
        }
        let matrix = Self {
            name: text("name")?,
            verb: CellVerb::ALL.into_iter().find(|one| one.name() == verb).ok_or_else(|| {
                Error::input(path, format!("verb: `{verb}` does not run cells; accepted is run, sweep or search"))
            })?,
            base: match of("base") {
                None => Options::new(),
                Some(value) => options(value)
                    .ok_or_else(|| Error::input(path, "base: takes options; write `base: {duration: 20s}`"))?,
            },
            overrides: match of("cells") {
                None => Vec::new(),
                Some(Value::Array(items)) => items
                    .iter()
                    .enumerate()
                    .map(|(place, item)| override_of(path, &format!("cells[{}]", place + 1), item, &axes))
                    .collect::<Result<_, _>>()?,
                Some(_) => return Err(Error::input(path, format!("cells: takes a list; {OVERRIDE}"))),
            },
            after_command: text("after-command")?,
            axes,
        };
        Ok(matrix)
    }
}

/// What an override looks like.
const OVERRIDE: &str = "write `- {match: {loads: 4/s}, set: {duration: 60s}}`, or `- {match: {…}, skip: true}`";

/// The options in `value`, their names with dashes; `None` if it is no mapping.
fn options(value: &Value) -> Option<Options> {
    let Value::Object(options) = value else { return None };
    Some(options.iter().map(|(key, value)| (key.replace('_', "-"), value.clone())).collect())
}

/// The values of `axis`, each with a name of its own.
fn values(path: &Path, axis: MatrixAxis, written: &Value) -> Result<Vec<AxisValue>, Error> {
    let key = axis.key();
    let refuse = |why: String| Error::input(path, format!("{key}: {why}; each value is {}", axis.accepted()));
    let items = match written {
        Value::Array(items) if axis.is_one(items) => std::slice::from_ref(written),
        Value::Array(items) => items.as_slice(),
        other => std::slice::from_ref(other),
    };
    if items.is_empty() {
        return Err(Error::input(path, format!("{key}: is empty; leave the key out, or name at least one value")));
    }
    let mut values: Vec<AxisValue> = Vec::new();
    for item in items {
        let value = axis.value(item).ok_or_else(|| refuse(format!("`{item}` is not a value")))?;
        if values.iter().any(|other| other.name == value.name) {
            return Err(refuse(format!("`{}` is there twice; give one another name", value.name)));
        }
        values.push(value);
    }
    Ok(values)
}

fn override_of(
    path: &Path,
    place: &str,
    item: &Value,
    axes: &[(MatrixAxis, Vec<AxisValue>)],
) -> Result<Override, Error> {
    let refuse = |why: String| Error::input(path, format!("{place}: {why}"));
    let Some(keys) = options(item) else { return Err(refuse(format!("is no mapping; {OVERRIDE}"))) };
    if let Some(key) = keys.keys().find(|key| !["match", "set", "skip"].contains(&key.as_str())) {
        return Err(refuse(format!("`{key}` is not a key; {OVERRIDE}")));
    }
    let mut matches = Vec::new();
    let wanted = keys.get("match").map_or_else(|| Some(Options::new()), options);
    for (key, value) in wanted.ok_or_else(|| refuse(format!("match: takes axes; {OVERRIDE}")))? {
        let known = axes.iter().find(|(axis, _)| axis.key() == key);
        let Some((axis, values)) = known else {
            let keys: Vec<&str> = axes.iter().map(|(axis, _)| axis.key()).collect();
            return Err(refuse(format!("match: `{key}` is not an axis of this file; accepted is {}", keys.join(", "))));
        };
        let items = match &value {
            Value::Array(items) if !axis.is_one(items) => items.as_slice(),
            other => std::slice::from_ref(other),
        };
        let mut names = Vec::new();
        for item in items {
            // A value is named as it is written on the axis, or by its name.
            let asked = text_of(item);
            let found = values.iter().find(|value| Some(&value.name) == asked.as_ref());
            let written = axis.value(item).and_then(|one| values.iter().find(|value| value.name == one.name));
            let Some(value) = found.or(written) else {
                let names: Vec<&str> = values.iter().map(|value| value.name.as_str()).collect();
                let why = format!("match: {key} has no value `{}`", asked.unwrap_or_else(|| item.to_string()));
                return Err(refuse(format!("{why}; accepted is {}", names.join(", "))));
            };
            names.push(value.name.clone());
        }
        matches.push((*axis, names));
    }
    let set = keys.get("set").map_or_else(|| Some(Options::new()), options);
    let skip = match keys.get("skip") {
        None => false,
        Some(Value::Bool(skip)) => *skip,
        Some(other) => return Err(refuse(format!("skip: `{other}` is not a switch; accepted is true or false"))),
    };
    let options = set.ok_or_else(|| refuse(format!("set: takes options; {OVERRIDE}")))?;
    if options.is_empty() && !skip {
        return Err(refuse(format!("changes nothing; {OVERRIDE}")));
    }
    Ok(Override { matches, options, skip })
}

/// The refusal of a key that no matrix has.
fn unknown(path: &Path, key: &str) -> Error {
    let near = KEYS.into_iter().min_by_key(|known| strsim::damerau_levenshtein(known, key));
    let near = near.filter(|known| strsim::damerau_levenshtein(known, key) <= 2);
    let elsewhere = ELSEWHERE.iter().find(|(keys, _)| keys.contains(&key)).map(|(_, instead)| (*instead).to_owned());
    let advice = elsewhere.or_else(|| near.map(|known| format!("did you mean `{known}`?"))).unwrap_or_else(|| {
        format!("options of the cells stand under base; the keys of a matrix are {}", KEYS.join(", "))
    });
    Error::Input { path: path.to_owned(), line: line_of(path, key), why: format!("`{key}` is not a key; {advice}") }
}

/// The first line of the file in which `key` stands before a colon, from 1.
pub(super) fn line_of(path: &Path, key: &str) -> Option<u64> {
    let text = read_text(path, Limit::CONFIG, "check the file").ok()?;
    let is_here = |line: &str| {
        let line = line.split('#').next().unwrap_or_default().replace('_', "-");
        line.match_indices(key).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let starts = before.is_none_or(|last| !last.is_alphanumeric() && last != '-');
            starts && line[at + key.len()..].trim_start_matches(['"', '\'']).trim_start().starts_with(':')
        })
    };
    text.lines().position(is_here).map(|place| place as u64 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(text: &str) -> Result<Matrix, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.yaml");
        std::fs::write(&path, text).unwrap();
        Matrix::read(&path)
    }

    #[test]
    fn values_of_axes_are_options_with_a_name() {
        let matrix = read_of(
            "lengths: [[512, 128], 64x32, {name: chat, dataset: c.json}]\nloads: [4, 2.5/s, concurrent:8, [50, 200], \
             {rate: 3/s, duration: 9s}]\ntargets: [[http://a, http://b], http://c]\n",
        )
        .unwrap();
        let names: Vec<Vec<&str>> =
            matrix.axes.iter().map(|(_, values)| values.iter().map(|value| value.name.as_str()).collect()).collect();
        assert_eq!(
            names,
            [
                vec!["http://a,http://b", "http://c"],
                vec!["512x128", "64x32", "chat"],
                vec!["4/s", "2.5/s", "8 in flight", "50 in flight", "9s 3/s"],
            ]
        );
        let loads = &matrix.axes[2].1;
        assert_eq!(
            Value::Object(loads[3].options.clone()),
            serde_json::json!({"load": "concurrent:50", "requests": 200})
        );
        assert_eq!(Value::Object(loads[0].options.clone()), serde_json::json!({"rate": "4"}));
    }

    #[test]
    fn an_unknown_key_and_a_wrong_value_are_refused_with_what_to_write() {
        for (text, wanted) in [
            ("base: {}\nmodles: [a]", "m.yaml:2: `modles` is not a key; did you mean `models`?"),
            ("input_output: [[1, 2]]", "write lengths: [[512, 512]"),
            ("duration: 5s", "options of the cells stand under base"),
            ("lengths: [512]", "`512` is not a value; each value is [512, 128] or 512x128"),
            ("loads: []", "is empty"),
            ("loads: [4, 4/s]", "`4/s` is there twice"),
            ("verb: plan", "accepted is run, sweep or search"),
            ("loads: [4]\ncells: [{match: {loads: 5}, skip: true}]", "loads has no value `5`; accepted is 4/s"),
            ("loads: [4]\ncells: [{match: {models: m}, skip: true}]", "is not an axis of this file; accepted is loads"),
            ("loads: [4]\ncells: [{match: {loads: 4}}]", "changes nothing"),
            ("loads: [4]\ncells: [{mach: {loads: 4}}]", "`mach` is not a key"),
        ] {
            let why = read_of(text).unwrap_err().to_string();
            assert!(why.contains(wanted), "{text}: {why}");
        }
    }
}
