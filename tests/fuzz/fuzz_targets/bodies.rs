//! Owns the fuzz target of the reader `bodies`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tonnage::trace::Format;

fuzz_target!(|bytes: &[u8]| {
    tonnage_fuzz::exercise(bytes, Some(Format::Bodies));
});
