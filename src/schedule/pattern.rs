//! Owns `Pattern`: a profile with its overlays, and the curve of a load that follows them, warm-up and cool-down
//! included.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::schedule::clause::{Time, secs};
use crate::schedule::overlay::{Overlay, blend};
use crate::schedule::piece::{Layer, Pieces};
use crate::schedule::{Curve, Extent, Profile};
use crate::seed::Seed;

/// The rate over time as asked for: a profile, and overlays in the order in which they apply.
///
/// The profile begins with the measured window. The warm-up before it has the profile's first rate, without overlays.
/// The cool-down after it continues the profile with its overlays. After the profile's end, it keeps the last rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pattern {
    /// The rate over time, without overlays.
    pub profile: Profile,
    /// The overlays on the profile, in order.
    pub overlays: Vec<Overlay>,
}

impl Pattern {
    /// The longest load: one year, in seconds.
    pub(crate) const LONGEST_S: f64 = 3.2e7;

    /// The pattern as text, cut after 160 characters.
    #[must_use]
    pub fn brief(&self) -> String {
        let text = self.to_string();
        match text.char_indices().nth(160) {
            Some((end, _)) => format!("{} …", &text[..end]),
            None => text,
        }
    }

    /// The length of the measured window of `extent`, in seconds. By count it is the nominal length, at which that
    /// many requests are expected. Without an extent it is the profile's length. Refused if it is longer than the
    /// profile, because the rest could mean holding, repeating, or a mistake.
    pub(crate) fn window_s(&self, extent: Option<Extent>, seed: Seed) -> Result<f64, Refusal> {
        let endless = "end it with `; hold` (it keeps its last rate) or `; repeat` (it starts again)";
        match (extent, self.profile.length()) {
            (None, Some(length)) => Ok(secs(length)),
            (None, None) => Err(Refusal::new(
                "the profile has no end",
                "give the option duration or the option requests, or give its last stage a time",
            )),
            (Some(Extent::Duration(asked)), Some(length)) if asked > length => Err(Refusal::new(
                format!("the profile lasts {}, but {} were asked for", Time(length), Time(asked)),
                format!("give at most the option duration {}, or {endless}", Time(length)),
            )),
            (Some(Extent::Duration(asked)), _) => Ok(secs(asked)),
            (Some(Extent::Requests(count)), length) => {
                let mut limit_s = length.map_or(1.0, secs);
                loop {
                    let base = self.base(limit_s, seed)?;
                    let reached = count as f64;
                    if let Some(at_s) = base.inverse_in(base.find(reached, 0), reached) {
                        return Ok(at_s);
                    }
                    if length.is_some() && base.area(limit_s) < reached {
                        let why = format!(
                            "the profile has about {:.0} requests, but {count} were asked for",
                            base.area(limit_s)
                        );
                        return Err(Refusal::new(why, format!("ask for fewer, or {endless}")));
                    } else if length.is_some() {
                        return Ok(limit_s);
                    }
                    if limit_s >= Self::LONGEST_S {
                        let why = format!("the profile does not reach {count} requests within a year");
                        return Err(Refusal::new(why, "ask for fewer, or give it a higher rate"));
                    }
                    limit_s = (2.0 * limit_s).min(Self::LONGEST_S);
                }
            }
        }
    }

    fn base(&self, limit_s: f64, seed: Seed) -> Result<Pieces, Refusal> {
        let mut layer = Layer::new(limit_s);
        self.profile.lay(&mut layer, limit_s, seed);
        layer.done()
    }

    /// The curve of a load: `warmup`, then the pattern until `limit_s` after the window's beginning. The means of the
    /// overlays are taken over `window_s`.
    pub(crate) fn curve(&self, warmup: Duration, window_s: f64, limit_s: f64, seed: Seed) -> Result<Curve, Refusal> {
        let base = self.base(limit_s, seed)?;
        let first = base.rate(0.0);
        if first == 0.0 && !warmup.is_zero() {
            return Err(Refusal::new(
                "the warm-up uses the profile's first rate, which is 0/s: it would send nothing",
                "drop the option warmup, or start the profile above 0/s",
            ));
        }
        let laid = if self.overlays.is_empty() { base } else { blend(&base, &self.overlays, window_s, seed)? };
        Ok(laid.after(first, secs(warmup))?.into())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.profile.fmt(f)?;
        self.overlays.iter().try_for_each(|overlay| write!(f, " + {overlay}"))
    }
}
