//! Owns the fuzz target of the recognition of formats.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    tonnage_fuzz::exercise(bytes, None);
});
