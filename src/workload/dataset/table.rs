//! Owns tables of a data set: rows of fields (RFC 4180), whose texts may span several lines.

use super::fault::{Fault, shown};

/// The separators of fields that are recognised; the first wins a tie.
const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];

/// The separator of the table `text`: the one that its header has most often outside quotes.
pub(super) fn delimiter_of(text: &str) -> char {
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
    let count = |delimiter: char| {
        let mut quoted = false;
        let outside = header.chars().filter(|next| {
            quoted ^= *next == '"';
            !quoted && *next == delimiter
        });
        outside.count()
    };
    DELIMITERS.into_iter().rev().max_by_key(|delimiter| count(*delimiter)).unwrap_or(',')
}

/// The rows of a table, one after another, without blank lines.
pub(super) struct Rows<'a> {
    rest: &'a str,
    line: u64,
    delimiter: char,
}

impl<'a> Rows<'a> {
    pub(super) const fn new(text: &'a str, delimiter: char) -> Self {
        Self { rest: text, line: 1, delimiter }
    }

    /// Takes one field. Returns its text, and whether it is the last of its row.
    fn field(&mut self) -> Result<(String, bool), Fault> {
        let delimiter = self.delimiter;
        let bare = |rest: &'a str| rest.find([delimiter, '\n']).unwrap_or(rest.len());
        let blanks = |next: char| (next == ' ' || next == '\t') && next != delimiter;
        let inner = self.rest.trim_start_matches(blanks).strip_prefix('"');
        let Some(mut inner) = inner else {
            let end = bare(self.rest);
            let text = self.rest[..end].trim().to_owned();
            return Ok((text, self.ended(&self.rest[end..])));
        };
        let (mut text, begun) = (String::new(), self.line);
        loop {
            let Some(end) = inner.find('"') else {
                return Err(Fault::new(begun, "has a quote that is not closed; close it, or double it in a field"));
            };
            let (piece, after) = (&inner[..end], &inner[end + 1..]);
            self.line += piece.matches('\n').count() as u64;
            text.push_str(piece);
            let Some(further) = after.strip_prefix('"') else {
                inner = after;
                break;
            };
            text.push('"');
            inner = further;
        }
        let end = bare(inner);
        let between = inner[..end].trim();
        if !between.is_empty() {
            let why = format!("has the text `{}` after a closed quote; double the quotes in a field", shown(between));
            return Err(Fault::new(self.line, why));
        }
        Ok((text, self.ended(&inner[end..])))
    }

    /// Moves on behind the end of a field, at which `rest` begins. Returns whether it ends its row.
    fn ended(&mut self, rest: &'a str) -> bool {
        let mut characters = rest.chars();
        let end = characters.next();
        self.rest = characters.as_str();
        if end == Some('\n') {
            self.line += 1;
        }
        end != Some(self.delimiter)
    }
}

impl Iterator for Rows<'_> {
    /// A row with the line where it begins.
    type Item = Result<(u64, Vec<String>), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let begun = self.line;
            let blank = self.rest.split('\n').next().is_some_and(|line| line.trim().is_empty());
            let mut fields = Vec::new();
            loop {
                match self.field() {
                    Ok((field, last)) => {
                        fields.push(field);
                        if last {
                            break;
                        }
                    }
                    Err(fault) => {
                        self.rest = "";
                        return Some(Err(fault));
                    }
                }
            }
            if !blank {
                return Some(Ok((begun, fields)));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<(u64, Vec<String>)>, Fault> {
        Rows::new(text, delimiter_of(text)).collect()
    }

    #[test]
    fn the_separator_is_recognised_by_the_header() {
        for (header, delimiter) in
            [("a,b", ','), ("a;b", ';'), ("a\tb", '\t'), ("a|b", '|'), ("prompt", ','), ("\"a,b\";c", ';'), ("", ',')]
        {
            assert_eq!(delimiter_of(header), delimiter, "{header:?}");
        }
    }

    #[test]
    fn fields_keep_their_quotes_their_blanks_and_their_lines() {
        let row = |line: u64, fields: &[&str]| (line, fields.iter().map(|field| (*field).to_owned()).collect());
        for (text, wanted) in [
            ("a,b\r\n1, 2 \r\n", vec![row(1, &["a", "b"]), row(2, &["1", "2"])]),
            ("a\n\n \"x \"\"y\"\"\nz, \" \nlast", vec![row(1, &["a"]), row(3, &["x \"y\"\nz, "]), row(5, &["last"])]),
            ("a\tb\n\tx", vec![row(1, &["a", "b"]), row(2, &["", "x"])]),
            ("a;b\n\"1;2\";3,4\n", vec![row(1, &["a", "b"]), row(2, &["1;2", "3,4"])]),
            ("", vec![]),
            ("\n \n", vec![]),
        ] {
            assert_eq!(all(text).unwrap(), wanted, "{text:?}");
        }
    }

    #[test]
    fn broken_quotes_are_refused_with_their_line() {
        for (text, line, words) in [("a\n\"x\ny", 2, "not closed"), ("a\nb\n\"x\ny\" z,1\n", 4, "`z` after a closed")] {
            let fault = all(text).unwrap_err();
            assert!(fault.line == line && fault.why.contains(words), "{text:?}: {fault:?}");
        }
    }
}
