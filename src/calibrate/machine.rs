//! Owns what calibration reads from the machine: CPU time of the sending threads, load average.

use std::collections::HashMap;
use std::fs;

/// CPU time so far of this process's worker threads, in nanoseconds, by thread id. Empty when the system does not
/// report it.
#[derive(Debug, Default)]
pub(super) struct WorkerTime(HashMap<String, u64>);

impl WorkerTime {
    pub(super) fn now() -> Self {
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let of = |task: fs::DirEntry| {
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            let spent = fs::read_to_string(task.path().join("schedstat")).ok()?;
            name.starts_with("worker-")
                .then(|| Some((task.file_name().to_string_lossy().into_owned(), on_cpu_ns(&spent)?)))?
        };
        Self(tasks.filter_map(of).collect())
    }

    /// CPU time since `before`, in seconds, of the threads that exist now; `None` when the system does not report it.
    pub(super) fn since_s(&self, before: &Self) -> Option<f64> {
        if self.0.is_empty() {
            return None;
        }
        let spent_ns: u64 =
            self.0.iter().map(|(thread, ns)| ns.saturating_sub(before.0.get(thread).copied().unwrap_or(0))).sum();
        Some(spent_ns as f64 / 1e9)
    }
}

/// The first word of `schedstat`: nanoseconds on a CPU.
fn on_cpu_ns(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

/// The load average of the last minute; `None` when the system does not report it.
pub(super) fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_have_gone_and_threads_that_came_are_counted_right() {
        let time =
            |pairs: &[(&str, u64)]| WorkerTime(pairs.iter().map(|(thread, ns)| ((*thread).to_owned(), *ns)).collect());
        let (before, after) = (time(&[("1", 5_000), ("2", 7_000)]), time(&[("2", 9_000), ("3", 1_000)]));
        assert_eq!(after.since_s(&before), Some(3e-6));
        assert_eq!(time(&[]).since_s(&before), None);
        assert_eq!((on_cpu_ns("123 4 5\n"), on_cpu_ns("")), (Some(123), None));
    }
}
