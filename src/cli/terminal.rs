//! Owns what is printed: the result to standard output, everything else to standard error. All printing goes through
//! here, so that nothing that came from outside reaches a terminal raw, and no secret reaches it at all.

use std::io::{self, IsTerminal, Write};

use crate::error::Error;
use crate::report::{Ink, with_flags};
use crate::results::{Lines, hidden};
use crate::units::{columns, visible, visible_page, wrapped};

/// Prints `text`, a page of ours, to standard output. A reader that has gone is no error: it had what it wanted.
pub(super) fn print(text: &str) -> Result<(), Error> {
    let text = hidden(text);
    let mut out = io::stdout().lock();
    unless_gone(out.write_all(visible_page(&text).as_bytes()).and_then(|()| out.flush()))
}

/// A failure to write to standard output, unless its reader has gone.
fn unless_gone(written: io::Result<()>) -> Result<(), Error> {
    match written {
        Err(why) if why.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::output("standard output", format!("{why}; check where it leads")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Characters of a message at most: a file or a server may say much more, and would flood the screen.
const LONGEST_LINE: usize = 8_000;

/// Columns of a message, unless `COLUMNS` says otherwise.
const WIDTH: usize = 80;
/// Fewer would tear words apart.
const LEAST_WIDTH: usize = 40;

/// Says `line` on standard error: one message, whatever stands in it, broken at the width of a screen with what
/// follows behind two blanks, so that no second message can be forged. Where that is closed there is no one left to
/// tell.
pub(super) fn say(line: &str) {
    let line = with_flags(line);
    let line = hidden(&line);
    let shown = visible(&line);
    let width = width();
    let shown = match shown.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => wrapped(&format!("{}…", &shown[..end]), width, 2),
        None => wrapped(&shown, width, 2),
    };
    _ = writeln!(io::stderr().lock(), "{shown}");
}

/// Says all that waits.
pub(super) fn say_all(lines: &Lines) {
    for line in lines.take() {
        say(&line);
    }
}

/// Says a text of several lines, which are ours, on standard error; those that are wider than a screen are broken.
pub(super) fn say_page(text: &str) {
    let text = with_flags(text);
    let (text, width) = (hidden(&text), width());
    let line = |line: &str| if columns(line) > width { wrapped(line, width, 2) } else { line.to_owned() };
    let page: String = visible_page(&text).lines().flat_map(|text| [line(text), "\n".to_owned()]).collect();
    _ = io::stderr().lock().write_all(page.as_bytes());
}

/// Columns of a message.
fn width() -> usize {
    std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok())
        .map_or(WIDTH, |columns: usize| columns.max(LEAST_WIDTH))
}

/// Writes rows of a table of ours to standard output, line by line; how many. A reader that has gone is no error.
pub(super) fn print_rows(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<u64, Error> {
    let mut rows = Rows { out: io::stdout().lock(), number: 0 };
    let written = write(&mut rows).and_then(|()| rows.out.flush());
    unless_gone(written).map(|()| rows.number)
}

/// Counts the lines that go through.
struct Rows<'a> {
    out: io::StdoutLock<'a>,
    number: u64,
}

impl Write for Rows<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.number += memchr::memchr_iter(b'\n', &bytes[..written]).count() as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Whether standard output takes colour: a terminal, and `NO_COLOR` (<https://no-color.org>) not set.
pub(super) fn ink() -> Ink {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if io::stdout().is_terminal() && !set("NO_COLOR") && !dumb { Ink::Colour } else { Ink::Plain }
}
