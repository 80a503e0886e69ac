//! What a device says of itself.

use crate::body_reader::{BodyReader, ReadBodyError};
use crate::{DeviceReport, KeyStorage, ViolationCode};

const STORAGE_FORM: &str = "must be hardware, software or none";
const TEXT_FORM: &str = "must be 1 to 64 printable ASCII characters";

impl DeviceReport {
    /// Parses a body.
    pub fn parse(body: &[u8]) -> Result<Self, ReadBodyError> {
        BodyReader::read(body, |reader, root| {
            let mut fields = reader.object("", root)?;
            reader.require(&fields, &["os_compromised", "key_storage", "app_version", "os_version"]);
            let any = |text: &str| Some(text.to_owned());
            let os_compromised = reader.boolean_field(&mut fields, "os_compromised");
            let key_storage = reader.text_field(&mut fields, "key_storage", STORAGE_FORM, parse_key_storage);
            let app_version = reader.text_field(&mut fields, "app_version", TEXT_FORM, any);
            let os = reader.text_field(&mut fields, "os", TEXT_FORM, any);
            let os_version = reader.text_field(&mut fields, "os_version", TEXT_FORM, any);
            // The type's own rule checks the texts that could be read, whatever else is invalid.
            let checked = Self {
                os_compromised: os_compromised.unwrap_or_default(),
                key_storage: key_storage.unwrap_or(KeyStorage::None),
                app_version: app_version.clone().unwrap_or_else(|| "-".to_owned()),
                os,
                os_version: os_version.clone().unwrap_or_else(|| "-".to_owned()),
            };
            for pointer in checked.invalid_fields() {
                reader.reject(pointer, ViolationCode::InvalidFormat, TEXT_FORM);
            }
            reader.reject_unknown(fields);
            os_compromised.and(key_storage).and(app_version).and(os_version).map(|_| checked)
        })
    }
}

fn parse_key_storage(text: &str) -> Option<KeyStorage> {
    match text {
        "hardware" => Some(KeyStorage::Hardware),
        "software" => Some(KeyStorage::Software),
        "none" => Some(KeyStorage::None),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::violations;
    use super::*;
    use crate::ViolationCode as Is;

    #[test]
    fn a_report() {
        let body =
            br#"{"os_compromised":true,"key_storage":"hardware","app_version":"4.2","os_version":"26.1"}"#;
        let report = DeviceReport::parse(body).unwrap();
        assert!(report.os_compromised && report.os.is_none());
        assert_eq!((report.key_storage, report.app_version.as_str()), (KeyStorage::Hardware, "4.2"));
        let reread = serde_json::to_vec(&report).unwrap();
        assert_eq!(DeviceReport::parse(&reread).unwrap(), report);
    }

    #[test]
    fn every_violation_is_told() {
        let body = br#"{"os_compromised":"yes","key_storage":"vault","app_version":"","os":7,"rooted":true}"#;
        let expected = [
            ("/app_version", Is::InvalidFormat),
            ("/key_storage", Is::InvalidFormat),
            ("/os", Is::WrongType),
            ("/os_compromised", Is::WrongType),
            ("/os_version", Is::Required),
            ("/rooted", Is::UnknownField),
        ];
        let found = violations(DeviceReport::parse(body));
        assert_eq!(found, expected.map(|(pointer, code)| (pointer.to_owned(), code)));
        let twice = br#"{"os_compromised":true,"os_compromised":false,"key_storage":"none","app_version":"1","os_version":"1"}"#;
        assert_eq!(
            violations(DeviceReport::parse(twice)),
            [("/os_compromised".to_owned(), Is::DuplicateKey)]
        );
    }
}
