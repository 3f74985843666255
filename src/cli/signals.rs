//! Owns the signals that ask us to stop: SIGINT, SIGTERM and SIGHUP, with the same effect. A separate thread receives
//! them from the start of the process, so that no signal waits for other work.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::cli::exit::Exit;
use crate::cli::terminal::{release, say};
use crate::cli::tty;
use crate::error::Error;

/// Time after a second signal to write the partial result. Then the process ends, whatever it is doing.
const LAST_GRACE: Duration = Duration::from_millis(500);

/// The signals received so far, and who listens to them.
#[derive(Debug, Default)]
struct Heard {
    signals: AtomicU32,
    /// Number of current listeners.
    listening: AtomicU32,
    /// 1 once a listener has existed. Before that nothing was sent.
    begun: AtomicU32,
    news: Notify,
}

static HEARD: OnceLock<Arc<Heard>> = OnceLock::new();

/// Starts to receive signals. Without a listener, the first signal ends the process. Later calls do nothing.
pub(super) fn install() -> Result<(), Error> {
    let broken = |why: std::io::Error| Error::Internal(format!("signals cannot be heard: {why}"));
    if HEARD.get().is_some() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(broken)?;
    let heard = Arc::clone(HEARD.get_or_init(Arc::default));
    // The handlers are registered before this function returns, so that no signal is missed.
    let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
    if !hangup_is_ignored() {
        kinds.push(SignalKind::hangup());
    }
    let mut signals = {
        let _inside = runtime.enter();
        kinds.into_iter().map(signal).collect::<Result<Vec<Signal>, _>>().map_err(broken)?
    };
    let hear = move || {
        runtime.block_on(async {
            loop {
                std::future::poll_fn(|cx| {
                    let any = signals.iter_mut().any(|signal| signal.poll_recv(cx).is_ready());
                    if any { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
                })
                .await;
                heard.note();
            }
        });
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(hear).map_err(broken)?;
    Ok(())
}

/// Whether SIGHUP was ignored when the process began, as under `nohup`. Then the process outlives its terminal.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    // Signal 1 is the lowest bit.
    ignored.is_some_and(|ignored| ignored & 1 == 1)
}

impl Heard {
    fn note(&self) {
        let earlier = self.signals.fetch_add(1, Ordering::AcqRel);
        let (listened, begun) = (self.listening.load(Ordering::Acquire) > 0, self.begun.load(Ordering::Acquire) > 0);
        if listened {
            self.news.notify_waiters();
        }
        match (earlier, listened) {
            (0, true) => {}
            (0, false) if begun => {
                say("interrupted: the load is over, and its result is being written; interrupt again to abort");
            }
            (1.., true) => {
                // The listener cuts off open requests and the partial result is written. If that takes too long, the
                // process ends.
                std::thread::spawn(|| {
                    std::thread::sleep(LAST_GRACE);
                    end();
                });
            }
            // Either nothing was sent yet, or the user gives up the writing of the result.
            _ => end(),
        }
    }
}

/// The longest time for giving a terminal back, and for the messages that waited, before the process ends.
const FAREWELL: Duration = Duration::from_millis(300);

/// Ends the process without a message of its own. A live view gives the terminal back; on a terminal that takes
/// nothing, that might block, so the process does not wait for it.
fn end() {
    if tty::is_taken() {
        let (done, is_done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            tty::give_back();
            release();
            // Nobody listens any more once the time is over.
            _ = done.send(());
        });
        _ = is_done.recv_timeout(FAREWELL);
    }
    std::process::exit(i32::from(Exit::Interrupted.code()));
}

/// Does what a SIGINT does: a key of the live view.
pub(super) fn interrupt() {
    if let Some(heard) = HEARD.get() {
        heard.note();
    }
}

/// Whether any signal was received.
pub(super) fn any() -> bool {
    HEARD.get().is_some_and(|heard| heard.signals.load(Ordering::Acquire) > 0)
}

/// Listens to signals until it is dropped. Meanwhile the first signal does not end the process.
#[derive(Debug)]
pub(super) struct Signals {
    heard: Arc<Heard>,
    taken: u32,
}

impl Signals {
    /// Starts to listen.
    pub(super) fn listen() -> Result<Self, Error> {
        install()?;
        let heard = Arc::clone(HEARD.get_or_init(Arc::default));
        heard.listening.fetch_add(1, Ordering::AcqRel);
        heard.begun.store(1, Ordering::Release);
        let taken = heard.signals.load(Ordering::Acquire);
        Ok(Self { heard, taken })
    }

    /// Returns at the next signal.
    pub(super) async fn next(&mut self) {
        loop {
            let news = self.heard.news.notified();
            tokio::pin!(news);
            // Registers before it looks at the counter, so that no signal is missed.
            news.as_mut().enable();
            if self.heard.signals.load(Ordering::Acquire) > self.taken {
                self.taken += 1;
                return;
            }
            news.await;
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.heard.listening.fetch_sub(1, Ordering::AcqRel);
    }
}
