//! Owns the process of a cell, and that of the command between cells: how they begin, what they say at last, and how
//! they end with the batch.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, getppid, kill_process_group, pidfd_open, pidfd_send_signal};

use crate::cli::exit::Exit;
use crate::cli::signals::Signals;
use crate::error::Error;
use crate::units::visible;

/// The variable that holds the process id of the batch in the environment of a cell.
const BATCH: &str = "TONNAGE_BATCH";
/// Where a cell reads its configuration: it may hold secrets, which no file of ours does.
const INPUT: &str = "/dev/stdin";
/// This program, also after its file was replaced: all cells of a batch are run by one version.
const OURSELVES: &str = "/proc/self/exe";
/// The bytes that are kept of what a process says at last.
const MOST_SAID: usize = 16 << 10;
/// The longest reason, in characters.
const MOST_REASON: usize = 600;
/// How long the last words of a process that has ended may take to arrive.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Lets this process, if it is a cell, end with its batch: when the batch is killed, nothing else would end the cell,
/// and it would go on to load a server. Call it before anything else.
pub(in crate::cli) fn follow_batch() {
    let is_cell = std::env::args_os().any(|word| word == INPUT);
    let Some(batch) = std::env::var(BATCH).ok().filter(|_| is_cell) else { return };
    // On a system without this signal, a cell outlives a killed batch.
    _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    // The batch may have been killed before.
    if getppid().map(|parent| parent.as_raw_nonzero().to_string()) != Some(batch) {
        std::process::exit(i32::from(Exit::Interrupted.code()));
    }
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    /// The exit code; `None` if a signal ended it.
    pub(super) code: Option<u8>,
    /// The last error that it printed, or else its last line; how it ended, if it printed nothing.
    pub(super) said: String,
}

/// Runs `verb` in a process of its own, with the configuration `config`, into `folder`. A signal to the batch is passed
/// on. `tick` is called now and then.
pub(super) async fn run_cell(
    verb: &str,
    config: &str,
    folder: &Path,
    signals: &mut Signals,
    tick: impl FnMut(),
) -> Result<Ending, Error> {
    let mut command = Command::new(OURSELVES);
    command.arg0(std::env::args_os().next().unwrap_or_else(|| "tonnage".into()));
    command.args([verb, "--quiet", "--force", "--config", INPUT, "--out"]).arg(folder);
    // Its messages are read, and are not broken into lines.
    command.env(BATCH, std::process::id().to_string()).env("COLUMNS", "9999");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = begun(command)?;
    let said = Arc::new(Mutex::new(VecDeque::new()));
    let listener = child.stderr.take().map(|mut stderr| {
        let said = Arc::clone(&said);
        thread::spawn(move || keep_last(&mut stderr, &said))
    });
    if let Some(mut input) = child.stdin.take() {
        // A cell that ended at once does not read it, and says why.
        _ = input.write_all(config.as_bytes());
    }
    let status = ended(child, false, signals, tick).await?;
    // A process that the cell has left behind would keep the pipe open for ever.
    for _ in 0..20 {
        if listener.as_ref().is_none_or(thread::JoinHandle::is_finished) {
            break;
        }
        tokio::time::sleep(LAST_WORDS / 20).await;
    }
    let bytes: Vec<u8> = said.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
    Ok(ending(status, &String::from_utf8_lossy(&bytes)))
}

/// Runs `command` in `sh`, with `names` in its environment. What it prints is added to the file `log`, which a server
/// that it starts may go on writing. A signal to the batch is passed on.
pub(super) async fn run_command(
    command: &str,
    names: &[(String, String)],
    log: &Path,
    signals: &mut Signals,
) -> Result<Ending, Error> {
    let not_written = |why: std::io::Error| Error::output(log, format!("{why}; is there room on the disk?"));
    let file = File::options().create(true).append(true).open(log).map_err(not_written)?;
    let before = file.metadata().map_err(not_written)?.len();
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).envs(names.iter().cloned()).stdin(Stdio::null());
    shell.stdout(file.try_clone().map_err(not_written)?).stderr(file);
    let status = ended(begun(shell)?, true, signals, || ()).await?;
    let bytes = std::fs::read(log).unwrap_or_default();
    let new = bytes.get(usize::try_from(before).unwrap_or(usize::MAX)..).unwrap_or_default();
    let new = &new[new.len().saturating_sub(MOST_SAID)..];
    Ok(ending(status, &String::from_utf8_lossy(new)))
}

/// Begins a process in a group of its own: a signal from the terminal goes to the batch alone, which passes it on.
fn begun(mut command: Command) -> Result<Child, Error> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.process_group(0).spawn().map_err(|why| Error::Internal(format!("`{name}` cannot be started: {why}")))
}

/// Waits for `child`, and passes signals on: to its whole group if it is a shell.
async fn ended(
    mut child: Child,
    is_shell: bool,
    signals: &mut Signals,
    mut tick: impl FnMut(),
) -> Result<ExitStatus, Error> {
    let id = Pid::from_child(&child);
    let lost = |why: String| Error::Internal(format!("a process cannot be waited for: {why}"));
    // Unlike its number, the descriptor of an ended process never names another one.
    let handle = pidfd_open(id, PidfdFlags::empty()).map_err(|why| lost(why.to_string()))?;
    let mut waiting = tokio::task::spawn_blocking(move || child.wait());
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            status = &mut waiting => {
                return status.map_err(|why| lost(why.to_string()))?.map_err(|why| lost(why.to_string()));
            }
            () = signals.next() => {
                let signal = Signal::INT;
                // It may have ended in this moment.
                _ = if is_shell { kill_process_group(id, signal) } else { pidfd_send_signal(&handle, signal) };
            }
            _ = ticks.tick() => tick(),
        }
    }
}

/// Reads `from` to its end, and keeps the last bytes in `said`.
fn keep_last(from: &mut impl Read, said: &Mutex<VecDeque<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend(&buffer[..read]);
        let more = said.len().saturating_sub(MOST_SAID);
        said.drain(..more);
    }
}

/// The ending of a process with `status` that has printed `text` at last.
fn ending(status: ExitStatus, text: &str) -> Ending {
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.trim().is_empty()).collect();
    // A message goes on in lines that begin with two blanks.
    let message = |first: usize| {
        let more = lines[first + 1..].iter().take_while(|line| line.starts_with("  ")).map(|line| line.trim());
        std::iter::once(lines[first].trim()).chain(more).collect::<Vec<_>>().join(" ")
    };
    let error = lines.iter().rposition(|line| line.starts_with("error:"));
    let interrupted = status.code() == Some(i32::from(Exit::Interrupted.code()));
    let said = match error.or(lines.len().checked_sub(1)) {
        _ if interrupted => "interrupted".to_owned(),
        Some(first) => message(first).trim_start_matches("error: ").to_owned(),
        None => match (status.code(), status.signal()) {
            (Some(code), _) => format!("it printed nothing, and ended with {code}"),
            (None, signal) => format!("signal {} ended it", signal.unwrap_or(0)),
        },
    };
    let said = visible(&said).chars().take(MOST_REASON).collect();
    Ending { code: status.code().and_then(|code| u8::try_from(code).ok()), said }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_is_the_reason_and_all_of_its_lines_belong_to_it() {
        let of = |text: &str| ending(ExitStatus::from_raw(3 << 8), text);
        let said = of("note: a\nerror: first\nerror: target http://h: no\n  connection; check it\nnote: last\n");
        assert_eq!((said.code, said.said.as_str()), (Some(3), "target http://h: no connection; check it"));
        assert_eq!(of("nothing to see\n\n").said, "nothing to see");
        assert_eq!(of("").said, "it printed nothing, and ended with 3");
        let killed = ending(ExitStatus::from_raw(9), "");
        assert_eq!((killed.code, killed.said.as_str()), (None, "signal 9 ended it"));
    }

    #[test]
    fn only_the_last_bytes_are_kept() {
        let said = Mutex::default();
        keep_last(&mut vec![b'x'; 3 * MOST_SAID].as_slice(), &said);
        assert_eq!(said.lock().unwrap().len(), MOST_SAID);
    }
}
