//! Where a value stands in a JSON document (RFC 6901).

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// The longest pointer, in bytes.
const POINTER_BYTES_MAX: usize = 256;
/// The longest provider user id, in bytes.
const ID_BYTES_MAX: usize = 256;

/// A JSON pointer: empty for the whole document, or `/key/0/key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPointer(String);

/// The text is no JSON pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a JSON pointer is empty or begins with a slash")]
pub struct ParseJsonPointerError;

/// There is something at the pointer, and it is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidId;

impl JsonPointer {
    /// The pointer's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id that stands there: a string, or an integer in decimal. Empty strings, control characters and anything
    /// else are none.
    ///
    /// `Ok(None)` if nothing or null stands there.
    pub(crate) fn resolve_id(&self, document: &Value) -> Result<Option<String>, InvalidId> {
        match document.pointer(&self.0) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if is_valid_id(text) => Ok(Some(text.clone())),
            Some(Value::Number(number)) if number.is_u64() || number.is_i64() => Ok(Some(number.to_string())),
            Some(
                Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_),
            ) => Err(InvalidId),
        }
    }

    /// The provider's user id in a token answer or an identity answer, under the same rules as in a webhook's body:
    /// a string or an integer, otherwise `None`.
    pub fn resolve_user_id(&self, answer: &Value) -> Option<String> {
        self.resolve_id(answer).ok().flatten()
    }
}

/// Whether a text can be the id of somebody or something.
pub(crate) fn is_valid_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= ID_BYTES_MAX && !text.chars().any(char::is_control)
}

impl FromStr for JsonPointer {
    type Err = ParseJsonPointerError;

    fn from_str(text: &str) -> Result<Self, ParseJsonPointerError> {
        // RFC 6901, section 3: a tilde is followed by 0 or 1.
        let escapes = text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
        let fine = text.len() <= POINTER_BYTES_MAX && (text.is_empty() || text.starts_with('/')) && escapes;
        if fine { Ok(Self(text.to_owned())) } else { Err(ParseJsonPointerError) }
    }
}

impl fmt::Display for JsonPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_is_a_string_or_an_integer() {
        let pointer: JsonPointer = "/user/id".parse().unwrap();
        let at = |value: Value| pointer.resolve_id(&json!({"user": {"id": value}}));
        assert_eq!(at(json!("u1")), Ok(Some("u1".to_owned())));
        assert_eq!(at(json!(18446744073709551615u64)), Ok(Some("18446744073709551615".to_owned())));
        assert_eq!(at(json!(-7)), Ok(Some("-7".to_owned())));
        assert_eq!(at(json!(null)), Ok(None));
        assert_eq!(pointer.resolve_id(&json!({"user": {}})), Ok(None));
        for wrong in
            [json!(1.5), json!(true), json!([]), json!({}), json!(""), json!("a\nb"), json!("x".repeat(257))]
        {
            assert_eq!(at(wrong.clone()), Err(InvalidId), "{wrong}");
            assert_eq!(pointer.resolve_user_id(&json!({"user": {"id": wrong}})), None);
        }
    }

    #[test]
    fn pointers_that_are_none() {
        for text in ["", "/", "/a/0", "/a~0b/~1"] {
            assert_eq!(text.parse::<JsonPointer>().unwrap().as_str(), text);
        }
        for text in ["a", "user_id", "/a~2", "/a~", &format!("/{}", "a".repeat(256))] {
            assert_eq!(text.parse::<JsonPointer>(), Err(ParseJsonPointerError), "{text}");
        }
    }
}
