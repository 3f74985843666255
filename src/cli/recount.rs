//! Owns `--tokenizer` after the load: the pass that counts the answers, with its progress; a signal ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget};

use crate::cli::signals::Signals;
use crate::error::Error;
use crate::results::{Counting, Folder, Recounted};
use crate::units::count;

/// Counts the tokens of the answers in the records of `folder`, on a separate thread.
pub(super) async fn recount(counting: Counting, folder: &Folder, hidden: bool) -> Result<Recounted, Error> {
    let mut signals = Signals::listen()?;
    let stop = Arc::new(AtomicBool::new(false));
    let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(None, target);
    let counted = {
        let bar = bar.clone();
        move |answers: u64| {
            bar.set_message(format!("{} answers counted", count(answers)));
            bar.tick();
        }
    };
    let detail = counting.detail;
    let mut pass = {
        let (stop, path) = (Arc::clone(&stop), folder.path().to_owned());
        tokio::task::spawn_blocking(move || counting.pass(&path, &stop, &counted))
    };
    let summary = loop {
        tokio::select! {
            done = &mut pass => {
                break done.map_err(|why| Error::Internal(format!("counting the answers failed: {why}")))?;
            }
            () = signals.next() => stop.store(true, Ordering::Relaxed),
        }
    };
    bar.finish_and_clear();
    Counting::settle(detail, folder, summary)
}
