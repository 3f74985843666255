//! Owns verb `simulate`: serves the simulated server over HTTP.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use hdrhistogram::Histogram;

use crate::cli::exit::Exit;
use crate::cli::options::{TEMPLATE, whole, whole_address};
use crate::cli::signals::Signals;
use crate::cli::terminal::{print, say};
use crate::client::Limits;
use crate::engine::local_runtime;
use crate::error::{Error, Refusal};
use crate::seed::Seed;
use crate::sim::{InjectedFault, Listener, Options, Served, Server, ServiceProfile, listen, listen_at};
use crate::units::{count, seconds};

/// Serve the simulated server
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage simulate                              `small` on 127.0.0.1:8000
  tonnage simulate --sim 8b-h100 --listen 127.0.0.1:0
  tonnage simulate --fault status:503@10% --fault stall:10s,2s --truth truth.jsonl
",
    help_template = TEMPLATE
)]
#[expect(clippy::doc_markdown, reason = "the help shows an address as it is typed")]
pub(super) struct SimulateArguments {
    /// Address to listen on; :8000 serves this machine only (127.0.0.1), 0.0.0.0:8000 serves every network; port 0
    /// takes any free port; unix:/path listens at a socket of this machine
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000", value_parser = parse_listen)]
    pub(super) listen: ListenAt,
    /// Behaviour of the server: small, 8b-h100, 70b-4xh100:max_seqs=64, delay:ttft=20ms,itl=5ms,
    /// mmc:servers=4,service=100ms (`tonnage help sim` lists all)
    #[arg(long, value_name = "PROFILE", default_value = "small")]
    pub(super) sim: ServiceProfile,
    /// Fault to inject (repeatable; an unknown fault lists them all), for a share of requests with @10%
    #[arg(long, value_name = "FAULT")]
    pub(super) fault: Vec<InjectedFault>,
    /// Seed of its random draws
    #[arg(long, value_name = "N", default_value = "1", value_parser = whole, allow_hyphen_values = true)]
    pub(super) seed: u64,
    /// Write what the server really did, one JSON line for each request
    #[arg(long, value_name = "FILE")]
    pub(super) truth: Option<PathBuf>,
    /// Require this key, and answer 401 without it
    #[arg(long, value_name = "KEY")]
    pub(super) api_key: Option<String>,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ListenAt {
    Tcp(SocketAddr),
    /// A socket of this machine.
    Unix(PathBuf),
}

impl ListenAt {
    fn listen(&self) -> Result<Listener, Error> {
        match self {
            Self::Tcp(address) => listen(*address).map(Listener::from).map_err(|why| {
                let why = format!("`{address}` cannot be listened on: {why}");
                Error::usage("--listen", why, "give a free port, or 0 for any")
            }),
            Self::Unix(path) => listen_at(path).map_err(|why| {
                let why = format!("`unix:{}` cannot be listened on: {why}", path.display());
                Error::usage("--listen", why, "give a path that does not exist yet, in a folder that does")
            }),
        }
    }
}

/// Reads an address to listen on; without a host it is 127.0.0.1.
pub(super) fn parse_listen(text: &str) -> Result<ListenAt, Refusal> {
    let text = text.trim();
    if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
        return Ok(ListenAt::Unix(path.into()));
    }
    whole_address(text).parse().map(ListenAt::Tcp).map_err(|_| {
        Refusal::new(
            format!("`{text}` is not an address to listen on"),
            "accepted is 127.0.0.1:8000, :8000, 0.0.0.0:8000 or unix:/path",
        )
    })
}

/// Connections to make room for in advance, so that no client waits while the kernel makes room.
const MOST_CONNECTIONS: u64 = 1 << 15;

/// Serves until a signal.
pub(super) fn simulate(arguments: SimulateArguments) -> Result<ExitCode, Error> {
    // As many as the limits of this machine allow; the number of clients is not known yet.
    _ = Limits::raised_for(MOST_CONNECTIONS);
    let truth: Option<Box<dyn Write + Send>> = match &arguments.truth {
        Some(path) => {
            let file = File::create(path).map_err(|why| Error::output(path, format!("{why}; check --truth")))?;
            Some(Box::new(BufWriter::new(file)))
        }
        None => None,
    };
    let faults = arguments.fault.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let options = Options {
        profile: arguments.sim,
        faults: arguments.fault,
        seed: Seed::new(arguments.seed),
        api_key: arguments.api_key,
        truth,
        ..Options::default()
    };
    let model = options.model.clone();
    let served = local_runtime()?.block_on(async {
        // Before the address is printed, so that a reader of the address can already stop the server.
        let mut signals = Signals::listen()?;
        let listener = arguments.listen.listen()?;
        print(&format!("{}\n", listener.url().map_err(|why| Error::Internal(format!("no address: {why}")))?))?;
        say(&format!("serving model {model}, profile {}, seed {}; Ctrl-C ends it", arguments.sim, arguments.seed));
        if !faults.is_empty() {
            say(&format!("faults: {faults}"));
        }
        Server::new(options).serve(listener, async { signals.next().await }).await.map_err(|why| {
            match &arguments.truth {
                Some(path) if is_of_a_disk(why.kind()) => {
                    Error::output(path, format!("{why}; is there room on the disk? --truth names another file"))
                }
                _ => Error::Internal(format!("the simulated server broke: {why}")),
            }
        })
    })?;
    say(&account(&served));
    if let Some(path) = &arguments.truth {
        say(&format!("truth in {}", path.display()));
    }
    Ok(Exit::Done.into())
}

/// Whether an error is from a disk that accepts no more data, and not from a socket.
fn is_of_a_disk(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge | ErrorKind::ReadOnlyFilesystem
    )
}

/// The line on what the server did, and how late it was.
fn account(served: &Served) -> String {
    let lateness = |late_ns: &Histogram<u64>, what: &str| {
        let late = |share: f64| seconds(late_ns.value_at_quantile(share) as f64 / 1e9);
        format!(
            "own lateness of {} {what}: p50 {}, p99 {}, max {}",
            count(late_ns.len()),
            late(0.5),
            late(0.99),
            late(1.0)
        )
    };
    let writes =
        if served.late_ns.is_empty() { "nothing written".to_owned() } else { lateness(&served.late_ns, "writes") };
    let steps = served.step_late_ns.as_ref().filter(|late_ns| !late_ns.is_empty());
    let steps = steps.map_or_else(String::new, |late_ns| format!("; {}", lateness(late_ns, "steps")));
    format!("{} requests on {} connections; {writes}{steps}", count(served.requests), count(served.connections))
}
