//! Format of the view's store.

/// Format that this version reads and writes. Persisted in [`super::meta`].
pub(super) const VIEW_FORMAT: u8 = 2;
