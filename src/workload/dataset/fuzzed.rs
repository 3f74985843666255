//! Owns the tests of all readers together: broken bytes never panic, and files read as their makers write them.
