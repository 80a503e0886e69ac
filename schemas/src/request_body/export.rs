//! Request of an export.

use crate::EmptyRequest;
use crate::body_reader::{BodyReader, ReadBodyError};

impl EmptyRequest {
    /// Parses a body: empty, or an object without members.
    pub fn parse(body: &[u8]) -> Result<Self, ReadBodyError> {
        if body.is_empty() {
            return Ok(Self);
        }
        BodyReader::read(body, |reader, root| {
            let fields = reader.object("", root)?;
            reader.reject_unknown(fields);
            Some(Self)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::violations;
    use super::*;
    use crate::ViolationCode as Is;

    #[test]
    fn nothing_or_an_empty_object() {
        assert!(EmptyRequest::parse(b"").is_ok() && EmptyRequest::parse(b" {} ").is_ok());
        assert_eq!(violations(EmptyRequest::parse(br#"{"a":1}"#)), [("/a".to_owned(), Is::UnknownField)]);
        assert_eq!(violations(EmptyRequest::parse(b"null")), [(String::new(), Is::WrongType)]);
        assert_eq!(EmptyRequest::parse(b"x"), Err(ReadBodyError::NotJson));
    }
}
