//! Owns calls of libraries that panic on some inputs: a panic becomes an error.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether this thread is within [`guarded`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Calls a library that panics on some inputs. A panic becomes an error with what the library said, and is not printed.
pub(super) fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |about| {
            if !GUARDED.get() {
                before(about);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    // The call changes no state of ours. An unfinished result of the library is dropped or requested again.
    let called = panic::catch_unwind(AssertUnwindSafe(call));
    GUARDED.set(outer);
    called.map_err(|what| {
        let text = what.downcast_ref::<String>().map(String::as_str).or_else(|| what.downcast_ref::<&str>().copied());
        text.unwrap_or("no reason is given").chars().take(200).collect()
    })
}
