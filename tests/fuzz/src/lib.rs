//! Owns the fuzz entry point of the trace readers, for each fuzz target and for the long test without cargo-fuzz.

use std::path::Path;

use tonnage::seed::Seed;
use tonnage::trace::{Choice, Format, OnEmpty, Reading, Reshape, Trace, inspect, write};

/// Reads `bytes` as `format`, or in the format of their own first line if `format` is `None`. A trace that was read
/// is described, reshaped, written in the same format and read again; the number of rows must not change. Returns
/// whether a trace was read.
///
/// # Panics
///
/// Panics when a reader or a writer breaks its promise: this is what fuzzing looks for.
pub fn exercise(bytes: &[u8], format: Option<Format>) -> bool {
    let path = Path::new("fuzz");
    let Ok(trace) = Trace::read(bytes, path, &format.map(Reading::from).unwrap_or_default()) else { return false };
    assert!(trace.rows().is_sorted_by_key(|row| row.at));
    let rows = trace.rows().len();
    let as_read = trace
        .clone()
        .select(&Choice::default(), path)
        .unwrap_or_else(|why| panic!("the default choice must keep all rows: {why}"));
    assert!(inspect(&as_read).is_some_and(|seen| seen.kept == rows as u64));
    let mut text = Vec::new();
    let to = trace.format();
    write(&trace, to, &mut text).unwrap_or_else(|why| panic!("writing to a vector must succeed: {why}"));
    match Trace::read(&text[..], path, &to.into()) {
        Ok(again) => assert_eq!(again.rows().len(), rows, "{to}"),
        Err(why) => panic!("{to}: a written trace must be readable: {why}"),
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
