//! Owns comma-separated tables: columns by name, fields by column.

use crate::trace::number::shown;

/// The fields of a line, quotes and blanks around them taken away.
pub(crate) fn fields(line: &str) -> Vec<&str> {
    let mut quoted = false;
    line.split(move |character| {
        quoted ^= character == '"';
        character == ',' && !quoted
    })
    .map(|field| field.trim().trim_matches('"').trim())
    .collect()
}

/// Whether the header `line` has all of `names`, in any place and any case.
pub(crate) fn has_columns(line: &str, names: &[&str]) -> bool {
    names.iter().all(|name| column(line, name).is_some())
}

/// The place of column `name` in the header `line`.
pub(crate) fn column(line: &str, name: &str) -> Option<usize> {
    fields(line).iter().position(|field| field.eq_ignore_ascii_case(name))
}

/// The places of `names` in the header `line`, or what is missing.
pub(crate) fn places<const N: usize>(line: &str, names: [&str; N]) -> Result<[usize; N], String> {
    let missing: Vec<&str> = names.into_iter().filter(|name| column(line, name).is_none()).collect();
    if missing.is_empty() {
        Ok(names.map(|name| column(line, name).unwrap_or(0)))
    } else {
        Err(format!("the header `{}` has no column {}; name those that it has", shown(line), missing.join(", ")))
    }
}

/// The fields of `line` at `places`.
pub(crate) fn pick<'a, const N: usize>(line: &'a str, places: &[usize; N]) -> Result<[&'a str; N], String> {
    let fields = fields(line);
    let mut picked = [""; N];
    for (slot, place) in picked.iter_mut().zip(places) {
        *slot = fields.get(*place).ok_or_else(|| format!("has {} fields, and column {} is needed", fields.len(), place + 1))?;
    }
    Ok(picked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_wherever_they_stand() {
        assert_eq!(places("\"B\", a ,c", ["A", "b"]), Ok([1, 0]));
        assert_eq!(places("a,c", ["A", "b"]), Err("the header `a,c` has no column b; name those that it has".to_owned()));
        assert_eq!(pick("1,\"x,y\", 3", &[2, 1]), Ok(["3", "x,y"]));
        assert_eq!(pick("1", &[2]), Err("has 1 fields, and column 3 is needed".to_owned()));
    }
}
