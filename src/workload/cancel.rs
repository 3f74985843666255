//! Owns `Cancel`: the share of requests that the plan cancels, and after how long.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::seed::{Seed, Stream, open_unit};
use crate::units::{Ratio, plain};
use crate::workload::ThinkLaw;

/// Requests that the client cancels, as users do who close the page: a share of all, each some time after its send
/// unless it has ended by then. Written `2%:1s`; the time has the forms of [`ThinkLaw`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cancel {
    /// The share of requests.
    share: Ratio,
    /// The law of the time from the send.
    after: ThinkLaw,
}

/// The draws of cancellations: which requests (stream `cancelled`), and after how long (stream `cancel_times`), each at
/// the request's id.
#[derive(Debug, Clone)]
pub(super) struct CancelStreams {
    cancelled: Stream,
    times: Stream,
}

impl CancelStreams {
    pub(super) fn new(seed: Seed) -> Self {
        Self { cancelled: seed.stream("cancelled"), times: seed.stream("cancel_times") }
    }
}

const ACCEPTED: &str = "accepted is a share and a time from the send, such as 2%:1s, 2%:500ms..3s or 10%:exp:5s";

impl Cancel {
    /// How long after its send request `id` is cancelled; `None` if it is not.
    pub(super) fn of(&self, streams: &CancelStreams, id: u64) -> Option<Duration> {
        let is_cancelled = open_unit(&mut streams.cancelled.at(id)) <= self.share.share();
        is_cancelled.then(|| Duration::from_nanos(self.after.draw_ns(&streams.times, id)))
    }

    /// The share of requests that it cancels unless they end before.
    #[must_use]
    pub const fn share(&self) -> f64 {
        self.share.share()
    }
}

impl FromStr for Cancel {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refuse = |why: &str| Refusal::new(format!("`{}`{why}", text.trim()), ACCEPTED);
        let (share, after) =
            text.split_once(':').ok_or_else(|| refuse(" does not say after how long requests are cancelled"))?;
        let share = share.parse::<Ratio>().map_err(|_| refuse(" does not begin with a share"))?;
        if share.share() <= 0.0 {
            return Err(refuse(" cancels nothing"));
        }
        let after = after.parse::<ThinkLaw>().map_err(|_| refuse(" does not end with a time"))?;
        Ok(Self { share, after })
    }
}

impl fmt::Display for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%:{}", plain(self.share() * 100.0), self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cancel(text: &str) -> Cancel {
        text.parse().unwrap()
    }

    #[test]
    fn the_share_and_the_times_are_those_asked_for() {
        let streams = CancelStreams::new(Seed::new(7));
        for (text, share, mean_s) in
            [("2%:1s", 0.02, 1.0), ("0.3:exp:5s", 0.3, 5.0), ("50%:1s..3s", 0.5, 2.0), ("100%:0s", 1.0, 0.0)]
        {
            let drawn: Vec<Duration> = (0..200_000).filter_map(|id| cancel(text).of(&streams, id)).collect();
            let seen = drawn.len() as f64 / 200_000.0;
            let mean = drawn.iter().map(Duration::as_secs_f64).sum::<f64>() / drawn.len() as f64;
            // Four standard errors.
            assert!((seen - share).abs() <= 4.0 * (share * (1.0 - share) / 200_000.0_f64).sqrt(), "{text}: {seen}");
            assert!((mean - mean_s).abs() <= 0.03 * mean_s.max(0.01), "{text}: {mean}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["2%:1s", "30%:exp:5s", "0.5%:1s..3s"] {
            assert_eq!(cancel(&cancel(text).to_string()), cancel(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_share_and_time_is_refused_with_what_is_accepted() {
        for (text, why) in [
            ("2%", "does not say after how long"),
            ("1s", "does not say after how long"),
            ("often:1s", "does not begin with a share"),
            ("2:1s", "does not begin with a share"),
            ("-2%:1s", "does not begin with a share"),
            ("0%:1s", "cancels nothing"),
            ("2%:soon", "does not end with a time"),
            ("2%:-1s", "does not end with a time"),
            ("2%:", "does not end with a time"),
        ] {
            let refusal = text.parse::<Cancel>().unwrap_err();
            assert!(refusal.why.contains(why) && refusal.accepted.contains("2%:1s"), "{text}: {refusal:?}");
        }
    }
}
