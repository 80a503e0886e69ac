//! Enrolment of a device.

use crate::EnrolRequest;
use crate::body_reader::{BodyReader, ReadBodyError};

impl EnrolRequest {
    /// Parses a body. An empty body enrols a new device. The caller checks who owns `device_id`.
    pub fn parse(body: &[u8]) -> Result<Self, ReadBodyError> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        BodyReader::read(body, |reader, root| {
            let mut fields = reader.object("", root)?;
            let device_id = reader
                .text_field(&mut fields, "device_id", "must be a device id", |text| Some(text.to_owned()));
            reader.reject_unknown(fields);
            Some(Self { device_id })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::violations;
    use super::*;
    use crate::ViolationCode as Is;

    #[test]
    fn a_device_id_or_nothing() {
        for body in [&b""[..], b"{}", br#"{"device_id":null}"#] {
            assert_eq!(EnrolRequest::parse(body).unwrap(), EnrolRequest::default());
        }
        let renewal = EnrolRequest::parse(br#"{"device_id":"x"}"#).unwrap();
        assert_eq!(renewal.device_id.as_deref(), Some("x"));
        for (body, pointer, code) in [
            (&br#"{"device_id":7}"#[..], "/device_id", Is::WrongType),
            (br#"{"name":1}"#, "/name", Is::UnknownField),
            (br#"[null]"#, "", Is::WrongType),
        ] {
            assert_eq!(violations(EnrolRequest::parse(body)), [(pointer.to_owned(), code)]);
        }
        assert_eq!(EnrolRequest::parse(b"{"), Err(ReadBodyError::NotJson));
    }
}
