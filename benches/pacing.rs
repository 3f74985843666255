//! Owns nothing yet.
fn main() {}
