//! Owns the fuzz target of the reader `otel`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tonnage::trace::Format;

fuzz_target!(|bytes: &[u8]| {
    tonnage_fuzz::exercise(bytes, Some(Format::Otel));
});
