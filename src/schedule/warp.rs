//! Owns overlays on recorded instants: they move instants, but add and remove none.

use std::time::Duration;

use crate::error::Refusal;
use crate::schedule::{Overlay, Pattern, Profile, Recorded};
use crate::seed::Seed;
use crate::units::Rate;

/// `recorded` under `overlays`: an instant t moves to F⁻¹(t·F(T)/T), where F is the integral of the overlays' factor
/// f over the window [0, T). The rate around each instant is multiplied by f(t)·T/F(T); the mean of this product over
/// the window is 1. The requests, their order and the window stay the same.
///
/// Refused if an overlay adds requests per second: a trace has no rate to add to.
pub(super) fn warped(recorded: Recorded, overlays: &[Overlay], seed: Seed) -> Result<Recorded, Refusal> {
    if let Some(adding) = overlays.iter().find(|overlay| overlay.adds()) {
        let why = format!("`{adding}` adds requests per second, but a trace has no rate to add to");
        return Err(Refusal::new(why, "give its SIZE in percent, which moves the trace's instants"));
    }
    let length_s = recorded.end().as_secs();
    let pattern = Pattern { profile: Profile::constant(Rate::new(1.0)?), overlays: overlays.to_vec() };
    let curve = pattern.curve(Duration::ZERO, length_s, length_s, seed)?;
    let factor = curve.expected(length_s) / length_s;
    if factor <= 0.0 {
        return Err(Refusal::new(
            "the overlays make the rate 0 over the whole window",
            "give smaller SIZEs, or a longer window",
        ));
    }
    Ok(recorded.moved(|at| curve.instant(at.as_secs() * factor)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::TimeScale;
    use crate::units::Offset;

    fn even(count: u64, length_s: u64) -> Recorded {
        let instants = (0..count).map(|i| Offset::from_nanos(i * length_s * 1_000_000_000 / count));
        Recorded::new(instants, Some(Duration::from_secs(length_s)), TimeScale::ONE).unwrap()
    }

    fn bent(overlays: &[&str]) -> Recorded {
        let overlays: Vec<Overlay> = overlays.iter().map(|text| text.parse().unwrap()).collect();
        warped(even(6_000, 60), &overlays, Seed::new(1)).unwrap()
    }

    #[test]
    fn the_rate_around_each_instant_is_multiplied_and_the_count_kept() {
        let bent = bent(&["square amp=50% period=20s"]);
        assert_eq!((bent.instants().len(), bent.end()), (6_000, Offset::from_secs(60.0)));
        let counts = (0..6).map(|ten| bent.instants().iter().filter(|at| (at.as_secs() / 10.0) as u64 == ten).count());
        assert_eq!(counts.collect::<Vec<_>>(), [1_500, 500, 1_500, 500, 1_500, 500]);
    }

    #[test]
    fn order_and_window_are_kept_under_any_overlay() {
        for overlays in [
            &["ou sd=80% tau=2s"][..],
            &["bursts height=900% burst=1s calm=9s", "sine amp=100% period=7s"],
            &["noise sd=0%"],
        ] {
            let bent = bent(overlays);
            assert!(bent.instants().is_sorted() && bent.instants().iter().all(|at| *at < bent.end()), "{overlays:?}");
            assert_eq!(bent.instants().len(), 6_000);
        }
        let kept = bent(&["noise sd=0%"]);
        let off = |(one, other): (&Offset, &Offset)| one.as_nanos().abs_diff(other.as_nanos()) <= 1;
        assert!(
            kept.instants().iter().zip(even(6_000, 60).instants()).all(off),
            "an overlay of size 0 moves no instant"
        );
    }

    #[test]
    fn what_adds_is_refused() {
        let refusal = warped(even(10, 10), &["sine amp=5/s period=7s".parse().unwrap()], Seed::new(1)).unwrap_err();
        assert!(refusal.to_string().contains("in percent"), "{refusal}");
    }
}
