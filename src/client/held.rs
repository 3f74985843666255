//! Owns the memory bound for responses in flight: the bytes that all of them together may keep of unfinished events
//! and bodies.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that all responses in flight in this process may keep together. A normal response keeps at most a few KiB.
pub(super) const MOST_HELD_BYTES: usize = 64 << 20;

/// A response that keeps at most this many bytes is not counted, so the common case costs nothing. 20 000 uncounted
/// responses stay below 1.3 GiB.
const FREE_BYTES: usize = 64 << 10;

static HELD: AtomicUsize = AtomicUsize::new(0);

/// The bytes that are counted for one response; 0 while it keeps few.
#[derive(Debug, Default)]
pub(super) struct HeldBytes(usize);

impl HeldBytes {
    /// Notes that the response keeps `bytes` now. Returns `false` when all responses together would keep too much.
    pub(super) fn fits(&mut self, bytes: usize) -> bool {
        if bytes <= FREE_BYTES && self.0 == 0 {
            return true;
        }
        let counted = if bytes <= FREE_BYTES { 0 } else { bytes };
        let before = HELD.fetch_add(counted, Ordering::Relaxed);
        HELD.fetch_sub(self.0, Ordering::Relaxed);
        let others = before.saturating_sub(self.0);
        self.0 = counted;
        counted == 0 || others + counted <= MOST_HELD_BYTES
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_keep_together_is_bounded_and_given_back() {
        let mut many: Vec<HeldBytes> = (0..20).map(|_| HeldBytes::default()).collect();
        let kept = many.iter_mut().map(|held| held.fits(30 << 20)).filter(|fits| *fits).count();
        assert!((1..=4).contains(&kept), "30 MiB each: {kept}");
        assert!(many[19].fits(1_000), "one that keeps little is never refused");
        drop(many);
        assert!(HeldBytes::default().fits(30 << 20));
    }
}
