//! Owns the description of the machine and of the tool in a report.

use std::num::NonZeroUsize;

use crate::client::{ReceiveClock, receive_clock};
use crate::results::model::{Host, Tool};

/// The description of this machine, with its number of sending threads. `over_tcp`: all targets are reached over TCP;
/// the kernel stamps nothing else.
pub(crate) fn host(workers: usize, over_tcp: bool) -> Host {
    let system = rustix::system::uname();
    Host {
        name: host_name(),
        system: format!(
            "{} {} {}",
            system.sysname().to_string_lossy(),
            system.release().to_string_lossy(),
            system.machine().to_string_lossy()
        ),
        cores: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        workers,
        receive_clock: Some(if over_tcp { receive_clock() } else { ReceiveClock::UserSpace }),
    }
}

/// The name of this machine.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The description of this build. The commit is known if the variable `TONNAGE_GIT` was set at build time.
pub(crate) fn tool() -> Tool {
    Tool {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        git: option_env!("TONNAGE_GIT").map(str::to_owned),
    }
}
