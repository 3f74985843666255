//! Owns the rule for fields that are left out of files.

/// Whether a value is the default of its type (0, `false`, an empty list), and is then left out.
pub(crate) fn is_unsaid<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
