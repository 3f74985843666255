//! Owns the GPUs of this host, as `nvidia-smi` sees them through NVML.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::telemetry::Quantity;

/// What is asked of `nvidia-smi`, once a second: a line for each GPU. It runs as a process of its own, because a static
/// binary cannot load NVML.
const ASKED: [&str; 3] =
    ["--query-gpu=index,utilization.gpu,memory.used,power.draw", "--format=csv,noheader,nounits", "--loop-ms=1000"];
const MIB: f64 = 1_048_576.0;

/// Busy share, used bytes and watts of one GPU; absent where it does not say.
type Gpu = [Option<f64>; 3];

/// The GPUs of this host.
pub(crate) struct Gpus {
    child: Child,
    latest: Arc<Mutex<BTreeMap<u32, Gpu>>>,
}

impl Gpus {
    /// The GPUs; `None` where there is no `nvidia-smi`.
    pub(crate) fn watched() -> Option<Self> {
        let mut command = Command::new("nvidia-smi");
        command.args(ASKED).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let lines = BufReader::new(child.stdout.take()?).lines();
        let latest: Arc<Mutex<BTreeMap<u32, Gpu>>> = Arc::default();
        let seen = Arc::clone(&latest);
        let reading = move || {
            for (index, gpu) in lines.map_while(Result::ok).filter_map(|line| gpu_of(&line)) {
                seen.lock().unwrap_or_else(PoisonError::into_inner).insert(index, gpu);
            }
            // Without the process, the last values say nothing.
            seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
        };
        thread::Builder::new().name("gpus".to_owned()).spawn(reading).ok()?;
        Some(Self { child, latest })
    }

    /// The mean busy share, and memory and power of all GPUs together. A quantity that a GPU does not say is left out.
    pub(crate) fn quantities(&self) -> BTreeMap<Quantity, f64> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let count = latest.len() as f64;
        let sum = |place: usize| latest.values().map(|gpu| gpu[place]).sum::<Option<f64>>().filter(|_| count > 0.0);
        let values = [
            (Quantity::GpuUse, sum(0).map(|sum| sum / count)),
            (Quantity::GpuMemoryBytes, sum(1)),
            (Quantity::PowerW, sum(2)),
        ];
        values.into_iter().filter_map(|(quantity, value)| Some((quantity, value?))).collect()
    }
}

impl Drop for Gpus {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The GPU of a line: `0, 87, 40960, 512.30`; `[N/A]` where it does not say.
fn gpu_of(line: &str) -> Option<(u32, Gpu)> {
    let mut fields = line.split(',').map(str::trim);
    let index = fields.next()?.parse().ok()?;
    let mut next = |factor: f64| fields.next()?.parse::<f64>().ok().map(|value| value * factor);
    Some((index, [next(0.01), next(MIB), next(1.0)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gives_a_gpu_in_our_units_and_what_it_does_not_say_is_absent() {
        assert_eq!(gpu_of("1, 50, 2, 512.5"), Some((1, [Some(0.5), Some(2.0 * MIB), Some(512.5)])));
        assert_eq!(gpu_of("0, 0, 10, [N/A]"), Some((0, [Some(0.0), Some(10.0 * MIB), None])));
        assert_eq!(gpu_of("No devices were found"), None);
    }
}
