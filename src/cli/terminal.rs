//! Owns what is printed: the result to standard output, everything else to standard error.

use std::io::{self, IsTerminal, Write};

use crate::error::Error;
use crate::report::Ink;

/// Prints `text` to standard output. A reader that has gone is no error: it had what it wanted.
pub(super) fn print(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(why) if why.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::output("standard output", format!("{why}; check where it leads")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Says `line` on standard error. Where that is closed there is no one left to tell.
pub(super) fn say(line: &str) {
    _ = writeln!(io::stderr().lock(), "{line}");
}

/// Whether standard output takes colour: a terminal, and `NO_COLOR` (<https://no-color.org>) not set.
pub(super) fn ink() -> Ink {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if io::stdout().is_terminal() && !set("NO_COLOR") && !dumb { Ink::Colour } else { Ink::Plain }
}
