//! Owns the two pacing methods that were considered, in minimal form: a `timerfd` awaited in the worker, and a thread
//! that spins and passes each instant to the worker.

use std::time::Duration;

use tonnage::clock::{Pacer, Pacing, RunClock};
use tonnage::units::Offset;

use crate::common::host::{no_timer_slack, now_ns, pin, sleep_until, thread_cpu_s, tool_cpu};

/// Lateness at each instant, and the CPU cost.
pub(crate) struct Paced {
    pub(crate) late_us: Vec<f64>,
    pub(crate) cpu_s: f64,
}

/// The time between the call and the origin of the instants.
const HEAD_START: Duration = Duration::from_millis(2);
/// The pacing thread stops sleeping this many nanoseconds before an instant, and spins.
const SPIN_NS: u64 = 100_000;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// (a) `timerfd` in the worker's own poll, as in the tool.
pub(crate) fn timerfd(instants: &[u64]) -> Paced {
    let run = || {
        pin(tool_cpu());
        no_timer_slack();
        runtime().block_on(async {
            let clock = RunClock::starting_in(HEAD_START);
            let mut pacer = Pacer::new(clock, Pacing::Precise);
            assert_eq!(pacer.pacing(), Pacing::Precise, "this system has timerfd");
            let before = thread_cpu_s();
            let mut late_us = Vec::with_capacity(instants.len());
            for at in instants {
                let at = Offset::from_nanos(*at);
                pacer.sleep_until(at).await;
                late_us.push(clock.now().secs_since(at) * 1e6);
            }
            Paced { late_us, cpu_s: thread_cpu_s() - before }
        })
    };
    std::thread::scope(|scope| scope.spawn(run).join().expect("candidate (a) runs"))
}

/// (b) A thread on `pacer_cpu` sleeps until 100 µs before the instant, spins, and signals the worker through a
/// channel.
pub(crate) fn spinning(instants: &[u64], pacer_cpu: usize) -> Paced {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let pace = || {
        pin(pacer_cpu);
        no_timer_slack();
        // The sender moves into this thread, so that the worker's channel closes when the thread ends.
        let sender = sender;
        let before = thread_cpu_s();
        let origin = now_ns() + HEAD_START.as_nanos() as u64;
        for at in instants {
            let due = origin + at;
            if due > now_ns() + SPIN_NS {
                sleep_until(due - SPIN_NS);
            }
            while now_ns() < due {
                std::hint::spin_loop();
            }
            sender.send(due).expect("the worker receives until the end");
        }
        thread_cpu_s() - before
    };
    let work = || {
        pin(tool_cpu());
        runtime().block_on(async {
            let before = thread_cpu_s();
            let mut late_us = Vec::with_capacity(instants.len());
            while let Some(due) = receiver.recv().await {
                late_us.push(now_ns().saturating_sub(due) as f64 / 1e3);
            }
            Paced { late_us, cpu_s: thread_cpu_s() - before }
        })
    };
    std::thread::scope(|scope| {
        let (working, pacing) = (scope.spawn(work), scope.spawn(pace));
        let pacer_cpu_s = pacing.join().expect("the pacing thread runs");
        let worked = working.join().expect("the worker runs");
        Paced { cpu_s: worked.cpu_s + pacer_cpu_s, ..worked }
    })
}
