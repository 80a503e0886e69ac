//! Parameters of a query or a form that may stand only once.

/// The parameter stands twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DuplicateParameter;

/// A parameter's value, decoded.
pub(super) fn single_parameter(encoded: &[u8], name: &str) -> Result<Option<String>, DuplicateParameter> {
    let mut values = url::form_urlencoded::parse(encoded).filter(|(key, _)| key == name);
    let first = values.next().map(|(_, value)| value.into_owned());
    if values.next().is_some() { Err(DuplicateParameter) } else { Ok(first) }
}
