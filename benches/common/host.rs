//! Owns the machine: the monotonic clock, sleeping, cores, CPU time, and how much other processes disturbed the
//! machine.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use rustix::thread::{ClockId, CpuSet, clock_nanosleep_absolute, sched_setaffinity};
use rustix::time::{Timespec, clock_gettime};

/// The core of the load generator: the first core, until [`choose_cores`] has measured.
static TOOL_CPU: AtomicUsize = AtomicUsize::new(0);
/// How long the cores are observed, and the shortest gap between two clock readings, in nanoseconds, that counts as
/// caused by another process.
const WATCH: Duration = Duration::from_millis(2_200);
const FOREIGN: u64 = 100_000;

/// The core of the load generator.
pub(crate) fn tool_cpu() -> usize {
    TOOL_CPU.load(Ordering::Relaxed)
}

/// The core of the server, and of the benchmark itself while it waits.
pub(crate) fn server_cpu() -> usize {
    1 - tool_cpu()
}

/// Gives the load generator (the tool and the control alike) the core that loses less time to other processes, and
/// the calling thread the other core. Both cores read the clock in a busy loop, and the gaps are added up.
///
/// The daemons of a machine stay on one core for minutes. On the machine of the recorded figures, one daemon runs for
/// 5 to 15 ms of every second above normal priority (seen by `sched_switch`). The p99 of a run on its core would
/// measure the daemon.
pub(crate) fn choose_cores() {
    let lost = |cpu: usize| {
        move || {
            pin(cpu);
            let (start, mut last, mut lost) = (now_ns(), now_ns(), 0);
            while last - start < WATCH.as_nanos() as u64 {
                let now = now_ns();
                if now - last > FOREIGN {
                    lost += now - last;
                }
                last = now;
            }
            lost
        }
    };
    let [first, second] = std::thread::scope(|scope| {
        [0, 1].map(|cpu| scope.spawn(lost(cpu))).map(|watch| watch.join().expect("a core is watched"))
    });
    TOOL_CPU.store(usize::from(second < first), Ordering::Relaxed);
    pin(server_cpu());
    let per_s = |lost: u64| lost as f64 / 1e6 / WATCH.as_secs_f64();
    eprintln!(
        "  lost to others: CPU 0 {:.1} ms/s, CPU 1 {:.1} ms/s; load generator on CPU {}",
        per_s(first),
        per_s(second),
        tool_cpu()
    );
}

/// Nanoseconds on `CLOCK_MONOTONIC`.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// `clock_nanosleep` until `at_ns` on `CLOCK_MONOTONIC`, absolute.
pub(crate) fn sleep_until(at_ns: u64) {
    let at = Timespec { tv_sec: (at_ns / 1_000_000_000).cast_signed(), tv_nsec: (at_ns % 1_000_000_000).cast_signed() };
    while let Err(error) = clock_nanosleep_absolute(ClockId::Monotonic, &at) {
        assert_eq!(error, rustix::io::Errno::INTR, "clock_nanosleep");
    }
}

pub(crate) fn sleep(length: Duration) {
    sleep_until(now_ns() + length.as_nanos() as u64);
}

/// Pins the calling thread, and every child and thread that it creates later, to one core.
pub(crate) fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).expect("this bench needs two cores to itself");
}

/// Sets the timer slack of the calling thread to 1 ns, as the tool does.
pub(crate) fn no_timer_slack() {
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1)).expect("timer slack can be set");
}

/// A thread that takes half of the tool's core until it is dropped: 5 ms busy, 5 ms asleep, at usual priority.
pub(crate) struct Neighbour {
    ends: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Neighbour {
    pub(crate) fn start() -> Self {
        const TURN: Duration = Duration::from_millis(5);
        let ends = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            pin(tool_cpu());
            while !told.load(Ordering::Relaxed) {
                let start = now_ns();
                while now_ns() - start < TURN.as_nanos() as u64 {
                    std::hint::spin_loop();
                }
                sleep(TURN);
            }
        });
        Self { ends, thread: Some(thread) }
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // A neighbour that panicked took less than its half; the figures say so themselves.
        _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

fn seconds(usage: &Usage) -> f64 {
    let of = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    of(usage.user_time()) + of(usage.system_time())
}

/// CPU seconds of the calling thread.
pub(crate) fn thread_cpu_s() -> f64 {
    seconds(&getrusage(UsageWho::RUSAGE_THREAD).expect("getrusage"))
}

/// CPU seconds of this process.
pub(crate) fn self_cpu_s() -> f64 {
    seconds(&getrusage(UsageWho::RUSAGE_SELF).expect("getrusage"))
}

/// CPU seconds of all children that have been waited for.
pub(crate) fn children_cpu_s() -> f64 {
    seconds(&getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage"))
}

/// CPU seconds so far of a running process, to a hundredth.
pub(crate) fn running_cpu_s(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or("");
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<f64>().ok()).sum();
    ticks / 100.0
}

/// A size from `/proc/PID/status` in MiB: `VmHWM` is the peak resident set, `VmRSS` the current one.
pub(crate) fn memory_mib(pid: u32, key: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

/// Established connections to `port` on loopback, seen from the client.
pub(crate) fn connections_to(port: u16) -> usize {
    let remote = format!(":{port:04X}");
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let is_one = |line: &str| {
        let mut words = line.split_whitespace().skip(2);
        words.next().is_some_and(|address| address.ends_with(&remote)) && words.next() == Some("01")
    };
    table.lines().skip(1).filter(|line| is_one(line)).count()
}

/// How busy the machine has been since boot.
pub(crate) struct Disturbance {
    load: String,
    steal: f64,
    total: f64,
}

impl Disturbance {
    pub(crate) fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let ticks: Vec<f64> =
            stat.lines().next().unwrap_or("").split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            load: load.split_whitespace().take(3).collect::<Vec<_>>().join(" "),
            steal: ticks.get(7).copied().unwrap_or(0.0),
            total: ticks.iter().take(8).sum(),
        }
    }

    /// Load averages, and the share of CPU time that the hypervisor stole between `before` and now.
    pub(crate) fn since(&self, before: &Self) -> String {
        let share = 100.0 * (self.steal - before.steal) / (self.total - before.total).max(1.0);
        format!("load average {} before, {} after; steal {share:.2} % in between", before.load, self.load)
    }
}

/// The machine in one line.
pub(crate) fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split(": ").nth(1))
        .unwrap_or("?")
        .to_owned();
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} × {model}, Linux {}, loopback; load generator on one core, server on another", kernel.trim())
}
