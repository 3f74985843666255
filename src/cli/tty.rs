//! Owns the terminal while the live view has it: raw mode, the alternate screen, the hidden cursor, and how all three
//! are undone, whatever ends the view.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError, TryLockError};
use std::time::Duration;

use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};

use crate::cli::terminal::screen;

/// Whether the view has the terminal.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Held while a page is written, so that the terminal is not given back in the middle of a page.
static WRITING: Mutex<()> = Mutex::new(());
/// How long a page may take that is being written when the terminal is given back. After that, the terminal does not
/// take the page, and nothing waits for it.
const PATIENCE: Duration = Duration::from_millis(200);
/// Time between two looks whether it is written.
const PAUSE: Duration = Duration::from_millis(1);

/// Whether the view can have the terminal: it shows standard error, we read its keys, and we are in the foreground. A
/// process in the background would be stopped by the system when it changes the terminal.
pub(super) fn can_be_taken() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
    let (input, error) = (io::stdin(), screen());
    let is_foreground = || rustix::termios::tcgetpgrp(&error).is_ok_and(|group| group == rustix::process::getpgrp());
    !is_dumb && input.is_terminal() && error.is_terminal() && is_foreground()
}

/// Takes the terminal. A panic of any thread gives it back before its message is printed.
pub(super) fn take() -> io::Result<()> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            usual(panic);
        }));
    });
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::Release);
    execute!(screen(), EnterAlternateScreen, Hide).inspect_err(|_| give_back())
}

/// Whether the view has the terminal.
pub(super) fn is_taken() -> bool {
    TAKEN.load(Ordering::Acquire)
}

/// Calls `write` while the view has the terminal; returns whether it succeeded.
pub(super) fn draw(write: impl FnOnce() -> bool) -> bool {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    is_taken() && write()
}

/// Gives the terminal back, if the view has it.
pub(super) fn give_back() {
    if !TAKEN.swap(false, Ordering::AcqRel) {
        return;
    }
    let mut waited = Duration::ZERO;
    let _writing = loop {
        match WRITING.try_lock() {
            Ok(writing) => break Some(writing),
            Err(TryLockError::Poisoned(writing)) => break Some(writing.into_inner()),
            Err(TryLockError::WouldBlock) if waited >= PATIENCE => break None,
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(PAUSE);
                waited += PAUSE;
            }
        }
    };
    // A terminal that is gone takes nothing back.
    _ = execute!(screen(), LeaveAlternateScreen, Show);
    _ = disable_raw_mode();
}
