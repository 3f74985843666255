//! Owns the reading of delimited tables: columns by name, fields by column.

use crate::error::Refusal;
use crate::trace::number::{shown, tokens};

/// The separators of fields that are accepted.
pub(crate) const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];

/// Reads the value of the option delimiter. Refuses every text that is not one of the four separators.
pub(crate) fn parse_delimiter(text: &str) -> Result<char, Refusal> {
    match text {
        "tab" | "\\t" => Ok('\t'),
        _ => DELIMITERS
            .into_iter()
            .find(|delimiter| text.chars().eq([*delimiter]))
            .ok_or_else(|| Refusal::new(format!("`{text}` is not a delimiter"), "accepted is `,`, `;`, `|` or tab")),
    }
}

/// The fields of a line (RFC 4180), without the quotes and blanks around them. A quote opens a field only at the start
/// of the field. Inside the field, two quotes stand for one quote and do not close it.
pub(crate) fn fields(line: &str) -> Vec<&str> {
    fields_by(line, ',').collect()
}

fn fields_by(line: &str, delimiter: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut scan = Scan::new(delimiter);
        let end = text.bytes().position(|byte| scan.ends_field(byte));
        let field = end.map_or(text, |end| &text[..end]);
        rest = end.map(|end| &text[end + 1..]);
        let field = field.trim();
        let inner = field.strip_prefix('"').and_then(|inner| inner.strip_suffix('"'));
        Some(inner.unwrap_or(field).trim())
    })
}

/// `line` with its separator `delimiter` replaced by commas.
pub(crate) fn with_commas(line: &str, delimiter: char) -> String {
    let mut text = String::with_capacity(line.len() + 8);
    for (place, field) in fields_by(line, delimiter).enumerate() {
        if place > 0 {
            text.push(',');
        }
        if field.contains([',', '"', '\n', '\r']) {
            // In a quoted field the quotes are already doubled.
            let inner = field.replace("\"\"", "\"").replace('"', "\"\"");
            text.extend(["\"", &inner, "\""]);
        } else {
            text.push_str(field);
        }
    }
    text
}

/// The state of a scan over the fields of a row, byte by byte.
pub(crate) struct Scan {
    delimiter: u8,
    /// Whether only blanks, or pairs of quotes, of the field were seen so far.
    starts: bool,
    /// Whether the scan is inside quotes.
    quoted: bool,
    /// Whether the quotes of the field were closed.
    closed: bool,
    /// Whether text followed closed quotes.
    broken: bool,
}

impl Scan {
    /// A scan before the first byte. `delimiter` must be one of [`DELIMITERS`].
    pub(crate) fn new(delimiter: char) -> Self {
        Self { delimiter: delimiter as u8, starts: true, quoted: false, closed: false, broken: false }
    }

    /// Whether the row is inside quotes after `bytes`, so that it continues on the next line.
    pub(crate) fn is_open_after(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            _ = self.ends_field(*byte);
        }
        self.quoted
    }

    /// Whether text followed closed quotes. No valid quoted field has such text.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Advances the scan by `byte`. Returns whether `byte` ends the field.
    fn ends_field(&mut self, byte: u8) -> bool {
        match byte {
            b'"' if self.quoted => (self.quoted, self.closed) = (false, true),
            // After a closing quote, this may be the second quote of a pair, which stands for one quote in the text.
            b'"' if self.starts => (self.quoted, self.closed) = (true, false),
            _ if self.quoted => {}
            delimiter if delimiter == self.delimiter => {
                (self.starts, self.closed) = (true, false);
                return true;
            }
            blank if blank.is_ascii_whitespace() => {}
            _ => {
                self.broken |= self.closed;
                self.starts = false;
            }
        }
        false
    }
}

/// Whether the header `line` has all of `names`, in any order and any case.
pub(crate) fn has_columns(line: &str, names: &[&str]) -> bool {
    let fields = fields(line);
    names.iter().all(|name| fields.iter().any(|field| field.eq_ignore_ascii_case(name)))
}

/// The position of the column `name` in the header `line`, or `None`. An exact match comes before a match in another
/// case. Refused when two columns match, because it is unclear which one is meant.
pub(crate) fn column(line: &str, name: &str) -> Result<Option<usize>, String> {
    let fields = fields(line);
    let places = |is: fn(&str, &str) -> bool| {
        let all = fields.iter().enumerate().filter(move |(_, field)| is(field, name));
        all.map(|(place, _)| place).collect::<Vec<usize>>()
    };
    let exact = places(|field, name| field == name);
    let found = if exact.is_empty() { places(str::eq_ignore_ascii_case) } else { exact };
    match found.as_slice() {
        [one, other, ..] => Err(format!(
            "the header `{}` has the column {} twice (columns {} and {}); rename the one that is not meant, or remove \
             it",
            shown(line),
            shown(name),
            one + 1,
            other + 1
        )),
        few => Ok(few.first().copied()),
    }
}

/// The positions of `names` in the header `line`. The error lists the names that are missing.
pub(crate) fn places<const N: usize>(line: &str, names: [&str; N]) -> Result<[usize; N], String> {
    let (mut places, mut missing) = ([0; N], Vec::new());
    for (slot, name) in places.iter_mut().zip(names) {
        match column(line, name)? {
            Some(place) => *slot = place,
            None => missing.push(name),
        }
    }
    if missing.is_empty() {
        return Ok(places);
    }
    Err(format!("the header `{}` has no column {}; name columns that it has", shown(line), missing.join(", ")))
}

/// The fields of `line` at the positions `places`. Fails when the line has too few fields.
pub(crate) fn pick<'a, const N: usize>(line: &'a str, places: &[usize; N]) -> Result<[&'a str; N], String> {
    let fields = fields(line);
    let mut picked = [""; N];
    for (slot, place) in picked.iter_mut().zip(places) {
        *slot = fields
            .get(*place)
            .ok_or_else(|| format!("has {} fields, and column {} is needed", fields.len(), place + 1))?;
    }
    Ok(picked)
}

/// The token count in a cell. An empty cell is 0, and so is a word that tools write for a missing value; the option
/// on-empty says what happens to such a row.
pub(crate) fn cell_tokens(name: &str, cell: &str) -> Result<u32, String> {
    let missing = ["", "null", "nan", "none", "na", "n/a", "nil", "-", "\\n"];
    if missing.iter().any(|text| cell.eq_ignore_ascii_case(text)) { Ok(0) } else { tokens(name, cell) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_wherever_they_stand() {
        assert_eq!(places("\"B\", a ,c", ["A", "b"]), Ok([1, 0]));
        assert_eq!(
            places("a,c", ["A", "b"]),
            Err("the header `a,c` has no column b; name columns that it has".to_owned())
        );
        let twice = "the header `a,b,A,b` has the column b twice (columns 2 and 4); rename the one that is not meant, \
            or remove it";
        assert_eq!(
            (places("a,b,A,b", ["A"]), places("a,b,A,b", ["a"])),
            (Ok([2]), Ok([0])),
            "an exact match must come before a match in another case"
        );
        assert_eq!(
            (places("a,b,A,b", ["a", "b"]), column("a,b,A,b", "B")),
            (Err(twice.to_owned()), Err(twice.replace("column b", "column B")))
        );
        assert_eq!(
            (column("a,b,A,b", "c"), has_columns("b,b", &["B"])),
            (Ok(None), true),
            "a column that is not read may occur twice"
        );
        assert_eq!(pick("1,\"x,y\", 3", &[2, 1]), Ok(["3", "x,y"]));
        assert_eq!(pick("1", &[2]), Err("has 1 fields, and column 3 is needed".to_owned()));
    }

    #[test]
    fn a_quote_opens_a_field_only_at_its_start() {
        for (line, wanted) in [
            ("a,\"b,c\",d", &["a", "b,c", "d"][..]),
            ("5\" disk,7", &["5\" disk", "7"]),
            ("\"say \"\"x, y\"\"\",7", &["say \"\"x, y\"\"", "7"]),
            (" \"a\" ,b", &["a", "b"]),
            ("\"two\nlines\",1", &["two\nlines", "1"]),
            ("", &[""]),
            ("a,", &["a", ""]),
        ] {
            assert_eq!(fields(line), wanted, "{line}");
        }
        for (line, open) in [
            ("a,\"b", true),
            ("a,\"b\"", false),
            ("5\",x", false),
            ("\"a\"\"", true),
            ("\"a\"\"b\"", false),
            ("a,\"", true),
        ] {
            assert_eq!(Scan::new(',').is_open_after(line.as_bytes()), open, "{line}");
        }
    }

    #[test]
    fn other_separators_become_commas_and_decimal_commas_stay_in_their_field() {
        for (line, delimiter, wanted) in [
            ("a;b;c", ';', "a,b,c"),
            ("0,5;20;6", ';', "\"0,5\",20,6"),
            ("\"x;y\";1", ';', "x;y,1"),
            ("\"say \"\"x\"\"\"\t1\t", '\t', "\"say \"\"x\"\"\",1,"),
        ] {
            assert_eq!(with_commas(line, delimiter), wanted, "{line}");
        }
        assert_eq!((parse_delimiter(";"), parse_delimiter("tab")), (Ok(';'), Ok('\t')));
        assert!(parse_delimiter("x").is_err() && parse_delimiter(";;").is_err());
    }

    #[test]
    fn a_missing_cell_is_no_tokens() {
        for cell in ["", "null", "NULL", "NaN", "None", "NA", "-"] {
            assert_eq!(cell_tokens("in", cell), Ok(0), "{cell}");
        }
        assert_eq!(cell_tokens("in", "7.0"), Ok(7));
        assert!(cell_tokens("in", "-1").is_err() && cell_tokens("in", "1,5").is_err());
    }
}
