//! Owns virtual time.
