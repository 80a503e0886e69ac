//! Headers that may stand only once.

use http::{HeaderMap, HeaderName};

/// The header stands twice, or is no visible ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotSingle;

/// A header's value. One that stands twice is refused: which of the two was meant is anybody's choice.
pub(super) fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, NotSingle> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(NotSingle);
    }
    first.map(|value| value.to_str().map_err(|_| NotSingle)).transpose()
}

/// A header's value if it is there, once and in visible ASCII.
pub(crate) fn single_header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    single(headers, name).ok().flatten()
}
