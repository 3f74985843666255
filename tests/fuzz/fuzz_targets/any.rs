//! Owns the fuzz target of format recognition.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    tonnage_fuzz::exercise(bytes, None);
});
