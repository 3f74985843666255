//! Owns what a reader of traces is put through with any bytes at all: the entry of each fuzz target, and of the long
//! test without cargo-fuzz.

use std::path::Path;

use tonnage::seed::Seed;
use tonnage::trace::{Choice, Format, OnEmpty, Reading, Reshape, Trace, inspect, write};

/// Reads `bytes` as `format` (by their own first line where none is named). What is read is described, reshaped,
/// written as the same format and read again, with as many rows. Whether anything was read.
///
/// # Panics
///
/// Where a reader breaks its word; that is what is looked for.
pub fn exercise(bytes: &[u8], format: Option<Format>) -> bool {
    let path = Path::new("fuzz");
    let Ok(trace) = Trace::read(bytes, path, &format.map(Reading::from).unwrap_or_default()) else { return false };
    assert!(trace.rows().is_sorted_by_key(|row| row.at));
    let rows = trace.rows().len();
    let as_read =
        trace.clone().select(&Choice::default(), path).unwrap_or_else(|why| panic!("nothing is left out: {why}"));
    assert!(inspect(&as_read).is_some_and(|seen| seen.kept == rows as u64));
    let mut text = Vec::new();
    let to = trace.format();
    write(&trace, to, &mut text).unwrap_or_else(|why| panic!("a vector takes all: {why}"));
    match Trace::read(&text[..], path, &to.into()) {
        Ok(again) => assert_eq!(again.rows().len(), rows, "{to}"),
        Err(why) => panic!("{to}: what was written is not read: {why}"),
    }
    let skip = Choice { on_empty: Some(OnEmpty::Skip), ..Choice::default() };
    if let Ok(selection) = trace.select(&skip, path) {
        let reshape = Reshape {
            loops: 2,
            rate_scale: "1.5".parse().unwrap_or(tonnage::trace::RateScale::ONE),
            ..Reshape::default()
        };
        if let Ok(reshaped) = selection.reshape(&reshape, Seed::new(1)) {
            let dropped: u64 = reshaped.dropped.values().sum();
            assert_eq!(reshaped.read + reshaped.copies, reshaped.trace.rows().len() as u64 + dropped);
        }
    }
    true
}
