//! Owns sim.
