//! Headers that may stand only once.

use http::{HeaderMap, HeaderName};

/// The header stands twice, or is no visible ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SingleHeaderError;

/// A header's value. One that stands twice is refused: which of the two was meant is anybody's choice.
pub(super) fn try_single_header<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h str>, SingleHeaderError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(SingleHeaderError);
    }
    first.map(|value| value.to_str().map_err(|_| SingleHeaderError)).transpose()
}

/// A header's value if it is there, once and in visible ASCII.
pub(crate) fn single_header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    try_single_header(headers, name).ok().flatten()
}
