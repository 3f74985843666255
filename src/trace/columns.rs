//! Owns `Columns`: the columns of a table, or keys of an object, that hold the time, the lengths and the session.

use std::collections::HashMap;

use crate::error::Refusal;
use crate::trace::format::TimeUnit;

/// Names of columns (CSV) or keys (JSON; `a.b` is key b inside a). The written form is
/// `time=ts,input=prompt,output=completion,session=user`; the session is optional.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    pub(super) time: String,
    pub(super) input: String,
    pub(super) output: String,
    pub(super) session: Option<String>,
}

impl std::str::FromStr for Columns {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let accepted = "accepted is time=NAME,input=NAME,output=NAME and optionally session=NAME";
        let refuse = |why: String| Refusal::new(why, accepted);
        let mut named: HashMap<&str, &str> = HashMap::new();
        for pair in text.split(',') {
            let (key, name) = pair
                .split_once('=')
                .map(|(key, name)| (key.trim(), name.trim()))
                .filter(|(key, name)| ["time", "input", "output", "session"].contains(key) && !name.is_empty())
                .ok_or_else(|| refuse(format!("`{pair}` names no column")))?;
            if named.insert(key, name).is_some() {
                return Err(refuse(format!("`{text}` names the column of {key} twice")));
            }
        }
        let needed = |key: &str| {
            named.get(key).map(|name| (*name).to_owned()).ok_or_else(|| refuse(format!("`{text}` has no {key}")))
        };
        Ok(Self {
            time: needed("time")?,
            input: needed("input")?,
            output: needed("output")?,
            session: named.get("session").map(|name| (*name).to_owned()),
        })
    }
}

impl std::fmt::Display for Columns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "time={},input={},output={}", self.time, self.input, self.output)?;
        self.session.as_ref().map_or(Ok(()), |session| write!(f, ",session={session}"))
    }
}

/// The columns among `names` whose names declare their meaning and unit: `scheduled_ns,input_tokens,output_tokens`, as
/// the export of a plan and `trace convert` write them. `None` when one of them is missing.
pub(crate) fn declared_columns(names: &[&str]) -> Option<(Columns, TimeUnit)> {
    let has = |name: &str| names.contains(&name);
    if !has("input_tokens") || !has("output_tokens") {
        return None;
    }
    let units = [TimeUnit::Nanoseconds, TimeUnit::Microseconds, TimeUnit::Milliseconds, TimeUnit::Seconds];
    let mut times =
        units.into_iter().flat_map(|unit| ["scheduled", "time"].map(|name| (format!("{name}_{}", unit.name()), unit)));
    let (time, unit) = times.find(|(name, _)| has(name))?;
    let session = has("session").then(|| "session".to_owned());
    Some((Columns { time, input: "input_tokens".to_owned(), output: "output_tokens".to_owned(), session }, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_as_they_are_shown() {
        for text in ["time=ts,input=p,output=c", "time=a.b,input=p,output=c,session=user id"] {
            assert_eq!(text.parse::<Columns>().unwrap().to_string(), text);
        }
        assert_eq!(" input = p , time=t,output=c".parse::<Columns>().unwrap().to_string(), "time=t,input=p,output=c");
        for text in [
            "",
            "time=t",
            "time=t,input=,output=c",
            "time=t,input=p,output=c,when=x",
            "time=t,time=u,input=p,output=c",
            "t,p,c",
        ] {
            assert!(text.parse::<Columns>().unwrap_err().accepted.contains("time=NAME"), "{text}");
        }
    }
}
