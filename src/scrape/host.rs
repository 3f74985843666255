//! Owns the reading of this host's processors and memory from `/proc`.

use std::collections::BTreeMap;
use std::fs;

use crate::scrape::gpus::Gpus;
use crate::telemetry::Quantity;

/// This host.
pub(crate) struct Host {
    /// Busy and all processor time at the last reading, in ticks.
    before: Option<[u64; 2]>,
    gpus: Option<Gpus>,
}

impl Host {
    /// This host; its GPUs are watched if `nvidia-smi` can be started.
    pub(crate) fn new() -> Self {
        let before = fs::read_to_string("/proc/stat").ok().and_then(|text| ticks(&text));
        Self { before, gpus: Gpus::watched() }
    }

    /// The busy share of the processors since the last reading, the used memory now, and the GPUs.
    pub(crate) fn read(&mut self) -> Result<BTreeMap<Quantity, f64>, String> {
        let read = |path: &str| fs::read_to_string(path).map_err(|why| format!("{path}: {why}"));
        let now = ticks(&read("/proc/stat")?).ok_or("/proc/stat has no line of all processors")?;
        let mut found = self.gpus.as_ref().map(Gpus::quantities).unwrap_or_default();
        if let Some([busy, all]) = self.before.replace(now) {
            let passed = now[1].saturating_sub(all);
            if passed > 0 {
                found.insert(Quantity::HostCpu, now[0].saturating_sub(busy) as f64 / passed as f64);
            }
        }
        found.extend(used_memory(&read("/proc/meminfo")?).map(|bytes| (Quantity::HostMemoryBytes, bytes)));
        Ok(found)
    }
}

/// Busy and all time of all processors together, from the first line of `/proc/stat`: `cpu user nice system idle iowait
/// irq softirq steal …`. Stolen time is not ours; it counts as time that passed.
fn ticks(stat: &str) -> Option<[u64; 2]> {
    let line = stat.lines().find(|line| line.starts_with("cpu "))?;
    let fields: Vec<u64> = line.split_whitespace().skip(1).take(8).map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, idle, iowait, irq, softirq, steal] = <[u64; 8]>::try_from(fields).ok()?;
    let busy = user + nice + system + irq + softirq;
    Some([busy, busy + idle + iowait + steal])
}

/// Memory that is not available to a new process, in bytes, from `/proc/meminfo`.
fn used_memory(meminfo: &str) -> Option<f64> {
    let kib = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    Some((kib("MemTotal:")? - kib("MemAvailable:")?) * 1_024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_time_is_what_is_neither_idle_nor_waiting_nor_stolen() {
        let stat = "cpu  100 10 50 800 20 3 7 10 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        assert_eq!(ticks(stat), Some([170, 1_000]));
        assert_eq!(ticks("cpu 1 2\n"), None);
    }

    #[test]
    fn memory_that_can_be_reclaimed_is_not_used() {
        let meminfo = "MemTotal:       1000 kB\nMemFree: 10 kB\nMemAvailable:    600 kB\n";
        assert_eq!(used_memory(meminfo), Some(400.0 * 1_024.0));
        assert_eq!(used_memory("MemTotal: 1000 kB\n"), None);
    }
}
