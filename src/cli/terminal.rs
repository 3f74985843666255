//! Owns all printing: the result to standard output, everything else to standard error. Foreign text is filtered here
//! before it reaches a terminal, and secrets are removed.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use crate::error::Error;
use crate::report::{Ink, with_flags};
use crate::results::{Lines, hidden};
use crate::units::{columns, visible, visible_page, wrapped};

/// Prints `text`, a page of several lines made by us, to standard output. A closed reader is not an error, because it
/// has read what it wanted.
pub(super) fn print(text: &str) -> Result<(), Error> {
    let text = hidden(text);
    let mut out = io::stdout().lock();
    unless_gone(out.write_all(visible_page(&text).as_bytes()).and_then(|()| out.flush()))
}

/// Passes on a failure to write to standard output, unless the reader has closed it.
fn unless_gone(written: io::Result<()>) -> Result<(), Error> {
    match written {
        Err(why) if why.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::output("standard output", format!("{why}; check where it leads")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The most characters of a message: texts of files and servers may be longer, and would flood the screen.
const LONGEST_LINE: usize = 8_000;

/// Width of a message in columns, unless `COLUMNS` gives another.
const WIDTH: usize = 80;
/// The least width in columns: fewer would break words.
const LEAST_WIDTH: usize = 40;

/// Prints `line` as one message on standard error. Lines after the first begin with two blanks, so that foreign text
/// cannot forge a second message. A closed standard error is ignored.
pub(super) fn say(line: &str) {
    let line = with_flags(line);
    let line = hidden(&line);
    let shown = visible(&line);
    let width = width();
    let shown = match shown.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => wrapped(&format!("{}…", &shown[..end]), width, 2),
        None => wrapped(&shown, width, 2),
    };
    if let Some(held) = &mut *HELD.lock().unwrap_or_else(PoisonError::into_inner) {
        (held.tell)(&line);
        held.lines.push(shown);
        return;
    }
    _ = writeln!(io::stderr().lock(), "{shown}");
}

/// Messages that wait while the live view has the screen; `None` while it has not.
static HELD: Mutex<Option<Held>> = Mutex::new(None);

/// Messages that wait, and who shows them meanwhile.
struct Held {
    lines: Vec<String>,
    tell: Box<dyn Fn(&str) + Send>,
}

/// Keeps messages until [`release`], and passes each to `tell`.
pub(super) fn hold(tell: Box<dyn Fn(&str) + Send>) {
    *HELD.lock().unwrap_or_else(PoisonError::into_inner) = Some(Held { lines: Vec::new(), tell });
}

/// Prints the messages that waited; from now on messages are printed at once.
pub(super) fn release() {
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner).take();
    for line in held.into_iter().flat_map(|held| held.lines) {
        _ = writeln!(io::stderr().lock(), "{line}");
    }
}

/// Prints all waiting messages.
pub(super) fn say_all(lines: &Lines) {
    for line in lines.take() {
        say(&line);
    }
}

/// Prints a text of several lines made by us on standard error; lines wider than the screen are broken.
pub(super) fn say_page(text: &str) {
    let text = with_flags(text);
    let (text, width) = (hidden(&text), width());
    let line = |line: &str| if columns(line) > width { wrapped(line, width, 2) } else { line.to_owned() };
    let page: String = visible_page(&text).lines().flat_map(|text| [line(text), "\n".to_owned()]).collect();
    _ = io::stderr().lock().write_all(page.as_bytes());
}

/// Width of a message in columns.
fn width() -> usize {
    std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok())
        .map_or(WIDTH, |columns: usize| columns.max(LEAST_WIDTH))
}

/// Writes the rows of a table to standard output, line by line, and returns their number. A closed reader is not an
/// error.
pub(super) fn print_rows(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<u64, Error> {
    let mut rows = Rows { out: io::stdout().lock(), number: 0 };
    let written = write(&mut rows).and_then(|()| rows.out.flush());
    unless_gone(written).map(|()| rows.number)
}

/// A writer that counts the lines written.
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

/// Whether standard output takes colours: it is a terminal that is not dumb, and `NO_COLOR` (<https://no-color.org>) is
/// not set.
pub(super) fn ink() -> Ink {
    ink_on(io::stdout().is_terminal())
}

/// Whether the live view, on standard error, takes colours: by the same rules.
pub(super) fn screen_ink() -> Ink {
    ink_on(io::stderr().is_terminal())
}

/// Where the live view writes its page. The view itself makes foreign text visible, and removes secrets.
pub(super) fn screen() -> io::Stderr {
    io::stderr()
}

fn ink_on(is_terminal: bool) -> Ink {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if is_terminal && !set("NO_COLOR") && !dumb { Ink::Colour } else { Ink::Plain }
}
