//! Owns the requests of a pool of clients: instants and lengths drawn from a seed, as a trace.

use crate::schedule::{Cv, Process, UnitArrivals};
use crate::seed::{Seed, open_unit};
use crate::trace::{ClientPool, PoolGaps, PoolRow, Trace};
use crate::units::Window;

/// A CV that the law of a window was moved to, because the laws of gaps have bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// Windows whose CV was above 30 or below 0.01.
    pub windows: u64,
}

/// The requests that the clients of `pool` send in `span`, at `factor` times their rates, as a trace whose instants
/// count from the start of `span`. `None` if there are none.
///
/// In each window a client's arrivals are a stationary renewal process at the window's rate, with gaps of the window's
/// law. Windows and clients are independent of each other, as are input and output lengths: the pool has no more than
/// the distribution of each. The draws come from the seed's streams `pool_arrivals` and `pool_lengths`.
#[must_use]
pub fn requests_of_pool(pool: &ClientPool, span: Window, factor: f64, seed: Seed) -> (Option<Trace>, Moved) {
    let (arrivals, lengths) = (seed.stream("pool_arrivals"), seed.stream("pool_lengths"));
    let (mut rows, mut moved) = (Vec::new(), Moved::default());
    for client in pool.clients() {
        for window in &client.windows {
            let (process, is_moved) = process_of(window.gaps);
            moved.windows += u64::from(is_moved);
            // Each window of each client has a place of its own in the streams.
            let place = client.number << 32 | window.start_s;
            let mut unit = UnitArrivals::new(process, arrivals.at(place));
            let mut draws = lengths.at(place);
            let of_window = client.lengths_at(window.start_s);
            let rate_per_s = window.rate_per_s * factor;
            loop {
                let at_s = window.start_s as f64 + unit.advance() / rate_per_s;
                if at_s >= window.end_s as f64 {
                    break;
                }
                let input_tokens = of_window.input.quantile(open_unit(&mut draws));
                let output_tokens = of_window.output.quantile(open_unit(&mut draws));
                if at_s >= span.start.as_secs() && at_s < span.end.as_secs() {
                    rows.push(PoolRow { at_ns: (at_s * 1e9) as i64, input_tokens, output_tokens });
                }
            }
        }
    }
    (Trace::of_pool(rows, span.start), moved)
}

/// The process of gaps of `gaps`, and whether its CV had to be moved into the bounds of processes.
fn process_of(gaps: PoolGaps) -> (Process, bool) {
    let cv = match gaps {
        PoolGaps::Gamma(shape) => 1.0 / libm::sqrt(shape),
        PoolGaps::Weibull(shape) => {
            let log = libm::lgamma(1.0 + 2.0 / shape) - 2.0 * libm::lgamma(1.0 + 1.0 / shape);
            libm::sqrt(libm::expm1(log))
        }
    };
    // A shape near 0 gives an infinite CV, or none.
    let within = if cv.is_nan() { Cv::MAX } else { cv.clamp(Cv::MIN, Cv::MAX) };
    let process = match gaps {
        PoolGaps::Gamma(_) => Process::gamma(within),
        PoolGaps::Weibull(_) => Process::weibull(within),
    };
    #[expect(clippy::float_cmp, reason = "clamping gives the same number or another")]
    (process.unwrap_or(Process::Poisson), within != cv)
}
