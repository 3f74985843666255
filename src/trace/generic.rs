//! Owns the reading of other tables and JSON lines: the user names their columns and the unit of their times.

use std::collections::HashMap;

use crate::trace::columns::{Columns, declared_columns};
use crate::trace::format::TimeUnit;
use crate::trace::json::{Figure, parse, tokens_or_none};
use crate::trace::number::{date_ns, scaled_decimal, shown};
use crate::trace::parser::Parser;
use crate::trace::rows::{Pending, RawRow};
use crate::trace::table::{self, cell_tokens};

/// The columns and the clock of a file: what the user gave, completed by what the column names declare.
fn settled(names: &[&str], columns: Option<&Columns>, unit: Option<TimeUnit>) -> Result<(Columns, Clock), String> {
    let declared = declared_columns(names);
    let columns = columns.cloned().or_else(|| declared.as_ref().map(|(columns, _)| columns.clone()));
    let columns = columns.ok_or("needs its columns named; give the option columns time=NAME,input=NAME,output=NAME")?;
    let declared_unit = declared.filter(|(declared, _)| declared.time == columns.time).map(|(_, unit)| unit);
    if let (Some(said), Some(declared)) = (unit, declared_unit)
        && said != declared
    {
        return Err(format!(
            "has times in {} by their name, {}, but the option time-unit says {}; drop the option time-unit",
            declared.plural(),
            columns.time,
            said.plural()
        ));
    }
    Ok((columns, Clock { unit: unit.or(declared_unit), seen: None }))
}

/// How times are read. Without a unit only dates are read, because a date needs no unit.
struct Clock {
    /// The unit that was given or declared, or that the first time showed.
    unit: Option<TimeUnit>,
    /// The unit of the times read so far.
    seen: Option<&'static str>,
}

impl Clock {
    fn read(&mut self, name: &str, text: &str) -> Result<i64, String> {
        let unit = match self.unit {
            Some(unit) => unit,
            None if date_ns(text).is_some() => TimeUnit::Date,
            None => {
                return Err(format!(
                    "{name} is `{}`, in a unit that is not given; add the option time-unit s, ms, us, ns or date",
                    shown(text)
                ));
            }
        };
        self.unit = Some(unit);
        self.seen = Some(unit.plural());
        let power = match unit {
            TimeUnit::Seconds => 9,
            TimeUnit::Milliseconds => 6,
            TimeUnit::Microseconds => 3,
            TimeUnit::Nanoseconds => 0,
            TimeUnit::Date => {
                return date_ns(text).ok_or_else(|| {
                    format!("{name} is `{}`, not a date and time such as 2026-01-02 03:04:05.678", shown(text))
                });
            }
        };
        scaled_decimal(text, power).ok_or_else(|| {
            format!("{name} is `{}`, not a number of {} of at most 292 years", shown(text), unit.plural())
        })
    }
}

/// A table whose columns the user named.
pub(crate) struct GenericCsv {
    columns: Columns,
    places: [usize; 3],
    session: Option<usize>,
    clock: Clock,
}

impl GenericCsv {
    pub(crate) fn new(header: &str, columns: Option<&Columns>, unit: Option<TimeUnit>) -> Result<Self, String> {
        let (columns, clock) = settled(&table::fields(header), columns, unit)?;
        let places = table::places(header, [&columns.time, &columns.input, &columns.output])?;
        let session =
            columns.session.as_deref().map(|name| table::places(header, [name])).transpose()?.map(|[place]| place);
        Ok(Self { columns, places, session, clock })
    }
}

impl Parser for GenericCsv {
    fn take(&mut self, line: &str, pending: &mut Pending) -> Result<(), String> {
        let [time, input, output] = table::pick(line, &self.places)?;
        let at_ns = self.clock.read(&self.columns.time, time)?;
        let row = RawRow {
            at_ns,
            input_tokens: cell_tokens(&self.columns.input, input)?,
            output_tokens: cell_tokens(&self.columns.output, output)?,
        };
        let session = self.session.map(|place| table::pick(line, &[place])).transpose()?.map(|[session]| session);
        pending.push(row, &[], session.filter(|session| !session.is_empty()))
    }

    fn time_unit(&self) -> Option<&'static str> {
        self.clock.seen
    }
}

/// JSON lines whose keys the user named.
pub(crate) struct GenericJson {
    columns: Columns,
    clock: Clock,
}

impl GenericJson {
    pub(crate) fn new(first: &str, columns: Option<&Columns>, unit: Option<TimeUnit>) -> Result<Self, String> {
        let object: HashMap<String, Figure<'_>> = parse(first, "JSON object")?;
        let names: Vec<&str> = object.keys().map(String::as_str).collect();
        let (mut settled, clock) = settled(&names, columns, unit)?;
        if columns.is_none() {
            // Later lines may have a session although the first line has none.
            settled.session = Some("session".to_owned());
        }
        Ok(Self { columns: settled, clock })
    }
}

impl Parser for GenericJson {
    fn take(&mut self, line: &str, pending: &mut Pending) -> Result<(), String> {
        let object: HashMap<String, Figure<'_>> = parse(line, "JSON object")?;
        let Columns { time, input, output, session } = &self.columns;
        let at = find(&object, time).ok_or_else(|| format!("has no `{time}`; check the option columns"))?;
        let at_ns = self.clock.read(time, at.text())?;
        let count = |name: &str| {
            let found = find(&object, name).ok_or_else(|| format!("has no `{name}`; check the option columns"))?;
            tokens_or_none(name, Some(found).filter(|found| found.text() != "null"))
        };
        let row = RawRow { at_ns, input_tokens: count(input)?, output_tokens: count(output)? };
        let session = session.as_deref().and_then(|name| find(&object, name)).and_then(Figure::name);
        pending.push(row, &[], session.as_deref())
    }

    fn time_unit(&self) -> Option<&'static str> {
        self.clock.seen
    }
}

/// The value of the key `name`; for `a.b`, the value of key b inside a.
fn find<'a>(object: &HashMap<String, Figure<'a>>, name: &str) -> Option<Figure<'a>> {
    if let Some(found) = object.get(name) {
        return Some(*found);
    }
    let (outer, inner) = name.split_once('.')?;
    find(&serde_json::from_str(object.get(outer)?.text()).ok()?, inner)
}
