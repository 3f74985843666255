//! Owns rows of named fields: tables (CSV), JSON objects with a prompt, and pairs of a context and a prompt.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::columns::{DataColumns, Part};
use super::fault::{Fault, shown};
use super::row::DataRow;
use super::table::Rows;
use super::values::Placed;
use crate::workload::{Few, Message, Role};

/// The parts of one row, as texts.
#[derive(Default)]
struct Parts<'a> {
    prompt: Cow<'a, str>,
    context: Option<Cow<'a, str>>,
    system: Option<Cow<'a, str>>,
    output: Option<Cow<'a, str>>,
    answer: Option<Cow<'a, str>>,
}

impl Parts<'_> {
    /// The row of these parts. The context stands before the prompt, with an empty line between them.
    fn row(self) -> Result<DataRow, String> {
        if self.prompt.trim().is_empty() {
            return Err("has an empty prompt; fill it in, or remove the row".to_owned());
        }
        let question = match self.context.filter(|context| !context.is_empty()) {
            Some(context) => [&*context, "\n\n", &*self.prompt].concat(),
            None => self.prompt.into_owned(),
        };
        let messages = match self.system.filter(|system| !system.is_empty()) {
            Some(system) => Few::Many(vec![Message::new(Role::System, system.into_owned()), Message::user(question)]),
            None => Few::One(Message::user(question)),
        };
        let output_tokens = self.output.as_deref().map(tokens).transpose()?.flatten();
        let answer = self.answer.filter(|answer| !answer.is_empty()).map(|answer| answer.into_owned().into_boxed_str());
        Ok(DataRow { output_tokens, answer, ..DataRow::of(messages) })
    }
}

/// A number of output tokens; `None` for an empty field.
fn tokens(text: &str) -> Result<Option<u32>, String> {
    match text.trim() {
        "" | "null" => Ok(None),
        text => match text.parse() {
            Ok(0) | Err(_) => Err(format!("asks for `{}` output tokens; a whole number from 1 is needed", shown(text))),
            Ok(tokens) => Ok(Some(tokens)),
        },
    }
}

/// The fault that none of `wanted` is among `there`.
fn missing(wanted: &str, there: &str) -> String {
    format!("has no column {wanted}; it has {there}: name one, as in the option dataset-columns prompt=NAME")
}

/// The rows of a table.
pub(super) fn of_table(text: &str, delimiter: char, columns: &DataColumns) -> Result<Vec<DataRow>, Fault> {
    let mut rows = Rows::new(text, delimiter);
    let Some(header) = rows.next() else { return Ok(Vec::new()) };
    let (header_line, header) = header?;
    let place = |part: Part| -> Result<Option<usize>, Fault> {
        let position = |name: &str| {
            let exact = header.iter().position(|column| column == name);
            exact.or_else(|| header.iter().position(|column| column.eq_ignore_ascii_case(name)))
        };
        let wanted = match columns.given(part) {
            Some(name) => match position(name) {
                Some(place) => return Ok(Some(place)),
                None => name.to_owned(),
            },
            None => match part.usual().iter().find_map(|name| position(name)) {
                None if part == Part::Prompt => part.usual().join(", "),
                found => return Ok(found),
            },
        };
        let there = header.iter().map(|name| shown(name)).collect::<Vec<_>>().join(", ");
        Err(Fault::new(header_line, missing(&wanted, &there)))
    };
    let prompt = place(Part::Prompt)?.unwrap_or(0);
    let [context, system, output, answer] = [Part::Context, Part::System, Part::Output, Part::Answer].map(place);
    let (context, system, output, answer) = (context?, system?, output?, answer?);
    rows.map(|row| {
        let (line, mut fields) = row?;
        if fields.len() != header.len() {
            let why = format!("has {} fields, and the header has {}", fields.len(), header.len());
            return Err(Fault::new(line, format!("{why}; quote a field that holds the separator or a line break")));
        }
        // A column may be named for two parts.
        let at = |place: Option<usize>| place.map(|place| Cow::<str>::Owned(fields[place].clone()));
        let parts = Parts {
            context: at(context),
            system: at(system),
            output: at(output),
            answer: at(answer),
            prompt: Cow::Owned(std::mem::take(&mut fields[prompt])),
        };
        parts.row().map_err(|why| Fault::new(line, why))
    })
    .collect()
}

/// The rows of JSON objects. A value that is a text is a prompt. With `pairs`, each row needs a context.
pub(super) fn of_objects(values: &[Placed<'_>], columns: &DataColumns, pairs: bool) -> Result<Vec<DataRow>, Fault> {
    let read = |(line, value): &Placed<'_>| {
        let object = match serde_json::from_str(value.get()) {
            Ok(Value::Object(object)) => object,
            Ok(Value::String(prompt)) if !pairs => {
                return Parts { prompt: prompt.into(), ..Parts::default() }.row();
            }
            Ok(other) => return Err(format!("`{}` is no object with a prompt", shown(&other.to_string()))),
            Err(why) => return Err(format!("at line {line} is not JSON ({why})")),
        };
        of_object(&object, columns, pairs)
    };
    values.iter().map(|value| read(value).map_err(|why| Fault::new(value.0, why))).collect()
}

fn of_object(object: &Map<String, Value>, columns: &DataColumns, pairs: bool) -> Result<DataRow, String> {
    let there = || object.keys().map(|name| shown(name)).collect::<Vec<_>>().join(", ");
    let part = |part: Part| {
        let given = columns.given(part);
        let found = match given {
            Some(name) => at(object, name).map(|value| (name, value)),
            None => part.usual().iter().find_map(|name| Some((*name, object.get(*name)?))),
        };
        let needed = part == Part::Prompt || (pairs && part == Part::Context);
        match found {
            None if needed => {
                let usual = if pairs { &part.usual()[..1] } else { part.usual() };
                Err(missing(&given.map_or_else(|| usual.join(", "), str::to_owned), &there()))
            }
            None | Some((_, Value::Null)) => Ok(None),
            Some((_, Value::String(text))) => Ok(Some(Cow::Borrowed(text.as_str()))),
            Some((_, number @ Value::Number(_))) if part == Part::Output => Ok(Some(number.to_string().into())),
            Some((name, other)) => {
                Err(format!("has `{}` in `{name}`, where a text is needed", shown(&other.to_string())))
            }
        }
    };
    let parts = Parts {
        prompt: part(Part::Prompt)?.unwrap_or_default(),
        context: part(Part::Context)?,
        system: part(Part::System)?,
        output: part(Part::Output)?,
        answer: part(Part::Answer)?,
    };
    parts.row()
}

/// The value under the key `name`, or at the JSON pointer `name`.
fn at<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let Some(path) = name.strip_prefix('/') else { return object.get(name) };
    let (first, rest) = path.split_once('/').map_or((path, String::new()), |(first, rest)| (first, format!("/{rest}")));
    object.get(&first.replace("~1", "/").replace("~0", "~"))?.pointer(&rest)
}
