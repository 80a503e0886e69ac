//! What an app sends to end an account.

use crate::EraseRequest;
use crate::body_reader::{BodyReader, ReadBodyError};

impl EraseRequest {
    /// Parses a body. The caller checks that the user is the token's own.
    pub fn parse(body: &[u8]) -> Result<Self, ReadBodyError> {
        BodyReader::read(body, |reader, root| {
            let mut fields = reader.object("", root)?;
            reader.require(&fields, &["user_id"]);
            let user_id =
                reader.text_field(&mut fields, "user_id", "must be a user id", |text| Some(text.to_owned()));
            reader.reject_unknown(fields);
            Some(Self { user_id: user_id? })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::violations;
    use super::*;
    use crate::ViolationCode as Is;

    #[test]
    fn a_user_id_and_nothing_else() {
        let read = EraseRequest::parse(br#"{"user_id":"ana"}"#).unwrap();
        assert_eq!(read, EraseRequest { user_id: "ana".to_owned() });
        for (body, pointer, code) in [
            (&br#"{}"#[..], "/user_id", Is::Required),
            (br#"{"user_id":7}"#, "/user_id", Is::WrongType),
            (br#"{"user_id":"a","user_id":"b"}"#, "/user_id", Is::DuplicateKey),
            (br#"{"user_id":"a","force":true}"#, "/force", Is::UnknownField),
            (br#"[]"#, "", Is::WrongType),
        ] {
            assert_eq!(violations(EraseRequest::parse(body)), [(pointer.to_owned(), code)]);
        }
    }
}
